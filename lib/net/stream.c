/* SPDX-License-Identifier: MIT */
/* Streams: open, close, and who is inside. */
#include <errno.h>
#include <string.h>

#include <aion/future.h>
#include <aion/stream.h>

#include "closers_int.h"
#include "stream_int.h"

#define SIZE_DEFAULT ((size_t)64 << 10) /* bytes */
#define SIZE_MAX_OPTION ((size_t)1 << 30)
#define CLOSE_DEFAULT_NS (2 * AION_SECOND)

static void size_default(size_t *size)
{
	if (!*size)
		*size = SIZE_DEFAULT;
}

int aion_stream_open_transport(struct aion_stream *stream, const struct aion_stream_transport *transport, void *arg,
			       const struct aion_stream_options *options)
{
	struct aion_stream_options chosen = options ? *options : (struct aion_stream_options){0};

	AION_BUG_ON(stream->state != AION__STREAM_CLOSED, "a stream is opened that is open");
	if (chosen.limit > SIZE_MAX_OPTION || chosen.read_size > SIZE_MAX_OPTION || chosen.write_size > SIZE_MAX_OPTION)
		return -EINVAL;
	size_default(&chosen.limit);
	size_default(&chosen.read_size);
	size_default(&chosen.write_size);
	if (!chosen.close_ns)
		chosen.close_ns = CLOSE_DEFAULT_NS;
	memset(stream, 0, offsetof(struct aion_stream, small));
	stream->transport = transport;
	stream->arg = arg;
	stream->options = chosen;
	stream->read_fd = stream->write_fd = -1;
	stream->data = stream->small;
	stream->room = stream->quantum = sizeof(stream->small);
	stream->text_size = AION__STREAM_TEXT_SIZE;
	stream->state = AION__STREAM_OPEN;
	return 0;
}

int aion_stream_open_pair(struct aion_stream *stream, int read_fd, int write_fd,
			  const struct aion_stream_options *options)
{
	int result = aion_stream_open_transport(stream, &aion__stream_fd_transport, stream, options);

	if (result < 0)
		return result;
	stream->read_fd = read_fd;
	stream->write_fd = write_fd;
	return 0;
}

int aion_stream_open(struct aion_stream *stream, int fd, const struct aion_stream_options *options)
{
	return aion_stream_open_pair(stream, fd, fd, options);
}

/* ---- who is inside */

/* A side that was closed by a half-close is not missing: it is shut down. */
static bool side_is_missing(const struct aion_stream *stream, bool is_writing)
{
	if (stream->transport == &aion__stream_fd_transport)
		return is_writing ? stream->write_fd < 0 && !stream->has_shutdown : stream->read_fd < 0;
	return !(is_writing ? (void *)stream->transport->writev : (void *)stream->transport->read);
}

int aion__stream_begin(struct aion_stream *stream, bool is_writing)
{
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	if (stream->state != AION__STREAM_OPEN || side_is_missing(stream, is_writing))
		return -EBADF;
	return (is_writing ? stream->write_scope : stream->read_scope) ? -EALREADY : 0;
}

void aion__stream_enter(struct aion__stream_stay *stay, struct aion_stream *stream, bool is_writing)
{
	stay->stream = stream;
	stay->scope_place = is_writing ? &stream->write_scope : &stream->read_scope;
	stay->left_place = is_writing ? &stream->write_left : &stream->read_left;
	AION_ASSERT(!*stay->scope_place);
	aion_scope_enter(&stay->scope, AION_NEVER);
	*stay->scope_place = &stay->scope;
}

int64_t aion__stream_leave(struct aion__stream_stay *stay, int64_t result)
{
	struct aion_future *left = *stay->left_place;

	aion_scope_leave(&stay->scope);
	*stay->scope_place = NULL;
	*stay->left_place = NULL;
	if (left)
		aion_future_complete(left, 0);
	return stay->stream->state == AION__STREAM_DEAD && result <= 0 ? -EBADF : result;
}

/* Until nobody is on that side. 0, or -ECANCELED: the deadline of the closer's shield has passed. */
static AION_SUSPENDS int64_t wait_left(struct aion_scope **scope_place, struct aion_future **left_place)
{
	struct aion_future left;
	int64_t result;

	if (!*scope_place)
		return 0;
	aion_future_init(&left);
	*left_place = &left;
	result = aion_await(&left);
	if (result < 0)
		*left_place = NULL;
	return result;
}

/* ---- close */

/* What was taken goes out, for so long and no longer. */
static AION_SUSPENDS int64_t close_flush(struct aion_stream *stream)
{
	struct aion_scope shield;
	int64_t result;
	int late;

	if (stream->options.close_ns < 0 || (!stream->write_scope && !aion__stream_unwritten(stream)))
		return stream->write_error;
	aion_scope_enter_shield(&shield, aion_after(stream->options.close_ns));
	result = wait_left(&stream->write_scope, &stream->write_left);
	if (result >= 0)
		result = stream->write_error;
	if (result >= 0)
		result = aion__stream_push(stream, NULL, 0, NULL);
	late = aion_scope_leave(&shield);
	return late < 0 ? late : result;
}

/* End what is in progress, close what is below, give the memory back. */
static AION_SUSPENDS int64_t close_rest(struct aion_stream *stream)
{
	struct aion_scope shield;
	int64_t result = 0;

	aion_scope_enter_shield(&shield, AION_NEVER);
	stream->state = AION__STREAM_DEAD;
	if (stream->read_scope)
		aion_scope_cancel(stream->read_scope);
	if (stream->write_scope)
		aion_scope_cancel(stream->write_scope);
	wait_left(&stream->read_scope, &stream->read_left);
	wait_left(&stream->write_scope, &stream->write_left);
	if (stream->transport->close)
		result = stream->transport->close(stream->arg);
	aion_scope_leave(&shield);
	aion__stream_in_drop(stream);
	aion__stream_out_drop(stream);
	stream->state = AION__STREAM_CLOSED;
	return result < 0 ? result : 0;
}

static AION_SUSPENDS int64_t stream_close(struct aion_stream *stream, bool flushes)
{
	struct aion__closer *closers;
	int64_t flushed = 0, result;

	if (stream->state == AION__STREAM_CLOSED)
		return 0;
	if (stream->state != AION__STREAM_OPEN)
		return -EALREADY;
	stream->state = AION__STREAM_CLOSING;
	if (flushes)
		flushed = close_flush(stream);
	result = close_rest(stream);
	closers = stream->closers;
	stream->closers = NULL;
	aion__closers_wake(closers);
	return flushed < 0 ? flushed : result;
}

int64_t aion_stream_close(struct aion_stream *stream)
{
	return stream_close(stream, true);
}

int64_t aion_stream_abort(struct aion_stream *stream)
{
	return stream_close(stream, false);
}

void aion_stream_closep(struct aion_stream *stream)
{
	if (stream->state == AION__STREAM_CLOSING || stream->state == AION__STREAM_DEAD)
		aion__closers_wait(&stream->closers);
	else
		aion_stream_close(stream);
}
