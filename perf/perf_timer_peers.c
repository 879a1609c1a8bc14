/* SPDX-License-Identifier: MIT */
/*
 * Area: timer. Round: -r 1. Not quick.
 * Timers beside the peers': aion_timer, libuv's uv_timer and libev's ev_timer, 10^3 to 10^6 of them armed side by side.
 * Random deadlines within a second: armed, and cancelled in the order in which they were armed; and fired: all are
 * armed, the thread is kept busy until every deadline has passed, and the turns that fire them are timed. A peer counts
 * in milliseconds (libuv) or fractions of a second (libev), aion in nanoseconds. The ratio is that of aion to the peer
 * which did best, of neighbouring runs.
 */
#include <errno.h>
#include <stdlib.h>

#include "perf.h"

#ifdef PERF_LIBUV
#include <uv.h>
#endif
#ifdef PERF_LIBEV
#include <ev.h>
#endif

#define TIMER_MAX 1000000
#define RUN_MAX 101
#define ARM_AT_LEAST 200000 /* so many a run, by repetition, that few timers make a measurable time */
#define FIRE_DELAY_NS (400 * AION_MILLISECOND) /* within which all are armed */
#define FIRE_SPREAD_NS (50 * AION_MILLISECOND)

enum phase {
	PHASE_ARM,
	PHASE_CANCEL,
	PHASE_FIRE,
	PHASE_NR,
};

static const char *const phase_names[PHASE_NR] = {"arm", "cancel", "fire"};

struct bench {
	int64_t *delays_ns; /* from the time at which arming begins */
	unsigned timer_nr;
	unsigned fired_nr;
	struct aion_loop *loop;
	struct aion_timer *aion_timers;
#ifdef PERF_LIBUV
	uv_loop_t uv_loop;
	uv_timer_t *uv_timers;
#endif
#ifdef PERF_LIBEV
	struct ev_loop *ev_loop;
	struct ev_timer *ev_timers;
#endif
};

/* What a library does with all timers; all NULL where it is missing. */
struct calls {
	void (*init)(struct bench *bench);
	void (*arm)(struct bench *bench);
	void (*cancel)(struct bench *bench);
	void (*fire)(struct bench *bench); /* all are due */
	void (*fini)(struct bench *bench);
};

struct side {
	const char *name;
	const char *package;
	struct calls calls;
};

struct run {
	struct bench *bench;
	const struct side *side;
	double ns[PHASE_NR];
};

static void aion_side_init(struct bench *bench)
{
	unsigned i;

	for (i = 0; i < bench->timer_nr; i++)
		aion_timer_init(&bench->aion_timers[i]);
}

static void aion_side_arm(struct bench *bench)
{
	int64_t begin_ns = perf_now();
	unsigned i;
	int result;

	for (i = 0; i < bench->timer_nr; i++) {
		result = aion_timer_arm(&bench->aion_timers[i], begin_ns + bench->delays_ns[i]);
		if (result < 0)
			perf_die("aion_timer_arm", result);
	}
}

static void aion_side_cancel(struct bench *bench)
{
	unsigned i;

	for (i = 0; i < bench->timer_nr; i++)
		aion_timer_cancel(&bench->aion_timers[i]);
}

static void aion_side_fire(struct bench *bench)
{
	struct aion_loop_stats stats;

	do {
		aion_yield();
		aion_loop_stats(bench->loop, &stats);
	} while (stats.timer_nr);
	bench->fired_nr = bench->timer_nr;
}

static void aion_side_fini(struct bench *bench)
{
}

#ifdef PERF_LIBUV
static void uv_fired(uv_timer_t *timer)
{
	struct bench *bench = timer->data;

	bench->fired_nr++;
}

static void uv_side_init(struct bench *bench)
{
	unsigned i;

	uv_loop_init(&bench->uv_loop);
	for (i = 0; i < bench->timer_nr; i++) {
		uv_timer_init(&bench->uv_loop, &bench->uv_timers[i]);
		bench->uv_timers[i].data = bench;
	}
}

static void uv_side_arm(struct bench *bench)
{
	unsigned i;

	uv_update_time(&bench->uv_loop);
	for (i = 0; i < bench->timer_nr; i++)
		uv_timer_start(&bench->uv_timers[i], uv_fired, (uint64_t)(bench->delays_ns[i] / AION_MILLISECOND), 0);
}

