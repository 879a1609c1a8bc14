/* SPDX-License-Identifier: MIT */
#ifndef AION_LIBURING_H
#define AION_LIBURING_H
/*
 * Together with liburing: whatever it can prepare, aion can await. The only header that needs liburing's (2.3 or
 * later); aion.h does not include it.
 *
 *	AION_CLEANUP(aion_op_reap) struct aion_op op = {0};
 *
 *	io_uring_prep_accept(aion_op_sqe(&op), fd, NULL, NULL, SOCK_CLOEXEC);
 *	client = aion_await(&op.future);
 */
#include <liburing.h>

#include <aion/loop.h>
#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_op_sqe - start an operation of any kind.
 * @op: idle or done; in flight from now on.
 *
 * The caller fills the entry with an io_uring_prep function before it calls aion again: the entry may leave with the
 * next call. The entry's user_data belongs to aion. Until it is filled it is a NOP.
 * Not for: IOSQE_CQE_SKIP_SUCCESS (the operation would never be done); multishot requests (results before the last one
 * are lost); IOSQE_BUFFER_SELECT (which buffer it was is lost); opcodes that the running kernel lacks (-EINVAL). Two
 * entries fetched in a row are next to each other unless the queue was full between them, so no correctness may rest on
 * IOSQE_IO_LINK. aion_close() does not know the descriptor; a descriptor in the result is the caller's to close.
 *
 * Result: an entry, never NULL. Where no operation can be started it is a scratch entry which goes nowhere, and the
 * operation is done with the error as its result: -EBUSY (no loop runs on this thread), -ECHILD (forked child).
 * Suspends: no. Thread: loop. Source: io_uring_enter(2), Linux 5.1.
 */
AION_API struct io_uring_sqe *aion_op_sqe(struct aion_op *op);

/**
 * aion_loop_ring - the loop's ring, for io_uring_register_ calls (buffers, files, restrictions of workers).
 * @loop: alive. Its eventfd and ring-fd registrations are aion's own.
 *
 * Do not submit, wait, or take completions with it: that is the loop's work.
 * Result: the ring, or NULL in a forked child.
 * Suspends: no. Thread: the loop's. Source: io_uring_register(2).
 */
AION_API struct io_uring *aion_loop_ring(struct aion_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
