/* SPDX-License-Identifier: MIT */
/* Sending without copying: who sends has the memory again when the kernel has let go of it. */
#include "test_net.h"

TASK_TEST(message_zero_copy, bytes_arrive)
{
	char data[] = "without a copy", buf[20] = "";
	struct iovec iov[] = {{data, 7}, {data + 7, 7}};
	const struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
	int fds[2];

	test_tcp_pair(fds);
	assert_result(aion_send_zc_all(fds[0], data, 14, 0, NULL), 0);
	assert_result(aion_recv_exact(fds[1], buf, 14, 0, NULL), 0);
	cr_assert_str_eq(buf, data);
	assert_result(aion_sendmsg_zc(fds[0], &message, MSG_WAITALL), 14);
	memset(buf, 0, sizeof(buf));
	assert_result(aion_recv_exact(fds[1], buf, 14, 0, NULL), 0);
	cr_assert_str_eq(buf, data);
	assert_result(aion_send_zc_all(fds[0], data, 0, 0, NULL), 0);
	test_close_pair(fds);
}

TASK_TEST(message_zero_copy, errors_are_told)
{
	char data[10] = "";
	int fds[2], pipe_fds[2];

	test_tcp_pair(fds);
	assert_result(aion_shutdown(fds[0], SHUT_WR), 0);
	assert_result(aion_send_zc(fds[0], data, 10, 0), -EPIPE);
	test_close_pair(fds);
	test_pipe(pipe_fds);
	assert_result(aion_send_zc(pipe_fds[1], data, 10, 0), -ENOTSOCK);
	assert_result(aion_send_zc(-1, data, 10, 0), -EBADF);
}

static int64_t reset_later(void *arg)
{
	const struct linger reset = {.l_onoff = 1};
	int fd = *(int *)arg;

	aion_sleep(10 * AION_MILLISECOND);
	aion_setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return aion_close(fd);
}

/* The partner reads nothing: what has gone is not acknowledged, and more does not go. */
TASK_TEST(message_zero_copy, a_close_and_a_reset_end_who_waits)
{
	static char data[8 << 20];
	struct aion_group group;
	size_t done = 0;
	int fds[2];
	int64_t result;

	test_tcp_pair(fds);
	aion_group_enter(&group);
	aion_spawn(&group, reset_later, &fds[1]);
	result = aion_send_zc_all(fds[0], data, sizeof(data), 0, &done);
	cr_assert(result == -ECONNRESET || result == -EPIPE, "%lld", (long long)result);
	cr_assert_lt(done, sizeof(data));
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_close(fds[0]), 0);
}

struct reading {
	int fd;
	size_t came;
};

static int64_t read_later(void *arg)
{
	static char buf[1 << 20];
	struct reading *reading = arg;
	int64_t result;

	aion_sleep(50 * AION_MILLISECOND);
	while ((result = aion_recv(reading->fd, buf, sizeof(buf), 0)) > 0)
		reading->came += (size_t)result;
	return result;
}

/* What lies unsent holds the memory: so the call ends only when the partner reads, long after the cancellation. */
TASK_TEST(message_zero_copy, a_cancellation_leaves_the_bytes_that_went)
{
	static char data[16 << 20];
	struct reading reading = {0};
	struct aion_group group;
	struct aion_scope scope;
	struct test_canceller canceller = {.scope = &scope};
	size_t done = 0;
	int fds[2];

	test_tcp_pair(fds);
	reading.fd = canceller.fd = fds[1];
	aion_group_enter(&group);
	aion_spawn(&group, read_later, &reading);
	aion_spawn(&group, test_cancel_after_bytes, &canceller);
	aion_scope_enter(&scope, AION_NEVER);
	assert_result(aion_send_zc_all(fds[0], data, sizeof(data), 0, &done), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert(done > 0 && done < sizeof(data));
	assert_result(aion_shutdown(fds[0], SHUT_WR), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(reading.came, done);
	test_close_pair(fds);
}

/* The partner reads nothing, so what lies unsent holds the memory; the descriptor need not wait for it. */
TASK_TEST(message_zero_copy, a_descriptor_is_closed_before_its_memory_is_free)
{
	static char data[16 << 20];
	struct aion_op op = {0};
	struct reading reading = {0};
	int fds[2];

	test_tcp_pair(fds);
	aion_op_send_zc(&op, fds[0], data, sizeof(data), MSG_WAITALL);
	aion_sleep(10 * AION_MILLISECOND);
	assert_result(aion_close(fds[0]), 0);
	if (!test_is_simulated()) /* where memory may be let go of at once */
		cr_assert(aion_op_is_in_flight(&op));
	reading.fd = fds[1];
	assert_result(read_later(&reading), 0);
	assert_result(aion_await(&op.future), (int64_t)reading.came);
	cr_assert(reading.came > 0 && reading.came < sizeof(data));
	assert_result(aion_close(fds[1]), 0);
}
