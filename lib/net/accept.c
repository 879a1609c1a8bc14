/* SPDX-License-Identifier: MIT */
/* Accepting again and again: what suspends. */
#include <errno.h>

#include <aion/accept.h>
#include <aion/scope.h>
#include <aion/task.h>

#include "closers_int.h"
#include "listener_int.h"

int64_t aion_accept_wait(struct aion_accept *accept)
{
	int64_t result = aion_checkpoint();

	while (result >= 0) {
		if (aion_accept_try_wait(accept) == 0)
			return 0;
		accept->waiter_nr++;
		result = aion_await(&accept->ready);
		accept->waiter_nr--;
	}
	return result;
}

/* Of several who wait, another one may have been faster. */
int64_t aion_accept_next(struct aion_accept *accept)
{
	int64_t result;

	do {
		result = aion_accept_wait(accept);
		if (result == 0)
			result = aion_accept_try_next(accept);
	} while (result == -EAGAIN);
	return result;
}

void aion__accept_end(struct aion_accept *accept)
{
	accept->error = -EBADF;
	accept->is_ended = true;
	for (int i = 0; i < AION_ACCEPT_BATCH && accept->flying_nr; i++)
		aion_op_cancel(&accept->requests[i].op);
	if (accept->waiter_nr && !aion_future_is_done(&accept->ready))
		aion_future_complete(&accept->ready, 0);
}

void aion_accept_stop(struct aion_accept *accept)
{
	if (!accept->is_open)
		return;
	aion__accept_end(accept);
	for (int i = 0; i < AION_ACCEPT_BATCH && accept->flying_nr; i++)
		aion_op_reap(&accept->requests[i].op);
	accept->error = -EBADF; /* whatever the last of them said */
}

/* Who waits has been woken and is about to run. */
static void waiters_leave(const struct aion_accept *accept)
{
	struct aion_scope shield;

	if (!accept->waiter_nr || !aion_task_current())
		return;
	aion_scope_enter_shield(&shield, AION_NEVER);
	while (accept->waiter_nr && aion_yield() == 0)
		;
	aion_scope_leave(&shield);
}

void aion_accept_close(struct aion_accept *accept)
{
	struct aion__closer *closers;

	if (accept->is_closing) {
		aion__closers_wait(&accept->closers);
		return;
	}
	if (!accept->is_open)
		return;
	accept->is_closing = true;
	aion_accept_stop(accept);
	accept->is_open = false;
	aion_accept_discard(accept);
	waiters_leave(accept);
	accept->is_closing = false;
	closers = accept->closers;
	accept->closers = NULL;
	aion__closers_wake(closers);
}
