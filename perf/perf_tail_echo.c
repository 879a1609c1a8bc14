/* SPDX-License-Identifier: MIT */
/*
 * Area: socket. Round: -r 1. Not quick.
 * How long do messages wait while the server is busy? An open loop: messages of 64 bytes come to 64 connections by a
 * schedule, whether the server keeps up or not, and each is timed from when it was due, so that what waits behind a
 * slow answer is counted as well (no coordinated omission). A run is nine windows of 50 ms, and what counts is the
 * median of the windows: where a host stops a virtual machine for some milliseconds now and then, that would else be
 * the slowest hundredth on every side; "max" is that of all windows. All sides get the same two rates: half of what
 * epoll by hand serves at its best, and four fifths. Server and load have a CPU each, the sides take turns.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "echo.h"
#include "perf.h"

#define CONN_NR 64u
#define MESSAGE_SIZE ((size_t)64)
#define RUN_NR_MAX 101
#define WARM_NS (50 * AION_MILLISECOND)
#define RUN_NS (500 * AION_MILLISECOND) /* to find the rate */
#define WINDOW_NS (50 * AION_MILLISECOND)
#define WINDOW_NR 9
#define SIDE_MAX (3 + ECHO_PEER_MAX)
#define LOAD_NR 2

enum figure {
	CPU_NS,
	P50_NS,
	P99_NS,
	P999_NS,
	MAX_NS,
	RATE,
	FIGURE_NR,
};

static const double loads[LOAD_NR] = {0.5, 0.8}; /* of epoll's rate */

struct bench {
	unsigned side_nr;
	struct echo_side sides[SIDE_MAX]; /* io_uring by hand, epoll by hand, aion, the peers */
	struct echo_server servers[SIDE_MAX];
	struct echo_load *clients[SIDE_MAX];
	double full_rate;
	double samples[LOAD_NR][SIDE_MAX][FIGURE_NR][RUN_NR_MAX];
};

enum side {
	MULTISHOT,
	EPOLL,
	AION,
	PEERS,
};

/* What it was in most windows. */
static double median_of(const struct echo_figures *figures, size_t place)
{
	double values[WINDOW_NR];
	struct perf_stats stats;

	for (size_t i = 0; i < WINDOW_NR; i++)
		memcpy(&values[i], (const char *)&figures[i] + place, sizeof(values[i]));
	perf_stats_of(values, WINDOW_NR, &stats);
	return stats.median;
}

static void run(struct bench *bench, unsigned load, unsigned side, unsigned turn)
{
	double(*samples)[RUN_NR_MAX] = bench->samples[load][side];
	struct echo_figures windows[WINDOW_NR];
	double max_ns = 0;

	for (size_t i = 0; i < WINDOW_NR; i++) {
		echo_load_run_at(bench->clients[side], &bench->servers[side], loads[load] * bench->full_rate,
				 i ? 0 : WARM_NS, WINDOW_NS, &windows[i]);
		max_ns = windows[i].max_ns > max_ns ? windows[i].max_ns : max_ns;
	}
	samples[CPU_NS][turn] = median_of(windows, offsetof(struct echo_figures, cpu_ns));
	samples[P50_NS][turn] = median_of(windows, offsetof(struct echo_figures, p50_ns));
	samples[P99_NS][turn] = median_of(windows, offsetof(struct echo_figures, p99_ns));
	samples[P999_NS][turn] = median_of(windows, offsetof(struct echo_figures, p999_ns));
	samples[MAX_NS][turn] = max_ns;
	samples[RATE][turn] = median_of(windows, offsetof(struct echo_figures, rate));
}

static struct perf_stats stats_of(const double *samples, unsigned nr)
{
	double sorted[RUN_NR_MAX];
	struct perf_stats stats;

	memcpy(sorted, samples, nr * sizeof(*samples));
	perf_stats_of(sorted, nr, &stats);
	return stats;
}

static void line_begin(const struct bench *bench, const char *measure, unsigned load)
{
	perf_line_begin("tail_echo");
	perf_line_text("measure", measure);
	perf_line_param("load", loads[load]);
	perf_line_number("offered_rate", loads[load] * bench->full_rate);
}

