/* SPDX-License-Identifier: MIT */
/* Writing: what one call takes, all of it, and why not. */
#include <signal.h>
#include <sys/resource.h>

#include "test_file.h"

#include "fault_int.h"

#define SIZE 10000

static void assert_content(int fd, size_t size)
{
	char *buf = malloc(size + 1);

	cr_assert_eq(pread(fd, buf, size + 1, 0), (ssize_t)size);
	cr_assert(test_is_filled(buf, size, 0));
	free(buf);
}

TASK_TEST(file_write, bytes_arrive_where_they_belong)
{
	TEST_DIR();
	int fd = test_file_make("f", 0);
	char buf[SIZE];
	struct iovec iov[] = {{buf, 2000}, {NULL, 0}, {buf + 2000, 1000}};

	test_fill(buf, SIZE, 0);
	assert_result(aion_write(fd, buf, 500), 500);
	assert_result(aion_write(fd, buf + 500, 500), 500);
	assert_result(aion_pwrite(fd, buf + 4000, 1000, 4000), 1000);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 1000, "a positioned write leaves the position");
	iov[0].iov_base = buf + 1000;
	iov[2] = (struct iovec){buf + 3000, 1000};
	assert_result(aion_writev(fd, iov, 3), 3000);
	iov[0].iov_base = buf + 5000;
	iov[2] = (struct iovec){buf + 7000, 1000};
	assert_result(aion_pwritev(fd, iov, 3, 5000), 3000);
	iov[0] = (struct iovec){buf + 8000, 2000};
	assert_result(aion_pwritev2(fd, iov, 1, 0, RWF_APPEND), 2000);
	assert_content(fd, SIZE);
	iov[0] = (struct iovec){buf + 4000, 10};
	assert_result(aion_pwritev2(fd, iov, 1, -1, 0), 10);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 4010, "-1 is the current position");
	assert_content(fd, SIZE);
}

TASK_TEST(file_write, wrong_arguments_are_refused)
{
	TEST_DIR();
	int fd = test_file_make("f", 0), read_only = open("f", O_RDONLY);
	char buf[10] = "";
	const struct iovec iov = {buf, sizeof(buf)};

	assert_result(aion_write(-1, buf, 10), -EBADF);
	assert_result(aion_write(read_only, buf, 10), -EBADF);
	assert_result(aion_write(fd, (void *)8, 10), -EFAULT);
	assert_result(aion_pwrite(fd, buf, 10, -1), -EINVAL);
	assert_result(aion_pwritev(fd, &iov, 1, -1), -EINVAL);
	assert_result(aion_pwritev2(fd, &iov, 1, 0, 1 << 30), -EOPNOTSUPP);
	assert_result(aion_writev(fd, &iov, -1), -EINVAL);
	cr_assert_eq(lseek(fd, 0, SEEK_END), 0, "nothing was written");
}

/* The signal would end the process. */
TASK_TEST(file_write, broken_pipe_is_an_error_without_a_signal)
{
	char buf[10] = "";
	int fds[2];

	test_pipe(fds);
	close(fds[0]);
	assert_result(aion_write(fds[1], buf, 10), -EPIPE);
	assert_result(aion_write_all(fds[1], buf, 10, NULL), -EPIPE);
}

TASK_TEST(file_write, full_device_and_size_limit_are_told)
{
	TEST_DIR();
	const struct rlimit limit = {6000, 6000};
	int full = open("/dev/full", O_WRONLY), fd = test_file_make("f", 0);
	char buf[SIZE];
	size_t done = 7;

	test_fill(buf, SIZE, 0);
	assert_result(aion_write(full, buf, SIZE), -ENOSPC);
	assert_result(aion_write_all(full, buf, SIZE, &done), -ENOSPC);
	cr_assert_eq(done, 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_result(aion_write(fd, buf, SIZE), 6000);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 6000);
	assert_result(aion_pwrite_all(fd, buf, SIZE, 0, &done), -EFBIG);
	cr_assert_eq(done, 6000);
	assert_content(fd, 6000);
}

struct drain {
	int fd;
	size_t size;
	size_t at_once;
};

static int64_t drain_pipe(void *arg)
{
	struct drain *drain = arg;
	char *buf = malloc(drain->at_once);
	int64_t n;

	while ((n = aion_read(drain->fd, buf, drain->at_once)) > 0) {
		cr_assert(test_is_filled(buf, (size_t)n, drain->size));
		drain->size += (size_t)n;
	}
	free(buf);
	return n;
}

TASK_TEST(file_write, write_all_outlasts_a_slow_reader)
{
	const size_t size = 1 << 20;
	char *buf = malloc(size);
	struct aion_group group;
	struct drain drain = {.at_once = 7001};
	size_t done = 0;
	int fds[2];

	test_fill(buf, size, 0);
	test_pipe(fds);
	drain.fd = fds[0];
	aion_group_enter(&group);
	aion_spawn(&group, drain_pipe, &drain);
	assert_result(aion_write_all(fds[1], buf, size, &done), 0);
	cr_assert_eq(done, size);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(drain.size, size);
	free(buf);
}

