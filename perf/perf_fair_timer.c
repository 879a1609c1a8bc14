/* SPDX-License-Identifier: MIT */
/*
 * Area: timer. Round: -r 2.
 * How late is a timer while something floods its loop? A task sleeps for 200 us, and again; what it wakes too late
 * counts. Beside it:
 *	idle		nothing
 *	compute		a task that never waits, but passes a checkpoint every microsecond or so
 *	compute_16	16 of them
 *	yields		1000 tasks that yield
 *	completions	256 tasks that await a NOP each, and the next
 *	posts		another thread on another CPU that posts, at most 4096 ahead
 *	posts_again	64 posts, each of which posts itself anew
 * The raw way, where there is one: a thread in clock_nanosleep(2), and beside it, on the same CPU, threads that
 * compute, or one that keeps a ring full of NOPs; then the kernel shares the CPU between them.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "echo.h"
#include "perf.h"
#include "raw_ring.h"

#define PERIOD_NS (200 * AION_MICROSECOND)
#define RUN_NS (300 * AION_MILLISECOND)
#define SAMPLE_MAX (RUN_NS / PERIOD_NS) /* a run */
#define RUN_NR_MAX 101
#define COMPUTE_ROUND_NR 500
#define POST_AHEAD_MAX 4096
#define THREAD_MAX 16
#define NOP_NR 256u

struct flood {
	const char *name;
	aion_fn *task; /* so many of it */
	unsigned task_nr;
	unsigned post_nr;
	void *(*poster)(void *arg);
	void *(*raw_thread)(void *arg);
	unsigned raw_thread_nr;
};

struct bench {
	const struct flood *flood;
	struct aion_loop *loop;
	atomic_bool is_over;
	_Atomic uint64_t posted_nr, ran_nr;
	double *samples_ns; /* of this run */
	size_t sample_nr;
};

static volatile uint64_t compute_sink;

/* Some microsecond of work. */
static void compute(uint64_t *state)
{
	unsigned i;

	for (i = 0; i < COMPUTE_ROUND_NR; i++)
		perf_random(state);
	compute_sink = *state;
}

static int64_t compute_task(void *arg)
{
	struct bench *bench = arg;
	uint64_t state = 88172645463325252;

	while (!bench->is_over) {
		compute(&state);
		aion_checkpoint();
	}
	return 0;
}

static int64_t yield_task(void *arg)
{
	struct bench *bench = arg;

	while (!bench->is_over)
		aion_yield();
	return 0;
}

static int64_t nop_task(void *arg)
{
	struct bench *bench = arg;
	int64_t result = 0;

	while (!bench->is_over && result >= 0)
		result = aion_nop();
	return result;
}

static void count_post(void *arg)
{
	struct bench *bench = arg;

	bench->ran_nr++;
}

static void post_again(void *arg)
{
	struct bench *bench = arg;

	bench->ran_nr++;
	if (bench->is_over)
		return;
	if (aion_loop_post(bench->loop, post_again, bench) < 0)
		perf_die("aion_loop_post", -ENOMEM);
	bench->posted_nr++;
}

static void *poster_thread(void *arg)
{
	struct bench *bench = arg;

	echo_pin_to_server_cpu();
	while (!bench->is_over) {
		if (bench->posted_nr - bench->ran_nr >= POST_AHEAD_MAX) {
			sched_yield();
			continue;
		}
		if (aion_loop_post(bench->loop, count_post, bench) < 0)
			perf_die("aion_loop_post", -ENOMEM);
		bench->posted_nr++;
	}
	return NULL;
}

static void sample_add(struct bench *bench, int64_t due_ns)
{
	if (bench->sample_nr < SAMPLE_MAX)
		bench->samples_ns[bench->sample_nr++] = (double)(perf_now() - due_ns);
}

static int64_t timer_main(void *arg)
{
	struct bench *bench = arg;
	const struct flood *flood = bench->flood;
	struct aion_group group;
	pthread_t poster;
	unsigned i;
	int64_t due_ns, end_ns;

	aion_group_enter(&group);
	for (i = 0; i < flood->task_nr; i++)
		aion_spawn(&group, flood->task, bench);
	for (i = 0; i < flood->post_nr; i++) {
		bench->posted_nr++;
		aion_loop_post(bench->loop, post_again, bench);
	}
	if (flood->poster && pthread_create(&poster, NULL, flood->poster, bench) != 0)
		perf_die("pthread_create", -EAGAIN);
	aion_sleep(5 * AION_MILLISECOND); /* by then all are at it */
	for (end_ns = perf_now() + RUN_NS; perf_now() < end_ns;) {
		due_ns = perf_now() + PERIOD_NS;
		aion_sleep_until(due_ns);
		sample_add(bench, due_ns);
	}
	bench->is_over = true;
	if (flood->poster)
		pthread_join(poster, NULL);
	while (bench->ran_nr < bench->posted_nr)
		aion_yield();
	return aion_group_leave(&group, 0);
}

static void *raw_compute_thread(void *arg)
{
	struct bench *bench = arg;
	uint64_t state = 88172645463325252;

	while (!bench->is_over)
		compute(&state);
	return NULL;
}

static void *raw_nop_thread(void *arg)
{
	struct bench *bench = arg;
	struct io_uring ring;
	unsigned i;

	perf_ring_open(&ring, NOP_NR, 0);
	while (!bench->is_over) {
		for (i = 0; i < NOP_NR; i++)
			io_uring_prep_nop(io_uring_get_sqe(&ring));
		perf_ring_enter(&ring, NOP_NR);
		io_uring_cq_advance(&ring, NOP_NR);
	}
	perf_ring_close(&ring);
	return NULL;
}

