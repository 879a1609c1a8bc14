/* SPDX-License-Identifier: MIT */
/* The transport of a stream over a connection, which lends what it receives. */
#include <aion/conn.h>

#include "stream_int.h"

static AION_SUSPENDS int64_t conn_read(void *arg, void *buf, size_t size)
{
	return aion_conn_read(arg, buf, size);
}

static AION_SUSPENDS int64_t conn_recv(void *arg, struct aion_buffer **ret_buffer)
{
	return aion_conn_recv(arg, ret_buffer);
}

static int64_t conn_try_recv(void *arg, struct aion_buffer **ret_buffer)
{
	return aion_conn_try_recv(arg, ret_buffer);
}

static AION_SUSPENDS int64_t conn_writev(void *arg, const struct iovec *iov, int iov_nr)
{
	size_t done = 0;
	int64_t result;

	if (iov_nr == 1)
		result = aion_conn_send_all(arg, iov->iov_base, iov->iov_len, &done);
	else
		result = aion_conn_sendv_all(arg, iov, iov_nr, &done);
	return done ? (int64_t)done : result;
}

static AION_SUSPENDS int64_t conn_write_eof(void *arg)
{
	int result = aion_conn_shutdown(arg);

	return result < 0 ? result : aion_conn_flush(arg);
}

static AION_SUSPENDS int64_t conn_close(void *arg)
{
	aion_conn_close(arg);
	return 0;
}

static const struct aion_stream_transport transport = {
	.read = conn_read,
	.recv = conn_recv,
	.try_recv = conn_try_recv,
	.writev = conn_writev,
	.write_eof = conn_write_eof,
	.close = conn_close,
};

static const struct aion_stream_transport transport_kept = {
	.read = conn_read,
	.recv = conn_recv,
	.try_recv = conn_try_recv,
	.writev = conn_writev,
	.write_eof = conn_write_eof,
};

int aion_stream_open_conn(struct aion_stream *stream, struct aion_conn *conn, const struct aion_stream_options *options)
{
	bool is_kept = options && options->keeps_open;

	return aion_stream_open_transport(stream, is_kept ? &transport_kept : &transport, conn, options);
}
