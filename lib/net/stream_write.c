/* SPDX-License-Identifier: MIT */
/*
 * Writing to a stream. What is taken is copied behind what has not gone out yet, as long as both are within write_size;
 * else both are written, in one vector, and nothing is copied.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <aion/stream_write.h>

#include "alloc_int.h"
#include "stream_int.h"

#define ROOM_FIRST ((size_t)512) /* bytes: of the smallest buffer */
#define BATCH_NR 16              /* vectors written at once */

/* ---- the buffer */

void aion__stream_out_drop(struct aion_stream *stream)
{
	aion__free(stream->out);
	stream->out = NULL;
	stream->out_room = stream->out_begin = stream->out_end = 0;
}

/* Room for so many bytes more. 0 or -ENOMEM. */
static int out_reserve(struct aion_stream *stream, size_t size)
{
	size_t unwritten = aion__stream_unwritten(stream);
	size_t room = stream->out_room ? stream->out_room : ROOM_FIRST;
	char *out = stream->out;

	if (stream->out_end + size <= stream->out_room)
		return 0;
	AION_ASSERT(unwritten + size <= stream->options.write_size);
	while (room < unwritten + size)
		room *= 2;
	if (room > stream->options.write_size)
		room = stream->options.write_size;
	if (room != stream->out_room) {
		out = aion__alloc(room);
		if (!out)
			return -ENOMEM;
	}
	if (unwritten)
		memmove(out, stream->out + stream->out_begin, unwritten);
	if (out != stream->out)
		aion__free(stream->out);
	stream->out = out;
	stream->out_room = room;
	stream->out_begin = 0;
	stream->out_end = unwritten;
	return 0;
}

static void out_add(struct aion_stream *stream, const void *data, size_t size)
{
	if (size)
		memcpy(stream->out + stream->out_end, data, size);
	stream->out_end += size;
}

static bool out_fits(const struct aion_stream *stream, size_t size)
{
	return size <= stream->options.write_size &&
	       aion__stream_unwritten(stream) <= stream->options.write_size - size;
}

/* ---- what goes out */

/* Vectors that are left to be written: the first one without its first `part` bytes. */
struct rest {
	const struct iovec *iov;
	int iov_nr;
	size_t part;
};

static void rest_advance(struct rest *rest, size_t size)
{
	rest->part += size;
	while (rest->iov_nr && rest->part >= rest->iov->iov_len) {
		rest->part -= rest->iov->iov_len;
		rest->iov++;
		rest->iov_nr--;
	}
}

/* What was taken, and the first of the rest. How many vectors that are. */
static int batch_make(const struct aion_stream *stream, const struct rest *rest, struct iovec *batch)
{
	size_t part = rest->part;
	int nr = 0;

	if (aion__stream_unwritten(stream))
		batch[nr++] = (struct iovec){stream->out + stream->out_begin, aion__stream_unwritten(stream)};
	for (int i = 0; i < rest->iov_nr && nr < BATCH_NR; i++, part = 0) {
		batch[nr] = (struct iovec){(char *)rest->iov[i].iov_base + part, rest->iov[i].iov_len - part};
		nr += batch[nr].iov_len > 0;
	}
	return nr;
}

/* So many bytes of a batch have gone out. How many of them were the vectors'. */
static size_t batch_advance(struct aion_stream *stream, struct rest *rest, size_t size)
{
	size_t unwritten = aion__stream_unwritten(stream);
	size_t own = size < unwritten ? size : unwritten;

	stream->out_begin += own;
	if (own == unwritten)
		aion__stream_out_drop(stream);
	rest_advance(rest, size - own);
	return size - own;
}

/* The bytes that were taken could go out after these. */
static bool is_passing(int64_t error)
{
	return error == -ECANCELED || error == -ENOMEM || error == -EAGAIN || error == -EBUSY || error == -ECHILD ||
	       error == -ENOBUFS;
}

static AION_SUSPENDS int64_t push_inside(struct aion_stream *stream, struct rest *rest, size_t *done)
{
	struct iovec batch[BATCH_NR];
	int64_t result = 0;
	int nr;

	while ((nr = batch_make(stream, rest, batch)) > 0) {
		result = stream->transport->writev(stream->arg, batch, nr);
		if (result == -EINTR && stream->state != AION__STREAM_DEAD)
			continue;
		if (result == 0)
			result = -EIO;
		if (result < 0)
			break;
		*done += batch_advance(stream, rest, (size_t)result);
	}
	return result < 0 ? result : 0;
}

int64_t aion__stream_push(struct aion_stream *stream, const struct iovec *iov, int iov_nr, size_t *done)
{
	struct rest rest = {iov, iov_nr, 0};
	struct aion__stream_stay stay;
	size_t unwanted = 0;
	int64_t result;

	rest_advance(&rest, 0);
	if (!rest.iov_nr && !aion__stream_unwritten(stream))
		return 0;
	aion__stream_enter(&stay, stream, true);
	result = push_inside(stream, &rest, done ? done : &unwanted);
	if (result < 0 && !is_passing(result)) {
		stream->write_error = (int32_t)result;
		aion__stream_out_drop(stream);
	}
	if (result < 0)
		return aion__stream_leave(&stay, result);
	aion__stream_leave(&stay, 1);
	return 0;
}

int64_t aion__stream_push_first(struct aion_stream *stream)
{
	int64_t result;

	if (!stream->options.flushes_first || !aion__stream_unwritten(stream) || stream->write_scope)
		return 0;
	result = aion__stream_push(stream, NULL, 0, NULL);
	return result == -ECANCELED ? result : 0;
}

