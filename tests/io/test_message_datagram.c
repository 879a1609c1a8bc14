/* SPDX-License-Identifier: MIT */
/* Datagrams, whose borders stay; UDP over the loopback, unix ones. */
#include <stdio.h>

#include "test_net.h"

/* Bound to a port of its own, with its address. */
static int udp_socket(struct aion_address *ret_address)
{
	int64_t fd = aion_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(aion_address_ip("127.0.0.1", 0, ret_address), 0);
	assert_result(aion_bind((int)fd, &ret_address->any, ret_address->size), 0);
	cr_assert_eq(aion_address_of((int)fd, ret_address), 0);
	return (int)fd;
}

TASK_TEST(message_datagram, go_where_they_are_sent_and_tell_where_from)
{
	struct aion_address addresses[2], from = AION_ADDRESS_ROOM;
	int fds[2] = {udp_socket(&addresses[0]), udp_socket(&addresses[1])};
	struct aion_op op = {0};
	char buf[100];

	assert_result(aion_sendto(fds[0], "hello", 5, 0, &addresses[1].any, addresses[1].size), 5);
	assert_result(aion_recvfrom(fds[1], buf, sizeof(buf), 0, &from.any, &from.size), 5);
	cr_assert(aion_address_is_equal(&from, &addresses[0]));
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
	aion_op_sendto(&op, fds[1], "back", 4, 0, &from.any, from.size);
	assert_result(aion_await(&op.future), 4);
	assert_result(aion_recvfrom(fds[0], buf, sizeof(buf), 0, NULL, NULL), 4);
	/* Empty ones are some, too. */
	assert_result(aion_sendto(fds[0], buf, 0, 0, &addresses[1].any, addresses[1].size), 0);
	from = (struct aion_address)AION_ADDRESS_ROOM;
	assert_result(aion_recvfrom(fds[1], buf, sizeof(buf), 0, &from.any, &from.size), 0);
	cr_assert(aion_address_is_equal(&from, &addresses[0]));
	test_close_pair(fds);
}

TASK_TEST(message_datagram, keep_their_borders)
{
	char buf[100];
	int fds[2];

	const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};

	for (int i = 0; i < 2; i++) {
		test_unix_pair(types[i], fds);
		assert_result(aion_send(fds[0], "first", 5, 0), 5);
		assert_result(aion_send(fds[0], "second", 6, 0), 6);
		assert_result(aion_recv(fds[1], buf, 3, 0), 3);
		assert_result(aion_recv(fds[1], buf, 3, MSG_TRUNC), 6);
		cr_assert_eq(memcmp(buf, "sec", 3), 0);
		assert_result(aion_send(fds[0], "", 0, 0), 0);
		assert_result(aion_recv(fds[1], buf, sizeof(buf), 0), 0);
		test_close_pair(fds);
	}
}

TASK_TEST(message_datagram, that_are_too_large_are_refused)
{
	static char large[70000];
	struct aion_address address;
	int fd = udp_socket(&address);

	assert_result(aion_sendto(fd, large, sizeof(large), 0, &address.any, address.size), -EMSGSIZE);
	assert_result(aion_send(fd, large, 10, 0), -EDESTADDRREQ);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(message_datagram, connected_ones_have_a_partner)
{
	struct aion_address addresses[2];
	int fds[2] = {udp_socket(&addresses[0]), udp_socket(&addresses[1])};
	char buf[10];

	assert_result(aion_connect(fds[0], &addresses[1].any, addresses[1].size), 0);
	assert_result(aion_send(fds[0], "x", 1, 0), 1);
	assert_result(aion_recv(fds[1], buf, 10, 0), 1);
	test_close_pair(fds);
}

TASK_TEST(message_datagram, vectors_become_one)
{
	char a[] = "some", b[] = "thing", buf[3], more[20];
	struct iovec out[] = {{a, 4}, {b, 5}}, in[] = {{buf, 3}, {more, 20}};
	struct aion_address addresses[2], from = AION_ADDRESS_ROOM;
	int fds[2] = {udp_socket(&addresses[0]), udp_socket(&addresses[1])};
	struct msghdr message = {
		.msg_name = &addresses[1].any, .msg_namelen = addresses[1].size, .msg_iov = out, .msg_iovlen = 2};

	assert_result(aion_sendmsg(fds[0], &message, 0), 9);
	message = (struct msghdr){.msg_name = &from.any, .msg_namelen = from.size, .msg_iov = in, .msg_iovlen = 2};
	assert_result(aion_recvmsg(fds[1], &message, 0), 9);
	cr_assert_eq(memcmp(buf, "som", 3), 0);
	cr_assert_eq(memcmp(more, "ething", 6), 0);
	from.size = message.msg_namelen;
	cr_assert(aion_address_is_equal(&from, &addresses[0]));
	test_close_pair(fds);
}

TASK_TEST(message_datagram, a_full_partner_is_waited_for)
{
	struct aion_scope scope;
	char buf[1000] = "";
	int fds[2];

	test_unix_pair(SOCK_DGRAM, fds);
	while (aion_try_send(fds[0], buf, sizeof(buf), 0) > 0)
		continue;
	aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
	while (aion_send(fds[0], buf, sizeof(buf), 0) > 0)
		continue;
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result(aion_recv(fds[1], buf, sizeof(buf), 0), 1000);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_send(fds[0], buf, sizeof(buf), 0), -ECONNREFUSED);
	assert_result(aion_close(fds[0]), 0);
}
