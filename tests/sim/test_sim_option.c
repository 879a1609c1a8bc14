/* SPDX-License-Identifier: MIT */
/* Options and names of sockets, as the kernel has them; and what the machine heeds of the options. */
#include <netinet/tcp.h>

#include "test_both.h"
#include "test_sim_net.h"

static const int kinds[][2] = {
	{AF_INET, SOCK_STREAM}, {AF_INET6, SOCK_STREAM}, {AF_INET, SOCK_DGRAM},     {AF_INET6, SOCK_DGRAM},
	{AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM},   {AF_UNIX, SOCK_SEQPACKET},
};

/* Those whose values are the same everywhere. */
static const int options[][2] = {
	{SOL_SOCKET, SO_REUSEADDR},
	{SOL_SOCKET, SO_REUSEPORT},
	{SOL_SOCKET, SO_KEEPALIVE},
	{SOL_SOCKET, SO_BROADCAST},
	{SOL_SOCKET, SO_TYPE},
	{SOL_SOCKET, SO_DOMAIN},
	{SOL_SOCKET, SO_PROTOCOL},
	{SOL_SOCKET, SO_ACCEPTCONN},
	{SOL_SOCKET, SO_ERROR},
	{IPPROTO_TCP, TCP_NODELAY},
	{IPPROTO_TCP, TCP_CORK},
	{IPPROTO_TCP, TCP_KEEPIDLE},
	{IPPROTO_TCP, TCP_KEEPINTVL},
	{IPPROTO_TCP, TCP_KEEPCNT},
	{IPPROTO_TCP, TCP_USER_TIMEOUT},
	{IPPROTO_IPV6, IPV6_V6ONLY},
	{IPPROTO_UDP, 103},
	{IPPROTO_UDP, 104},
	{IPPROTO_TCP, 7777},
	{SOL_SOCKET, 7777},
	{IPPROTO_UDP, 7777},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
};

static int64_t ask(int fd, const int option[2], socklen_t room)
{
	int value = 0, result;

	result = aion_getsockopt(fd, option[0], option[1], &value, &room);
	return result < 0 ? result : (int64_t)value * 10 + (int)room;
}

BOTH_TEST(sim_option, numbers_are_as_the_kernel_has_them, 1, .seed = 5)
{
	const int values[] = {0, 1, 2, -1, 100, 40000, 70000};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		int64_t fd = aion_socket(kinds[k][0], kinds[k][1], 0);

		if (fd == -EAFNOSUPPORT)
			continue;
		cr_assert_geq(fd, 0);
		for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
			const int *option = options[i];

			both_note(both, ask((int)fd, option, 4), "kind %zu option %d %d", k, option[0], option[1]);
			both_note(both, ask((int)fd, option, 1), "a byte of it");
			if (option[1] == SO_TYPE && option[0] == SOL_SOCKET)
				continue;
			for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
				int result = aion_setsockopt((int)fd, option[0], option[1], &values[v], 4);

				both_note(both, result, "kind %zu option %d %d set to %d", k, option[0], option[1],
					  values[v]);
				both_note(both, ask((int)fd, option, 4), "kind %zu option %d %d was set to %d", k,
					  option[0], option[1], values[v]);
			}
			if (option[0] == IPPROTO_IP) /* takes a byte, too */
				continue;
			both_note(both, aion_setsockopt((int)fd, option[0], option[1], values, 3),
				  "kind %zu option %d %d short", k, option[0], option[1]);
		}
		assert_result(aion_close((int)fd), 0);
	}
}

BOTH_TEST(sim_option, buffers_and_texts_are_as_the_kernel_has_them, 1, .seed = 5)
{
	const int sizes[] = {0, 1, 1000, 5000, 60000};
	int64_t fd = aion_socket(AF_INET, SOCK_STREAM, 0);
	const int receive[] = {SOL_SOCKET, SO_RCVBUF}, send[] = {SOL_SOCKET, SO_SNDBUF};
	char text[40] = "";
	socklen_t size = sizeof(text);
	struct linger linger = {7, 3};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		both_check(both, aion_setsockopt((int)fd, receive[0], receive[1], &sizes[i], 4));
		both_check(both, ask((int)fd, receive, 4));
		both_check(both, aion_setsockopt((int)fd, send[0], send[1], &sizes[i], 4));
		both_check(both, ask((int)fd, send, 4));
	}
	both_check(both, aion_setsockopt((int)fd, receive[0], receive[1], &(int){INT_MAX}, 4));
	both_note(both, ask((int)fd, receive, 4) > 10 * 60000, "as much as there may be");
	both_check(both, aion_setsockopt((int)fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
	both_check(both, aion_getsockopt((int)fd, IPPROTO_TCP, TCP_CONGESTION, text, &size));
	both_note(both, strcmp(text, "cubic") * 100 + (int)size, "cubic");
	both_check(both, aion_setsockopt((int)fd, IPPROTO_TCP, TCP_CONGESTION, "no-such", 7));
	both_check(both, aion_setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	both_check(both, aion_setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &linger, 4));
	size = sizeof(linger);
	both_check(both, aion_getsockopt((int)fd, SOL_SOCKET, SO_LINGER, &linger, &size));
	both_note(both, linger.l_onoff * 10 + linger.l_linger, "lingers");
	assert_result(aion_close((int)fd), 0);
	both_check(both, aion_getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &linger, &size));
}

