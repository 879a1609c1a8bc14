/* SPDX-License-Identifier: MIT */
/* Moving data through pipes inside the kernel. */
#include "test_file.h"

#include "fault_int.h"

#define SIZE 10000

TASK_TEST(splice_pipes, file_to_pipe_to_file)
{
	TEST_DIR();
	int in = test_file_make("in", SIZE), out = test_file_make("out", 0), fds[2];
	int64_t in_off = 1000, out_off = 1000;
	char buf[SIZE];

	test_pipe(fds);
	assert_result(aion_splice(in, &in_off, fds[1], NULL, 4000, 0), 4000);
	assert_result(in_off, 5000);
	cr_assert_eq(lseek(in, 0, SEEK_CUR), 0);
	assert_result(aion_splice(fds[0], NULL, out, &out_off, 3000, 0), 3000);
	assert_result(out_off, 4000);
	assert_result(aion_splice(fds[0], NULL, out, &out_off, 3000, 0), 1000);
	assert_result(out_off, 5000);
	cr_assert_eq(pread(out, buf, SIZE, 1000), 4000);
	cr_assert(test_is_filled(buf, 4000, 1000));
}

TASK_TEST(splice_pipes, without_offset_the_position_moves)
{
	TEST_DIR();
	int in = test_file_make("in", SIZE), fds[2];
	char buf[SIZE];

	test_pipe(fds);
	assert_result(aion_splice(in, NULL, fds[1], NULL, 6000, 0), 6000);
	assert_result(aion_splice(in, NULL, fds[1], NULL, 6000, 0), 4000);
	assert_result(aion_splice(in, NULL, fds[1], NULL, 6000, 0), 0);
	cr_assert_eq(lseek(in, 0, SEEK_CUR), SIZE);
	assert_result(aion_read_exact(fds[0], buf, SIZE, NULL), 0);
	cr_assert(test_is_filled(buf, SIZE, 0));
}

TASK_TEST(splice_pipes, an_operation_leaves_the_offsets)
{
	TEST_DIR();
	int in = test_file_make("in", SIZE), fds[2];
	int64_t off = 500;
	struct aion_op op = {0};
	char buf[100];

	test_pipe(fds);
	aion_op_splice(&op, in, &off, fds[1], NULL, 100, 0);
	off = 0;
	assert_result(aion_await(&op.future), 100);
	assert_result(off, 0);
	cr_assert_eq(read(fds[0], buf, 100), 100);
	cr_assert(test_is_filled(buf, 100, 500));
}

TASK_TEST(splice_pipes, tee_copies_and_leaves)
{
	int in[2], out[2];
	char buf[10] = "";

	test_pipe(in);
	test_pipe(out);
	cr_assert_eq(write(in[1], "hello", 5), 5);
	assert_result(aion_tee(in[0], out[1], 3, 0), 3);
	cr_assert_eq(read(out[0], buf, 10), 3);
	cr_assert_str_eq(buf, "hel");
	cr_assert_eq(read(in[0], buf, 10), 5);
	cr_assert_str_eq(buf, "hello");
	close(in[1]);
	assert_result(aion_tee(in[0], out[1], (size_t)1 << 40, 0), 0);
}

TASK_TEST(splice_pipes, errors_are_those_of_the_calls)
{
	TEST_DIR();
	int in = test_file_make("in", SIZE), out = test_file_make("out", 0), fds[2];
	int64_t off = 0, negative = -1;

	test_pipe(fds);
	assert_result(aion_splice(in, NULL, out, NULL, 100, 0), -EINVAL);
	assert_result(aion_splice(in, NULL, fds[1], &off, 100, 0), -ESPIPE);
	assert_result(aion_splice(in, &negative, fds[1], NULL, 100, 0), -EINVAL);
	assert_result(aion_splice(-1, NULL, fds[1], NULL, 100, 0), -EBADF);
	assert_result(aion_splice(in, NULL, -1, NULL, 100, 0), -EBADF);
	assert_result(aion_splice(in, NULL, fds[1], NULL, 100, 1 << 20), -EINVAL);
	assert_result(aion_splice(fds[0], NULL, out, NULL, 100, SPLICE_F_NONBLOCK), -EAGAIN);
	assert_result(aion_tee(in, fds[1], 100, 0), -EINVAL);
	assert_result(aion_tee(fds[0], fds[1], 100, 0), -EINVAL);
	assert_result(aion_tee(-1, fds[1], 100, 0), -EBADF);
	assert_result(off, 0);
	assert_result(negative, -1);
	cr_assert_eq(lseek(in, 0, SEEK_CUR), 0);
}

TASK_TEST(splice_pipes, a_wait_can_be_cancelled)
{
	TEST_DIR();
	int out = test_file_make("out", 0), fds[2], other[2];
	struct aion_scope scope;

	test_pipe(fds);
	test_pipe(other);
	aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
	assert_result(aion_splice(fds[0], NULL, out, NULL, 100, 0), -ECANCELED);
	assert_result(aion_splice(fds[0], NULL, out, NULL, 100, 0), -ECANCELED);
	assert_result(aion_tee(fds[0], other[1], 100, 0), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
	assert_result(aion_tee(fds[0], other[1], 100, 0), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
}

#ifdef AION_FAULTS
TASK_TEST(splice_pipes, errors_of_the_device_are_passed_on)
{
	TEST_DIR();
	int in = test_file_make("in", SIZE), fds[2];
	int64_t off = 5;

	test_pipe(fds);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -EIO);
	assert_result(aion_splice(in, &off, fds[1], NULL, 100, 0), -EIO);
	assert_result(off, 5);
	assert_result(aion_tee(fds[0], fds[1], 100, 0), -EIO);
}
#endif
