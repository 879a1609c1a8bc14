/* SPDX-License-Identifier: MIT */
/* Every listed error, who reports it, and that nothing is left: no descriptor, no memory, no operation. */
#include <linux/openat2.h>

#include "fault_int.h"
#include "test_chunk.h"

static int64_t see_nothing(struct aion_chunk *chunk, void *unused)
{
	(void)chunk, (void)unused;
	return 0;
}

/* The lowest free descriptor: the same before and after. */
static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

#define assert_failure(failure, expected_idx, expected_off, expected_error, expected_what)                             \
	do {                                                                                                           \
		cr_assert_eq((failure).source_idx, (size_t)(expected_idx));                                            \
		cr_assert_eq((failure).off, (expected_off), "off is %lld", (long long)(failure).off);                  \
		assert_result((failure).error, (expected_error));                                                      \
		cr_assert_str_eq((failure).what, (expected_what));                                                     \
	} while (0)

SPARED_TEST(chunk_error, the_callbacks_result_is_the_processors)
{
	TEST_DIR();
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {.chunk_size = 4096, .ret_failure = &failure, .ret_final = &final};
	struct seen seen;
	int fd = next_fd();

	close(test_file_make("f", 100000));
	seen_init(&seen, 100000);
	seen.fail_nth = 3;
	seen.fail_with = -EXFULL;
	assert_result(aion_chunk_path("f", seen_note, &seen, &options), -EXFULL);
	assert_failure(failure, 0, 8192, -EXFULL, "callback");
	cr_assert(final.size == 8192 && final.chunk_nr == 2 && final.resume_off == 8192);
	cr_assert_eq(seen.chunk_nr, 3);

	failure.error = 0;
	options.worker_nr = 2;
	seen.chunk_nr = seen.size = 0;
	assert_result(aion_chunk_path("f", seen_note, &seen, &options), -EXFULL);
	assert_result(failure.error, -EXFULL);
	cr_assert_str_eq(failure.what, "callback");
	cr_assert_leq(seen.chunk_nr, 4, "the other worker stops at its next place");
	cr_assert_leq(final.resume_off, failure.off);
	cr_assert_eq(next_fd(), fd);
	seen_fini(&seen);
}

/* The position where everything before has been seen, and from where reading goes on. */
static void check_position(int worker_nr, bool records, bool direct)
{
	const size_t size = 200000;
	uint64_t random = 99;
	char *content = test_content(size, '\n', 700, &random);
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {
		.chunk_size = 8192, .worker_nr = worker_nr, .records = records, .delimiter = '\n', .direct = direct};
	struct seen seen;
	int64_t off;
	int fd;

	options.ret_final = &final;
	test_file_put("f", content, size);
	fd = open("f", O_RDONLY | O_CLOEXEC);
	cr_assert_eq(lseek(fd, 1000, SEEK_SET), 1000);
	seen_init(&seen, size);
	seen.fail_nth = 6;
	seen.fail_with = -EXFULL;
	assert_result(aion_chunk_fd(fd, seen_note, &seen, &options), -EXFULL);
	off = lseek(fd, 0, SEEK_CUR);
	cr_assert(off >= 1000 && off < (int64_t)size, "%d workers: the position is %lld", worker_nr, (long long)off);
	/* To resume among records begins behind the one in which the byte before lies. */
	cr_assert_eq(off, final.resume_off - (worker_nr && records && off > 1000));
	for (size_t i = 1000; i < (size_t)off; i++)
		cr_assert_eq(seen.times[i], 1, "the byte at %zu, before %lld, was not seen", i, (long long)off);
	if (!worker_nr)
		cr_assert_eq(off, 1000 + (int64_t)seen.size);
	seen_fini(&seen);
	seen_init(&seen, size);
	assert_result(aion_chunk_fd(fd, seen_note, &seen, &options), (int64_t)size - off);
	seen_is(&seen, content, (size_t)off, size - (size_t)off);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), (off_t)size);
	seen_fini(&seen);
	close(fd);
	free(content);
}

