/* SPDX-License-Identifier: MIT */
/* Reading: whole, short and past the end; inline and by the ring; from what is no plain file. */
#include "test_file.h"

#include "fault_int.h"

#define SIZE 10000

TASK_TEST(file_read, pread_gives_the_bytes_at_the_offset)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];

	assert_result(aion_pread(fd, buf, SIZE, 0), SIZE);
	cr_assert(test_is_filled(buf, SIZE, 0));
	assert_result(aion_pread(fd, buf, 100, 5000), 100);
	cr_assert(test_is_filled(buf, 100, 5000));
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0, "a positioned read leaves the position");
}

TASK_TEST(file_read, pread_is_short_at_the_end_and_0_past_it)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];

	assert_result(aion_pread(fd, buf, SIZE, SIZE - 7), 7);
	cr_assert(test_is_filled(buf, 7, SIZE - 7));
	assert_result(aion_pread(fd, buf, SIZE, SIZE), 0);
	assert_result(aion_pread(fd, buf, SIZE, 10 * SIZE), 0);
	assert_result(aion_pread(fd, buf, 0, 0), 0);
}

TASK_TEST(file_read, cached_pread_does_not_use_the_ring)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	struct aion_loop_stats before = test_stats(), after;
	char buf[SIZE];

	for (int i = 0; i < 10; i++)
		assert_result(aion_pread(fd, buf, SIZE, 0), SIZE);
	after = test_stats();
	cr_assert_eq(after.submit_nr, before.submit_nr);
	cr_assert_eq(after.inline_nr, before.inline_nr + 10);
}

/* The second half is dropped from the cache: the inline read is short, the ring brings the rest. */
TASK_TEST(file_read, half_cached_pread_is_whole)
{
	TEST_DIR();
	const size_t size = 8 << 20, half = size / 2;
	int fd = test_file_make("f", size);
	char *buf = calloc(1, size);

	cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	test_file_drop(fd, half, half);
	assert_result(aion_pread(fd, buf, size, 0), (int64_t)size);
	cr_assert(test_is_filled(buf, size, 0));
	free(buf);
}

TASK_TEST(file_read, half_cached_preadv_is_whole)
{
	TEST_DIR();
	const size_t size = 8 << 20, half = size / 2;
	int fd = test_file_make("f", size);
	char *buf = calloc(1, size);
	const struct iovec iov[] = {
		{buf, 1000},
		{buf + 1000, half + 3000},
		{buf + half + 4000, 0},
		{buf + half + 4000, size - half - 4000},
	};

	cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	test_file_drop(fd, half, half);
	assert_result(aion_preadv(fd, iov, 4, 0), (int64_t)size);
	cr_assert(test_is_filled(buf, size, 0));
	free(buf);
}

TASK_TEST(file_read, vector_reads_fill_all_their_parts)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char a[100], b[1], c[5000];
	const struct iovec iov[] = {{a, sizeof(a)}, {b, sizeof(b)}, {NULL, 0}, {c, sizeof(c)}};

	assert_result(aion_readv(fd, iov, 4), 5101);
	cr_assert(test_is_filled(a, 100, 0) && test_is_filled(b, 1, 100) && test_is_filled(c, 5000, 101));
	assert_result(aion_readv(fd, iov, 1), 100);
	cr_assert(test_is_filled(a, 100, 5101), "the position has moved");
	assert_result(aion_preadv(fd, iov, 4, 2000), 5101);
	cr_assert(test_is_filled(a, 100, 2000) && test_is_filled(c, 5000, 2101));
	assert_result(aion_preadv2(fd, iov, 4, 3, 0), 5101);
	cr_assert(test_is_filled(a, 100, 3) && test_is_filled(c, 5000, 104));
	assert_result(aion_preadv2(fd, iov, 2, -1, 0), 101);
	cr_assert(test_is_filled(a, 100, 5201), "-1 is the current position");
	assert_result(aion_preadv(fd, iov, 4, SIZE - 150), 150);
	cr_assert(test_is_filled(a, 100, SIZE - 150) && test_is_filled(c, 49, SIZE - 49), "short at the end");
}

