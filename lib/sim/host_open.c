/* SPDX-License-Identifier: MIT */
/*
 * Opening on the real machine, where a named pipe may keep open(2) waiting for its other end. So everything that could
 * is opened with O_NONBLOCK, which is taken off again, and a pipe's reader looks by itself whether a writer has come.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec_int.h"
#include "sim_host_int.h"

/* What the entry asks for, and a copy of it that does not wait. */
struct host_open {
	struct io_uring_sqe sqe;
	struct open_how how;
	uint64_t flags; /* wanted */
};

/* False: it cannot wait, or is refused for what is in it. */
static bool open_prepare(const struct io_uring_sqe *sqe, struct host_open *open)
{
	open->sqe = *sqe;
	if (sqe->opcode == IORING_OP_OPENAT) {
		open->flags = sqe->open_flags;
		open->sqe.open_flags |= O_NONBLOCK;
	} else {
		if (sqe->len != sizeof(open->how) || sqe->off < AION__HOST_ADDRESS_LOWEST)
			return false;
		aion__sim_copy_from_program(&open->how, (const void *)(uintptr_t)sqe->off, sizeof(open->how));
		open->flags = open->how.flags;
		open->how.flags |= O_NONBLOCK;
		open->sqe.off = (uintptr_t)&open->how;
	}
	return !(open->flags & (O_NONBLOCK | O_PATH | O_DIRECTORY));
}

/* See fifo_waits() in open.c. */
static bool open_waits(const struct host_open *open)
{
	return open->sqe.flags & IOSQE_ASYNC || open->flags & (O_CREAT | O_TRUNC);
}

static bool is_named_pipe(int dirfd, const char *path)
{
	struct stat status;

	return fstatat(dirfd, path, &status, *path ? 0 : AT_EMPTY_PATH) == 0 && S_ISFIFO(status.st_mode);
}

/*
 * Whether a writer has come to a pipe that was opened without: he left something, he has gone again, or he is there and
 * has not written yet. The last shows only in what reading would say, which is asked by tee(2), which takes nothing.
 */
static bool has_writer_come(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	bool is_there = true;
	int pipe_fds[2];

	if (poll(&poll_fd, 1, 0) == 0 && pipe2(pipe_fds, O_CLOEXEC) == 0) {
		is_there = tee(fd, pipe_fds[1], 1, SPLICE_F_NONBLOCK) != 0;
		close(pipe_fds[0]);
		close(pipe_fds[1]);
	}
	return is_there;
}

static int64_t open_begin(struct aion__sim_request *request)
{
	const char *path = (const char *)(uintptr_t)request->sqe.addr;
	struct host_open open;
	int64_t fd;

	if (!open_prepare(&request->sqe, &open))
		return aion__exec_blocking(&request->sqe);
	fd = aion__exec_blocking(&open.sqe);
	if (fd == -ENXIO && open_waits(&open) && is_named_pipe(open.sqe.fd, path))
		return AION__SIM_LATER;
	if (fd < 0)
		return fd;
	fcntl((int)fd, F_SETFL, (int)open.flags);
	if ((open.flags & O_ACCMODE) != O_RDONLY || !open_waits(&open) || !is_named_pipe((int)fd, ""))
		return fd;
	request->a = fd + 1;
	return AION__SIM_LATER;
}

int64_t aion__sim_host_open(struct aion__sim_request *request)
{
	int saved = errno;
	int64_t result = AION__SIM_LATER;

	if (!request->a)
		result = open_begin(request);
	if (request->a && has_writer_come((int)request->a - 1)) {
		result = request->a - 1;
		request->a = 0;
	}
	errno = saved;
	return result;
}

void aion__sim_host_open_abandon(struct aion__sim_request *request)
{
	int saved = errno;

	if (request->a)
		close((int)request->a - 1);
	request->a = 0;
	errno = saved;
}