/* A socket's name without what differs: a port is one or none. */
static int64_t name_of(struct both *both, int (*call)(int, struct sockaddr *, socklen_t *), int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);
	int result = call(fd, (struct sockaddr *)&address, &size);
	struct sockaddr_in *in = (struct sockaddr_in *)&address;

	both_note(both, result, "name");
	if (result < 0)
		return result;
	if (address.ss_family != AF_UNIX)
		return ntohl(in->sin_addr.s_addr) * 10 + (in->sin_port != 0);
	return size;
}

BOTH_TEST(sim_option, names_are_as_the_kernel_has_them, 1, .seed = 5)
{
	const int domains[] = {AF_INET, AF_UNIX};
	int pair[2], listener, client, server;
	struct aion_address address;
	char path[120];

	for (int i = 0; i < 2; i++) {
		listener = (int)aion_socket(domains[i], SOCK_STREAM, 0);
		client = (int)aion_socket(domains[i], SOCK_STREAM, 0);
		both_check(both, name_of(both, aion_getsockname, listener));
		both_check(both, name_of(both, aion_getpeername, listener));
		if (domains[i] == AF_INET)
			cr_assert_eq(aion_address_ip("127.0.0.1", 0, &address), 0);
		else
			cr_assert_eq(aion_address_unix(both_path(both, "s", path, sizeof(path)), &address), 0);
		/* Paths are of different lengths. */
		assert_result(aion_bind(listener, &address.any, address.size), 0);
		assert_result(aion_listen(listener, 4), 0);
		cr_assert_eq(aion_address_of(listener, &address), 0);
		assert_result(aion_connect(client, &address.any, address.size), 0);
		server = (int)aion_accept(listener, NULL, NULL);
		cr_assert_geq(server, 0);
		if (domains[i] == AF_INET) {
			both_check(both, name_of(both, aion_getsockname, listener));
			both_check(both, name_of(both, aion_getsockname, server));
			both_check(both, name_of(both, aion_getpeername, client));
		}
		both_check(both, name_of(both, aion_getpeername, listener));
		both_check(both, name_of(both, aion_getsockname, client));
		both_check(both, name_of(both, aion_getpeername, server));
		assert_result(aion_shutdown(client, SHUT_WR), 0);
		net_let_arrive();
		both_check(both, name_of(both, aion_getpeername, server));
		assert_result(aion_shutdown(server, SHUT_WR), 0);
		net_let_arrive();
		both_check(both, name_of(both, aion_getpeername, server));
		assert_result(aion_close(client), 0);
		assert_result(aion_close(server), 0);
		assert_result(aion_close(listener), 0);
	}
	both_check(both, aion_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	both_check(both, name_of(both, aion_getsockname, pair[0]));
	both_check(both, name_of(both, aion_getpeername, pair[0]));
	assert_result(aion_close(pair[1]), 0);
	both_check(both, name_of(both, aion_getpeername, pair[0]));
	assert_result(aion_close(pair[0]), 0);
	both_check(both, aion_socketpair(AF_INET, SOCK_STREAM, 0, pair));
	both_check(both, aion_socketpair(AF_UNIX, 77, 0, pair));
	both_check(both, aion_socketpair(AF_UNIX, SOCK_STREAM, 6, pair));
	both_check(both, aion_getsockname(both->dir, &address.any, &address.size));
}

static int bound(int domain, const char *host, uint16_t port, int level, int name)
{
	struct aion_address address;
	const int on = 1;
	int fd = (int)aion_socket(domain, SOCK_STREAM, 0);
	int64_t result;

	cr_assert_geq(fd, 0);
	cr_assert_eq(aion_address_ip(host, port, &address), 0);
	if (name)
		cr_assert_eq(aion_setsockopt(fd, level, name, &on, sizeof(on)), 0);
	result = aion_bind(fd, &address.any, address.size);
	if (result == 0)
		result = aion_listen(fd, 4);
	if (result == 0)
		return fd;
	assert_result(aion_close(fd), 0);
	return (int)result;
}

static uint16_t port_of(int fd)
{
	struct aion_address address;

	cr_assert_eq(aion_address_of(fd, &address), 0);
	return aion_address_port(&address);
}

NET_TEST(sim_option, sharing_a_port_is_asked_for)
{
	int first = bound(AF_INET, "127.0.0.1", 0, SOL_SOCKET, SO_REUSEPORT), second;
	uint16_t port = port_of(first);

	cr_assert_eq(bound(AF_INET, "127.0.0.1", port, 0, 0), -EADDRINUSE);
	second = bound(AF_INET, "127.0.0.1", port, SOL_SOCKET, SO_REUSEPORT);
	cr_assert_geq(second, 0);
	net_close(first);
	net_close(second);
}

NET_TEST(sim_option, of_ipv6_only_leaves_ipv4_alone)
{
	int six = (int)aion_socket(AF_INET6, SOCK_STREAM, 0), four;

	if (six < 0)
		return;
	net_close(six);
	six = bound(AF_INET6, "::", 0, IPPROTO_IPV6, IPV6_V6ONLY);
	if (six == -EADDRNOTAVAIL)
		return;
	four = bound(AF_INET, "127.0.0.1", port_of(six), 0, 0);
	cr_assert_geq(four, 0);
	net_close(six);
	net_close(four);
}

NET_TEST(sim_option, lingering_for_no_time_resets)
{
	const struct linger linger = {1, 0};
	int fds[2];

	net_pair(AF_INET, SOCK_STREAM, fds);
	assert_result(net_send(fds[0], "lost"), 4);
	cr_assert_eq(aion_setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	net_close(fds[0]);
	net_let_arrive();
	assert_result(net_recv(fds[1], "lost", 0) == 4 ? net_recv(fds[1], "", 0) : -ECONNRESET, -ECONNRESET);
	net_close(fds[1]);
}
