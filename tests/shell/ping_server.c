/* SPDX-License-Identifier: MIT */
/*
 * For test_interop.sh: as much of a Redis server as answers PING, inline and as an array of strings, many in one piece
 * or one in many. Everything else is an error to it. Prints its port, ends at SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <aion.h>

#define LINE_MAX_SIZE 256
#define REPLY_MAX_SIZE 4096
#define DRAIN_NS AION_SECOND

struct session {
	int fd;
	char line[LINE_MAX_SIZE];
	size_t line_size;
	long part_nr; /* strings of the array that are still to come */
	bool is_first;
	bool is_ping;
	char reply[REPLY_MAX_SIZE];
	size_t reply_size;
};

static struct aion_listener listener;

static int64_t reply_flush(struct session *session)
{
	int64_t result = aion_send_all(session->fd, session->reply, session->reply_size, 0, NULL);

	session->reply_size = 0;
	return result;
}

static int64_t reply(struct session *session, bool is_ping)
{
	static const char pong[] = "+PONG\r\n", error[] = "-ERR only PING\r\n";
	const char *text = is_ping ? pong : error;
	size_t size = strlen(text);
	int64_t result = session->reply_size + size > REPLY_MAX_SIZE ? reply_flush(session) : 0;

	memcpy(session->reply + session->reply_size, text, size);
	session->reply_size += size;
	return result;
}

/* A line without its end. */
static int64_t line_take(struct session *session, const char *line)
{
	if (session->part_nr == 0 && *line == '*') {
		session->part_nr = strtol(line + 1, NULL, 10);
		session->is_first = true;
		return 0;
	}
	if (session->part_nr == 0)
		return *line ? reply(session, strcasecmp(line, "PING") == 0) : 0;
	if (*line == '$') /* a size: none of what we know has an end of line in it */
		return 0;
	if (session->is_first)
		session->is_ping = strcasecmp(line, "PING") == 0;
	session->is_first = false;
	return --session->part_nr == 0 ? reply(session, session->is_ping) : 0;
}

static int64_t bytes_take(struct session *session, const char *data, size_t size)
{
	int64_t result = 0;
	size_t i;

	for (i = 0; i < size && result == 0; i++) {
		if (data[i] == '\n') {
			if (session->line_size && session->line[session->line_size - 1] == '\r')
				session->line_size--;
			session->line[session->line_size] = '\0';
			session->line_size = 0;
			result = line_take(session, session->line);
		} else if (session->line_size + 1 < LINE_MAX_SIZE) {
			session->line[session->line_size++] = data[i];
		}
	}
	return result == 0 ? reply_flush(session) : result;
}

static int64_t session_task(int fd, void *arg)
{
	struct session session = {.fd = fd};
	char data[4096];
	int64_t result;

	(void)arg;
	while ((result = aion_recv(fd, data, sizeof(data), 0)) > 0) {
		result = bytes_take(&session, data, (size_t)result);
		if (result < 0)
			break;
	}
	aion_close(fd);
	return result;
}

static int64_t stop_task(void *arg)
{
	int64_t result = aion_signal_wait(SIGTERM, NULL);

	(void)arg;
	if (result >= 0)
		aion_listener_shutdown(&listener, aion_after(DRAIN_NS));
	return result;
}

static int64_t main_task(void *arg)
{
	struct aion_address address;
	struct aion_group group;
	int64_t result;

	(void)arg;
	aion_address_parse("127.0.0.1:0", 0, &address);
	result = aion_listener_open(&listener, &address, NULL);
	if (result < 0)
		return result;
	aion_listener_address(&listener, &address);
	printf("%u\n", aion_address_port(&address));
	fflush(stdout);
	aion_group_enter(&group);
	aion_spawn(&group, stop_task, NULL);
	result = aion_listener_serve(&listener, session_task, NULL);
	aion_group_cancel(&group);
	result = aion_group_leave(&group, result);
	aion_listener_close(&listener);
	return result;
}

int main(void)
{
	int64_t result = aion_run(main_task, NULL, NULL);

	if (result < 0)
		fprintf(stderr, "ping_server: %s\n", strerror((int)-result));
	return result < 0;
}