static void raw_run(struct bench *bench)
{
	pthread_t threads[THREAD_MAX];
	int64_t due_ns, end_ns;
	struct timespec due;
	unsigned i;

	for (i = 0; i < bench->flood->raw_thread_nr; i++) {
		if (pthread_create(&threads[i], NULL, bench->flood->raw_thread, bench) != 0)
			perf_die("pthread_create", -EAGAIN);
	}
	usleep(5000); /* as on the other side */
	for (end_ns = perf_now() + RUN_NS; perf_now() < end_ns;) {
		due_ns = perf_now() + PERIOD_NS;
		due = (struct timespec){.tv_sec = due_ns / AION_SECOND, .tv_nsec = due_ns % AION_SECOND};
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
			;
		sample_add(bench, due_ns);
	}
	bench->is_over = true;
	for (i = 0; i < bench->flood->raw_thread_nr; i++)
		pthread_join(threads[i], NULL);
}

/* The samples of all runs of a side, and each run's 99th percentile. */
struct record {
	double *all_ns;
	size_t all_nr;
	double p99_ns[RUN_NR_MAX];
};

static void run(struct bench *bench, bool is_raw, struct record *record, unsigned idx)
{
	struct perf_stats stats;

	bench->is_over = false;
	bench->posted_nr = bench->ran_nr = 0;
	bench->sample_nr = 0;
	if (is_raw)
		raw_run(bench);
	else
		perf_loop_run(bench->loop, timer_main, bench);
	memcpy(record->all_ns + record->all_nr, bench->samples_ns, bench->sample_nr * sizeof(*record->all_ns));
	record->all_nr += bench->sample_nr;
	perf_stats_of(bench->samples_ns, (unsigned)bench->sample_nr, &stats);
	record->p99_ns[idx] = bench->samples_ns[bench->sample_nr * 99 / 100];
}

static void show_side(const struct flood *flood, const char *side, struct record *record, unsigned run_nr)
{
	struct perf_stats stats;

	perf_stats_of(record->all_ns, (unsigned)record->all_nr, &stats);
	perf_line_begin("fair_timer");
	perf_line_text("measure", "side");
	perf_line_text("flood", flood->name);
	perf_line_text("side", side);
	perf_line_number("p50_us", stats.median / 1000);
	perf_line_number("p99_us", record->all_ns[record->all_nr * 99 / 100] / 1000);
	perf_line_number("p999_us", record->all_ns[record->all_nr * 999 / 1000] / 1000);
	perf_line_number("max_us", stats.max / 1000);
	perf_line_number("timers", (double)record->all_nr);
	perf_line_number("runs", run_nr);
	perf_line_end();
}

static void show_ratio(const struct flood *flood, struct record *raw, struct record *aion, unsigned run_nr)
{
	struct perf_stats ratio, raw_stats, aion_stats;
	double ratios[RUN_NR_MAX];
	unsigned i;

	for (i = 0; i < run_nr; i++)
		ratios[i] = aion->p99_ns[i] / raw->p99_ns[i];
	perf_stats_of(raw->p99_ns, run_nr, &raw_stats);
	perf_stats_of(aion->p99_ns, run_nr, &aion_stats);
	perf_stats_of(ratios, run_nr, &ratio);
	perf_line_begin("fair_timer");
	perf_line_text("measure", "p99");
	perf_line_text("flood", flood->name);
	perf_line_text("raw", "threads");
	perf_line_number("raw_ns", raw_stats.median);
	perf_line_number("aion_ns", aion_stats.median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_end();
}

static void measure(struct bench *bench, const struct flood *flood, unsigned run_nr)
{
	struct record raw = {.all_ns = perf_alloc(run_nr * SAMPLE_MAX * sizeof(double))};
	struct record aion = {.all_ns = perf_alloc(run_nr * SAMPLE_MAX * sizeof(double))};
	bool has_raw = flood->raw_thread || strcmp(flood->name, "idle") == 0;
	unsigned i;

	bench->flood = flood;
	for (i = 0; i < run_nr; i++) {
		if (has_raw)
			run(bench, true, &raw, i);
		run(bench, false, &aion, i);
	}
	show_side(flood, "aion", &aion, run_nr);
	if (has_raw) {
		show_side(flood, "threads", &raw, run_nr);
		show_ratio(flood, &raw, &aion, run_nr);
	}
	free(raw.all_ns);
	free(aion.all_ns);
}

static const struct flood floods[] = {
	{.name = "idle"},
	{.name = "compute", .task = compute_task, .task_nr = 1, .raw_thread = raw_compute_thread, .raw_thread_nr = 1},
	{.name = "compute_16",
	 .task = compute_task,
	 .task_nr = 16,
	 .raw_thread = raw_compute_thread,
	 .raw_thread_nr = THREAD_MAX},
	{.name = "yields", .task = yield_task, .task_nr = 1000},
	{.name = "completions", .task = nop_task, .task_nr = NOP_NR, .raw_thread = raw_nop_thread, .raw_thread_nr = 1},
	{.name = "posts", .poster = poster_thread},
	{.name = "posts_again", .post_nr = 64},
};

int main(int argc, char **argv)
{
	static struct bench bench;
	unsigned i, run_nr;

	echo_cpus_find();
	perf_start(argc, argv);
	run_nr = perf_runs(5);
	if (run_nr > RUN_NR_MAX)
		run_nr = RUN_NR_MAX;
	bench.samples_ns = perf_alloc(SAMPLE_MAX * sizeof(*bench.samples_ns));
	bench.loop = perf_loop_create();
	for (i = 0; i < sizeof(floods) / sizeof(*floods); i++)
		measure(&bench, &floods[i], run_nr);
	aion_loop_destroy(bench.loop);
	free(bench.samples_ns);
	return 0;
}
