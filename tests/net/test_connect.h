/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_CONNECT_H
#define AION_TEST_CONNECT_H
/*
 * Hosts that are lists of addresses on this machine: where somebody listens, where nobody does, and where nobody
 * answers (a listener whose backlog is full). On a simulated machine they are the machine's.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "test_resolve.h"
#include "test_worker.h"

/* An address of this machine with a port on which nobody listens until somebody does. */
static inline struct aion_address test_ip(const char *host, uint16_t port)
{
	struct aion_address address;

	assert_result(aion_address_ip(host, port, &address), 0);
	return address;
}

static inline int test_listen(const char *host, int backlog, struct aion_address *ret_address)
{
	struct aion_address address = test_ip(host, 0);
	int64_t fd = aion_socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_bind((int)fd, &address.any, address.size), 0);
	assert_result(aion_listen((int)fd, backlog), 0);
	assert_result(aion_address_of((int)fd, ret_address), 0);
	return (int)fd;
}

/* The port of a socket that is bound and does not listen: refused, as long as it is open. */
static inline int test_refuse(const char *host, struct aion_address *ret_address)
{
	struct aion_address address = test_ip(host, 0);
	int64_t fd = aion_socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_bind((int)fd, &address.any, address.size), 0);
	assert_result(aion_address_of((int)fd, ret_address), 0);
	return (int)fd;
}

/* A listener that lets nobody in any more: fds[0], and the one that fills it, fds[1]. */
static inline void test_hang(const char *host, int fds[2], struct aion_address *ret_address)
{
	fds[0] = test_listen(host, 0, ret_address);
	fds[1] = (int)aion_socket(ret_address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_result(aion_connect(fds[1], &ret_address->any, ret_address->size), 0);
}

static inline void test_close(const int *fds, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		assert_result(aion_close(fds[i]), 0);
	test_await_kernel_workers();
}

/* The lowest free descriptor of the machine on which the loop runs: higher than before if one was left open. */
static inline int test_lowest_fd(void)
{
	int64_t fd = aion_socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_close((int)fd), 0);
	return (int)fd;
}

/* A host of the test's own: what it is called does not matter. */
struct test_host {
	struct aion_resolver *resolver;
	struct aion_address addresses[AION_RESOLVE_MAX];
	size_t nr;
	int64_t error;   /* instead of addresses */
	int64_t wait_ns; /* for the answer */
};

static inline int64_t test_host_resolve(const struct aion_resolve_query *query, void *arg,
					struct aion_address *ret_addresses, int64_t *ret_ttl_ns)
{
	const struct test_host *host = arg;
	int64_t result = host->wait_ns ? aion_sleep(host->wait_ns) : 0;

	(void)query;
	*ret_ttl_ns = 0;
	if (result == 0)
		result = host->error;
	if (result < 0)
		return result;
	memcpy(ret_addresses, host->addresses, host->nr * sizeof(*ret_addresses));
	return (int64_t)host->nr;
}

static inline void test_host_init(struct test_host *host)
{
	const struct aion_resolver_options options = {.fn = test_host_resolve, .arg = host};

	*host = (struct test_host){0};
	assert_result(aion_resolver_create(&options, &host->resolver), 0);
}

static inline void test_host_fini(struct test_host *host)
{
	aion_resolver_destroy(host->resolver);
}

#define TEST_HOST(name)                                                                                                \
	__attribute__((cleanup(test_host_fini))) struct test_host name;                                                \
	test_host_init(&name)

/* Whether there is a ::1 here. */
static inline bool test_has_ip6(void)
{
	struct aion_address address = test_ip("::1", 0);
	int64_t fd = aion_socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_bound = fd >= 0 && aion_bind((int)fd, &address.any, address.size) == 0;

	if (fd >= 0)
		aion_close((int)fd);
	return is_bound;
}

#define TEST_NEEDS_IP6()                                                                                               \
	do {                                                                                                           \
		if (!test_has_ip6())                                                                                   \
			cr_skip_test("this machine has no ::1");                                                       \
	} while (0)

#endif
