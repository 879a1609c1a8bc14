/* SPDX-License-Identifier: MIT */
#ifndef AION_OUTLET_H
#define AION_OUTLET_H
/*
 * The outlet: everything that leaves by one stream socket, in the order of the calls and whole, whoever calls. What is
 * sent without waiting is queued; what queues up within one turn of the loop leaves in one message. While nothing is
 * queued an outlet holds no memory but its own. Three ways to hand over bytes:
 *	aion_outlet_send_all()   the caller waits; nothing is copied; tried at once, without the ring
 *	aion_outlet_write()      the bytes are copied; the caller waits only while too much is queued
 *	aion_outlet_lend()       nothing is copied, nobody waits; the memory is the outlet's until a future says so;
 *	                         aion_outlet_give(): until a function is called
 * The first error ends an outlet for good: what is queued is dropped, and every later call gives that error. The socket
 * may be O_NONBLOCK or not. SIGPIPE is never raised.
 */
#include <sys/uio.h>

#include <aion/buffer.h>
#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion__outlet_batch;
struct aion_outlet_wait;
struct aion_loan;

/* The caller's memory, from open to close; all zero = closed. The fields are private. */
struct aion_outlet {
	struct aion_loan *first; /* not wholly sent, in order */
	struct aion_loan **tail;
	struct aion_loan *held; /* sent, and the kernel has not let go of the memory */
	struct aion__outlet_batch *batch;
	struct aion_outlet_wait *waits; /* in order */
	struct aion_outlet_wait *closing;
	uint64_t end_off; /* of the stream: where the next byte to be queued stands */
	size_t queued_size;
	size_t high_size;
	size_t low_size;
	size_t zero_copy_size;
	int32_t fd;
	int32_t error;   /* the first */
	uint32_t sqe_at; /* where the entry of the send in flight stands in the submission queue */
	uint8_t flags;
};

/* Memory of the caller's on its way. It stays in place, with all that it names, until its future is done. */
struct aion_loan {
	struct aion_future future; /* 0: all is sent and the memory free again; or why not. It is free then, too */
	size_t sent_size;          /* bytes that the kernel has taken so far */
	/* private from here */
	struct aion_op op;
	struct aion_loan *next;
	struct aion_loan **pprev;
	struct aion_outlet *outlet;
	struct iovec part;       /* what is left of the vector that is being sent */
	const struct iovec *iov; /* the vectors behind it */
	size_t left_size;
	uint64_t off; /* of the stream: where the first byte that is left stands */
	void (*release)(void *arg);
	void *arg;
	uint32_t iov_nr;
	int32_t result;
	uint8_t kind;
	uint8_t flags;
};

#define AION_OUTLET_HIGH_SIZE ((size_t)64 << 10) /* bytes; defaults, asyncio's */
#define AION_OUTLET_LOW_SIZE ((size_t)16 << 10)
#define AION_OUTLET_ZERO_COPY_SIZE ((size_t)64 << 10)

/**
 * aion_outlet_open - begin to send by a socket.
 * @outlet: closed (all zero); an open one aborts the process. It stays in place until aion_outlet_close().
 * @fd: a connected stream socket. Nobody else sends by it. Close the outlet before the descriptor.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_outlet_open(struct aion_outlet *outlet, int fd);

/**
 * aion_outlet_close - drop what is not sent and end what is in flight. Always finishes.
 * @outlet: open or closed. To have all sent before, call aion_outlet_flush(), in a scope with a deadline.
 *
 * Who waits is woken with -EBADF, loans end with it. What has been sent without copying stays lent after the close,
 * until the peer has acknowledged it. The descriptor stays open. Fit for AION_CLEANUP.
 * Suspends: yes, but never returns early. Thread: loop. Source: IORING_OP_ASYNC_CANCEL, Linux 5.5.
 */
AION_API AION_SUSPENDS void aion_outlet_close(struct aion_outlet *outlet);

