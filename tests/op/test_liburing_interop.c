/* SPDX-License-Identifier: MIT */
/* What liburing prepares, aion awaits. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "test_file.h"

#include <aion/liburing.h>

TASK_TEST(liburing_interop, any_request_can_be_awaited)
{
	TEST_DIR();
	int fd = test_file_make("f", 100), fds[2];
	struct aion_op op = {0};
	char buf[10] = "";

	test_pipe(fds);
	io_uring_prep_write(aion_op_sqe(&op), fds[1], "hello", 5, 0);
	assert_result(aion_await(&op.future), 5);
	io_uring_prep_read(aion_op_sqe(&op), fds[0], buf, sizeof(buf), 0);
	assert_result(aion_await(&op.future), 5);
	cr_assert_str_eq(buf, "hello");
	io_uring_prep_poll_add(aion_op_sqe(&op), fds[1], POLLOUT);
	assert_result(aion_await(&op.future), POLLOUT);
	io_uring_prep_read(aion_op_sqe(&op), fd, buf, sizeof(buf), 95);
	assert_result(aion_await(&op.future), 5);
	cr_assert(test_is_filled(buf, 5, 95));
}

TASK_TEST(liburing_interop, unfilled_entry_is_a_nop)
{
	struct aion_op op = {0};

	aion_op_sqe(&op);
	assert_result(aion_await(&op.future), 0);
}

TASK_TEST(liburing_interop, unknown_request_is_refused)
{
	struct aion_op op = {0};

	aion_op_sqe(&op)->opcode = 250;
	assert_result(aion_await(&op.future), -EINVAL);
}

TASK_TEST(liburing_interop, scopes_and_reap_work_on_it)
{
	struct aion_op op = {0}, other = {0};
	struct aion_scope scope;
	char buf[10];
	int fds[2];

	test_pipe(fds);
	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	io_uring_prep_read(aion_op_sqe(&op), fds[0], buf, sizeof(buf), 0);
	assert_result(aion_await(&op.future), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	io_uring_prep_read(aion_op_sqe(&other), fds[0], buf, sizeof(buf), 0);
	aion_op_reap(&other);
	assert_result(aion_await(&other.future), -ECANCELED);
}

/* Two completions, of which the second only says that the kernel has let go of the buffer. */
TASK_TEST(liburing_interop, zero_copy_send_gives_its_first_result)
{
	struct aion_op op = {0};
	int fds[2];
	char buf[100];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	memset(buf, 'x', sizeof(buf));
	io_uring_prep_send_zc(aion_op_sqe(&op), fds[0], buf, sizeof(buf), 0, 0);
	aion_await(&op.future);
	/* Unix sockets may refuse it; then there is one completion only. */
	cr_assert(op.future.result == 100 || op.future.result == -EOPNOTSUPP, "%lld", (long long)op.future.result);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

TASK_TEST(liburing_interop, ring_can_register)
{
	struct aion_loop *loop = aion_loop_current();
	static char memory[8192] __attribute__((aligned(4096)));
	const struct iovec iov = {memory, sizeof(memory)};
	struct aion_op op = {0};
	int fds[2];

	TEST_NEEDS_KERNEL("liburing registers by the ring's descriptor");
	test_pipe(fds);
	cr_assert_eq(io_uring_register_buffers(aion_loop_ring(loop), &iov, 1), 0);
	cr_assert_eq(write(fds[1], "hello", 5), 5);
	io_uring_prep_read_fixed(aion_op_sqe(&op), fds[0], memory, sizeof(memory), 0, 0);
	assert_result(aion_await(&op.future), 5);
	cr_assert_eq(memcmp(memory, "hello", 5), 0);
	cr_assert_eq(io_uring_unregister_buffers(aion_loop_ring(loop)), 0);
}

Test(liburing_interop, without_a_loop_the_entry_goes_nowhere)
{
	struct aion_op op = {0};

	io_uring_prep_read(aion_op_sqe(&op), 0, NULL, 0, 0);
	cr_assert(aion_future_is_done(&op.future));
	assert_result(op.future.result, -EBUSY);
}

/* The child may not touch the parent's ring; the parent's goes on. */
TASK_TEST(liburing_interop, forked_child_gets_a_scratch_entry)
{
	struct aion_op op = {0};
	char buf[10];
	int fds[2], status;
	pid_t child;

	test_pipe(fds);
	child = fork();
	if (child == 0) {
		const struct iovec iov = {buf, sizeof(buf)};

		io_uring_prep_read(aion_op_sqe(&op), fds[0], buf, sizeof(buf), 0);
		_exit(!(op.future.result == -ECHILD && aion_loop_ring(aion_loop_current()) == NULL &&
			aion_try_pread(0, buf, 1, 0) == -ECHILD && aion_read(fds[0], buf, 1) == -ECHILD &&
			aion_pread(fds[0], buf, 1, 0) == -ECHILD && aion_close(fds[0]) == -ECHILD &&
			aion_try_preadv2(0, &iov, 1, 0, 0) == -ECHILD));
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
	cr_assert_eq(write(fds[1], "abc", 3), 3);
	assert_result(aion_read(fds[0], buf, 10), 3);
}
