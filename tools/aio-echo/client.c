/* SPDX-License-Identifier: MIT */
/* A connection of the client's: a task that sends, and one that receives and compares. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "aio_echo.h"

#define HOST_MAX 256

/* Says what went wrong, unless it is the consequence of something else. */
int64_t client_fail(struct client *client, int64_t error)
{
	struct load *load = client->load;

	if (error == -ECANCELED || load->has_failed)
		return error;
	load->has_failed = true;
	fprintf(stderr, "aio-echo: %s: %s\n", load->options->address,
		error == -EBADMSG   ? "what came back differs from what was sent"
		: error == -ENODATA ? "the server has closed a connection before everything was back"
		: load->name_error  ? load->name_error
				    : strerror((int)-error));
	return error;
}

/* The host of "host:port" or "[host]:port". Where the colon is, or NULL: it is neither. */
static const char *host_read(const char *address, char host[HOST_MAX])
{
	const char *colon = strrchr(address, ':');
	size_t size = colon ? (size_t)(colon - address) : 0;

	if (size > 2 && address[0] == '[' && address[size - 1] == ']') {
		address++;
		size -= 2;
	}
	if (!size || size >= HOST_MAX)
		return NULL;
	memcpy(host, address, size);
	host[size] = '\0';
	return colon;
}

/* "host:port", where the host is a name. */
static int64_t connect_by_name(struct load *load)
{
	const struct options *options = load->options;
	struct aion_connect_report report;
	const struct aion_connect_options connect_options = {.type = options->datagrams ? SOCK_DGRAM : SOCK_STREAM,
							     .report = &report};
	char host[HOST_MAX];
	const char *colon = host_read(options->address, host);
	int64_t result;

	if (!colon) {
		load->name_error = "no HOST:PORT, no path and no @NAME";
		return -EINVAL;
	}
	result = aion_connect_host(host, colon + 1, &connect_options);
	load->name_error = result < 0 && !report.attempt_nr ? aion_resolve_error(result) : NULL;
	return result;
}

static int64_t client_connect(struct load *load)
{
	const struct options *options = load->options;
	const struct aion_connect_options connect_options = {.type = options->datagrams ? SOCK_DGRAM : SOCK_STREAM};
	int64_t result;

	if (load->address.any.sa_family == AF_UNSPEC && aion_address_parse(options->address, 0, &load->address) < 0) {
		result = connect_by_name(load);
		if (result >= 0)
			aion_address_of_peer((int)result, &load->address); /* the others need not look it up */
		return result;
	}
	if (options->datagrams && load->address.any.sa_family == AF_UNIX)
		return -EAFNOSUPPORT;
	return aion_connect_addresses(&load->address, 1, &connect_options);
}

int64_t client_open(struct client *client)
{
	struct load *load = client->load;
	int64_t result = aion_semaphore_acquire(&load->connecting);

	if (result < 0)
		return result;
	result = client_connect(load);
	aion_semaphore_release(&load->connecting);
	if (result < 0)
		return client_fail(client, result);
	client->fd = (int)result;
	load_connected(load);
	return aion_event_wait(&load->begun);
}

int64_t client_pause(struct client *client, int64_t *ret_due_ns)
{
	struct load *load = client->load;
	int64_t result;

	aion_scope_enter(&client->pause, load->end_ns);
	client->is_pausing = true;
	result = aion_semaphore_acquire(&client->window);
	*ret_due_ns = load_due(load, client->idx, client->sent_nr);
	if (result == 0 && load->options->rate > 0)
		result = aion_sleep_until(*ret_due_ns);
	client->is_pausing = false;
	aion_scope_leave(&client->pause);
	return result;
}

void client_stop(struct client *client)
{
	if (client->is_pausing)
		aion_scope_cancel(&client->pause);
}

static int64_t sender_task(void *arg)
{
	struct client *client = arg;
	struct load *load = client->load;
	const struct options *options = load->options;
	int64_t due_ns, result = 0;

	while (client_pause(client, &due_ns) == 0 && load_take(load)) {
		client->due_ns[client->sent_nr % options->depth] = due_ns;
		client->sent_nr++;
		result = aion_conn_send_all(&client->conn, load_message(load, client->idx, client->sent_nr - 1),
					    options->size, NULL);
		if (result < 0)
			return client_fail(client, result);
	}
	client->has_sent = true;
	result = aion_conn_shutdown(&client->conn);
	if (client->back_nr == client->sent_nr)
		aion_scope_cancel(&client->receiving);
	return result == -ENOTCONN ? 0 : result;
}

/* Takes what came: false if it is not what was sent. */
static bool client_compare(struct client *client, const char *data, size_t size)
{
	struct load *load = client->load;
	size_t message_size = load->options->size, part_size;

	while (size) {
		if (client->back_nr == client->sent_nr)
			return false;
		part_size = message_size - client->back_size < size ? message_size - client->back_size : size;
		if (memcmp(data, load_message(load, client->idx, client->back_nr) + client->back_size, part_size) != 0)
			return false;
		data += part_size;
		size -= part_size;
		client->back_size += part_size;
		if (client->back_size < message_size)
			continue;
		load_count(load, client->due_ns[client->back_nr % load->options->depth]);
		client->back_size = 0;
		client->back_nr++;
		aion_semaphore_release(&client->window);
	}
	return true;
}

static int64_t client_receive(struct client *client)
{
	struct aion_buffer *buffer;
	int64_t result;
	bool is_equal;

	while (!client->has_sent || client->back_nr < client->sent_nr) {
		result = aion_conn_recv(&client->conn, &buffer);
		if (result <= 0 && client->has_sent && client->back_nr == client->sent_nr)
			break; /* while the sender said that there is no more */
		if (result <= 0)
			return result < 0 ? result : -ENODATA;
		is_equal = client_compare(client, buffer->data, buffer->size);
		aion_buffer_release(buffer);
		if (!is_equal)
			return -EBADMSG;
	}
	return 0;
}

static int64_t client_talk(struct client *client)
{
	struct aion_group group;
	int64_t result = aion_conn_open(&client->conn, client->fd);

	client->fd = -1;
	client->due_ns = malloc(client->load->options->depth * sizeof(*client->due_ns));
	if (!client->due_ns)
		result = -ENOMEM;
	aion_semaphore_init(&client->window, client->load->options->depth);
	aion_group_enter(&group);
	if (result == 0) {
		aion_spawn(&group, sender_task, client);
		aion_scope_enter(&client->receiving, AION_NEVER);
		result = client_receive(client);
		aion_scope_leave(&client->receiving);
	}
	if (result < 0)
		client_fail(client, result);
	result = aion_group_leave(&group, result);
	aion_semaphore_fini(&client->window);
	free(client->due_ns);
	aion_conn_close(&client->conn);
	return result;
}

int64_t client_run(void *arg)
{
	struct client *client = arg;
	int64_t result = client_open(client);

	if (result == 0)
		result = client_talk(client);
	client_close(client);
	return result;
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		aion_close(client->fd);
}
