/* SPDX-License-Identifier: MIT */
/* A stream socket's two directions, and its end. */
#include <errno.h>
#include <sys/socket.h>

#include <aion/conn.h>
#include <aion/file.h>
#include <aion/socket.h>

#include "assert_int.h"
#include "closers_int.h"

int aion_conn_open(struct aion_conn *conn, int fd)
{
	AION_BUG_ON(conn->is_open || conn->is_closing, "connection opened while open");
	conn->closers = NULL;
	conn->fd = fd;
	conn->is_open = true;
	aion_outlet_open(&conn->outlet, fd);
	return aion_inlet_open(&conn->inlet, fd);
}

int64_t aion_conn_recv(struct aion_conn *conn, struct aion_buffer **ret_buffer)
{
	return aion_inlet_next(&conn->inlet, ret_buffer);
}

int64_t aion_conn_try_recv(struct aion_conn *conn, struct aion_buffer **ret_buffer)
{
	return aion_inlet_try_next(&conn->inlet, ret_buffer);
}

int64_t aion_conn_read(struct aion_conn *conn, void *buf, size_t size)
{
	return aion_inlet_read(&conn->inlet, buf, size);
}

int64_t aion_conn_read_exact(struct aion_conn *conn, void *buf, size_t size, size_t *ret_done)
{
	size_t done = 0;
	int64_t result;

	do {
		result = aion_inlet_read(&conn->inlet, (char *)buf + done, size - done);
		if (result > 0)
			done += (size_t)result;
	} while (result > 0 && done < size);
	if (ret_done)
		*ret_done = done;
	if (result < 0)
		return result;
	return done == size ? 0 : -ENODATA;
}

int64_t aion_conn_send_all(struct aion_conn *conn, const void *buf, size_t size, size_t *ret_done)
{
	return aion_outlet_send_all(&conn->outlet, buf, size, ret_done);
}

int64_t aion_conn_sendv_all(struct aion_conn *conn, const struct iovec *iov, int iov_nr, size_t *ret_done)
{
	return aion_outlet_sendv_all(&conn->outlet, iov, iov_nr, ret_done);
}

int64_t aion_conn_send_buffer(struct aion_conn *conn, struct aion_buffer *buffer)
{
	int64_t result = aion_outlet_send_all(&conn->outlet, buffer->data, buffer->size, NULL);

	aion_buffer_release(buffer);
	return result;
}

int64_t aion_conn_write(struct aion_conn *conn, const void *buf, size_t size)
{
	return aion_outlet_write(&conn->outlet, buf, size);
}

int64_t aion_conn_writev(struct aion_conn *conn, const struct iovec *iov, int iov_nr)
{
	return aion_outlet_writev(&conn->outlet, iov, iov_nr);
}

int64_t aion_conn_flush(struct aion_conn *conn)
{
	return aion_outlet_flush(&conn->outlet);
}

int aion_conn_shutdown(struct aion_conn *conn)
{
	return aion_outlet_shutdown(&conn->outlet);
}

void aion_conn_close(struct aion_conn *conn)
{
	if (conn->is_closing) {
		aion__closers_wait(&conn->closers);
		return;
	}
	if (!conn->is_open)
		return;
	conn->is_open = false;
	conn->is_closing = true;
	/* Both directions first: whoever waits is woken before anything is waited for. */
	aion_inlet_stop(&conn->inlet);
	aion_outlet_close(&conn->outlet);
	aion_inlet_close(&conn->inlet);
	aion_close(conn->fd);
	conn->is_closing = false;
	aion__closers_wake(conn->closers);
}

void aion_conn_abort(struct aion_conn *conn)
{
	const struct linger linger = {.l_onoff = 1};

	if (conn->is_open)
		aion_setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	aion_conn_close(conn);
}