TASK_TEST(file_read, read_moves_the_position)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];

	assert_result(aion_read(fd, buf, 4000), 4000);
	assert_result(aion_read(fd, buf, 4000), 4000);
	cr_assert(test_is_filled(buf, 4000, 4000));
	assert_result(aion_read(fd, buf, 4000), SIZE - 8000);
	assert_result(aion_read(fd, buf, 4000), 0);
}

TASK_TEST(file_read, negative_offsets_are_refused_as_pread_does)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[10] = "";
	const struct iovec iov = {buf, sizeof(buf)};
	struct aion_op op = {0};

	assert_result(aion_pread(fd, buf, 10, -1), -EINVAL);
	assert_result(aion_pread(fd, buf, 10, INT64_MIN), -EINVAL);
	assert_result(aion_preadv(fd, &iov, 1, -1), -EINVAL);
	assert_result(aion_preadv2(fd, &iov, 1, -2, 0), -EINVAL);
	assert_result(aion_try_pread(fd, buf, 10, -1), -EINVAL);
	aion_op_pread(&op, fd, buf, 10, -1);
	assert_result(aion_await(&op.future), -EINVAL);
	aion_op_preadv(&op, fd, &iov, 1, -5);
	assert_result(aion_await(&op.future), -EINVAL);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0, "nothing was read");
}

TASK_TEST(file_read, wrong_descriptors_and_addresses_are_refused)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	int write_only = open("f", O_WRONLY), dir = open(".", O_RDONLY);
	char buf[10];

	assert_result(aion_pread(-1, buf, 10, 0), -EBADF);
	assert_result(aion_pread(1 << 29, buf, 10, 0), -EBADF);
	assert_result(aion_read(-1, buf, 10), -EBADF);
	assert_result(aion_read(9999, buf, 10), -EBADF);
	assert_result(aion_read(INT32_MAX, buf, 10), -EBADF);
	assert_result(aion_pread(write_only, buf, 10, 0), -EBADF);
	assert_result(aion_read(write_only, buf, 10), -EBADF);
	assert_result(aion_pread(dir, buf, 10, 0), -EISDIR);
	assert_result(aion_read(dir, buf, 10), -EISDIR);
	assert_result(aion_pread(fd, (void *)8, 10, 0), -EFAULT);
	assert_result(aion_read(fd, (void *)8, 10), -EFAULT);
	assert_result(aion_readv(fd, (void *)8, 1), -EFAULT);
	assert_result(aion_readv(fd, NULL, -1), -EINVAL);
	assert_result(aion_preadv(fd, NULL, 1025, 0), -EINVAL);
}

TASK_TEST(file_read, pread_of_a_pipe_is_refused)
{
	char buf[10];
	int fds[2];

	test_pipe(fds);
	assert_result(aion_pread(fds[0], buf, 10, 0), -ESPIPE);
}

/* These file systems cannot tell whether a read would block. */
TASK_TEST(file_read, memory_and_proc_files_go_by_the_ring)
{
	TEST_DIR_IN("/dev/shm");
	int fd = test_file_make("f", SIZE), status = open("/proc/self/status", O_RDONLY);
	char buf[SIZE];

	assert_result(aion_try_pread(status, buf, SIZE, 0), -EOPNOTSUPP);
	assert_result(aion_pread(fd, buf, SIZE, 0), SIZE);
	cr_assert(test_is_filled(buf, SIZE, 0));
	cr_assert_gt(aion_pread(status, buf, SIZE, 0), 100);
	cr_assert_eq(memcmp(buf, "Name:", 5), 0);
	memset(buf, 0, SIZE);
	cr_assert_gt(aion_read(status, buf, SIZE), 100);
	cr_assert_eq(memcmp(buf, "Name:", 5), 0);
	assert_result(aion_read(status, buf, SIZE), 0);
}

TASK_TEST(file_read, device_files_are_read)
{
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_RDONLY);
	char buf[SIZE];

	memset(buf, 1, SIZE);
	assert_result(aion_read(zero, buf, SIZE), SIZE);
	cr_assert_eq(buf[0] | buf[SIZE - 1], 0);
	assert_result(aion_read(null, buf, SIZE), 0);
	assert_result(aion_pread(null, buf, SIZE, 5), 0);
}

