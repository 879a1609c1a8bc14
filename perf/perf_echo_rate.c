/* SPDX-License-Identifier: MIT */
/*
 * Echo: what a server costs and how long its clients wait, by hand with io_uring (multishot, with the ring or send(2)
 * to send; one-shot) and with epoll(7), with aion, one task a connection, and with the peers: threads, libuv, libev,
 * Boost.Asio. A process and a CPU for the server, one for the load (-c), which is the same for all. Each connection
 * sends a message when the one before has come back. The sides take turns, and a ratio is that of two neighbours.
 *
 *	perf_echo_rate 64 16384		only 64 connections with messages of 16 KiB, and what all sides do there
 *	perf_echo_rate count SIDE NR	serves NR messages of 64 bytes to 64 connections of a process of its own, then
 *					ends: the difference between two lengths under callgrind is what a message costs
 *
 * Area: socket. Round: -r 2. Quick: -r 1 64 64.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "echo.h"
#include "perf.h"

#define RAW_AND_AION_NR 5
#define SIDE_MAX (RAW_AND_AION_NR + ECHO_PEER_MAX)
#define PEER_TURNS 2 /* peers take part in every second turn, so that all fits into a few minutes */
#define RUN_NR_MAX 1001
#define WARM_NS (50 * AION_MILLISECOND)
#define RUN_NS (400 * AION_MILLISECOND)
#define COUNT_CONN_NR 64u
#define COUNT_TIME_S 120
#define COUNT_SIZE ((size_t)64)

enum side {
	MULTISHOT,
	MULTISHOT_SEND,
	ONESHOT,
	EPOLL,
	AION,
	PEERS, /* the first of them */
};

enum figure {
	CPU_NS,
	RATE,
	P50_NS,
	P99_NS,
	P999_NS,
	FIGURE_NR,
};

struct bench {
	unsigned conn_nr;
	size_t size;
	unsigned run_nr;
	unsigned side_nr; /* with the peers that there are */
	struct echo_side sides[SIDE_MAX];
	struct echo_server servers[SIDE_MAX];
	struct echo_load *loads[SIDE_MAX];
	double figures[SIDE_MAX][FIGURE_NR][RUN_NR_MAX]; /* in which turn */
};

static void run(struct bench *bench, unsigned side, unsigned i)
{
	struct echo_figures figures;

	echo_load_run(bench->loads[side], &bench->servers[side], WARM_NS, RUN_NS, &figures);
	bench->figures[side][CPU_NS][i] = figures.cpu_ns;
	bench->figures[side][RATE][i] = figures.rate;
	bench->figures[side][P50_NS][i] = figures.p50_ns;
	bench->figures[side][P99_NS][i] = figures.p99_ns;
	bench->figures[side][P999_NS][i] = figures.p999_ns;
}

static bool takes_part(unsigned side, unsigned turn)
{
	return side < PEERS || turn % PEER_TURNS == 0;
}

static void run_all(struct bench *bench)
{
	const struct echo_setup setup = {.message_size = bench->size, .conn_nr = bench->conn_nr};
	unsigned i, side, turn;

	for (i = 0; i < bench->side_nr; i++) {
		echo_server_start(&bench->servers[i], bench->sides[i].serve, &setup);
		bench->loads[i] = echo_load_open(bench->servers[i].port, bench->conn_nr, bench->size);
	}
	for (turn = 0; turn < bench->run_nr; turn++) {
		for (i = 0; i < bench->side_nr; i++) {
			side = (turn + i) % bench->side_nr;
			if (takes_part(side, turn))
				run(bench, side, turn);
		}
	}
	for (i = 0; i < bench->side_nr; i++) {
		echo_load_close(bench->loads[i]);
		echo_server_stop(&bench->servers[i]);
	}
}

static struct perf_stats stats_of(const struct bench *bench, unsigned side, enum figure figure)
{
	double samples[RUN_NR_MAX];
	struct perf_stats stats;
	unsigned turn, nr = 0;

