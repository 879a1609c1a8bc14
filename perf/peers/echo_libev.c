/* SPDX-License-Identifier: MIT */
/*
 * Echo by libev: a watcher a connection. A receive a wake, as its manual's examples; what cannot be sent at once stands
 * in a buffer of the connection's, and the watcher waits for room until it is gone.
 */
#include "echo.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf.h"

#define BUFFER_SIZE_MIN 2048u

struct conn {
	struct ev_io watcher;
	char *pending; /* what could not be sent at once */
	size_t pending_size, pending_off;
};

static struct {
	const struct echo_setup *setup;
	size_t buffer_size;
	char *buffer;
	uint64_t ended_nr;
} server;

static void conn_watch(struct ev_loop *loop, struct conn *conn, int events)
{
	int fd = conn->watcher.fd;

	ev_io_stop(loop, &conn->watcher);
	ev_io_set(&conn->watcher, fd, events);
	ev_io_start(loop, &conn->watcher);
}

static void conn_end(struct ev_loop *loop, struct conn *conn)
{
	ev_io_stop(loop, &conn->watcher);
	close(conn->watcher.fd);
	free(conn->pending);
	free(conn);
	if (++server.ended_nr == server.setup->end_nr)
		ev_break(loop, EVBREAK_ALL);
}

static void conn_flush(struct ev_loop *loop, struct conn *conn)
{
	ssize_t sent = send(conn->watcher.fd, conn->pending + conn->pending_off, conn->pending_size - conn->pending_off,
			    MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN)
		return;
	if (sent < 0) {
		conn_end(loop, conn);
		return;
	}
	conn->pending_off += (size_t)sent;
	if (conn->pending_off < conn->pending_size)
		return;
	free(conn->pending);
	conn->pending = NULL;
	conn_watch(loop, conn, EV_READ);
}

static void conn_keep(struct ev_loop *loop, struct conn *conn, const char *data, size_t size)
{
	conn->pending = malloc(size);
	if (!conn->pending)
		perf_die("memory", -ENOMEM);
	memcpy(conn->pending, data, size);
	conn->pending_size = size;
	conn->pending_off = 0;
	conn_watch(loop, conn, EV_WRITE);
}

static void conn_echo(struct ev_loop *loop, struct conn *conn)
{
	ssize_t received = recv(conn->watcher.fd, server.buffer, server.buffer_size, 0), sent;

	if (received < 0 && errno == EAGAIN)
		return;
	if (received <= 0) {
		conn_end(loop, conn);
		return;
	}
	sent = send(conn->watcher.fd, server.buffer, (size_t)received, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		conn_end(loop, conn);
	else if (sent < received)
		conn_keep(loop, conn, server.buffer + (sent < 0 ? 0 : sent),
			  (size_t)(received - (sent < 0 ? 0 : sent)));
}

static void on_conn(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct conn *conn = (struct conn *)watcher;

	if (conn->pending)
		conn_flush(loop, conn);
	else
		conn_echo(loop, conn);
}

static void on_connection(struct ev_loop *loop, struct ev_io *watcher, int events)
{
	struct conn *conn;
	int fd;

	while ((fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		conn = calloc(1, sizeof(*conn));
		if (!conn)
			perf_die("memory", -ENOMEM);
		ev_io_init(&conn->watcher, on_conn, fd, EV_READ);
		ev_io_start(loop, &conn->watcher);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		perf_die("accept4", -errno);
}

void echo_serve_libev(const struct echo_setup *setup)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct ev_io listener;

	if (!loop)
		perf_die("ev_default_loop", -ENOSYS);
	server.setup = setup;
	server.buffer_size = setup->message_size > BUFFER_SIZE_MIN ? setup->message_size : BUFFER_SIZE_MIN;
	server.buffer = perf_alloc(server.buffer_size);
	if (fcntl(setup->listen_fd, F_SETFL, O_NONBLOCK) < 0)
		perf_die("O_NONBLOCK", -errno);
	ev_io_init(&listener, on_connection, setup->listen_fd, EV_READ);
	ev_io_start(loop, &listener);
	ev_run(loop, 0);
}
