/* SPDX-License-Identifier: MIT */
/* The options of a socket in one struct. */
#include <netinet/udp.h>

#include "test_net.h"

static int ask(int fd, int level, int name)
{
	socklen_t size = sizeof(int);
	int value = -1;

	cr_assert_eq(aion_getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static int open_socket(int domain, int type)
{
	int64_t fd = aion_socket(domain, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	return (int)fd;
}

TASK_TEST(socket_options, the_defaults_are_sane)
{
	int fd = open_socket(AF_INET, SOCK_STREAM);

	assert_result(aion_socket_options_apply(fd, NULL), 0);
	cr_assert(ask(fd, IPPROTO_TCP, TCP_NODELAY));
	cr_assert(ask(fd, SOL_SOCKET, SO_KEEPALIVE));
	cr_assert(ask(fd, SOL_SOCKET, SO_REUSEADDR));
	cr_assert(!ask(fd, SOL_SOCKET, SO_REUSEPORT));
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 120000);
	assert_result(aion_close(fd), 0);
}

SPARED_TEST(socket_options, every_kind_of_socket_takes_the_defaults)
{
	const int kinds[][2] = {{AF_INET, SOCK_STREAM},   {AF_INET, SOCK_DGRAM},  {AF_INET6, SOCK_STREAM},
				{AF_INET6, SOCK_DGRAM},   {AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM},
				{AF_UNIX, SOCK_SEQPACKET}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int64_t fd = aion_socket(kinds[i][0], kinds[i][1] | SOCK_CLOEXEC, 0);

		if (fd == -EAFNOSUPPORT)
			continue;
		cr_assert_geq(fd, 0);
		assert_result(aion_socket_options_apply((int)fd, NULL), 0);
		cr_assert_eq(ask((int)fd, SOL_SOCKET, SO_KEEPALIVE), i == 0 || i == 2);
		assert_result(aion_close((int)fd), 0);
	}
}

TASK_TEST(socket_options, what_is_asked_for_is_set)
{
	const struct aion_socket_options options = {
		.no_delay = AION_OFF,
		.keep_idle_ns = 1500 * AION_MILLISECOND,
		.keep_interval_ns = 2 * AION_SECOND,
		.keep_probe_nr = 3,
		.user_timeout_ns = 1500 * AION_MICROSECOND,
		.not_sent_low_size = 16384,
		.reuse_address = AION_OFF,
		.reuse_port = AION_ON,
		.late_port = AION_ON,
		.broadcast = AION_ON,
		.receive_size = 50000,
		.send_size = 60000,
		.linger_ns = 1,
	};
	struct linger linger = {0};
	socklen_t size = sizeof(linger);
	int fd = open_socket(AF_INET, SOCK_STREAM);

	assert_result(aion_socket_options_apply(fd, &options), 0);
	cr_assert(!ask(fd, IPPROTO_TCP, TCP_NODELAY));
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPIDLE), 2);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPINTVL), 2);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 2);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 16384);
	cr_assert(!ask(fd, SOL_SOCKET, SO_REUSEADDR));
	cr_assert(ask(fd, SOL_SOCKET, SO_REUSEPORT));
	cr_assert(ask(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT));
	cr_assert(ask(fd, SOL_SOCKET, SO_BROADCAST));
	cr_assert_eq(ask(fd, SOL_SOCKET, SO_RCVBUF), 100000);
	cr_assert_eq(ask(fd, SOL_SOCKET, SO_SNDBUF), 120000);
	assert_result(aion_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size), 0);
	cr_assert(linger.l_onoff && linger.l_linger == 1);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(socket_options, negative_times_leave_the_kernels_own)
{
	const struct aion_socket_options options = {.keep_idle_ns = -1, .keep_interval_ns = -1, .user_timeout_ns = -1};
	int plain = open_socket(AF_INET, SOCK_STREAM), fd = open_socket(AF_INET, SOCK_STREAM);

	assert_result(aion_socket_options_apply(fd, &options), 0);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPIDLE), ask(plain, IPPROTO_TCP, TCP_KEEPIDLE));
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPINTVL), ask(plain, IPPROTO_TCP, TCP_KEEPINTVL));
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	cr_assert_eq(ask(fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
	assert_result(aion_close(plain), 0);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(socket_options, accepted_sockets_inherit_them)
{
	struct aion_address address;
	int64_t listener = aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server;
	int client;

	cr_assert_geq(listener, 0);
	assert_result(aion_socket_options_apply((int)listener, NULL), 0);
	assert_result(aion_address_parse("127.0.0.1:0", 0, &address), 0);
	assert_result(aion_bind((int)listener, &address.any, address.size), 0);
	assert_result(aion_listen((int)listener, 8), 0);
	assert_result(aion_address_of((int)listener, &address), 0);
	client = test_connect(&address);
	server = aion_accept4((int)listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(server, 0);
	cr_assert(ask((int)server, IPPROTO_TCP, TCP_NODELAY));
	cr_assert(ask((int)server, SOL_SOCKET, SO_KEEPALIVE));
	cr_assert_eq(ask((int)server, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	cr_assert_eq(ask((int)server, IPPROTO_TCP, TCP_USER_TIMEOUT), 120000);
	assert_result(aion_close(client), 0);
	assert_result(aion_close((int)server), 0);
	assert_result(aion_close((int)listener), 0);
}

TASK_TEST(socket_options, a_reset_at_close_is_one)
{
	const struct aion_socket_options options = {.is_reset_at_close = true};
	int fds[2];
	char c;

	test_tcp_pair(fds);
	assert_result(aion_socket_options_apply(fds[0], &options), 0);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_recv(fds[1], &c, 1, 0), -ECONNRESET);
	assert_result(aion_close(fds[1]), 0);
}

TASK_TEST(socket_options, what_cannot_be_set_is_said)
{
	int fds[2], tcp = open_socket(AF_INET, SOCK_STREAM), udp = open_socket(AF_INET, SOCK_DGRAM);
	const struct aion_socket_options quick = {.no_delay = AION_ON}, merging = {.merge = AION_ON},
					 slow = {.user_timeout_ns = INT64_MAX}, late = {.keep_idle_ns = INT64_MAX},
					 ipv6 = {.v6only = AION_ON}, large = {.receive_size = UINT32_MAX};

	assert_result(aion_socket_options_apply(udp, &quick), -ENOPROTOOPT);
	assert_result(aion_socket_options_apply(tcp, &merging), -ENOPROTOOPT);
	assert_result(aion_socket_options_apply(tcp, &ipv6), -ENOPROTOOPT);
	assert_result(aion_socket_options_apply(tcp, &slow), -EINVAL);
	assert_result(aion_socket_options_apply(tcp, &late), -EINVAL);
	assert_result(aion_socket_options_apply(tcp, &large), -EINVAL);
	test_unix_pair(SOCK_STREAM, fds);
	assert_result(aion_socket_options_apply(fds[0], &quick), -EOPNOTSUPP);
	test_close_pair(fds);
	assert_result(aion_socket_options_apply(-1, NULL), -EBADF);
	assert_result(aion_close(tcp), 0);
	assert_result(aion_close(udp), 0);
	test_pipe(fds);
	assert_result(aion_socket_options_apply(fds[0], NULL), -ENOTSOCK);
}

/* MPTCP knows a part of TCP's options. */
TASK_TEST(socket_options, defaults_that_a_socket_does_not_know_are_left_out)
{
	const struct aion_socket_options options = {.user_timeout_ns = AION_SECOND, .not_sent_low_size = 1000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262), result, said;

	if (fd < 0)
		cr_skip_test("this machine has no MPTCP");
	assert_result(aion_socket_options_apply(fd, NULL), 0);
	cr_assert(ask(fd, SOL_SOCKET, SO_KEEPALIVE));
	/* What was asked for is refused as the kernel says it. */
	said = setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){1000}, sizeof(int)) < 0 ? -errno : 0;
	result = aion_socket_options_apply(fd, &options);
	cr_assert(said == 0 || result == said, "%d, not %d", result, said);
	assert_result(aion_close(fd), 0);
}

/* Whoever may not set any mark is told so, and not that the number is wrong. */
TASK_TEST(socket_options, marks_have_32_bits)
{
	const struct aion_socket_options high = {.mark = 0x80000001}, low = {.mark = 1};
	int fd = open_socket(AF_INET, SOCK_STREAM), result = aion_socket_options_apply(fd, &low);

	assert_result(aion_socket_options_apply(fd, &high), result);
	cr_assert(result != 0 || (unsigned)ask(fd, SOL_SOCKET, SO_MARK) == high.mark);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(socket_options, udp_knows_segments)
{
	const struct aion_socket_options options = {.segment_size = 1000, .merge = AION_ON};
	int fd = open_socket(AF_INET, SOCK_DGRAM);

	assert_result(aion_socket_options_apply(fd, &options), 0);
	cr_assert_eq(ask(fd, IPPROTO_UDP, 103), 1000);
	cr_assert_eq(ask(fd, IPPROTO_UDP, 104), 1);
	assert_result(aion_close(fd), 0);
}