	for (turn = 0; turn < bench->run_nr; turn++) {
		if (takes_part(side, turn))
			samples[nr++] = bench->figures[side][figure][turn];
	}
	perf_stats_of(samples, nr, &stats);
	return stats;
}

static void line_begin(const struct bench *bench, const char *measure)
{
	perf_line_begin("echo");
	perf_line_text("measure", measure);
	perf_line_param("conns", bench->conn_nr);
	perf_line_param("bytes", (double)bench->size);
}

static void show_sides(const struct bench *bench)
{
	unsigned i;

	for (i = 0; i < bench->side_nr; i++) {
		line_begin(bench, "side");
		perf_line_text("side", bench->sides[i].name);
		perf_line_number("cpu_ns", stats_of(bench, i, CPU_NS).median);
		perf_line_number("cpu_best_ns", stats_of(bench, i, CPU_NS).min);
		perf_line_number("rate", stats_of(bench, i, RATE).median);
		perf_line_number("p50_us", stats_of(bench, i, P50_NS).median / 1000);
		perf_line_number("p99_us", stats_of(bench, i, P99_NS).median / 1000);
		perf_line_number("p999_us", stats_of(bench, i, P999_NS).median / 1000);
		perf_line_number("runs", stats_of(bench, i, CPU_NS).run_nr);
		perf_line_end();
	}
}

/* aion over the other side, pair by pair. */
static struct perf_stats ratio_to(const struct bench *bench, enum figure figure, unsigned other)
{
	double samples[RUN_NR_MAX];
	struct perf_stats ratio;
	unsigned turn, nr = 0;

	for (turn = 0; turn < bench->run_nr; turn++) {
		if (takes_part(other, turn))
			samples[nr++] = bench->figures[AION][figure][turn] / bench->figures[other][figure][turn];
	}
	perf_stats_of(samples, nr, &ratio);
	return ratio;
}

/* The side whose median is the best, of those from begin to before the end. */
static unsigned best_within(const struct bench *bench, enum figure figure, unsigned begin, unsigned end)
{
	double median, best_median = 0;
	unsigned side, best = begin;

	for (side = begin; side < end; side++) {
		median = stats_of(bench, side, figure).median;
		if (side == begin || (figure == RATE ? median > best_median : median < best_median)) {
			best = side;
			best_median = median;
		}
	}
	return best;
}

/*
 * aion over the best of the raw sides from begin to before the end. Which that is may be luck in a few turns, so the
 * report is told of each. bar 0: for information.
 */
static void show_ratio(const struct bench *bench, const char *measure, enum figure figure, enum side begin,
		       enum side end, double bar, enum perf_bound bound)
{
	enum side side, raw = best_within(bench, figure, begin, end);
	struct perf_stats ratio = ratio_to(bench, figure, raw);
	char key[64];

