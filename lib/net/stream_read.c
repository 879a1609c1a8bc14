/* SPDX-License-Identifier: MIT */
/* Reading from a stream: as much as there is, so many bytes, up to a delimiter. */
#include <errno.h>
#include <string.h>

#include <aion/stream_read.h>

#include "stream_int.h"

static size_t size_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void set_done(size_t *ret_done, size_t done)
{
	if (ret_done)
		*ret_done = done;
}

/* So many bytes of the buffer are the caller's now. */
static void in_take(struct aion_stream *stream, size_t size)
{
	stream->begin += size;
	if (stream->looked < stream->begin)
		stream->looked = stream->begin;
}

static size_t in_copy(struct aion_stream *stream, void *buf, size_t size)
{
	size = size_min(size, aion__stream_held(stream));
	memcpy(buf, stream->data + stream->begin, size);
	in_take(stream, size);
	return size;
}

/* Bytes, 0 only at the end. */
static AION_SUSPENDS int64_t read_some(struct aion_stream *stream, void *buf, size_t size)
{
	int64_t result;

	if (!aion__stream_held(stream)) {
		if (size >= AION_STREAM_SMALL_SIZE)
			return aion__stream_pull(stream, buf, size);
		result = aion__stream_fill(stream, 1);
		if (result <= 0)
			return result;
	}
	return (int64_t)in_copy(stream, buf, size);
}

int64_t aion_stream_read(struct aion_stream *stream, void *buf, size_t size)
{
	int64_t result = aion__stream_begin(stream, false);

	if (result < 0 || !size)
		return result;
	result = read_some(stream, buf, size);
	if (stream->state == AION__STREAM_OPEN && !aion__stream_held(stream))
		aion__stream_in_drop(stream);
	return result;
}

int64_t aion_stream_read_exact(struct aion_stream *stream, void *buf, size_t size, size_t *ret_done)
{
	int64_t result = aion__stream_begin(stream, false);
	size_t done = 0;

	while (result >= 0 && done < size) {
		result = read_some(stream, (char *)buf + done, size - done);
		if (result == 0)
			result = -ENODATA;
		if (result > 0)
			done += (size_t)result;
		if (stream->state == AION__STREAM_DEAD && done < size)
			result = -EBADF;
	}
	set_done(ret_done, done);
	return result < 0 ? result : 0;
}

int64_t aion_stream_skip(struct aion_stream *stream, size_t size, size_t *ret_done)
{
	int64_t result = aion__stream_begin(stream, false);
	size_t done = 0, part;

	while (result >= 0 && done < size) {
		part = size_min(size - done, aion__stream_held(stream));
		in_take(stream, part);
		done += part;
		if (done == size)
			break;
		result = aion__stream_fill(stream, 1);
		if (result == 0)
			result = -ENODATA;
	}
	set_done(ret_done, done);
	return result < 0 ? result : 0;
}

/* ---- looking */

static struct aion_stream_view in_view(struct aion_stream *stream, size_t size)
{
	return (struct aion_stream_view){stream->data + stream->begin, size};
}

int64_t aion_stream_peek(struct aion_stream *stream, size_t size, struct aion_stream_view *ret_view)
{
	int64_t result = aion__stream_begin(stream, false);

	if (result >= 0 && size > stream->options.limit)
		return -EMSGSIZE;
	while (result >= 0 && aion__stream_held(stream) < size) {
		result = aion__stream_fill(stream, size);
		if (result == 0)
			break;
	}
	if (result < 0)
		return result;
	*ret_view = in_view(stream, aion__stream_held(stream));
	return (int64_t)ret_view->size;
}

int64_t aion_stream_buffered(struct aion_stream *stream, struct aion_stream_view *ret_view)
{
	if (stream->state != AION__STREAM_OPEN)
		return -EBADF;
	if (stream->read_scope)
		return -EALREADY;
	if (ret_view)
		*ret_view = in_view(stream, aion__stream_held(stream));
	return (int64_t)aion__stream_held(stream);
}

