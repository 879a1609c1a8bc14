/* SPDX-License-Identifier: MIT */
#ifndef AION_STREAM_READ_H
#define AION_STREAM_READ_H
/*
 * Reading from a stream. "The common errors" here are: those of the transport (of read(2) where it is a descriptor, but
 * -EINTR and -EAGAIN); -EALREADY (another task is reading); -EBADF (closed, also meanwhile; no such side); -ECANCELED;
 * -ENOMEM (for a buffer); -EBUSY (not inside a task); -ECHILD. After any of them the bytes that had come are still in
 * the stream, or counted in ret_done: a cancelled call loses nothing, and the next one goes on where it was.
 */
#include <aion/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_stream_read - what is there, or the next that comes.
 * @buf: at most size bytes. From AION_STREAM_SMALL_SIZE on they are read into it directly if the stream's buffer is
 *   empty.
 *
 * Result: bytes; 0 at the end, or if size is 0.
 * Errors: the common ones.
 * Suspends: yes. Thread: loop. Source: read(2), IORING_OP_READ, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_stream_read(struct aion_stream *stream, void *buf, size_t size);

/**
 * aion_stream_read_exact - so many bytes.
 * @buf: size bytes.
 * @ret_done: the bytes that are in buf, set in every case; they are taken from the stream. May be NULL.
 *
 * Result: 0.
 * Errors: -ENODATA (the end came first), and the common ones.
 * Suspends: yes. Thread: loop. Source: as aion_stream_read().
 */
AION_API AION_SUSPENDS int64_t aion_stream_read_exact(struct aion_stream *stream, void *buf, size_t size,
						      size_t *ret_done);

/**
 * aion_stream_read_until - the bytes up to a delimiter, without a copy.
 * @delimiter: of delimiter_size bytes, 1 to AION_STREAM_DELIMITER_MAX.
 * @ret_view: the bytes before it; it follows them in memory.
 *
 * No byte is looked at twice, however it trickles in (but after an error with a delimiter above 7 bytes).
 * Result: bytes taken, the delimiter among them; 0 at the end.
 * Errors: -EMSGSIZE (more than options.limit bytes before the delimiter); -ENODATA (the end came before it); -EINVAL
 *   (delimiter_size); and the common ones. What there is stays in the stream: take it with another call.
 * Suspends: yes. Thread: loop. Source: as aion_stream_read().
 */
AION_API AION_SUSPENDS int64_t aion_stream_read_until(struct aion_stream *stream, const void *delimiter,
						      size_t delimiter_size, struct aion_stream_view *ret_view);

/**
 * aion_stream_read_line - a line, without a copy.
 * @ret_view: the line without its "\n" or "\r\n", with a 0 behind it that does not count.
 *
 * Result: bytes taken, the line's end among them; the same as ret_view->size for a last line that has no end; 0 at the
 *   end.
 * Errors: -EMSGSIZE (the line is longer than options.limit; it stays in the stream); and the common ones.
 * Suspends: yes. Thread: loop. Source: as aion_stream_read().
 */
AION_API AION_SUSPENDS int64_t aion_stream_read_line(struct aion_stream *stream, struct aion_stream_view *ret_view);

/**
 * aion_stream_peek - wait until there are so many bytes, and look at them.
 * @size: bytes, at most options.limit; 0 waits for none.
 * @ret_view: all that are there, at least size unless the end has come. They are not taken.
 *
 * Result: bytes in ret_view.
 * Errors: -EMSGSIZE (size is above the limit); and the common ones.
 * Suspends: yes. Thread: loop. Source: as aion_stream_read().
 */
AION_API AION_SUSPENDS int64_t aion_stream_peek(struct aion_stream *stream, size_t size,
						struct aion_stream_view *ret_view);

/**
 * aion_stream_skip - take so many bytes and forget them.
 * @size: bytes, any number.
 * @ret_done: how many were skipped, set in every case; may be NULL.
 *
 * Result: 0.
 * Errors: -ENODATA (the end came first), and the common ones.
 * Suspends: yes. Thread: loop. Source: as aion_stream_read().
 */
AION_API AION_SUSPENDS int64_t aion_stream_skip(struct aion_stream *stream, size_t size, size_t *ret_done);

/**
 * aion_stream_buffered - what the next reading call has without waiting.
 * @ret_view: the bytes, which are not taken; may be NULL. Views that other calls gave stay valid, too.
 *
 * Result: bytes.
 * Errors: -EALREADY (another task is reading); -EBADF (closed).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int64_t aion_stream_buffered(struct aion_stream *stream, struct aion_stream_view *ret_view);

/**
 * aion_stream_consume - take bytes that a view has shown.
 * @size: bytes, at most as many as are buffered. Views stay valid.
 *
 * Result: 0.
 * Errors: -EINVAL (size; nothing is taken); -EALREADY (another task is reading); -EBADF (closed).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_stream_consume(struct aion_stream *stream, size_t size);

/**
 * aion_stream_at_eof - the end was read and every byte before it taken; false for a closed stream.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API bool aion_stream_at_eof(const struct aion_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
