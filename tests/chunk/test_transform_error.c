/* SPDX-License-Identifier: MIT */
/* Every listed error, who reports it, and what is left: of an atomic target all that was, of temporary files nothing.
 */
#include <signal.h>
#include <sys/resource.h>

#include "fault_int.h"
#include "test_transform.h"

/* The callback fails at the chunk of a byte: what was before it is written, to a file, and an atomic target stays. */
static void check_callback(int worker_nr, int64_t fail_off)
{
	const struct aion_source source = {.path = "in"};
	int64_t off = -1, chunk_off = fail_off / 4096 * 4096;
	struct aion_target target = {.path = "out", .ret_resume_off = &off};
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = worker_nr, .ret_failure = &failure};
	struct work work = {.fail_off = fail_off, .fail_with = -EXFULL};
	int fd = next_fd();
	char *content;
	size_t size;

	for (int atomic = 0; atomic < 2; atomic++) {
		test_file_put("out", "old", 3);
		target.atomic = atomic;
		assert_result(aion_transform(&source, 1, work_flip, &work, &target, &options), -EXFULL);
		assert_failure(failure, 0, chunk_off, -EXFULL, "callback");
		cr_assert_eq(off, chunk_off);
		cr_assert_eq(name_nr(), 2);
		cr_assert_eq(next_fd(), fd);
		content = file_content("out", &size);
		cr_assert_eq(size, atomic ? 3 : (size_t)chunk_off);
		cr_assert(!atomic || memcmp(content, "old", 3) == 0);
		for (size_t i = 0; !atomic && i < size; i++)
			cr_assert_eq(content[i], (char)~test_byte(i));
		free(content);
	}
}

SPARED_TEST(transform_error, a_callbacks_error_leaves_what_was_before_it)
{
	TEST_DIR();

	close(test_file_make("in", 200000));
	for (int worker_nr = 0; worker_nr < 4; worker_nr++) {
		check_callback(worker_nr, 0);
		check_callback(worker_nr, 4096);
		check_callback(worker_nr, 99999);
		check_callback(worker_nr, 199999);
	}
}

/* Chunks fail, some of them at once: what was before the first comes, and nothing behind. */
static void check_cut(int worker_nr, bool is_pipe)
{
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {0};
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = worker_nr, .ret_failure = &failure};
	struct work work = {.fail_off = 40960, .fail_with = -EXFULL, .fails_behind = worker_nr % 2};
	char content[60000];
	int fds[2];

	if (is_pipe)
		test_pipe(fds);
	else
		fds[0] = fds[1] = open("out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	target.fd = fds[1];
	assert_result(aion_transform(&source, 1, work_flip, &work, &target, &options), -EXFULL);
	assert_failure(failure, 0, 40960, -EXFULL, "callback");
	cr_assert_eq(read(fds[0], content, sizeof(content)), 40960);
	for (size_t i = 0; i < 40960; i++)
		cr_assert_eq(content[i], (char)~test_byte(i));
	close(fds[0]);
	if (is_pipe)
		close(fds[1]);
}

SPARED_TEST(transform_error, nothing_is_written_behind_a_chunk_that_failed)
{
	TEST_DIR();

	close(test_file_make("in", 200000));
	for (int i = 0; i < 10; i++)
		for (int worker_nr = 0; worker_nr < 6; worker_nr++)
			check_cut(worker_nr, i % 2);
}

SPARED_TEST(transform_error, a_callback_on_a_worker_ends_a_pipe)
{
	TEST_DIR();
	struct work work = {.fail_off = 0, .fail_with = -EXFULL};
	const struct aion_target target = {.path = "out"};
	struct aion_chunk_options options = {.worker_nr = 2};
	struct aion_source source = {0};
	int fds[2];

	test_pipe(fds);
	source.fd = fds[0];
	cr_assert_eq(write(fds[1], "hello", 5), 5);
	/* The writer stays: nobody waits for him. */
	assert_result(aion_transform(&source, 1, work_flip, &work, &target, &options), -EXFULL);
	assert_file("out", "", 0);
	close(fds[0]);
	close(fds[1]);
}

