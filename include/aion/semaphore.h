/* SPDX-License-Identifier: MIT */
#ifndef AION_SEMAPHORE_H
#define AION_SEMAPHORE_H
/*
 * The semaphore: a number of permits, which tasks acquire and release. First in first out: permits that somebody waits
 * for are not given to newcomers, and who asks for many is not overtaken by those who ask for few. For tasks of one
 * loop.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Private in its fields. */
struct aion_semaphore {
	size_t free_nr;  /* permits for whoever comes; 0 while somebody waits, and when closed */
	size_t limit_nr; /* below which a release need only count; 0 while somebody waits, and when closed */
	size_t kept_nr;  /* the permits while free_nr is 0 for one of these reasons */
	size_t max_nr;
	bool is_closed;
	struct aion__waits waits;
};

/**
 * aion_semaphore_init - make a semaphore.
 * @semaphore: the caller's memory.
 * @value: permits.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API void aion_semaphore_init(struct aion_semaphore *semaphore, size_t value);

/**
 * aion_semaphore_init_bounded - make a semaphore that refuses to have more than so many permits.
 * @semaphore: the caller's memory.
 * @value: permits, max at most.
 * @max: the most that there may be, 1 at least.
 *
 * Errors: -EINVAL (value > max, or max is 0; the semaphore is not initialised).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_semaphore_init_bounded(struct aion_semaphore *semaphore, size_t value, size_t max);

/**
 * aion_semaphore_fini - assert that nobody waits for it, before its memory goes.
 * @semaphore: aborts the process if a task waits.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_semaphore_fini(struct aion_semaphore *semaphore);

/**
 * aion_semaphore_acquire - wait for a permit and take it.
 * @semaphore: of this thread's loop.
 *
 * A task that has been handed its permits has them, also if it is cancelled before it runs: the call then returns 0.
 * Result: 0.
 * Errors, nothing being taken then: -ECANCELED (a scope around the caller is cancelled); -ESHUTDOWN (closed, also while
 * the caller waited); -EBUSY (not inside a task); -ECHILD (forked child).
 * Suspends: if there is none, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_semaphore_acquire(struct aion_semaphore *semaphore);

/**
 * aion_semaphore_acquire_nr - wait for several permits and take them, all at once.
 * @semaphore: of this thread's loop.
 * @nr: permits; 0 waits for its turn and takes none.
 *
 * Result: 0.
 * Errors: those of aion_semaphore_acquire(), and: -EINVAL (more than a bounded semaphore can have).
 * Suspends: if there are fewer, if others wait, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_semaphore_acquire_nr(struct aion_semaphore *semaphore, size_t nr);

/**
 * aion_semaphore_try_acquire - take a permit if there is one for whoever comes.
 * @semaphore: of this thread's loop.
 *
 * Result: 0.
 * Errors: -EAGAIN (there is none, or others wait); -ESHUTDOWN (closed).
 * Suspends: no, nor is it a checkpoint. Thread: loop. Source: none.
 */
AION_API int aion_semaphore_try_acquire(struct aion_semaphore *semaphore);

/**
 * aion_semaphore_release - give a permit back, or add one.
 * @semaphore: of this thread's loop; closed or not.
 *
 * It goes to who has waited longest. Nobody runs before the caller suspends.
 * Result: 0.
 * Errors, nothing having changed: -EOVERFLOW (more than a bounded semaphore may have, or than SIZE_MAX).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_semaphore_release(struct aion_semaphore *semaphore);

/**
 * aion_semaphore_release_nr - give several permits back.
 * @semaphore: of this thread's loop; closed or not.
 * @nr: permits; 0 changes nothing.
 *
 * Result: 0.
 * Errors, nothing having changed: -EOVERFLOW.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_semaphore_release_nr(struct aion_semaphore *semaphore, size_t nr);

/**
 * aion_semaphore_close - let nobody acquire any more; who waits gets -ESHUTDOWN.
 * @semaphore: a second time changes nothing. Permits can still be released and counted.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_semaphore_close(struct aion_semaphore *semaphore);

/** aion_semaphore_value - permits that nobody has. Suspends: no. Thread: loop. Source: none. */
AION_API size_t aion_semaphore_value(const struct aion_semaphore *semaphore);

#ifdef __cplusplus
}
#endif
#endif
