/* SPDX-License-Identifier: MIT */
#ifndef AION_LIMITER_H
#define AION_LIMITER_H
/*
 * The capacity limiter (trio's): tokens that are borrowed by somebody. Unlike a semaphore it knows its borrowers: one
 * has at most one token, and only who has one can give it back. The borrower is the calling task, or whatever an
 * address stands for: a connection, a request. The number of tokens may change at any time. First in first out. For
 * tasks of one loop.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion__limiter_entry;

/* Private in its fields. */
struct aion_limiter {
	size_t total_nr;
	size_t borrowed_nr;
	size_t entry_nr;                     /* borrowers, and those who wait to be */
	size_t mask;                         /* places for entries, less 1 */
	struct aion__limiter_entry *entries; /* a hash table; NULL until first used */
	struct aion__waits waits;
};

struct aion_limiter_stats {
	size_t total_nr;    /* tokens */
	size_t borrowed_nr; /* of them; more than the total if that was made less */
	size_t waiting_nr;  /* tasks */
};

/**
 * aion_limiter_init - make a limiter.
 * @limiter: the caller's memory.
 * @total_nr: tokens; with 0 nobody gets one until aion_limiter_set_total().
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API void aion_limiter_init(struct aion_limiter *limiter, size_t total_nr);

/**
 * aion_limiter_fini - give back its memory; tokens may still be borrowed.
 * @limiter: aborts the process if a task waits for it.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_limiter_fini(struct aion_limiter *limiter);

/**
 * aion_limiter_acquire - wait for a token and borrow it for the calling task.
 * @limiter: of this thread's loop.
 *
 * A task that has been handed its token has it, also if it is cancelled before it runs: the call then returns 0. A task
 * that ends without having released it leaves it borrowed.
 * Result: 0.
 * Errors, nothing being borrowed then: -ECANCELED (a scope around the caller is cancelled); -EDEADLK (the borrower has
 * a token, or waits for one); -ENOMEM (to note the borrower); -EBUSY (not inside a task); -ECHILD (forked child).
 * Suspends: if there is none, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_limiter_acquire(struct aion_limiter *limiter);

/**
 * aion_limiter_acquire_on_behalf - the same for another borrower.
 * @limiter: of this thread's loop.
 * @borrower: an address that stands for it; never looked into.
 *
 * Result: 0.
 * Errors: those of aion_limiter_acquire(), and: -EINVAL (borrower is NULL).
 * Suspends: if there is none, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_limiter_acquire_on_behalf(struct aion_limiter *limiter, const void *borrower);

/**
 * aion_limiter_try_acquire - borrow a token for the calling task if there is one for whoever comes.
 * @limiter: of this thread's loop.
 *
 * Result: 0.
 * Errors: -EAGAIN (there is none, or others wait); -EDEADLK; -ENOMEM; -EBUSY (not inside a task); -ECHILD.
 * Suspends: no, nor is it a checkpoint. Thread: loop. Source: none.
 */
AION_API int aion_limiter_try_acquire(struct aion_limiter *limiter);

/**
 * aion_limiter_try_acquire_on_behalf - the same for another borrower.
 * @limiter: of this thread's loop.
 * @borrower: an address that stands for it.
 *
 * Result: 0.
 * Errors: -EAGAIN; -EDEADLK; -ENOMEM; -EINVAL (borrower is NULL).
 * Suspends: no, nor is it a checkpoint. Thread: loop. Source: none.
 */
AION_API int aion_limiter_try_acquire_on_behalf(struct aion_limiter *limiter, const void *borrower);

/**
 * aion_limiter_release - give back the calling task's token.
 * @limiter: of this thread's loop.
 *
 * It goes to who has waited longest. Nobody runs before the caller suspends. Works in a cancelled scope, too.
 * Result: 0.
 * Errors, nothing having changed: -EPERM (the task has none, or there is no task).
 * Suspends: no. Thread: loop, inside a task. Source: none.
 */
AION_API int aion_limiter_release(struct aion_limiter *limiter);

/**
 * aion_limiter_release_on_behalf - give back another borrower's token.
 * @limiter: of this thread's loop.
 * @borrower: who has it.
 *
 * Result: 0.
 * Errors, nothing having changed: -EPERM (it has none).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_limiter_release_on_behalf(struct aion_limiter *limiter, const void *borrower);

/**
 * aion_limiter_set_total - change the number of tokens.
 * @limiter: of this thread's loop.
 * @total_nr: more than before: who waits gets them, first in first out. Fewer than are borrowed: nobody gets one until
 *   enough have been given back.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_limiter_set_total(struct aion_limiter *limiter, size_t total_nr);

/**
 * aion_limiter_stats - how much it is used.
 * @limiter: of this thread's loop.
 * @ret_stats: filled in.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_limiter_stats(const struct aion_limiter *limiter, struct aion_limiter_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
