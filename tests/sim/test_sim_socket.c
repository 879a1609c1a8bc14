/* SPDX-License-Identifier: MIT */
/* How sockets are made, named, connected and ended, on the kernel and on the machine alike. */
#include "test_sim_net.h"

/* ---- made */

NET_TEST(sim_socket, kinds_are_those_of_the_kernel)
{
	assert_result(NET_DO(io_uring_prep_socket, 99, SOCK_STREAM, 0, 0), -EAFNOSUPPORT);
	assert_result(NET_DO(io_uring_prep_socket, AF_INET, 99, 0, 0), -EINVAL);
	assert_result(NET_DO(io_uring_prep_socket, AF_INET, SOCK_SEQPACKET, 0, 0), -ESOCKTNOSUPPORT);
	assert_result(NET_DO(io_uring_prep_socket, AF_INET, SOCK_STREAM, IPPROTO_UDP, 0), -EPROTONOSUPPORT);
	assert_result(NET_DO(io_uring_prep_socket, AF_UNIX, SOCK_STREAM, 7, 0), -EPROTONOSUPPORT);
	assert_result(NET_DO(io_uring_prep_socket, AF_INET, SOCK_STREAM, 0, 5), -EINVAL);
	net_close(net_socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC));
	net_close(net_socket(AF_UNIX, SOCK_SEQPACKET));
}

NET_TEST(sim_socket, what_is_none_is_told_so)
{
	struct net_address address = net_unix("a");
	int fds[2];

	net_pipe(fds);
	assert_result(net_bind(fds[0], address), -ENOTSOCK);
	assert_result(NET_DO(prep_listen, fds[0], 1), -ENOTSOCK);
	assert_result(net_connect(fds[0], address), -ENOTSOCK);
	assert_result(NET_DO(io_uring_prep_accept, fds[0], NULL, NULL, 0), -ENOTSOCK);
	assert_result(NET_DO(io_uring_prep_shutdown, fds[0], SHUT_RD), -ENOTSOCK);
	assert_result(net_send(fds[1], "x"), -ENOTSOCK);
	assert_result(net_recv(fds[0], "x", 0), -ENOTSOCK);
	net_close_pair(fds);
}

/* ---- named */

NET_TEST(sim_socket, port_belongs_to_one)
{
	int a = net_socket(AF_INET, SOCK_STREAM), b = net_socket(AF_INET, SOCK_STREAM);
	int c = net_socket(AF_INET6, SOCK_STREAM), d = net_socket(AF_INET, SOCK_DGRAM);
	uint16_t port;

	assert_result(net_bind(a, net_ip4("127.0.0.1", 0)), 0);
	port = net_port(a);
	cr_assert_geq(port, 1024);
	assert_result(net_bind(a, net_ip4("127.0.0.1", 0)), -EINVAL);
	assert_result(net_bind(b, net_ip4("127.0.0.1", port)), -EADDRINUSE);
	assert_result(net_bind(b, net_ip4("0.0.0.0", port)), -EADDRINUSE);
	assert_result(net_bind(c, net_ip6("::", port)), -EADDRINUSE);
	assert_result(net_bind(c, net_ip6("::ffff:127.0.0.1", port)), -EADDRINUSE);
	assert_result(net_bind(b, net_ip4("127.0.0.2", port)), 0);
	assert_result(net_bind(c, net_ip6("::1", port)), 0);
	assert_result(net_bind(d, net_ip4("127.0.0.1", port)), 0);
	net_close(a);
	a = net_socket(AF_INET, SOCK_STREAM);
	assert_result(net_bind(a, net_ip4("127.0.0.1", port)), 0);
	net_close(a);
	net_close(b);
	net_close(c);
	net_close(d);
}