static void uv_side_cancel(struct bench *bench)
{
	unsigned i;

	for (i = 0; i < bench->timer_nr; i++)
		uv_timer_stop(&bench->uv_timers[i]);
}

static void uv_side_fire(struct bench *bench)
{
	while (bench->fired_nr < bench->timer_nr)
		uv_run(&bench->uv_loop, UV_RUN_NOWAIT);
}

static void uv_side_fini(struct bench *bench)
{
	unsigned i;

	for (i = 0; i < bench->timer_nr; i++)
		uv_close((uv_handle_t *)&bench->uv_timers[i], NULL);
	uv_run(&bench->uv_loop, UV_RUN_DEFAULT);
	uv_loop_close(&bench->uv_loop);
}
#define UV_SIDE                                                                                                        \
	{                                                                                                              \
		uv_side_init, uv_side_arm, uv_side_cancel, uv_side_fire, uv_side_fini                                  \
	}
#else
#define UV_SIDE                                                                                                        \
	{                                                                                                              \
		NULL                                                                                                   \
	}
#endif

#ifdef PERF_LIBEV
static void ev_fired(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct bench *bench = timer->data;

	bench->fired_nr++;
}

static void ev_side_init(struct bench *bench)
{
	unsigned i;

	bench->ev_loop = ev_loop_new(0);
	if (!bench->ev_loop)
		perf_die("ev_loop_new", -ENOMEM);
	for (i = 0; i < bench->timer_nr; i++) {
		ev_init(&bench->ev_timers[i], ev_fired);
		bench->ev_timers[i].data = bench;
	}
}

static void ev_side_arm(struct bench *bench)
{
	unsigned i;

	ev_now_update(bench->ev_loop);
	for (i = 0; i < bench->timer_nr; i++) {
		ev_timer_set(&bench->ev_timers[i], (double)bench->delays_ns[i] / 1e9, 0.);
		ev_timer_start(bench->ev_loop, &bench->ev_timers[i]);
	}
}

static void ev_side_cancel(struct bench *bench)
{
	unsigned i;

	for (i = 0; i < bench->timer_nr; i++)
		ev_timer_stop(bench->ev_loop, &bench->ev_timers[i]);
}

static void ev_side_fire(struct bench *bench)
{
	while (bench->fired_nr < bench->timer_nr)
		ev_run(bench->ev_loop, EVRUN_NOWAIT);
}

static void ev_side_fini(struct bench *bench)
{
	ev_loop_destroy(bench->ev_loop);
}
#define EV_SIDE                                                                                                        \
	{                                                                                                              \
		ev_side_init, ev_side_arm, ev_side_cancel, ev_side_fire, ev_side_fini                                  \
	}
#else
#define EV_SIDE                                                                                                        \
	{                                                                                                              \
		NULL                                                                                                   \
	}
#endif

static int64_t run_once(void *arg)
{
	struct run *run = arg;
	struct bench *bench = run->bench;
	unsigned i, repeat_nr = (ARM_AT_LEAST + bench->timer_nr - 1) / bench->timer_nr;
	uint64_t seed = 88172645463325252;
	int64_t begin_ns, arm_ns = 0, cancel_ns = 0;

	run->side->calls.init(bench);
	for (i = 0; i < bench->timer_nr; i++)
		bench->delays_ns[i] = (int64_t)perf_random_below(&seed, AION_SECOND);
	for (i = 0; i < repeat_nr; i++) {
		begin_ns = perf_now();
		run->side->calls.arm(bench);
		arm_ns += perf_now() - begin_ns;
		begin_ns = perf_now();
		run->side->calls.cancel(bench);
		cancel_ns += perf_now() - begin_ns;
	}
	run->ns[PHASE_ARM] = (double)arm_ns / repeat_nr / bench->timer_nr;
	run->ns[PHASE_CANCEL] = (double)cancel_ns / repeat_nr / bench->timer_nr;

	for (i = 0; i < bench->timer_nr; i++)
		bench->delays_ns[i] = FIRE_DELAY_NS + (int64_t)perf_random_below(&seed, FIRE_SPREAD_NS);
	bench->fired_nr = 0;
	run->side->calls.arm(bench);
	for (begin_ns = perf_now(); perf_now() < begin_ns + FIRE_DELAY_NS + FIRE_SPREAD_NS + AION_MILLISECOND;)
		;
	begin_ns = perf_now();
	run->side->calls.fire(bench);
	run->ns[PHASE_FIRE] = (double)(perf_now() - begin_ns) / bench->timer_nr;
	run->side->calls.fini(bench);
	return 0;
}