static int64_t write_in_pieces(void *arg)
{
	int fd = *(int *)arg;

	aion_sleep(AION_MILLISECOND);
	for (size_t off = 0; off < SIZE; off += 1000) {
		char piece[1000];

		test_fill(piece, sizeof(piece), off);
		assert_result(aion_write(fd, piece, sizeof(piece)), 1000);
		aion_sleep(AION_MILLISECOND / 5);
	}
	return aion_close(fd);
}

TASK_TEST(file_read, a_pipe_gives_what_it_has)
{
	struct aion_group group;
	char buf[SIZE + 1]; /* a byte more: the last read must find the end */
	size_t done = 0;
	int fds[2];

	test_pipe(fds);
	aion_group_enter(&group);
	aion_spawn(&group, write_in_pieces, &fds[1]);
	for (int64_t n = 1; n > 0; done += (size_t)n) {
		n = aion_read(fds[0], buf + done, sizeof(buf) - done);
		cr_assert_geq(n, 0);
		cr_assert_leq(n, SIZE);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(done, SIZE);
	cr_assert(test_is_filled(buf, SIZE, 0));
}

TASK_TEST(file_read, read_exact_collects_short_reads)
{
	struct aion_group group;
	char buf[SIZE];
	size_t done = 1;
	int fds[2];

	test_pipe(fds);
	aion_group_enter(&group);
	aion_spawn(&group, write_in_pieces, &fds[1]);
	assert_result(aion_read_exact(fds[0], buf, SIZE - 500, &done), 0);
	cr_assert_eq(done, SIZE - 500);
	cr_assert(test_is_filled(buf, SIZE - 500, 0));
	assert_result(aion_read_exact(fds[0], buf, 501, &done), -ENODATA);
	cr_assert_eq(done, 500);
	cr_assert(test_is_filled(buf, 500, SIZE - 500));
	assert_result(aion_read_exact(fds[0], buf, 1, &done), -ENODATA);
	cr_assert_eq(done, 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(file_read, pread_exact_wants_every_byte)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];
	size_t done = 1;

	assert_result(aion_pread_exact(fd, buf, 9000, 1000, &done), 0);
	cr_assert_eq(done, 9000);
	cr_assert(test_is_filled(buf, 9000, 1000));
	assert_result(aion_pread_exact(fd, buf, 9000, 1001, &done), -ENODATA);
	cr_assert_eq(done, 8999);
	assert_result(aion_pread_exact(fd, buf, 0, SIZE, &done), 0);
	cr_assert_eq(done, 0);
	assert_result(aion_pread_exact(-1, buf, 10, 0, &done), -EBADF);
	cr_assert_eq(done, 0);
	assert_result(aion_pread_exact(fd, buf, 10, 0, NULL), 0);
}

/* io_uring waits on a pipe whatever O_NONBLOCK says; RWF_NOWAIT does not wait. */
TASK_TEST(file_read, nonblocking_pipe_is_waited_for)
{
	struct aion_group group;
	char buf[10];
	const struct iovec iov = {buf, sizeof(buf)};
	int fds[2];

	cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
	assert_result(aion_preadv2(fds[0], &iov, 1, -1, RWF_NOWAIT), -EAGAIN);
	aion_group_enter(&group);
	aion_spawn(&group, write_in_pieces, &fds[1]);
	assert_result(aion_read(fds[0], buf, 10), 10);
	assert_result(aion_read_exact(fds[0], (char[SIZE]){""}, SIZE - 10, NULL), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(file_read, nowait_is_left_to_the_caller)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];
	const struct iovec iov = {buf, SIZE};
	int64_t result;

	assert_result(aion_preadv2(fd, &iov, 1, 0, RWF_NOWAIT), SIZE);
	cr_assert_eq(fsync(fd), 0);
	cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	result = aion_preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
	cr_assert(result == -EAGAIN || result >= 0, "%lld", (long long)result);
	assert_result(aion_preadv2(fd, &iov, 1, 0, 1 << 30), -EOPNOTSUPP);
}

TASK_TEST(file_read, cancelled_callers_read_nothing)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE] = "";
	const struct iovec iov = {buf, SIZE};
	struct aion_scope scope;
	size_t done = 1;

	test_enter_cancelled(&scope);
	assert_result(aion_read(fd, buf, SIZE), -ECANCELED);
	assert_result(aion_pread(fd, buf, SIZE, 0), -ECANCELED);
	assert_result(aion_pread(fd, buf, SIZE, -1), -ECANCELED);
	assert_result(aion_readv(fd, &iov, 1), -ECANCELED);
	assert_result(aion_preadv(fd, &iov, 1, 0), -ECANCELED);
	assert_result(aion_preadv(fd, &iov, 1, -1), -ECANCELED);
	assert_result(aion_preadv2(fd, &iov, 1, 0, 0), -ECANCELED);
	assert_result(aion_read_exact(fd, buf, 0, &done), -ECANCELED);
	cr_assert_eq(done, 0);
	assert_result(aion_pread_exact(fd, buf, SIZE, 0, &done), -ECANCELED);
	cr_assert_eq(done, 0);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(buf[0], 0);
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0);
}

