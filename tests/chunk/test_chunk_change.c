/* SPDX-License-Identifier: MIT */
/* Files that change while they are read; what is told on the way; going on where an earlier run was. */
#include "test_chunk.h"

#define CHUNK ((size_t)4096)

/* What happens to the file when the callback is called for the nth time. */
struct change {
	struct seen seen;
	atomic_size_t call_nr;
	size_t nth;
	int fd;
	int64_t truncate_to; /* -1: no */
	const char *append;
	size_t append_size;
	bool must_unlink;
};

static int64_t change_see(struct aion_chunk *chunk, void *arg)
{
	struct change *change = arg;
	int64_t result = seen_note(chunk, &change->seen);

	if (atomic_fetch_add(&change->call_nr, 1) + 1 != change->nth)
		return result;
	if (change->truncate_to >= 0)
		cr_assert_eq(ftruncate(change->fd, change->truncate_to), 0);
	if (change->append)
		cr_assert_eq(pwrite(change->fd, change->append, change->append_size, lseek(change->fd, 0, SEEK_END)),
			     (ssize_t)change->append_size);
	if (change->must_unlink)
		cr_assert_eq(unlink("f"), 0);
	return result;
}

static struct aion_chunk_options options_of(int worker_nr)
{
	return (struct aion_chunk_options){.chunk_size = CHUNK, .window_nr = 4, .worker_nr = worker_nr};
}

/* Runs over a file of `size` that changes; gives what was seen. */
static int64_t run_change(struct change *change, const char *content, size_t size, int worker_nr, bool is_cold)
{
	struct aion_chunk_options options = options_of(worker_nr);
	int64_t result;

	seen_init(&change->seen, 1 << 20);
	test_file_put("f", content, size);
	change->fd = open("f", O_RDWR | O_CLOEXEC);
	if (is_cold)
		test_file_drop(change->fd, 0, size);
	result = aion_chunk_path("f", change_see, change, &options);
	close(change->fd);
	return result;
}

SPARED_TEST(chunk_change, a_file_that_grows_is_read_to_its_new_end)
{
	TEST_DIR();
	uint64_t random = 3;
	const size_t size = 10 * CHUNK, grown = 7 * CHUNK + 100;
	char *content = test_content(size + grown, 0, 0, &random);

	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		for (int is_cold = 0; is_cold < 2; is_cold++) {
			struct change change = {.nth = 1, .truncate_to = -1, .append_size = grown};
			int64_t end;

			change.append = content + size;
			end = run_change(&change, content, size, worker_nr, is_cold);
			/* Two workers: one may have come to an end that the file had while the other let it grow. */
			if (worker_nr < 2)
				assert_result(end, (int64_t)(size + grown));
			cr_assert(end >= (int64_t)size && end <= (int64_t)(size + grown));
			seen_is(&change.seen, content, 0, (size_t)end);
			seen_fini(&change.seen);
		}
	}
	free(content);
}

SPARED_TEST(chunk_change, of_a_file_that_shrinks_the_rest_is_missing)
{
	TEST_DIR();
	uint64_t random = 4;
	const size_t size = 40 * CHUNK, left = 20 * CHUNK + 5;
	char *content = test_content(size, 0, 0, &random);

	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		for (int is_cold = 0; is_cold < 2; is_cold++) {
			struct change change = {.nth = 2, .truncate_to = (int64_t)left};
			int64_t result = run_change(&change, content, size, worker_nr, is_cold);

			cr_assert_geq(result, (int64_t)left);
			cr_assert_leq(result, (int64_t)size);
			if (worker_nr == 0 && !is_cold)
				assert_result(result, (int64_t)left);
			cr_assert_eq(memcmp(change.seen.bytes, content, left), 0);
			seen_fini(&change.seen);
		}
	}
	free(content);
}

SPARED_TEST(chunk_change, a_file_that_vanishes_is_read_on)
{
	TEST_DIR();
	uint64_t random = 5;
	const size_t size = 20 * CHUNK + 1;
	char *content = test_content(size, 0, 0, &random);

	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		struct change change = {.nth = 3, .truncate_to = -1, .must_unlink = true};

		assert_result(run_change(&change, content, size, worker_nr, false), (int64_t)size);
		seen_is(&change.seen, content, 0, size);
		cr_assert_lt(access("f", F_OK), 0);
		seen_fini(&change.seen);
	}
	free(content);
}

static int64_t count_sizes(struct aion_chunk *chunk, void *size)
{
	atomic_fetch_add((atomic_size_t *)size, chunk->size);
	return 0;
}

/* What it says its size is says nothing. */
SPARED_TEST(chunk_change, proc_files_are_read_though_they_say_they_are_empty)
{
	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		struct aion_chunk_options options = options_of(worker_nr);
		atomic_size_t size = 0;

		cr_assert_gt(aion_chunk_path("/proc/self/status", count_sizes, &size, &options), 100);
		cr_assert_gt(size, 100);
	}
}

