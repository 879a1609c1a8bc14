/* SPDX-License-Identifier: MIT */
/*
 * What an idle connection holds: resident memory of a server's process with 10,000 of them, each of which has been used
 * once or never, over what it has with one. aion has a task for each. The sides
 * by hand make their tables when they start, so they show next to nothing. What the kernel holds for a socket is not
 * seen.
 *
 * Area: socket. Once.
 */
#include "echo.h"
#include "perf.h"

#define CONN_NR 10000u
#define MESSAGE_SIZE ((size_t)64)
#define SETTLE_NS (100 * AION_MILLISECOND)
#define BAR 6144

static void settle(void)
{
	const struct timespec pause = {.tv_nsec = SETTLE_NS};

	nanosleep(&pause, NULL);
}

static double per_connection(const struct echo_server *server, size_t base_size)
{
	settle();
	return ((double)echo_server_resident_size(server) - (double)base_size) / CONN_NR;
}

static void show(const char *side, const char *state, double size, bool has_bar)
{
	perf_line_begin("echo_idle");
	perf_line_text("side", side);
	perf_line_text("state", state);
	perf_line_param("conns", CONN_NR);
	perf_line_number("bytes_each", size);
	if (has_bar)
		perf_line_bar(size, BAR, PERF_AT_MOST);
	perf_line_end();
}

static void measure(const struct echo_side *side)
{
	const struct echo_setup setup = {.message_size = MESSAGE_SIZE, .conn_nr = CONN_NR + 1};
	bool has_bar = side->serve == echo_serve_aion;
	struct echo_load *first, *load;
	struct echo_server server;
	size_t base_size;

	echo_server_start(&server, side->serve, &setup);
	first = echo_load_open(server.port, 1, MESSAGE_SIZE);
	echo_load_count(first, 100);
	settle();
	base_size = echo_server_resident_size(&server);
	load = echo_load_open(server.port, CONN_NR, MESSAGE_SIZE);
	show(side->name, "never used", per_connection(&server, base_size), has_bar);
	echo_load_count(load, CONN_NR);
	show(side->name, "used", per_connection(&server, base_size), has_bar);
	echo_load_close(load);
	echo_load_close(first);
	echo_server_stop(&server);
}

int main(int argc, char **argv)
{
	const struct echo_side *side;

	echo_cpus_find();
	perf_start(argc, argv);
	echo_need_descriptors(CONN_NR);
	for (side = echo_sides; side->name; side++)
		measure(side);
	return 0;
}
