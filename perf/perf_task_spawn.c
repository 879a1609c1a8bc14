/* SPDX-License-Identifier: MIT */
/*
 * What does a task's life cost: spawn, run, join? The raw way is a thread's: pthread_create(), pthread_join().
 *	queued		one at a time, awaited by its handle
 *	queued_group	one at a time, each in a group of its own
 *	at_once		one at a time, run inside aion_spawn_now(), each in a group of its own
 *	many_run	1000 queued in a group, each runs to its end
 *	many_alive	1000 in a group, each suspends once, so all are alive together
 *
 * Area: task. Round: -r 7. Quick: -r 3.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "perf.h"

#define MANY_NR 1000
#define TASKS_A_RUN 50000
#define THREADS_A_RUN 1000

struct bench {
	struct aion_loop *loop;
	aion_fn *main_fn;
	aion_fn *child_fn;
	unsigned batch_nr; /* alive or queued together */
	bool suspends;
	uint64_t ended_nr;
	int64_t elapsed_ns;
};

static int64_t child_ends(void *arg)
{
	struct bench *bench = arg;

	bench->ended_nr++;
	return 0;
}

static int64_t child_suspends(void *arg)
{
	struct bench *bench = arg;
	int result = aion_yield();

	bench->ended_nr++;
	return result;
}

static int64_t main_queued(void *arg)
{
	struct bench *bench = arg;
	struct aion_handle handle = {0};
	struct aion_group group;
	unsigned i;
	int64_t result = 0;

	aion_group_enter(&group);
	for (i = 0; i < TASKS_A_RUN && result >= 0; i++) {
		aion_spawn_into(&group, &handle, NULL, child_ends, bench);
		result = aion_await(&handle.future);
	}
	return aion_group_leave(&group, result);
}

static int64_t main_queued_group(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	unsigned i;
	int64_t result = 0;

	for (i = 0; i < TASKS_A_RUN && result >= 0; i++) {
		aion_group_enter(&group);
		aion_spawn(&group, child_ends, bench);
		result = aion_group_leave(&group, 0);
	}
	return result;
}

static int64_t main_at_once(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	unsigned i;
	int64_t result = 0;

	for (i = 0; i < TASKS_A_RUN && result >= 0; i++) {
		aion_group_enter(&group);
		aion_spawn_now(&group, child_ends, bench);
		result = aion_group_leave(&group, 0);
	}
	return result;
}

static int64_t main_many(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	unsigned i, k;
	int64_t result = 0;

	for (i = 0; i < TASKS_A_RUN / MANY_NR && result >= 0; i++) {
		aion_group_enter(&group);
		for (k = 0; k < MANY_NR; k++)
			aion_spawn(&group, bench->child_fn, bench);
		result = aion_group_leave(&group, 0);
	}
	return result;
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

	bench->ended_nr = 0;
	perf_loop_run(bench->loop, timed_main, bench);
	if (bench->ended_nr != TASKS_A_RUN)
		perf_die("tasks that ran", -EPROTO);
	return (double)bench->elapsed_ns / TASKS_A_RUN;
}

static void *thread_fn(void *arg)
{
	const struct bench *bench = arg;

	if (bench->suspends)
		sched_yield();
	return NULL;
}

static double raw_run(void *arg)
{
	struct bench *bench = arg;
	pthread_t threads[MANY_NR];
	unsigned i, k;
	int error;
	int64_t begin_ns = perf_now();

	for (i = 0; i < THREADS_A_RUN / bench->batch_nr; i++) {
		for (k = 0; k < bench->batch_nr; k++) {
			error = pthread_create(&threads[k], NULL, thread_fn, bench);
			if (error)
				perf_die("pthread_create", -error);
		}
		for (k = 0; k < bench->batch_nr; k++)
			pthread_join(threads[k], NULL);
	}
	return (double)(perf_now() - begin_ns) / THREADS_A_RUN;
}

static void measure(struct bench *bench, const char *how, aion_fn *main_fn, unsigned batch_nr, double bar)
{
	struct perf_pairs pairs;

	bench->main_fn = main_fn;
	bench->batch_nr = batch_nr;
	perf_interleave_tries(raw_run, 1, aion_side, PERF_TRY_MAX, bench, perf_runs(21), &pairs);
	perf_line_begin("spawn");
	perf_line_text("how", how);
	perf_line_param("tasks", batch_nr);
	perf_line_number("raw_ns", pairs.raw_ns.median);
	perf_line_number("aion_ns", pairs.aion_ns.median);
	perf_line_number("ratio", pairs.ratio.median);
	perf_line_spread(&pairs.aion_ns);
	perf_line_number("disturbed", pairs.disturbed_nr);
	if (bar)
		perf_line_bar(pairs.aion_ns.median, bar, PERF_AT_MOST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	struct bench bench = {.child_fn = child_ends};

	perf_start(argc, argv);
	bench.loop = perf_loop_create();
	measure(&bench, "queued", main_queued, 1, 17);
	measure(&bench, "queued_group", main_queued_group, 1, 0);
	measure(&bench, "at_once", main_at_once, 1, 0);
	measure(&bench, "many_run", main_many, MANY_NR, 12);
	bench.child_fn = child_suspends;
	bench.suspends = true;
	measure(&bench, "many_alive", main_many, MANY_NR, 40);
	aion_loop_destroy(bench.loop);
	return 0;
}
