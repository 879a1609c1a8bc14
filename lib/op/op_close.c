/* SPDX-License-Identifier: MIT */
/*
 * Closing a descriptor on which operations are in flight. The kernel would let them live on (they hold the open file),
 * and they would be found by whoever gets the number next. So the close first cancels them, by their user_data, and is
 * handed to the ring after the last of them has ended.
 *
 * Until then the close itself stands in the descriptor's list, which is newest first: behind it are the operations that
 * it waits for, before it those that have been started since. When nothing is behind it any more it deals with the
 * newcomers in the same way, until there are none.
 *
 * The ring itself executes a close within the enter, also one that lingers, unless the file has a flush method: those of
 * network and stacked file systems do, and may take long. So for a socket the ring gains nothing, and costs an entry, a
 * completion and two switches.
 */
#include <errno.h>

#include <aion/file.h>

#include "op_file_int.h"

#define TURNS_MAX 16 /* times that a close lets others run before it */

/* An operation that is being closed is not cancelled, or the descriptor would leak: to be marked as cancelled already
 * keeps further cancels away. The mark is taken off for the result's sake. */
static void close_done(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	(void)cqe_flags;
	op->future.flags &= (uint16_t)~AION__OP_CANCEL_SENT;
	aion__op_finish(engine, op, result);
}

/* Once submitted it is in no list: the number is free for others as soon as the kernel gets to it. */
static void close_submit(struct aion__engine *engine, struct aion_op *op)
{
	struct io_uring_sqe *sqe = aion__engine_sqe(engine);

	AION_ASSERT(!(op->future.flags & AION__OP_LINKED));
	io_uring_prep_close(sqe, op->future.fd);
	sqe->user_data = (uintptr_t)op;
	AION__PROBE3(submit, op, IORING_OP_CLOSE, op->future.fd);
}

/* Cancelling one may end any of them at once, and what waits for it may be freed: so each is taken from a list of its
 * own, from which those that end take themselves. */
static void fd_cancel_all(struct aion__engine *engine, int fd)
{
	struct aion_op *rest = engine->fd_ops[fd];

	if (!rest)
		return;
	engine->fd_ops[fd] = NULL;
	rest->fd_pprev = &rest;
	while (rest) {
		struct aion_op *op = rest;

		aion__op_unlink(op);
		aion__op_link(engine, op); /* the list has room for the number already */
		op->future.flags |= AION__OP_CLOSED;
		aion_op_cancel(op);
	}
}

/* The close is not in the list now. */
static void close_try(struct aion__engine *engine, struct aion_op *op)
{
	int fd = op->future.fd;

	fd_cancel_all(engine, fd);
	if (engine->fd_ops[fd])
		aion__op_link(engine, op);
	else
		close_submit(engine, op);
}

static struct aion_op *fd_find_close(struct aion__engine *engine, int fd)
{
	struct aion_op *op = (unsigned)fd < engine->fd_nr ? engine->fd_ops[fd] : NULL;

	while (op && op->opcode != IORING_OP_CLOSE)
		op = op->fd_next;
	return op;
}

static void close_look_again(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	(void)result, (void)cqe_flags;
	op->handler = close_done;
	aion__op_unlink(op);
	close_try(engine, op);
}

/* Standing in the list, let those run who are ready now. */
static void close_wait(struct aion__engine *engine, struct aion_op *op)
{
	struct io_uring_sqe *sqe = aion__engine_sqe(engine);

	op->handler = close_look_again;
	io_uring_prep_nop(sqe);
	sqe->user_data = (uintptr_t)op;
}

/*
 * Who has been given bytes does not know of the close, and is likely to go on with the rest: by then the kernel might have
 * the entry of the close and yet not have got to it, and what is started behind it would be ended by nobody. So he has
 * his turn before. Not for ever, though: he may be somebody who always gets on.
 */
void aion__op_close_go_on(struct aion__engine *engine, int fd, int64_t result)
{
	struct aion_op *op = fd_find_close(engine, fd);

	if (!op || op->fd_next || op->handler == (void *)close_look_again)
		return;
	if (result > 0 && ++op->retry_nr <= TURNS_MAX) {
		close_wait(engine, op);
		return;
	}
	aion__op_unlink(op);
	close_try(engine, op);
}

/*
 * A socket that nothing uses. Entries that the kernel has not seen yet might name it where the lists do not know of (the
 * other side of a splice, an entry that the application has filled), so there must be none. Who closes a number behind
 * the library's back and has it given to a file that takes long to close waits for that; nothing worse.
 */
static bool close_at_once(struct aion__engine *engine, struct aion_op *op, int fd)
{
	uint64_t bit = UINT64_C(1) << fd % 64;

	if (!(engine->fd_sockets[fd / 64] & bit))
		return false;
	engine->fd_sockets[fd / 64] &= ~bit;
	if (aion__ring_queued(&engine->ring))
		return false;
	engine->inline_nr++;
	aion__op_done_at_once(op, aion__ring_call_fd(&engine->ring, AION__CALL_CLOSE, fd));
	return true;
}

static void close_after_others(struct aion__engine *engine, struct aion_op *op, int fd)
{
	aion__op_reset(engine, op, fd, AION__OP_HANDLER | AION__OP_CANCEL_SENT);
	op->handler = close_done;
	op->opcode = IORING_OP_CLOSE;
	op->retry_nr = 0;
	if (fd_find_close(engine, fd))
		close_done(engine, op, -EBADF, 0);
	else
		close_try(engine, op);
}

void aion_op_close(struct aion_op *op, int fd)
{
	struct aion__engine *engine = aion__engine;
	struct io_uring_sqe *sqe;

	AION_BUG_ON(op->future.state == AION__OP_IN_FLIGHT, "operation started while in flight");
	if (engine && aion__ring_is_alive(&engine->ring) && (unsigned)fd < engine->fd_nr) {
		if (aion__unlikely(engine->fd_ops[fd])) {
			close_after_others(engine, op, fd);
			return;
		}
		if (close_at_once(engine, op, fd))
			return;
	}
	sqe = aion__op_prepare(op, IORING_OP_CLOSE, -1, AION__OP_HANDLER | AION__OP_CANCEL_SENT);
	if (!sqe)
		return;
	op->handler = close_done;
	io_uring_prep_close(sqe, fd);
	aion__op_commit(op, sqe);
}