SPARED_TEST(chunk_error, a_position_is_left_where_all_before_was_seen)
{
	TEST_DIR();

	for (int i = 0; i < 12; i++)
		check_position(i / 4, i % 2, i / 2 % 2);
}

SPARED_TEST(chunk_error, a_callback_on_a_worker_ends_a_pipe)
{
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = 2, .ret_failure = &failure};
	struct seen seen;
	int fds[2];

	test_pipe(fds);
	cr_assert_eq(write(fds[1], "hello", 5), 5);
	seen_init(&seen, 100);
	seen.fail_nth = 1;
	seen.fail_with = -EXFULL;
	/* The writer stays: nobody waits for him. */
	assert_result(aion_chunk_fd(fds[0], seen_note, &seen, &options), -EXFULL);
	assert_failure(failure, 0, 0, -EXFULL, "callback");
	seen_fini(&seen);
	close(fds[0]);
	close(fds[1]);
}

SPARED_TEST(chunk_error, what_cannot_be_opened_is_named)
{
	TEST_DIR();
	const struct aion_source sources[] = {{.path = "f"}, {.path = "none"}};
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.ret_failure = &failure};

	close(test_file_make("f", 10));
	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		failure.error = 0;
		options.worker_nr = worker_nr;
		assert_result(aion_chunk_process(sources, 2, see_nothing, NULL, &options), -ENOENT);
		assert_failure(failure, 1, 0, -ENOENT, "open");
		assert_result(aion_chunk_path("/", see_nothing, NULL, &options), -EISDIR);
		assert_result(aion_chunk_fd(999, see_nothing, NULL, &options), -EBADF);
	}
}

SPARED_TEST(chunk_error, what_cannot_be_read_is_named)
{
	TEST_DIR();
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.ret_failure = &failure};
	int fd = open("f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	struct aion_source source = {.fd = fd};

	cr_assert_eq(write(fd, "hello", 5), 5);
	for (int worker_nr = 0; worker_nr < 2; worker_nr++) {
		failure.error = 0;
		options.worker_nr = worker_nr;
		assert_result(aion_chunk_process(&source, 1, see_nothing, NULL, &options), -EBADF);
		assert_failure(failure, 0, 0, -EBADF, "read");
	}
	close(fd);
}

SPARED_TEST(chunk_error, options_and_sources_out_of_range_are_refused)
{
	const struct aion_chunk_options bad[] = {
		{.chunk_size = AION_CHUNK_SIZE_MAX + 1},
		{.window_nr = AION_CHUNK_WINDOW_MAX + 1},
		{.worker_nr = -2},
		{.record_size_max = AION_CHUNK_RECORD_MAX + 1},
		{.on_error = (enum aion_chunk_on_error)3},
		{.resume_off = -1},
		{.progress_ns = -1},
	};
	const struct aion_source sources[] = {
		{.path = "/dev/null", .off = -1},
		{.path = "/dev/null", .size = -1},
		{.fd = 0, .off = -2},
		{.path = "/dev/null", .off = 1}, /* it has no positions */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_result(aion_chunk_path("/dev/null", see_nothing, NULL, &bad[i]), -EINVAL);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		assert_result(aion_chunk_process(&sources[i], 1, see_nothing, NULL, NULL), -EINVAL);
	assert_result(aion_chunk_path("/dev/null", see_nothing, NULL, NULL), 0);
}

/* proc has no direct reads. */
SPARED_TEST(chunk_error, direct_needs_a_file_system_that_has_it)
{
	struct aion_chunk_options options = {.direct = true};

	assert_result(aion_chunk_path("/proc/self/status", see_nothing, NULL, &options), -EINVAL);
	options.worker_nr = 1;
	assert_result(aion_chunk_path("/proc/self/status", see_nothing, NULL, &options), -EINVAL);
}

/* A record of exactly the limit passes, one that is longer by a byte does not, wherever it lies. */
static void check_record(size_t before, size_t record, int worker_nr, int64_t expected, int64_t expected_off)
{
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {
		.chunk_size = 4096,
		.records = true,
		.delimiter = '\n',
		.record_size_max = 100000,
		.worker_nr = worker_nr,
		.ret_failure = &failure,
	};
	size_t size = before + record + 7;
	char *content = malloc(size);
	struct seen seen;

	memset(content, 'x', size);
	if (before)
		content[before - 1] = '\n';
	content[before + record - 1] = '\n';
	test_file_put("f", content, size);
	seen_init(&seen, size);
	seen.must_delimit = true;
	seen.delimiter = '\n';
	seen.whole = size;
	assert_result(aion_chunk_path("f", seen_note, &seen, &options), expected < 0 ? expected : (int64_t)size);
	if (expected < 0)
		assert_failure(failure, 0, expected_off, -EMSGSIZE, "read");
	else
		seen_is(&seen, content, 0, size);
	cr_assert_eq(seen.cut_nr, 0);
	seen_fini(&seen);
	free(content);
}

SPARED_TEST(chunk_error, a_record_may_be_as_long_as_the_limit_and_no_longer)
{
	TEST_DIR();
	const size_t befores[] = {0, 1, 100, 4095, 4096, 4097, 8000};

	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		for (size_t i = 0; i < sizeof(befores) / sizeof(befores[0]); i++) {
			check_record(befores[i], 100000, worker_nr, 0, 0);
			check_record(befores[i], 66000, worker_nr, 0, 0);
			check_record(befores[i], 100001, worker_nr, -EMSGSIZE, (int64_t)befores[i]);
		}
	}
}