NET_TEST(sim_socket, address_has_to_be_one_of_the_machine_s)
{
	int in = net_socket(AF_INET, SOCK_STREAM), in6 = net_socket(AF_INET6, SOCK_DGRAM);
	int un = net_socket(AF_UNIX, SOCK_STREAM);
	struct net_address in4 = net_ip4("127.0.0.1", 0);

	assert_result(net_bind(in, net_ip4("192.0.2.1", 0)), -EADDRNOTAVAIL);
	assert_result(net_bind(in6, net_ip6("2001:db8::1", 0)), -EADDRNOTAVAIL);
	assert_result(net_bind(in, net_unix("of-another-family")), -EAFNOSUPPORT);
	assert_result(net_bind(un, in4), -EINVAL);
	assert_result(NET_DO(prep_bind, in, &in4.any, 8), -EINVAL);
	assert_result(NET_DO(prep_bind, in, &in4.any, 1000), -EINVAL);
	assert_result(NET_DO(prep_bind, in, NULL, sizeof(struct sockaddr_in)), -EFAULT);
	net_close(in);
	net_close(in6);
	net_close(un);
}

NET_TEST(sim_socket, unix_names_are_taken_and_free_again)
{
	int a = net_socket(AF_UNIX, SOCK_STREAM), b = net_socket(AF_UNIX, SOCK_STREAM);
	int c = net_socket(AF_UNIX, SOCK_DGRAM);

	assert_result(net_bind(a, net_unix("n")), 0);
	assert_result(net_bind(a, net_unix("other")), -EINVAL);
	assert_result(net_bind(b, net_unix("n")), -EADDRINUSE);
	assert_result(net_bind(c, net_unix("n")), 0);
	net_close(a);
	assert_result(net_bind(b, net_unix("n")), 0);
	net_close(b);
	net_close(c);
}

/* ---- connected */

