/* SPDX-License-Identifier: MIT */
/* Opening files, at once, by the ring, for nobody. */
#include <linux/openat2.h>

#include "test_file.h"
#include "test_worker.h"

#include "fault_int.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

static int fd_flags(int fd)
{
	return fcntl(fd, F_GETFL);
}

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

TASK_TEST(file_open, openat_gives_a_descriptor)
{
	TEST_DIR();
	int64_t fd = aion_openat(AT_FDCWD, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	struct stat status;
	char buf[4];

	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat((int)fd, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0640 & ~022);
	cr_assert_eq(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
	cr_assert_eq(write((int)fd, "abc", 3), 3);
	fd = aion_openat(dir, "new", O_RDONLY, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fcntl((int)fd, F_GETFD), 0, "O_CLOEXEC is not implied");
	cr_assert_eq(fd_flags((int)fd) & O_NONBLOCK, 0);
	assert_result(aion_read((int)fd, buf, 4), 3);
	assert_result(aion_close((int)fd), 0);
	cr_assert_eq(fd_flags((int)fd), -1);
}

TASK_TEST(file_open, errors_are_those_of_openat)
{
	TEST_DIR();
	int fd = test_file_make("f", 10);
	char *long_name = calloc(1, 300);

	memset(long_name, 'x', 299);
	cr_assert_eq(symlink("loop", "loop"), 0);
	assert_result(aion_openat(AT_FDCWD, "none", O_RDONLY, 0), -ENOENT);
	assert_result(aion_openat(AT_FDCWD, "", O_RDONLY, 0), -ENOENT);
	assert_result(aion_openat(AT_FDCWD, "f/x", O_RDONLY, 0), -ENOTDIR);
	assert_result(aion_openat(AT_FDCWD, ".", O_WRONLY, 0), -EISDIR);
	assert_result(aion_openat(AT_FDCWD, "f", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
	assert_result(aion_openat(AT_FDCWD, "loop", O_RDONLY, 0), -ELOOP);
	assert_result(aion_openat(AT_FDCWD, long_name, O_RDONLY, 0), -ENAMETOOLONG);
	assert_result(aion_openat(AT_FDCWD, (char *)8, O_RDONLY, 0), -EFAULT);
	assert_result(aion_openat(9999, "f", O_RDONLY, 0), -EBADF);
	assert_result(aion_openat(fd, "f", O_RDONLY, 0), -ENOTDIR);
	free(long_name);
}

TASK_TEST(file_open, openat2_obeys_its_rules)
{
	TEST_DIR();
	int fd = test_file_make("f", 10);
	const struct open_how plain = {.flags = O_RDONLY | O_CLOEXEC};
	const struct open_how beneath = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
	const struct open_how no_links = {.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS};
	const struct open_how wrong = {.flags = O_RDONLY, .mode = 0600};
	struct {
		struct open_how how;
		uint64_t beyond;
	} large = {.how = plain, .beyond = 1};
	int64_t other = aion_openat2(AT_FDCWD, "f", &plain, sizeof(plain));

	(void)fd;
	cr_assert_geq(other, 0);
	cr_assert_eq(symlink("f", "link"), 0);
	assert_result(aion_openat2(AT_FDCWD, "../x", &beneath, sizeof(beneath)), -EXDEV);
	assert_result(aion_openat2(AT_FDCWD, "link", &no_links, sizeof(no_links)), -ELOOP);
	assert_result(aion_openat2(AT_FDCWD, "f", &wrong, sizeof(wrong)), -EINVAL);
	assert_result(aion_openat2(AT_FDCWD, "f", &plain, 7), -EINVAL);
	assert_result(aion_openat2(AT_FDCWD, "f", &large.how, sizeof(large)), -E2BIG);
}

#ifndef AION_VALGRIND /* which does not know openat2(2) */
TASK_TEST(file_open, try_opens_what_is_cached)
{
	TEST_DIR();
	const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
	const struct open_how create = {.flags = O_RDWR | O_CREAT, .mode = 0600};
	struct aion_loop_stats before = test_stats(), after;
	int64_t fd;

	test_file_make("f", 10);
	fd = aion_try_openat2(AT_FDCWD, "f", &how, sizeof(how));
	cr_assert_geq(fd, 0);
	cr_assert_eq(fd_flags((int)fd) & O_NONBLOCK, 0);
	after = test_stats();
	cr_assert_eq(after.submit_nr, before.submit_nr);
	cr_assert_eq(after.inline_nr, before.inline_nr + 1);
	assert_result(aion_try_openat2(AT_FDCWD, "g", &create, sizeof(create)), -EAGAIN);
	fd = aion_try_openat2(AT_FDCWD, "none", &how, sizeof(how));
	cr_assert(fd == -ENOENT || fd == -EAGAIN);
	cr_assert_eq(access("g", F_OK), -1);
}
#endif

/* Each row a way to open: how = by openat2; op = by the operation, which takes the ring in any case. */
struct pipe_end {
	int flags;
	int64_t fd;
	enum { BY_OPENAT, BY_OPENAT2, BY_OP } way;
};

static int64_t open_pipe(void *arg)
{
	struct pipe_end *end = arg;
	const struct open_how how = {.flags = (uint64_t)end->flags};
	struct aion_op op = {0};

	if (end->way == BY_OPENAT) {
		end->fd = aion_openat(AT_FDCWD, "p", end->flags, 0);
	} else if (end->way == BY_OPENAT2) {
		end->fd = aion_openat2(AT_FDCWD, "p", &how, sizeof(how));
	} else {
		aion_op_openat(&op, AT_FDCWD, "p", end->flags, 0);
		end->fd = aion_await(&op.future);
	}
	return 0;
}

/* As openat(2) does, whichever way the kernel takes: whoever comes first waits, and both get their ends. */
TASK_TEST(file_open, named_pipe_waits_for_its_other_end)
{
	TEST_DIR();
	int lowest = lowest_fd();

	cr_assert_eq(mkfifo("p", 0600), 0);
	for (int i = 0; i < 36; i++) {
		bool writer_first = i % 2;
		struct pipe_end first = {.flags = writer_first ? O_WRONLY : O_RDONLY, .fd = -1, .way = i / 2 % 3};
		struct pipe_end second = {.flags = writer_first ? O_RDONLY : O_WRONLY, .fd = -1, .way = i / 6 % 3};
		int64_t reader, writer;
		struct aion_group group;
		char buf[10];

		aion_group_enter(&group);
		aion_spawn_now(&group, open_pipe, &first);
		if (i >= 18)
			aion_sleep(AION_MILLISECOND);
		assert_result(first.fd, -1);
		aion_spawn_now(&group, open_pipe, &second);
		assert_result(aion_group_leave(&group, 0), 0);
		reader = writer_first ? second.fd : first.fd;
		writer = writer_first ? first.fd : second.fd;
		cr_assert(reader >= 0 && writer >= 0);
		cr_assert_eq(fd_flags((int)reader) & O_NONBLOCK, 0);
		assert_result(aion_write((int)writer, "abc", 3), 3);
		assert_result(aion_read((int)reader, buf, 10), 3);
		assert_result(aion_close((int)writer), 0);
		assert_result(aion_read((int)reader, buf, 10), 0);
		assert_result(aion_close((int)reader), 0);
		test_await_kernel_workers();
	}
	cr_assert_eq(lowest_fd(), lowest);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

static int64_t write_to_named_pipe(void *unused)
{
	int64_t writer = aion_openat(AT_FDCWD, "p", O_WRONLY, 0);

	(void)unused;
	if (writer < 0)
		return writer;
	assert_result(aion_write((int)writer, "abc", 3), 3);
	return aion_close((int)writer);
}

/* The writer may have written and gone before the reader's open has noticed him. */
TASK_TEST(file_open, named_pipe_misses_no_writer)
{
	TEST_DIR();
	int lowest = lowest_fd();

	cr_assert_eq(mkfifo("p", 0600), 0);
	for (int i = 0; i < 200; i++) {
		struct pipe_end reader = {.flags = O_RDONLY, .way = i % 3};
		struct aion_group group;
		char buf[10];

		aion_group_enter(&group);
		aion_spawn(&group, write_to_named_pipe, NULL);
		open_pipe(&reader);
		assert_result(aion_read_exact((int)reader.fd, buf, 3, NULL), 0);
		assert_result(aion_close((int)reader.fd), 0);
		assert_result(aion_group_leave(&group, 0), 0);
	}
	cr_assert_eq(lowest_fd(), lowest);
}

TASK_TEST(file_open, wait_for_the_other_end_can_be_cancelled)
{
	TEST_DIR();
	int lowest = lowest_fd();

	cr_assert_eq(mkfifo("p", 0600), 0);
	for (int i = 0; i < 12; i++) {
		struct pipe_end end = {.flags = i % 2 ? O_WRONLY : O_RDONLY, .way = i % 3};
		struct aion_scope scope;

		aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
		open_pipe(&end);
		assert_result(end.fd, -ECANCELED);
		assert_result(aion_scope_leave(&scope), -ETIME);
	}
	cr_assert_eq(lowest_fd(), lowest);
	test_await_kernel_workers();
	assert_result(aion_openat(AT_FDCWD, "p", O_WRONLY | O_NONBLOCK, 0), -ENXIO);
	cr_assert_geq(aion_openat(AT_FDCWD, "p", O_RDWR, 0), 0);
}

#ifndef AION_VALGRIND /* which does not know openat2(2) */
TASK_TEST(file_open, cached_files_open_without_the_ring)
{
	TEST_DIR();
	const struct open_how how = {.flags = O_RDONLY};
	struct aion_loop_stats before;

	close(test_file_make("x", 10));
	before = test_stats();
	assert_result(aion_close((int)aion_openat(AT_FDCWD, "x", O_RDONLY, 0)), 0);
	assert_result(aion_close((int)aion_openat2(AT_FDCWD, "x", &how, sizeof(how))), 0);
	cr_assert_eq(test_stats().inline_nr, before.inline_nr + 2);
	cr_assert_eq(test_stats().submit_nr, before.submit_nr + 2, "the closes");
	/* openat(2) overlooks a flag that it does not know. */
	assert_result(aion_close((int)aion_openat(AT_FDCWD, "x", O_RDONLY | 1 << 27, 0)), 0);
}
#endif

/* CASE 73, a descriptor: whoever starts an open and does not wait for it leaves none behind. */
TASK_TEST(file_open, unreceived_descriptor_is_closed)
{
	TEST_DIR();
	int lowest, opened_nr = 0;

	close(test_file_make("x", 10));
	lowest = lowest_fd();
	for (int i = 0; i < 50; i++) {
		AION_CLEANUP(aion_op_reap) struct aion_op op = {0};

		aion_op_openat(&op, AT_FDCWD, "x", i % 2 ? O_RDONLY : O_RDWR | O_CREAT, 0600);
		while (i % 3 == 0 && !aion_future_is_done(&op.future))
			aion_yield();
		if (i % 3 == 1)
			aion_yield();
		opened_nr += aion_future_is_done(&op.future) && op.future.result >= 0;
	}
	cr_assert_eq(lowest_fd(), lowest);
	cr_assert_gt(opened_nr, 0, "no open had ended before it was dropped");
}

TASK_TEST(file_open, cancelled_callers_open_nothing)
{
	TEST_DIR();
	const struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600};
	struct aion_scope scope;

	test_enter_cancelled(&scope);
	assert_result(aion_openat(AT_FDCWD, "x", O_RDWR | O_CREAT, 0600), -ECANCELED);
	assert_result(aion_openat2(AT_FDCWD, "x", &how, sizeof(how)), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(access("x", F_OK), -1);
}

#ifdef AION_FAULTS
TASK_TEST(file_open, want_of_descriptors_is_told)
{
	struct aion_op op = {0};

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 3, -EMFILE);
	assert_result(aion_openat(AT_FDCWD, "/none", O_RDONLY | O_CREAT, 0), -EMFILE);
	aion_op_openat2(&op, AT_FDCWD, "/none", &(struct open_how){.flags = O_RDONLY}, sizeof(struct open_how));
	assert_result(aion_await(&op.future), -EMFILE);
}
#endif