SPARED_TEST(chunk_error, cancelled_before_nothing_is_opened)
{
	TEST_DIR();
	struct aion_scope scope;
	struct seen seen;

	close(test_file_make("f", 10000));
	seen_init(&seen, 10000);
	test_enter_cancelled(&scope);
	assert_result(aion_chunk_path("f", seen_note, &seen, NULL), -ECANCELED);
	assert_result(aion_chunk_path("none", seen_note, &seen, NULL), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	cr_assert_eq(seen.chunk_nr, 0);
	seen_fini(&seen);
}

static int64_t cancel_at_third(struct aion_chunk *chunk, void *scope)
{
	if (chunk->idx == 2)
		aion_scope_cancel(scope);
	return 0;
}

SPARED_TEST(chunk_error, cancelled_between_chunks_it_stops_there)
{
	TEST_DIR();
	struct aion_chunk_progress final;
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.chunk_size = 4096, .ret_final = &final, .ret_failure = &failure};
	struct aion_scope scope;
	int fd = test_file_make("f", 1 << 20), next = next_fd();

	test_file_drop(fd, 0, 1 << 20);
	aion_scope_enter(&scope, AION_NEVER);
	assert_result(aion_chunk_path("f", cancel_at_third, &scope, &options), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert(final.chunk_nr == 3 && final.resume_off == 3 * 4096);
	assert_failure(failure, 0, 3 * 4096, -ECANCELED, "read");
	cr_assert_eq(next_fd(), next);
	close(fd);
}

SPARED_TEST(chunk_error, a_silent_pipe_is_left_at_the_deadline)
{
	for (int worker_nr = 0; worker_nr < 3; worker_nr++) {
		struct aion_chunk_options options = {.worker_nr = worker_nr};
		struct aion_scope scope;
		int fds[2];

		test_pipe(fds);
		aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
		assert_result(aion_chunk_fd(fds[0], see_nothing, NULL, &options), -ECANCELED);
		assert_result(aion_scope_leave(&scope), -ETIME);
		close(fds[0]);
		close(fds[1]);
	}
}

struct slow {
	atomic_int begun_nr;
};

static int64_t see_slowly(struct aion_chunk *chunk, void *arg)
{
	struct slow *slow = arg;

	(void)chunk;
	atomic_fetch_add(&slow->begun_nr, 1);
	usleep(2000);
	return 0;
}

SPARED_TEST(chunk_error, workers_stop_when_the_task_is_cancelled)
{
	TEST_NEEDS_KERNEL("workers run while the loop waits");
	TEST_DIR();
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = 2};
	struct slow slow = {0};
	struct aion_scope scope;

	close(test_file_make("f", 1 << 24));
	aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
	assert_result(aion_chunk_path("f", see_slowly, &slow, &options), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_lt(slow.begun_nr, 4096);
}

SPARED_TEST(chunk_error, cancelled_workers_leave_the_position_in_the_file)
{
	TEST_NEEDS_KERNEL("workers run while the loop waits");
	TEST_DIR();
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = 2, .ret_final = &final};
	struct slow slow = {0};
	struct aion_scope scope;
	int fd;

	close(test_file_make("f", 1 << 24));
	fd = open("f", O_RDONLY | O_CLOEXEC);
	aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
	assert_result(aion_chunk_fd(fd, see_slowly, &slow, &options), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_lt(final.resume_off, 1 << 24);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), final.resume_off);
	close(fd);
}