/**
 * aion_outlet_set_marks - when aion_outlet_write() waits.
 * @high_size: above so many bytes queued writers wait ... @low_size: ... until there are no more than these; at most
 *   high_size. 0 and 0: each writer waits until all before him is sent.
 *
 * Errors: -EINVAL. Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_outlet_set_marks(struct aion_outlet *outlet, size_t high_size, size_t low_size);

/**
 * aion_outlet_set_zero_copy - from which size on lent memory is sent without copying.
 * @size: bytes of one loan; SIZE_MAX: never. Vectors are always copied. Where the kernel says that it copied all the
 *   same, as over the loopback, or cannot do without, the outlet stops asking for it.
 *
 * Suspends: no. Thread: loop. Source: IORING_OP_SEND_ZC with IORING_SEND_ZC_REPORT_USAGE, Linux 6.2.
 */
AION_API void aion_outlet_set_zero_copy(struct aion_outlet *outlet, size_t size);

/** aion_outlet_queued - bytes queued and not yet taken by the kernel. Suspends: no. Thread: loop. Source: none. */
AION_API size_t aion_outlet_queued(const struct aion_outlet *outlet);

/** aion_outlet_error - the error that ended it; 0: none; -EBADF: closed. Suspends: no. Thread: loop. Source: none. */
AION_API int aion_outlet_error(const struct aion_outlet *outlet);

/**
 * aion_outlet_send_all - send, and wait until the kernel has all of it.
 * @buf, @size: read in place. aion_outlet_sendv_all(): @iov, @iov_nr vectors.
 * @ret_done: NULL, or how many bytes the kernel has taken, always written.
 *
 * Result: 0: all is sent.
 * Errors: those of send(2), the first that the outlet met, -EPIPE and -ECONNRESET among them; -EPIPE also after
 *   aion_outlet_shutdown(); -EBADF (closed); -ECANCELED: ret_done may fall inside, and what others send follows from
 *   there; -EINVAL (iov_nr is negative); -ENOMEM; -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: send(2), IORING_OP_SEND, IORING_OP_SENDMSG, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_outlet_send_all(struct aion_outlet *outlet, const void *buf, size_t size,
						    size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_outlet_sendv_all(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr,
						     size_t *ret_done);

/**
 * aion_outlet_try_send - send what the kernel takes at once.
 *
 * Result: bytes sent, which may be fewer than size.
 * Errors: -EAGAIN (none can be now, or something is queued); as aion_outlet_send_all().
 * Suspends: no. Thread: loop. Source: send(2) with MSG_DONTWAIT.
 */
AION_API int64_t aion_outlet_try_send(struct aion_outlet *outlet, const void *buf, size_t size);
AION_API int64_t aion_outlet_try_sendv(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr);

/**
 * aion_outlet_write - queue a copy, and return; first wait for room if too much is queued.
 * @buf, @size: free again when this returns. One write of each task may stand above the high mark. A size of 0 only
 *   waits for room (asyncio's drain).
 *
 * Result: 0: all is queued.
 * Errors: as aion_outlet_send_all(); after -ECANCELED and -ENOMEM nothing of it is queued.
 * Suspends: yes (try: no, and is no checkpoint; -EAGAIN means that it would have to wait). Thread: loop.
 * Source: as aion_outlet_send_all().
 */
AION_API AION_SUSPENDS int64_t aion_outlet_write(struct aion_outlet *outlet, const void *buf, size_t size);
AION_API AION_SUSPENDS int64_t aion_outlet_writev(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr);
AION_API int aion_outlet_try_write(struct aion_outlet *outlet, const void *buf, size_t size);
AION_API int aion_outlet_try_writev(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr);

/**
 * aion_outlet_flush - wait until the kernel has all that is queued now, a shutdown included.
 *
 * Loans may still be the kernel's then: wait for them. Result: 0.
 * Errors: as aion_outlet_send_all(), also of what was sent before, without -EPIPE for a shutdown.
 * Suspends: yes. Thread: loop. Source: as aion_outlet_send_all().
 */
AION_API AION_SUSPENDS int64_t aion_outlet_flush(struct aion_outlet *outlet);

