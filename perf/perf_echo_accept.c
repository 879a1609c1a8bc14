/* SPDX-License-Identifier: MIT */
/*
 * Accept and close: how many connections a second a server's CPU is good for.
 *	raw	a multishot accept by hand, and close(2), which is faster than a close by the ring
 *	serve	aion_listener_serve(): a task for each connection, which closes it
 *	limited	the same with a limit of connections, so with a request for each
 *	accept	one task: aion_listener_accept(), aion_close()
 * The server stands still while a burst of connections comes, and is then let go: so it has always something to do, and
 * its CPU's time tells what it can do, whoever else wants that CPU. In processes and on CPUs of their own; the sides
 * take turns.
 *
 * Area: socket. Round: -r 7. Quick: -r 3.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "echo.h"
#include "perf.h"
#include "raw_ring.h"

#define BURST_NR 1000u
#define BAR 0.95

struct bench {
	struct echo_server raw, aion;
	int fds[BURST_NR];
};

static void start_accept(struct io_uring *ring, int listen_fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		perf_die("submission queue", -EBUSY);
	io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
}

static void serve_raw(const struct echo_setup *setup)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen_nr;
	struct io_uring ring;
	bool has_ended;

	perf_ring_open(&ring, 1024, 0);
	start_accept(&ring, setup->listen_fd);
	for (;;) {
		perf_ring_enter(&ring, 1);
		seen_nr = 0;
		has_ended = false;
		io_uring_for_each_cqe(&ring, head, cqe) {
			if (cqe->res < 0)
				perf_die("accept", cqe->res);
			close(cqe->res);
			has_ended |= !(cqe->flags & IORING_CQE_F_MORE);
			seen_nr++;
		}
		io_uring_cq_advance(&ring, seen_nr);
		if (has_ended)
			start_accept(&ring, setup->listen_fd);
	}
}

static int64_t connection_task(int fd, void *arg)
{
	(void)arg;
	return aion_close(fd);
}

static int64_t listener_run(void *arg, size_t connection_max)
{
	const struct aion_listener_options options = {.connection_max = connection_max};
	const struct echo_setup *setup = arg;
	struct aion_listener listener = {0};
	int64_t result = aion_listener_open_fd(&listener, setup->listen_fd, &options);

	if (result == 0)
		result = aion_listener_serve(&listener, connection_task, NULL);
	aion_listener_close(&listener);
	return result;
}

static int64_t serve_task(void *arg)
{
	return listener_run(arg, 0);
}

static int64_t limited_task(void *arg)
{
	return listener_run(arg, BURST_NR);
}

static int64_t accept_task(void *arg)
{
	const struct echo_setup *setup = arg;
	struct aion_listener listener = {0};
	int64_t result = aion_listener_open_fd(&listener, setup->listen_fd, NULL);

	while (result >= 0) {
		result = aion_listener_accept(&listener);
		if (result >= 0)
			result = aion_close((int)result);
	}
	aion_listener_close(&listener);
	return result;
}

static void run_loop(const struct echo_setup *setup, aion_fn *task)
{
	struct echo_setup its = *setup;

	perf_loop_run(perf_loop_create(), task, &its);
}

static void serve_aion(const struct echo_setup *setup)
{
	run_loop(setup, serve_task);
}

static void serve_limited(const struct echo_setup *setup)
{
	run_loop(setup, limited_task);
}

static void serve_accept(const struct echo_setup *setup)
{
	run_loop(setup, accept_task);
}

static void server_stop(const struct echo_server *server)
{
	int status;

	if (kill(server->pid, SIGSTOP) < 0 || waitpid(server->pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status))
		perf_die("the server does not stop", -ECHILD);
}

/* The last one first: when it is closed most others are, and nobody was woken for them. */
static void await_closed(struct bench *bench)
{
	unsigned i;
	char byte;

	for (i = BURST_NR; i-- > 0;) {
		if (recv(bench->fds[i], &byte, 1, 0) != 0)
			perf_die("recv", errno ? -errno : -EIO);
	}
}

/* CPU time of the server, a connection. */
static double run(struct bench *bench, const struct echo_server *server)
{
	int64_t cpu_ns;
	unsigned i;

	server_stop(server);
	for (i = 0; i < BURST_NR; i++)
		bench->fds[i] = echo_connect(server->port);
	cpu_ns = echo_server_cpu_now(server);
	kill(server->pid, SIGCONT);
	await_closed(bench);
	cpu_ns = echo_server_cpu_now(server) - cpu_ns;
	for (i = 0; i < BURST_NR; i++)
		close(bench->fds[i]);
	return (double)cpu_ns / BURST_NR;
}

static double raw_run(void *arg)
{
	struct bench *bench = arg;

	return run(bench, &bench->raw);
}

static double aion_run_side(void *arg)
{
	struct bench *bench = arg;

	return run(bench, &bench->aion);
}

static void measure(struct bench *bench, const char *variant, echo_serve_fn *serve, double bar)
{
	const struct echo_setup setup = {.conn_nr = BURST_NR};
	struct perf_pairs pairs;
	struct perf_stats rate;

	echo_server_start(&bench->aion, serve, &setup);
	perf_interleave(raw_run, aion_run_side, bench, perf_runs(15), &pairs);
	echo_server_stop(&bench->aion);
	rate = perf_stats_inverse(&pairs.ratio);
	perf_line_begin("echo_accept");
	perf_line_text("variant", variant);
	perf_line_number("raw_ns", pairs.raw_ns.median);
	perf_line_number("aion_ns", pairs.aion_ns.median);
	perf_line_number("raw_best_ns", pairs.raw_ns.min);
	perf_line_number("aion_best_ns", pairs.aion_ns.min);
	perf_line_number("ratio", rate.median);
	perf_line_spread(&rate);
	if (bar > 0)
		perf_line_bar(rate.median, bar, PERF_AT_LEAST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	const struct echo_setup setup = {.conn_nr = BURST_NR};
	static struct bench bench;

	echo_cpus_find();
	perf_start(argc, argv);
	echo_need_descriptors(BURST_NR);
	echo_server_start(&bench.raw, serve_raw, &setup);
	measure(&bench, "serve", serve_aion, BAR);
	measure(&bench, "limited", serve_limited, 0);
	measure(&bench, "accept", serve_accept, 0);
	echo_server_stop(&bench.raw);
	return 0;
}