/* More vectors than one call takes, some empty, cut anywhere by a pipe of 64 KiB. */
TASK_TEST(file_write, writev_all_takes_any_number_of_vectors)
{
	enum { NR = 2500, EACH = 311 };
	char *buf = malloc(NR * EACH);
	struct iovec *iov = malloc(NR * sizeof(*iov)), *copy = malloc(NR * sizeof(*iov));
	struct aion_group group;
	struct drain drain = {.at_once = 9973};
	size_t size = 0, done = 0;
	int fds[2];

	for (int i = 0; i < NR; i++) {
		iov[i] = (struct iovec){buf + size, i % 7 ? EACH : 0};
		size += iov[i].iov_len;
	}
	memcpy(copy, iov, NR * sizeof(*iov));
	test_fill(buf, size, 0);
	test_pipe(fds);
	drain.fd = fds[0];
	aion_group_enter(&group);
	aion_spawn(&group, drain_pipe, &drain);
	assert_result(aion_writev_all(fds[1], iov, NR, &done), 0);
	cr_assert_eq(done, size);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(drain.size, size);
	cr_assert_eq(memcmp(copy, iov, NR * sizeof(*iov)), 0, "the caller's vectors are as they were");
	free(buf);
	free(iov);
	free(copy);
}

/* The kernel takes a part, fails with the rest, and must not have forgotten where it was: going on writing would
 * overwrite the part that was taken, and succeed. */
TASK_TEST(file_write, position_follows_a_short_write)
{
	TEST_DIR();
	const struct rlimit limit = {6000, 6000};
	int fd = test_file_make("f", 0);
	char buf[SIZE];
	const struct iovec iov[] = {{buf, 1000}, {buf + 1000, SIZE - 1000}};
	size_t done = 7;

	test_fill(buf, SIZE, 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_result(aion_write_all(fd, buf, SIZE, &done), -EFBIG);
	cr_assert_eq(done, 6000);
	assert_content(fd, 6000);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(lseek(fd, 4000, SEEK_SET), 4000);
		assert_result(i ? aion_pwritev2(fd, iov, 2, -1, 0) : aion_writev(fd, iov, 2), 2000);
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 6000);
	}
}

/* A size limit cuts the write inside the second vector, whose rest is then refused. */
TASK_TEST(file_write, writev_all_counts_up_to_the_error)
{
	TEST_DIR();
	const struct rlimit limit = {5000, 5000};
	int fd = test_file_make("f", 0);
	char buf[SIZE];
	const struct iovec iov[] = {{buf, 3000}, {buf + 3000, 4000}, {buf + 7000, 3000}};
	size_t done = 7;

	test_fill(buf, SIZE, 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_result(aion_writev_all(fd, iov, 3, &done), -EFBIG);
	cr_assert_eq(done, 5000);
	assert_content(fd, 5000);
	assert_result(aion_writev_all(fd, iov, 0, &done), 0);
	cr_assert_eq(done, 0);
	assert_result(aion_writev_all(fd, iov, -1, &done), -EINVAL);
}

/* A pipe has room for a part only: the cancelled write tells how much went in. */
TASK_TEST(file_write, partial_bytes_win_over_cancellation)
{
	const size_t size = 1 << 20;
	char *buf = calloc(1, size), *back = malloc(size);
	struct aion_scope scope;
	size_t done = 0;
	int64_t n;
	int fds[2];

	test_pipe(fds);
	aion_scope_enter(&scope, aion_after(20 * AION_MILLISECOND));
	n = aion_write(fds[1], buf, size);
	cr_assert(n > 0 && n < (int64_t)size, "%lld", (long long)n);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(read(fds[0], back, size), n);

	aion_scope_enter(&scope, aion_after(20 * AION_MILLISECOND));
	n = aion_write_all(fds[1], buf, size, &done);
	assert_result(n, -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_gt(done, 0);
	cr_assert_eq(read(fds[0], back, size), (ssize_t)done);
	free(buf);
	free(back);
}

TASK_TEST(file_write, cancelled_callers_write_nothing)
{
	TEST_DIR();
	int fd = test_file_make("f", 0);
	char buf[10] = "";
	const struct iovec iov = {buf, sizeof(buf)};
	struct aion_scope scope;
	size_t done = 1;

	test_enter_cancelled(&scope);
	assert_result(aion_write(fd, buf, 10), -ECANCELED);
	assert_result(aion_pwrite(fd, buf, 10, 0), -ECANCELED);
	assert_result(aion_writev(fd, &iov, 1), -ECANCELED);
	assert_result(aion_pwritev(fd, &iov, 1, 0), -ECANCELED);
	assert_result(aion_pwritev2(fd, &iov, 1, 0, 0), -ECANCELED);
	assert_result(aion_write_all(fd, buf, 10, &done), -ECANCELED);
	cr_assert_eq(done, 0);
	assert_result(aion_pwrite_all(fd, buf, 0, 0, &done), -ECANCELED);
	assert_result(aion_writev_all(fd, &iov, 0, &done), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_END), 0);
}

/* Each write is handed over after the one before it has ended. CASE 59. */
TASK_TEST(file_write, writes_of_one_task_keep_their_order)
{
	struct aion_group group;
	struct drain drain = {.at_once = 333};
	char buf[SIZE];
	int fds[2];

	test_fill(buf, SIZE, 0);
	test_pipe(fds);
	drain.fd = fds[0];
	aion_group_enter(&group);
	aion_spawn(&group, drain_pipe, &drain);
	for (size_t off = 0; off < SIZE; off += 100)
		assert_result(aion_write(fds[1], buf + off, 100), 100);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(drain.size, SIZE);
}

#ifdef AION_FAULTS
TASK_TEST(file_write, errors_of_the_device_are_passed_on)
{
	TEST_DIR();
	int fd = test_file_make("f", 0);
	char buf[SIZE] = "";
	const struct iovec iov[] = {{buf, 100}, {buf, 100}};
	size_t done;

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 5, -EIO);
	assert_result(aion_write(fd, buf, 10), -EIO);
	assert_result(aion_pwrite(fd, buf, 10, 0), -EIO);
	assert_result(aion_writev(fd, iov, 2), -EIO);
	assert_result(aion_pwritev(fd, iov, 2, 0), -EIO);
	assert_result(aion_pwritev2(fd, iov, 2, 0, 0), -EIO);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 1, 1, -EDQUOT);
	assert_result(aion_write_all(fd, buf, 100, &done), 0);
	assert_result(aion_write_all(fd, buf, 100, &done), -EDQUOT);
	cr_assert_eq(done, 0);
}

