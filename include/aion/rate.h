/* SPDX-License-Identifier: MIT */
#ifndef AION_RATE_H
#define AION_RATE_H
/*
 * The rate limiter: a bucket into which tokens fall at an even pace, until it is full, and from which tasks take them.
 * First in first out: who wants many is not overtaken by those who want few. For tasks of one loop.
 */
#include <stdbool.h>

#include <aion/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Private in its fields. Levels count parts of tokens, of which there are period_ns to a token: so nothing is rounded.
 */
struct aion_rate {
	uint64_t token_nr; /* that fall in a period; parts that fall in a nanosecond */
	uint64_t period_ns;
	uint64_t full;  /* parts */
	uint64_t level; /* parts, at time_ns */
	int64_t time_ns;
	struct aion_timer timer; /* armed while somebody waits, for the first of them */
	struct aion__waits waits;
};

/**
 * aion_rate_init - make a full bucket of this thread's loop.
 * @rate: the caller's memory, in which it stays: the loop's timers name it while a task waits.
 * @token_nr: so many tokens fall into it in each period, evenly: one each period_ns / token_nr nanoseconds.
 * @period_ns: nanoseconds: with AION_SECOND, token_nr are tokens a second.
 * @burst_nr: tokens that it can hold: so many may be taken at once after a pause.
 *
 * Errors: -EINVAL (a parameter is 0 or less; burst_nr * period_ns exceeds 2^63 - 1; the bucket is not initialised).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_rate_init(struct aion_rate *rate, uint64_t token_nr, int64_t period_ns, size_t burst_nr);

/**
 * aion_rate_fini - assert that nobody waits for it, before its memory goes.
 * @rate: aborts the process if a task waits.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_rate_fini(struct aion_rate *rate);

/**
 * aion_rate_acquire - wait until there are so many tokens, and it is the caller's turn, and take them.
 * @rate: of this thread's loop.
 * @token_nr: tokens; 0 waits for its turn and takes none.
 *
 * A task for which its tokens have been taken returns 0, also if it is cancelled before it runs.
 * Result: 0.
 * Errors, nothing being taken then: -EINVAL (more than the bucket holds); -ENOMEM (for the timer); -ECANCELED (a scope
 * around the caller is cancelled); -EBUSY (not inside a task); -ECHILD (forked child).
 * Suspends: if there are fewer, if others wait, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_rate_acquire(struct aion_rate *rate, size_t token_nr);

/**
 * aion_rate_try_acquire - take tokens if there are so many and nobody waits.
 * @rate: of this thread's loop.
 * @token_nr: tokens.
 *
 * Result: 0.
 * Errors: -EAGAIN (there are fewer, or others wait); -EINVAL (more than the bucket holds).
 * Suspends: no, nor is it a checkpoint. Thread: loop. Source: none.
 */
AION_API int aion_rate_try_acquire(struct aion_rate *rate, size_t token_nr);

#ifdef __cplusplus
}
#endif
#endif