Test(file_read, outside_of_a_task_is_refused)
{
	char buf[10];
	const struct iovec iov = {buf, sizeof(buf)};
	struct aion_op op = {0};

	assert_result(aion_read(0, buf, 10), -EBUSY);
	assert_result(aion_pread(0, buf, 10, 0), -EBUSY);
	assert_result(aion_try_pread(0, buf, 10, 0), -EBUSY);
	assert_result(aion_try_preadv2(0, &iov, 1, 0, 0), -EBUSY);
	aion_op_pread(&op, 0, buf, 10, 0);
	cr_assert(aion_future_is_done(&op.future));
	cr_assert_eq(op.future.result, -EBUSY);
}

#ifdef AION_FAULTS
TASK_TEST(file_read, errors_of_the_device_are_passed_on)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];
	const struct iovec iov = {buf, SIZE};
	size_t done = 1;

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 4, -EIO);
	assert_result(aion_read(fd, buf, SIZE), -EIO);
	assert_result(aion_readv(fd, &iov, 1), -EIO);
	assert_result(aion_preadv2(fd, &iov, 1, -1, 0), -EIO);
	assert_result(aion_read_exact(fd, buf, SIZE, &done), -EIO);
	cr_assert_eq(done, 0);
	cr_assert_eq(aion__fault_passed(AION__FAULT_CQE_RESULT), 4);
}

#ifndef AION_VALGRIND /* too slow to outrun the kernel's reading ahead */
/* The inline part stays the result when the ring's part fails. (The first try also makes the kernel read ahead, which
 * may be so quick that a second one finds all: then again.) */
TASK_TEST(file_read, bytes_win_over_a_later_error)
{
	TEST_DIR();
	const size_t size = 8 << 20, half = size / 2;
	int fd = test_file_make("f", size);
	char *buf = calloc(1, size);
	unsigned failed_nr = 0;
	int64_t result;

	cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	for (int i = 0; i < 200 && !failed_nr; i++) {
		test_file_drop(fd, half, half);
		aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -EIO);
		result = aion_pread(fd, buf, size, 0);
		failed_nr = aion__fault_passed(AION__FAULT_CQE_RESULT);
		cr_assert_gt(result, 0);
		cr_assert((result < (int64_t)size) == (failed_nr > 0));
		cr_assert(test_is_filled(buf, (size_t)result, 0));
	}
	cr_assert_eq(failed_nr, 1, "the ring was never needed");
	free(buf);
}
#endif

#ifndef AION_VALGRIND
struct late_deadline {
	struct aion_scope scope;
	bool is_open;
};

/* Runs while the other one waits for the ring. */
static int64_t let_time_be_up(void *arg)
{
	struct late_deadline *late = arg;

	return late->is_open ? aion_scope_set_deadline(&late->scope, 0) : 0;
}

