/* SPDX-License-Identifier: MIT */
#ifndef AION_THREAD_QUEUE_H
#define AION_THREAD_QUEUE_H
/*
 * The queue between loops and threads: tasks of any loop and plain threads put and get, in any mix. Items come out in
 * the order in which they went in, and who waits, task or thread, is served first in, first out: nobody who comes later
 * overtakes him. An item that has been handed to a waiting task is his, also if he is cancelled before he runs. Among
 * tasks of one loop aion_queue is several times faster.
 *
 * A task waits as for anything else. A thread without a loop calls the _blocking forms, with a deadline.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_THREAD_QUEUE_UNBOUNDED SIZE_MAX

struct aion_thread_queue;

/**
 * aion_thread_queue_create - make an empty queue.
 * @capacity: items that may be in it, > 0; memory for all of them is allocated now, and putting fails for want of
 *   memory in no case. AION_THREAD_QUEUE_UNBOUNDED: it grows, and a put never waits.
 * @ret_queue: the queue.
 *
 * Errors: -EINVAL (capacity 0); -ENOMEM.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_thread_queue_create(size_t capacity, struct aion_thread_queue **ret_queue);

/**
 * aion_thread_queue_destroy - give the queue back.
 * @queue: NULL does nothing. No call on it is under way; aborts the process if somebody waits in it. Items that are
 *   left are forgotten: after aion_thread_queue_close() they can be got.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API void aion_thread_queue_destroy(struct aion_thread_queue *queue);

/**
 * aion_thread_queue_put - put an item from a task; while the queue is full, wait.
 * @queue: of any thread.
 * @item: any pointer, NULL too.
 *
 * Result: 0: the item is in the queue, or with whoever waited for one.
 * Errors: in all of which the item is still the caller's: -ESHUTDOWN (closed, before or meanwhile); -ENOMEM (unbounded
 *   queues only); -ECANCELED (a scope around the caller is cancelled); -EBUSY (not inside a task); -ECHILD (forked
 *   child).
 * Suspends: while the queue is full, or the task's budget is used up. Thread: loop. Source: eventfd(2).
 */
AION_API AION_SUSPENDS int aion_thread_queue_put(struct aion_thread_queue *queue, void *item);

/**
 * aion_thread_queue_get - take the oldest item from a task; while the queue is empty, wait.
 * @queue: of any thread.
 * @ret_item: the item.
 *
 * Result: 0.
 * Errors: -ESHUTDOWN (closed, and empty); -ECANCELED (no item was taken); -EBUSY; -ECHILD.
 * Suspends: while the queue is empty, or the task's budget is used up. Thread: loop. Source: eventfd(2).
 */
AION_API AION_SUSPENDS int aion_thread_queue_get(struct aion_thread_queue *queue, void **ret_item);

/**
 * aion_thread_queue_put_blocking - put an item from a thread that runs no loop; while the queue is full, block it.
 * @queue: of any thread.
 * @item: any pointer.
 * @deadline_ns: absolute, monotonic, see aion_after(); one that has passed tries once. AION_NEVER for none.
 *
 * Result: 0.
 * Errors: -ETIME (the deadline has passed; the item is still the caller's); -ESHUTDOWN; -ENOMEM (unbounded queues
 *   only); -EDEADLK (a loop runs on this thread, and would stand still).
 * Suspends: no, it blocks. Thread: any without a loop, also in aion_offload(). Source: pthreads(7).
 */
AION_API int aion_thread_queue_put_blocking(struct aion_thread_queue *queue, void *item, int64_t deadline_ns);

/**
 * aion_thread_queue_get_blocking - take the oldest item on a thread that runs no loop; while there is none, block it.
 * @queue: of any thread.
 * @ret_item: the item.
 * @deadline_ns: as above.
 *
 * Result: 0.
 * Errors: -ETIME (the deadline has passed, no item was taken); -ESHUTDOWN (closed, and empty); -EDEADLK.
 * Suspends: no, it blocks. Thread: any without a loop, also in aion_offload(). Source: pthreads(7).
 */
AION_API int aion_thread_queue_get_blocking(struct aion_thread_queue *queue, void **ret_item, int64_t deadline_ns);

/**
 * aion_thread_queue_try_put, aion_thread_queue_try_get - the same from anywhere, never waiting. No checkpoints.
 *
 * Result: 0.
 * Errors: -EAGAIN (full; empty); -ESHUTDOWN; -ENOMEM (putting, unbounded queues only).
 * Suspends: no. Thread: any. Source: eventfd(2).
 */
AION_API int aion_thread_queue_try_put(struct aion_thread_queue *queue, void *item);
AION_API int aion_thread_queue_try_get(struct aion_thread_queue *queue, void **ret_item);

/**
 * aion_thread_queue_close - take no more items; those that are in the queue can still be got.
 * @queue: a second time changes nothing.
 *
 * Who waits to put or to get is woken with -ESHUTDOWN.
 * Suspends: no. Thread: any. Source: eventfd(2).
 */
AION_API void aion_thread_queue_close(struct aion_thread_queue *queue);

/** aion_thread_queue_size - items in the queue just now. Suspends: no. Thread: any. Source: none. */
AION_API size_t aion_thread_queue_size(struct aion_thread_queue *queue);

/** aion_thread_queue_capacity - as it was made. Suspends: no. Thread: any. Source: none. */
AION_API size_t aion_thread_queue_capacity(const struct aion_thread_queue *queue);

#ifdef __cplusplus
}
#endif
#endif
