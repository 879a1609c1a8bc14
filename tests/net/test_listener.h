/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_LISTENER_H
#define AION_TEST_LISTENER_H
/* What the tests of accepting and of listeners share: clients, and places to listen at. All by the ring, so that they are
 * the simulated machine's where there is one. */
#include <sys/resource.h>
#include <sys/socket.h>

#include "test_file.h"

/* A name of this process's own that leaves no file. */
static inline struct aion_address listen_unix(void)
{
	static unsigned nr;
	struct aion_address address;
	char name[64];
	int size = snprintf(name, sizeof(name), "aion-test-%d-%u", (int)getpid(), nr++);

	cr_assert_eq(aion_address_abstract(name, (size_t)size, &address), 0);
	return address;
}

static inline struct aion_address listen_tcp(void)
{
	struct aion_address address;

	cr_assert_eq(aion_address_parse("127.0.0.1:0", 0, &address), 0);
	return address;
}

/* A listening socket; the address becomes the one to connect to. */
static inline int listen_at(struct aion_address *address, int backlog)
{
	int64_t fd = aion_socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_bind((int)fd, &address->any, address->size), 0);
	assert_result(aion_listen((int)fd, backlog), 0);
	assert_result(aion_address_of((int)fd, address), 0);
	return (int)fd;
}

/* A client that is connected, or -errno. */
static inline int64_t client_try(const struct aion_address *address)
{
	int64_t fd = aion_socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t result;

	if (fd < 0)
		return fd;
	result = aion_connect((int)fd, &address->any, address->size);
	if (result < 0)
		aion_close((int)fd);
	return result < 0 ? result : fd;
}

static inline int client_open(const struct aion_address *address)
{
	int64_t fd = client_try(address);

	cr_assert_geq(fd, 0, "connect: %s", strerror((int)-fd));
	return (int)fd;
}

/* The other side has gone. */
static inline bool client_is_sent_away(int fd)
{
	char c;
	int64_t result = test_again(aion_recv(fd, &c, 1, 0));

	return result == 0 || result == -ECONNRESET;
}

/* That this client and that server are the ends of one connection. */
static inline void assert_connected(int client, int server, unsigned char sign)
{
	unsigned char got = 0;

	assert_result(test_again(aion_send(client, &sign, 1, 0)), 1);
	assert_result(test_again(aion_recv(server, &got, 1, 0)), 1);
	cr_assert_eq(got, sign);
}

static inline void close_all(int *fds, int nr)
{
	for (int i = 0; i < nr; i++)
		assert_result(aion_close(fds[i]), 0);
}

/* No descriptors above those that are open now but nr. */
static inline void descriptors_limit(int nr)
{
	struct rlimit limit;
	int end = dup(0);

	cr_assert_geq(end, 0);
	close(end);
	while (nr)
		nr -= fcntl(end++, F_GETFD) < 0; /* others' threads may have left a hole */
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)end;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static inline void descriptors_unlimit(void)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

#endif
