/* SPDX-License-Identifier: MIT */
/* The load client: io_uring by hand, so that it costs less than any server on the other CPU. */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf.h"
#include "raw_ring.h"

#define BUFFER_NR 256u
#define BUFFER_SIZE_MIN 4096u
#define SAMPLE_MAX ((size_t)4 << 20)
/* Names the completion of a send, which comes only if it failed. */
#define SEND_MARK ((uint64_t)1 << 32)

struct conn {
	int fd;
	size_t received_size; /* of the message under way */
	int64_t sent_ns;      /* with a schedule: when it should have been sent */
	bool is_busy;         /* with a schedule: a message is under way */
	uint64_t done_nr;     /* with a schedule */
};

struct echo_load {
	struct io_uring ring;
	struct io_uring_buf_ring *buffer_ring;
	char *buffers;
	size_t buffer_size;
	char *message;
	size_t message_size;
	unsigned conn_nr;
	struct conn *conns;

	unsigned busy_nr; /* connections with a message under way */
	bool is_running;  /* who has its message back sends the next */
	bool compares;
	bool samples;
	double interval_ns;  /* between two messages, whichever their connections; 0: no schedule */
	int64_t schedule_ns; /* when the first is due */
	uint64_t due_nr;     /* messages that have come due */
	uint64_t message_nr;
	int64_t now_ns;
	double *sample_ns;
	size_t sample_nr;
};

static struct io_uring_sqe *get_sqe(struct echo_load *load)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);

	if (!sqe) {
		perf_ring_enter(&load->ring, 0);
		sqe = io_uring_get_sqe(&load->ring);
	}
	if (!sqe)
		perf_die("submission queue", -EBUSY);
	return sqe;
}

static void receive(struct echo_load *load, unsigned conn_idx)
{
	struct io_uring_sqe *sqe = get_sqe(load);

	io_uring_prep_recv_multishot(sqe, load->conns[conn_idx].fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	io_uring_sqe_set_data64(sqe, conn_idx);
}

static void send_message(struct echo_load *load, unsigned conn_idx)
{
	struct io_uring_sqe *sqe = get_sqe(load);

	io_uring_prep_send(sqe, load->conns[conn_idx].fd, load->message, load->message_size, MSG_WAITALL);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(sqe, SEND_MARK | conn_idx);
	load->conns[conn_idx].received_size = 0;
	load->conns[conn_idx].sent_ns = load->now_ns;
}

/* When message message_idx of a connection is due: connections take turns. */
static int64_t due_at(const struct echo_load *load, unsigned conn_idx, uint64_t message_idx)
{
	return load->schedule_ns + (int64_t)((double)(conn_idx + message_idx * load->conn_nr) * load->interval_ns);
}

static void send_due(struct echo_load *load, unsigned conn_idx)
{
	struct conn *conn = &load->conns[conn_idx];

	send_message(load, conn_idx);
	conn->sent_ns = due_at(load, conn_idx, conn->done_nr);
	conn->is_busy = true;
	load->busy_nr++;
}

/* Sends what has come due, where the connection is free; else it goes as soon as that is. */
static void send_all_due(struct echo_load *load)
{
	unsigned conn_idx = (unsigned)(load->due_nr % load->conn_nr);

	load->now_ns = perf_now();
	while (due_at(load, conn_idx, load->due_nr / load->conn_nr) <= load->now_ns) {
		if (!load->conns[conn_idx].is_busy)
			send_due(load, conn_idx);
		load->due_nr++;
		conn_idx = (unsigned)(load->due_nr % load->conn_nr);
	}
}

static void buffers_open(struct echo_load *load)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFFER_NR};
	unsigned i;
	int result;

	load->buffer_size = load->message_size > BUFFER_SIZE_MIN ? load->message_size : BUFFER_SIZE_MIN;
	load->buffers = perf_alloc(BUFFER_NR * load->buffer_size);
	load->buffer_ring = perf_alloc(BUFFER_NR * sizeof(struct io_uring_buf));
	reg.ring_addr = (uintptr_t)load->buffer_ring;
	result = io_uring_register_buf_ring(&load->ring, &reg, 0);
	if (result < 0)
		perf_die("io_uring_register_buf_ring", result);
	io_uring_buf_ring_init(load->buffer_ring);
	for (i = 0; i < BUFFER_NR; i++)
		io_uring_buf_ring_add(load->buffer_ring, load->buffers + i * load->buffer_size,
				      (unsigned)load->buffer_size, (unsigned short)i, BUFFER_NR - 1, (int)i);
	io_uring_buf_ring_advance(load->buffer_ring, (int)BUFFER_NR);
}