NET_TEST(sim_socket, connects_and_accepts_with_addresses)
{
	struct net_listener listener = net_listen(AF_INET, SOCK_STREAM, 4);
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	int client = net_connect_new(&listener);
	int64_t served;

	memset(&from, 0x55, sizeof(from));
	served = NET_DO(io_uring_prep_accept, listener.fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
	cr_assert_geq(served, 0);
	cr_assert_eq(size, sizeof(struct sockaddr_in));
	cr_assert_eq(from.ss_family, AF_INET);
	cr_assert_eq(((struct sockaddr_in *)&from)->sin_port, htons(net_port(client)));
	cr_assert_eq(((struct sockaddr_in *)&from)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_result(net_connect(client, listener.address), -EISCONN);
	net_close(client);
	net_close((int)served);
	net_close(listener.fd);
}

NET_TEST(sim_socket, nobody_listening_refuses)
{
	int port_holder = net_socket(AF_INET, SOCK_STREAM), tcp = net_socket(AF_INET, SOCK_STREAM);
	int un = net_socket(AF_UNIX, SOCK_STREAM);
	struct net_address path = {.un = {AF_UNIX, "/nonexistent/socket"}};

	path.size = sizeof(path.un);
	assert_result(net_bind(port_holder, net_ip4("127.0.0.1", 0)), 0);
	assert_result(net_connect(tcp, net_ip4("127.0.0.1", net_port(port_holder))), -ECONNREFUSED);
	assert_result(net_connect(tcp, net_ip6("::1", 1)), -EAFNOSUPPORT);
	assert_result(net_connect(un, net_unix("nobody")), -ECONNREFUSED);
	assert_result(net_connect(un, path), -ENOENT);
	/* It can be tried again. */
	assert_result(NET_DO(prep_listen, port_holder, 1), 0);
	assert_result(net_connect(tcp, net_ip4("127.0.0.1", net_port(port_holder))), 0);
	net_close(tcp);
	net_close(un);
	net_close(port_holder);
}

NET_TEST(sim_socket, versions_of_ip_meet_where_the_kernel_lets_them)
{
	int any6 = net_socket(AF_INET6, SOCK_STREAM), any4 = net_socket(AF_INET, SOCK_STREAM);
	int client;

	assert_result(net_bind(any6, net_ip6("::", 0)), 0);
	assert_result(NET_DO(prep_listen, any6, 4), 0);
	client = net_socket(AF_INET, SOCK_STREAM);
	assert_result(net_connect(client, net_ip4("127.0.0.1", net_port(any6))), 0);
	net_close(client);
	client = net_socket(AF_INET6, SOCK_STREAM);
	assert_result(net_connect(client, net_ip6("::1", net_port(any6))), 0);
	net_close(client);
	assert_result(net_bind(any4, net_ip4("127.0.0.1", 0)), 0);
	assert_result(NET_DO(prep_listen, any4, 4), 0);
	client = net_socket(AF_INET6, SOCK_STREAM);
	assert_result(net_connect(client, net_ip6("::1", net_port(any4))), -ECONNREFUSED);
	assert_result(net_connect(client, net_ip6("::ffff:127.0.0.1", net_port(any4))), 0);
	net_close(client);
	net_close(any4);
	net_close(any6);
}

NET_TEST(sim_socket, only_who_can_listens)
{
	int dgram = net_socket(AF_UNIX, SOCK_DGRAM), udp = net_socket(AF_INET, SOCK_DGRAM);
	int un = net_socket(AF_UNIX, SOCK_STREAM), tcp = net_socket(AF_INET, SOCK_STREAM);

	assert_result(NET_DO(prep_listen, dgram, 1), -EOPNOTSUPP);
	assert_result(NET_DO(prep_listen, udp, 1), -EOPNOTSUPP);
	assert_result(NET_DO(prep_listen, un, 1), -EINVAL);
	assert_result(NET_DO(io_uring_prep_accept, dgram, NULL, NULL, 0), -EOPNOTSUPP);
	assert_result(NET_DO(io_uring_prep_accept, tcp, NULL, NULL, 0), -EINVAL);
	assert_result(NET_DO(prep_listen, tcp, 1), 0);
	assert_result(net_connect(tcp, net_ip4("127.0.0.1", 1)), -EISCONN);
	cr_assert(NET_WAITS(io_uring_prep_accept, tcp, NULL, NULL, 0));
	net_close(dgram);
	net_close(udp);
	net_close(un);
	net_close(tcp);
}

static int64_t connect_late(void *arg)
{
	int fd;

	aion_sleep(AION_MILLISECOND);
	fd = net_connect_new(arg);
	net_close(fd);
	return 0;
}

NET_TEST(sim_socket, accept_waits_for_who_connects)
{
	struct net_listener listener = net_listen(AF_UNIX, SOCK_SEQPACKET, 4);
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, connect_late, &listener);
	net_close(net_accept(listener.fd));
	assert_result(aion_group_leave(&group, 0), 0);
	net_close(listener.fd);
}

/* One more than the backlog are let in; TCP goes on trying for who has given up. */
NET_TEST(sim_socket, full_backlog_keeps_waiting)
{
	struct net_listener listener = net_listen(AF_INET, SOCK_STREAM, 0);
	int first = net_connect_new(&listener), second = net_socket(AF_INET, SOCK_STREAM);

	cr_assert(NET_WAITS(io_uring_prep_connect, second, &listener.address.any, (socklen_t)listener.address.size));
	assert_result(net_connect(second, listener.address), -EALREADY);
	net_close(second);
	net_close(net_accept(listener.fd));
	net_close(first);
	net_close(listener.fd);
}

/* ---- ended */

NET_TEST(sim_socket, half_of_tcp_is_shut_down)
{
	int fds[2];

	net_pair(AF_INET, SOCK_STREAM, fds);
	assert_result(net_send(fds[0], "last"), 4);
	assert_result(NET_DO(io_uring_prep_shutdown, fds[0], 7), -EINVAL);
	assert_result(NET_DO(io_uring_prep_shutdown, fds[0], SHUT_WR), 0);
	assert_result(net_send(fds[0], "more"), -EPIPE);
	assert_result(net_recv(fds[1], "last", 0), 4);
	assert_result(net_recv(fds[1], "", 0), 0);
	assert_result(net_send(fds[1], "answer"), 6);
	assert_result(net_recv(fds[0], "answer", 0), 6);
	assert_result(NET_DO(io_uring_prep_shutdown, fds[1], SHUT_WR), 0);
	assert_result(net_recv(fds[0], "", 0), 0);
	net_let_arrive();
	assert_result(NET_DO(io_uring_prep_shutdown, fds[1], SHUT_WR), -ENOTCONN);
	net_close_pair(fds);
}

NET_TEST(sim_socket, half_of_unix_is_shut_down)
{
	int fds[2];

	net_pair(AF_UNIX, SOCK_STREAM, fds);
	assert_result(net_send(fds[0], "last"), 4);
	assert_result(NET_DO(io_uring_prep_shutdown, fds[0], SHUT_WR), 0);
	assert_result(net_send(fds[0], "more"), -EPIPE);
	assert_result(net_recv(fds[1], "last", 0), 4);
	assert_result(net_recv(fds[1], "", 0), 0);
	assert_result(net_send(fds[1], "answer"), 6);
	assert_result(NET_DO(io_uring_prep_shutdown, fds[0], SHUT_RD), 0);
	assert_result(net_send(fds[1], "more"), -EPIPE);
	assert_result(net_recv(fds[0], "answer", 0), 6);
	assert_result(net_recv(fds[0], "", 0), 0);
	net_close_pair(fds);
}

/* What has come can be read; the first thing said to who is gone is lost, the second refused. */
NET_TEST(sim_socket, closing_tcp_is_its_end)
{
	int fds[2];

	net_pair(AF_INET, SOCK_STREAM, fds);
	assert_result(net_send(fds[0], "last"), 4);
	net_close(fds[0]);
	assert_result(net_recv(fds[1], "last", 0), 4);
	assert_result(net_recv(fds[1], "", 0), 0);
	assert_result(net_send(fds[1], "lost"), 4);
	net_let_arrive();
	assert_result(net_send(fds[1], "refused"), -EPIPE);
	assert_result(net_recv(fds[1], "", 0), 0);
	assert_result(NET_DO(io_uring_prep_shutdown, fds[1], SHUT_WR), -ENOTCONN);
	net_close(fds[1]);
}

NET_TEST(sim_socket, closing_with_unread_bytes_is_a_reset)
{
	static const int domains[] = {AF_INET, AF_UNIX};
	int fds[2];

	for (int i = 0; i < 2; i++) {
		net_pair(domains[i], SOCK_STREAM, fds);
		assert_result(net_send(fds[0], "last"), 4);
		assert_result(net_send(fds[1], "unread"), 6);
		net_close(fds[0]);
		assert_result(net_recv(fds[1], "last", 0), 4);
		assert_result(net_recv(fds[1], "", 0), -ECONNRESET);
		assert_result(net_recv(fds[1], "", 0), 0);
		assert_result(net_send(fds[1], "x"), -EPIPE);
		net_close(fds[1]);
	}
}

NET_TEST(sim_socket, closing_a_listener_resets_who_waits)
{
	struct net_listener listener = net_listen(AF_INET, SOCK_STREAM, 4);
	int client = net_connect_new(&listener);

	net_close(listener.fd);
	assert_result(net_recv(client, "", 0), -ECONNRESET);
	assert_result(net_recv(client, "", 0), 0);
	net_close(client);
}

static int64_t receive_end(void *fd)
{
	return net_recv((int)(intptr_t)fd, "", 0);
}

/* As with any file: a receive under way keeps the socket open, as the other side sees it. */
NET_TEST(sim_socket, end_comes_to_who_waits)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
	struct aion_group group;
	int fds[2];

	for (int i = 0; i < 2; i++) {
		net_pair(AF_UNIX, types[i], fds);
		aion_group_enter(&group);
		aion_spawn(&group, receive_end, test_number(fds[0]));
		aion_sleep(2 * AION_MILLISECOND);
		net_close(fds[1]);
		assert_result(aion_group_leave(&group, 0), 0);
		net_close(fds[0]);
	}
}

