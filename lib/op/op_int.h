/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_OP_INT_H
#define AION_OP_OP_INT_H
/*
 * Starting an operation is three steps:
 *	sqe = aion__op_prepare(op, IORING_OP_X, fd, flags);
 *	if (!sqe)
 *		return;                         it is done already, with an error
 *	io_uring_prep_X(sqe, …);                liburing's own, straight into the ring
 *	aion__op_commit(op, sqe);
 * Where the running kernel lacks the opcode, the entry that prepare returns belongs to a job for the worker threads,
 * and commit hands it to them; callers do not see the difference.
 */
#include <errno.h>

#include "annotate_int.h"
#include "future_int.h"
#include "probe_int.h"

/* future.state of an operation */
enum aion__op_state {
	AION__OP_IDLE,
	AION__OP_IN_FLIGHT,
	AION__OP_DONE,
};

/* future.flags of an operation */
enum aion__op_flag {
	AION__OP_RETRY = 1 << 0, /* a read or write at an address: -EAGAIN on a blocking descriptor is tried again */
	AION__OP_FILLS = 1 << 1, /* the kernel writes into addr, len bytes: lent until done (sanitizers, valgrind) */
	AION__OP_RESULT_FD = 1 << 2,   /* the result is a descriptor: closed if nobody receives it */
	AION__OP_HANDLER = 1 << 3,     /* op->handler sees every completion, op does not end by itself */
	AION__OP_LINKED = 1 << 4,      /* in the list of its descriptor */
	AION__OP_JOB = 1 << 5,         /* a worker thread has it, known there by op->job */
	AION__OP_CANCEL_SENT = 1 << 6, /* the kernel has been asked to end it */
	AION__OP_CLOSED = 1 << 7,      /* by aion_close: ends with -EBADF instead of -ECANCELED */
	AION__OP_RECEIVED = 1 << 8,    /* somebody has been given the result */
	AION__OP_WATCHED = 1 << 9,     /* valgrind is to be told what the kernel has filled */
	AION__OP_BARE = 1 << 10,       /* aion_nop()'s: nothing is set but what its end and a cancel look at */
	AION__OP_SEEN = 1 << 11,       /* of any future: part of an aion_gather() that kept no results */
	AION__OP_RESULT_FDS = 1 << 12, /* the msghdr at addr may hold descriptors: closed if nobody receives the result */
	AION__OP_PARKED = 1 << 13,     /* nobody has it; it stands in its descriptor's list to hear of a close */
};

/* Sees each completion (result and IORING_CQE_F_*) of an operation with AION__OP_HANDLER, on the loop's thread, while
 * reaping. Calls aion__op_finish() on the last one. */
typedef void aion__op_handler(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags);

struct io_uring_sqe *aion__op_prepare_slow(struct aion_op *op, unsigned opcode, int fd, unsigned flags);
void aion__op_commit_job(struct aion_op *op);
/* Done, with a result: unlink, give the buffer back, wake who waits. */
void aion__op_finish(struct aion__engine *engine, struct aion_op *op, int64_t result);
/* A completion has come for it, which may not be the last. */
void aion__op_complete(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags);
void aion__op_free_jobs(struct aion__engine *engine);
/* Nobody has received the result of an operation that is done: close what it has brought. engine: NULL where none runs. */
void aion__op_drop_result(struct aion__engine *engine, const struct aion_op *op);

int aion__op_link_slow(struct aion__engine *engine, struct aion_op *op);

/* Enter it in its descriptor's list. 0, or -ENOMEM. */
static inline int aion__op_link(struct aion__engine *engine, struct aion_op *op)
{
	struct aion_op **head;

	if (aion__unlikely((unsigned)op->future.fd >= engine->fd_nr))
		return aion__op_link_slow(engine, op);
	head = &engine->fd_ops[op->future.fd];
	op->fd_next = *head;
	op->fd_pprev = head;
	if (*head)
		(*head)->fd_pprev = &op->fd_next;
	*head = op;
	op->future.flags |= AION__OP_LINKED;
	return 0;
}

static inline void aion__op_unlink(struct aion_op *op)
{
	*op->fd_pprev = op->fd_next;
	if (op->fd_next)
		op->fd_next->fd_pprev = op->fd_pprev;
	op->future.flags &= (uint16_t)~AION__OP_LINKED;
}

static inline void aion__op_reset(struct aion__engine *engine, struct aion_op *op, int fd, unsigned flags)
{
	struct aion__runnable *owner = engine->task;

	op->future.waiters = 0;
	op->future.loop = (struct aion_loop *)engine;
	op->future.kind = AION__FUTURE_OP;
	op->future.state = AION__OP_IN_FLIGHT;
	op->future.flags = (uint16_t)flags;
	op->future.fd = fd;
	op->task = owner;
	if (owner)
		owner->op_nr++;
	engine->in_flight_nr++;
}

/* The task that started it may end before it does: the library takes care of it. */
static inline void aion__op_disown(struct aion_op *op)
{
	if (op->task)
		((struct aion__runnable *)op->task)->op_nr--;
	op->task = NULL;
}

/* Hear of an aion_close() while nothing is in flight: a cancel of it calls the handler at once. */
void aion__op_park(struct aion_op *op, int fd, aion__op_handler *handler);
/* It is idle again; also if it was not parked. */
void aion__op_unpark(struct aion_op *op);

