/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_STREAM_H
#define AION_TEST_STREAM_H
/* For tests of streams: pairs of connected sockets, and a transport in memory that does as it is told. */
#include <sys/socket.h>

#include "test_file.h"
#include "test_order.h"

static inline void test_stream_pair(int fds[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* Give the other end so many bytes, at once. */
static inline void test_feed(int fd, const char *text)
{
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* What the other end has got. */
#define assert_received(fd, text)                                                                                      \
	do {                                                                                                           \
		char got_[1000] = "";                                                                                  \
		ssize_t n_ = recv(fd, got_, sizeof(got_) - 1, MSG_DONTWAIT);                                           \
		cr_assert(n_ == (ssize_t)strlen(text) && strcmp(got_, text) == 0, "received \"%s\", not \"%s\"", got_, \
			  text);                                                                                       \
	} while (0)

#define assert_view(view, text)                                                                                        \
	cr_assert((view).size == strlen(text) && memcmp((view).data, text, (view).size) == 0, "it is \"%.*s\"",        \
		  (int)(view).size, (view).data)

/* ---- a transport in memory */

struct test_wire {
	const char *input; /* what there is to be read */
	size_t input_size, input_at;
	size_t read_max;    /* bytes that one read gives at most; 0: no limit */
	int64_t read_error; /* given once, when input is used up */
	char *output;
	size_t output_room, output_at;
	size_t write_max;
	int64_t write_error; /* of every write, once output is full */
	uint64_t random;     /* not 0: pieces are of random sizes, and it suspends and is interrupted now and then */
	bool blocks;         /* reads without input, and writes without room, wait until they are cancelled */
	unsigned inside_nr;  /* tasks that are in a function of it */
	unsigned read_nr, wait_nr, write_nr, eof_nr, close_nr;
};

static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline size_t wire_piece(struct test_wire *wire, size_t size, size_t max)
{
	if (max && size > max)
		size = max;
	if (wire->random && size > 1 && test_random(&wire->random) % 3)
		size = 1 + test_random(&wire->random) % size;
	if (wire->random && size > 9 && test_random(&wire->random) % 2)
		size = 1 + test_random(&wire->random) % 9;
	return size;
}

static inline int64_t wire_block(struct test_wire *wire)
{
	int64_t result;

	wire->inside_nr++;
	result = aion_sleep_until(AION_NEVER);
	wire->inside_nr--;
	return result;
}

/* Something that may be in the way. */
static inline int64_t wire_trouble(struct test_wire *wire)
{
	int64_t result = aion_checkpoint();

	if (result < 0 || !wire->random)
		return result;
	if (test_random(&wire->random) % 2)
		result = aion_yield();
	if (result >= 0 && test_random(&wire->random) % 8 == 0)
		result = -EINTR;
	return result;
}

static inline int64_t wire_read(void *arg, void *buf, size_t size)
{
	struct test_wire *wire = arg;
	int64_t result = wire_trouble(wire);

	wire->read_nr++;
	if (result < 0)
		return result;
	if (wire->input_at == wire->input_size && wire->blocks)
		return wire_block(wire);
	if (wire->input_at == wire->input_size) {
		result = wire->read_error;
		wire->read_error = 0;
		return result;
	}
	if (size > wire->input_size - wire->input_at)
		size = wire->input_size - wire->input_at;
	size = wire_piece(wire, size, wire->read_max);
	memcpy(buf, wire->input + wire->input_at, size);
	wire->input_at += size;
	return (int64_t)size;
}

static inline int64_t wire_wait(void *arg)
{
	struct test_wire *wire = arg;

	wire->wait_nr++;
	return wire_trouble(wire);
}

static inline int64_t wire_writev(void *arg, const struct iovec *iov, int iov_nr)
{
	struct test_wire *wire = arg;
	int64_t result = wire_trouble(wire);
	size_t size = 0, left, part;

	wire->write_nr++;
	if (result < 0)
		return result;
	for (int i = 0; i < iov_nr; i++)
		size += iov[i].iov_len;
	cr_assert_gt(size, 0);
	if (wire->output_at == wire->output_room)
		return wire->blocks ? wire_block(wire) : wire->write_error;
	if (size > wire->output_room - wire->output_at)
		size = wire->output_room - wire->output_at;
	size = left = wire_piece(wire, size, wire->write_max);
	for (int i = 0; left; i++, left -= part) {
		part = left < iov[i].iov_len ? left : iov[i].iov_len;
		memcpy(wire->output + wire->output_at, iov[i].iov_base, part);
		wire->output_at += part;
	}
	return (int64_t)size;
}

static inline int64_t wire_eof(void *arg)
{
	((struct test_wire *)arg)->eof_nr++;
	return 0;
}

static inline int64_t wire_close(void *arg)
{
	struct test_wire *wire = arg;

	cr_assert_eq(wire->inside_nr, 0, "closed under a task that is inside");
	wire->close_nr++;
	return 0;
}

__attribute__((unused)) static const struct aion_stream_transport wire_transport = {
	.read = wire_read,
	.wait = wire_wait,
	.writev = wire_writev,
	.write_eof = wire_eof,
	.close = wire_close,
};

#endif
