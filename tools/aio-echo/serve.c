/* SPDX-License-Identifier: MIT */
/* The server: a task a connection, which sends back what it receives. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "aio_echo.h"

struct serving {
	struct server *server;
	struct aion_listener *listener; /* NULL: datagrams */
	struct aion_scope scope;
};

void serve_announce(const struct aion_address *address)
{
	char text[AION_ADDRESS_TEXT_SIZE];

	if (aion_address_format(address, text, sizeof(text)) >= 0)
		printf("listening on %s\n", text);
	message_flush_output();
}

static int64_t connection_task(int fd, void *arg)
{
	struct serving *serving = arg;
	struct server *server = serving->server;
	AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
	struct aion_buffer *buffer;
	int64_t result = aion_conn_open(&conn, fd), received;

	server->connection_nr++;
	while (result >= 0 && (received = result = aion_conn_recv(&conn, &buffer)) > 0) {
		result = aion_conn_send_buffer(&conn, buffer);
		if (result < 0)
			break;
		server->message_nr++;
		server->size += (uint64_t)received;
	}
	return result;
}

static void serving_stop(struct serving *serving, int64_t drain_ns)
{
	if (serving->listener)
		aion_listener_shutdown(serving->listener, aion_after(drain_ns));
	else
		aion_scope_cancel(&serving->scope);
}

/* The first signal lets the connections come to their end, the second one cuts them off. */
static int64_t signal_task(void *arg)
{
	AION_CLEANUP(aion_signal_close) struct aion_signal_watch watch = {0};
	struct serving *serving = arg;
	int64_t result = aion_signal_open(&watch, (const int[]){SIGINT, SIGTERM, 0});

	if (result >= 0)
		result = aion_signal_next(&watch, NULL);
	if (result < 0)
		return result;
	serving_stop(serving, serving->server->options->drain_ns);
	result = aion_signal_next(&watch, NULL);
	if (result < 0)
		return result;
	serving_stop(serving, 0);
	return 0;
}

static int64_t listen_and_serve(struct serving *serving, const struct aion_address *address)
{
	AION_CLEANUP(aion_listener_close) struct aion_listener listener = {0};
	const struct aion_listener_options options = {.connection_max = serving->server->options->connection_max};
	struct aion_address own;
	int64_t result = aion_listener_open(&listener, address, &options);

	if (result < 0)
		return result;
	result = aion_listener_address(&listener, &own);
	if (result < 0)
		return result;
	serving->listener = &listener;
	serve_announce(&own);
	result = aion_listener_serve(&listener, connection_task, serving);
	serving->listener = NULL;
	return result == -ETIME ? 0 : result; /* who was cut off had his time */
}

static int64_t serve(struct server *server, const struct aion_address *address)
{
	struct serving serving = {.server = server};
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	aion_spawn(&group, signal_task, &serving);
	aion_scope_enter(&serving.scope, AION_NEVER);
	result = server->options->datagrams ? datagram_serve(server, address) : listen_and_serve(&serving, address);
	aion_scope_leave(&serving.scope);
	aion_group_cancel(&group);
	if (result == -ECANCELED)
		result = 0;
	return aion_group_leave(&group, result);
}

int64_t serve_run(void *arg)
{
	struct server *server = arg;
	struct aion_address address;
	int64_t result = aion_address_parse(server->options->address, 0, &address);

	if (result == -EINVAL) {
		fprintf(stderr, "aio-echo: %s: no HOST:PORT with a number or * as HOST, no path and no @NAME\n",
			server->options->address);
		return result;
	}
	if (result == 0)
		result = serve(server, &address);
	if (result < 0) {
		message_error(server->options->address, (int)result);
		return result;
	}
	printf("%" PRIu64 " connections, %" PRIu64 " messages, %" PRIu64 " bytes\n", server->connection_nr,
	       server->message_nr, server->size);
	return result;
}