SPARED_TEST(transform_error, a_full_device_is_named)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "/dev/full"};
	struct aion_chunk_failure failure;
	struct aion_chunk_options options = {.chunk_size = 4096, .ret_failure = &failure};
	struct work work = WORK();

	close(test_file_make("in", 200000));
	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		options.worker_nr = worker_nr;
		failure.error = 0;
		assert_result(aion_transform(&source, 1, work_flip, &work, &target, &options), -ENOSPC);
		assert_failure(failure, 0, 0, -ENOSPC, "write");
		assert_result(aion_transform(&source, 1, NULL, &work, &target, &options), -ENOSPC);
	}
}

/* The limit strikes in the middle, and there is a hole-free beginning. */
static void check_limit(aion_transform_fn *fn, int worker_nr)
{
	const struct aion_source source = {.path = "in"};
	int64_t off = -1;
	struct aion_target target = {.path = "out", .ret_resume_off = &off};
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = worker_nr, .ret_failure = &failure};
	struct work work = WORK();
	char *content;
	size_t size;

	for (int atomic = 0; atomic < 2; atomic++) {
		test_file_put("out", "old", 3);
		target.atomic = atomic;
		assert_result(aion_transform(&source, 1, fn, &work, &target, &options), -EFBIG);
		cr_assert(failure.error == -EFBIG && strcmp(failure.what, "write") == 0);
		cr_assert(failure.off >= 40960 && failure.off <= 45000, "%lld", (long long)failure.off);
		content = file_content("out", &size);
		cr_assert_eq(size, atomic ? 3 : (size_t)off);
		for (size_t i = 0; !atomic && i < size; i++)
			cr_assert_eq(content[i], fn ? (char)~test_byte(i) : test_byte(i));
		cr_assert_eq(name_nr(), 2);
		free(content);
	}
}

SPARED_TEST(transform_error, a_file_that_may_not_grow_ends_before_the_failure)
{
	TEST_DIR();
	const struct rlimit limit = {45000, RLIM_INFINITY};
	struct rlimit old;

	close(test_file_make("in", 200000));
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int worker_nr = 0; worker_nr < 3; worker_nr++)
		check_limit(work_flip, worker_nr);
	check_limit(NULL, 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
}

SPARED_TEST(transform_error, a_pipe_without_a_reader_is_broken)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {0};
	struct work work = WORK();
	int fds[2];

	close(test_file_make("in", 200000));
	test_pipe(fds);
	close(fds[0]);
	target.fd = fds[1];
	signal(SIGPIPE, SIG_IGN);
	assert_result(aion_transform(&source, 1, work_flip, &work, &target, NULL), -EPIPE);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), -EPIPE);
	close(fds[1]);
}

SPARED_TEST(transform_error, targets_that_cannot_be_opened_are_named)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct {
		struct aion_target target;
		int64_t error;
	} cases[] = {
		{{.path = "none/out"}, -ENOENT},
		{{.path = "none/out", .atomic = true}, -ENOENT},
		{{.path = "."}, -EISDIR},
		{{.path = ".", .atomic = true}, -EISDIR},
		{{.fd = 999}, -EBADF},
		{{.fd = 999, .atomic = true}, -EINVAL},
		{{.fd = 1, .resume_off = 1}, -EINVAL},
		{{.path = "out", .resume_off = -1}, -EINVAL},
		{{.path = "out", .resume_off = 4}, -EINVAL},
		{{.path = "out", .resume_off = 3, .atomic = true}, -EINVAL},
		{{.path = "/dev/null", .resume_off = 1}, -EINVAL},
	};
	struct aion_chunk_failure failure;
	struct aion_chunk_options options = {.ret_failure = &failure};

	test_file_put("in", "hello", 5);
	test_file_put("out", "old", 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		failure = (struct aion_chunk_failure){0};
		assert_result(aion_transform(&source, 1, NULL, NULL, &cases[i].target, &options), cases[i].error);
		assert_failure(failure, 1, 0, cases[i].error, "write");
	}
	options.unordered = true;
	assert_result(aion_transform(&source, 1, NULL, NULL, &cases[0].target, &options), -EINVAL);
	assert_file("out", "old", 3);
}

SPARED_TEST(transform_error, a_name_may_be_too_long)
{
	TEST_DIR();
	const struct aion_source source = {.path = "/dev/null"};
	struct aion_target target = {.atomic = true};
	char name[5000];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	target.path = name;
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), -ENAMETOOLONG);
}