NET_TEST(sim_socket, shut_listener_accepts_no_more)
{
	struct net_listener listener = net_listen(AF_INET, SOCK_STREAM, 4);

	assert_result(NET_DO(io_uring_prep_shutdown, listener.fd, SHUT_RD), 0);
	assert_result(NET_DO(io_uring_prep_accept, listener.fd, NULL, NULL, 0), -EINVAL);
	net_close(listener.fd);
}

/* ---- the machine's own */

static void check_pair(struct aion_sim *sim, int domain, int type)
{
	int fds[2];

	net_sim = sim;
	cr_assert_eq(aion_sim_socketpair(sim, domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, fds), 0);
	assert_result(net_send(fds[0], "there"), 5);
	assert_result(net_recv(fds[1], "there", 0), 5);
	assert_result(net_send(fds[1], "back"), 4);
	assert_result(net_recv(fds[0], "back", 0), 4);
	net_close_pair(fds);
}

SIM_TEST(sim_socket, pairs_of_all_kinds, .seed = 9)
{
	int fds[2];

	check_pair(sim, AF_UNIX, SOCK_STREAM);
	check_pair(sim, AF_UNIX, SOCK_DGRAM);
	check_pair(sim, AF_UNIX, SOCK_SEQPACKET);
	check_pair(sim, AF_INET, SOCK_STREAM);
	cr_assert_eq(aion_sim_socketpair(sim, AF_INET, SOCK_DGRAM, fds), -EPROTONOSUPPORT);
	cr_assert_eq(aion_sim_socketpair(sim, AF_INET6, SOCK_STREAM, fds), -EAFNOSUPPORT);
	cr_assert_eq(aion_sim_socketpair(sim, 99, SOCK_STREAM, fds), -EAFNOSUPPORT);
	cr_assert_eq(aion_sim_socketpair(sim, AF_UNIX, 99, fds), -EINVAL);
}

