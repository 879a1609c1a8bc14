/* SPDX-License-Identifier: MIT */
/*
 * Sockets: by the ring, or by a plain call where nothing can be waited for. Linux before 6.11 binds and listens on a worker
 * thread: a unix path is a file to be made.
 */
#include <errno.h>

#include <aion/socket.h>

#include "exec_int.h"
#include "op_file_int.h"

void aion_op_socket(struct aion_op *op, int domain, int type, int protocol)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SOCKET, -1, AION__OP_RESULT_FD);

	if (!sqe)
		return;
	io_uring_prep_socket(sqe, domain, type, protocol, 0);
	aion__op_commit(op, sqe);
}

void aion_op_bind(struct aion_op *op, int fd, const struct sockaddr *address, socklen_t address_size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, AION__OP_BIND, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_rw(AION__OP_BIND, sqe, fd, address, 0, address_size);
	aion__op_commit(op, sqe);
}

void aion_op_listen(struct aion_op *op, int fd, int backlog)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, AION__OP_LISTEN, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_rw(AION__OP_LISTEN, sqe, fd, NULL, (unsigned)backlog, 0);
	aion__op_commit(op, sqe);
}

void aion_op_accept4(struct aion_op *op, int fd, struct sockaddr *address, socklen_t *address_size, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_ACCEPT, fd, AION__OP_RESULT_FD);

	if (!sqe)
		return;
	io_uring_prep_accept(sqe, fd, address, address_size, flags);
	aion__op_commit(op, sqe);
}

void aion_op_accept(struct aion_op *op, int fd, struct sockaddr *address, socklen_t *address_size)
{
	aion_op_accept4(op, fd, address, address_size, 0);
}

void aion_op_connect(struct aion_op *op, int fd, const struct sockaddr *address, socklen_t address_size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_CONNECT, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_connect(sqe, fd, address, address_size);
	sqe->flags |= aion__op_peer_flags(address, address_size);
	aion__op_commit(op, sqe);
}

void aion_op_shutdown(struct aion_op *op, int fd, int how)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SHUTDOWN, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_shutdown(sqe, fd, how);
	aion__op_commit(op, sqe);
}

/* ---- at once */

/* On the loop's machine; where no loop runs, and in what a fork has left of one, on the process's. */
int aion__op_call_now(unsigned opcode, int fd, int level, int name, const void *address, uint64_t size)
{
	struct aion__engine *engine = aion__engine;
	struct io_uring_sqe sqe;

	io_uring_prep_rw((int)opcode, &sqe, fd, address, (unsigned)level, size);
	sqe.rw_flags = name;
	if (!engine || !aion__ring_is_alive(&engine->ring))
		return (int)aion__exec_call(&sqe);
	return (int)engine->ring.backend->call(&engine->ring, &sqe);
}

int aion_socketpair(int domain, int type, int protocol, int ret_fds[2])
{
	return aion__op_call_now(AION__CALL_SOCKETPAIR, domain, protocol, type, ret_fds, 0);
}

int aion_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	return aion__op_call_now(AION__CALL_GETSOCKOPT, fd, level, name, value, (uintptr_t)size);
}

int aion_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return aion__op_call_now(AION__CALL_SETSOCKOPT, fd, level, name, value, size);
}

int aion_getsockname(int fd, struct sockaddr *address, socklen_t *address_size)
{
	return aion__op_call_now(AION__CALL_GETSOCKNAME, fd, 0, 0, address, (uintptr_t)address_size);
}

int aion_getpeername(int fd, struct sockaddr *address, socklen_t *address_size)
{
	return aion__op_call_now(AION__CALL_GETPEERNAME, fd, 0, 0, address, (uintptr_t)address_size);
}
