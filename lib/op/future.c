/* SPDX-License-Identifier: MIT */
#include "op_int.h"

void aion_future_init(struct aion_future *future)
{
	*future = (struct aion_future){.loop = (struct aion_loop *)aion__engine, .kind = AION__FUTURE_PLAIN, .fd = -1};
}

void aion_future_complete(struct aion_future *future, int64_t result)
{
	struct aion__engine *engine = aion__engine;

	AION_BUG_ON(!engine || (future->loop && future->loop != (struct aion_loop *)engine),
		    "future completed on another thread than its loop's; use a promise");
	AION_BUG_ON(future->kind != AION__FUTURE_PLAIN,
		    "only the library completes the future of what it made: an operation, a task, a timer");
	AION_BUG_ON(aion__future_is_done(future), "future completed twice");
	aion__future_finish(engine, future, result);
}

bool aion_future_is_done(const struct aion_future *future)
{
	return aion__future_is_done(future);
}

void aion__future_check_received(struct aion__engine *engine, const struct aion_future *future)
{
	if (engine && engine->watch && future->loop == (struct aion_loop *)engine && aion__future_is_done(future) &&
	    future->result < 0 && !(future->flags & (AION__OP_RECEIVED | AION__OP_SEEN)))
		engine->watch->future_lost(engine, future);
}

void aion_future_fini(struct aion_future *future)
{
	AION_BUG_ON(future->waiters && !aion__future_is_done(future), "future finished while a task waits for it");
	aion__future_check_received(aion__engine, future);
}

/* Newest first in the list, so the queueing, which is first in first out, goes from its end. */
void aion__future_wake_list(struct aion__engine *engine, uintptr_t waiters)
{
	struct aion__waiter *waiter = (struct aion__waiter *)waiters;

	while (waiter->next)
		waiter = waiter->next;
	while (waiter) {
		struct aion__waiter *newer = waiter->prev;

		waiter->future = NULL;
		aion__engine_make_ready(engine, waiter->runnable);
		waiter = newer;
	}
}

static void future_push(struct aion_future *future, struct aion__waiter *waiter, struct aion__runnable *runnable)
{
	struct aion__waiter *head = (struct aion__waiter *)future->waiters;

	*waiter = (struct aion__waiter){.next = head, .future = future, .runnable = runnable};
	if (head)
		head->prev = waiter;
	future->waiters = (uintptr_t)waiter;
}

void aion__future_add_waiter(struct aion_future *future, struct aion__waiter *waiter, struct aion__runnable *runnable)
{
	AION_ASSERT(!aion__future_is_done(future));
	if (future->waiters & AION__WAITER_SINGLE) {
		struct aion__runnable *first = (struct aion__runnable *)(future->waiters - AION__WAITER_SINGLE);

		future->waiters = 0;
		future_push(future, &first->spare, first);
	}
	future_push(future, waiter, runnable);
}

void aion__future_remove_waiter(struct aion__waiter *waiter)
{
	struct aion_future *future = waiter->future;

	if (!future)
		return;
	if (waiter->next)
		waiter->next->prev = waiter->prev;
	if (waiter->prev)
		waiter->prev->next = waiter->next;
	else
		future->waiters = (uintptr_t)waiter->next;
	waiter->future = NULL;
}

void aion__future_add_runnable(struct aion_future *future, struct aion__runnable *runnable)
{
	AION_ASSERT(!aion__future_is_done(future));
	if (future->waiters == 0)
		future->waiters = (uintptr_t)runnable | AION__WAITER_SINGLE;
	else
		aion__future_add_waiter(future, &runnable->spare, runnable);
}

void aion__future_remove_runnable(struct aion_future *future, struct aion__runnable *runnable)
{
	if (future->waiters == ((uintptr_t)runnable | AION__WAITER_SINGLE))
		future->waiters = 0;
	else if (!aion__future_is_done(future))
		aion__future_remove_waiter(&runnable->spare);
}