/* The fault hides a write that was good, so what is written at the position is there once more for each signal. */
TASK_TEST(file_write, writes_of_everything_outlast_signals)
{
	TEST_DIR();
	const struct rlimit limit = {6000, RLIM_INFINITY};
	int fd = test_file_make("f", 0), fd_v = test_file_make("v", 0);
	char buf[SIZE];
	const struct iovec iov[] = {{buf, 3000}, {buf + 3000, 4000}, {buf + 7000, 3000}};
	size_t done = 7;

	test_fill(buf, SIZE, 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 3, -EINTR);
	assert_result(aion_pwrite_all(fd, buf, SIZE, 0, &done), 0);
	cr_assert_eq(done, SIZE);
	cr_assert_eq(aion__fault_passed(AION__FAULT_CQE_RESULT), 4);
	assert_content(fd, SIZE);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -EINTR);
	assert_result(aion_write_all(fd, buf, SIZE, &done), 0);
	cr_assert_eq(done, SIZE);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 3 * SIZE);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -EINTR);
	assert_result(aion_writev_all(fd_v, iov, 3, &done), 0);
	cr_assert_eq(done, SIZE);
	cr_assert_eq(lseek(fd_v, 0, SEEK_CUR), 3 * SIZE);
	/* A signal after a part. */
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 1, 1, -EINTR);
	assert_result(aion_pwrite_all(fd, buf, SIZE, 0, &done), -EFBIG);
	cr_assert_eq(done, 6000);
	cr_assert_eq(aion__fault_passed(AION__FAULT_CQE_RESULT), 3);
	cr_assert_eq(lseek(fd_v, 0, SEEK_SET), 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 1, 2, -EINTR);
	assert_result(aion_writev_all(fd_v, iov, 3, &done), -EFBIG);
	cr_assert_eq(done, 6000);
	cr_assert_eq(aion__fault_passed(AION__FAULT_CQE_RESULT), 4);
}

/* A pipe that is full, and one that a signal keeps from being written to for ever. */
TASK_TEST(file_write, cancellation_ends_interrupted_writes_of_everything)
{
	const size_t size = 1 << 20;
	char *buf = calloc(1, size);
	const struct iovec iov = {buf, size};
	struct aion_scope scope;
	size_t done;
	int fds[2];

	test_pipe(fds);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, UINT32_MAX, -EINTR);
	for (int i = 0; i < 2; i++) {
		done = 7;
		aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
		assert_result(i ? aion_writev_all(fds[1], &iov, 1, &done) : aion_write_all(fds[1], buf, size, &done),
			      -ECANCELED);
		cr_assert_eq(done, 0);
		assert_result(aion_scope_leave(&scope), -ETIME);
	}
	aion__fault_reset();
	free(buf);
}
#endif
