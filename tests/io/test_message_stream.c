/* SPDX-License-Identifier: MIT */
/* Sending and receiving on streams: whole, in part, in vain. */
#include <stdlib.h>

#include "test_net.h"

#define SIZE ((size_t)2 << 20)

static char *filled(size_t size)
{
	char *data = malloc(size);

	cr_assert(data);
	test_fill(data, size, 0);
	return data;
}

struct drain {
	int fd;
	size_t done;
	int64_t result;
};

/* Receives until the end, slowly at first. */
static int64_t drain(void *arg)
{
	struct drain *drain = arg;
	char *buf = malloc(70000);

	aion_sleep(AION_MILLISECOND);
	while ((drain->result = aion_recv(drain->fd, buf, 70000, 0)) > 0) {
		cr_assert(test_is_filled(buf, (size_t)drain->result, drain->done));
		drain->done += (size_t)drain->result;
	}
	free(buf);
	return 0;
}

typedef int64_t send_fn(int fd, const char *data, size_t size, size_t *ret_done);

static int64_t by_send(int fd, const char *data, size_t size, size_t *ret_done)
{
	return aion_send_all(fd, data, size, 0, ret_done);
}

/* Vectors of odd sizes, empty ones among them, more than the kernel takes at once. */
static int64_t by_sendmsg(int fd, const char *data, size_t size, size_t *ret_done)
{
	static struct iovec iov[3000];
	struct msghdr message = {.msg_iov = iov};
	int64_t result;

	for (size_t off = 0; off < size; message.msg_iovlen++) {
		size_t part = message.msg_iovlen % 3 * 777;

		if (part > size - off || message.msg_iovlen == 2999)
			part = size - off;
		iov[message.msg_iovlen] = (struct iovec){(void *)(uintptr_t)(data + off), part};
		off += part;
	}
	result = aion_sendmsg_all(fd, &message, 0, ret_done);
	cr_assert(message.msg_iov == iov && iov[1].iov_len == 777);
	return result;
}

static int64_t by_send_zc(int fd, const char *data, size_t size, size_t *ret_done)
{
	return aion_send_zc_all(fd, data, size, 0, ret_done);
}

