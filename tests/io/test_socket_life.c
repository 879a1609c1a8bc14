/* SPDX-License-Identifier: MIT */
/* Sockets made, bound, connected, accepted, shut down, and what they are called. */
#include <stdio.h>

#include "test_net.h"
#include "test_task.h"

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
	assert_result(aion_send_all(client, "hello", 5, 0, NULL), 0);
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

/* One connection at an address of any kind, and three bytes over it. */
static void assert_connects(const struct aion_address *address, int type)
{
	int64_t listener = aion_socket(address->any.sa_family, type | SOCK_CLOEXEC, 0);
	int64_t client = aion_socket(address->any.sa_family, type | SOCK_CLOEXEC, 0), server;
	struct aion_address bound;
	char buf[3];

	cr_assert(listener >= 0 && client >= 0);
	assert_result(aion_bind((int)listener, &address->any, address->size), 0);
	assert_result(aion_listen((int)listener, 1), 0);
	assert_result(aion_address_of((int)listener, &bound), 0);
	assert_result(aion_connect((int)client, &bound.any, bound.size), 0);
	server = aion_accept((int)listener, NULL, NULL);
	cr_assert_geq(server, 0);
	assert_result(aion_send_all((int)server, "abc", 3, 0, NULL), 0);
	assert_result(aion_recv((int)client, buf, 3, MSG_WAITALL), 3);
	assert_result(aion_close((int)client), 0);
	assert_result(aion_close((int)server), 0);
	assert_result(aion_close((int)listener), 0);
}

TASK_TEST(socket_life, every_family_of_connections_works)
{
	TEST_DIR();
	struct aion_address address;
	char name[64];

	cr_assert_eq(aion_address_parse("127.0.0.1:0", 0, &address), 0);
	assert_connects(&address, SOCK_STREAM);
	snprintf(name, sizeof(name), "@aion-test-%d", (int)getpid());
	cr_assert_eq(aion_address_parse(name, 0, &address), 0);
	assert_connects(&address, SOCK_STREAM);
	assert_connects(&address, SOCK_SEQPACKET);
	cr_assert_eq(aion_address_parse("./socket", 0, &address), 0);
	assert_connects(&address, SOCK_STREAM);
	if (!test_has_ip6())
		cr_skip_test("no IPv6 here");
	cr_assert_eq(aion_address_parse("[::1]:0", 0, &address), 0);
	assert_connects(&address, SOCK_STREAM);
}

TASK_TEST(socket_life, errors_are_the_kernels)
{
	struct aion_address address, other;
	int listener = test_listen(&address), fds[2];
	int64_t fd;

	assert_result(aion_socket(12345, SOCK_STREAM, 0), -EAFNOSUPPORT);
	assert_result(aion_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
	fd = aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_result(aion_bind((int)fd, &address.any, address.size), -EADDRINUSE);
	assert_result(aion_bind((int)fd, &address.any, 3), -EINVAL);
	cr_assert_eq(aion_address_parse("192.0.2.1:0", 0, &other), 0);
	assert_result(aion_bind((int)fd, &other.any, other.size), -EADDRNOTAVAIL);
	assert_result(aion_shutdown((int)fd, SHUT_RDWR), -ENOTCONN);
	assert_result(aion_accept((int)fd, NULL, NULL), -EINVAL);
	assert_result(aion_accept4(listener, NULL, NULL, 1), -EINVAL);
	assert_result(aion_address_of_peer(listener, &other), -ENOTCONN);
	assert_result(aion_close(listener), 0);
	assert_result(aion_connect((int)fd, &address.any, address.size), -ECONNREFUSED);
	assert_result(aion_close((int)fd), 0);
	assert_result(aion_listen((int)fd, 1), -EBADF);
	assert_result(aion_connect((int)fd, &address.any, address.size), -EBADF);
	assert_result(aion_bind((int)fd, &address.any, address.size), -EBADF);
	assert_result(aion_address_of((int)fd, &other), -EBADF);
	test_pipe(fds);
	assert_result(aion_listen(fds[0], 1), -ENOTSOCK);
	assert_result(aion_bind(fds[0], &address.any, address.size), -ENOTSOCK);
	assert_result(aion_accept(fds[0], NULL, NULL), -ENOTSOCK);
	assert_result(aion_address_of(fds[0], &other), -ENOTSOCK);
	assert_result(aion_socketpair(AF_INET, SOCK_STREAM, 0, fds), -EOPNOTSUPP);
}

TASK_TEST(socket_life, names_that_nobody_has_are_refused)
{
	TEST_DIR();
	struct aion_address address;
	int64_t fd = aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(aion_address_parse("./nobody", 0, &address), 0);
	assert_result(aion_connect((int)fd, &address.any, address.size), -ENOENT);
	cr_assert_eq(aion_address_parse("@nobody-at-all", 0, &address), 0);
	assert_result(aion_connect((int)fd, &address.any, address.size), -ECONNREFUSED);
	assert_result(aion_close((int)fd), 0);
}

TASK_TEST_AS(socket_life, binds_and_listens_where_the_ring_cannot, .as_linux = "6.1")
{
	struct aion_address address;
	int listener = test_listen(&address), client = test_connect(&address);
	int64_t other = aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_result(aion_bind((int)other, &address.any, address.size), -EADDRINUSE);
	assert_result(aion_listen(-1, 1), -EBADF);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(listener), 0);
	assert_result(aion_close((int)other), 0);
}

