/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_NET_H
#define AION_TEST_NET_H
/* What the tests of sockets share: listeners on the loopback, connected pairs. All are of the loop's machine. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test_file.h"

/* A listening TCP socket on a port of its own. */
static inline int test_listen_at(const char *host, struct aion_address *ret_address)
{
	int64_t fd;

	cr_assert_eq(aion_address_ip(host, 0, ret_address), 0);
	fd = aion_socket(ret_address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	assert_result(aion_bind((int)fd, &ret_address->any, ret_address->size), 0);
	assert_result(aion_listen((int)fd, 128), 0);
	cr_assert_eq(aion_address_of((int)fd, ret_address), 0);
	return (int)fd;
}

static inline int test_listen(struct aion_address *ret_address)
{
	return test_listen_at("127.0.0.1", ret_address);
}

static inline int test_connect(const struct aion_address *address)
{
	int64_t fd = aion_socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_connect((int)fd, &address->any, address->size), 0);
	return (int)fd;
}

/* A TCP connection over the loopback. */
static inline void test_tcp_pair(int fds[2])
{
	struct aion_address address;
	int listener = test_listen(&address);
	int64_t fd;

	fds[0] = test_connect(&address);
	fd = aion_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(fd, 0);
	fds[1] = (int)fd;
	assert_result(aion_close(listener), 0);
}

static inline void test_unix_pair(int type, int fds[2])
{
	cr_assert_eq(aion_socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void test_close_pair(int fds[2])
{
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
}

/* For a child: cancels a scope some time after the first bytes have come. */
struct test_canceller {
	struct aion_scope *scope;
	int fd;
};

static inline int64_t test_cancel_after_bytes(void *arg)
{
	struct test_canceller *canceller = arg;

	aion_poll(canceller->fd, POLLIN);
	aion_sleep(10 * AION_MILLISECOND);
	aion_scope_cancel(canceller->scope);
	return 0;
}

/* Whether the machine has IPv6. */
static inline bool test_has_ip6(void)
{
	struct aion_address address;
	int64_t fd = aion_socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_there;

	if (fd < 0)
		return false;
	cr_assert_eq(aion_address_ip("::1", 0, &address), 0);
	is_there = aion_bind((int)fd, &address.any, address.size) == 0;
	aion_close((int)fd);
	return is_there;
}

#endif
