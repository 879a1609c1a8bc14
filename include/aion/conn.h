/* SPDX-License-Identifier: MIT */
#ifndef AION_CONN_H
#define AION_CONN_H
/*
 * The connection: a stream socket with all that a server or client needs to talk by it; a descriptor, an inlet
 * (inlet.h) and an outlet (outlet.h) in one struct of some hundred bytes, which holds no buffer while nothing happens.
 *
 *	static int64_t echo(void *arg)
 *	{
 *		AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
 *		struct aion_buffer *buffer;
 *		int64_t result = aion_conn_open(&conn, *(int *)arg);
 *
 *		while (result >= 0 && (result = aion_conn_recv(&conn, &buffer)) > 0)
 *			result = aion_conn_send_buffer(&conn, buffer);
 *		return result;
 *	}
 *
 * Deadlines come from scopes. One task at a time receives; any number may send, each call's bytes stay together.
 */
#include <aion/inlet.h>
#include <aion/outlet.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion__closer;

/* The caller's memory, from open to close; all zero = closed. What is not offered here the parts themselves do. */
struct aion_conn {
	struct aion_inlet inlet;
	struct aion_outlet outlet;
	int fd;       /* to be looked at only */
	/* private from here */
	bool is_open;
	bool is_closing;
	struct aion__closer *closers; /* who waits for the close */
};

/**
 * aion_conn_open - talk by a connected stream socket.
 * @conn: closed (all zero); an open one aborts the process. It stays in place until aion_conn_close().
 * @fd: the connection's from now on, also where this fails: aion_conn_close() closes it.
 *
 * Errors: those of aion_inlet_open().
 * Suspends: no. Thread: loop. Source: as aion_inlet_open().
 */
AION_API int aion_conn_open(struct aion_conn *conn, int fd);

/**
 * aion_conn_recv - wait for the next bytes, and borrow them.
 * @ret_buffer: lent to the caller, for aion_buffer_release() or aion_conn_send_buffer(); written when the result is
 *   positive.
 *
 * Result: bytes in the buffer, (*ret_buffer)->size; 0 at the end of the stream, as often as it is asked.
 * Errors: those of aion_inlet_next(), -ECONNRESET, -ETIMEDOUT, -EBADF (closed) among them. After -ECANCELED no byte
 *   is lost.
 * Suspends: yes (try: no, and is no checkpoint; -EAGAIN means that nothing has come). Thread: loop.
 * Source: recv(2), IORING_OP_RECV with IORING_RECV_MULTISHOT, Linux 6.0.
 */
AION_API AION_SUSPENDS int64_t aion_conn_recv(struct aion_conn *conn, struct aion_buffer **ret_buffer);
AION_API int64_t aion_conn_try_recv(struct aion_conn *conn, struct aion_buffer **ret_buffer);

/**
 * aion_conn_read - the same, copied into the caller's memory.
 * @buf: size bytes. What does not fit is kept for the next call.
 *
 * Result: bytes copied, as many as have come and fit; 0 at the end of the stream.
 * Errors, Suspends, Thread, Source: as aion_conn_recv().
 */
AION_API AION_SUSPENDS int64_t aion_conn_read(struct aion_conn *conn, void *buf, size_t size);

/**
 * aion_conn_read_exact - read until the buffer is full.
 * @ret_done: the bytes that are in the buffer, set in every case; may be NULL.
 *
 * Result: 0.
 * Errors: as aion_conn_read(), and -ENODATA (the stream ended first).
 * Suspends: yes. Thread: loop. Source: as aion_conn_recv().
 */
AION_API AION_SUSPENDS int64_t aion_conn_read_exact(struct aion_conn *conn, void *buf, size_t size, size_t *ret_done);

/**
 * aion_conn_send_all, aion_conn_sendv_all - send, and wait until the kernel has all of it.
 *
 * Parameters, results, errors: aion_outlet_send_all(). Suspends: yes. Thread: loop. Source: send(2), IORING_OP_SEND,
 *   Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_conn_send_all(struct aion_conn *conn, const void *buf, size_t size,
						  size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_conn_sendv_all(struct aion_conn *conn, const struct iovec *iov, int iov_nr,
						   size_t *ret_done);

/**
 * aion_conn_send_buffer - send what was received, and give the buffer back. To the same connection, or another one.
 * @buffer: the caller's no longer, whatever the result.
 *
 * Waits until the kernel has all of it, so who cannot send does not receive.
 * Result: 0. Errors: as aion_conn_send_all(). Suspends: yes. Thread: loop. Source: as aion_conn_send_all().
 */
AION_API AION_SUSPENDS int64_t aion_conn_send_buffer(struct aion_conn *conn, struct aion_buffer *buffer);

/**
 * aion_conn_write, aion_conn_writev - queue a copy, and return; first wait for room if too much is queued.
 *
 * Parameters, results, errors: aion_outlet_write(). Suspends: yes. Thread: loop. Source: as aion_conn_send_all().
 */
AION_API AION_SUSPENDS int64_t aion_conn_write(struct aion_conn *conn, const void *buf, size_t size);
AION_API AION_SUSPENDS int64_t aion_conn_writev(struct aion_conn *conn, const struct iovec *iov, int iov_nr);

/**
 * aion_conn_flush - wait until the kernel has all that is queued now.
 *
 * Result, errors: aion_outlet_flush(). Suspends: yes. Thread: loop. Source: as aion_conn_send_all().
 */
AION_API AION_SUSPENDS int64_t aion_conn_flush(struct aion_conn *conn);

/**
 * aion_conn_shutdown - half-close: the peer sees the end of the stream behind what is queued; receiving goes on.
 *
 * Result, errors: aion_outlet_shutdown(). aion_conn_flush() waits for it.
 * Suspends: no. Thread: loop. Source: shutdown(2) with SHUT_WR.
 */
AION_API int aion_conn_shutdown(struct aion_conn *conn);

/**
 * aion_conn_close - end it, and close the descriptor. Always finishes.
 * @conn: open or closed. What is queued to be sent and has not left is dropped: aion_conn_flush() before it, in a scope
 *   with a deadline, sends it. Tasks that wait get -EBADF. Buffers that are lent stay lent. Several tasks may close it,
 *   one to end it and its owner on the way out, say: each returns when it is closed. Fit for AION_CLEANUP.
 *
 * The kernel sends what it has, and then the end; if bytes have come that were not received, a reset instead (TCP).
 * Suspends: yes, but never returns early. Thread: loop. Source: close(2), IORING_OP_CLOSE, Linux 5.6.
 */
AION_API AION_SUSPENDS void aion_conn_close(struct aion_conn *conn);

/**
 * aion_conn_abort - the same, but nothing more is sent, and a TCP peer is told by a reset at once.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: setsockopt(2) with SO_LINGER, close(2).
 */
AION_API AION_SUSPENDS void aion_conn_abort(struct aion_conn *conn);

#ifdef __cplusplus
}
#endif
#endif