TASK_TEST(socket_life, cancelled_calls_have_no_effect)
{
	struct aion_address address;
	int listener = test_listen(&address), fds[2];
	struct aion_scope scope;

	test_unix_pair(SOCK_STREAM, fds);
	test_enter_cancelled(&scope);
	assert_result(aion_socket(AF_INET, SOCK_STREAM, 0), -ECANCELED);
	assert_result(aion_bind(listener, &address.any, address.size), -ECANCELED);
	assert_result(aion_listen(listener, 1), -ECANCELED);
	assert_result(aion_accept(listener, NULL, NULL), -ECANCELED);
	assert_result(aion_accept4(listener, NULL, NULL, 0), -ECANCELED);
	assert_result(aion_connect(fds[0], &address.any, address.size), -ECANCELED);
	assert_result(aion_shutdown(fds[0], SHUT_RDWR), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_send_all(fds[0], "x", 1, 0, NULL), 0);
	test_close_pair(fds);
	assert_result(aion_close(listener), 0);
}

TASK_TEST(socket_life, a_deadline_ends_an_accept)
{
	struct aion_address address;
	int listener = test_listen(&address);
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	assert_result(aion_accept(listener, NULL, NULL), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result(aion_close(test_connect(&address)), 0);
	assert_result(aion_close(listener), 0);
}

static int64_t accept_on(void *arg)
{
	return aion_accept(*(int *)arg, NULL, NULL);
}

TASK_TEST(socket_life, a_close_ends_an_accept_that_waits)
{
	struct aion_address address;
	int listener = test_listen(&address);
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, accept_on, &listener);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_close(listener), 0);
	assert_result(aion_group_leave(&group, 0), -EBADF);
}

TASK_TEST(socket_life, non_blocking_sockets_are_waited_for_all_the_same)
{
	struct aion_address address;
	int64_t listener = aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct aion_scope scope;

	cr_assert_geq(listener, 0);
	cr_assert_eq(aion_address_parse("127.0.0.1:0", 0, &address), 0);
	assert_result(aion_bind((int)listener, &address.any, address.size), 0);
	assert_result(aion_listen((int)listener, 1), 0);
	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	assert_result(aion_accept((int)listener, NULL, NULL), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result(aion_close((int)listener), 0);
}

static void let_end(const struct aion_op *op)
{
	while (aion_op_is_in_flight(op))
		aion_sleep(AION_MILLISECOND);
}

TASK_TEST(socket_life, a_connection_that_nobody_receives_is_closed)
{
	struct aion_address address;
	int listener = test_listen(&address), client = test_connect(&address);
	struct aion_op op = {0};
	char c;

	aion_op_accept4(&op, listener, NULL, NULL, SOCK_CLOEXEC);
	let_end(&op);
	aion_op_reap(&op);
	assert_result(aion_recv(client, &c, 1, 0), 0);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(listener), 0);
}

TASK_TEST(socket_life, a_socket_that_nobody_receives_is_closed)
{
	struct aion_op op = {0};
	struct aion_address name;

	aion_op_socket(&op, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	let_end(&op);
	cr_assert_eq(aion_address_of((int)op.future.result, &name), 0);
	aion_op_reap(&op);
	assert_result(aion_address_of((int)op.future.result, &name), -EBADF);
}

static int ask_in_child(void *arg)
{
	struct aion_address name;
	int *fds = arg;

	if (aion_address_of(fds[0], &name) < 0)
		return 1;
	if (aion_socket(AF_UNIX, SOCK_STREAM, 0) != -ECHILD || aion_send(fds[0], "x", 1, 0) != -ECHILD ||
	    aion_try_send(fds[0], "x", 1, 0) != -ECHILD)
		return 2;
	return 0;
}

TASK_TEST(socket_life, a_forked_child_may_ask_and_no_more)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert_eq(test_in_child(ask_in_child, fds), 0);
}

Test(socket_life, without_a_loop_only_plain_calls_work)
{
	struct aion_address name;
	int fds[2], value = 1;
	socklen_t size = sizeof(value);
	struct aion_op op = {0};

	cr_assert_eq(aion_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert_eq(aion_setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &value, size), 0);
	value = 0;
	cr_assert_eq(aion_getsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &value, &size), 0);
	cr_assert_eq(value, 1);
	cr_assert_eq(aion_address_of_peer(fds[0], &name), 0);
	errno = 77;
	cr_assert_eq(aion_getsockopt(fds[0], SOL_SOCKET, 7777, &value, &size), -ENOPROTOOPT);
	cr_assert_eq(errno, 77);
	assert_result(aion_socket(AF_UNIX, SOCK_STREAM, 0), -EBUSY);
	assert_result(aion_send(fds[0], "x", 1, 0), -EBUSY);
	assert_result(aion_try_send(fds[0], "x", 1, 0), -EBUSY);
	aion_op_listen(&op, fds[0], 1);
	cr_assert_eq(op.future.result, -EBUSY);
}
