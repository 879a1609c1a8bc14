/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_WAITS_INT_H
#define AION_TASK_WAITS_INT_H
/*
 * Tasks that wait for something to be handed to them (a lock, a permit, an item), first in first out, with their
 * records on their own stacks. Whoever hands over takes the record off the queue and completes its future: from then on
 * it is the waiter's, also if his scope is cancelled before he runs. A cancelled waiter that has been handed nothing
 * leaves the queue.
 */
#include "loop_int.h"

/* In the memory of whoever waits. */
struct aion__wait {
	struct aion_future future; /* its result is what aion__waits_await() returns */
	struct aion__wait *next;
	struct aion__wait *prev;
	struct aion__waits *waits; /* NULL once it is no longer in the queue */
	const char *noun;          /* what is waited for: "mutex", "queue item"; for whoever looks at the tasks */
	const void *object;        /* which one */
	union {                    /* what the noun keeps of each waiter */
		size_t nr;
		void *item;
		const void *borrower;
	};
};

static inline bool aion__waits_is_empty(const struct aion__waits *waits)
{
	return !waits->first;
}

/* The checkpoint of a call that may not have to wait: aion_checkpoint() in line. 0, -ECANCELED, -EBUSY, -ECHILD. */
static inline int aion__checkpoint(void)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	if (aion__unlikely(!task))
		return aion__loop_refuses(loop);
	aion__loop_spend(loop, task);
	return aion__unlikely(task->cancelled) ? aion__task_refuse(task) : 0;
}

/*
 * The running task if its checkpoint would only count: then the caller takes 1 off the loop's budget. Else NULL, and
 * aion__checkpoint() has to be called. A function whose usual way calls nothing, and which leaves the rest to another
 * one that it calls last, saves no registers.
 */
static inline struct aion_task *aion__task_unhindered(void)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	return aion__likely(task && !task->cancelled && loop->budget.left_nr > 1) ? task : NULL;
}

/*
 * Queue up at the end and wait until somebody hands over. The noun's own fields (noun, object, the union) are set; the
 * rest need not be. Inside a task. The result is what was handed over (>= 0 or -errno), or -ECANCELED: the record is
 * out of the queue in either case. -ECANCELED that has been handed over is told apart by
 * aion_future_is_done(&wait->future).
 */
AION_SUSPENDS int64_t aion__waits_await(struct aion__waits *waits, struct aion__wait *wait);
/* The same, and no cancellation ends it early. */
AION_SUSPENDS int64_t aion__waits_await_shielded(struct aion__waits *waits, struct aion__wait *wait);

/* Put one that is off every queue at the end of one: its task waits on; or the queue is under a lock of its owner's
 * (see struct aion__remote). */
void aion__waits_append(struct aion__waits *waits, struct aion__wait *wait);
void aion__waits_remove(struct aion__wait *wait);

/* The first, taken off the queue, or NULL. Nobody runs before the caller suspends. */
static inline struct aion__wait *aion__waits_take(struct aion__waits *waits)
{
	struct aion__wait *wait = waits->first;

	if (!wait)
		return NULL;
	waits->first = wait->next;
	if (wait->next)
		wait->next->prev = NULL;
	else
		waits->last = NULL;
	wait->waits = NULL;
	return wait;
}

/* Hand over to one that is off the queue. */
static inline void aion__wait_end(struct aion__wait *wait, int64_t result)
{
	AION_BUG_ON(wait->future.loop != aion__loop(), "waiting task woken on another thread than its loop's");
	aion__future_finish(aion__engine, &wait->future, result);
}

/* Take the first and hand over to it. False: nobody waits. */
static inline bool aion__waits_wake_first(struct aion__waits *waits, int64_t result)
{
	struct aion__wait *wait = aion__waits_take(waits);

	if (wait)
		aion__wait_end(wait, result);
	return wait;
}

/* All who wait now. Returns how many they were. */
size_t aion__waits_wake_all(struct aion__waits *waits, int64_t result);

/*
 * A task that waits for what any thread may hand to it. It stands in a queue of the owner's, under the owner's lock.
 * Who serves it takes it off the queue under that lock, and then calls aion__remote_end(), with the lock or without;
 * until that has reached the task's loop, as a post, the task cannot go on. If the task is cancelled, it is withdrawn:
 * taken off the queue if it still stands there. Else it was served, and what it was given is kept.
 */
struct aion__remote {
	struct aion__wait wait;
	/* Takes it off its queue. False: somebody has served it. On the task's thread. */
	bool (*withdraw)(struct aion__remote *remote);
	struct aion__post post;
	int64_t result; /* on its way */
};

/* Before it gets into the queue; noun, object and the wait's union are set by the caller. Inside a task. */
void aion__remote_init(struct aion__remote *remote, bool (*withdraw)(struct aion__remote *remote));
/* Wait until it is served or withdrawn; what aion__remote_end() said, or -ECANCELED. */
AION_SUSPENDS int64_t aion__remote_await(struct aion__remote *remote);
/* Once it is off the queue, from any thread. The record may be gone when this returns. */
void aion__remote_end(struct aion__remote *remote, int64_t result);
/* Its task is cancelled. */
void aion__remote_withdraw(struct aion__remote *remote);

#endif
