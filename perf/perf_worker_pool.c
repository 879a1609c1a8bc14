/* SPDX-License-Identifier: MIT */
/*
 * What does a job cost through a worker pool, beyond what it does? The raw way is the same number of jobs by threads:
 * as many as there are workers, over an array of jobs behind a mutex and a condition variable.
 *	queued		all submitted, then done
 *	priorities	the same, each with a priority drawn at random
 *	handles		the same, each awaited by its handle
 *	one_by_one	each submitted and awaited before the next
 *	bounded		through a queue of 100 places, the submitter waiting for room
 *
 * Area: task. Round: -r 5. Quick: -r 2.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "perf.h"

#define JOB_NR 100000
#define WORKER_NR 4

struct bench {
	struct aion_loop *loop;
	aion_fn *main_fn;
	struct aion_job *jobs;
	uint64_t seed;
	uint64_t done_nr;
	int64_t elapsed_ns;
	/* the raw side */
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	unsigned put_nr;
	unsigned got_nr;
};

static int64_t job(void *arg)
{
	struct bench *bench = arg;

	bench->done_nr++;
	return 0;
}

static int64_t run_queued(struct bench *bench, uint64_t priority_bound, size_t capacity)
{
	const struct aion_worker_pool_options options = {.worker_nr = WORKER_NR, .capacity = capacity};
	struct aion_worker_pool pool;
	int64_t result = aion_worker_pool_enter(&pool, &options);
	unsigned i;

	if (result < 0)
		return result;
	for (i = 0; i < JOB_NR && result >= 0; i++) {
		int64_t priority = priority_bound ? (int64_t)perf_random_below(&bench->seed, priority_bound) : 0;

		result = aion_worker_pool_submit(&pool, priority, job, bench, NULL);
	}
	return aion_worker_pool_leave(&pool, result);
}

static int64_t main_queued(void *arg)
{
	return run_queued(arg, 0, 0);
}

static int64_t main_priorities(void *arg)
{
	return run_queued(arg, 1000, 0);
}

static int64_t main_bounded(void *arg)
{
	return run_queued(arg, 0, 100);
}

/* Awaits them by their handles, `behind` jobs after it has submitted them. */
static int64_t run_awaited(struct bench *bench, unsigned behind)
{
	struct aion_worker_pool pool;
	int64_t result = aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = WORKER_NR});
	unsigned i;

	if (result < 0)
		return result;
	for (i = 0; i < JOB_NR + behind && result >= 0; i++) {
		if (i < JOB_NR)
			result = aion_worker_pool_submit(&pool, 0, job, bench, &bench->jobs[i]);
		if (i >= behind && result >= 0)
			result = aion_await(&bench->jobs[i - behind].future);
	}
	return aion_worker_pool_leave(&pool, result);
}

static int64_t main_handles(void *arg)
{
	return run_awaited(arg, JOB_NR);
}

static int64_t main_one_by_one(void *arg)
{
	return run_awaited(arg, 0);
}

static int64_t timed_main(void *arg)
{
	struct bench *bench = arg;
	int64_t result, begin_ns = perf_now();

	result = bench->main_fn(bench);
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static double aion_side(void *arg)
{
	struct bench *bench = arg;

	bench->done_nr = 0;
	perf_loop_run(bench->loop, timed_main, bench);
	if (bench->done_nr != JOB_NR)
		perf_die("jobs that ran", -EPROTO);
	return (double)bench->elapsed_ns / JOB_NR;
}

static void *raw_worker(void *arg)
{
	struct bench *bench = arg;

	pthread_mutex_lock(&bench->mutex);
	for (;;) {
		while (bench->got_nr == bench->put_nr && bench->got_nr < JOB_NR)
			pthread_cond_wait(&bench->wake, &bench->mutex);
		if (bench->got_nr == JOB_NR)
			break;
		bench->got_nr++;
		pthread_mutex_unlock(&bench->mutex);
		__atomic_fetch_add(&bench->done_nr, 1, __ATOMIC_RELAXED);
		pthread_mutex_lock(&bench->mutex);
	}
	pthread_mutex_unlock(&bench->mutex);
	return NULL;
}

static double raw_side(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();
	pthread_t threads[WORKER_NR];
	unsigned i;
	int error;

	bench->put_nr = bench->got_nr = 0;
	bench->done_nr = 0;
	for (i = 0; i < WORKER_NR; i++) {
		error = pthread_create(&threads[i], NULL, raw_worker, bench);
		if (error)
			perf_die("pthread_create", -error);
	}
	for (i = 0; i < JOB_NR; i++) {
		pthread_mutex_lock(&bench->mutex);
		bench->put_nr++;
		pthread_cond_signal(&bench->wake);
		pthread_mutex_unlock(&bench->mutex);
	}
	pthread_mutex_lock(&bench->mutex);
	pthread_cond_broadcast(&bench->wake);
	pthread_mutex_unlock(&bench->mutex);
	for (i = 0; i < WORKER_NR; i++)
		pthread_join(threads[i], NULL);
	if (bench->done_nr != JOB_NR)
		perf_die("raw jobs that ran", -EPROTO);
	return (double)(perf_now() - begin_ns) / JOB_NR;
}

static void measure(struct bench *bench, const char *how, aion_fn *main_fn)
{
	struct perf_pairs pairs;

	bench->main_fn = main_fn;
	perf_interleave_tries(raw_side, 1, aion_side, PERF_TRY_MAX, bench, perf_runs(11), &pairs);
	perf_line_begin("worker_pool");
	perf_line_text("how", how);
	perf_line_number("raw_ns", pairs.raw_ns.median);
	perf_line_number("aion_ns", pairs.aion_ns.median);
	perf_line_number("jobs_per_second", 1e9 / pairs.aion_ns.median);
	perf_line_number("ratio", pairs.ratio.median);
	perf_line_spread(&pairs.aion_ns);
	perf_line_number("disturbed", pairs.disturbed_nr);
	perf_line_bar(pairs.aion_ns.median, 1000, PERF_AT_MOST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	static struct bench bench = {
		.seed = 88172645463325252, .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

	perf_start(argc, argv);
	bench.jobs = perf_alloc(JOB_NR * sizeof(*bench.jobs));
	bench.loop = perf_loop_create();
	measure(&bench, "queued", main_queued);
	measure(&bench, "priorities", main_priorities);
	measure(&bench, "handles", main_handles);
	measure(&bench, "one_by_one", main_one_by_one);
	measure(&bench, "bounded", main_bounded);
	aion_loop_destroy(bench.loop);
	free(bench.jobs);
	return 0;
}
