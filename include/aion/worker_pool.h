/* SPDX-License-Identifier: MIT */
#ifndef AION_WORKER_POOL_H
#define AION_WORKER_POOL_H
/*
 * The worker pool: a number of tasks that take jobs from a queue, the most urgent first. Entered and left on the
 * owner's stack like a group: leaving drains it, or, if the body has failed, stops it. Jobs may be tried again after a
 * delay, which keeps no worker busy. For work on threads see offload.h.
 */
#include <aion/group.h>
#include <aion/retry.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_WORKER_MAX 65536 /* of a pool */

/* A job that can be waited for and cancelled. The caller's memory; stays in place until its future is done. */
struct aion_job {
	struct aion_future future;        /* its result is the job's last attempt's; see aion_worker_pool_submit() */
	struct aion__pool_record *record; /* NULL once it has ended */
};

/* Options of a job; all zero = the defaults, which are given in brackets. */
struct aion_job_options {
	int64_t priority; /* the smallest first, equal ones in the order in which they came */
	int64_t limit_ns; /* each attempt's own time limit: -ETIME [none] */
	/* When to try again: attempts, delays, predicate, generator; attempt_limit_ns and stats are not looked at.
	 * Lives until the job has ended [one attempt]. */
	const struct aion_retry_options *retry;
};

/* All zero = the defaults, which are given in brackets. */
struct aion_worker_pool_options {
	unsigned worker_nr; /* tasks, so jobs that are under way at once [4] */
	size_t capacity;    /* jobs that may wait for a worker, those to be tried again aside; who submits more waits
			       [no limit] */
	size_t stack_size;  /* bytes, of each worker [the loop's default] */
};

struct aion_worker_pool_stats {
	uint64_t submit_nr;  /* jobs taken */
	uint64_t succeed_nr; /* ended, result >= 0 */
	uint64_t fail_nr;    /* ended with an error of their own */
	uint64_t cancel_nr;  /* ended by aion_job_cancel(), or with the pool: -ECANCELED or, never begun, -ESHUTDOWN */
	uint64_t attempt_nr; /* calls of jobs' functions */
	size_t queued_nr;    /* wait for a worker now */
	size_t running_nr;   /* are under way now */
	size_t delayed_nr;   /* wait for their next attempt now */
};

/* The caller's memory, from enter to leave. A scope: cancel &pool.group.scope, or give it a deadline. */
struct aion_worker_pool {
	struct aion_group group;
	struct aion_worker_pool_stats stats; /* read them by aion_worker_pool_stats(), also after leave */
	struct aion__pool *inside;           /* private */
};

/**
 * aion_worker_pool_enter - start a pool inside the current scope.
 * @pool: the caller's memory, until aion_worker_pool_leave().
 * @options: NULL = the defaults.
 *
 * Workers that cannot be started are an error of leave.
 * Errors, in which there is nothing to leave: -ENOMEM; -EINVAL (more than AION_WORKER_MAX workers, or a stack_size
 *   above 64 MiB).
 * Suspends: no. Thread: loop, inside a task (else aborts). Source: none.
 */
AION_API int aion_worker_pool_enter(struct aion_worker_pool *pool, const struct aion_worker_pool_options *options);

/**
 * aion_worker_pool_leave - end the pool. Always finishes.
 * @pool: the caller's innermost scope.
 * @body_result: what the code between enter and leave came to. Not negative: every job taken is done first, those that
 *   wait for their next attempt, too (drain). Negative: aion_worker_pool_shutdown_now().
 *
 * A cancellation, also during the drain, stops the pool. Jobs may submit further ones until it has drained, unless
 * aion_worker_pool_shutdown() was called.
 * Result: 0; or the first of: the body's error, the first error of a job without a handle, -ETIME and -ECANCELED as of
 *   aion_group_leave().
 * Errors: those of the body and of the jobs, -ETIME, -ECANCELED, -ENOMEM (workers), -ECHILD.
 * Suspends: yes, but never returns early. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_worker_pool_leave(struct aion_worker_pool *pool, int64_t body_result);

/**
 * aion_worker_pool_submit - hand a job to the pool; while capacity jobs wait for a worker, wait.
 * @pool: entered. It cannot be left while somebody waits in here: leave lets him in, or refuses him, first. A job that
 *   submits to its own pool may wait for itself if the queue is bounded: aion_worker_pool_try_submit().
 * @priority: the smallest first, equal ones in the order in which they came.
 * @fn: the job; runs in a worker, inside a scope of its own.
 * @arg: handed to fn; borrowed until the job has ended.
 * @job: to wait for it or to cancel it; NULL: an error of the job is one of aion_worker_pool_leave().
 *
 * The job's future gets its last result, and: -ETIME (its time limit cut it short); -ECANCELED (it was cancelled, begun
 * or not, or the pool stopped while it ran); -ESHUTDOWN (the pool stopped before it was begun, or between attempts).
 * Result: 0.
 * Errors, in all of which the job is not taken and job is not done: -ESHUTDOWN (the pool is closed, before or
 *   meanwhile); -ENOMEM; -ECANCELED (a scope around the caller is cancelled); -EBUSY (not inside a task); -ECHILD.
 * Suspends: while the queue is full, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_worker_pool_submit(struct aion_worker_pool *pool, int64_t priority, aion_fn *fn,
						   void *arg, struct aion_job *job);

/**
 * aion_worker_pool_submit_with - the same with options.
 * @options: copied, but for what retry points to; NULL = the defaults.
 *
 * Errors: those of aion_worker_pool_submit(), and: -EINVAL (a negative limit, or retry's options).
 * Suspends: while the queue is full, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_worker_pool_submit_with(struct aion_worker_pool *pool,
							const struct aion_job_options *options, aion_fn *fn, void *arg,
							struct aion_job *job);

/**
 * aion_worker_pool_try_submit - aion_worker_pool_submit_with() that does not wait.
 *
 * Errors: -EAGAIN (the queue is full); -ESHUTDOWN; -ENOMEM; -EINVAL. It is no checkpoint.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_worker_pool_try_submit(struct aion_worker_pool *pool, const struct aion_job_options *options,
					 aion_fn *fn, void *arg, struct aion_job *job);

/**
 * aion_job_cancel - cancel one job: it is not begun any more, or its scope is cancelled. It is not tried again.
 * @job: taken by a pool that has not been left; one that has ended: nothing happens.
 *
 * A job that has not been begun has ended with this call.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_job_cancel(struct aion_job *job);

/**
 * aion_worker_pool_join - wait until the pool has nothing to do: no job queued, under way or delayed, nobody who waits
 *   to submit one.
 * @pool: entered. A job must not call it.
 *
 * Result: 0.
 * Errors: -ECANCELED (a scope around the caller is cancelled); -EBUSY (not inside a task); -ECHILD.
 * Suspends: while there is something to do, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_worker_pool_join(struct aion_worker_pool *pool);

/**
 * aion_worker_pool_shutdown - take no more jobs; those taken are done. Who waits to submit gets -ESHUTDOWN.
 * @pool: entered; a second time changes nothing.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_worker_pool_shutdown(struct aion_worker_pool *pool);

/**
 * aion_worker_pool_shutdown_now - the same; jobs under way are cancelled, all others end with -ESHUTDOWN.
 * @pool: entered.
 *
 * Result: how many jobs were dropped, not being under way.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API size_t aion_worker_pool_shutdown_now(struct aion_worker_pool *pool);

/** aion_worker_pool_stats - what has happened so far. Suspends: no. Thread: loop. Source: none. */
AION_API void aion_worker_pool_stats(const struct aion_worker_pool *pool, struct aion_worker_pool_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
