/* SPDX-License-Identifier: MIT */
/*
 * Area: task. Round: -r 1. Once.
 * Does a task cost more the more there are? 10^3 to 10^6 of them:
 *	spawn	all are started, wait until all are alive, and end
 *	switch	in between all yield in turn
 * The raw way is threads, as far as 10^4 of them: pthread_create() and pthread_join(), sched_yield(). Each size has a
 * process of its own, so that no pool of another helps it; where the machine has too little memory free it is left out,
 * and a line says so. How timers behave over their number is in perf_timer_peers, connections in perf_scale_conns.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf.h"

#define TASK_MAX 1000000u
#define THREAD_MAX 10000u
#define THREAD_STACK_SIZE ((size_t)64 << 10)
#define TASK_SIZE ((size_t)6 << 10) /* resident, more than enough */
#define SWITCH_NR 4000000u
#define RAW_SWITCH_NR 400000u
#define RUN_NR_MAX 101

struct bench {
	struct aion_loop *loop;
	unsigned task_nr;
	unsigned yield_nr;    /* a task */
	pthread_mutex_t gate; /* closed until all threads are there */
	unsigned alive_nr;
	struct aion_future all_alive;
	int64_t switched_ns; /* when the last had yielded for the last time */
	double spawn_ns, switch_ns;
};

/* Alive; then, when all are, yields so often. */
static int64_t yielding_task(void *arg)
{
	struct bench *bench = arg;
	unsigned i;

	bench->alive_nr++;
	aion_await(&bench->all_alive);
	for (i = 0; i < bench->yield_nr; i++)
		aion_yield();
	if (--bench->alive_nr == 0)
		bench->switched_ns = perf_now();
	return 0;
}

static int64_t main_task(void *arg)
{
	struct bench *bench = arg;
	int64_t alive_ns, begin_ns = perf_now();
	struct aion_group group;
	unsigned i;
	int64_t result;

	bench->yield_nr = SWITCH_NR / bench->task_nr;
	aion_future_init(&bench->all_alive);
	aion_group_enter(&group);
	for (i = 0; i < bench->task_nr; i++)
		aion_spawn(&group, yielding_task, bench);
	while (bench->alive_nr < bench->task_nr)
		aion_yield();
	alive_ns = perf_now();
	aion_future_complete(&bench->all_alive, 0);
	result = aion_group_leave(&group, 0);
	bench->spawn_ns = (double)(alive_ns - begin_ns + perf_now() - bench->switched_ns) / bench->task_nr;
	bench->switch_ns = (double)(bench->switched_ns - alive_ns) / bench->task_nr / bench->yield_nr;
	return result;
}

static void aion_side(struct bench *bench)
{
	perf_loop_run(bench->loop, main_task, bench);
}

static void *yielding_thread(void *arg)
{
	struct bench *bench = arg;
	unsigned i;

	pthread_mutex_lock(&bench->gate);
	pthread_mutex_unlock(&bench->gate);
	for (i = 0; i < bench->yield_nr; i++)
		sched_yield();
	return NULL;
}

static void raw_side(struct bench *bench)
{
	pthread_t *threads = perf_alloc(bench->task_nr * sizeof(*threads));
	pthread_attr_t attributes;
	int64_t begin_ns = perf_now(), ready_ns;
	unsigned i;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_SIZE);
	bench->yield_nr = RAW_SWITCH_NR / bench->task_nr;
	pthread_mutex_lock(&bench->gate);
	for (i = 0; i < bench->task_nr; i++) {
		if (pthread_create(&threads[i], &attributes, yielding_thread, bench) != 0)
			perf_die("pthread_create", -EAGAIN);
	}
	ready_ns = perf_now();
	bench->spawn_ns = (double)(ready_ns - begin_ns) / bench->task_nr;
	pthread_mutex_unlock(&bench->gate);
	for (i = 0; i < bench->task_nr; i++)
		pthread_join(threads[i], NULL);
	bench->switch_ns = (double)(perf_now() - ready_ns) / RAW_SWITCH_NR;
	pthread_attr_destroy(&attributes);
	free(threads);
}

