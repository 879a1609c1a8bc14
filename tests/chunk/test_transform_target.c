/* SPDX-License-Identifier: MIT */
/* Where output goes: a path's new file and its mode, descriptors and their positions, what was there before. */
#include <sys/resource.h>

#include "test_transform.h"

static mode_t mode_of(const char *name)
{
	struct stat status;

	cr_assert_eq(stat(name, &status), 0);
	return status.st_mode & 07777;
}

SPARED_TEST(transform_target, a_new_file_has_the_mode_less_the_umask)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {.path = "out", .sync = true};

	test_file_put("in", "hello", 5);
	umask(027);
	for (int atomic = 0; atomic < 2; atomic++) {
		target.atomic = atomic;
		target.mode = 0;
		assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), 5);
		cr_assert_eq(mode_of("out"), 0640);
		assert_result(unlink("out"), 0);
		target.mode = 0755;
		assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), 5);
		cr_assert_eq(mode_of("out"), 0750);
		assert_file("out", "hello", 5);
		assert_result(unlink("out"), 0);
	}
}

SPARED_TEST(transform_target, an_old_files_mode_and_links_are_kept)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {.path = "link", .mode = 0600};
	struct stat before, after;

	test_file_put("in", "hello", 5);
	test_file_put("out", "old", 3);
	cr_assert_eq(chmod("out", 0604), 0);
	cr_assert_eq(symlink("out", "link"), 0);
	cr_assert_eq(stat("out", &before), 0);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), 5);
	cr_assert_eq(stat("out", &after), 0);
	cr_assert(after.st_mode == before.st_mode && after.st_ino == before.st_ino);
	target.atomic = true;
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), 5);
	cr_assert_eq(stat("out", &after), 0);
	cr_assert(after.st_mode == before.st_mode && after.st_ino != before.st_ino);
	assert_file("out", "hello", 5);
	cr_assert(lstat("link", &after) == 0 && S_ISLNK(after.st_mode));
	cr_assert_eq(name_nr(), 3);
}

SPARED_TEST(transform_target, what_is_no_file_is_written_to)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {.path = "/dev/null", .sync = true, .allocate = true};
	struct stat status;

	close(test_file_make("in", 100000));
	for (int atomic = 0; atomic < 2; atomic++) {
		target.atomic = atomic;
		assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), 100000);
	}
	cr_assert(stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode));
}

/* From now on nobody gets one. */
static int64_t take_descriptors(const struct aion_chunk *chunk, struct aion_output *output, void *arg)
{
	const struct rlimit none = {.rlim_cur = 3, .rlim_max = ((struct rlimit *)arg)->rlim_max};

	(void)chunk;
	aion_output_take_chunk(output);
	return setrlimit(RLIMIT_NOFILE, &none);
}

TASK_TEST(transform_target, what_is_written_is_not_lost_for_want_of_a_descriptor)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "out", .atomic = true};
	struct rlimit limit;
	int64_t result;

	test_file_put("in", "hello", 5);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	result = aion_transform(&source, 1, take_descriptors, &limit, &target, NULL);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_result(result, 5);
	assert_file("out", "hello", 5);
}

/* Only an atomic target may be its own source. */
SPARED_TEST(transform_target, a_source_that_is_the_target_is_refused_untouched)
{
	TEST_DIR();
	struct aion_source sources[2] = {{.path = "other"}, {.path = "f"}};
	struct aion_target target = {.path = "link"};
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.ret_failure = &failure, .chunk_size = 4096};
	struct work work = WORK();
	char expected[100005];
	int fd = test_file_make("f", 100000);

	test_file_put("other", "other", 5);
	cr_assert_eq(link("f", "link"), 0);
	for (int is_fd = 0; is_fd < 2; is_fd++) {
		if (is_fd)
			sources[1] = (struct aion_source){.fd = fd};
		assert_result(aion_transform(sources, 2, work_flip, &work, &target, &options), -EINVAL);
		assert_failure(failure, 2, 0, -EINVAL, "write");
		target = (struct aion_target){.fd = fd};
		assert_result(aion_transform(sources, 2, work_flip, &work, &target, &options), -EINVAL);
		target = (struct aion_target){.path = "link"};
	}
	test_fill(expected, 100000, 0);
	assert_file("f", expected, 100000);
	cr_assert_eq(work.call_nr, 0);

	target.path = "f";
	target.atomic = true;
	assert_result(aion_transform(sources, 2, work_flip, &work, &target, &options), 100005);
	for (size_t i = 0; i < 100005; i++)
		expected[i] = (char)~(i < 5 ? "other"[i] : test_byte(i - 5));
	assert_file("f", expected, 100005);
	close(fd);
}

SPARED_TEST(transform_target, a_descriptor_is_written_from_its_position_on)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	int fd = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct aion_target target = {.fd = fd, .allocate = true, .sync = true};
	struct aion_chunk_options options = {.chunk_size = 4096};
	char expected[] = "..hello...";
	struct work work = WORK();

	test_file_put("in", "hello", 5);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(pwrite(fd, "..........", 10, 0), 10);
		cr_assert_eq(lseek(fd, 2, SEEK_SET), 2);
		assert_result(aion_transform(&source, 1, i ? work_flip : NULL, &work, &target, &options), 5);
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 7);
		for (size_t k = 2; i && k < 7; k++)
			expected[k] = (char)~expected[k];
		assert_file("out", expected, 10);
	}
	close(fd);
}

