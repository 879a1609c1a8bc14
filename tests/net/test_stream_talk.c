/* SPDX-License-Identifier: MIT */
/*
 * A worked example: a server that answers Redis's PING, ECHO and QUIT, as a line of words ("inline") or as an array of
 * strings with their sizes in front, and clients that send many requests at once. It is straight-line code on both
 * sides: one task a connection.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "test_stream.h"

#define ARG_MAX 8
#define ARG_SIZE_MAX 1000

struct request {
	int arg_nr;
	size_t sizes[ARG_MAX];
	char args[ARG_MAX][ARG_SIZE_MAX + 1];
};

/* ---- the server */

static int64_t request_add(struct request *request, const char *data, size_t size)
{
	char *arg = request->args[request->arg_nr];

	if (request->arg_nr == ARG_MAX || size > ARG_SIZE_MAX)
		return -EMSGSIZE;
	memcpy(arg, data, size);
	arg[size] = 0;
	request->sizes[request->arg_nr++] = size;
	return 0;
}

static int64_t request_split(struct request *request, char *line)
{
	int64_t result = 0;
	char *rest = NULL;

	for (char *word = strtok_r(line, " ", &rest); word && result >= 0; word = strtok_r(NULL, " ", &rest))
		result = request_add(request, word, strlen(word));
	return result;
}

/* "$5\r\nhello\r\n" */
static AION_SUSPENDS int64_t request_read_string(struct aion_stream *stream, struct request *request)
{
	struct aion_stream_view view;
	int64_t result = aion_stream_read_line(stream, &view);
	size_t size;

	if (result <= 0)
		return result < 0 ? result : -ENODATA;
	if (view.data[0] != '$')
		return -EPROTO;
	size = strtoul(view.data + 1, NULL, 10);
	if (size > ARG_SIZE_MAX)
		return -EMSGSIZE;
	result = aion_stream_peek(stream, size + 2, &view);
	if (result < 0)
		return result;
	if (view.size < size + 2)
		return -ENODATA;
	result = request_add(request, view.data, size);
	aion_stream_consume(stream, size + 2);
	return result;
}

/* 1; 0: there are no more; or an error. */
static AION_SUSPENDS int64_t request_read(struct aion_stream *stream, struct request *request)
{
	struct aion_stream_view line;
	int64_t result = aion_stream_read_line(stream, &line);
	long nr;

	request->arg_nr = 0;
	if (result <= 0)
		return result;
	if (line.data[0] != '*') {
		result = request_split(request, line.data);
		return result < 0 ? result : 1;
	}
	nr = strtol(line.data + 1, NULL, 10);
	for (; nr > 0; nr--) {
		result = request_read_string(stream, request);
		if (result < 0)
			return result;
	}
	return 1;
}

static AION_SUSPENDS int64_t request_answer(struct aion_stream *stream, const struct request *request)
{
	const char *command = request->args[0];

	if (!request->arg_nr)
		return 0;
	if (!strcasecmp(command, "PING"))
		return aion_stream_printf(stream, "+PONG\r\n");
	if (!strcasecmp(command, "ECHO") && request->arg_nr == 2)
		return aion_stream_printf(stream, "$%zu\r\n%s\r\n", request->sizes[1], request->args[1]);
	if (!strcasecmp(command, "QUIT"))
		return aion_stream_printf(stream, "+OK\r\n");
	return aion_stream_printf(stream, "-ERR unknown command '%s'\r\n", command);
}

/* One connection, from beginning to end. What is answered goes out when there is no more request to be read; the rest
 * with the close. */
static AION_SUSPENDS int64_t serve(void *arg)
{
	const struct aion_stream_options options = {.limit = 4096, .flushes_first = true};
	AION_CLEANUP(aion_stream_closep) struct aion_stream stream = {0};
	struct request request;
	int64_t result;

	aion_stream_open(&stream, (int)(intptr_t)arg, &options);
	do {
		result = request_read(&stream, &request);
		if (result > 0)
			result = request_answer(&stream, &request);
	} while (result > 0 && strcasecmp(request.args[0], "QUIT") != 0);
	if (result == -EMSGSIZE || result == -EPROTO)
		aion_stream_printf(&stream, "-ERR %s\r\n", result == -EPROTO ? "protocol error" : "too long");
	return 0;
}

static AION_SUSPENDS int64_t listen_and_serve(void *arg)
{
	struct aion_group connections;
	int64_t fd;

	aion_group_enter(&connections);
	while ((fd = aion_accept(*(int *)arg, NULL, NULL)) >= 0)
		aion_spawn(&connections, serve, test_number(fd));
	return aion_group_leave(&connections, fd);
}

