/* SPDX-License-Identifier: MIT */
/* The output is that of the callback on the whole input, wherever it runs, whatever it writes to. */
#include "test_transform.h"

/* What the callbacks make of all of the content. */
static char *flipped(const char *content, size_t size, size_t *ret_size)
{
	char *expected = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		expected[i] = (char)~content[i];
	*ret_size = size;
	return expected;
}

static char *stretched(const char *content, size_t size, size_t *ret_size)
{
	char *expected = malloc(3 * size + 3);

	*ret_size = 0;
	for (size_t i = 0; i < size; i++)
		*ret_size += transform_byte(content[i], expected + *ret_size);
	return expected;
}

static char *copied(const char *content, size_t size, size_t *ret_size)
{
	*ret_size = size;
	return memcpy(malloc(size + 1), content, size);
}

static const struct kind {
	aion_transform_fn *fn;
	char *(*expect)(const char *content, size_t size, size_t *ret_size);
} kinds[] = {{work_flip, flipped}, {work_stretch, stretched}, {NULL, copied}};

#define KIND_NR (sizeof(kinds) / sizeof(kinds[0]))

static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000, 1000003};

#define SIZE_NR (sizeof(sizes) / sizeof(sizes[0]))

static void random_options(struct aion_chunk_options *options, uint64_t *random)
{
	*options = (struct aion_chunk_options){
		.chunk_size = (1 + test_random(random) % 8) * 4096,
		.window_nr = 1 + (unsigned)(test_random(random) % 9),
		.worker_nr = (int)(test_random(random) % 4),
		.records = test_random(random) % 2,
		.delimiter = '\n',
	};
}

static void check_file(const struct kind *kind, size_t size, bool atomic, uint64_t *random)
{
	char *content = test_content(size, '\n', 1 + test_random(random) % 5000, random), *expected;
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {
		.path = "out", .atomic = atomic, .allocate = test_random(random) % 2, .sync = atomic};
	struct aion_chunk_options options;
	struct work work = WORK();
	size_t expected_size;

	random_options(&options, random);
	test_file_put("in", content, size);
	test_file_put("out", "something longer than nothing", 29);
	expected = kind->expect(content, size, &expected_size);
	work.must_yield = !options.worker_nr;
	assert_result(aion_transform(&source, 1, kind->fn, &work, &target, &options), (int64_t)expected_size);
	assert_file("out", expected, expected_size);
	cr_assert_eq(name_nr(), 2);
	free(expected);
	free(content);
}

SPARED_TEST(transform_modes, files_become_what_the_callback_makes_of_them)
{
	TEST_DIR();
	uint64_t random = 4711;

	for (size_t i = 0; i < KIND_NR; i++)
		for (size_t k = 0; k < SIZE_NR; k++)
			for (int atomic = 0; atomic < 2; atomic++)
				check_file(&kinds[i], sizes[k], atomic, &random);
}

struct drain {
	int fd;
	char *content;
	size_t size;
};

static int64_t drain_task(void *arg)
{
	struct drain *drain = arg;

	return aion_read_exact(drain->fd, drain->content, drain->size, NULL);
}

struct feed {
	int fd;
	const char *content;
	size_t size;
};

/* In pieces that are no chunks. */
static int64_t feed_task(void *arg)
{
	struct feed *feed = arg;
	int64_t result = 0;

	for (size_t done = 0, size; done < feed->size && result >= 0; done += size) {
		size = feed->size - done < 7777 ? feed->size - done : 7777;
		result = aion_write_all(feed->fd, feed->content + done, size, NULL);
	}
	aion_close(feed->fd);
	return result;
}

