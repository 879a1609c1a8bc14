/* SPDX-License-Identifier: MIT */
/*
 * The buffer of what was read. Empty, it is the small one in the struct; a larger one is allocated when the stream
 * begins to read what does not fit there, and given back by the reading call that finds it empty. How much a read may
 * be expected to bring is learnt from those before: it doubles when a read fills its room, and halves when one leaves
 * most of it.
 */
#include <errno.h>
#include <string.h>

#include <aion/buffer.h>

#include "alloc_int.h"
#include "stream_int.h"

#define ROOM_FIRST ((size_t)4 << 10) /* bytes: of the smallest buffer that is allocated */

static void in_release(struct aion_stream *stream)
{
	if (stream->lent)
		aion_buffer_release(stream->lent);
	else if (stream->data != stream->small)
		aion__free(stream->data);
	stream->lent = NULL;
}

void aion__stream_in_drop(struct aion_stream *stream)
{
	in_release(stream);
	stream->data = stream->small;
	stream->room = sizeof(stream->small);
	stream->begin = stream->looked = stream->end = 0;
}

/* What is held moves to the beginning of `data`, which has that much room. */
static void in_move(struct aion_stream *stream, char *data, size_t room)
{
	size_t begin = stream->begin;

	memmove(data, stream->data + begin, stream->end - begin);
	if (data != stream->data)
		in_release(stream);
	stream->data = data;
	stream->room = room;
	stream->looked = stream->looked > begin ? stream->looked - begin : 0;
	stream->end -= begin;
	stream->begin = 0;
}

static size_t room_max(const struct aion_stream *stream)
{
	size_t max = stream->options.limit + AION_STREAM_DELIMITER_MAX;

	return max > stream->options.read_size ? max : stream->options.read_size;
}

/* A larger buffer, for `need` bytes and more. */
static int in_grow(struct aion_stream *stream, size_t need)
{
	size_t room = stream->room * 2 > stream->quantum ? stream->room * 2 : stream->quantum;
	size_t max = room_max(stream);
	char *data;

	if (room < need)
		room = need;
	if (room < ROOM_FIRST)
		room = ROOM_FIRST;
	if (room > max)
		room = max;
	data = room > stream->room ? aion__alloc(room) : NULL;
	if (!data)
		return -ENOMEM;
	in_move(stream, data, room);
	return 0;
}

/* Bytes are moved only when at least as many were taken since, or when the buffer cannot grow, once a message: so
 * moving costs no more than a few copies of each byte. */
int aion__stream_make_room(struct aion_stream *stream, size_t need)
{
	size_t tail_min = stream->room / 4 < stream->quantum ? stream->room / 4 : stream->quantum;

	AION_ASSERT(need > aion__stream_held(stream) && need <= room_max(stream));
	if (stream->begin + need <= stream->room && stream->room - stream->end >= tail_min)
		return 0;
	if (stream->begin >= stream->room / 2) {
		in_move(stream, stream->data, stream->room);
		if (need <= stream->room)
			return 0;
	}
	if (in_grow(stream, need) == 0)
		return 0;
	if (stream->begin + need > stream->room)
		in_move(stream, stream->data, stream->room);
	return need <= stream->room ? 0 : -ENOMEM;
}

/* Before the first byte of a message, which may take its time. 0, or an error. */
static AION_SUSPENDS int64_t in_prepare_empty(struct aion_stream *stream, size_t need)
{
	int64_t result;

	aion__stream_in_drop(stream);
	if (need <= stream->room && (stream->quantum <= stream->room || !stream->transport->wait))
		return 0;
	if (stream->transport->wait) {
		do
			result = stream->transport->wait(stream->arg);
		while (result == -EINTR && stream->state != AION__STREAM_DEAD);
		if (result < 0)
			return result;
	}
	/* Without memory the small one does as well, if what is wanted fits. */
	result = in_grow(stream, need);
	return need <= stream->room ? 0 : result;
}

/* What a connection has lent is not kept while more is waited for: all connections share its buffers, and where there
 * are no more, who holds one is given none. Without memory it is kept all the same. */
