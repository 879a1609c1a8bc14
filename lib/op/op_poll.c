/* SPDX-License-Identifier: MIT */
/*
 * Waiting for readiness: once, or for good with one multishot request. The kernel ends a multishot request when it has
 * no room for a completion; the next call then asks again, and the kernel reports what holds at that time, so that no
 * event is lost in between.
 */
#include <errno.h>

#include <aion/poll.h>

#include "mutant_int.h"
#include "op_file_int.h"

void aion_op_poll(struct aion_op *op, int fd, unsigned events)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_POLL_ADD, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, fd, events);
	aion__op_commit(op, sqe);
}

static void poll_wake(struct aion__engine *engine, struct aion_poll *poll)
{
	if (!aion__future_is_done(&poll->ready))
		aion__future_finish(engine, &poll->ready, 0);
}

/* Also who waits while nothing has come is woken at the end: he asks again. */
static void poll_event(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	struct aion_poll *poll = aion__container_of(op, struct aion_poll, op);
	bool is_closed = op->future.flags & AION__OP_CLOSED;

	if (result > 0)
		poll->revents |= (uint32_t)result;
	if (!(cqe_flags & IORING_CQE_F_MORE)) {
		aion__op_finish(engine, op, result);
		if (op->future.result < 0)
			poll->error = (int32_t)op->future.result;
		else if (is_closed)
			poll->error =
				-EBADF; /* it has come before the cancel: nobody may ask again on that descriptor */
	}
	poll_wake(engine, poll);
}

static void poll_arm(struct aion_poll *poll)
{
	struct io_uring_sqe *sqe = aion__op_prepare(&poll->op, IORING_OP_POLL_ADD, poll->fd, AION__OP_HANDLER);

	if (!sqe) {
		poll->error = (int32_t)poll->op.future.result;
		return;
	}
	poll->op.handler = poll_event;
	io_uring_prep_poll_multishot(sqe, poll->fd, poll->events);
	aion__op_commit(&poll->op, sqe);
}

void aion_poll_open(struct aion_poll *poll, int fd, unsigned events)
{
	AION_BUG_ON(poll->is_open, "poll opened while open");
	*poll = (struct aion_poll){.fd = fd, .events = events, .is_open = true};
	aion_future_init(&poll->ready);
	poll_arm(poll);
}

int64_t aion_poll_try_next(struct aion_poll *poll)
{
	uint32_t revents = poll->revents;

	if (!poll->is_open)
		return -EBADF;
	if (!revents && poll->error)
		return poll->error;
	if (!aion_op_is_in_flight(&poll->op) && !poll->error && !aion__is_mutant(AION__MUTANT_NO_REARM)) {
		poll_arm(poll);
		/* Who asks for the next event may well end before the poll is closed. */
		aion__op_disown(&poll->op);
	}
	poll->revents = 0;
	if (aion__future_is_done(&poll->ready) && !poll->error)
		aion_future_init(&poll->ready);
	return revents ? (int64_t)revents : poll->error ? poll->error : -EAGAIN;
}
