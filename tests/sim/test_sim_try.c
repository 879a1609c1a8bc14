/* SPDX-License-Identifier: MIT */
/* What is tried on a socket at once ends as on the kernel: it is done, or would have to wait. */
#include "test_both.h"

BOTH_TEST(sim_try, messages_go_and_come_or_would_wait, 1, .seed = 3, .socket_size = 65536)
{
	const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	char buf[64] = "";
	struct iovec iov = {.iov_base = buf, .iov_len = 3};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2];

	for (int i = 0; i < 3; i++) {
		assert_result(aion_socketpair(AF_UNIX, types[i], 0, fds), 0);
		both_check(both, aion_try_recv(fds[1], buf, sizeof(buf), 0));
		both_check(both, aion_try_recvmsg(fds[1], &message, 0));
		both_check(both, aion_try_send(fds[0], "hello", 5, 0));
		both_check(both, aion_try_sendmsg(fds[0], &message, 0));
		both_check(both, aion_try_recv(fds[1], buf, 4, 0));
		both_check(both, aion_try_recv(fds[1], buf, 1, MSG_WAITALL));
		both_check(both, aion_try_recvmsg(fds[1], &message, 0));
		both_check(both, aion_try_recv(fds[1], buf, sizeof(buf), MSG_WAITALL));
		both_check(both, aion_try_send(fds[0], "more", 4, MSG_WAITALL));
		both_check(both, aion_try_recv(fds[1], buf, 10, MSG_WAITALL));
		assert_result(aion_shutdown(fds[1], SHUT_RD), 0);
		both_check(both, aion_try_send(fds[0], "hello", 5, 0));
		assert_result(aion_close(fds[0]), 0);
		if (types[i] != SOCK_DGRAM)
			both_check(both, aion_try_recv(fds[1], buf, sizeof(buf), 0));
		assert_result(aion_close(fds[1]), 0);
	}
	both_check(both, aion_try_send(fds[1], "hello", 5, 0));
	both_check(both, aion_try_recv(both->dir, buf, 5, 0));
}

BOTH_TEST(sim_try, a_full_stream_takes_no_more, 1, .seed = 3)
{
	static char data[4 << 20];
	struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
	const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2];
	int64_t sent;

	assert_result(aion_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sent = aion_try_send(fds[0], data, sizeof(data), MSG_WAITALL);
	cr_assert(sent > 0 && sent < (int64_t)sizeof(data));
	while (aion_try_send(fds[0], data, sizeof(data), 0) > 0)
		continue;
	both_check(both, aion_try_send(fds[0], data, sizeof(data), 0));
	both_check(both, aion_try_sendmsg(fds[0], &message, MSG_WAITALL));
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
}
