/* SPDX-License-Identifier: MIT */
/*
 * Who waits for an outlet: until there is room for a copy, until something is sent, until it is closed. Whoever makes
 * room queues the copy on the waiter's behalf, so that nobody gets in between.
 */
#include "op_outlet_int.h"

#include <errno.h>

int aion_outlet_set_marks(struct aion_outlet *outlet, size_t high_size, size_t low_size)
{
	struct aion_loan *ended = NULL;

	if (low_size > high_size)
		return -EINVAL;
	outlet->high_size = high_size;
	outlet->low_size = low_size;
	if (outlet->queued_size > high_size)
		outlet->flags |= AION__OUTLET_PAUSED;
	if (aion__engine && outlet->flags & AION__OUTLET_OPEN)
		aion__outlet_go_on(outlet, &ended);
	aion__loans_end(ended);
	return 0;
}

static void wait_unlink(struct aion_outlet_wait *wait)
{
	*wait->pprev = wait->next;
	if (wait->next)
		wait->next->pprev = wait->pprev;
	wait->pprev = NULL;
}

static void wait_end(struct aion_outlet_wait *wait, int64_t result)
{
	wait_unlink(wait);
	aion__future_finish(aion__engine, &wait->future, result);
}

static void wait_init(struct aion_outlet_wait *wait, enum aion__outlet_wait_kind kind)
{
	*wait = (struct aion_outlet_wait){.kind = (uint8_t)kind};
	aion_future_init(&wait->future);
	wait->future.kind = AION__FUTURE_HELD;
}

static void wait_push(struct aion_outlet *outlet, struct aion_outlet_wait *wait)
{
	struct aion_outlet_wait **place = &outlet->waits;

	while (*place)
		place = &(*place)->next;
	wait->pprev = place;
	*place = wait;
}

/* Whether it can be told now; *ret_result is what. */
static bool outlet_answers(struct aion_outlet *outlet, const struct aion_outlet_wait *wait, int64_t *ret_result)
{
	*ret_result = outlet->error;
	if (outlet->error)
		return true;
	if (wait->kind == AION__OUTLET_WAIT_FLUSH)
		return aion__outlet_off(outlet) >= wait->off;
	if (outlet->flags & AION__OUTLET_PAUSED)
		return false;
	*ret_result = aion__outlet_copy(outlet, wait->iov, wait->iov_nr);
	return true;
}

void aion__outlet_admit(struct aion_outlet *outlet)
{
	struct aion_outlet_wait *wait = outlet->waits, *next;

	for (; wait; wait = next) {
		next = wait->next;
		if (wait->kind == AION__OUTLET_WAIT_WRITE)
			wait_end(wait, aion__outlet_copy(outlet, wait->iov, wait->iov_nr));
	}
}

void aion__outlet_serve(struct aion_outlet *outlet)
{
	struct aion_outlet_wait *wait = outlet->waits, *next;
	int64_t result;

	if (outlet->queued_size <= outlet->low_size)
		outlet->flags &= (uint8_t)~AION__OUTLET_PAUSED;
	for (; wait; wait = next) {
		next = wait->next;
		if (outlet_answers(outlet, wait, &result))
			wait_end(wait, result);
	}
}

void aion_outlet_start_writev(struct aion_outlet *outlet, struct aion_outlet_wait *wait, const struct iovec *iov,
			      int iov_nr)
{
	int result = aion_outlet_try_writev(outlet, iov, iov_nr);

	wait_init(wait, AION__OUTLET_WAIT_WRITE);
	wait->iov = iov;
	wait->iov_nr = iov_nr;
	if (result == -EAGAIN)
		wait_push(outlet, wait);
	else
		aion__future_finish(aion__engine, &wait->future, result);
}

void aion_outlet_start_flush(struct aion_outlet *outlet, struct aion_outlet_wait *wait)
{
	int result = aion_outlet_error(outlet);

	wait_init(wait, AION__OUTLET_WAIT_FLUSH);
	wait->off = outlet->end_off;
	if (result == 0 && aion__outlet_off(outlet) < wait->off)
		wait_push(outlet, wait);
	else
		aion__future_finish(aion__engine, &wait->future, result);
}

void aion_outlet_stop(struct aion_outlet_wait *wait)
{
	if (wait->pprev)
		wait_unlink(wait);
}

void aion_outlet_start_close(struct aion_outlet *outlet, struct aion_outlet_wait *wait)
{
	struct aion_loan *ended = NULL;

	wait_init(wait, AION__OUTLET_WAIT_CLOSE);
	if (!(outlet->flags & AION__OUTLET_OPEN) && !outlet->closing) {
		aion__future_finish(aion__engine, &wait->future, 0);
		return;
	}
	outlet->error = -EBADF;
	outlet->flags &= (uint8_t)~AION__OUTLET_OPEN;
	wait->next = outlet->closing;
	outlet->closing = wait;
	/* The last completion may come while the cancel looks for room: nothing of the outlet is looked at after it. */
	if (outlet->flags & AION__OUTLET_FLYING)
		aion_op_cancel(&outlet->first->op);
	else
		aion__outlet_go_on(outlet, &ended);
	aion__loans_end(ended);
}