static void assert_all_arrives(int fds[2], send_fn *send)
{
	struct drain draining = {.fd = fds[1]};
	char *data = filled(SIZE);
	struct aion_group group;
	size_t done = 1;

	aion_group_enter(&group);
	aion_spawn(&group, drain, &draining);
	assert_result(send(fds[0], data, SIZE, &done), 0);
	cr_assert_eq(done, SIZE);
	assert_result(aion_shutdown(fds[0], SHUT_WR), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(draining.result, 0);
	cr_assert_eq(draining.done, SIZE);
	test_close_pair(fds);
	free(data);
}

TASK_TEST(message_stream, everything_arrives_over_tcp)
{
	send_fn *const ways[] = {by_send, by_sendmsg, by_send_zc};
	int fds[2];

	for (int i = 0; i < 3; i++) {
		test_tcp_pair(fds);
		assert_all_arrives(fds, ways[i]);
	}
}

TASK_TEST(message_stream, everything_arrives_over_unix_sockets)
{
	int fds[2];

	test_unix_pair(SOCK_STREAM, fds);
	assert_all_arrives(fds, by_send);
	test_unix_pair(SOCK_STREAM, fds);
	assert_all_arrives(fds, by_sendmsg);
	test_unix_pair(SOCK_STREAM, fds);
	assert_result(aion_send_zc(fds[0], "x", 1, 0), -EOPNOTSUPP);
	assert_result(aion_send_zc_all(fds[0], "x", 1, 0, NULL), -EOPNOTSUPP);
	test_close_pair(fds);
}

TASK_TEST(message_stream, a_send_that_waits_for_all_is_whole)
{
	struct drain draining;
	char *data = filled(SIZE);
	struct aion_group group;
	int fds[2];

	test_tcp_pair(fds);
	draining = (struct drain){.fd = fds[1]};
	aion_group_enter(&group);
	aion_spawn(&group, drain, &draining);
	assert_result(aion_send(fds[0], data, SIZE, MSG_WAITALL), (int64_t)SIZE);
	assert_result(aion_shutdown(fds[0], SHUT_WR), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(draining.done, SIZE);
	test_close_pair(fds);
	free(data);
}

TASK_TEST(message_stream, a_cancellation_leaves_the_bytes_that_went)
{
	char *data = filled(16 << 20);
	struct aion_scope scope;
	struct test_canceller canceller = {.scope = &scope};
	struct aion_group group;
	struct drain draining;
	size_t done = 0;
	int fds[2];

	test_tcp_pair(fds);
	canceller.fd = fds[1];
	aion_group_enter(&group);
	aion_spawn(&group, test_cancel_after_bytes, &canceller);
	aion_scope_enter(&scope, AION_NEVER);
	assert_result(aion_send_all(fds[0], data, 16 << 20, 0, &done), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert(done > 0 && done < 16 << 20);
	/* Just these arrive. */
	assert_result(aion_shutdown(fds[0], SHUT_WR), 0);
	draining = (struct drain){.fd = fds[1]};
	drain(&draining);
	cr_assert_eq(draining.done, done);
	test_close_pair(fds);
	free(data);
}

TASK_TEST(message_stream, a_deadline_leaves_the_bytes_that_came)
{
	struct aion_scope scope;
	size_t done = 77;
	char buf[100];
	int fds[2];

	test_tcp_pair(fds);
	assert_result(aion_send_all(fds[0], "forty", 5, 0, NULL), 0);
	aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
	assert_result(aion_recv_exact(fds[1], buf, 100, 0, &done), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(done, 5);
	cr_assert_eq(memcmp(buf, "forty", 5), 0);
	test_close_pair(fds);
}

TASK_TEST(message_stream, an_early_end_is_told_with_what_came)
{
	size_t done = 77;
	char buf[10] = "";
	int fds[2];

	test_tcp_pair(fds);
	assert_result(aion_send_all(fds[0], "seven b", 7, 0, NULL), 0);
	assert_result(aion_shutdown(fds[0], SHUT_WR), 0);
	assert_result(aion_recv_exact(fds[1], buf, 10, 0, &done), -ENODATA);
	cr_assert_eq(done, 7);
	assert_result(aion_recv_exact(fds[1], buf, 0, 0, &done), 0);
	cr_assert_eq(done, 0);
	assert_result(aion_send_all(fds[1], buf, 0, 0, &done), 0);
	cr_assert_eq(done, 0);
	test_close_pair(fds);
}

TASK_TEST(message_stream, who_must_not_wait_is_told_so)
{
	char buf[10] = "";
	int fds[2];

	test_machine_be_prompt();
	test_tcp_pair(fds);
	assert_result(aion_recv(fds[0], buf, 10, MSG_DONTWAIT), -EAGAIN);
	assert_result(aion_try_recv(fds[0], buf, 10, 0) == -EAGAIN, 1);
	test_close_pair(fds);
	test_unix_pair(SOCK_STREAM, fds);
	while (aion_send(fds[0], buf, 10, MSG_DONTWAIT) > 0)
		continue;
	assert_result(aion_send(fds[0], buf, 10, MSG_DONTWAIT), -EAGAIN);
	assert_result(aion_send(fds[0], buf, 10, MSG_DONTWAIT | MSG_WAITALL), -EAGAIN);
	test_close_pair(fds);
}

TASK_TEST(message_stream, peeking_leaves_the_bytes)
{
	char buf[10] = "";
	int fds[2];

	test_tcp_pair(fds);
	assert_result(aion_send_all(fds[0], "hello", 5, 0, NULL), 0);
	assert_result(aion_recv(fds[1], buf, 1, MSG_PEEK), 1);
	assert_result(aion_recv_exact(fds[1], buf, 5, 0, NULL), 0);
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
	test_close_pair(fds);
}

TASK_TEST(message_stream, a_partner_who_has_left_is_an_error)
{
	const struct linger reset = {.l_onoff = 1};
	char buf[10] = "";
	int fds[2];

	test_tcp_pair(fds);
	cr_assert_eq(aion_setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_recv(fds[0], buf, 10, 0), -ECONNRESET);
	assert_result(aion_send(fds[0], buf, 10, 0), -EPIPE);
	assert_result(aion_send_all(fds[0], buf, 10, 0, NULL), -EPIPE);
	assert_result(aion_send_zc(fds[0], buf, 10, 0), -EPIPE);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_send(fds[0], buf, 10, 0), -EBADF);
	assert_result(aion_recv(fds[0], buf, 10, 0), -EBADF);
	assert_result(aion_sendmsg_all(fds[0], &(struct msghdr){.msg_iov = &(struct iovec){buf, 1}, .msg_iovlen = 1}, 0,
				       NULL),
		      -EBADF);
	test_unix_pair(SOCK_STREAM, fds);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_send(fds[0], buf, 10, 0), -EPIPE);
	assert_result(aion_recv(fds[0], buf, 10, 0), 0);
	assert_result(aion_close(fds[0]), 0);
}

static int64_t recv_on(void *arg)
{
	char c;

	return aion_recv(*(int *)arg, &c, 1, 0);
}

static int64_t send_much_on(void *arg)
{
	char *data = filled(16 << 20);
	size_t done;
	int64_t result = aion_send_all(*(int *)arg, data, 16 << 20, 0, &done);

	cr_assert(done < 16 << 20);
	free(data);
	return result;
}

TASK_TEST(message_stream, a_close_ends_who_waits)
{
	aion_fn *const waiting[] = {recv_on, send_much_on};
	struct aion_group group;
	int fds[2];

	for (int i = 0; i < 2; i++) {
		test_tcp_pair(fds);
		aion_group_enter(&group);
		aion_spawn(&group, waiting[i], &fds[0]);
		aion_sleep(50 * AION_MILLISECOND);
		assert_result(aion_close(fds[0]), 0);
		assert_result(aion_group_leave(&group, 0), -EBADF);
		assert_result(aion_close(fds[1]), 0);
	}
}

/* He is given the bytes that went, and is not to wait for ever when he goes on. */
TASK_TEST(message_stream, a_close_ends_who_has_sent_a_part)
{
	static char buf[200000];
	struct aion_group group;
	int fds[2];

	test_tcp_pair(fds);
	aion_group_enter(&group);
	aion_spawn(&group, send_much_on, &fds[0]);
	aion_sleep(20 * AION_MILLISECOND);
	assert_result(aion_recv_exact(fds[1], buf, sizeof(buf), 0, NULL), 0);
	aion_sleep(20 * AION_MILLISECOND);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), -EBADF);
	assert_result(aion_close(fds[1]), 0);
}