static int64_t read_until_late(bool by_vector, int fd, char *buf, size_t size)
{
	const struct iovec iov[] = {{buf, 1000}, {buf + 1000, size / 2}, {buf + 1000 + size / 2, size / 2 - 1000}};
	struct late_deadline late = {.is_open = true};
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	aion_spawn(&group, let_time_be_up, &late);
	aion_scope_enter(&late.scope, AION_NEVER);
	result = by_vector ? aion_preadv(fd, iov, 3, 0) : aion_pread(fd, buf, size, 0);
	late.is_open = false;
	if (aion_cancelled())
		cr_assert_eq(aion_scope_reason(&late.scope), AION_REASON_DEADLINE);
	assert_result(aion_scope_leave(&late.scope), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	return result;
}

/* The deadline comes while the ring reads what was not cached, and the cancelled part gives nothing (the fault's
 * -ECANCELED), or gives all that it was asked for: the caller gets bytes in any case, so nothing was cut short. */
TASK_TEST(file_read, a_deadline_after_the_cached_bytes_is_not_delivered)
{
	TEST_DIR();
	const size_t size = 8 << 20, half = size / 2;
	int fd = test_file_make("f", size);
	char *buf = calloc(1, size);
	unsigned waited_nr[2][2] = {{0}};

	cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	for (int i = 0; i < 400 && !(waited_nr[0][0] && waited_nr[0][1] && waited_nr[1][0] && waited_nr[1][1]); i++) {
		bool by_vector = i & 1, by_fault = i & 2;
		int64_t result;

		test_file_drop(fd, half, half);
		aion__fault_arm(AION__FAULT_CQE_RESULT, by_fault ? 0 : UINT32_MAX, 1, -ECANCELED);
		result = read_until_late(by_vector, fd, buf, size);
		cr_assert_geq(result, (int64_t)half, "%lld", (long long)result);
		cr_assert(test_is_filled(buf, (size_t)result, 0));
		waited_nr[by_vector][by_fault] += aion__fault_passed(AION__FAULT_CQE_RESULT);
	}
	cr_assert(waited_nr[0][0] && waited_nr[0][1] && waited_nr[1][0] && waited_nr[1][1],
		  "the ring was never needed");
	free(buf);
}
#endif

/* Once without an error in between: -EAGAIN of a blocking descriptor is tried again. */
TASK_TEST(file_read, again_on_a_blocking_descriptor_is_tried_again)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 3, -EAGAIN);
	assert_result(aion_read(fd, buf, SIZE), 0);
	cr_assert_eq(aion__fault_passed(AION__FAULT_CQE_RESULT), 4);
}

/* What an interrupted read had taken from the position is gone, in this case alone: the fault hides a read that was
 * good. */
TASK_TEST(file_read, exact_reads_outlast_signals)
{
	TEST_DIR_IN("/dev/shm"); /* where a positioned read takes the ring, too */
	int fd = test_file_make("f", SIZE);
	char buf[SIZE];
	size_t done = 7;

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 3, -EINTR);
	assert_result(aion_pread_exact(fd, buf, 9000, 1000, &done), 0);
	cr_assert_eq(done, 9000);
	cr_assert(test_is_filled(buf, 9000, 1000));
	cr_assert_eq(aion__fault_passed(AION__FAULT_CQE_RESULT), 4);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -EINTR);
	assert_result(aion_read_exact(fd, buf, 1000, &done), 0);
	cr_assert_eq(done, 1000);
	cr_assert(test_is_filled(buf, 1000, 2000));
	aion__fault_arm(AION__FAULT_CQE_RESULT, 1, 1, -EINTR);
	assert_result(aion_pread_exact(fd, buf, 9000, 2000, &done), -ENODATA);
	cr_assert_eq(done, 8000, "the bytes before it count");
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -EINTR);
	assert_result(aion_read(fd, buf, 1000), -EINTR);
}

/* Neither a read that waits nor one that a signal ends again and again goes on in a scope whose time is up. */
TASK_TEST(file_read, cancellation_ends_interrupted_exact_reads)
{
	int zero = open("/dev/zero", O_RDONLY);
	struct aion_scope scope;
	char buf[10];
	size_t done;
	int fds[2];

	test_pipe(fds);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, UINT32_MAX, -EINTR);
	for (int i = 0; i < 2; i++) {
		done = 7;
		aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
		assert_result(aion_read_exact(i ? zero : fds[0], buf, sizeof(buf), &done), -ECANCELED);
		cr_assert_eq(done, 0);
		assert_result(aion_scope_leave(&scope), -ETIME);
	}
	aion__fault_reset();
}
#endif