/* The last completion is there. The caller counts it out of in_flight_nr. */
static inline __attribute__((always_inline)) void aion__op_end(struct aion__engine *engine, struct aion_op *op,
							       int64_t result)
{
	AION__PROBE2(complete, op, result);
	op->future.state = AION__OP_DONE;
	if (op->task)
		((struct aion__runnable *)op->task)->op_nr--;
	aion__future_finish(engine, &op->future, result);
}

/* What keeps a completion from being the plain end of its operation. */
#if defined(AION__ASAN) || defined(AION_VALGRIND)
#define AION__OP_NOT_PLAIN                                                                                             \
	(~(unsigned)(AION__OP_RETRY | AION__OP_LINKED | AION__OP_RESULT_FD | AION__OP_RESULT_FDS | AION__OP_BARE))
#else
#define AION__OP_NOT_PLAIN                                                                                             \
	(~(unsigned)(AION__OP_RETRY | AION__OP_LINKED | AION__OP_RESULT_FD | AION__OP_RESULT_FDS | AION__OP_FILLS |    \
		     AION__OP_BARE))
#endif

/*
 * The end of most operations: no error (which may mean a second try, or a cancel), nothing to follow, nobody but the
 * future to be told, and one task waits for it, alone. False if it is another kind: nothing has been done. A task that
 * waits for an operation without a record is not awake, for its wait is never broken off.
 */
static inline __attribute__((always_inline)) bool aion__op_end_plain(const struct io_uring_cqe *cqe,
								     struct aion__ready *ready)
{
	struct aion_op *op = (struct aion_op *)(uintptr_t)cqe->user_data;
	/* Both at once: plain is no flag and no sign. */
	uint64_t flags_result = (uint64_t)cqe->flags << 32 | (uint32_t)cqe->res;
	struct aion__runnable *waiter;
	uintptr_t waiters;

	if (aion__unlikely(cqe->user_data & 1 || flags_result > INT32_MAX || op->future.flags & AION__OP_NOT_PLAIN ||
			   aion__fault_is_armed(AION__FAULT_CQE_RESULT)))
		return false;
	waiters = op->future.waiters;
	if (aion__unlikely(!(waiters & AION__WAITER_SINGLE)))
		return false;
	if (aion__likely(op->future.flags & AION__OP_LINKED))
		aion__op_unlink(op);
	if (op->task)
		((struct aion__runnable *)op->task)->op_nr--;
	op->future.result = (int64_t)flags_result;
	AION__PROBE2(complete, op, op->future.result);
	op->future.waiters = AION__WAITERS_DONE;
	op->future.state = AION__OP_DONE;
	waiter = (struct aion__runnable *)(waiters - AION__WAITER_SINGLE);
	AION_ASSERT(!waiter->is_awake);
	waiter->is_awake = true;
	ready->places[ready->tail++ & ready->mask] = waiter;
	return true;
}

/* The entry of an operation that the ring takes. NULL: done with -ENOMEM. */
static inline struct io_uring_sqe *aion__op_begin(struct aion__engine *engine, struct aion_op *op, unsigned opcode,
						  int fd, unsigned flags)
{
	struct io_uring_sqe *sqe = aion__engine_sqe(engine);

	aion__op_reset(engine, op, fd, flags);
	op->opcode = (uint8_t)opcode;
	sqe->user_data = (uintptr_t)op;
	if (fd >= 0 && aion__unlikely(aion__op_link(engine, op) < 0)) {
		/* The entry is taken already: it travels as one whose completion is dropped. */
		io_uring_prep_nop(sqe);
		sqe->user_data = AION__UD_CANCEL;
		op->future.flags = 0; /* nothing has been lent */
		aion__op_finish(engine, op, -ENOMEM);
		return NULL;
	}
	return sqe;
}

static inline struct io_uring_sqe *aion__op_prepare(struct aion_op *op, unsigned opcode, int fd, unsigned flags)
{
	struct aion__engine *engine = aion__engine;

	AION_BUG_ON(op->future.state == AION__OP_IN_FLIGHT, "operation started while in flight");
	if (aion__unlikely(!engine || !aion__ring_is_alive(&engine->ring) || !aion__ring_has_op(&engine->ring, opcode)))
		return aion__op_prepare_slow(op, opcode, fd, flags);
	return aion__op_begin(engine, op, opcode, fd, flags);
}

/* For sanitizers and valgrind: the kernel fills op's buffer from now on; it has filled `result` bytes, or failed. */
void aion__op_lend(struct aion_op *op);
void aion__op_give_back(const struct aion_op *op, int64_t result);

static inline __attribute__((always_inline)) void aion__op_commit(struct aion_op *op, const struct io_uring_sqe *sqe)
{
	op->addr = sqe->addr;
	op->off = sqe->off;
	op->len = sqe->len;
	op->rw_flags = (uint32_t)sqe->rw_flags;
	op->sqe_flags = sqe->flags;
	op->buf_index = sqe->buf_index;
	op->retry_nr = 0;
	AION__PROBE3(submit, op, sqe->opcode, op->future.fd);
#if defined(AION__ASAN) || defined(AION_VALGRIND)
	aion__op_lend(op);
#endif
	if (aion__unlikely(op->future.flags & AION__OP_JOB))
		aion__op_commit_job(op);
}

#endif