TASK_TEST(message_stream, a_shutdown_ends_who_waits)
{
	struct aion_group group;
	int fds[2];

	test_tcp_pair(fds);
	aion_group_enter(&group);
	aion_spawn(&group, recv_on, &fds[0]);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_shutdown(fds[0], SHUT_RD), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	test_close_pair(fds);
}

TASK_TEST(message_stream, cancelled_calls_have_no_effect)
{
	char buf[4] = "abc";
	struct iovec iov = {buf, 3};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	struct aion_scope scope;
	size_t done = 5;
	unsigned nr = 7;
	int fds[2], fd;

	test_tcp_pair(fds);
	assert_result(aion_send_all(fds[1], "x", 1, 0, NULL), 0);
	test_enter_cancelled(&scope);
	assert_result(aion_send(fds[0], buf, 3, 0), -ECANCELED);
	assert_result(aion_sendto(fds[0], buf, 3, 0, NULL, 0), -ECANCELED);
	assert_result(aion_sendmsg(fds[0], &message, 0), -ECANCELED);
	assert_result(aion_send_zc(fds[0], buf, 3, 0), -ECANCELED);
	assert_result(aion_sendmsg_zc(fds[0], &message, 0), -ECANCELED);
	assert_result(aion_send_all(fds[0], buf, 3, 0, &done), -ECANCELED);
	cr_assert_eq(done, 0);
	assert_result(aion_send_all(fds[0], buf, 0, 0, NULL), -ECANCELED);
	assert_result(aion_send_zc_all(fds[0], buf, 3, 0, NULL), -ECANCELED);
	assert_result(aion_sendmsg_all(fds[0], &message, 0, NULL), -ECANCELED);
	assert_result(aion_send_fds(fds[0], fds, 2, buf, 3), -ECANCELED);
	assert_result(aion_send_fds(fds[0], fds, 300, buf, 3), -ECANCELED);
	assert_result(aion_recv(fds[0], buf, 3, 0), -ECANCELED);
	assert_result(aion_recvfrom(fds[0], buf, 3, 0, (struct sockaddr *)&address, &size), -ECANCELED);
	assert_result(aion_recvmsg(fds[0], &message, 0), -ECANCELED);
	assert_result(aion_recv_exact(fds[0], buf, 3, 0, NULL), -ECANCELED);
	assert_result(aion_recv_exact(fds[0], buf, 0, 0, NULL), -ECANCELED);
	assert_result(aion_recv_fds(fds[0], buf, 3, &fd, 1, &nr), -ECANCELED);
	cr_assert_eq(nr, 0);
	aion_scope_leave(&scope);
	assert_result(aion_recv(fds[0], buf, 3, 0), 1);
	assert_result(aion_recv(fds[1], buf, 3, MSG_DONTWAIT), -EAGAIN);
	test_close_pair(fds);
}

TASK_TEST(message_stream, a_send_that_finds_room_does_without_the_ring)
{
	struct aion_loop_stats before, after;
	char buf[10] = "";
	int fds[2];

	test_machine_be_prompt();
	test_unix_pair(SOCK_STREAM, fds);
	before = test_stats();
	for (int i = 0; i < 50; i++)
		assert_result(aion_send(fds[0], buf, 10, 0), 10);
	after = test_stats();
	if (!test_is_simulated())
		cr_assert_eq(after.submit_nr, before.submit_nr);
	test_close_pair(fds);
}