/* ---- what the caller calls */

/* Whether a call may begin that takes bytes. */
static AION_SUSPENDS int64_t write_begin(struct aion_stream *stream)
{
	int64_t result = aion__stream_begin(stream, true);

	if (result >= 0 && stream->has_shutdown)
		return -ESHUTDOWN;
	return result < 0 ? result : stream->write_error;
}

static AION_SUSPENDS int64_t write_vectors(struct aion_stream *stream, const struct iovec *iov, int iov_nr,
					   size_t *done)
{
	int64_t result = write_begin(stream);
	size_t size = 0;

	if (result < 0)
		return result;
	if (iov_nr < 0)
		return -EINVAL;
	for (int i = 0; i < iov_nr; i++)
		size += iov[i].iov_len;
	if (!out_fits(stream, size) || out_reserve(stream, size) < 0)
		return aion__stream_push(stream, iov, iov_nr, done);
	for (int i = 0; i < iov_nr; i++)
		out_add(stream, iov[i].iov_base, iov[i].iov_len);
	*done = size;
	return 0;
}

int64_t aion_stream_writev(struct aion_stream *stream, const struct iovec *iov, int iov_nr, size_t *ret_done)
{
	size_t done = 0;
	int64_t result = write_vectors(stream, iov, iov_nr, &done);

	if (ret_done)
		*ret_done = done;
	return result;
}

int64_t aion_stream_write(struct aion_stream *stream, const void *buf, size_t size, size_t *ret_done)
{
	struct iovec iov = {(void *)buf, size};

	return aion_stream_writev(stream, &iov, 1, ret_done);
}

int64_t aion_stream_flush(struct aion_stream *stream)
{
	int64_t result = aion__stream_begin(stream, true);

	if (result < 0)
		return result;
	return stream->write_error ? stream->write_error : aion__stream_push(stream, NULL, 0, NULL);
}

int64_t aion_stream_write_eof(struct aion_stream *stream)
{
	struct aion__stream_stay stay;
	int64_t result = aion__stream_begin(stream, true);

	if (result < 0 || stream->has_shutdown)
		return result;
	if (!stream->transport->write_eof)
		return -EOPNOTSUPP;
	result = stream->write_error ? stream->write_error : aion__stream_push(stream, NULL, 0, NULL);
	if (result < 0)
		return result;
	if (stream->state != AION__STREAM_OPEN)
		return -EBADF;
	aion__stream_enter(&stay, stream, true);
	result = stream->transport->write_eof(stream->arg);
	stream->has_shutdown = result >= 0;
	result = aion__stream_leave(&stay, result < 0 ? result : 1);
	return result < 0 ? result : 0;
}

size_t aion_stream_unwritten_size(const struct aion_stream *stream)
{
	return aion__stream_unwritten(stream);
}

/* ---- text */

/* All of it, or nothing: it goes into the buffer as a whole. */
static AION_SUSPENDS int64_t write_text(struct aion_stream *stream, const char *text, size_t size)
{
	int64_t result;

	result = out_fits(stream, size) ? 0 : aion__stream_push(stream, NULL, 0, NULL);
	if (result >= 0 && stream->state != AION__STREAM_OPEN)
		result = -EBADF;
	if (result >= 0)
		result = out_reserve(stream, size);
	if (result < 0)
		return result;
	out_add(stream, text, size);
	return (int64_t)size;
}

/* Into the buffer: the text's size; if that is not below room nothing was taken; negative: printf(3) refuses. */
static int text_into_buffer(struct aion_stream *stream, size_t room, const char *format, va_list args)
{
	int saved = errno;
	int size = vsnprintf(room ? stream->out + stream->out_end : NULL, room, format, args);

	errno = saved;
	if (size >= 0 && (size_t)size < room)
		stream->out_end += (size_t)size;
	if (!aion__stream_unwritten(stream))
		aion__stream_out_drop(stream);
	return size;
}

/* With memory of its own. */
static AION_SUSPENDS int64_t text_by_itself(struct aion_stream *stream, size_t size, const char *format, va_list args)
{
	int saved = errno;
	int64_t result;
	char *text;

	if (size > stream->options.write_size)
		return -EMSGSIZE;
	text = aion__alloc(size + 1);
	if (!text)
		return -ENOMEM;
	vsnprintf(text, size + 1, format, args);
	errno = saved;
	result = write_text(stream, text, size);
	aion__free(text);
	return result;
}

int64_t aion_stream_vprintf(struct aion_stream *stream, const char *format, va_list args)
{
	int64_t result = write_begin(stream);
	size_t room = 0;
	va_list again;
	int size;

	if (result < 0)
		return result;
	if (out_fits(stream, stream->text_size) && out_reserve(stream, stream->text_size) == 0)
		room = stream->out_room - stream->out_end;
	va_copy(again, args);
	size = text_into_buffer(stream, room, format, args);
	if (size < 0)
		result = -EINVAL;
	else if ((size_t)size < room)
		result = size;
	else
		result = text_by_itself(stream, (size_t)size, format, again);
	va_end(again);
	if (size >= 0)
		stream->text_size = (size_t)size < AION__STREAM_TEXT_SIZE ? AION__STREAM_TEXT_SIZE : (size_t)size + 1;
	return result;
}

int64_t aion_stream_printf(struct aion_stream *stream, const char *format, ...)
{
	int64_t result;
	va_list args;

	va_start(args, format);
	result = aion_stream_vprintf(stream, format, args);
	va_end(args);
	return result;
}
