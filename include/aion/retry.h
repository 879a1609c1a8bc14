/* SPDX-License-Identifier: MIT */
#ifndef AION_RETRY_H
#define AION_RETRY_H
/*
 * Trying again: a call that may fail for a while is repeated, after delays that grow by a factor and are drawn at
 * random within bounds, so that many who fail together do not come back together. How long to try in all is said by a
 * scope around the call: its deadline ends the delays, too.
 */
#include <limits.h>
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_RETRY_FOR_EVER UINT_MAX /* attempts: as long as the scopes allow */

/* How a delay is drawn. */
enum aion_jitter {
	AION_JITTER_HALF, /* from half the computed delay to all of it */
	AION_JITTER_FULL, /* from nothing to all of it */
	AION_JITTER_NONE, /* the computed delay */
};

/* What has happened so far. */
struct aion_retry_stats {
	unsigned attempt_nr;
	int64_t last_result; /* of the latest attempt */
	int64_t waited_ns;   /* delays, as drawn */
};

/* All zero = the defaults, which are given in brackets. */
struct aion_retry_options {
	unsigned attempt_max;   /* attempts in all [5] */
	int64_t first_delay_ns; /* before the second attempt [100 ms] */
	int64_t max_delay_ns;   /* no delay is longer [30 s] */
	double factor;          /* each delay is this times the one before, 1 or more [2] */
	enum aion_jitter jitter;
	int64_t attempt_limit_ns; /* each attempt's own time limit: -ETIME, which is tried again [none] */
	/* Whether to try again after this error [always]; attempt_nr have been made. It must not suspend. */
	bool (*should_retry)(int64_t error, unsigned attempt_nr, void *arg);
	void *arg;                      /* handed to should_retry */
	uint64_t *random;               /* state of the generator, any seed, moved on [one of the thread's] */
	struct aion_retry_stats *stats; /* written before the call, and after each attempt and delay [not wanted] */
};

/**
 * aion_retry - call fn until it succeeds, is not to be tried again, or was tried often enough.
 * @options: read while the call lasts; NULL = the defaults.
 * @fn: one attempt.
 * @arg: handed to fn.
 *
 * A cancellation is not tried again: neither the -ECANCELED of an attempt in a cancelled scope, nor during a delay.
 * Result: that of the last attempt.
 * Errors: those of fn, and: -ECANCELED (before the first attempt: fn has not run; or during a delay); -ETIME (the last
 *   attempt's time limit); -EINVAL (options: a negative time, a factor below 1 or no number, an unknown jitter);
 *   -ENOMEM (no memory for the timer of a delay); -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_retry(const struct aion_retry_options *options, aion_fn *fn, void *arg);

/**
 * aion_retry_delay - the delay after a failed attempt, for who tries again by other means.
 * @options: NULL = the defaults.
 * @attempt_nr: attempts made so far, 1 or more.
 *
 * Result: nanoseconds, drawn anew each time.
 * Errors: -EINVAL (options, or attempt_nr is 0).
 * Suspends: no. Thread: any, one at a time for a generator. Source: none.
 */
AION_API int64_t aion_retry_delay(const struct aion_retry_options *options, unsigned attempt_nr);

#ifdef __cplusplus
}
#endif
#endif
