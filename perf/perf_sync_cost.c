/* SPDX-License-Identifier: MIT */
/*
 * What locks cost: a pair of lock and unlock, or acquire and release, that nobody contends, against a pthread mutex, a
 * POSIX semaphore; and a rendezvous, a mutex handed from task to task, against the switches alone.
 *
 * Area: sync. Round: -r 11. Quick: -r 5.
 */
#include <pthread.h>
#include <semaphore.h>

#include "perf.h"

#define PAIRS_A_RUN 200000
#define HAND_OVERS_A_RUN 200000
#define TASK_NR 2
#define PAIR_NS_MAX 5

struct bench {
	struct aion_loop *loop;
	aion_fn *fn;
	perf_side *raw;
	struct aion_mutex mutex;
	struct aion_semaphore semaphore;
	struct aion_limiter limiter;
	struct aion_event event;
	int64_t elapsed_ns;
};

/* ---- pairs that nobody contends */

static int64_t mutex_pairs(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();
	int result = 0;

	for (unsigned i = 0; i < PAIRS_A_RUN && result >= 0; i++) {
		result = aion_mutex_lock(&bench->mutex);
		result |= aion_mutex_unlock(&bench->mutex);
	}
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static int64_t semaphore_pairs(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();
	int result = 0;

	for (unsigned i = 0; i < PAIRS_A_RUN && result >= 0; i++) {
		result = aion_semaphore_acquire(&bench->semaphore);
		result |= aion_semaphore_release(&bench->semaphore);
	}
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static int64_t limiter_pairs(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();
	int result = 0;

	for (unsigned i = 0; i < PAIRS_A_RUN && result >= 0; i++) {
		result = aion_limiter_acquire(&bench->limiter);
		result |= aion_limiter_release(&bench->limiter);
	}
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static int64_t event_waits(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();
	int result = 0;

	for (unsigned i = 0; i < PAIRS_A_RUN && result >= 0; i++)
		result = aion_event_wait(&bench->event);
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static double aion_pairs(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, bench->fn, bench);
	return (double)bench->elapsed_ns / PAIRS_A_RUN;
}

static double raw_mutex(void *arg)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	int64_t begin_ns = perf_now();
	int64_t elapsed_ns;

	(void)arg;
	for (unsigned i = 0; i < PAIRS_A_RUN; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
	elapsed_ns = perf_now() - begin_ns;
	pthread_mutex_destroy(&mutex);
	return (double)elapsed_ns / PAIRS_A_RUN;
}

static double raw_semaphore(void *arg)
{
	int64_t begin_ns, elapsed_ns;
	sem_t semaphore;

	(void)arg;
	sem_init(&semaphore, 0, 1);
	begin_ns = perf_now();
	for (unsigned i = 0; i < PAIRS_A_RUN; i++) {
		sem_wait(&semaphore);
		sem_post(&semaphore);
	}
	elapsed_ns = perf_now() - begin_ns;
	sem_destroy(&semaphore);
	return (double)elapsed_ns / PAIRS_A_RUN;
}

/* ---- a mutex that goes round: each task finds it locked, and is handed it */

static int64_t pass_mutex(void *arg)
{
	struct bench *bench = arg;
	int result = 0;

	for (unsigned i = 0; i < HAND_OVERS_A_RUN / TASK_NR && result >= 0; i++) {
		result = aion_mutex_lock(&bench->mutex);
		if (result == 0)
			result = aion_yield();
		aion_mutex_unlock(&bench->mutex);
	}
	return result;
}

/* As many switches as that: one to wait for the mutex, one to yield with it. */
static int64_t yield_twice(void *arg)
{
	int result = 0;

	(void)arg;
	for (unsigned i = 0; i < 2 * (HAND_OVERS_A_RUN / TASK_NR) && result >= 0; i++)
		result = aion_yield();
	return result;
}

static int64_t rendezvous_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	int64_t result, begin_ns = perf_now();

	aion_group_enter(&group);
	for (unsigned i = 0; i < TASK_NR; i++)
		aion_spawn(&group, bench->fn, bench);
	result = aion_group_leave(&group, 0);
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static double rendezvous(struct bench *bench, aion_fn *fn)
{
	bench->fn = fn;
	perf_loop_run(bench->loop, rendezvous_main, bench);
	return (double)bench->elapsed_ns / HAND_OVERS_A_RUN;
}

static double switch_side(void *arg)
{
	return rendezvous(arg, yield_twice);
}

static double mutex_side(void *arg)
{
	return rendezvous(arg, pass_mutex);
}

static void measure(struct bench *bench, const char *what, perf_side *raw, perf_side *aion, double bar)
{
	struct perf_pairs pairs;

	perf_interleave_tries(raw, PERF_TRY_MAX, aion, PERF_TRY_MAX, bench, perf_runs(21), &pairs);
	perf_line_begin("sync");
	perf_line_text("what", what);
	perf_line_pairs(&pairs);
	if (bar)
		perf_line_bar(pairs.aion_ns.median, bar, PERF_AT_MOST);
	perf_line_end();
}

static void measure_pairs(struct bench *bench, const char *what, perf_side *raw, aion_fn *fn, double bar)
{
	bench->fn = fn;
	measure(bench, what, raw, aion_pairs, bar);
}

int main(int argc, char **argv)
{
	static struct bench bench;

	perf_start(argc, argv);
	bench.loop = perf_loop_create();
	aion_mutex_init(&bench.mutex);
	aion_semaphore_init(&bench.semaphore, 1);
	aion_limiter_init(&bench.limiter, 1);
	aion_event_init(&bench.event);
	aion_event_set(&bench.event);
	measure_pairs(&bench, "mutex", raw_mutex, mutex_pairs, PAIR_NS_MAX);
	measure_pairs(&bench, "semaphore", raw_semaphore, semaphore_pairs, PAIR_NS_MAX);
	measure_pairs(&bench, "limiter", raw_semaphore, limiter_pairs, 0);
	measure_pairs(&bench, "event that is set", raw_semaphore, event_waits, 0);
	measure(&bench, "rendezvous", switch_side, mutex_side, 0);
	aion_limiter_fini(&bench.limiter);
	aion_loop_destroy(bench.loop);
	return 0;
}