/* ---- progress */

struct told {
	struct aion_chunk_progress last;
	size_t nr;
	size_t fail_nth;
};

static int64_t progress_note(const struct aion_chunk_progress *progress, void *arg)
{
	struct told *told = arg;

	cr_assert_geq(progress->size, told->last.size);
	cr_assert_geq(progress->elapsed_ns, told->last.elapsed_ns);
	cr_assert_eq(progress->total_size, 100 * CHUNK);
	cr_assert_geq(progress->remaining_ns, -1);
	told->last = *progress;
	return ++told->nr == told->fail_nth ? -EXFULL : 0;
}

SPARED_TEST(chunk_change, progress_is_told_between_chunks_and_at_the_end)
{
	TEST_DIR();
	struct told told = {0};
	struct aion_chunk_options options = options_of(0);
	atomic_size_t size = 0;

	options.progress = progress_note;
	options.progress_arg = &told;
	options.progress_ns = 1;
	close(test_file_make("f", 100 * CHUNK));
	assert_result(aion_chunk_path("f", count_sizes, &size, &options), 100 * CHUNK);
	cr_assert_geq(told.nr, 50);
	cr_assert(told.last.size == 100 * CHUNK && told.last.chunk_nr == 100 && told.last.source_nr == 1);
	cr_assert_eq(told.last.remaining_ns, 0);

	options.progress_ns = AION_SECOND * 1000;
	told = (struct told){0};
	assert_result(aion_chunk_path("f", count_sizes, &size, &options), 100 * CHUNK);
	cr_assert_eq(told.nr, 1, "at the end only");

	options.worker_nr = 2;
	options.progress_ns = 1;
	told = (struct told){0};
	assert_result(aion_chunk_path("f", count_sizes, &size, &options), 100 * CHUNK);
	cr_assert(told.nr >= 1 && told.last.size == 100 * CHUNK);
}

SPARED_TEST(chunk_change, progress_can_stop_everything)
{
	TEST_DIR();
	struct told told = {.fail_nth = 1};
	struct aion_chunk_options options = options_of(0);
	atomic_size_t size = 0;

	options.progress = progress_note;
	options.progress_arg = &told;
	options.progress_ns = 1;
	close(test_file_make("f", 100 * CHUNK));
	assert_result(aion_chunk_path("f", count_sizes, &size, &options), -EXFULL);
	cr_assert_lt(size, 100 * CHUNK);
	told = (struct told){.fail_nth = 1};
	options.progress_ns = AION_SECOND * 1000;
	assert_result(aion_chunk_path("f", count_sizes, &size, &options), -EXFULL);
}

/* ---- resume */

/* Runs that are stopped at every so many chunks and go on where they said see everything: in order, and with one
 * worker, nothing twice. */
static void check_resume(uint64_t seed, int worker_nr, bool records)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
	const size_t size = 20 * CHUNK + 77;
	char *content = test_content(size, '\n', records ? (size_t)1 << seed : 0, &random);
	struct aion_chunk_progress final = {0};
	struct aion_chunk_options options = options_of(worker_nr);
	struct seen seen;
	int64_t result;
	int run_nr = 0;

	options.records = records;
	options.delimiter = '\n';
	options.ret_final = &final;
	test_file_put("f", content, size);
	seen_init(&seen, size);
	seen.must_delimit = records;
	seen.delimiter = '\n';
	seen.whole = size;
	do {
		seen.fail_nth = seen.chunk_nr + 2 + test_random(&random) % 4;
		seen.fail_with = -EXFULL;
		options.resume_source_idx = final.resume_source_idx;
		options.resume_off = final.resume_off;
		result = aion_chunk_path("f", seen_note, &seen, &options);
		cr_assert(result >= 0 || result == -EXFULL);
		cr_assert_lt(run_nr++, 100);
	} while (result < 0);
	cr_assert_gt(run_nr, 1);
	for (size_t i = 0; i < size; i++) {
		cr_assert(seen.times[i] >= 1 && seen.bytes[i] == content[i], "seed %llu: byte %zu",
			  (unsigned long long)seed, i);
		cr_assert(worker_nr > 1 || seen.times[i] == 1, "seed %llu: byte %zu, %d times",
			  (unsigned long long)seed, i, seen.times[i]);
	}
	cr_assert_eq(seen.cut_nr, 0);
	seen_fini(&seen);
	free(content);
}

SPARED_TEST(chunk_change, a_later_run_goes_on_where_one_was_stopped)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 10; seed++)
		for (int worker_nr = 0; worker_nr < 3; worker_nr++)
			check_resume(seed, worker_nr, false);
}

SPARED_TEST(chunk_change, a_later_run_goes_on_with_whole_records)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 10; seed++)
		for (int worker_nr = 0; worker_nr < 3; worker_nr++)
			check_resume(seed, worker_nr, true);
}