int aion_stream_consume(struct aion_stream *stream, size_t size)
{
	int64_t held = aion_stream_buffered(stream, NULL);

	if (held < 0)
		return (int)held;
	if (size > (size_t)held)
		return -EINVAL;
	in_take(stream, size);
	return 0;
}

bool aion_stream_at_eof(const struct aion_stream *stream)
{
	return stream->state != AION__STREAM_CLOSED && stream->has_ended && !aion__stream_held(stream);
}

/* ---- delimiters */

/* A short delimiter as a number, so that a search that was broken off goes on where it was; 0: a long one. */
static uint64_t looked_key(const void *delimiter, size_t delimiter_size)
{
	uint64_t key = 0;

	if (delimiter_size >= sizeof(key))
		return 0;
	memcpy(&key, delimiter, delimiter_size);
	return key | (uint64_t)delimiter_size << 56;
}

static void search_begin(struct aion_stream *stream, const void *delimiter, size_t delimiter_size)
{
	uint64_t key = looked_key(delimiter, delimiter_size);

	if (!key || key != stream->looked_key)
		stream->looked = stream->begin;
	stream->looked_key = key;
}

/* Where the delimiter is, in bytes from what is held; else no delimiter begins before looked. */
static bool search(struct aion_stream *stream, const void *delimiter, size_t delimiter_size, size_t *ret_off)
{
	const char *from = stream->data + stream->looked, *place;
	size_t size = stream->end - stream->looked;

	AION_ASSERT(stream->looked >= stream->begin && stream->looked <= stream->end);
	if (size < delimiter_size)
		return false;
	place = delimiter_size == 1 ? memchr(from, *(const char *)delimiter, size)
				    : memmem(from, size, delimiter, delimiter_size);
	stream->looked = place ? (size_t)(place - stream->data) : stream->end - delimiter_size + 1;
	if (place)
		*ret_off = stream->looked - stream->begin;
	return place;
}

/* The bytes before the delimiter; they are not taken. 1; 0 at the end, without one; or an error. */
static AION_SUSPENDS int64_t until(struct aion_stream *stream, const void *delimiter, size_t delimiter_size,
				   size_t *ret_off)
{
	int64_t result;

	search_begin(stream, delimiter, delimiter_size);
	while (!search(stream, delimiter, delimiter_size, ret_off)) {
		if (stream->looked - stream->begin > stream->options.limit)
			return -EMSGSIZE;
		result = aion__stream_fill(stream, aion__stream_held(stream) + 1);
		if (result <= 0)
			return result;
	}
	return *ret_off > stream->options.limit ? -EMSGSIZE : 1;
}

int64_t aion_stream_read_until(struct aion_stream *stream, const void *delimiter, size_t delimiter_size,
			       struct aion_stream_view *ret_view)
{
	int64_t result = aion__stream_begin(stream, false);
	size_t off;

	if (result < 0)
		return result;
	if (!delimiter_size || delimiter_size > AION_STREAM_DELIMITER_MAX)
		return -EINVAL;
	result = until(stream, delimiter, delimiter_size, &off);
	if (result == 0 && aion__stream_held(stream))
		return -ENODATA;
	if (result <= 0)
		return result;
	*ret_view = in_view(stream, off);
	in_take(stream, off + delimiter_size);
	return (int64_t)(off + delimiter_size);
}

int64_t aion_stream_read_line(struct aion_stream *stream, struct aion_stream_view *ret_view)
{
	int64_t result = aion__stream_begin(stream, false);
	struct aion_stream_view line;
	size_t size, taken;

	if (result >= 0)
		result = until(stream, "\n", 1, &size);
	if (result < 0)
		return result;
	if (result == 0) /* the last line, without an end */
		size = aion__stream_held(stream);
	taken = size + (result > 0);
	if (!taken)
		return 0;
	/* Where the end was read there was room for one more byte. */
	AION_ASSERT(stream->begin + size < stream->room);
	line = in_view(stream, size);
	in_take(stream, taken);
	if (taken > size && size && line.data[size - 1] == '\r')
		line.size--;
	line.data[line.size] = '\0';
	*ret_view = line;
	return (int64_t)taken;
}