Test(chunk_error, not_inside_a_task)
{
	assert_result(aion_chunk_path("/dev/null", see_nothing, NULL, NULL), -EBUSY);
	assert_result(aion_chunk_fd(0, see_nothing, NULL, NULL), -EBUSY);
	assert_result(aion_chunk_process(NULL, 0, see_nothing, NULL, NULL), -EBUSY);
}

static int in_child(void *unused)
{
	(void)unused;
	return aion_chunk_path("/dev/null", see_nothing, NULL, NULL) == -ECHILD ? 0 : 1;
}

SPARED_TEST(chunk_error, forked_child_is_refused)
{
	cr_assert_eq(test_in_child(in_child, NULL), 0);
}

#ifdef AION_FAULTS
SPARED_TEST(chunk_error, without_memory_nothing_is_left)
{
	TEST_DIR();
	struct aion_chunk_options options = {.chunk_size = 4096, .records = true};
	int fd = next_fd();

	close(test_file_make("f", 10000));
	for (options.worker_nr = 0; options.worker_nr < 3; options.worker_nr++) {
		for (unsigned after = 0; after < 2; after++) {
			aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
			assert_result(aion_chunk_path("f", see_nothing, NULL, &options), -ENOMEM);
			aion__fault_reset();
		}
		assert_result(aion_chunk_path("f", see_nothing, NULL, &options), 10000);
	}
	options.worker_nr = 1;
	for (unsigned after = 0; after < 8; after++) {
		int fds[2];

		test_pipe(fds);
		cr_assert_eq(write(fds[1], "hello", 5), 5);
		close(fds[1]);
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		int64_t result = aion_chunk_fd(fds[0], see_nothing, NULL, &options);
		cr_assert(result == -ENOMEM || result == 5);
		aion__fault_reset();
		close(fds[0]);
	}
	cr_assert_eq(next_fd(), fd);
}

/* A caller who is not cancelled is not told that he is. */
SPARED_TEST(chunk_error, without_stacks_for_workers_there_is_no_memory)
{
	TEST_DIR();
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.chunk_size = 4096, .worker_nr = 1000, .ret_failure = &failure};

	close(test_file_make("f", 10000));
	for (unsigned after = 0; after < 3; after++) {
		failure = (struct aion_chunk_failure){0};
		aion__fault_arm(AION__FAULT_STACK_MAP, after, 1000, -ENOMEM);
		assert_result(aion_chunk_path("f", see_nothing, NULL, &options), -ENOMEM);
		aion__fault_reset();
		assert_result(failure.error, -ENOMEM);
		cr_assert_str_eq(failure.what, "read");
	}
	cr_assert(!aion_cancelled());
	assert_result(aion_chunk_path("f", see_nothing, NULL, &options), 10000);
}

SPARED_TEST(chunk_error, without_threads_there_are_no_workers)
{
	TEST_NEEDS_KERNEL("a machine's jobs have no threads");
	TEST_DIR();
	struct aion_chunk_options options = {.worker_nr = 2};

	close(test_file_make("f", 10000));
	aion__fault_arm(AION__FAULT_THREAD_CREATE, 0, 1000, -EAGAIN);
	assert_result(aion_chunk_path("f", see_nothing, NULL, &options), -EAGAIN);
	aion__fault_reset();
}
#endif
