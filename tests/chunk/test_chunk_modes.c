/* SPDX-License-Identifier: MIT */
/* Every way of reading gives the same bytes, each once: sizes, chunk sizes, windows, records and options by chance. */
#include "test_chunk.h"

#define SIZE_MAX_HERE ((size_t)300000)

struct mode {
	struct aion_chunk_options options;
	bool by_fd;
	bool by_pipe;
	bool is_cold;
	int64_t off;
	int64_t size;
};

static struct mode mode_random(uint64_t *random, size_t size)
{
	struct mode mode = {0};

	mode.options.chunk_size = (test_random(random) % 12 + 1) * 4096;
	mode.options.window_nr = (unsigned)(test_random(random) % 5 + 1);
	mode.options.worker_nr = test_random(random) % 2 ? (int)(test_random(random) % 4) : 0;
	mode.options.unordered = test_random(random) % 4 == 0;
	mode.options.dontcache = test_random(random) % 4 == 0;
	mode.options.direct = test_random(random) % 4 == 0;
	mode.by_fd = test_random(random) % 3 == 0;
	mode.is_cold = test_random(random) % 2;
	if (test_random(random) % 3 == 0 && size > 0)
		mode.off = (int64_t)(test_random(random) % size);
	if (test_random(random) % 3 == 0)
		mode.size = (int64_t)(test_random(random) % (size + 10));
	return mode;
}

/* Which of the content is asked for. */
static void mode_range(const struct mode *mode, size_t size, size_t *ret_off, size_t *ret_size)
{
	*ret_off = (size_t)mode->off;
	*ret_size = size - *ret_off;
	if (mode->size && (size_t)mode->size < *ret_size)
		*ret_size = (size_t)mode->size;
}

static int64_t run_file(const struct mode *mode, struct seen *seen, size_t size)
{
	int fd = open("f", O_RDONLY | O_CLOEXEC);
	struct aion_source source = {.path = mode->by_fd ? NULL : "f", .fd = fd, .off = mode->off, .size = mode->size};
	int64_t result;

	cr_assert_geq(fd, 0);
	if (mode->is_cold && size) {
		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	if (mode->by_fd && mode->off % 2) {
		cr_assert_eq(lseek(fd, mode->off, SEEK_SET), mode->off);
		source.off = -1;
	}
	result = aion_chunk_process(&source, 1, seen_note, seen, &mode->options);
	if (source.off == -1)
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), mode->off + result, "the position goes behind what was read");
	close(fd);
	return result;
}

struct pipe_writer {
	int fd;
	const char *content;
	size_t size;
	uint64_t random;
};

static int64_t pipe_write(void *arg)
{
	struct pipe_writer *writer = arg;
	size_t done = 0, size;

	while (done < writer->size) {
		size = test_random(&writer->random) % 9000 + 1;
		if (size > writer->size - done)
			size = writer->size - done;
		if (aion_write_all(writer->fd, writer->content + done, size, NULL) < 0)
			break; /* not all of it is wanted */
		done += size;
		if (size % 3 == 0)
			aion_yield();
	}
	return aion_close(writer->fd);
}

static int64_t run_pipe(const struct mode *mode, struct seen *seen, const char *content, size_t size, uint64_t random)
{
	struct pipe_writer writer = {
		.content = content + mode->off, .size = size - (size_t)mode->off, .random = random};
	struct aion_source source = {.size = mode->size};
	struct aion_group group;
	int64_t result;
	int fds[2];

	test_pipe(fds);
	writer.fd = fds[1];
	source.fd = fds[0];
	aion_group_enter(&group);
	aion_spawn(&group, pipe_write, &writer);
	result = aion_chunk_process(&source, 1, seen_note, seen, &mode->options);
	aion_close(fds[0]);
	aion_group_leave(&group, 0);
	return result;
}

