/* SPDX-License-Identifier: MIT */
/* What the calls of sockets and names refuse: errors that stand in their headers and belong to no other file. */
#include <aion/connect.h>
#include <aion/resolve.h>
#include <aion/stream_write.h>

#include "test_net.h"
#include "test_task.h"

TASK_TEST(net_refused, messages_of_a_socket_without_a_partner)
{
	int64_t fd = aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte = 'x';

	cr_assert_geq(fd, 0);
	assert_result(aion_recv((int)fd, &byte, 1, 0), -ENOTCONN);
	assert_result(aion_try_recv((int)fd, &byte, 1, 0), -ENOTCONN);
	assert_result(aion_send((int)fd, &byte, 1, 0), -EPIPE);
	assert_result(aion_close((int)fd), 0);
	fd = aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	assert_result(aion_send((int)fd, &byte, 1, 0), -ENOTCONN);
	assert_result(aion_close((int)fd), 0);
}

TASK_TEST(net_refused, zone_that_is_no_interface)
{
	struct aion_address address;

	assert_result(aion_address_ip("fe80::1%nosuch0", 80, &address), -ENODEV);
	assert_result(aion_address_parse("[fe80::1%nosuch0]:80", 0, &address), -ENODEV);
}

static int in_child(void *arg)
{
	const struct aion_resolve_query query = {.host = "127.0.0.1", .service = "80"};
	struct aion_address address, *own = arg;

	if (aion_resolve(NULL, &query, &address, 1) != -ECHILD)
		return 1;
	return aion_connect_addresses(own, 1, NULL) == -ECHILD ? 0 : 2;
}

TASK_TEST(net_refused, names_and_connections_in_a_forked_child)
{
	struct aion_address address;
	int listener = test_listen_at("127.0.0.1", &address);

	cr_assert_eq(test_in_child(in_child, &address), 0);
	assert_result(aion_close(listener), 0);
}
