/* SPDX-License-Identifier: MIT */
/*
 * Echo by epoll(7) by hand. Level-triggered and a receive a wake: what does not come at once is reported again, so no
 * call is spent on learning that there is nothing more. What cannot be sent at once stands in a buffer of the
 * connection's, which is written before anything more is read.
 */
#include "echo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf.h"

#define BUFFER_SIZE_MIN 2048u
#define EVENT_NR 1024

struct conn {
	int fd;
	char *pending; /* what could not be sent at once */
	size_t pending_size, pending_off;
};

struct server {
	const struct echo_setup *setup;
	int epoll_fd;
	size_t buffer_size;
	char *buffer;
	uint64_t ended_nr;
};

static void watch(const struct server *server, int operation, int fd, struct conn *conn, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = conn};

	if (epoll_ctl(server->epoll_fd, operation, fd, &event) < 0)
		perf_die("epoll_ctl", -errno);
}

static void accept_all(struct server *server)
{
	struct conn *conn;
	int fd;

	while ((fd = accept4(server->setup->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		conn = calloc(1, sizeof(*conn));
		if (!conn)
			perf_die("memory", -ENOMEM);
		conn->fd = fd;
		watch(server, EPOLL_CTL_ADD, fd, conn, EPOLLIN);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		perf_die("accept4", -errno);
}

static void conn_end(struct server *server, struct conn *conn)
{
	close(conn->fd);
	free(conn->pending);
	free(conn);
	server->ended_nr++;
}

/* Keeps what is left of a message until the socket has room. */
static void conn_keep(struct server *server, struct conn *conn, const char *data, size_t size)
{
	conn->pending = malloc(size);
	if (!conn->pending)
		perf_die("memory", -ENOMEM);
	memcpy(conn->pending, data, size);
	conn->pending_size = size;
	conn->pending_off = 0;
	watch(server, EPOLL_CTL_MOD, conn->fd, conn, EPOLLOUT);
}

static void conn_flush(struct server *server, struct conn *conn)
{
	ssize_t sent =
		send(conn->fd, conn->pending + conn->pending_off, conn->pending_size - conn->pending_off, MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN)
		return;
	if (sent < 0) {
		conn_end(server, conn);
		return;
	}
	conn->pending_off += (size_t)sent;
	if (conn->pending_off < conn->pending_size)
		return;
	free(conn->pending);
	conn->pending = NULL;
	watch(server, EPOLL_CTL_MOD, conn->fd, conn, EPOLLIN);
}

static void conn_echo(struct server *server, struct conn *conn)
{
	ssize_t received = recv(conn->fd, server->buffer, server->buffer_size, 0), sent;

	if (received < 0 && errno == EAGAIN)
		return;
	if (received <= 0) {
		conn_end(server, conn);
		return;
	}
	sent = send(conn->fd, server->buffer, (size_t)received, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		conn_end(server, conn);
	else if (sent < received)
		conn_keep(server, conn, server->buffer + (sent < 0 ? 0 : sent),
			  (size_t)(received - (sent < 0 ? 0 : sent)));
}

static void turn(struct server *server)
{
	struct epoll_event events[EVENT_NR];
	int i, nr = epoll_wait(server->epoll_fd, events, EVENT_NR, -1);

	if (nr < 0 && errno != EINTR)
		perf_die("epoll_wait", -errno);
	for (i = 0; i < nr; i++) {
		struct conn *conn = events[i].data.ptr;

		if (!conn)
			accept_all(server);
		else if (conn->pending)
			conn_flush(server, conn);
		else
			conn_echo(server, conn);
	}
}

void echo_serve_epoll(const struct echo_setup *setup)
{
	struct server server = {
		.setup = setup, .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .buffer_size = BUFFER_SIZE_MIN};

	if (server.epoll_fd < 0)
		perf_die("epoll_create1", -errno);
	if (setup->message_size > server.buffer_size)
		server.buffer_size = setup->message_size;
	server.buffer = perf_alloc(server.buffer_size);
	if (fcntl(setup->listen_fd, F_SETFL, O_NONBLOCK) < 0)
		perf_die("O_NONBLOCK", -errno);
	watch(&server, EPOLL_CTL_ADD, setup->listen_fd, NULL, EPOLLIN);
	while (!setup->end_nr || server.ended_nr < setup->end_nr)
		turn(&server);
}
