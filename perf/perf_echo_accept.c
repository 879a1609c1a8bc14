/* SPDX-License-Identifier: MIT */
/*
 * Accept and close: how many connections a second, by a multishot accept and close(2) by hand, and by aion's listener,
 * a task for each. The server stands still while a burst of connections comes, and is then let go: so it has always
 * something to do, and the client costs it nothing. In processes and on CPUs of their own; the sides take turns.
 *
 * Area: socket. Round: -r 7. Quick: -r 3.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "echo.h"
#include "perf.h"
#include "raw_ring.h"

#define BURST_NR 1000u
#define SIDE_NR 2
#define BAR 0.95

struct bench {
	struct echo_server servers[SIDE_NR];
	int fds[BURST_NR];
	int64_t cpu_ns[SIDE_NR];
	uint64_t conn_nr[SIDE_NR];
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

static int64_t server_task(void *arg)
{
	const struct echo_setup *setup = arg;
	struct aion_listener listener = {0};
	int64_t result = aion_listener_open_fd(&listener, setup->listen_fd, NULL);

	if (result == 0)
		result = aion_listener_serve(&listener, connection_task, NULL);
	aion_listener_close(&listener);
	return result;
}

static void serve_aion(const struct echo_setup *setup)
{
	struct echo_setup its = *setup;

	perf_loop_run(perf_loop_create(), server_task, &its);
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

static double run(struct bench *bench, unsigned side)
{
	const struct echo_server *server = &bench->servers[side];
	int64_t begin_ns, spent_ns, cpu_ns;
	unsigned i;

	server_stop(server);
	for (i = 0; i < BURST_NR; i++)
		bench->fds[i] = echo_connect(server->port);
	cpu_ns = echo_server_cpu_now(server);
	begin_ns = perf_now();
	kill(server->pid, SIGCONT);
	await_closed(bench);
	spent_ns = perf_now() - begin_ns;
	bench->cpu_ns[side] += echo_server_cpu_now(server) - cpu_ns;
	bench->conn_nr[side] += BURST_NR;
	for (i = 0; i < BURST_NR; i++)
		close(bench->fds[i]);
	return (double)spent_ns / BURST_NR;
}

static double raw_run(void *arg)
{
	return run(arg, 0);
}

static double aion_run_side(void *arg)
{
	return run(arg, 1);
}

int main(int argc, char **argv)
{
	const struct echo_setup setup = {.conn_nr = BURST_NR};
	static struct bench bench;
	struct perf_pairs pairs;
	struct perf_stats ratio;

	echo_cpus_find();
	perf_start(argc, argv);
	echo_need_descriptors(BURST_NR);
	echo_server_start(&bench.servers[0], serve_raw, &setup);
	echo_server_start(&bench.servers[1], serve_aion, &setup);
	perf_interleave(raw_run, aion_run_side, &bench, perf_runs(15), &pairs);
	ratio = perf_stats_inverse(&pairs.ratio);
	perf_line_begin("echo_accept");
	perf_line_number("raw_ns", pairs.raw_ns.median);
	perf_line_number("aion_ns", pairs.aion_ns.median);
	perf_line_number("raw_cpu_ns", (double)bench.cpu_ns[0] / (double)bench.conn_nr[0]);
	perf_line_number("aion_cpu_ns", (double)bench.cpu_ns[1] / (double)bench.conn_nr[1]);
	perf_line_number("raw_rate", 1e9 / pairs.raw_ns.median);
	perf_line_number("aion_rate", 1e9 / pairs.aion_ns.median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_bar(ratio.median, BAR, PERF_AT_LEAST);
	perf_line_end();
	echo_server_stop(&bench.servers[0]);
	echo_server_stop(&bench.servers[1]);
	return 0;
}
