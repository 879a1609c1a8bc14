/* SPDX-License-Identifier: MIT */
/* Echo by io_uring by hand without provided buffers: each connection has a buffer, and receives and sends in turn. */
#include "echo.h"

#include <errno.h>
#include <unistd.h>

#include "perf.h"
#include "raw_ring.h"

#define BUFFER_SIZE_MIN 2048u
#define NONE UINT32_MAX

enum kind {
	ACCEPT,
	RECEIVE,
	SEND,
};

struct conn {
	int fd;
	uint32_t size; /* of what is being sent */
	uint32_t next_free;
};

struct server {
	struct io_uring ring;
	const struct echo_setup *setup;
	struct conn *conns;
	uint32_t free_conn;
	size_t buffer_size;
	char *memory;
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

static void start_accept(struct server *server)
{
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_multishot_accept(sqe, server->setup->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	mark(sqe, ACCEPT, 0);
}

static void start_receive(struct server *server, uint32_t conn_idx)
{
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_recv(sqe, server->conns[conn_idx].fd, server->memory + conn_idx * server->buffer_size,
			   server->buffer_size, 0);
	mark(sqe, RECEIVE, conn_idx);
}

static void start_send(struct server *server, uint32_t conn_idx)
{
	struct io_uring_sqe *sqe = get_sqe(server);

	io_uring_prep_send(sqe, server->conns[conn_idx].fd, server->memory + conn_idx * server->buffer_size,
			   server->conns[conn_idx].size, MSG_WAITALL | MSG_NOSIGNAL);
	mark(sqe, SEND, conn_idx);
}

static void accepted(struct server *server, const struct io_uring_cqe *cqe)
{
	uint32_t conn_idx = server->free_conn;

	if (cqe->res < 0)
		perf_die("accept", cqe->res);
	if (conn_idx == NONE)
		perf_die("accept", -EUSERS);
	server->free_conn = server->conns[conn_idx].next_free;
	server->conns[conn_idx].fd = cqe->res;
	start_receive(server, conn_idx);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		start_accept(server);
}

static void conn_end(struct server *server, uint32_t conn_idx)
{
	close(server->conns[conn_idx].fd);
	server->conns[conn_idx].next_free = server->free_conn;
	server->free_conn = conn_idx;
	server->ended_nr++;
}

static void complete(struct server *server, const struct io_uring_cqe *cqe)
{
	uint32_t conn_idx = (uint32_t)(cqe->user_data >> 2);

	switch ((enum kind)(cqe->user_data & 3)) {
	case ACCEPT:
		accepted(server, cqe);
		break;
	case RECEIVE:
		if (cqe->res <= 0) {
			conn_end(server, conn_idx);
			break;
		}
		server->conns[conn_idx].size = (uint32_t)cqe->res;
		start_send(server, conn_idx);
		break;
	case SEND:
		if (cqe->res != (int)server->conns[conn_idx].size)
			perf_die("send", cqe->res < 0 ? cqe->res : -EIO);
		start_receive(server, conn_idx);
		break;
	}
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
}

void echo_serve_oneshot(const struct echo_setup *setup)
{
	static struct server server;
	uint32_t i;

	server = (struct server){.setup = setup, .free_conn = NONE, .buffer_size = BUFFER_SIZE_MIN};
	if (setup->message_size > server.buffer_size)
		server.buffer_size = setup->message_size;
	perf_ring_open(&server.ring, 1024, 0);
	server.conns = perf_alloc(setup->conn_nr * sizeof(*server.conns));
	for (i = setup->conn_nr; i-- > 0; server.free_conn = i)
		server.conns[i].next_free = server.free_conn;
	server.memory = perf_alloc(setup->conn_nr * server.buffer_size);
	start_accept(&server);
	while (!setup->end_nr || server.ended_nr < setup->end_nr)
		turn(&server);
}
