/* SPDX-License-Identifier: MIT */
/*
 * A file through a socket: its pages go into a pipe and out of it, and are not copied. What lies in the pipe when the
 * socket fails goes with the pipe; the offset counts what has left it.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/scope.h>
#include <aion/sim.h>
#include <aion/splice.h>

#define PIPE_SIZE ((size_t)1 << 20)   /* bytes: what an unprivileged pipe may hold */
#define PIPE_SIZE_MIN ((size_t)65536) /* bytes that a pipe holds anyhow */

struct sending {
	int fd_out;
	int fd_in;
	int64_t off; /* of the next byte that has not left the pipe */
	size_t done;
	int in, out; /* the pipe's ends, to write and to read */
};

/* Of the machine that has the socket. That it holds more is a wish, which a simulated one does not hear. */
static int pipe_open(struct sending *sending, size_t size)
{
	int saved = errno, fds[2], result;

	if (sending->fd_out >= AION_SIM_FD_BASE)
		result = aion_pipe(fds, O_CLOEXEC);
	else
		result = pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0;
	if (result == 0) {
		sending->out = fds[0];
		sending->in = fds[1];
		if (size > PIPE_SIZE_MIN)
			(void)fcntl(fds[1], F_SETPIPE_SZ, (int)PIPE_SIZE);
	}
	errno = saved;
	return result;
}

/* Bytes that are sent already are the call's result, so what follows them is no checkpoint. */
static int64_t step(const struct sending *sending, int fd_in, const int64_t *off, int fd_out, size_t size)
{
	struct aion_op op;

	if (sending->done && aion_cancelled())
		return -ECANCELED;
	aion_op_init(&op);
	aion_op_splice(&op, fd_in, off, fd_out, NULL, size, SPLICE_F_MOVE);
	return sending->done ? aion_op_wait(&op) : aion_await(&op.future);
}

static int64_t drain(struct sending *sending, size_t size)
{
	while (size) {
		int64_t result = step(sending, sending->out, NULL, sending->fd_out, size);

		if (result == -EINTR)
			continue;
		if (result <= 0)
			return result;
		sending->done += (size_t)result;
		sending->off += result;
		size -= (size_t)result;
	}
	return 1;
}

static int64_t send_part(struct sending *sending, size_t size)
{
	int64_t result = 1;

	while (result > 0 && sending->done < size) {
		size_t left = size - sending->done;

		result = step(sending, sending->fd_in, &sending->off, sending->in, left < PIPE_SIZE ? left : PIPE_SIZE);
		if (result > 0)
			result = drain(sending, (size_t)result);
		else if (result == -EINTR)
			result = 1;
	}
	return result;
}

int64_t aion_sendfile(int fd_out, int fd_in, int64_t *off, size_t size)
{
	struct sending sending = {.fd_out = fd_out, .fd_in = fd_in, .in = -1, .out = -1};
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (!off || *off < 0)
		return -EINVAL;
	sending.off = *off;
	result = pipe_open(&sending, size);
	if (result < 0)
		return result;
	result = send_part(&sending, size);
	aion_fd_closep(&sending.in);
	aion_fd_closep(&sending.out);
	*off = sending.off;
	return sending.done ? (int64_t)sending.done : result < 0 ? result : 0;
}