static int server_open(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = (int)aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_result(aion_bind(fd, (struct sockaddr *)address, size), 0);
	assert_result(aion_listen(fd, 100), 0);
	assert_result(aion_getsockname(fd, (struct sockaddr *)address, &size), 0);
	return fd;
}

/* ---- its clients */

static void client_open(struct aion_stream *stream, const struct sockaddr_in *address)
{
	int fd = (int)aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_result(aion_connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	assert_result(aion_stream_open(stream, fd, NULL), 0);
}

static void expect(struct aion_stream *stream, const char *text)
{
	struct aion_stream_view line;

	cr_assert_gt(aion_stream_read_line(stream, &line), 0);
	cr_assert_str_eq(line.data, text);
}

/* 20 rounds of up to 40 requests at once, in both forms. */
static int64_t client(void *arg)
{
	AION_CLEANUP(aion_stream_closep) struct aion_stream stream = {0};
	struct aion_stream_view view;
	char text[ARG_SIZE_MAX + 1];

	client_open(&stream, arg);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 2 * round + 1; i++) {
			int size = i * 37 % ARG_SIZE_MAX;

			memset(text, 'a' + i % 26, sizeof(text));
			aion_stream_printf(&stream, i % 2 ? "PING\r\n" : "*1\r\n$4\r\nPING\r\n");
			aion_stream_printf(&stream, "*2\r\n$4\r\nECHO\r\n$%d\r\n%.*s\r\n", size, size, text);
		}
		assert_result(aion_stream_flush(&stream), 0);
		for (int i = 0; i < 2 * round + 1; i++) {
			int size = i * 37 % ARG_SIZE_MAX;

			expect(&stream, "+PONG");
			snprintf(text, sizeof(text), "$%d", size);
			expect(&stream, text);
			memset(text, 'a' + i % 26, sizeof(text));
			assert_result(aion_stream_read_until(&stream, "\r\n", 2, &view), size + 2);
			cr_assert_eq(memcmp(view.data, text, view.size), 0);
		}
	}
	aion_stream_printf(&stream, "NONSENSE now\nquit\n");
	assert_result(aion_stream_flush(&stream), 0);
	expect(&stream, "-ERR unknown command 'NONSENSE'");
	expect(&stream, "+OK");
	assert_result(aion_stream_read_line(&stream, &view), 0);
	return 0;
}

SPARED_TEST(stream_talk, every_request_of_every_client_is_answered_in_order)
{
	struct aion_handle server;
	struct aion_group group, clients;
	struct sockaddr_in address;
	int fd = server_open(&address);

	aion_group_enter(&group);
	aion_spawn_into(&group, &server, NULL, listen_and_serve, &fd);
	aion_group_enter(&clients);
	for (int i = 0; i < 10; i++)
		aion_spawn(&clients, client, &address);
	assert_result(aion_group_leave(&clients, 0), 0);
	aion_handle_cancel(&server);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_close(fd), 0);
}

/* Whoever sends too much is told so, and whoever leaves in the middle harms nobody. */
TASK_TEST(stream_talk, bad_clients_are_sent_away)
{
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	struct aion_handle server;
	struct aion_group group;
	struct sockaddr_in address;
	int fd = server_open(&address);
	char text[5000];

	memset(text, 'x', sizeof(text));
	aion_group_enter(&group);
	aion_spawn_into(&group, &server, NULL, listen_and_serve, &fd);
	client_open(&stream, &address);
	assert_result(aion_stream_printf(&stream, "*1\r\n!\r\n"), 7);
	assert_result(aion_stream_flush(&stream), 0);
	expect(&stream, "-ERR protocol error");
	assert_result(aion_stream_read_line(&stream, &view), 0);
	assert_result(aion_stream_close(&stream), 0);
	client_open(&stream, &address);
	assert_result(aion_stream_write(&stream, text, 4097, NULL), 0);
	assert_result(aion_stream_write_eof(&stream), 0);
	expect(&stream, "-ERR too long");
	assert_result(aion_stream_abort(&stream), 0);
	client_open(&stream, &address);
	assert_result(aion_stream_printf(&stream, "*2\r\n$4\r\nEC"), 10);
	assert_result(aion_stream_close(&stream), 0);
	client_open(&stream, &address);
	assert_result(aion_stream_printf(&stream, "PING\n"), 5);
	assert_result(aion_stream_flush(&stream), 0);
	expect(&stream, "+PONG");
	aion_handle_cancel(&server);
	assert_result(aion_stream_read_line(&stream, &view), 0);
	assert_result(aion_stream_close(&stream), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_close(fd), 0);
}