static void check_ways(uint64_t seed, bool records)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
	size_t size = test_random(&random) % 4 ? test_random(&random) % SIZE_MAX_HERE : test_random(&random) % 9000;
	size_t off, seen_size, record = records ? (size_t)1 << test_random(&random) % 15 : 0;
	struct mode mode = mode_random(&random, size);
	char *content = test_content(size, '\n', record, &random);
	struct seen seen;
	int64_t result;

	mode.options.records = records;
	mode.options.delimiter = '\n';
	mode_range(&mode, size, &off, &seen_size);
	seen_init(&seen, size);
	seen.must_delimit = records;
	seen.delimiter = '\n';
	seen.whole = off + seen_size;
	test_file_put("f", content, size);
	result = run_file(&mode, &seen, size);
	cr_assert_eq(result, (int64_t)seen_size, "seed %llu: %lld", (unsigned long long)seed, (long long)result);
	seen_is(&seen, content, off, seen_size);
	cr_assert_eq(seen.cut_nr, 0, "seed %llu", (unsigned long long)seed);
	if (!mode.options.worker_nr && !mode.options.unordered && seen_size && off == 0)
		cr_assert(!seen.is_unordered, "seed %llu", (unsigned long long)seed);
	if (!records)
		cr_assert_leq(seen.largest, mode.options.chunk_size);
	seen_fini(&seen);
	free(content);
}

static void check_pipe(uint64_t seed, bool records)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
	size_t size = test_random(&random) % SIZE_MAX_HERE, record = (size_t)1 << test_random(&random) % 15;
	struct mode mode = mode_random(&random, size);
	char *content = test_content(size, 0, records ? record : 0, &random);
	struct seen seen;
	int64_t result;

	mode.off = mode.size = 0;
	mode.options.records = records;
	seen_init(&seen, size);
	seen.must_delimit = records;
	seen.whole = size;
	result = run_pipe(&mode, &seen, content, size, random);
	cr_assert_eq(result, (int64_t)size, "seed %llu: %lld", (unsigned long long)seed, (long long)result);
	seen_is(&seen, content, 0, size);
	cr_assert_eq(seen.cut_nr, 0);
	seen_fini(&seen);
	free(content);
}

static uint64_t seed_nr(void)
{
	return test_is_small() ? 20 : 150;
}

SPARED_TEST(chunk_modes, all_ways_give_the_same_bytes)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= seed_nr(); seed++)
		check_ways(seed, false);
}

SPARED_TEST(chunk_modes, all_ways_give_whole_records)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= seed_nr(); seed++)
		check_ways(seed + 1000, true);
}

SPARED_TEST(chunk_modes, pipes_give_the_same_bytes)
{
	for (uint64_t seed = 1; seed <= seed_nr() / 3; seed++)
		check_pipe(seed, false);
}

SPARED_TEST(chunk_modes, pipes_give_whole_records)
{
	for (uint64_t seed = 1; seed <= seed_nr() / 3; seed++)
		check_pipe(seed + 500, true);
}

SPARED_TEST(chunk_modes, a_callback_may_suspend)
{
	TEST_DIR();
	uint64_t random = 7;
	const size_t size = 200000;
	char *content = test_content(size, 0, 0, &random);
	struct aion_chunk_options options = {.chunk_size = 4096, .window_nr = 4};
	struct seen seen;

	test_file_put("f", content, size);
	seen_init(&seen, size);
	seen.must_yield = true;
	assert_result(aion_chunk_path("f", seen_note, &seen, &options), (int64_t)size);
	seen_is(&seen, content, 0, size);
	cr_assert(!seen.is_unordered);
	seen_fini(&seen);
	free(content);
}

SPARED_TEST(chunk_modes, a_pipe_can_be_read_in_part)
{
	uint64_t random = 9;
	const size_t size = 100000;
	char *content = test_content(size, 0, 0, &random);
	struct mode mode = {.size = 50001};
	struct seen seen;

	seen_init(&seen, size);
	assert_result(run_pipe(&mode, &seen, content, size, random), 50001);
	seen_is(&seen, content, 0, 50001);
	seen_fini(&seen);
	free(content);
}

/* Sums by source, and in which order they came. */
struct sources_seen {
	atomic_size_t sizes[8];
	size_t last_idx;
	bool is_unordered;
	uint64_t next_idx;
};

static int64_t sources_note(struct aion_chunk *chunk, void *arg)
{
	struct sources_seen *seen = arg;

	atomic_fetch_add(&seen->sizes[chunk->source_idx], chunk->size);
	seen->is_unordered |= chunk->source_idx < seen->last_idx || chunk->idx != seen->next_idx++;
	seen->last_idx = chunk->source_idx;
	cr_assert_str_eq(chunk->source->path, chunk->source_idx == 1 ? "empty" : "f");
	return 0;
}