static void show_sides(const struct bench *bench, unsigned load, unsigned run_nr)
{
	struct perf_stats p999;
	unsigned i;

	for (i = 0; i < bench->side_nr; i++) {
		const double(*samples)[RUN_NR_MAX] = bench->samples[load][i];

		p999 = stats_of(samples[P999_NS], run_nr);
		line_begin(bench, "side", load);
		perf_line_text("side", bench->sides[i].name);
		perf_line_number("rate", stats_of(samples[RATE], run_nr).median);
		perf_line_number("cpu_ns", stats_of(samples[CPU_NS], run_nr).median);
		perf_line_number("p50_us", stats_of(samples[P50_NS], run_nr).median / 1000);
		perf_line_number("p99_us", stats_of(samples[P99_NS], run_nr).median / 1000);
		perf_line_number("p999_us", p999.median / 1000);
		perf_line_number("max_us", stats_of(samples[MAX_NS], run_nr).median / 1000);
		perf_line_number("runs", run_nr);
		perf_line_end();
	}
}

/* aion over the best of some sides, pair by pair. */
static void show_ratio(const struct bench *bench, unsigned load, const char *measure, const char *key,
		       enum figure figure, unsigned begin, unsigned end, unsigned run_nr)
{
	double ratios[RUN_NR_MAX];
	struct perf_stats ratio;
	unsigned i, best = begin;

	for (i = begin + 1; i < end; i++) {
		if (stats_of(bench->samples[load][i][figure], run_nr).median <
		    stats_of(bench->samples[load][best][figure], run_nr).median)
			best = i;
	}
	for (i = 0; i < run_nr; i++)
		ratios[i] = bench->samples[load][AION][figure][i] / bench->samples[load][best][figure][i];
	perf_stats_of(ratios, run_nr, &ratio);
	line_begin(bench, measure, load);
	perf_line_note(key, bench->sides[best].name);
	perf_line_number(begin == PEERS ? "peer_ns" : "raw_ns",
			 stats_of(bench->samples[load][best][figure], run_nr).median);
	perf_line_number("aion_ns", stats_of(bench->samples[load][AION][figure], run_nr).median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_end();
}

static void show(const struct bench *bench, unsigned load, unsigned run_nr)
{
	show_sides(bench, load, run_nr);
	show_ratio(bench, load, "p99", "raw", P99_NS, MULTISHOT, AION, run_nr);
	show_ratio(bench, load, "p999", "raw", P999_NS, MULTISHOT, AION, run_nr);
	show_ratio(bench, load, "peer_p99", "peer", P99_NS, PEERS, bench->side_nr, run_nr);
	show_ratio(bench, load, "peer_p999", "peer", P999_NS, PEERS, bench->side_nr, run_nr);
}

static void open_all(struct bench *bench)
{
	const struct echo_setup setup = {.message_size = MESSAGE_SIZE, .conn_nr = CONN_NR};
	struct echo_figures figures;
	unsigned i;

	bench->sides[MULTISHOT] = *echo_side_find("multishot");
	bench->sides[EPOLL] = *echo_side_find("epoll");
	bench->sides[AION] = *echo_side_find("aion");
	bench->side_nr = PEERS + echo_peers_find("tail_echo", bench->sides + PEERS);
	for (i = 0; i < bench->side_nr; i++) {
		echo_server_start(&bench->servers[i], bench->sides[i].serve, &setup);
		bench->clients[i] = echo_load_open(bench->servers[i].port, CONN_NR, MESSAGE_SIZE);
	}
	echo_load_run(bench->clients[EPOLL], &bench->servers[EPOLL], WARM_NS, RUN_NS, &figures);
	bench->full_rate = figures.rate;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	unsigned i, load, turn, run_nr;

	echo_cpus_find();
	perf_start(argc, argv);
	run_nr = perf_runs(5);
	if (run_nr > RUN_NR_MAX)
		run_nr = RUN_NR_MAX;
	echo_need_descriptors(SIDE_MAX * CONN_NR);
	open_all(&bench);
	for (load = 0; load < LOAD_NR; load++) {
		for (turn = 0; turn < run_nr; turn++) {
			for (i = 0; i < bench.side_nr; i++)
				run(&bench, load, (turn + i) % bench.side_nr, turn);
		}
		show(&bench, load, run_nr);
	}
	for (i = 0; i < bench.side_nr; i++) {
		echo_load_close(bench.clients[i]);
		echo_server_stop(&bench.servers[i]);
	}
	return 0;
}
