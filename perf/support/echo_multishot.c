/* SPDX-License-Identifier: MIT */
/*
 * Echo by io_uring by hand, as well as its author could: one multishot accept, a multishot receive for each connection,
 * all into one ring of buffers, and a send by ring from the buffer that came, which goes back when it is sent. Of a
 * connection at most one send is under way, so nothing overtakes; what comes meanwhile stands in its queue. Or send(2)
 * first, and the ring for what it does not take: that saves a completion, and gives the buffer back at once.
 */
#include "echo.h"

#include <errno.h>
#include <unistd.h>

#include "perf.h"
#include "raw_ring.h"

#define BUFFER_SIZE_MIN 2048u
#define BUFFER_NR_MIN 64u
#define BUFFER_NR_MAX 1024u
#define NONE UINT32_MAX

enum kind {
	ACCEPT,
	RECEIVE,
	SEND,
};

struct conn {
	int fd;
	bool is_receiving;
	bool has_ended;
	uint32_t first, last; /* buffers to be sent, the first of them under way; NONE: there are none */
	uint32_t next;        /* in the list of free ones, or of those that wait for buffers */
};

struct buffer {
	uint32_t size;
	uint32_t off; /* of what is still to be sent */
	uint32_t next;
};

struct server {
	struct io_uring ring;
	const struct echo_setup *setup;
	bool sends_at_once;
	struct conn *conns;
	uint32_t free_conn;
	uint32_t starved_conn;
	struct io_uring_buf_ring *buffer_ring;
	struct buffer *buffers;
	char *memory;
	unsigned buffer_nr, buffer_size;
	int returned_nr; /* buffers that the ring does not show to the kernel yet */
	uint64_t ended_nr;
};

static struct io_uring_sqe *get_sqe(struct server *server)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&server->ring);

	if (!sqe) {
		perf_ring_enter(&server->ring, 0);
		sqe = io_uring_get_sqe(&server->ring);
	}
	if (!sqe)
		perf_die("submission queue", -EBUSY);
	return sqe;
}

static void mark(struct io_uring_sqe *sqe, enum kind kind, uint32_t conn_idx)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)conn_idx << 2 | kind);
}

static char *buffer_memory(const struct server *server, uint32_t idx)
{
	return server->memory + (size_t)idx * server->buffer_size;
}

static void buffer_return(struct server *server, uint32_t idx)
{
	io_uring_buf_ring_add(server->buffer_ring, buffer_memory(server, idx), server->buffer_size, (unsigned short)idx,
			      (int)server->buffer_nr - 1, server->returned_nr++);
}

