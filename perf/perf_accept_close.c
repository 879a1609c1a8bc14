/* SPDX-License-Identifier: MIT */
/*
 * Connections are accepted and closed: what that costs a server, in time of its CPU, and how many there are a second.
 * 64 clients, in a process of their own on another CPU, connect over the loopback, wait for the end, and come again.
 *	raw	a multishot accept by hand; each close is queued and leaves with the next wait. It asks for no completion, or
 *		("checked") its completion is looked at, which is what waiting for a close needs
 *	serve	aion_listener_serve(): a task for each connection, which closes it
 *	limited	the same with a limit of connections, so with a request for each
 *	accept	one task: aion_listener_accept(), aion_close(), which is waited for
 * The clients are slower than the server; so the CPU's time is what tells.
 *
 * Area: socket. Round: -r 2. Quick: -r 1.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf.h"
#include "raw_ring.h"

#define CONNECTION_NR 4000
#define CLIENT_NR 64
#define BAR 0.95
#define RAW_ACCEPT 1
#define RAW_CLOSE 2

struct bench {
	struct aion_loop *loop;
	struct aion_listener listener;
	struct sockaddr_in at;
	int fd;
	int load_fd; /* what is written there makes the clients come */
	size_t connection_max;
	unsigned done_nr;
	bool is_checked; /* raw looks at the completions of its closes */
	double rates[2]; /* the last run's */
};

/* ---- the clients */

struct client {
	int fd;
	char c;
};

/* Resets instead of lingering, or the port numbers would be used up within a second. */
static void client_begin(struct io_uring *ring, struct client *client, const struct sockaddr_in *at)
{
	const struct linger linger = {.l_onoff = 1};
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		perf_die("a client's socket", -errno);
	io_uring_prep_connect(sqe, client->fd, (const struct sockaddr *)at, sizeof(*at));
	sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data(sqe, NULL);
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_recv(sqe, client->fd, &client->c, 1, 0);
	io_uring_sqe_set_data(sqe, client);
}

static void clients_come(struct io_uring *ring, const struct sockaddr_in *at)
{
	static struct client clients[CLIENT_NR];
	unsigned begun_nr = 0, done_nr = 0;

	while (begun_nr < CLIENT_NR)
		client_begin(ring, &clients[begun_nr++], at);
	while (done_nr < CONNECTION_NR) {
		struct io_uring_cqe *cqe;
		unsigned head, nr = 0;

		perf_ring_enter(ring, 1);
		io_uring_for_each_cqe(ring, head, cqe) {
			struct client *client = io_uring_cqe_get_data(cqe);

			nr++;
			if (!client || (cqe->res && cqe->res != -ECONNRESET))
				perf_die("a client", cqe->res);
			close(client->fd);
			done_nr++;
			if (begun_nr < CONNECTION_NR) {
				client_begin(ring, client, at);
				begun_nr++;
			}
		}
		io_uring_cq_advance(ring, nr);
	}
}

static void load_run(int fd, const struct sockaddr_in *at)
{
	struct io_uring ring;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	perf_ring_open(&ring, 4 * CLIENT_NR, 0);
	while (read(fd, &c, 1) == 1)
		clients_come(&ring, at);
	_exit(0);
}

/* On a CPU that is not the server's. */
static void load_place(void)
{
	cpu_set_t cpus;
	int own = sched_getcpu();
	long nr = sysconf(_SC_NPROCESSORS_ONLN);

	CPU_ZERO(&cpus);
	for (int i = 0; i < nr && i < CPU_SETSIZE; i++)
		if (i != own || nr == 1)
			CPU_SET(i, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void load_start(struct bench *bench)
{
	int fds[2];
	pid_t child;

	if (pipe(fds) < 0)
		perf_die("pipe", -errno);
	child = fork();
	if (child < 0)
		perf_die("fork", -errno);
	if (child == 0) {
		load_place();
		close(fds[1]);
		close(bench->fd);
		load_run(fds[0], &bench->at);
	}
	close(fds[0]);
	bench->load_fd = fds[1];
}

/* ---- the server */

static void bench_listen(struct bench *bench)
{
	socklen_t size = sizeof(bench->at);
	int on = 1;

	bench->at.sin_family = AF_INET;
	bench->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bench->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bench->fd < 0 || setsockopt(bench->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(bench->fd, (struct sockaddr *)&bench->at, size) < 0 || listen(bench->fd, 4096) < 0 ||
	    getsockname(bench->fd, (struct sockaddr *)&bench->at, &size) < 0)
		perf_die("listen", -errno);
}

static void load_begin(const struct bench *bench)
{
	if (write(bench->load_fd, "x", 1) != 1)
		perf_die("the clients", -errno);
}

/* Of what has begun at these times: CPU time a connection; the rate is kept. */
static double side_end(struct bench *bench, int side, int64_t begin_ns, int64_t cpu_begin_ns)
{
	bench->rates[side] = 1e9 * CONNECTION_NR / (double)(perf_now() - begin_ns);
	return (double)(perf_cpu_now() - cpu_begin_ns) / CONNECTION_NR;
}

static void raw_accept(struct io_uring *ring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	sqe->user_data = RAW_ACCEPT;
}

static void raw_close(struct io_uring *ring, int fd, bool is_checked)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe) {
		perf_ring_enter(ring, 0);
		sqe = io_uring_get_sqe(ring);
	}
	io_uring_prep_close(sqe, fd);
	sqe->flags |= is_checked ? 0 : IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = RAW_CLOSE;
}

