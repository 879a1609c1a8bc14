/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_FUTURE_INT_H
#define AION_OP_FUTURE_INT_H
/*
 * A future's waiters in one word:
 *   0                    pending, nobody waits
 *   AION__WAITERS_DONE   done
 *   runnable | 1         one waiter: no record of it is needed
 *   struct aion__waiter* a list of them, newest first, on the waiters' stacks
 */
#include "engine_int.h"

#define AION__WAITERS_DONE ((uintptr_t)2)
#define AION__WAITER_SINGLE ((uintptr_t)1)

enum aion__future_kind {
	AION__FUTURE_PLAIN, /* a cancelled waiter leaves it alone */
	AION__FUTURE_OP =
		1, /* (aion_op_init() knows the number) a cancelled waiter asks the kernel to end it, and waits on */
	AION__FUTURE_HANDLE, /* a task's: as plain, but aion_wait_for cancels the task */
	AION__FUTURE_TIMER,  /* as plain, but the library completes it */
	AION__FUTURE_HELD,   /* the same: an owned buffer's, a promise's */
	AION__FUTURE_WAIT,   /* as plain, but a struct aion__wait is around it: a place in a queue of waiting tasks */
	AION__FUTURE_REMOTE, /* a struct aion__remote is around it: withdrawn if nobody has served it, else waited for */
	AION__FUTURE_CALL,   /* an offloaded call: withdrawn if it queues, else waited for */
};

/* future.state of a plain one that is an offloaded call's which its caller may leave behind. For who looks at the
 * tasks. */
#define AION__FUTURE_IS_CALL 1

static inline bool aion__future_is_done(const struct aion_future *future)
{
	return future->waiters == AION__WAITERS_DONE;
}

void aion__future_wake_list(struct aion__engine *engine, uintptr_t waiters);

/* The result is there: mark done, queue the waiters. */
static inline void aion__future_finish(struct aion__engine *engine, struct aion_future *future, int64_t result)
{
	uintptr_t waiters = future->waiters;

	future->result = result;
	future->waiters = AION__WAITERS_DONE;
	if (aion__likely(waiters & AION__WAITER_SINGLE))
		aion__engine_make_ready(engine, (struct aion__runnable *)(waiters - AION__WAITER_SINGLE));
	else if (aion__unlikely(waiters))
		aion__future_wake_list(engine, waiters);
}

/* The future's memory goes. */
void aion__future_check_received(struct aion__engine *engine, const struct aion_future *future);

/* Wait alone, without a record if nobody else waits. The future is pending. */
void aion__future_add_runnable(struct aion_future *future, struct aion__runnable *runnable);
void aion__future_remove_runnable(struct aion_future *future, struct aion__runnable *runnable);
/* Wait with a record. The future is pending; removing what is no longer in the list does nothing. */
void aion__future_add_waiter(struct aion_future *future, struct aion__waiter *waiter, struct aion__runnable *runnable);
void aion__future_remove_waiter(struct aion__waiter *waiter);

#endif
