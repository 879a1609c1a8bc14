/* SPDX-License-Identifier: MIT */
/*
 * What do timers cost? Many side by side in memory, random deadlines within a second: armed, cancelled in the order in
 * which they were armed, or fired. For firing, all are armed, the thread is kept busy until every deadline has passed,
 * and the turns that fire them are timed. The raw way is the kernel's timers, IORING_OP_TIMEOUT: RAW_NR of them
 * whatever the size, since cancelling many at once costs it microseconds each. They fire nearly together, which is
 * their best case.
 *
 * Area: timer. Round: -r 2. Quick: -r 1.
 */
#include <errno.h>
#include <stdlib.h>

#include "perf.h"
#include "raw_ring.h"

#define TIMER_MAX 1000000
#define RAW_NR 1000
#define RUN_MAX 1000

enum phase {
	PHASE_ARM,
	PHASE_CANCEL,
	PHASE_FIRE,
	PHASE_NR,
};

static const char *const phase_names[PHASE_NR] = {"arm", "cancel", "fire"};

struct bench {
	struct aion_loop *loop;
	struct aion_timer *timers;
	int64_t *deadlines;
	unsigned timer_nr;
	unsigned run_nr;
	unsigned repeat_nr; /* of arm and cancel a run, so that few timers make a measurable time */
	double aion_ns[PHASE_NR][RUN_MAX];
	double raw_ns[PHASE_NR][RUN_MAX];
};

static void fill_deadlines(struct bench *bench)
{
	uint64_t seed = 88172645463325252 + (uint64_t)perf_now();
	int64_t begin_ns = perf_now();
	unsigned i;

	for (i = 0; i < bench->timer_nr; i++)
		bench->deadlines[i] = begin_ns + (int64_t)perf_random_below(&seed, AION_SECOND);
}

static double arm_all(struct bench *bench)
{
	int64_t begin_ns = perf_now();
	unsigned i;
	int result;

	for (i = 0; i < bench->timer_nr; i++) {
		result = aion_timer_arm(&bench->timers[i], bench->deadlines[i]);
		if (result < 0)
			perf_die("aion_timer_arm", result);
	}
	return (double)(perf_now() - begin_ns) / bench->timer_nr;
}

static double cancel_all(struct bench *bench)
{
	unsigned i, cancelled_nr = 0;
	int64_t elapsed_ns, begin_ns = perf_now();

	for (i = 0; i < bench->timer_nr; i++)
		cancelled_nr += (unsigned)aion_timer_cancel(&bench->timers[i]);
	elapsed_ns = perf_now() - begin_ns;
	if (cancelled_nr != bench->timer_nr)
		perf_die("timers cancelled", -EPROTO);
	return (double)elapsed_ns / bench->timer_nr;
}

static double fire_all(struct bench *bench, int64_t until_ns)
{
	struct aion_loop_stats stats;
	int64_t begin_ns, elapsed_ns;
	unsigned i;

	while (perf_now() <= until_ns)
		;
	begin_ns = perf_now();
	do {
		aion_yield();
		aion_loop_stats(bench->loop, &stats);
	} while (stats.timer_nr);
	elapsed_ns = perf_now() - begin_ns;
	for (i = 0; i < bench->timer_nr; i++) {
		if (!aion_future_is_done(&bench->timers[i].future))
			perf_die("timers fired", -EPROTO);
	}
	return (double)elapsed_ns / bench->timer_nr;
}

static int64_t aion_run_once(void *arg)
{
	struct bench *bench = arg;
	unsigned i, run = bench->run_nr++;
	double arm_ns = 0, cancel_ns = 0;

	for (i = 0; i < bench->timer_nr; i++)
		aion_timer_init(&bench->timers[i]);
	for (i = 0; i < bench->repeat_nr; i++) {
		fill_deadlines(bench);
		arm_ns += arm_all(bench);
		cancel_ns += cancel_all(bench);
	}
	bench->aion_ns[PHASE_ARM][run] = arm_ns / bench->repeat_nr;
	bench->aion_ns[PHASE_CANCEL][run] = cancel_ns / bench->repeat_nr;
	fill_deadlines(bench);
	arm_all(bench);
	bench->aion_ns[PHASE_FIRE][run] = fire_all(bench, perf_now() + AION_SECOND);
	return 0;
}

/* Reaps nr completions. */
static void raw_reap(struct io_uring *ring, unsigned nr)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen_nr;

	while (nr) {
		perf_ring_enter(ring, 1);
		seen_nr = 0;
		io_uring_for_each_cqe(ring, head, cqe) {
			/* -ENOENT: fired before its removal came */
			if (cqe->res < 0 && cqe->res != -ETIME && cqe->res != -ECANCELED && cqe->res != -ENOENT)
				perf_die("IORING_OP_TIMEOUT", cqe->res);
			seen_nr++;
		}
		io_uring_cq_advance(ring, seen_nr);
		nr -= seen_nr;
	}
}

