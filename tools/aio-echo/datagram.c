/* SPDX-License-Identifier: MIT */
/* Datagrams: who sends them back, and a client of which one at a time is under way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "aio_echo.h"

#define DATAGRAM_SIZE_MAX 65536
#define SERVER_TASK_NR 4
#define ANSWER_NS AION_SECOND

/* What a datagram begins with; behind it the pattern. */
struct header {
	uint64_t client_idx;
	uint64_t message_idx;
};

static int64_t await_answer(struct client *client, const char *sent, char *buffer)
{
	size_t size = client->load->options->size;
	int64_t result;

	for (;;) {
		result = aion_recv(client->fd, buffer, DATAGRAM_SIZE_MAX, 0);
		if (result < 0)
			return result;
		if ((size_t)result == size && memcmp(buffer, sent, size) == 0)
			return 0;
		/* of an older one that was thought lost; else not what we have sent */
		if ((size_t)result != size || memcmp(buffer, sent, sizeof(uint64_t)) != 0 ||
		    ((struct header *)(void *)buffer)->message_idx >= client->sent_nr)
			return -EBADMSG;
	}
}

static int64_t exchange(struct client *client, char *sent, char *buffer)
{
	struct load *load = client->load;
	const struct header header = {.client_idx = client->idx, .message_idx = client->sent_nr};
	struct aion_scope scope;
	int64_t due_ns, result = client_pause(client, &due_ns);

	if (result < 0 || !load_take(load))
		return result < 0 ? result : -ECANCELED;
	memcpy(sent, load_message(load, client->idx, client->sent_nr), load->options->size);
	memcpy(sent, &header, sizeof(header));
	result = aion_send(client->fd, sent, load->options->size, 0);
	if (result < 0)
		return result;
	aion_scope_enter(&scope, aion_after(ANSWER_NS));
	result = await_answer(client, sent, buffer);
	if (aion_scope_leave(&scope) == -ETIME && result == -ECANCELED) {
		load->lost_nr++;
		result = 0;
	} else if (result == 0) {
		load_count(load, due_ns);
	}
	client->sent_nr++;
	aion_semaphore_release(&client->window);
	return result;
}

int64_t datagram_client_run(void *arg)
{
	struct client *client = arg;
	char *buffer = malloc(DATAGRAM_SIZE_MAX), *sent = malloc(client->load->options->size);
	int64_t result = buffer && sent ? client_open(client) : -ENOMEM;

	aion_semaphore_init(&client->window, 1);
	while (result == 0)
		result = exchange(client, sent, buffer);
	client_fail(client, result);
	aion_semaphore_fini(&client->window);
	client_close(client);
	free(buffer);
	free(sent);
	return result == -ECANCELED && client->load->begin_ns ? 0 : result;
}

struct datagram_server {
	struct server *server;
	int fd;
};

static int64_t server_task(void *arg)
{
	struct datagram_server *datagrams = arg;
	struct aion_address from;
	char *buffer = malloc(DATAGRAM_SIZE_MAX);
	int64_t result = buffer ? 0 : -ENOMEM;

	while (result >= 0 || result == -ECONNREFUSED) { /* an answer that found nobody is no error of the socket's */
		from = (struct aion_address)AION_ADDRESS_ROOM;
		result = aion_recvfrom(datagrams->fd, buffer, DATAGRAM_SIZE_MAX, 0, &from.any, &from.size);
		if (result < 0)
			continue;
		result = aion_sendto(datagrams->fd, buffer, (size_t)result, 0, &from.any, from.size);
		if (result >= 0) {
			datagrams->server->message_nr++;
			datagrams->server->size += (uint64_t)result;
		} else if (result != -ECANCELED) {
			result = 0; /* whom it cannot reach it need not answer */
		}
	}
	free(buffer);
	return result;
}

int64_t datagram_serve(struct server *server, const struct aion_address *address)
{
	struct datagram_server datagrams = {.server = server};
	struct aion_address own;
	struct aion_group group;
	int64_t result = -EAFNOSUPPORT; /* over a path: whoever sends there has none for an answer */
	unsigned i;

	if (address->any.sa_family != AF_UNIX)
		result = aion_socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (result < 0)
		return result;
	datagrams.fd = (int)result;
	result = aion_bind(datagrams.fd, &address->any, address->size);
	if (result == 0)
		result = aion_address_of(datagrams.fd, &own);
	if (result == 0) {
		serve_announce(&own);
		aion_group_enter(&group);
		for (i = 0; i < SERVER_TASK_NR; i++)
			aion_spawn(&group, server_task, &datagrams);
		result = aion_group_leave(&group, 0);
	}
	aion_close(datagrams.fd);
	return result;
}