/* A ring that is closed goes later, and its accept would take connections of the other side's along. */
static void raw_end(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe = NULL;

	io_uring_prep_cancel64(sqe, RAW_ACCEPT, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	perf_ring_enter(ring, 1);
	if (io_uring_peek_cqe(ring, &cqe) < 0 || cqe->res != -ECANCELED)
		perf_die("the end of accept", cqe ? cqe->res : -EAGAIN);
}

static void raw_serve(struct io_uring *ring, const struct bench *bench)
{
	unsigned accepted_nr = 0, closed_nr = bench->is_checked ? 0 : CONNECTION_NR;

	raw_accept(ring, bench->fd);
	while (accepted_nr < CONNECTION_NR || closed_nr < CONNECTION_NR) {
		struct io_uring_cqe *cqe;
		unsigned head, nr = 0;

		perf_ring_enter(ring, 1);
		io_uring_for_each_cqe(ring, head, cqe) {
			nr++;
			if (cqe->res < 0)
				perf_die("accept or close", cqe->res);
			if (cqe->user_data == RAW_CLOSE) {
				closed_nr++;
				continue;
			}
			accepted_nr++;
			raw_close(ring, cqe->res, bench->is_checked);
			if (!(cqe->flags & IORING_CQE_F_MORE))
				raw_accept(ring, bench->fd);
		}
		io_uring_cq_advance(ring, nr);
	}
	raw_end(ring);
}

static double raw_run(void *arg)
{
	struct bench *bench = arg;
	struct io_uring ring;
	int64_t begin_ns, cpu_begin_ns;
	double cost_ns;

	perf_ring_open(&ring, 256, 0);
	begin_ns = perf_now();
	cpu_begin_ns = perf_cpu_now();
	load_begin(bench);
	raw_serve(&ring, bench);
	cost_ns = side_end(bench, 0, begin_ns, cpu_begin_ns);
	perf_ring_close(&ring);
	return cost_ns;
}

static int64_t connection(int fd, void *arg)
{
	struct bench *bench = arg;
	int64_t result = aion_close(fd);

	if (++bench->done_nr == CONNECTION_NR)
		aion_listener_shutdown(&bench->listener, AION_NEVER);
	return result;
}

static void listener_open(struct bench *bench)
{
	const struct aion_listener_options options = {.connection_max = bench->connection_max};
	int64_t result = aion_listener_open_fd(&bench->listener, dup(bench->fd), &options);

	if (result < 0)
		perf_die("aion_listener_open_fd", result);
	load_begin(bench);
}

static int64_t serve_task(void *arg)
{
	struct bench *bench = arg;
	int64_t result;

	listener_open(bench);
	result = aion_listener_serve(&bench->listener, connection, bench);
	aion_listener_close(&bench->listener);
	return result;
}

static int64_t accept_task(void *arg)
{
	struct bench *bench = arg;

	listener_open(bench);
	for (int i = 0; i < CONNECTION_NR; i++) {
		int64_t fd = aion_listener_accept(&bench->listener);

		if (fd < 0)
			return fd;
		aion_close((int)fd);
	}
	aion_listener_close(&bench->listener);
	return 0;
}

static double aion_side(struct bench *bench, aion_fn *task)
{
	int64_t begin_ns = perf_now(), cpu_begin_ns = perf_cpu_now();

	bench->done_nr = 0;
	perf_loop_run(bench->loop, task, bench);
	return side_end(bench, 1, begin_ns, cpu_begin_ns);
}

static double serve_run(void *arg)
{
	return aion_side(arg, serve_task);
}

static double accept_run(void *arg)
{
	return aion_side(arg, accept_task);
}

static void measure(struct bench *bench, const char *variant, perf_side *side, double bar)
{
	struct perf_pairs pairs;
	struct perf_stats rate;

	perf_interleave_tries(raw_run, 1, side, 1, bench, perf_runs(9), &pairs);
	rate = perf_stats_inverse(&pairs.ratio);
	perf_line_begin("accept_close");
	perf_line_text("variant", variant);
	perf_line_text("raw", bench->is_checked ? "checked" : "unchecked");
	perf_line_number("raw_last_rate", bench->rates[0]);
	perf_line_number("last_rate", bench->rates[1]);
	perf_line_pairs(&pairs);
	perf_line_number("over_raw", rate.median);
	if (bar > 0)
		perf_line_bar(rate.median, bar, PERF_AT_LEAST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	static struct bench bench;

	perf_start(argc, argv);
	bench_listen(&bench);
	load_start(&bench);
	bench.loop = perf_loop_create();
	measure(&bench, "serve", serve_run, BAR);
	bench.is_checked = true;
	measure(&bench, "serve", serve_run, 0);
	bench.is_checked = false;
	bench.connection_max = 1000;
	measure(&bench, "limited", serve_run, 0);
	bench.connection_max = 0;
	measure(&bench, "accept", accept_run, 0);
	aion_loop_destroy(bench.loop);
	return 0;
}