struct echo_load *echo_load_open(uint16_t port, unsigned conn_nr, size_t message_size)
{
	struct echo_load *load = perf_alloc(sizeof(*load));
	size_t i;

	load->message_size = message_size;
	load->conn_nr = conn_nr;
	load->message = perf_alloc(message_size);
	for (i = 0; i < message_size; i++)
		load->message[i] = (char)(i * 31 + i / 251);
	load->sample_ns = perf_alloc(SAMPLE_MAX * sizeof(*load->sample_ns));
	load->conns = perf_alloc(conn_nr * sizeof(*load->conns));
	perf_ring_open(&load->ring, 1024, 4 * (conn_nr > 1024 ? conn_nr : 1024));
	buffers_open(load);
	for (i = 0; i < conn_nr; i++) {
		load->conns[i].fd = echo_connect(port);
		receive(load, (unsigned)i);
	}
	perf_ring_enter(&load->ring, 0);
	return load;
}

static void compare(const struct echo_load *load, const struct conn *conn, const char *data, size_t size)
{
	if (conn->received_size + size > load->message_size ||
	    memcmp(data, load->message + conn->received_size, size) != 0)
		perf_die("the echo differs from the message", -EIO);
}

static void message_done(struct echo_load *load, unsigned conn_idx)
{
	struct conn *conn = &load->conns[conn_idx];

	load->message_nr++;
	load->now_ns = perf_now();
	if (load->samples && load->sample_nr < SAMPLE_MAX)
		load->sample_ns[load->sample_nr++] = (double)(load->now_ns - conn->sent_ns);
	if (load->is_running && !load->interval_ns) {
		send_message(load, conn_idx);
		return;
	}
	load->busy_nr--;
	conn->is_busy = false;
	conn->done_nr++;
	if (load->is_running && due_at(load, conn_idx, conn->done_nr) <= load->now_ns)
		send_due(load, conn_idx);
}

/* One completion. Returns how many buffers it gave back. */
static int complete(struct echo_load *load, const struct io_uring_cqe *cqe, int returned_nr)
{
	unsigned conn_idx = (unsigned)cqe->user_data, buffer_idx;
	struct conn *conn = &load->conns[conn_idx];
	char *data;

	if (cqe->user_data & SEND_MARK)
		perf_die("send", cqe->res < 0 ? cqe->res : -EIO);
	if (cqe->res <= 0 && cqe->res != -ENOBUFS)
		perf_die("receive", cqe->res < 0 ? cqe->res : -ECONNRESET);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		receive(load, conn_idx);
	if (cqe->res < 0)
		return 0;
	buffer_idx = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	data = load->buffers + buffer_idx * load->buffer_size;
	if (load->compares)
		compare(load, conn, data, (size_t)cqe->res);
	io_uring_buf_ring_add(load->buffer_ring, data, (unsigned)load->buffer_size, (unsigned short)buffer_idx,
			      BUFFER_NR - 1, returned_nr);
	conn->received_size += (size_t)cqe->res;
	if (conn->received_size >= load->message_size)
		message_done(load, conn_idx);
	return 1;
}

/* wait_nr 0: looks only. */
static void turn_wait(struct echo_load *load, unsigned wait_nr)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen_nr = 0;
	int returned_nr = 0;

	perf_ring_enter(&load->ring, wait_nr);
	io_uring_for_each_cqe(&load->ring, head, cqe) {
		returned_nr += complete(load, cqe, returned_nr);
		seen_nr++;
	}
	io_uring_buf_ring_advance(load->buffer_ring, returned_nr);
	io_uring_cq_advance(&load->ring, seen_nr);
}

static void turn(struct echo_load *load)
{
	turn_wait(load, 1);
}

static void begin(struct echo_load *load)
{
	unsigned i;

	load->is_running = true;
	load->message_nr = 0;
	load->sample_nr = 0;
	load->now_ns = perf_now();
	for (i = 0; i < load->conn_nr; i++)
		send_message(load, i);
	load->busy_nr = load->conn_nr;
}