static double raw_arm(struct io_uring *ring, struct bench *bench, struct __kernel_timespec *times, unsigned nr)
{
	struct io_uring_sqe *sqe;
	int64_t begin_ns = perf_now();
	unsigned i;

	for (i = 0; i < nr; i++) {
		times[i].tv_sec = bench->deadlines[i] / AION_SECOND;
		times[i].tv_nsec = bench->deadlines[i] % AION_SECOND;
		while (!(sqe = io_uring_get_sqe(ring)))
			io_uring_submit(ring);
		io_uring_prep_timeout(sqe, &times[i], 0, IORING_TIMEOUT_ABS);
		sqe->user_data = (uintptr_t)&times[i];
	}
	io_uring_submit(ring);
	return (double)(perf_now() - begin_ns) / nr;
}

static double raw_cancel(struct io_uring *ring, struct __kernel_timespec *times, unsigned nr)
{
	struct io_uring_sqe *sqe;
	int64_t begin_ns = perf_now();
	unsigned i;

	for (i = 0; i < nr; i++) {
		while (!(sqe = io_uring_get_sqe(ring)))
			io_uring_submit(ring);
		io_uring_prep_timeout_remove(sqe, (uintptr_t)&times[i], 0);
	}
	raw_reap(ring, 2 * nr);
	return (double)(perf_now() - begin_ns) / nr;
}

/* Due faster than the kernel can fire them, so that the time from the first deadline to the last completion is its
 * work: interrupts, completions, and the reaping of them. */
static double raw_fire(struct io_uring *ring, struct bench *bench, struct __kernel_timespec *times, unsigned nr)
{
	int64_t begin_ns = perf_now() + nr * 2 * AION_MICROSECOND;
	uint64_t seed = (uint64_t)begin_ns;
	unsigned i;

	for (i = 0; i < nr; i++)
		bench->deadlines[i] = begin_ns + (int64_t)perf_random_below(&seed, nr * UINT64_C(500));
	raw_arm(ring, bench, times, nr);
	raw_reap(ring, nr);
	return (double)(perf_now() - begin_ns) / nr;
}

static void raw_run_once(struct bench *bench, struct io_uring *ring, struct __kernel_timespec *times)
{
	unsigned run = bench->run_nr, timer_nr = bench->timer_nr;

	bench->timer_nr = RAW_NR;
	fill_deadlines(bench);
	bench->timer_nr = timer_nr;
	bench->raw_ns[PHASE_ARM][run] = raw_arm(ring, bench, times, RAW_NR);
	bench->raw_ns[PHASE_CANCEL][run] = raw_cancel(ring, times, RAW_NR);
	bench->raw_ns[PHASE_FIRE][run] = raw_fire(ring, bench, times, RAW_NR);
}

static void report(struct bench *bench, enum phase phase, double bar)
{
	struct perf_stats raw_stats, stats;

	perf_stats_of(bench->raw_ns[phase], bench->run_nr, &raw_stats);
	perf_stats_of(bench->aion_ns[phase], bench->run_nr, &stats);
	perf_line_begin("timer");
	perf_line_text("phase", phase_names[phase]);
	perf_line_param("timers", bench->timer_nr);
	perf_line_number("raw_timers", RAW_NR);
	perf_line_number("raw_ns", raw_stats.median);
	perf_line_number("aion_ns", stats.median);
	perf_line_number("ratio", stats.median / raw_stats.median);
	perf_line_spread(&stats);
	if (bar)
		perf_line_bar(stats.median, bar, PERF_AT_MOST);
	perf_line_end();
}

static void measure(struct bench *bench, unsigned timer_nr, const double *bars)
{
	static struct __kernel_timespec times[RAW_NR];
	unsigned i, run_nr = perf_runs(3);
	struct io_uring ring;

	perf_ring_open(&ring, 1024, 0);
	bench->timer_nr = timer_nr;
	bench->run_nr = 0;
	bench->repeat_nr = timer_nr < 100000 ? 100 : 2;
	for (i = 0; i < run_nr && i < RUN_MAX; i++) {
		raw_run_once(bench, &ring, times);
		perf_loop_run(bench->loop, aion_run_once, bench);
	}
	for (i = 0; i < PHASE_NR; i++)
		report(bench, i, bars ? bars[i] : 0);
	perf_ring_close(&ring);
}

int main(int argc, char **argv)
{
	static const double bars[PHASE_NR] = {15, 12, 85};
	static struct bench bench;

	perf_start(argc, argv);
	bench.timers = perf_alloc(TIMER_MAX * sizeof(*bench.timers));
	bench.deadlines = perf_alloc(TIMER_MAX * sizeof(*bench.deadlines));
	bench.loop = perf_loop_create();
	measure(&bench, 1000, NULL);
	measure(&bench, 100000, NULL);
	measure(&bench, TIMER_MAX, bars);
	aion_loop_destroy(bench.loop);
	free(bench.deadlines);
	free(bench.timers);
	return 0;
}
