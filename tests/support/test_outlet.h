/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_OUTLET_H
#define AION_TEST_OUTLET_H
/* For tests of outlets: connected pairs, peers that read. */
#include <netinet/in.h>
#include <sys/socket.h>

#include <aion/outlet.h>

#include "test_file.h"
#include "test_task.h"

/* A connection over the loopback, of the process's own. */
static inline void outlet_tcp_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);

	cr_assert_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(fds[0], (struct sockaddr *)&address, size), 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(fds[1], 0);
	close(listener);
}

static inline void outlet_unix_pair(int fds[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* A pair that holds little: what is more than that has to wait for the reader. */
static inline void outlet_narrow_pair(int fds[2])
{
	int size = 4096;

	outlet_unix_pair(fds);
	cr_assert_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

/* What stands at an offset of the stream. */
static inline char outlet_byte(uint64_t off)
{
	return (char)((off * 2654435761U) >> 13);
}

static inline char *outlet_bytes(uint64_t off, size_t size)
{
	char *bytes = malloc(size + 1);

	cr_assert(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = outlet_byte(off + i);
	return bytes;
}

/* Reads size bytes, which have to be those of the stream from `off` on; `size` of SIZE_MAX: until the end. Returns how
 * many came. */
static inline uint64_t outlet_expect(int fd, uint64_t off, size_t size)
{
	static __thread char buf[65536];
	size_t done = 0;

	while (done < size) {
		size_t left = size - done;
		int64_t got = aion_read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (got == -EINTR)
			continue;
		if (got == 0 && size == SIZE_MAX)
			break;
		cr_assert_gt(got, 0, "after %zu bytes of %zu: %s", done, size, got ? strerror((int)-got) : "end");
		for (int64_t i = 0; i < got; i++)
			cr_assert_eq(buf[i], outlet_byte(off + done + (uint64_t)i), "byte %zu is another one",
				     done + (size_t)i);
		done += (size_t)got;
	}
	return done;
}

struct outlet_peer {
	int fd;
	uint64_t off;
	size_t size;
	int64_t delay_ns; /* before each read of 4096 bytes; 0: all at once */
	uint64_t got;
};

/* A task: the peer reads. */
static inline int64_t outlet_read(void *arg)
{
	struct outlet_peer *peer = arg;

	while (peer->delay_ns && peer->size) {
		size_t part = peer->size < 4096 ? peer->size : 4096;

		aion_sleep(peer->delay_ns);
		peer->got += outlet_expect(peer->fd, peer->off, part);
		peer->off += part;
		peer->size -= part;
	}
	peer->got += outlet_expect(peer->fd, peer->off, peer->size);
	return 0;
}

/* Closed with a reset: what is sent to it or has not been read is lost. */
static inline void outlet_reset(int fd)
{
	struct linger linger = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* Counts how often given memory has been let go. */
static inline void outlet_count_release(void *arg)
{
	++*(int *)arg;
}

#endif