/* in: a pipe or a file; out: a pipe. */
static void check_pipe(const struct kind *kind, size_t size, bool from_pipe, uint64_t *random)
{
	char *content = test_content(size, '\n', 1000, random), *expected;
	struct aion_source source = {.path = "in"};
	struct aion_target target = {0};
	struct aion_chunk_options options;
	struct work work = WORK();
	struct drain drain;
	struct feed feed;
	struct aion_group group;
	int in[2], out[2];

	random_options(&options, random);
	test_file_put("in", content, size);
	expected = kind->expect(content, size, &drain.size);
	drain.content = malloc(drain.size + 1);
	test_pipe(in);
	test_pipe(out);
	drain.fd = out[0];
	target.fd = out[1];
	feed = (struct feed){in[1], content, size};
	if (from_pipe)
		source = (struct aion_source){.fd = in[0]};
	aion_group_enter(&group);
	aion_spawn(&group, drain_task, &drain);
	if (from_pipe)
		aion_spawn(&group, feed_task, &feed);
	else
		close(in[1]);
	assert_result(aion_transform(&source, 1, kind->fn, &work, &target, &options), (int64_t)drain.size);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert(memcmp(drain.content, expected, drain.size) == 0);
	close(in[0]);
	close(out[0]);
	close(out[1]);
	free(drain.content);
	free(expected);
	free(content);
}

SPARED_TEST(transform_modes, pipes_become_what_the_callback_makes_of_them)
{
	TEST_DIR();
	uint64_t random = 815;

	for (size_t i = 0; i < KIND_NR; i++)
		for (size_t k = 0; k < SIZE_NR; k++)
			for (int from_pipe = 0; from_pipe < 2; from_pipe++)
				check_pipe(&kinds[i], sizes[k], from_pipe, &random);
}

static int64_t feed_fifo(void *arg)
{
	struct feed *feed = arg;
	int64_t fd = aion_openat(AT_FDCWD, "fifo", O_WRONLY | O_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	feed->fd = (int)fd;
	return feed_task(feed);
}

/* It has one writer, so it can be opened once. */
SPARED_TEST(transform_modes, a_named_pipe_is_opened_once)
{
	TEST_DIR();
	const struct aion_source source = {.path = "fifo"};
	const struct aion_target target = {.path = "out"};
	char content[100000];
	struct feed feed = {-1, content, sizeof(content)};
	struct aion_group group;

	test_fill(content, sizeof(content), 0);
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	aion_group_enter(&group);
	aion_spawn(&group, feed_fifo, &feed);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), 100000);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_file("out", content, 100000);
}

/* Ranges, a pipe and an empty file between files: the copy leaves to reading what it cannot, and takes nothing twice.
 */
SPARED_TEST(transform_modes, several_sources_come_one_after_the_other)
{
	TEST_DIR();
	struct aion_target target = {.path = "out"};
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {.chunk_size = 4096, .ret_final = &final};
	char *content = malloc(100000), expected[100000];
	int fd = test_file_make("f", 50000), fds[2];

	for (int worker_nr = 0; worker_nr < 3; worker_nr += 2) {
		options.worker_nr = worker_nr;
		test_pipe(fds);
		cr_assert_eq(write(fds[1], "between", 7), 7);
		close(fds[1]);
		test_file_put("empty", "", 0);
		cr_assert_eq(lseek(fd, 49000, SEEK_SET), 49000);
		const struct aion_source sources[] = {
			{.path = "f", .off = 10, .size = 20000},
			{.path = "empty"},
			{.fd = fds[0]},
			{.path = "f"},
			{.fd = fd, .off = -1},
		};
		test_fill(expected, 20000, 10);
		memcpy(expected + 20000, "between", 7);
		test_fill(expected + 20007, 50000, 0);
		test_fill(expected + 70007, 1000, 49000);
		assert_result(aion_transform(sources, 5, NULL, NULL, &target, &options), 71007);
		assert_file("out", expected, 71007);
		cr_assert(final.size == 71007 && final.source_nr == 5);
		cr_assert(final.resume_source_idx == 5 && final.resume_off == 0);
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 50000);
		close(fds[0]);
	}
	assert_result(aion_transform(NULL, 0, NULL, NULL, &target, NULL), 0);
	assert_file("out", "", 0);
	close(fd);
	free(content);
}

