/* SPDX-License-Identifier: MIT */
/*
 * Echo by libuv, as its guide teaches: the buffer that a read came in is what is written, and freed by the write's
 * callback. The second server tries uv_try_write() first, and writes only the rest by a request.
 */
#include "echo.h"

#include <stdlib.h>
#include <uv.h>

#include "perf.h"

#define BACKLOG 4096

struct server {
	const struct echo_setup *setup;
	uv_tcp_t listener;
	uint64_t ended_nr;
	bool tries_first;
};

struct write_request {
	uv_write_t request;
	uv_buf_t buffer;
	char *memory;
};

static struct server server;

static void must(const char *what, int result)
{
	if (result < 0)
		perf_die(what, result);
}

static void *get_memory(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		perf_die("memory", UV_ENOMEM);
	return memory;
}

static void on_close(uv_handle_t *handle)
{
	if (++server.ended_nr == server.setup->end_nr)
		uv_stop(handle->loop);
	free(handle);
}

static void conn_end(uv_stream_t *stream)
{
	if (!uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, on_close);
}

static void on_alloc(uv_handle_t *handle, size_t suggested_size, uv_buf_t *ret_buffer)
{
	*ret_buffer = uv_buf_init(get_memory(suggested_size), (unsigned)suggested_size);
}

static void on_written(uv_write_t *request, int status)
{
	struct write_request *write = (struct write_request *)request;

	if (status < 0)
		conn_end(request->handle);
	free(write->memory);
	free(write);
}

static void write_rest(uv_stream_t *stream, char *memory, size_t off, size_t size)
{
	struct write_request *write = get_memory(sizeof(*write));

	write->memory = memory;
	write->buffer = uv_buf_init(memory + off, (unsigned)(size - off));
	must("uv_write", uv_write(&write->request, stream, &write->buffer, 1, on_written));
}

static void on_read(uv_stream_t *stream, ssize_t received, const uv_buf_t *buffer)
{
	uv_buf_t data;
	int written = 0;

	if (received <= 0) {
		free(buffer->base);
		if (received < 0)
			conn_end(stream);
		return;
	}
	if (server.tries_first) {
		data = uv_buf_init(buffer->base, (unsigned)received);
		written = uv_try_write(stream, &data, 1);
		if (written < 0)
			written = 0; /* UV_EAGAIN; uv_write() tells of what else it was */
		if (written == received) {
			free(buffer->base);
			return;
		}
	}
	write_rest(stream, buffer->base, (size_t)written, (size_t)received);
}

static void on_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *conn = get_memory(sizeof(*conn));

	must("connection", status);
	must("uv_tcp_init", uv_tcp_init(listener->loop, conn));
	if (uv_accept(listener, (uv_stream_t *)conn) < 0) {
		conn_end((uv_stream_t *)conn);
		return;
	}
	must("uv_read_start", uv_read_start((uv_stream_t *)conn, on_alloc, on_read));
}

static void serve(const struct echo_setup *setup, bool tries_first)
{
	uv_loop_t *loop = uv_default_loop();

	server = (struct server){.setup = setup, .tries_first = tries_first};
	must("uv_tcp_init", uv_tcp_init(loop, &server.listener));
	must("uv_tcp_open", uv_tcp_open(&server.listener, setup->listen_fd));
	must("uv_listen", uv_listen((uv_stream_t *)&server.listener, BACKLOG, on_connection));
	uv_run(loop, UV_RUN_DEFAULT);
}

void echo_serve_libuv(const struct echo_setup *setup)
{
	serve(setup, false);
}

void echo_serve_libuv_try(const struct echo_setup *setup)
{
	serve(setup, true);
}
