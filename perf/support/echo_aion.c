/* SPDX-License-Identifier: MIT */
/* Echo by aion: straight-line code, one task a connection. */
#include "echo.h"

#include <errno.h>

#include "perf.h"

struct server {
	const struct echo_setup *setup;
	struct aion_listener listener;
	uint64_t ended_nr;
};

static int64_t connection_task(int fd, void *arg)
{
	struct server *server = arg;
	struct aion_conn conn = {0};
	struct aion_buffer *buffer;
	int64_t result = aion_conn_open(&conn, fd);

	while (result >= 0 && (result = aion_conn_recv(&conn, &buffer)) > 0)
		result = aion_conn_send_buffer(&conn, buffer);
	aion_conn_close(&conn);
	if (++server->ended_nr == server->setup->end_nr)
		aion_listener_shutdown(&server->listener, AION_NEVER);
	return result;
}

static int64_t server_task(void *arg)
{
	struct server *server = arg;
	int64_t result = aion_listener_open_fd(&server->listener, server->setup->listen_fd, NULL);

	if (result < 0)
		return result;
	result = aion_listener_serve(&server->listener, connection_task, server);
	aion_listener_close(&server->listener);
	return result;
}

void echo_serve_aion(const struct echo_setup *setup)
{
	static struct server server;
	struct aion_loop *loop = perf_loop_create();

	server = (struct server){.setup = setup};
	perf_loop_run(loop, server_task, &server);
	aion_loop_destroy(loop);
}