static void start_accept(struct server *server)
{
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_multishot_accept(sqe, server->setup->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	mark(sqe, ACCEPT, 0);
}

static void start_receive(struct server *server, uint32_t conn_idx)
{
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_recv_multishot(sqe, server->conns[conn_idx].fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	mark(sqe, RECEIVE, conn_idx);
	server->conns[conn_idx].is_receiving = true;
}

static void start_send(struct server *server, uint32_t conn_idx)
{
	const struct conn *conn = &server->conns[conn_idx];
	const struct buffer *buffer = &server->buffers[conn->first];
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_send(sqe, conn->fd, buffer_memory(server, conn->first) + buffer->off, buffer->size - buffer->off,
			   MSG_WAITALL | MSG_NOSIGNAL);
	mark(sqe, SEND, conn_idx);
}

/* false: something is left; an error the ring will tell. */
static bool send_at_once(struct server *server, int fd, uint32_t idx)
{
	ssize_t sent = send(fd, buffer_memory(server, idx), server->buffers[idx].size, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent > 0)
		server->buffers[idx].off = (uint32_t)sent;
	return server->buffers[idx].off == server->buffers[idx].size;
}

static void conn_end(struct server *server, uint32_t conn_idx)
{
	struct conn *conn = &server->conns[conn_idx];

	conn->has_ended = true;
	if (conn->is_receiving || conn->first != NONE)
		return;
	close(conn->fd);
	conn->next = server->free_conn;
	server->free_conn = conn_idx;
	server->ended_nr++;
}

static void accepted(struct server *server, const struct io_uring_cqe *cqe)
{
	uint32_t conn_idx = server->free_conn;

	if (cqe->res < 0)
		perf_die("accept", cqe->res);
	if (conn_idx == NONE)
		perf_die("accept", -EUSERS);
	server->free_conn = server->conns[conn_idx].next;
	server->conns[conn_idx] = (struct conn){.fd = cqe->res, .first = NONE, .last = NONE};
	start_receive(server, conn_idx);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		start_accept(server);
}

/* Without buffers a receive ends, and goes on when there are some again. */
static void starved(struct server *server, uint32_t conn_idx)
{
	server->conns[conn_idx].next = server->starved_conn;
	server->starved_conn = conn_idx;
}

static void received(struct server *server, uint32_t conn_idx, const struct io_uring_cqe *cqe)
{
	struct conn *conn = &server->conns[conn_idx];
	uint32_t idx = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	conn->is_receiving = cqe->flags & IORING_CQE_F_MORE;
	if (cqe->res == -ENOBUFS) {
		starved(server, conn_idx);
		return;
	}
	if (cqe->res <= 0) {
		conn_end(server, conn_idx);
		return;
	}
	server->buffers[idx] = (struct buffer){.size = (uint32_t)cqe->res, .next = NONE};
	if (conn->first == NONE && server->sends_at_once && send_at_once(server, conn->fd, idx)) {
		buffer_return(server, idx);
	} else if (conn->first == NONE) {
		conn->first = conn->last = idx;
		start_send(server, conn_idx);
	} else {
		server->buffers[conn->last].next = idx;
		conn->last = idx;
	}
	if (!conn->is_receiving)
		start_receive(server, conn_idx);
}

static void sent(struct server *server, uint32_t conn_idx, const struct io_uring_cqe *cqe)
{
	struct conn *conn = &server->conns[conn_idx];
	uint32_t idx = conn->first;

	if (cqe->res != (int)(server->buffers[idx].size - server->buffers[idx].off) && !conn->has_ended)
		perf_die("send", cqe->res < 0 ? cqe->res : -EIO);
	conn->first = server->buffers[idx].next;
	buffer_return(server, idx);
	if (conn->first != NONE)
		start_send(server, conn_idx);
	else if (conn->has_ended)
		conn_end(server, conn_idx);
}

static void complete(struct server *server, const struct io_uring_cqe *cqe)
{
	uint32_t conn_idx = (uint32_t)(cqe->user_data >> 2);

	switch ((enum kind)(cqe->user_data & 3)) {
	case ACCEPT:
		accepted(server, cqe);
		break;
	case RECEIVE:
		received(server, conn_idx, cqe);
		break;
	case SEND:
		sent(server, conn_idx, cqe);
		break;
	}
}

static void buffers_show(struct server *server)
{
	uint32_t conn_idx = server->starved_conn;

	io_uring_buf_ring_advance(server->buffer_ring, server->returned_nr);
	server->returned_nr = 0;
	server->starved_conn = NONE;
	for (; conn_idx != NONE; conn_idx = server->conns[conn_idx].next)
		start_receive(server, conn_idx);
}

static void turn(struct server *server)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen_nr = 0;

	perf_ring_enter(&server->ring, 1);
	io_uring_for_each_cqe(&server->ring, head, cqe) {
		complete(server, cqe);
		seen_nr++;
	}
	io_uring_cq_advance(&server->ring, seen_nr);
	if (server->returned_nr)
		buffers_show(server);
}

static void buffers_open(struct server *server)
{
	struct io_uring_buf_reg reg = {0};
	unsigned i;
	int result;

	for (server->buffer_nr = BUFFER_NR_MIN; server->buffer_nr < BUFFER_NR_MAX; server->buffer_nr *= 2) {
		if (server->buffer_nr >= server->setup->conn_nr)
			break;
	}
	server->buffer_size = BUFFER_SIZE_MIN;
	if (server->setup->message_size > server->buffer_size)
		server->buffer_size = (unsigned)server->setup->message_size;
	server->buffers = perf_alloc(server->buffer_nr * sizeof(*server->buffers));
	server->memory = perf_alloc((size_t)server->buffer_nr * server->buffer_size);
	server->buffer_ring = perf_alloc(server->buffer_nr * sizeof(struct io_uring_buf));
	reg.ring_addr = (uintptr_t)server->buffer_ring;
	reg.ring_entries = server->buffer_nr;
	result = io_uring_register_buf_ring(&server->ring, &reg, 0);
	if (result < 0)
		perf_die("io_uring_register_buf_ring", result);
	io_uring_buf_ring_init(server->buffer_ring);
	for (i = 0; i < server->buffer_nr; i++)
		buffer_return(server, i);
}

static void serve(const struct echo_setup *setup, bool sends_at_once)
{
	static struct server server;
	uint32_t i;

	server = (struct server){
		.setup = setup, .sends_at_once = sends_at_once, .free_conn = NONE, .starved_conn = NONE};
	perf_ring_open(&server.ring, 1024, 0);
	server.conns = perf_alloc(setup->conn_nr * sizeof(*server.conns));
	for (i = setup->conn_nr; i-- > 0; server.free_conn = i)
		server.conns[i].next = server.free_conn;
	buffers_open(&server);
	buffers_show(&server);
	start_accept(&server);
	while (!setup->end_nr || server.ended_nr < setup->end_nr)
		turn(&server);
}

void echo_serve_multishot(const struct echo_setup *setup)
{
	serve(setup, false);
}

void echo_serve_multishot_send(const struct echo_setup *setup)
{
	serve(setup, true);
}