SPARED_TEST(transform_target, a_descriptor_that_appends_appends)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	int fd = open("out", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	struct aion_target target = {.fd = fd};
	struct aion_chunk_options options = {.chunk_size = 4096};
	char expected[100003] = "old";

	cr_assert_eq(write(fd, "old", 3), 3);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	close(test_file_make("in", 100000));
	test_fill(expected + 3, 100000, 0);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), 100000);
	assert_file("out", expected, 100003);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 100003);
	close(fd);
}

static int64_t write_a_byte(const struct aion_chunk *chunk, struct aion_output *output, void *unused)
{
	(void)unused;
	return aion_output_write(output, chunk->data, 1);
}

/* Reserved and not used: given back. */
SPARED_TEST(transform_target, allocated_space_does_not_stay)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {.path = "out", .allocate = true};
	struct aion_chunk_options options = {.chunk_size = 40960};
	struct stat status;

	close(test_file_make("in", 4096000));
	for (int atomic = 0; atomic < 2; atomic++) {
		target.atomic = atomic;
		assert_result(aion_transform(&source, 1, write_a_byte, NULL, &target, &options), 100);
		cr_assert_eq(stat("out", &status), 0);
		cr_assert(status.st_size == 100 && status.st_blocks < 1000);
	}
}

/* A run that fails, and another that goes on from where it was: together they are one. */
static void check_resume(aion_transform_fn *fn, int worker_nr, bool records, uint64_t *random)
{
	char *content = test_content(200000, '\n', 300, random), *whole;
	struct aion_source sources[] = {{.path = "in"}, {.path = "in", .off = 777}};
	int64_t off = -1;
	struct aion_target target = {.path = "out", .ret_resume_off = &off};
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {
		.chunk_size = 4096,
		.window_nr = 3,
		.worker_nr = worker_nr,
		.records = records,
		.delimiter = '\n',
		.ret_final = &final,
	};
	struct work work = WORK();
	size_t whole_size;

	test_file_put("in", content, 200000);
	target.path = "whole";
	cr_assert_gt(aion_transform(sources, 2, fn, &work, &target, &options), 0);
	whole = file_content("whole", &whole_size);
	cr_assert_eq((size_t)off, whole_size);

	target.path = "out";
	work.fail_off = 100000 + (int64_t)(test_random(random) % 90000);
	work.fail_with = -EXFULL;
	assert_result(aion_transform(sources, 2, fn, &work, &target, &options), -EXFULL);
	cr_assert(final.resume_source_idx == 0 && final.resume_off <= work.fail_off);
	cr_assert_gt(final.resume_off, work.fail_off - 4096 - 10000, "all before it has been written");
	assert_file("out", whole, off);

	target.resume_off = off;
	options.resume_source_idx = final.resume_source_idx;
	options.resume_off = final.resume_off;
	work.fail_off = -1;
	assert_result(aion_transform(sources, 2, fn, &work, &target, &options),
		      (int64_t)whole_size - target.resume_off);
	assert_file("out", whole, whole_size);
	free(whole);
	free(content);
}

SPARED_TEST(transform_target, a_run_that_failed_can_be_gone_on_with)
{
	TEST_DIR();
	uint64_t random = 99;

	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		for (int records = 0; records < 2; records++) {
			check_resume(work_flip, worker_nr, records, &random);
			check_resume(work_stretch, worker_nr, records, &random);
		}
	}
}

static int64_t stop_after_a_while(const struct aion_chunk_progress *progress, void *arg)
{
	*(struct aion_chunk_progress *)arg = *progress;
	return progress->size > 20000000 && progress->size < 50000000 ? -EXFULL : 0;
}

/* The kernel's copy, too, tells how far it has come. */
SPARED_TEST(transform_target, a_copy_can_be_gone_on_with)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	int64_t off = -1;
	struct aion_target target = {.path = "out", .ret_resume_off = &off};
	struct aion_chunk_progress told = {0}, final;
	struct aion_chunk_options options = {
		.progress = stop_after_a_while, .progress_arg = &told, .progress_ns = 1, .ret_final = &final};
	char *content;
	size_t size;

	close(test_file_make("in", 60000000));
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), -EXFULL);
	cr_assert(off > 16000000 && off < 60000000 && final.resume_off == off && told.resume_off == off);
	cr_assert_eq(truncate("out", off), 0);
	target.resume_off = options.resume_off = off;
	options.progress = NULL;
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), 60000000 - target.resume_off);
	content = file_content("out", &size);
	cr_assert(size == 60000000 && test_is_filled(content, size, 0));
	free(content);
}

static int64_t append_from_now_on(const struct aion_chunk_progress *progress, void *fd)
{
	(void)progress;
	cr_assert_eq(fcntl(*(int *)fd, F_SETFL, O_APPEND), 0);
	return 0;
}

/* copy_file_range() refuses what appends. */
SPARED_TEST(transform_target, where_the_kernels_copy_stops_reading_and_writing_go_on)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	int fd = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	const struct aion_target target = {.fd = fd};
	struct aion_chunk_options options = {
		.progress = append_from_now_on, .progress_arg = &fd, .progress_ns = 1, .window_nr = 1};
	char *content;
	size_t size;

	close(test_file_make("in", 40000000));
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), 40000000);
	content = file_content("out", &size);
	cr_assert(size == 40000000 && test_is_filled(content, size, 0));
	free(content);
	close(fd);
}