SPARED_TEST(chunk_modes, several_sources_come_in_their_order)
{
	TEST_DIR();
	const struct aion_source sources[] = {
		{.path = "f"}, {.path = "empty"}, {.path = "f", .off = 100, .size = 5000}};
	struct aion_chunk_options options = {.chunk_size = 4096};
	struct aion_chunk_progress final;
	struct sources_seen seen = {0};

	options.ret_final = &final;
	close(test_file_make("f", 50000));
	close(test_file_make("empty", 0));
	assert_result(aion_chunk_process(sources, 3, sources_note, &seen, &options), 55000);
	cr_assert(!seen.is_unordered && seen.sizes[0] == 50000 && seen.sizes[1] == 0 && seen.sizes[2] == 5000);
	cr_assert(final.size == 55000 && final.total_size == 55000 && final.source_nr == 3 && final.chunk_nr == 15);
	cr_assert(final.resume_source_idx == 3 && final.resume_off == 0);

	memset(&seen, 0, sizeof(seen));
	options.worker_nr = 3;
	assert_result(aion_chunk_process(sources, 3, sources_note, &seen, &options), 55000);
	cr_assert(seen.sizes[0] == 50000 && seen.sizes[1] == 0 && seen.sizes[2] == 5000);
	cr_assert(final.size == 55000 && final.source_nr == 3);
	assert_result(aion_chunk_process(sources, 0, sources_note, &seen, NULL), 0);
}

SPARED_TEST(chunk_modes, workers_leave_pipes_to_the_loop)
{
	TEST_DIR();
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = 2};
	struct aion_source sources[2] = {{0}, {.path = "f"}};
	struct aion_chunk_progress final;
	struct seen seen;
	int fds[2];

	options.ret_final = &final;
	test_pipe(fds);
	cr_assert_eq(write(fds[1], "hello", 5), 5);
	close(fds[1]);
	sources[0].fd = fds[0];
	close(test_file_make("f", 9000));
	seen_init(&seen, 9000);
	assert_result(aion_chunk_process(sources, 2, seen_note, &seen, &options), 9005);
	cr_assert(final.source_nr == 2 && seen.times[0] == 2 && seen.times[5] == 1);
	seen_fini(&seen);
	close(fds[0]);
}

/* The most that was resident while the callback ran. */
static int64_t see_resident(struct aion_chunk *chunk, void *most)
{
	size_t size = test_resident_size();

	(void)chunk;
	if (size > *(size_t *)most)
		*(size_t *)most = size;
	return 0;
}

/* Cold, so that the whole window is in use. */
SPARED_TEST(chunk_modes, memory_is_bounded_by_the_window)
{
	TEST_NEEDS_KERNEL("what a machine holds is the process's");
	TEST_DIR();
	const size_t file_size = (size_t)32 << 20, chunk_size = (size_t)64 << 10;
	struct aion_chunk_options options = {.chunk_size = chunk_size, .window_nr = 8};
	int fd = test_file_make("f", file_size);
	size_t before, most = 0;

	if (test_is_small())
		cr_skip_test("the sanitizers' memory is counted, too");
	test_file_drop(fd, 0, file_size);
	before = test_resident_size();
	assert_result(aion_chunk_path("f", see_resident, &most, &options), (int64_t)file_size);
	cr_assert_leq(most, before + 8 * chunk_size + (1 << 20));
	close(fd);
}

/* tmpfs cannot do without its cache. It says so of each read that is in flight, not only of the first. */
SPARED_TEST(chunk_modes, dontcache_is_a_wish_that_a_file_system_may_refuse)
{
	TEST_DIR_IN("/dev/shm");
	const size_t size = 200000;
	uint64_t random = 77;
	char *content = test_content(size, '\n', 500, &random);

	test_file_put("f", content, size);
	for (int i = 0; i < 6; i++) {
		struct aion_chunk_options options = {.chunk_size = 8192, .dontcache = true};
		struct seen seen;

		options.worker_nr = i / 2 == 1 ? 2 : 0;
		options.unordered = i / 2 == 2;
		options.records = i % 2;
		options.delimiter = '\n';
		seen_init(&seen, size);
		assert_result(aion_chunk_path("f", seen_note, &seen, &options), (int64_t)size);
		seen_is(&seen, content, 0, size);
		seen_fini(&seen);
	}
	free(content);
}