SPARED_TEST(transform_error, sources_are_named_and_an_atomic_target_stays)
{
	TEST_DIR();
	const struct aion_source sources[] = {{.path = "in"}, {.path = "none"}};
	struct aion_target target = {.path = "out"};
	struct aion_chunk_failure failure;
	struct aion_chunk_options options = {.ret_failure = &failure};
	struct work work = WORK();

	test_file_put("in", "hello", 5);
	for (int atomic = 1; atomic >= 0; atomic--) {
		for (int i = 0; i < 3; i++) {
			failure = (struct aion_chunk_failure){0};
			test_file_put("out", "old", 3);
			target.atomic = atomic;
			options.worker_nr = i;
			assert_result(aion_transform(sources, 2, i ? work_flip : NULL, &work, &target, &options),
				      -ENOENT);
			assert_failure(failure, 1, 0, -ENOENT, "open");
			if (atomic)
				assert_file("out", "old", 3);
			else
				assert_file("out", i ? "\x97\x9a\x93\x93\x90" : "hello", 5);
			cr_assert_eq(name_nr(), 2);
		}
	}
}

static int64_t veto_the_end(const struct aion_chunk_progress *progress, void *unused)
{
	(void)unused;
	return progress->source_nr ? -EXFULL : 0;
}

SPARED_TEST(transform_error, the_progress_at_the_end_may_still_refuse)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "out", .atomic = true};
	struct aion_chunk_options options = {.progress = veto_the_end};

	test_file_put("in", "hello", 5);
	test_file_put("out", "old", 3);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), -EXFULL);
	assert_file("out", "old", 3);
	cr_assert_eq(name_nr(), 2);
}

/* Cancelled in the callback, or by somebody else while nothing comes from a pipe, or while the target takes nothing. */
static int64_t cancel_in_the_middle(const struct aion_chunk *chunk, struct aion_output *output, void *scope)
{
	aion_output_take_chunk(output);
	if (chunk->idx == 10)
		aion_scope_cancel(scope);
	return 0;
}

SPARED_TEST(transform_error, cancelled_in_the_middle)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	struct aion_target target = {.path = "out", .atomic = true};
	struct aion_chunk_options options = {.chunk_size = 4096};
	struct aion_scope scope;
	int fd = next_fd();

	close(test_file_make("in", 200000));
	test_file_put("out", "old", 3);
	aion_scope_enter(&scope, AION_NEVER);
	assert_result(aion_transform(&source, 1, cancel_in_the_middle, &scope, &target, &options), -ECANCELED);
	assert_result(aion_transform(&source, 1, cancel_in_the_middle, &scope, &target, &options), -ECANCELED);
	aion_scope_leave(&scope);
	assert_file("out", "old", 3);
	cr_assert_eq(name_nr(), 2);
	cr_assert_eq(next_fd(), fd);

	test_enter_cancelled(&scope);
	target = (struct aion_target){.path = "out"};
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), -ECANCELED);
	aion_scope_leave(&scope);
	assert_file("out", "old", 3);
}

/* What is told to be resumable has been written. */
static int64_t note_resume(const struct aion_chunk_progress *progress, void *resume_off)
{
	if (progress->resume_off > *(int64_t *)resume_off)
		*(int64_t *)resume_off = progress->resume_off;
	return 0;
}

