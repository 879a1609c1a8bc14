/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_H
#define AION_OP_H
/*
 * The operation: a future with one submission queue entry in flight. Starting one is aion_op_X(&op, …), X being the
 * system call; see file.h, dir.h, xattr.h, splice.h, poll.h for them. Wait with aion_await(&op.future).
 *
 * An operation lives in the caller's memory, usually the waiting task's stack. All zero = idle. From its start until
 * it is done it may neither move nor die, and neither may the buffers, paths and vectors that it names: the kernel
 * holds them. A task that ends with an operation in flight aborts the process. An operation that cannot be started is
 * done at once, with its error as the result. After it is done it may be started again.
 */
#include <aion/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_op {
	struct aion_future future;
	struct aion_op *fd_next; /* the operations in flight on one descriptor */
	struct aion_op **fd_pprev;
	void *task;    /* the task that started it */
	void *handler; /* what its completions go to where that is not the future alone; see lib/op/op_int.h */
	void *job;     /* what a worker thread knows it by, where the kernel lacks it */
	/* The entry's arguments, for a second try, for worker threads and for reports. */
	uint64_t addr;
	uint64_t off;
	uint32_t len;
	uint32_t rw_flags;
	uint8_t opcode;
	uint8_t sqe_flags;
	uint16_t buf_index;
	uint32_t retry_nr;
};

/**
 * aion_op_init - make an idle operation of uninitialised memory; as all zero, but waiting for it before its start
 * aborts.
 * @op: not in flight.
 *
 * Suspends: no. Thread: any. Source: none.
 */
static inline void aion_op_init(struct aion_op *op)
{
	op->future.loop = NULL;
	op->future.waiters = 0;
	op->future.kind = 1; /* an operation, in lib/op/future_int.h */
	op->future.state = 0;
	op->future.flags = 0;
}

/**
 * aion_op_nop - start an operation that does nothing but travel through the ring.
 * @op: idle or done.
 *
 * Suspends: no. Thread: loop. Source: io_uring_enter(2), IORING_OP_NOP, Linux 5.1. Result of the operation: 0.
 */
AION_API void aion_op_nop(struct aion_op *op);

/**
 * aion_nop - one awaited trip through the ring.
 *
 * Result: 0.
 * Errors: -ECANCELED; -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: io_uring_enter(2), IORING_OP_NOP, Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_nop(void);

/**
 * aion_op_cancel - ask the kernel to end an operation early.
 * @op: idle and done ones are left as they are.
 *
 * Only asks: the operation ends when its own completion has come, with -ECANCELED, or with its result if it finished,
 * wholly or partly, before. Await it. Plain files are not interrupted by the kernel once they run.
 * Suspends: no. Thread: loop. Source: io_uring_enter(2), IORING_OP_ASYNC_CANCEL, Linux 5.5.
 */
AION_API void aion_op_cancel(struct aion_op *op);

/**
 * aion_op_reap - cancel the operation if it is in flight, and wait until it is done. Always finishes.
 * @op: idle, in flight or done. A descriptor that it produced and nobody received is closed.
 *
 * Fit for AION_CLEANUP: AION_CLEANUP(aion_op_reap) struct aion_op op = {0};
 * Suspends: yes, but never returns early. Thread: loop. Source: as aion_op_cancel().
 */
AION_API AION_SUSPENDS void aion_op_reap(struct aion_op *op);

/**
 * aion_op_reap_all - the same for an array: all are cancelled, then all awaited.
 * @ops: nr operations in any state.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: as aion_op_cancel().
 */
AION_API AION_SUSPENDS void aion_op_reap_all(struct aion_op *ops, size_t nr);

/**
 * aion_op_wait - wait until the operation is done, and look at its result. For calls of several operations, where what
 *   one has moved is the result whatever becomes of the next: no checkpoint, so no deadline counts as delivered by it.
 * @op: in flight or done; an idle one aborts the process. In a cancelled scope it is asked to end, as by aion_await().
 *
 * Result: the operation's.
 * Errors: the operation's, -ECANCELED among them; -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes, but never returns early. Thread: loop. Source: as aion_op_cancel().
 */
AION_API AION_SUSPENDS int64_t aion_op_wait(struct aion_op *op);

/** aion_op_is_in_flight - started and not done. Suspends: no. Thread: loop. Source: none. */
AION_API bool aion_op_is_in_flight(const struct aion_op *op);

#ifdef __cplusplus
}
#endif
#endif