/**
 * aion_outlet_shutdown - end the stream behind what is queued: half-close. Nothing can be queued after it.
 *
 * aion_outlet_flush() waits for it. A second time does nothing.
 * Result: 0: queued. Errors: the outlet's; -EBADF (closed); -ENOMEM; -EBUSY; -ECHILD.
 * Suspends: no. Thread: loop. Source: shutdown(2) with SHUT_WR, IORING_OP_SHUTDOWN, Linux 5.11.
 */
AION_API int aion_outlet_shutdown(struct aion_outlet *outlet);

/**
 * aion_outlet_lend - queue memory without copying it, and return, however much is queued.
 * @loan: the caller's, any content; wait for &loan->future, whose result is as that of aion_outlet_send_all().
 * @buf, @size: may not change before that. aion_outlet_lendv(): nor may @iov.
 *
 * Suspends: no. Thread: loop. Source: IORING_OP_SEND_ZC, Linux 6.0; as aion_outlet_send_all().
 */
AION_API void aion_outlet_lend(struct aion_outlet *outlet, struct aion_loan *loan, const void *buf, size_t size);
AION_API void aion_outlet_lendv(struct aion_outlet *outlet, struct aion_loan *loan, const struct iovec *iov,
				int iov_nr);

/**
 * aion_loan_recall - ask for the memory back: what is not yet sent is left out. Await the future: -ECANCELED if so.
 * @loan: lent; of one that is done nothing changes.
 *
 * Suspends: no. Thread: loop. Source: IORING_OP_ASYNC_CANCEL, Linux 5.5.
 */
AION_API void aion_loan_recall(struct aion_loan *loan);

/**
 * aion_outlet_give - lend memory, to be released by a function.
 * @release: called once with @arg when the memory is free, whatever the result and perhaps before this returns; on the
 *   loop's thread, while completions are reaped. It may not suspend, nor use the outlet.
 *
 * aion_outlet_give_buffer() sends the first size bytes of a buffer and releases it by aion_buffer_release().
 * Result: 0: sent or queued.
 * Errors: as aion_outlet_send_all(); what goes wrong later is the outlet's error.
 * Suspends: no. Thread: loop. Source: as aion_outlet_lend().
 */
AION_API int aion_outlet_give(struct aion_outlet *outlet, const void *buf, size_t size, void (*release)(void *arg),
			      void *arg);
AION_API int aion_outlet_give_buffer(struct aion_outlet *outlet, struct aion_buffer *buffer, size_t size);

/* ---- for who waits by other means: a write, a flush, a close as futures */

struct aion_outlet_wait {
	struct aion_future future; /* its result is the call's */
	/* private from here */
	struct aion_outlet_wait *next;
	struct aion_outlet_wait **pprev; /* NULL: in no list */
	const struct iovec *iov;
	uint64_t off; /* of a flush: of the stream */
	int iov_nr;
	uint8_t kind;
};

/**
 * aion_outlet_start_writev - what aion_outlet_writev() does, but for the wait; so with aion_outlet_sendv_all(),
 *   aion_outlet_flush(), aion_outlet_close().
 * @wait: the caller's, any content; it stays in place until its future is done or aion_outlet_stop() has been called.
 * @iov: likewise, with the bytes.
 * @loan: as in aion_outlet_lendv(), but the kernel copies, so that no peer has to be waited for. @skip_size: bytes at
 *   the front to be left out; more than there are: -EINVAL.
 *
 * aion_outlet_stop() withdraws a write or a flush; of one that is done nothing changes. A close cannot be stopped.
 * Suspends: no. Thread: loop. Source: as the calls themselves.
 */
AION_API void aion_outlet_start_writev(struct aion_outlet *outlet, struct aion_outlet_wait *wait,
				       const struct iovec *iov, int iov_nr);
AION_API void aion_outlet_start_sendv(struct aion_outlet *outlet, struct aion_loan *loan, const struct iovec *iov,
				      int iov_nr, size_t skip_size);
AION_API void aion_outlet_start_flush(struct aion_outlet *outlet, struct aion_outlet_wait *wait);
AION_API void aion_outlet_start_close(struct aion_outlet *outlet, struct aion_outlet_wait *wait);
AION_API void aion_outlet_stop(struct aion_outlet_wait *wait);

#ifdef __cplusplus
}
#endif
#endif