static void line_begin(const struct bench *bench, const char *measure, const char *what)
{
	perf_line_begin("scale_work");
	perf_line_text("measure", measure);
	perf_line_text("what", what);
	perf_line_param("tasks", bench->task_nr);
}

static struct perf_stats show_side(const struct bench *bench, const char *what, const char *side, double *ns,
				   unsigned run_nr)
{
	struct perf_stats stats;

	perf_stats_of(ns, run_nr, &stats);
	line_begin(bench, "side", what);
	perf_line_text("side", side);
	perf_line_number("ns", stats.median);
	perf_line_spread(&stats);
	perf_line_end();
	return stats;
}

static void show(const struct bench *bench, const char *what, double *aion_ns, double *raw_ns, unsigned run_nr,
		 bool has_raw)
{
	double ratios[RUN_NR_MAX];
	struct perf_stats aion, raw, ratio;
	unsigned i;

	for (i = 0; i < run_nr; i++) /* before they are sorted */
		ratios[i] = has_raw ? aion_ns[i] / raw_ns[i] : 0;
	aion = show_side(bench, what, "aion", aion_ns, run_nr);
	if (!has_raw)
		return;
	raw = show_side(bench, what, "threads", raw_ns, run_nr);
	perf_stats_of(ratios, run_nr, &ratio);
	line_begin(bench, "over threads", what);
	perf_line_number("raw_ns", raw.median);
	perf_line_number("aion_ns", aion.median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_end();
}

static void measure_here(struct bench *bench, unsigned run_nr)
{
	static double spawn_ns[2][RUN_NR_MAX], switch_ns[2][RUN_NR_MAX];
	bool has_raw = bench->task_nr <= THREAD_MAX;
	unsigned i;

	bench->loop = perf_loop_create();
	if (run_nr > 1)
		aion_side(bench); /* to warm up */
	for (i = 0; i < run_nr; i++) {
		aion_side(bench);
		spawn_ns[0][i] = bench->spawn_ns;
		switch_ns[0][i] = bench->switch_ns;
		if (!has_raw)
			continue;
		raw_side(bench);
		spawn_ns[1][i] = bench->spawn_ns;
		switch_ns[1][i] = bench->switch_ns;
	}
	show(bench, "spawn", spawn_ns[0], spawn_ns[1], run_nr, has_raw);
	show(bench, "switch", switch_ns[0], switch_ns[1], run_nr, has_raw);
	aion_loop_destroy(bench->loop);
}

static size_t free_size(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	size_t kib = 0;

	if (!file)
		perf_die("/proc/meminfo", -errno);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %zu", &kib) == 1)
			break;
	}
	fclose(file);
	return kib << 10;
}

static void measure(unsigned task_nr, unsigned run_nr)
{
	struct bench bench = {.task_nr = task_nr, .gate = PTHREAD_MUTEX_INITIALIZER};
	pid_t child;
	int status;

	if (free_size() < task_nr * TASK_SIZE * 3 / 2) {
		perf_line_begin("scale_work");
		perf_line_text("measure", "left_out");
		perf_line_param("tasks", task_nr);
		perf_line_number("need_bytes", (double)task_nr * (double)TASK_SIZE * 1.5);
		perf_line_end();
		return;
	}
	child = fork();
	if (child < 0)
		perf_die("fork", -errno);
	if (child == 0) {
		measure_here(&bench, run_nr);
		exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0)
		perf_die("the measure's process", -ECHILD);
}

int main(int argc, char **argv)
{
	unsigned task_nr, run_nr;

	perf_start(argc, argv);
	run_nr = perf_runs(3);
	if (run_nr > RUN_NR_MAX)
		run_nr = RUN_NR_MAX;
	for (task_nr = 1000; task_nr <= TASK_MAX; task_nr *= 10)
		measure(task_nr, task_nr < TASK_MAX ? run_nr : 1);
	return 0;
}