static int in_return_lent(struct aion_stream *stream, size_t need)
{
	size_t room = 2 * aion__stream_held(stream), max = room_max(stream);
	char *data;

	if (room < stream->quantum)
		room = stream->quantum;
	if (room < ROOM_FIRST)
		room = ROOM_FIRST;
	if (room > max)
		room = max;
	if (room < need)
		room = need;
	data = aion__alloc(room);
	if (!data)
		return -ENOMEM;
	in_move(stream, data, room);
	return 0;
}

static AION_SUSPENDS int64_t in_prepare(struct aion_stream *stream, size_t need)
{
	if (!aion__stream_held(stream))
		return in_prepare_empty(stream, need);
	/* Little is held of what comes in small pieces: no need for a large buffer. */
	if (stream->data != stream->small && need <= sizeof(stream->small) / 2 &&
	    stream->quantum <= sizeof(stream->small))
		in_move(stream, stream->small, sizeof(stream->small));
	else if (stream->lent && in_return_lent(stream, need) == 0)
		return 0;
	return aion__stream_make_room(stream, need);
}

static void quantum_learn(struct aion_stream *stream, size_t size, size_t room)
{
	size_t quantum = stream->quantum;

	if (size == room && room >= quantum) {
		quantum = quantum * 2 < ROOM_FIRST ? ROOM_FIRST : quantum * 2;
		if (quantum > stream->options.read_size)
			quantum = stream->options.read_size;
	} else if (size < room && size < quantum / 4) {
		quantum /= 2;
		if (quantum < ROOM_FIRST)
			quantum = sizeof(stream->small);
	}
	stream->quantum = quantum;
}

/* Bytes; 0 at the end; or an error. */
static AION_SUSPENDS int64_t transport_read(struct aion_stream *stream, void *buf, size_t size)
{
	int64_t result;

	AION_ASSERT(size);
	do
		result = stream->transport->read(stream->arg, buf, size);
	while (result == -EINTR && stream->state != AION__STREAM_DEAD);
	AION_BUG_ON(result > (int64_t)size, "a stream's transport has read more than it was asked for");
	stream->has_ended = result == 0;
	return result;
}

int64_t aion__stream_pull(struct aion_stream *stream, void *buf, size_t size)
{
	struct aion__stream_stay stay;
	int64_t result;

	if (stream->has_ended)
		return 0;
	aion__stream_in_drop(stream);
	aion__stream_enter(&stay, stream, false);
	result = aion__stream_push_first(stream);
	if (result >= 0)
		result = transport_read(stream, buf, size);
	return aion__stream_leave(&stay, result);
}

/* What the transport lends becomes the buffer. */
static AION_SUSPENDS int64_t fill_by_loan(struct aion_stream *stream)
{
	struct aion_buffer *lent;
	int64_t result;

	aion__stream_in_drop(stream);
	result = stream->transport->try_recv(stream->arg, &lent);
	if (result == -EAGAIN) {
		result = aion__stream_push_first(stream);
		if (result < 0)
			return result;
		do
			result = stream->transport->recv(stream->arg, &lent);
		while (result == -EINTR && stream->state != AION__STREAM_DEAD);
	}
	stream->has_ended = result == 0;
	if (result <= 0)
		return result;
	stream->lent = lent;
	stream->data = lent->data;
	stream->room = stream->end = (size_t)result;
	return result;
}

static AION_SUSPENDS int64_t fill_by_read(struct aion_stream *stream, size_t need)
{
	int64_t result = aion__stream_push_first(stream);
	size_t room;

	if (result >= 0)
		result = in_prepare(stream, need);
	if (result < 0)
		return result;
	room = stream->room - stream->end;
	if (room > stream->options.read_size)
		room = stream->options.read_size;
	result = transport_read(stream, stream->data + stream->end, room);
	if (result <= 0)
		return result;
	stream->end += (size_t)result;
	quantum_learn(stream, (size_t)result, room);
	return result;
}

int64_t aion__stream_fill(struct aion_stream *stream, size_t need)
{
	struct aion__stream_stay stay;
	int64_t result;

	if (stream->has_ended)
		return 0;
	aion__stream_enter(&stay, stream, false);
	if (stream->transport->recv && !aion__stream_held(stream))
		result = fill_by_loan(stream);
	else
		result = fill_by_read(stream, need);
	result = aion__stream_leave(&stay, result);
	/* Whoever closes it is about to take the buffer away. */
	return stream->state == AION__STREAM_DEAD ? -EBADF : result;
}
