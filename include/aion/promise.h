/* SPDX-License-Identifier: MIT */
#ifndef AION_PROMISE_H
#define AION_PROMISE_H
/*
 * The promise: a future that another thread completes. Reference-counted, from the heap, so that a waiter which has
 * given up leaves nothing behind that the other thread could write into.
 */
#include <aion/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_promise;

/**
 * aion_promise_create - make a promise whose future belongs to the calling thread's loop.
 * @ret_promise: with two references: one for who waits, one for who completes.
 *
 * Errors: -ENOMEM; -EBUSY (not inside a task); -ECHILD.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_promise_create(struct aion_promise **ret_promise);

/**
 * aion_promise_future - the future to wait for.
 * @promise: the caller holds a reference.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_future *aion_promise_future(struct aion_promise *promise);

/**
 * aion_promise_complete - give the result, and drop the completer's reference.
 * @promise: completing one twice aborts the process.
 * @result: >= 0, or -errno.
 *
 * If the loop is being destroyed, or is gone, nobody waits any more; the result is dropped.
 * Suspends: no. Thread: any. Source: eventfd(2).
 */
AION_API void aion_promise_complete(struct aion_promise *promise, int64_t result);

/**
 * aion_promise_release - drop the waiter's reference.
 * @promise: NULL does nothing. Not used by the caller any more; no task waits for its future.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_promise_release(struct aion_promise *promise);

#ifdef __cplusplus
}
#endif
#endif
