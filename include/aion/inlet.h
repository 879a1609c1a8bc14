/* SPDX-License-Identifier: MIT */
#ifndef AION_INLET_H
#define AION_INLET_H
/*
 * Receiving again and again from one stream socket, with one multishot request in flight. The kernel takes a buffer of
 * the loop's when data comes, and the inlet lends it to the caller: nothing is copied, and a connection on which
 * nothing happens holds no buffer. The buffers are shared by all inlets of a loop. Their size follows the traffic: an
 * inlet whose buffers are filled to the brim is given larger ones (64 KiB instead of 4), and small ones again when
 * little comes at a time.
 *
 * Whoever holds many buffers (what has come and was not taken counts) is given no more until he has released some: his
 * peer then waits, as with any full socket. Nothing is lost by that, and nobody who gives back waits for others. Where
 * buffers are short, one is many: who needs the rest of a message copies what he has and gives it back before he waits.
 * For "the common" errors see the top of file.h.
 */
#include <aion/buffer.h>
#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The caller's memory, from open to close; all zero = closed. The fields are private. */
struct aion_inlet {
	struct aion_op op;
	struct aion_future ready;  /* done: there is something to be taken */
	struct aion_buffer *first; /* received and not yet taken */
	struct aion_buffer **last;
	int32_t fd;
	int32_t error;      /* what ended it */
	uint16_t held_nr;   /* buffers on its account: in its queue, and lent */
	uint16_t run_nr;    /* buffers in a row that say that another size is better */
	uint8_t size_class; /* of the buffers that it asks for */
	uint8_t flags;      /* see lib/op/op_inlet_int.h */
};

/**
 * aion_inlet_open - start to receive.
 * @inlet: closed (all zero); an open one aborts the process. It stays in place until aion_inlet_close().
 * @fd: a connected stream socket (or a seqpacket one whose messages are not empty). It must stay open until the inlet
 *   is closed; aion_close() before that ends the inlet with -EBADF. O_NONBLOCK is allowed, and costs a second request a
 *   message.
 *
 * What the socket says against it is reported by the first aion_inlet_next().
 * Errors: -ENOMEM; -EINVAL (the kernel has no buffer rings); -EBUSY (no loop runs on this thread); -ECHILD.
 * Suspends: no. Thread: loop. Source: recv(2), IORING_OP_RECV with IORING_RECV_MULTISHOT, Linux 6.0.
 */
AION_API int aion_inlet_open(struct aion_inlet *inlet, int fd);

/**
 * aion_inlet_next - wait for the next bytes.
 * @inlet: open. One task at a time waits.
 * @ret_buffer: lent to the caller, for aion_buffer_release(); written when the result is positive.
 *
 * Result: bytes in the buffer, as (*ret_buffer)->size; 0 at the end of the stream, as often as it is asked.
 * Errors: those of recv(2), after what came before them, and said again by every further call (-ENOMEM is not: the next
 *   call tries again); -EBADF, also for a closed inlet and to who waits while it is closed; and the common ones.
 *   After -ECANCELED the inlet is as before, and no byte is lost.
 * Suspends: yes (try: no, and is no checkpoint; -EAGAIN means that nothing has come). Thread: loop.
 * Source: as aion_inlet_open().
 */
AION_API AION_SUSPENDS int64_t aion_inlet_next(struct aion_inlet *inlet, struct aion_buffer **ret_buffer);
AION_API int64_t aion_inlet_try_next(struct aion_inlet *inlet, struct aion_buffer **ret_buffer);

/**
 * aion_inlet_read - the same, copied into the caller's memory.
 * @buf: size bytes. What does not fit is kept for the next call; @size 0 gives 0 at once.
 *
 * Result: bytes copied, as many as have come and fit; 0 at the end of the stream.
 * Errors, Suspends, Thread, Source: as aion_inlet_next().
 */
AION_API AION_SUSPENDS int64_t aion_inlet_read(struct aion_inlet *inlet, void *buf, size_t size);
AION_API int64_t aion_inlet_try_read(struct aion_inlet *inlet, void *buf, size_t size);

/**
 * aion_inlet_close, aion_inlet_stop - stop receiving. Always finishes. The descriptor stays open.
 * @inlet: open or closed. What has come and was not taken is dropped; what was lent stays lent. A task that waits
 *   gets -EBADF, and has left when aion_inlet_close() returns. After aion_inlet_stop(), which is the beginning of it,
 *   aion_inlet_close() is still to be called.
 *   Fit for AION_CLEANUP: AION_CLEANUP(aion_inlet_close) struct aion_inlet inlet = {0};
 *
 * Suspends: yes, but never returns early (stop: no). Thread: loop. Source: IORING_OP_ASYNC_CANCEL, Linux 5.5.
 */
AION_API AION_SUSPENDS void aion_inlet_close(struct aion_inlet *inlet);
AION_API void aion_inlet_stop(struct aion_inlet *inlet);

#ifdef __cplusplus
}
#endif
#endif
