/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to let the next task run? All tasks yielding from one call site is the best case: the processor
 * predicts every return. With mixed sites each task stands in another function at another depth, so a return after a
 * switch goes elsewhere than the last call came from. With nested ones every yield also returns through the functions
 * above it. The raw way is sched_yield() between threads on the same CPU.
 *
 * Area: task. Round: -r 7. Quick: -r 3.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "perf.h"

#define YIELDS_A_RUN 200000
#define THREAD_YIELDS_A_RUN 5000
#define SITE_NR 8

struct bench {
	struct aion_loop *loop;
	aion_fn *fn;
	unsigned task_nr;
	unsigned yield_nr; /* a task, or a thread */
	unsigned next_idx; /* of the task that starts next */
	int64_t elapsed_ns;
	pthread_barrier_t start;
};

static int64_t yield_here(void *arg)
{
	const struct bench *bench = arg;
	unsigned i;
	int result = 0;

	for (i = 0; i < bench->yield_nr && result >= 0; i++)
		result = aion_yield();
	return result;
}

/* Functions that differ in nothing but their address. */
#define SITE(name)                                                                                                     \
	static __attribute__((noinline)) int64_t name(const struct bench *bench)                                       \
	{                                                                                                              \
		unsigned i;                                                                                            \
		int result = 0;                                                                                        \
                                                                                                                       \
		for (i = 0; i < bench->yield_nr && result >= 0; i++)                                                   \
			result = aion_yield();                                                                         \
		__asm__ volatile("# " #name);                                                                          \
		return result;                                                                                         \
	}

SITE(site_a)
SITE(site_b)
SITE(site_c)
SITE(site_d)
SITE(site_e)
SITE(site_f)
SITE(site_g)
SITE(site_h)

static int64_t (*const sites[SITE_NR])(const struct bench *) = {
	site_a, site_b, site_c, site_d, site_e, site_f, site_g, site_h,
};

/* Calls the site from `depth` frames further down. */
static __attribute__((noinline)) int64_t site_at_depth(const struct bench *bench, unsigned site, unsigned depth)
{
	int64_t result;

	result = depth ? site_at_depth(bench, site, depth - 1) : sites[site](bench);
	__asm__ volatile("" : "+r"(result)); /* no tail call */
	return result;
}

static int64_t yield_mixed(void *arg)
{
	struct bench *bench = arg;
	unsigned idx = bench->next_idx++;

	return site_at_depth(bench, idx % SITE_NR, idx % 5);
}

static __attribute__((noinline)) int yield_at_depth(unsigned depth)
{
	int result = depth ? yield_at_depth(depth - 1) : aion_yield();

	__asm__ volatile("" : "+r"(result));
	return result;
}

static int64_t yield_nested(void *arg)
{
	struct bench *bench = arg;
	unsigned i, idx = bench->next_idx++;
	int result = 0;

	for (i = 0; i < bench->yield_nr && result >= 0; i++)
		result = yield_at_depth((idx + i) % 4);
	return result;
}

static int64_t switch_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	unsigned i;
	int64_t result, begin_ns = perf_now();

	bench->next_idx = 0;
	aion_group_enter(&group);
	for (i = 0; i < bench->task_nr; i++)
		aion_spawn(&group, bench->fn, bench);
	result = aion_group_leave(&group, 0);
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static double aion_side(void *arg)
{
	struct bench *bench = arg;

	bench->yield_nr = YIELDS_A_RUN / bench->task_nr;
	perf_loop_run(bench->loop, switch_main, bench);
	return (double)bench->elapsed_ns / bench->yield_nr / bench->task_nr;
}

static void *yield_thread(void *arg)
{
	struct bench *bench = arg;
	unsigned i;

	pthread_barrier_wait(&bench->start);
	for (i = 0; i < bench->yield_nr; i++)
		sched_yield();
	return NULL;
}

static double raw_run(void *arg)
{
	struct bench *bench = arg;
	pthread_t *threads = perf_alloc(bench->task_nr * sizeof(*threads));
	unsigned i;
	int error;
	int64_t begin_ns, elapsed_ns;

	bench->yield_nr = THREAD_YIELDS_A_RUN / bench->task_nr;
	pthread_barrier_init(&bench->start, NULL, bench->task_nr + 1);
	for (i = 0; i < bench->task_nr; i++) {
		error = pthread_create(&threads[i], NULL, yield_thread, bench);
		if (error)
			perf_die("pthread_create", -error);
	}
	pthread_barrier_wait(&bench->start);
	begin_ns = perf_now();
	for (i = 0; i < bench->task_nr; i++)
		pthread_join(threads[i], NULL);
	elapsed_ns = perf_now() - begin_ns;
	pthread_barrier_destroy(&bench->start);
	free(threads);
	return (double)elapsed_ns / bench->yield_nr / bench->task_nr;
}

static void measure(struct bench *bench, const char *sites_name, aion_fn *fn, unsigned task_nr, double bar)
{
	struct perf_pairs pairs;

	bench->fn = fn;
	bench->task_nr = task_nr;
	perf_interleave_tries(raw_run, 1, aion_side, PERF_TRY_MAX, bench, perf_runs(21), &pairs);
	perf_line_begin("switch");
	perf_line_text("sites", sites_name);
	perf_line_param("tasks", task_nr);
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
	static struct bench bench;

	perf_start(argc, argv);
	bench.loop = perf_loop_create();
	measure(&bench, "one", yield_here, 2, 5);
	measure(&bench, "one", yield_here, 16, 0);
	measure(&bench, "one", yield_here, 1000, 8);
	measure(&bench, "mixed", yield_mixed, 2, 22);
	measure(&bench, "mixed", yield_mixed, 16, 0);
	measure(&bench, "mixed", yield_mixed, 1000, 30);
	measure(&bench, "nested", yield_nested, 2, 0);
	measure(&bench, "nested", yield_nested, 1000, 0);
	aion_loop_destroy(bench.loop);
	return 0;
}
