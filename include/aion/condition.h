/* SPDX-License-Identifier: MIT */
#ifndef AION_CONDITION_H
#define AION_CONDITION_H
/*
 * The condition: tasks that have locked a mutex wait until another one says that something has changed. Who is notified
 * moves to the end of the queue for his mutex, and so goes on in the order of the notifications, before those who come
 * to lock it later. Nobody is woken for another reason, but what was true when it was notified may not be any more
 * when the mutex is had: wait in a loop, or by aion_condition_wait_for(). For tasks of one loop.
 */
#include <stdbool.h>

#include <aion/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Private in its fields. All zero = initialised. */
struct aion_condition {
	struct aion__waits waits;
};

/** aion_condition_init - make a condition. Suspends: no. Thread: any. Source: none. */
AION_API void aion_condition_init(struct aion_condition *condition);

/**
 * aion_condition_fini - assert that nobody waits for it, before its memory goes.
 * @condition: aborts the process if a task waits.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_condition_fini(struct aion_condition *condition);

/**
 * aion_condition_wait - unlock the mutex, wait to be notified, lock the mutex again.
 * @condition: of this thread's loop.
 * @mutex: locked by the caller, and again whatever the result: to lock it again always finishes.
 *
 * A notification is never lost: who was notified returns 0, also if it is cancelled before it has the mutex; who is
 * cancelled before leaves the queue, and the notification goes to the next.
 * Result: 0.
 * Errors: -ECANCELED (a scope around the caller is cancelled, and it was not notified; if so on entry, the mutex was
 * not unlocked in between); -EPERM (the caller does not have the mutex); -EBUSY (not inside a task); -ECHILD (forked
 * child).
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_condition_wait(struct aion_condition *condition, struct aion_mutex *mutex);

/* Whether that has come for which one waits. It is asked with the mutex locked. */
typedef bool aion_predicate_fn(void *arg);

/**
 * aion_condition_wait_for - wait until a predicate holds.
 * @condition: notified whenever the predicate may have come to hold.
 * @mutex: locked by the caller, and again whatever the result.
 * @predicate: asked at once, and each time the task is notified. It must not suspend.
 * @arg: handed to it.
 *
 * A notification for which the predicate does not hold is used up.
 * Result: 0: it holds.
 * Errors: those of aion_condition_wait().
 * Suspends: unless it holds at once; then only if the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_condition_wait_for(struct aion_condition *condition, struct aion_mutex *mutex,
						   aion_predicate_fn *predicate, void *arg);

/**
 * aion_condition_notify - let some who wait go on, first in first out.
 * @condition: of this thread's loop. The caller need not have the mutex, and keeps it if it has.
 * @nr: at most so many.
 *
 * Nobody runs before the caller suspends, nor before it has the mutex.
 * Result: how many they are.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API size_t aion_condition_notify(struct aion_condition *condition, size_t nr);

/** aion_condition_notify_all - aion_condition_notify() for all who wait now. Suspends: no. Thread: loop. Source: none.
 */
AION_API size_t aion_condition_notify_all(struct aion_condition *condition);

#ifdef __cplusplus
}
#endif
#endif
