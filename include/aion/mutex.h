/* SPDX-License-Identifier: MIT */
#ifndef AION_MUTEX_H
#define AION_MUTEX_H
/*
 * The mutex: one task at a time. It is handed over first in first out: who unlocks while others wait gives it to the
 * first of them, and no newcomer can take it in between. For tasks of one loop; nothing in it is atomic. What does not
 * suspend between two lines needs no lock.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_task;

/* Private in its fields. All zero = initialised and unlocked. */
struct aion_mutex {
	struct aion_task *owner; /* NULL: unlocked, and nobody waits */
	struct aion__waits waits;
};

/** aion_mutex_init - make an unlocked mutex. Suspends: no. Thread: any. Source: none. */
AION_API void aion_mutex_init(struct aion_mutex *mutex);

/**
 * aion_mutex_fini - assert that it is not in use any more, before its memory goes.
 * @mutex: aborts the process if it is locked.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_mutex_fini(struct aion_mutex *mutex);

/**
 * aion_mutex_lock - wait until the mutex is the caller's.
 * @mutex: of this thread's loop.
 *
 * A task that has been handed the mutex has it, also if it is cancelled before it runs: the call then returns 0, and
 * the cancellation comes at the next checkpoint. A task that ends with the mutex locked leaves it locked.
 * Result: 0.
 * Errors, the mutex not being the caller's then: -ECANCELED (a scope around the caller is cancelled); -EBUSY (not
 * inside a task); -ECHILD (forked child). Nothing has changed: -EDEADLK (the caller has it already).
 * Suspends: if it is locked, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_mutex_lock(struct aion_mutex *mutex);

/**
 * aion_mutex_try_lock - take the mutex if it is unlocked.
 * @mutex: of this thread's loop.
 *
 * Result: 0.
 * Errors: -EAGAIN (another task has it); -EDEADLK (the caller has it already); -EBUSY (not inside a task); -ECHILD.
 * Suspends: no, nor is it a checkpoint. Thread: loop. Source: none.
 */
AION_API int aion_mutex_try_lock(struct aion_mutex *mutex);

/**
 * aion_mutex_unlock - give the mutex to the task that has waited longest, or to whoever comes.
 * @mutex: locked by the caller.
 *
 * Nobody runs before the caller suspends. Works in a cancelled scope, too.
 * Result: 0.
 * Errors, nothing having changed: -EPERM (the caller does not have it).
 * Suspends: no. Thread: loop, inside a task. Source: none.
 */
AION_API int aion_mutex_unlock(struct aion_mutex *mutex);

/** aion_mutex_is_locked - whether a task has it. Suspends: no. Thread: loop. Source: none. */
AION_API bool aion_mutex_is_locked(const struct aion_mutex *mutex);

#ifdef __cplusplus
}
#endif
#endif
