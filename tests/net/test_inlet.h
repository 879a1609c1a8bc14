/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_INLET_H
#define AION_TEST_INLET_H
/* Connected sockets of the process's own, whose other end is written by plain calls; bytes that say where they are. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "test_file.h"
#include "test_task.h"

#include "op_group_int.h"
#include "op_inlet_int.h"

struct test_pair {
	int fds[2];
};

static inline struct test_pair test_pair_unix(void)
{
	struct test_pair pair;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.fds), 0);
	return pair;
}

static inline struct test_pair test_pair_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct test_pair pair;

	cr_assert_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	pair.fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(pair.fds[1], (struct sockaddr *)&address, size), 0);
	pair.fds[0] = accept(listener, NULL, NULL);
	cr_assert_geq(pair.fds[0], 0);
	close(listener);
	return pair;
}

static inline void test_pair_close(struct test_pair pair)
{
	close(pair.fds[0]);
	close(pair.fds[1]);
}

/* The other side says something. */
static inline void test_say(struct test_pair pair, const char *text)
{
	cr_assert_eq(send(pair.fds[1], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The other side sends size bytes of the test's stream, from off on; returns how many there was room for. */
static inline size_t test_pour(struct test_pair pair, size_t off, size_t size)
{
	char piece[4096];
	size_t done = 0;

	while (done < size) {
		size_t want = size - done < sizeof(piece) ? size - done : sizeof(piece);
		ssize_t sent;

		test_fill(piece, want, off + done);
		sent = send(pair.fds[1], piece, want, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent <= 0)
			break;
		done += (size_t)sent;
	}
	return done;
}

/* The next bytes are these, in however many pieces. */
static inline void test_hear(struct aion_inlet *inlet, const char *text)
{
	size_t size = strlen(text), done = 0;
	char heard[256];

	while (done < size) {
		int64_t result = aion_inlet_read(inlet, heard + done, size - done);

		cr_assert_gt(result, 0, "%lld", (long long)result);
		done += (size_t)result;
	}
	cr_assert_eq(memcmp(heard, text, size), 0);
}

static inline struct aion__buffer_group *test_group(enum aion__group_size size)
{
	return &aion__engine->buffer_groups[size];
}

/* What the kernel is to do by itself has been done. */
static inline void test_let_come(void)
{
	aion_sleep(3 * AION_MILLISECOND);
}

#endif
