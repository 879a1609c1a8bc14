/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_H
#define AION_TASK_H
/*
 * The task: a function with a stack of its own, on its loop's thread for life. Made by aion_spawn() and its kin, see
 * group.h. This header is what a task can ask and do about itself.
 */
#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_task;

/**
 * aion_sleep - let time pass.
 * @duration_ns: nanoseconds; 0 or less is a checkpoint that lets the others run once.
 *
 * Result: 0.
 * Errors: -ECANCELED; -ENOMEM (no memory for the timer); -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: io_uring_enter(2) with IORING_ENTER_EXT_ARG, Linux 5.11; CLOCK_MONOTONIC.
 */
AION_API AION_SUSPENDS int64_t aion_sleep(int64_t duration_ns);

/**
 * aion_sleep_until - let time pass until a deadline.
 * @deadline_ns: absolute, monotonic; one that has passed is a checkpoint that lets the others run; AION_NEVER
 *   sleeps until cancelled.
 *
 * Result and errors as aion_sleep(). Suspends: yes. Thread: loop. Source: as aion_sleep().
 */
AION_API AION_SUSPENDS int64_t aion_sleep_until(int64_t deadline_ns);

/**
 * aion_yield - let every task that is ready now run once.
 *
 * Result: 0.
 * Errors: -ECANCELED; -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_yield(void);

/** aion_task_current - the running task, or NULL outside of tasks. Suspends: no. Thread: any. Source: none. */
AION_API struct aion_task *aion_task_current(void);

/**
 * aion_task_name - the name given at spawn, "" if none.
 * @task: alive; NULL means the running one.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API const char *aion_task_name(const struct aion_task *task);

/* A task-local variable is a key; every task has its own value for it, NULL at first. Children do not inherit. */
#define AION_LOCAL_MAX 64 /* keys a process */

/**
 * aion_local_create - make a task-local key.
 * @destroy: called with a task's value when the task ends, if it is not NULL; may be NULL itself. Runs as the task's
 *   last act, may suspend.
 * @ret_key: the key, for every loop of the process.
 *
 * Errors: -EAGAIN (AION_LOCAL_MAX keys exist).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_local_create(void (*destroy)(void *value), unsigned *ret_key);

/**
 * aion_local_set - set the running task's value.
 * @key: from aion_local_create().
 * @value: borrowed until replaced or the task ends.
 *
 * Errors: -EINVAL (no such key); -ENOMEM; -EBUSY (not inside a task).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_local_set(unsigned key, void *value);

/** aion_local_get - the running task's value, or NULL. Suspends: no. Thread: loop. Source: none. */
AION_API void *aion_local_get(unsigned key);

#ifdef __cplusplus
}
#endif
#endif