/* It moves more at once than a chunk; in a file system that cannot, and from one to another, bytes are read and
 * written. */
SPARED_TEST(transform_modes, the_kernel_copies_where_it_can)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {.path = "out"};
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {.chunk_size = 4096, .ret_final = &final};
	int in = test_file_make("in", 60000), out = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0644), fds[2];
	bool can = copy_file_range(in, NULL, out, NULL, 1, 0) == 1;
	char content[60000];

	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), 60000);
	cr_assert(final.size == 60000 && final.chunk_nr == (can ? 1 : 15), "%llu", (unsigned long long) final.chunk_nr);
	test_pipe(fds);
	cr_assert_geq(fcntl(fds[1], F_SETPIPE_SZ, 65536), 65536);
	target = (struct aion_target){.fd = fds[1]};
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), 60000);
	cr_assert_lt(final.chunk_nr, 15);
	cr_assert_eq(read(fds[0], content, 60000), 60000);
	cr_assert(test_is_filled(content, 60000, 0));
	close(fds[0]);
	close(fds[1]);
	close(in);
	close(out);
}

SPARED_TEST(transform_modes, files_are_copied_between_file_systems)
{
	const struct aion_source source = {.path = "/dev/shm/aion-test-transform"};
	const struct aion_target target = {.path = "out"};
	char expected[60000];

	if (access("/dev/shm", W_OK) < 0)
		cr_skip_test("there is no second file system");
	close(test_file_make(source.path, 60000));
	{
		TEST_DIR();
		int64_t result = aion_transform(&source, 1, NULL, NULL, &target, NULL);

		unlink(source.path);
		assert_result(result, 60000);
		test_fill(expected, 60000, 0);
		assert_file("out", expected, 60000);
	}
}

/* Files that are said to be empty and are not. */
SPARED_TEST(transform_modes, proc_is_copied)
{
	TEST_DIR();
	const struct aion_source source = {.path = "/proc/version"};
	const struct aion_target target = {.path = "out"};
	char version[1000];
	int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, version, sizeof(version));

	close(fd);
	cr_assert_gt(size, 0);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), size);
	assert_file("out", version, size);
}

static int64_t note_copied(const struct aion_chunk *chunk, struct aion_output *output, void *arg)
{
	(void)arg;
	cr_assert(output->size == 0 && output->room >= chunk->size);
	cr_assert_eq(aion_output_reserve(output, 10 * chunk->size), 0);
	cr_assert_geq(output->room, 10 * chunk->size);
	cr_assert_eq(aion_output_reserve(output, SIZE_MAX), -ENOMEM);
	memset(output->data, chunk->data[0], 10 * chunk->size);
	output->size = 10 * chunk->size;
	return 17;
}

SPARED_TEST(transform_modes, an_output_may_be_filled_by_hand)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "out"};

	test_file_put("in", "ab", 2);
	assert_result(aion_transform(&source, 1, note_copied, NULL, &target, NULL), 20);
	assert_file("out", "aaaaaaaaaaaaaaaaaaaa", 20);
}

static int64_t write_and_take(const struct aion_chunk *chunk, struct aion_output *output, void *unused)
{
	(void)unused;
	aion_output_write(output, chunk->data, 1);
	aion_output_take_chunk(output);
	return 0;
}

static int64_t transform_both(void *unused)
{
	const struct aion_source source = {.path = "/proc/version"};
	const struct aion_target target = {.path = "/dev/null"};

	(void)unused;
	return aion_transform(&source, 1, write_and_take, NULL, &target, NULL);
}

Test(transform_modes, taking_the_chunk_and_writing_aborts)
{
	test_task_aborts(transform_both, "a chunk is to be the output");
}
