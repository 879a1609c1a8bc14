/* SPDX-License-Identifier: MIT */
/* Sockets made, bound, connected, accepted, shut down. */
#include "test_net.h"

TASK_TEST(socket_life, tcp_connects_and_talks)
{
	struct aion_address address, from, name, peer;
	int listener = test_listen(&address);
	int client = test_connect(&address);
	char buf[16];
	int64_t server;

	from = (struct aion_address)AION_ADDRESS_ROOM;
	server = aion_accept4(listener, &from.any, &from.size, SOCK_CLOEXEC);
	cr_assert_geq(server, 0);
	cr_assert_eq(aion_address_of(client, &name), 0);
	cr_assert(aion_address_is_equal(&name, &from));
	cr_assert_eq(aion_address_of_peer(client, &peer), 0);
	cr_assert(aion_address_is_equal(&peer, &address));
	assert_result(aion_send(client, "hello", 5, 0), 5);
	assert_result(aion_recv_exact((int)server, buf, 5, 0, NULL), 0);
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
	assert_result(aion_shutdown((int)server, SHUT_WR), 0);
	assert_result(aion_recv(client, buf, sizeof(buf), 0), 0);
	assert_result(aion_send_all(client, "more", 4, 0, NULL), 0);
	assert_result(aion_recv_exact((int)server, buf, 4, 0, NULL), 0);
	assert_result(aion_close(client), 0);
	assert_result(aion_recv((int)server, buf, sizeof(buf), 0), 0);
	assert_result(aion_close((int)server), 0);
	assert_result(aion_close(listener), 0);
}
