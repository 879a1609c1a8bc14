/* SPDX-License-Identifier: MIT */
#ifndef AION_STREAM_WRITE_H
#define AION_STREAM_WRITE_H
/*
 * Writing to a stream. Bytes are taken into its buffer, and go out with a flush, with a close, or when they would be
 * more than options.write_size: then the call writes all there is, its own bytes without a copy, and suspends as long
 * as the other end holds it up (asyncio's write() and drain() in one).
 *
 * "The common errors" here are: those of the transport (of writev(2) where it is a descriptor, but -EINTR and -EAGAIN;
 * a broken pipe is -EPIPE, without a signal), which from then on every call gives, for the bytes that were taken cannot
 * go out any more; -ESHUTDOWN (bytes after write_eof); -EALREADY (another task is writing); -EBADF (closed, also
 * meanwhile; no such side); -ECANCELED (what was taken stays taken: the next call goes on); -ENOMEM (the kernel's; where
 * there is none for a buffer the bytes go out without); -EBUSY (not inside a task); -ECHILD.
 */
#include <stdarg.h>

#include <aion/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_stream_write, aion_stream_writev - take bytes, all of them.
 * @buf: size bytes, the caller's again after the call.
 * @iov: iov_nr vectors, any number; neither it nor what it points to is changed.
 * @ret_done: how many of them were taken, set in every case; may be NULL. They have gone out or are in the stream's
 *   buffer.
 *
 * Result: 0.
 * Errors: -EINVAL (iov_nr is negative), and the common ones.
 * Suspends: yes. Thread: loop. Source: writev(2), IORING_OP_WRITEV, Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_stream_write(struct aion_stream *stream, const void *buf, size_t size,
						 size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_stream_writev(struct aion_stream *stream, const struct iovec *iov, int iov_nr,
						  size_t *ret_done);

/**
 * aion_stream_printf, aion_stream_vprintf - take formatted text: all of it, or nothing.
 * @format: as printf(3).
 *
 * Result: bytes taken.
 * Errors: -EMSGSIZE (the text is longer than options.write_size); -EINVAL (printf(3) refuses); -ENOMEM (also for the
 *   text); and the common ones.
 * Suspends: yes. Thread: loop. Source: vsnprintf(3), writev(2).
 */
AION_API AION_SUSPENDS int64_t aion_stream_printf(struct aion_stream *stream, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
AION_API AION_SUSPENDS int64_t aion_stream_vprintf(struct aion_stream *stream, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/**
 * aion_stream_flush - write what was taken.
 *
 * Result: 0: the transport (a socket's or pipe's buffer, say) has all of it.
 * Errors: the common ones.
 * Suspends: yes. Thread: loop. Source: writev(2), IORING_OP_WRITEV, Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_stream_flush(struct aion_stream *stream);

/**
 * aion_stream_write_eof - write what was taken, then tell the other end that nothing more comes; reading goes on.
 * @stream: of one descriptor: a connected socket. A second time does nothing. Of a pair the writing one is closed.
 *
 * Result: 0.
 * Errors: -EOPNOTSUPP (the transport has no half-close); those of shutdown(2) (a pipe or file:
 *   -ENOTSOCK), close(2); and the common ones but
 *   -ESHUTDOWN.
 * Suspends: yes. Thread: loop. Source: shutdown(2), IORING_OP_SHUTDOWN, Linux 5.11.
 */
AION_API AION_SUSPENDS int64_t aion_stream_write_eof(struct aion_stream *stream);

/**
 * aion_stream_unwritten_size - bytes that were taken and have not gone out; 0 for a closed stream.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API size_t aion_stream_unwritten_size(const struct aion_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
