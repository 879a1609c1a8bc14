/* SPDX-License-Identifier: MIT */
/* The transport of a stream of descriptors. One with O_NONBLOCK says -EAGAIN, and is polled then. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <aion/file.h>
#include <aion/poll.h>
#include <aion/socket.h>

#include "stream_int.h"

static AION_SUSPENDS int64_t fd_wait_for(int fd, unsigned events)
{
	int64_t result = aion_poll(fd, events);

	return result < 0 ? result : 0;
}

static AION_SUSPENDS int64_t fd_wait(void *arg)
{
	struct aion_stream *stream = arg;

	return fd_wait_for(stream->read_fd, POLLIN);
}

static AION_SUSPENDS int64_t fd_read(void *arg, void *buf, size_t size)
{
	struct aion_stream *stream = arg;
	int64_t result;

	while ((result = aion_read(stream->read_fd, buf, size)) == -EAGAIN) {
		result = fd_wait_for(stream->read_fd, POLLIN);
		if (result < 0)
			break;
	}
	return result;
}

static AION_SUSPENDS int64_t fd_writev(void *arg, const struct iovec *iov, int iov_nr)
{
	struct aion_stream *stream = arg;
	int64_t result;

	for (;;) {
		if (iov_nr == 1)
			result = aion_write(stream->write_fd, iov->iov_base, iov->iov_len);
		else
			result = aion_writev(stream->write_fd, iov, iov_nr);
		if (result != -EAGAIN)
			return result;
		result = fd_wait_for(stream->write_fd, POLLOUT);
		if (result < 0)
			return result;
	}
}

static AION_SUSPENDS int64_t fd_write_eof(void *arg)
{
	struct aion_stream *stream = arg;
	int fd = stream->write_fd;

	if (fd != stream->read_fd) {
		if (stream->options.keeps_open)
			return -EOPNOTSUPP;
		stream->write_fd = -1;
		return aion_close(fd);
	}
	return aion_shutdown(fd, SHUT_WR);
}

static AION_SUSPENDS int64_t fd_close(void *arg)
{
	struct aion_stream *stream = arg;
	int64_t result = 0, read_result = 0;

	if (stream->options.keeps_open)
		return 0;
	if (stream->read_fd >= 0 && stream->read_fd != stream->write_fd)
		read_result = aion_close(stream->read_fd);
	if (stream->write_fd >= 0)
		result = aion_close(stream->write_fd);
	return result < 0 ? result : read_result;
}

const struct aion_stream_transport aion__stream_fd_transport = {
	.read = fd_read,
	.wait = fd_wait,
	.writev = fd_writev,
	.write_eof = fd_write_eof,
	.close = fd_close,
};
