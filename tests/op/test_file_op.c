/* SPDX-License-Identifier: MIT */
/* The starting forms: many at once, sizes and offsets that do not fit, cancelled with bytes moved. */
#include "test_file.h"

#include "fault_int.h"
#include "op_int.h"

#define SIZE 100000

TASK_TEST(file_op, many_reads_leave_in_one_batch)
{
	TEST_DIR();
	enum { NR = 100, EACH = SIZE / NR };
	int fd = test_file_make("f", SIZE);
	struct aion_op ops[NR];
	char *buf = malloc(SIZE);
	uint64_t enter_nr = test_stats().enter_nr;

	test_machine_be_prompt();
	memset(ops, 0, sizeof(ops));
	for (int i = 0; i < NR; i++)
		aion_op_pread(&ops[i], fd, buf + i * EACH, EACH, i * EACH);
	cr_assert_eq(test_stats().enter_nr, enter_nr, "starting is no system call");
	cr_assert_eq(test_stats().in_flight_nr, NR);
	for (int i = 0; i < NR; i++)
		assert_result(aion_await(&ops[i].future), EACH);
	cr_assert(test_is_filled(buf, SIZE, 0));
	cr_assert_leq(test_stats().enter_nr, enter_nr + 3);
	free(buf);
}

/* One call moves 0x7ffff000 bytes at most: what the length's low 32 bits say does not count. */
TASK_TEST(file_op, sizes_beyond_32_bits_are_clamped)
{
	struct aion_op op = {0};
	int zero = open("/dev/null", O_WRONLY), fds[2];
	char buf[10];

	aion_op_write(&op, zero, buf, (size_t)1 << 32);
	cr_assert_eq(op.len, 0x7ffff000);
	assert_result(aion_await(&op.future), 0x7ffff000);
	aion_op_pwrite(&op, zero, buf, SIZE_MAX, 0);
	cr_assert_eq(op.len, 0x7ffff000);
	assert_result(aion_await(&op.future), 0x7ffff000);
	test_pipe(fds);
	aion_op_splice(&op, fds[0], NULL, zero, NULL, ((size_t)1 << 32) + 1, 0);
	cr_assert_eq(op.len, 0x7ffff000);
	close(fds[1]);
	assert_result(aion_await(&op.future), 0);
}

TASK_TEST(file_op, reading_at_an_offset_of_a_pipe_reads_it)
{
	struct aion_op op = {0};
	char buf[10];
	int fds[2];

	test_pipe(fds);
	cr_assert_eq(write(fds[1], "abc", 3), 3);
	aion_op_pread(&op, fds[0], buf, sizeof(buf), 100);
	assert_result(aion_await(&op.future), 3);
}

TASK_TEST(file_op, operations_may_be_used_again)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	struct aion_op op = {0};
	char buf[100];

	for (int i = 0; i < 1000; i++) {
		aion_op_pread(&op, fd, buf, sizeof(buf), i);
		assert_result(aion_await(&op.future), 100);
		cr_assert_eq(buf[0], test_byte((size_t)i));
	}
}

/* The descriptor's list is entered and left in any order. */
TASK_TEST(file_op, ends_in_any_order)
{
	enum { NR = 20 };
	struct aion_op ops[NR];
	char buf[NR];
	int fds[2];

	memset(ops, 0, sizeof(ops));
	test_pipe(fds);
	for (int i = 0; i < NR; i++)
		aion_op_read(&ops[i], fds[0], &buf[i], 1);
	for (int i = 0; i < NR; i += 3)
		aion_op_cancel(&ops[i]);
	for (int i = 0; i < NR; i += 3)
		assert_result(aion_await(&ops[i].future), -ECANCELED);
	for (int i = 0; i < NR; i++)
		cr_assert_eq(write(fds[1], "x", 1), 1);
	for (int i = NR - 1; i >= 0; i--)
		if (i % 3)
			assert_result(aion_await(&ops[i].future), 1);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	cr_assert_null(aion__engine->fd_ops[fds[0]]);
}

/* CASE 67: half of the bytes had come when the cancel did. */
TASK_TEST(file_op, partial_bytes_win_over_a_cancel)
{
	const size_t size = 1 << 20;
	char *buf = calloc(1, size);
	struct aion_op op = {0};
	int64_t n;
	int fds[2];

	test_pipe(fds);
	aion_op_write(&op, fds[1], buf, size);
	aion_sleep(2 * AION_MILLISECOND);
	aion_op_cancel(&op);
	n = aion_await(&op.future);
	cr_assert(n > 0 && n < (int64_t)size, "%lld", (long long)n);
	cr_assert_eq(read(fds[0], buf, size), n);
	free(buf);
}

/* A cancel that comes after the end changes nothing, also if another operation has taken the place by then. */
TASK_TEST(file_op, late_cancel_hits_nobody)
{
	struct aion_op op = {0};
	char buf[10];
	int fds[2];

	test_pipe(fds);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(write(fds[1], "x", 1), 1);
		aion_op_read(&op, fds[0], buf, 1);
		aion_op_cancel(&op);
		cr_assert(aion_await(&op.future) == 1 || read(fds[0], buf, 1) == 1);
		aion_op_cancel(&op);
		aion_op_write(&op, fds[1], buf, 1);
		assert_result(aion_await(&op.future), 1);
		cr_assert_eq(read(fds[0], buf, 1), 1);
	}
}

#ifdef AION_FAULTS
/* The list of descriptors grows when a higher number comes; without memory nothing is started. */
TASK_TEST(file_op, want_of_memory_refuses_the_start)
{
	struct aion_op op = {0};
	char buf[10];
	int fds[2], high;

	test_pipe(fds);
	high = fcntl(fds[0], F_DUPFD, 900);
	cr_assert_geq(high, 900);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	aion_op_read(&op, high, buf, sizeof(buf));
	cr_assert(aion_future_is_done(&op.future));
	assert_result(aion_await(&op.future), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(test_stats().in_flight_nr, 0);
	aion_op_read(&op, high, buf, sizeof(buf));
	cr_assert_eq(write(fds[1], "x", 1), 1);
	assert_result(aion_await(&op.future), 1);
	assert_result(aion_close(high), 0);
}
#endif