static void end(struct echo_load *load)
{
	load->is_running = false;
	load->samples = false;
	while (load->busy_nr)
		turn(load);
}

static double percentile(const struct echo_load *load, double part)
{
	size_t i = (size_t)((double)load->sample_nr * part);

	return load->sample_ns[i < load->sample_nr ? i : load->sample_nr - 1];
}

static void figures_of(struct echo_load *load, int64_t cpu_ns, uint64_t message_nr, int64_t run_ns,
		       struct echo_figures *ret_figures)
{
	struct perf_stats stats;

	perf_stats_of(load->sample_ns, (unsigned)load->sample_nr, &stats);
	*ret_figures = (struct echo_figures){
		.cpu_ns = (double)cpu_ns / (double)message_nr,
		.rate = (double)message_nr * 1e9 / (double)run_ns,
		.p50_ns = stats.median,
		.p99_ns = percentile(load, 0.99),
		.p999_ns = percentile(load, 0.999),
		.max_ns = stats.max,
		.message_nr = message_nr,
	};
}

void echo_load_run(struct echo_load *load, const struct echo_server *server, int64_t warm_ns, int64_t run_ns,
		   struct echo_figures *ret_figures)
{
	int64_t begin_ns, cpu_ns;
	uint64_t message_nr;

	load->compares = true;
	begin(load);
	for (begin_ns = load->now_ns; load->now_ns < begin_ns + warm_ns;)
		turn(load);
	load->compares = false;
	load->samples = true;
	begin_ns = load->now_ns;
	message_nr = load->message_nr;
	cpu_ns = echo_server_cpu_now(server);
	while (load->now_ns < begin_ns + run_ns)
		turn(load);
	cpu_ns = echo_server_cpu_now(server) - cpu_ns;
	message_nr = load->message_nr - message_nr;
	run_ns = load->now_ns - begin_ns;
	end(load);
	figures_of(load, cpu_ns, message_nr, run_ns, ret_figures);
}

/* What has come due and is not back: it has waited for that long at least. */
static void sample_overdue(struct echo_load *load)
{
	unsigned i;
	uint64_t k;
	int64_t due_ns;

	for (i = 0; i < load->conn_nr; i++) {
		for (k = load->conns[i].done_nr; (due_ns = due_at(load, i, k)) <= load->now_ns; k++) {
			if (load->sample_nr < SAMPLE_MAX)
				load->sample_ns[load->sample_nr++] = (double)(load->now_ns - due_ns);
		}
	}
}

void echo_load_run_at(struct echo_load *load, const struct echo_server *server, double rate, int64_t warm_ns,
		      int64_t run_ns, struct echo_figures *ret_figures)
{
	int64_t begin_ns, cpu_ns;
	uint64_t message_nr;
	unsigned i;

	for (i = 0; i < load->conn_nr; i++)
		load->conns[i].done_nr = 0;
	load->is_running = true;
	load->compares = true;
	load->message_nr = load->sample_nr = 0;
	load->interval_ns = 1e9 / rate;
	load->due_nr = 0;
	load->schedule_ns = load->now_ns = perf_now();
	while (load->now_ns < load->schedule_ns + warm_ns) {
		send_all_due(load);
		turn_wait(load, 0);
	}
	load->compares = false;
	load->samples = true;
	begin_ns = load->now_ns;
	message_nr = load->message_nr;
	cpu_ns = echo_server_cpu_now(server);
	while (load->now_ns < begin_ns + run_ns) {
		send_all_due(load);
		turn_wait(load, 0);
	}
	cpu_ns = echo_server_cpu_now(server) - cpu_ns;
	message_nr = load->message_nr - message_nr;
	run_ns = load->now_ns - begin_ns;
	sample_overdue(load);
	end(load);
	load->interval_ns = 0;
	figures_of(load, cpu_ns, message_nr, run_ns, ret_figures);
}

void echo_load_count(struct echo_load *load, uint64_t message_nr)
{
	load->compares = true;
	begin(load);
	while (load->message_nr < message_nr)
		turn(load);
	end(load);
}

void echo_load_close(struct echo_load *load)
{
	unsigned i;

	perf_ring_close(&load->ring);
	for (i = 0; i < load->conn_nr; i++)
		close(load->conns[i].fd);
	free(load->buffer_ring);
	free(load->buffers);
	free(load->conns);
	free(load->sample_ns);
	free(load->message);
	free(load);
}
