/* SPDX-License-Identifier: MIT */
/* Calls about sockets and pipes that never block, for which the ring has no entry. */
#include "exec_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void *to_ptr(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static int call(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case AION__CALL_GETSOCKOPT:
		return getsockopt(sqe->fd, (int)sqe->len, sqe->rw_flags, to_ptr(sqe->addr), to_ptr(sqe->off));
	case AION__CALL_SETSOCKOPT:
		return setsockopt(sqe->fd, (int)sqe->len, sqe->rw_flags, to_ptr(sqe->addr), (socklen_t)sqe->off);
	case AION__CALL_GETSOCKNAME:
		return getsockname(sqe->fd, to_ptr(sqe->addr), to_ptr(sqe->off));
	case AION__CALL_GETPEERNAME:
		return getpeername(sqe->fd, to_ptr(sqe->addr), to_ptr(sqe->off));
	case AION__CALL_SOCKETPAIR:
		return socketpair(sqe->fd, sqe->rw_flags, (int)sqe->len, to_ptr(sqe->addr));
	case AION__CALL_PIPE:
		return pipe2(to_ptr(sqe->addr), sqe->rw_flags);
	default:
		errno = EOPNOTSUPP;
		return -1;
	}
}

int64_t aion__exec_call(const struct io_uring_sqe *sqe)
{
	int saved = errno;
	int64_t result = call(sqe);

	if (result < 0)
		result = -errno;
	errno = saved;
	return result;
}
