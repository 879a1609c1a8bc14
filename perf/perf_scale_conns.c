/* SPDX-License-Identifier: MIT */
/*
 * Area: socket. Round: -r 2. Once. Not quick.
 * Does a message cost more the more connections there are? Echo of 64 bytes over 10 to 10,000 connections, all busy,
 * as in perf_echo_rate: what a message costs the server, and how many there are a second. One side after the other, as
 * so many connections do not fit into a process's descriptors twice; so a ratio is that of medians. What there are not
 * descriptors enough for is left out, and a line says so.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "echo.h"
#include "perf.h"

#define CONN_MAX 10000u
#define MESSAGE_SIZE ((size_t)64)
#define WARM_NS (100 * AION_MILLISECOND)
#define RUN_NS (300 * AION_MILLISECOND)
#define RUN_NR_MAX 101
#define SIDE_MAX (3 + ECHO_PEER_MAX)

enum side {
	MULTISHOT,
	EPOLL,
	AION,
	PEERS,
};

struct bench {
	unsigned side_nr;
	struct echo_side sides[SIDE_MAX];
	struct perf_stats cpu_ns[SIDE_MAX], rate[SIDE_MAX];
};

static void measure_side(struct bench *bench, unsigned side, unsigned conn_nr, unsigned run_nr)
{
	const struct echo_setup setup = {.message_size = MESSAGE_SIZE, .conn_nr = conn_nr};
	double cpu_ns[RUN_NR_MAX], rate[RUN_NR_MAX];
	struct echo_figures figures;
	struct echo_server server;
	struct echo_load *load;
	unsigned i;

	echo_server_start(&server, bench->sides[side].serve, &setup);
	load = echo_load_open(server.port, conn_nr, MESSAGE_SIZE);
	for (i = 0; i < run_nr; i++) {
		echo_load_run(load, &server, WARM_NS, RUN_NS, &figures);
		cpu_ns[i] = figures.cpu_ns;
		rate[i] = figures.rate;
	}
	echo_load_close(load);
	echo_server_stop(&server);
	perf_stats_of(cpu_ns, run_nr, &bench->cpu_ns[side]);
	perf_stats_of(rate, run_nr, &bench->rate[side]);
	perf_line_begin("scale_conns");
	perf_line_text("measure", "side");
	perf_line_param("conns", conn_nr);
	perf_line_text("side", bench->sides[side].name);
	perf_line_number("cpu_ns", bench->cpu_ns[side].median);
	perf_line_number("rate", bench->rate[side].median);
	perf_line_spread(&bench->cpu_ns[side]);
	perf_line_end();
}

/* aion over the best of some sides. */
static void show_ratio(const struct bench *bench, const char *measure, unsigned conn_nr, unsigned begin, unsigned end)
{
	unsigned side, best = begin;

	if (begin == end)
		return;
	for (side = begin; side < end; side++) {
		if (bench->cpu_ns[side].median < bench->cpu_ns[best].median)
			best = side;
	}
	perf_line_begin("scale_conns");
	perf_line_text("measure", measure);
	perf_line_param("conns", conn_nr);
	perf_line_note(begin == PEERS ? "peer" : "raw", bench->sides[best].name);
	perf_line_number(begin == PEERS ? "peer_ns" : "raw_ns", bench->cpu_ns[best].median);
	perf_line_number("aion_ns", bench->cpu_ns[AION].median);
	perf_line_number("ratio", bench->cpu_ns[AION].median / bench->cpu_ns[best].median);
	perf_line_number("runs", bench->cpu_ns[AION].run_nr);
	perf_line_end();
}

static bool has_descriptors(unsigned nr)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		perf_die("getrlimit", -errno);
	return limit.rlim_max >= nr + 64;
}

/* Threads only as far as a thousand: more of them say nothing new, and may not be had. */
static bool takes_part(const struct bench *bench, unsigned side, unsigned conn_nr)
{
	return conn_nr <= 1000 || strcmp(bench->sides[side].name, "threads") != 0;
}

static void measure(struct bench *bench, unsigned conn_nr, unsigned run_nr)
{
	unsigned side;

	if (!has_descriptors(conn_nr)) {
		perf_line_begin("scale_conns");
		perf_line_text("measure", "left_out");
		perf_line_param("conns", conn_nr);
		perf_line_number("need_descriptors", conn_nr + 64);
		perf_line_end();
		return;
	}
	echo_need_descriptors(conn_nr);
	for (side = 0; side < bench->side_nr; side++) {
		if (takes_part(bench, side, conn_nr))
			measure_side(bench, side, conn_nr, run_nr);
		else
			bench->cpu_ns[side].median = 1e12; /* never the best */
	}
	show_ratio(bench, "server_cpu", conn_nr, MULTISHOT, AION);
	show_ratio(bench, "peer_server_cpu", conn_nr, PEERS, bench->side_nr);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	unsigned conn_nr, run_nr;

	echo_cpus_find();
	perf_start(argc, argv);
	run_nr = perf_runs(3);
	if (run_nr > RUN_NR_MAX)
		run_nr = RUN_NR_MAX;
	bench.sides[MULTISHOT] = *echo_side_find("multishot");
	bench.sides[EPOLL] = *echo_side_find("epoll");
	bench.sides[AION] = *echo_side_find("aion");
	bench.side_nr = PEERS + echo_peers_find("scale_conns", bench.sides + PEERS);
	for (conn_nr = 10; conn_nr <= CONN_MAX; conn_nr *= 10)
		measure(&bench, conn_nr, run_nr);
	return 0;
}