SIM_TEST(sim_socket, without_descriptors_connections_stay, .fd_max = 3)
{
	struct net_listener listener;
	int client;

	net_sim = sim;
	listener = net_listen(AF_UNIX, SOCK_STREAM, 4);
	client = net_connect_new(&listener);
	net_close(net_socket(AF_UNIX, SOCK_STREAM));
	client = net_socket(AF_UNIX, SOCK_STREAM);
	assert_result(NET_DO(io_uring_prep_accept, listener.fd, NULL, NULL, 0), -EMFILE);
	assert_result(NET_DO(io_uring_prep_socket, AF_INET, SOCK_STREAM, 0, 0), -EMFILE);
	net_close(client);
	net_close(net_accept(listener.fd));
	net_close(listener.fd);
	net_close(AION_SIM_FD_BASE + 1);
}

SIM_TEST(sim_socket, a_connection_breaks_for_both, .seed = 4)
{
	char byte;
	int fds[2];

	net_sim = sim;
	net_pair(AF_INET, SOCK_STREAM, fds);
	assert_result(net_send(fds[1], "lost"), 4);
	aion_sim_knob_set(sim, AION_SIM_ERROR_ECONNRESET, 1000000);
	assert_result(NET_DO(io_uring_prep_recv, fds[0], &byte, 1, 0), -ECONNRESET);
	assert_result(NET_DO(io_uring_prep_recv, fds[0], &byte, 1, 0), 0);
	assert_result(net_send(fds[0], "x"), -EPIPE);
	assert_result(NET_DO(io_uring_prep_recv, fds[1], &byte, 1, 0), -ECONNRESET);
	assert_result(NET_DO(io_uring_prep_recv, fds[1], &byte, 1, 0), 0);
	net_close_pair(fds);
}