/* aion comes first: a ratio is that of it to the others of the same turn. */
static const struct side all_sides[] = {
	{"aion", "", {aion_side_init, aion_side_arm, aion_side_cancel, aion_side_fire, aion_side_fini}},
	{"libuv", "libuv1-dev", UV_SIDE},
	{"libev", "libev-dev", EV_SIDE},
};

#define SIDE_NR (sizeof(all_sides) / sizeof(*all_sides))

static double samples[SIDE_NR][PHASE_NR][RUN_MAX];

static void line_begin(const struct bench *bench, const char *measure, unsigned phase)
{
	perf_line_begin("timer_peers");
	perf_line_text("measure", measure);
	perf_line_text("phase", phase_names[phase]);
	perf_line_param("timers", bench->timer_nr);
}

static void show(const struct bench *bench, unsigned phase, unsigned run_nr)
{
	double ratios[SIDE_NR][RUN_MAX];
	struct perf_stats stats, best = {0}, aion = {0}, ratio;
	unsigned side, i, best_side = 0;

	for (side = 0; side < SIDE_NR; side++) {
		if (!all_sides[side].calls.init)
			continue;
		for (i = 0; i < run_nr; i++)
			ratios[side][i] = samples[0][phase][i] / samples[side][phase][i];
	}
	for (side = 0; side < SIDE_NR; side++) {
		if (!all_sides[side].calls.init)
			continue;
		perf_stats_of(samples[side][phase], run_nr, &stats);
		line_begin(bench, "side", phase);
		perf_line_text("side", all_sides[side].name);
		perf_line_number("ns", stats.median);
		perf_line_spread(&stats);
		perf_line_end();
		if (side == 0) {
			aion = stats;
		} else if (!best_side || stats.median < best.median) {
			best_side = side;
			best = stats;
		}
	}
	if (!best_side)
		return;
	perf_stats_of(ratios[best_side], run_nr, &ratio);
	line_begin(bench, "peer", phase);
	perf_line_note("peer", all_sides[best_side].name);
	perf_line_number("peer_ns", best.median);
	perf_line_number("aion_ns", aion.median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_end();
}

static void measure(struct bench *bench, unsigned timer_nr, unsigned run_nr)
{
	unsigned i, side, phase;

	bench->timer_nr = timer_nr;
	for (i = 0; i < run_nr; i++) {
		for (side = 0; side < SIDE_NR; side++) {
			struct run run = {.bench = bench, .side = &all_sides[side]};

			if (!run.side->calls.init)
				continue;
			if (side == 0)
				perf_loop_run(bench->loop, run_once, &run);
			else
				run_once(&run);
			for (phase = 0; phase < PHASE_NR; phase++)
				samples[side][phase][i] = run.ns[phase];
		}
	}
	for (phase = 0; phase < PHASE_NR; phase++)
		show(bench, phase, run_nr);
}

static void show_missing(void)
{
	unsigned side;

	for (side = 0; side < SIDE_NR; side++) {
		if (all_sides[side].calls.init)
			continue;
		perf_line_begin("timer_peers");
		perf_line_text("measure", "missing");
		perf_line_text("side", all_sides[side].name);
		perf_line_text("package", all_sides[side].package);
		perf_line_end();
	}
}

int main(int argc, char **argv)
{
	static struct bench bench;
	unsigned timer_nr, run_nr;

	perf_start(argc, argv);
	run_nr = perf_runs(3);
	if (run_nr > RUN_MAX)
		run_nr = RUN_MAX;
	bench.delays_ns = perf_alloc(TIMER_MAX * sizeof(*bench.delays_ns));
	bench.aion_timers = perf_alloc(TIMER_MAX * sizeof(*bench.aion_timers));
#ifdef PERF_LIBUV
	bench.uv_timers = perf_alloc(TIMER_MAX * sizeof(*bench.uv_timers));
#endif
#ifdef PERF_LIBEV
	bench.ev_timers = perf_alloc(TIMER_MAX * sizeof(*bench.ev_timers));
#endif
	bench.loop = perf_loop_create();
	show_missing();
	for (timer_nr = 1000; timer_nr <= TIMER_MAX; timer_nr *= 10)
		measure(&bench, timer_nr, run_nr);
	aion_loop_destroy(bench.loop);
	return 0;
}