static void check_stuck(aion_transform_fn *fn, int worker_nr, bool to_pipe)
{
	struct aion_source source = {.path = "in"};
	struct aion_target target = {.path = "out", .atomic = true};
	int64_t resume_off = -1;
	struct aion_chunk_options options = {
		.chunk_size = 4096,
		.worker_nr = worker_nr,
		.progress = note_resume,
		.progress_arg = &resume_off,
		.progress_ns = 1,
	};
	struct work work = WORK();
	struct aion_scope scope;
	int fds[2];

	test_pipe(fds);
	if (to_pipe)
		target = (struct aion_target){.fd = fds[1]};
	else
		source = (struct aion_source){.fd = fds[0]};
	aion_scope_enter(&scope, aion_after(20 * AION_MILLISECOND));
	assert_result(aion_transform(&source, 1, fn, &work, &target, &options), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(name_nr(), 1);
	cr_assert(to_pipe ? resume_off > 0 && resume_off <= fcntl(fds[1], F_GETPIPE_SZ) : resume_off == 0);
	close(fds[0]);
	close(fds[1]);
}

SPARED_TEST(transform_error, cancelled_while_nothing_comes_or_goes)
{
	TEST_DIR();

	close(test_file_make("in", 500000));
	for (int to_pipe = 0; to_pipe < 2; to_pipe++) {
		check_stuck(NULL, 0, to_pipe);
		for (int worker_nr = 0; worker_nr < 3; worker_nr++)
			check_stuck(work_flip, worker_nr, to_pipe);
	}
}

Test(transform_error, outside_of_tasks_is_refused)
{
	const struct aion_source source = {.path = "/proc/version"};
	const struct aion_target target = {.path = "/dev/null"};

	assert_result(aion_transform(&source, 1, NULL, NULL, &target, NULL), -EBUSY);
}

#ifdef AION_FAULTS
/* Whichever allocation fails, until none does. */
SPARED_TEST(transform_error, without_memory_nothing_is_left)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "out", .atomic = true};
	struct aion_chunk_options options = {.chunk_size = 4096};
	struct work work = WORK();
	bool has_failed;

	close(test_file_make("in", 20000));
	for (options.worker_nr = 0; options.worker_nr < 2; options.worker_nr++) {
		has_failed = true;
		for (unsigned after = 0; has_failed; after++) {
			test_file_put("out", "old", 3);
			aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
			int64_t result = aion_transform(&source, 1, work_stretch, &work, &target, &options);
			has_failed = aion__fault_passed(AION__FAULT_ALLOC) > after;
			aion__fault_reset();
			cr_assert_eq(name_nr(), 2);
			cr_assert(has_failed ? result == -ENOMEM || result > 0 : result > 0);
			cr_assert(after > 3 || result == -ENOMEM);
			if (result < 0)
				assert_file("out", "old", 3);
		}
	}
}

/* A file system without files that have no name: the temporary one has one, and is gone all the same. */
SPARED_TEST(transform_error, a_temporary_file_with_a_name_is_not_left)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "out", .atomic = true};
	struct aion_chunk_options options = {.chunk_size = 4096};
	struct work work = WORK();
	struct stat status;
	char expected[20000];

	close(test_file_make("in", 20000));
	test_file_put("out", "old", 3);
	cr_assert_eq(chmod("out", 0606), 0);
	aion__fault_arm(AION__FAULT_TMPFILE, 0, 1000, -EOPNOTSUPP);
	work.fail_off = 10000;
	work.fail_with = -EXFULL;
	assert_result(aion_transform(&source, 1, work_flip, &work, &target, &options), -EXFULL);
	assert_file("out", "old", 3);
	cr_assert_eq(name_nr(), 2);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), 20000);
	aion__fault_reset();
	test_fill(expected, 20000, 0);
	assert_file("out", expected, 20000);
	cr_assert_eq(name_nr(), 2);
	cr_assert(stat("out", &status) == 0 && (status.st_mode & 07777) == 0606);
}

/* A file system that tells only by close(2) that bytes did not arrive. */
SPARED_TEST(transform_error, an_atomic_target_stays_if_closing_the_new_one_fails)
{
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "out", .atomic = true};
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.ret_failure = &failure};

	close(test_file_make("in", 20000));
	test_file_put("out", "old", 3);
	for (int is_named = 0; is_named < 2; is_named++) {
		if (is_named)
			aion__fault_arm(AION__FAULT_TMPFILE, 0, 1000, -EOPNOTSUPP);
		aion__fault_arm(AION__FAULT_CLOSE, 0, 1, -EDQUOT);
		assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), -EDQUOT);
		aion__fault_reset();
		assert_failure(failure, 1, 0, -EDQUOT, "write");
		assert_file("out", "old", 3);
		cr_assert_eq(name_nr(), 2);
	}
}

SPARED_TEST(transform_error, without_threads_there_are_no_workers)
{
	TEST_NEEDS_KERNEL("a machine's jobs have no threads");
	TEST_DIR();
	const struct aion_source source = {.path = "in"};
	const struct aion_target target = {.path = "out"};
	struct aion_chunk_options options = {.worker_nr = 2};
	struct work work = WORK();

	close(test_file_make("in", 10000));
	aion__fault_arm(AION__FAULT_THREAD_CREATE, 0, 1000, -EAGAIN);
	assert_result(aion_transform(&source, 1, work_flip, &work, &target, &options), -EAGAIN);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), 10000);
	aion__fault_reset();
}
#endif
