/* SPDX-License-Identifier: MIT */
/* Echo as the textbook has it: a thread a connection, blocking calls. */
#include "echo.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf.h"

#define BUFFER_SIZE_MIN 2048u
#define STACK_SIZE ((size_t)64 << 10)

struct server {
	const struct echo_setup *setup;
	size_t buffer_size;
	_Atomic uint64_t ended_nr;
};

struct conn {
	struct server *server;
	int fd;
};

static bool send_all(int fd, const char *data, size_t size)
{
	ssize_t sent;

	while (size) {
		sent = send(fd, data, size, MSG_NOSIGNAL);
		if (sent < 0)
			return false;
		data += sent;
		size -= (size_t)sent;
	}
	return true;
}

static void *connection_thread(void *arg)
{
	struct conn conn = *(struct conn *)arg;
	char *buffer = malloc(conn.server->buffer_size);
	ssize_t received;

	free(arg);
	if (!buffer)
		perf_die("memory", -ENOMEM);
	while ((received = recv(conn.fd, buffer, conn.server->buffer_size, 0)) > 0 &&
	       send_all(conn.fd, buffer, (size_t)received))
		;
	close(conn.fd);
	free(buffer);
	/* The accepting thread waits in accept(2), and learns of the end by it. */
	if (atomic_fetch_add(&conn.server->ended_nr, 1) + 1 == conn.server->setup->end_nr)
		shutdown(conn.server->setup->listen_fd, SHUT_RD);
	return NULL;
}

static void connection_start(struct server *server, int fd, const pthread_attr_t *attributes)
{
	struct conn *conn = malloc(sizeof(*conn));
	pthread_t thread;
	int error;

	if (!conn)
		perf_die("memory", -ENOMEM);
	*conn = (struct conn){.server = server, .fd = fd};
	error = pthread_create(&thread, attributes, connection_thread, conn);
	if (error)
		perf_die("pthread_create", -error);
}

void echo_serve_threads(const struct echo_setup *setup)
{
	static struct server server;
	pthread_attr_t attributes;
	int fd;

	server.setup = setup;
	server.buffer_size = setup->message_size > BUFFER_SIZE_MIN ? setup->message_size : BUFFER_SIZE_MIN;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	while (!setup->end_nr || server.ended_nr < setup->end_nr) {
		fd = accept4(setup->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			connection_start(&server, fd, &attributes);
		else if (errno != ECONNABORTED && errno != EINTR && errno != EINVAL)
			perf_die("accept4", -errno);
	}
	pthread_attr_destroy(&attributes);
}
