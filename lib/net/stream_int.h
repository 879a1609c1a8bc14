/* SPDX-License-Identifier: MIT */
#ifndef AION_NET_STREAM_INT_H
#define AION_NET_STREAM_INT_H
/*
 * The inside of a stream. Who waits in the transport does so in a scope of the stream's, which the one who closes it
 * cancels: so a transport need not know how to end what is in progress, and no descriptor is closed, and its number
 * used again, under a task that is about to read it.
 */
#include <aion/stream.h>

#include "assert_int.h"

enum aion__stream_state {
	AION__STREAM_CLOSED,
	AION__STREAM_OPEN,
	AION__STREAM_CLOSING, /* takes no more calls; what was taken is written */
	AION__STREAM_DEAD,    /* who still waits leaves */
};

/* ---- who is inside (stream.c) */

/* One task's stay in the transport, on one side. */
struct aion__stream_stay {
	struct aion_stream *stream;
	struct aion_scope **scope_place; /* in the stream */
	struct aion_future **left_place;
	struct aion_scope scope;
};

/* Whether a call may begin. 0; -ECANCELED, -EBUSY, -ECHILD; -EBADF; -EALREADY. */
AION_SUSPENDS int aion__stream_begin(struct aion_stream *stream, bool is_writing);
/* Until aion__stream_leave() no other task may begin a call on this side. */
void aion__stream_enter(struct aion__stream_stay *stay, struct aion_stream *stream, bool is_writing);
/* The result of the stay: bytes that have come, but -EBADF instead of another where the stream was closed meanwhile. */
int64_t aion__stream_leave(struct aion__stream_stay *stay, int64_t result);

/* ---- the buffer of what was read (stream_fill.c) */

static inline size_t aion__stream_held(const struct aion_stream *stream)
{
	return stream->end - stream->begin;
}

/* One more read, into the buffer, where `need` bytes from its beginning must fit, more than are there. Bytes; 0 at the
 * end; or an error. */
AION_SUSPENDS int64_t aion__stream_fill(struct aion_stream *stream, size_t need);
/* One more read, into the caller's memory; the buffer is empty. */
AION_SUSPENDS int64_t aion__stream_pull(struct aion_stream *stream, void *buf, size_t size);
/* Room behind what is there, `need` bytes from its beginning. 0 or -ENOMEM. */
int aion__stream_make_room(struct aion_stream *stream, size_t need);
/* Nothing is in the buffer any more: back to the one in the struct. */
void aion__stream_in_drop(struct aion_stream *stream);

/* ---- the buffer of what was taken to be written (stream_write.c) */

#define AION__STREAM_TEXT_SIZE                                                                                         \
	((size_t)512) /* bytes that a text is expected to need; longer ones are formatted twice */

static inline size_t aion__stream_unwritten(const struct aion_stream *stream)
{
	return stream->out_end - stream->out_begin;
}

/* Write it, and behind it so many vectors; *done counts their bytes. 0, or an error. */
AION_SUSPENDS int64_t aion__stream_push(struct aion_stream *stream, const struct iovec *iov, int iov_nr, size_t *done);
/* Before reading. 0 or -ECANCELED: other errors are for who writes. */
AION_SUSPENDS int64_t aion__stream_push_first(struct aion_stream *stream);
void aion__stream_out_drop(struct aion_stream *stream);

extern const struct aion_stream_transport aion__stream_fd_transport; /* its arg is the stream */

#endif