	line_begin(bench, measure);
	perf_line_note("raw", echo_sides[raw].name);
	perf_line_number(figure == RATE ? "raw_rate" : "raw_ns", stats_of(bench, raw, figure).median);
	perf_line_number(figure == RATE ? "aion_rate" : "aion_ns", stats_of(bench, AION, figure).median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	for (side = begin; side < end; side++) {
		snprintf(key, sizeof(key), "over_%s", echo_sides[side].name);
		perf_line_number(key, ratio_to(bench, figure, side).median);
	}
	if (bar > 0)
		perf_line_bar(ratio.median, bar, bound);
	perf_line_end();
}

/* aion over the peer that does best; in a measure of its own for each figure. */
static void show_peers(const struct bench *bench)
{
	static const struct {
		enum figure figure;
		const char *measure, *peer_key, *aion_key;
	} shown[] = {
		{CPU_NS, "peer_server_cpu", "peer_ns", "aion_ns"},
		{RATE, "peer_rate", "peer_rate", "aion_rate"},
		{P50_NS, "peer_p50", "peer_ns", "aion_ns"},
		{P99_NS, "peer_p99", "peer_ns", "aion_ns"},
	};
	struct perf_stats ratio;
	unsigned i, best;

	for (i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		best = best_within(bench, shown[i].figure, PEERS, bench->side_nr);
		ratio = ratio_to(bench, shown[i].figure, best);
		line_begin(bench, shown[i].measure);
		perf_line_note("peer", bench->sides[best].name);
		perf_line_number(shown[i].peer_key, stats_of(bench, best, shown[i].figure).median);
		perf_line_number(shown[i].aion_key, stats_of(bench, AION, shown[i].figure).median);
		perf_line_number("ratio", ratio.median);
		perf_line_spread(&ratio);
		perf_line_end();
	}
}

static void measure(struct bench *bench, unsigned conn_nr, size_t size)
{
	bench->conn_nr = conn_nr;
	bench->size = size;
	run_all(bench);
	show_sides(bench);
	if (conn_nr == 1) {
		show_ratio(bench, "round_trip", P50_NS, MULTISHOT, EPOLL, 1.03, PERF_AT_MOST);
		show_ratio(bench, "server_cpu", CPU_NS, MULTISHOT, ONESHOT, 0, PERF_AT_MOST);
	} else if (conn_nr == 64 && size == 64) {
		show_ratio(bench, "server_cpu", CPU_NS, MULTISHOT, ONESHOT, 1.05, PERF_AT_MOST);
		show_ratio(bench, "p99", P99_NS, EPOLL, AION, 0.85, PERF_AT_MOST);
		show_ratio(bench, "rate", RATE, EPOLL, AION, 1.05, PERF_AT_LEAST);
	} else {
		show_ratio(bench, "server_cpu", CPU_NS, MULTISHOT, EPOLL, 0, PERF_AT_MOST);
		show_ratio(bench, "rate", RATE, MULTISHOT, EPOLL, 0.97, PERF_AT_LEAST);
	}
	show_peers(bench);
}

/* The server is this process, which a tool may count; the load is another, which it need not follow. */
static int count(const char *program, const char *side, const char *message_nr)
{
	struct echo_setup setup = {.message_size = COUNT_SIZE, .conn_nr = COUNT_CONN_NR, .end_nr = COUNT_CONN_NR};
	char port_text[16];
	uint16_t port;
	pid_t child;
	int status;

	setup.listen_fd = echo_listen(&port);
	snprintf(port_text, sizeof(port_text), "%u", port);
	child = fork();
	if (child < 0)
		perf_die("fork", -errno);
	if (child == 0) {
		execl(program, program, "load", port_text, message_nr, NULL);
		_exit(127);
	}
	alarm(COUNT_TIME_S); /* should the child not come */
	echo_pin_to_server_cpu();
	echo_side_find(side)->serve(&setup);
	if (waitpid(child, &status, 0) < 0)
		perf_die("waitpid", -errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int load_for_count(const char *port, const char *message_nr)
{
	struct echo_load *load = echo_load_open((uint16_t)strtoul(port, NULL, 10), COUNT_CONN_NR, COUNT_SIZE);

	echo_load_count(load, strtoull(message_nr, NULL, 10));
	echo_load_close(load);
	return 0;
}

int main(int argc, char **argv)
{
	static struct bench bench;

	echo_cpus_find();
	perf_start(argc, argv);
	if (argc == 4 && strcmp(argv[1], "count") == 0)
		return count(argv[0], argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "load") == 0)
		return load_for_count(argv[2], argv[3]);
	echo_need_descriptors(SIDE_MAX * 1024);
	memcpy(bench.sides, echo_sides, RAW_AND_AION_NR * sizeof(*bench.sides));
	bench.side_nr = PEERS + echo_peers_find("echo", bench.sides + PEERS);
	bench.run_nr = perf_runs(9);
	if (bench.run_nr > RUN_NR_MAX)
		bench.run_nr = RUN_NR_MAX;
	if (argc - optind == 2) {
		measure(&bench, (unsigned)strtoul(argv[optind], NULL, 10), strtoul(argv[optind + 1], NULL, 10));
		return 0;
	}
	measure(&bench, 1, 64);
	measure(&bench, 64, 64);
	measure(&bench, 1024, 64);
	measure(&bench, 64, 16384);
	measure(&bench, 1024, 16384);
	return 0;
}
