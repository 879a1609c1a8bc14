/* SPDX-License-Identifier: MIT */
#ifndef AION_QUEUE_H
#define AION_QUEUE_H
/*
 * The queue between tasks of one loop (asyncio's Queue, LifoQueue, PriorityQueue): items are pointers, which the queue
 * does not look at. Who waits is served first in, first out, and nobody who comes later overtakes him. An item that has
 * been handed to a waiting task is his, also if he is cancelled before he runs: his call returns 0. So a cancelled get
 * loses no item, and a put that says -ECANCELED has added none. Between threads use aion_thread_queue.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_QUEUE_UNBOUNDED SIZE_MAX

enum aion_queue_kind {
	AION_QUEUE_FIFO,
	AION_QUEUE_LIFO,     /* the latest item first */
	AION_QUEUE_PRIORITY, /* the least priority first; equal ones in the order in which they were put */
};

struct aion__queue_entry;

/* Private in its fields; in the caller's memory. */
struct aion_queue {
	struct aion__waits getters; /* there are some: there is no item */
	struct aion__waits putters; /* there are some: there is no room */
	struct aion__waits joiners;
	union {
		void **items;                      /* FIFO: a ring; LIFO: a stack */
		struct aion__queue_entry *entries; /* PRIORITY: a heap */
	};
	size_t nr;
	size_t first;    /* FIFO: where the oldest item lies */
	size_t room_nr;  /* items that there is memory for */
	size_t capacity; /* items that may be in it */
	size_t unfinished_nr;
	uint64_t order; /* PRIORITY: how many items ever came */
	uint8_t kind;
	bool is_shut_down;
};

/**
 * aion_queue_init - make an empty queue.
 * @queue: the caller's memory; stays in place until aion_queue_fini().
 * @kind: in which order items come out.
 * @capacity: items that may be in it, > 0; memory for all of them is allocated now, and putting fails for want of
 *   memory in no case. AION_QUEUE_UNBOUNDED: it grows, and a put never waits.
 *
 * Errors: -EINVAL (kind; capacity 0); -ENOMEM.
 * Suspends: no. Thread: loop, or before it runs. Source: none.
 */
AION_API int aion_queue_init(struct aion_queue *queue, enum aion_queue_kind kind, size_t capacity);

/**
 * aion_queue_fini - give the queue's memory back.
 * @queue: initialised, or all zero; aborts the process if a task waits in it. Items that are left in it are forgotten:
 *   aion_queue_shutdown_now() destroys them.
 *
 * Suspends: no. Thread: loop, or after it has run. Source: none.
 */
AION_API void aion_queue_fini(struct aion_queue *queue);

/**
 * aion_queue_put - put an item; while the queue is full, wait.
 * @queue: of this thread's loop.
 * @item: any pointer, NULL too. In a queue by priority it has priority 0.
 *
 * Result: 0: the item is in the queue, or with whoever waited for one.
 * Errors: in all of which the item is still the caller's: -ESHUTDOWN (aion_queue_shutdown() before or meanwhile);
 *   -ENOMEM (unbounded queues only); -ECANCELED (a scope around the caller is cancelled); -EBUSY (not inside a task);
 *   -ECHILD (forked child).
 * Suspends: while the queue is full, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_queue_put(struct aion_queue *queue, void *item);

/**
 * aion_queue_put_priority - the same, with a priority.
 * @queue: of kind AION_QUEUE_PRIORITY.
 * @item: any pointer.
 * @priority: the least comes out first. Tasks that wait with an item for room are served in the order in which they
 *   came, whatever its priority.
 *
 * Result, errors: as aion_queue_put(), and -EINVAL (another kind of queue).
 * Suspends: while the queue is full, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_queue_put_priority(struct aion_queue *queue, void *item, int64_t priority);

/**
 * aion_queue_get - take the next item; while the queue is empty, wait.
 * @queue: of this thread's loop.
 * @ret_item: the item.
 *
 * Result: 0.
 * Errors: -ESHUTDOWN (shut down, and empty); -ECANCELED (no item was taken); -EBUSY; -ECHILD.
 * Suspends: while the queue is empty, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_queue_get(struct aion_queue *queue, void **ret_item);

/**
 * aion_queue_try_put, aion_queue_try_put_priority, aion_queue_try_get - the same, never waiting. They are no
 * checkpoints, and may be called where no task runs (in a post).
 *
 * Result: 0.
 * Errors: -EAGAIN (full; empty); -ESHUTDOWN; -ENOMEM (putting, unbounded queues only); -EINVAL (kind).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_queue_try_put(struct aion_queue *queue, void *item);
AION_API int aion_queue_try_put_priority(struct aion_queue *queue, void *item, int64_t priority);
AION_API int aion_queue_try_get(struct aion_queue *queue, void **ret_item);

/**
 * aion_queue_task_done - say that the work on an item that was got is done.
 * @queue: each item that was put counts as unfinished until then.
 *
 * The last one wakes who waits in aion_queue_join().
 * Errors: -EINVAL (more often than items were put; nothing happens).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_queue_task_done(struct aion_queue *queue);

/**
 * aion_queue_join - wait until every item that was put is done.
 * @queue: of this thread's loop.
 *
 * Result: 0 as soon as no item is unfinished, also if others are put before the caller runs. Items that
 *   aion_queue_shutdown_now() drops count as done.
 * Errors: -ECANCELED; -EBUSY; -ECHILD.
 * Suspends: while items are unfinished, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_queue_join(struct aion_queue *queue);

/**
 * aion_queue_shutdown - take no more items; those that are in the queue can still be got.
 * @queue: a second time changes nothing.
 *
 * Tasks that wait to put or to get are woken with -ESHUTDOWN.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_queue_shutdown(struct aion_queue *queue);

/**
 * aion_queue_shutdown_now - the same, and drop the items that are in the queue.
 * @queue: may have been shut down before.
 * @destroy: called with each item, in the order in which they would have come out; must not suspend. NULL if nothing
 *   is to be done.
 * @arg: handed to destroy.
 *
 * Result: how many items were dropped.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API size_t aion_queue_shutdown_now(struct aion_queue *queue, void (*destroy)(void *item, void *arg), void *arg);

/** aion_queue_size - items in the queue now. Suspends: no. Thread: loop. Source: none. */
AION_API size_t aion_queue_size(const struct aion_queue *queue);

/** aion_queue_capacity - as it was initialised. Suspends: no. Thread: loop. Source: none. */
AION_API size_t aion_queue_capacity(const struct aion_queue *queue);

/** aion_queue_is_shut_down - whether puts are refused. Suspends: no. Thread: loop. Source: none. */
AION_API bool aion_queue_is_shut_down(const struct aion_queue *queue);

#ifdef __cplusplus
}
#endif
#endif
