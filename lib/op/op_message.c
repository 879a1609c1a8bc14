/* SPDX-License-Identifier: MIT */
/* Sending and receiving: by the ring, or at once if nothing has to be waited for; and what comes with descriptors. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include <aion/message.h>

#include "op_file_int.h"
#include "syscall_int.h"

/* ---- sending */

static inline __attribute__((always_inline)) void op_send(struct aion_op *op, int fd, const void *buf, size_t size,
							  int flags, const struct sockaddr *address,
							  socklen_t address_size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SEND, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_send(sqe, fd, buf, aion__op_size(size), flags);
	if (address) {
		io_uring_prep_send_set_addr(sqe, address, (uint16_t)address_size);
		sqe->flags |= aion__op_peer_flags(address, address_size);
	}
	aion__op_commit(op, sqe);
}

void aion_op_send(struct aion_op *op, int fd, const void *buf, size_t size, int flags)
{
	op_send(op, fd, buf, size, flags, NULL, 0);
}

void aion_op_sendto(struct aion_op *op, int fd, const void *buf, size_t size, int flags, const struct sockaddr *address,
		    socklen_t address_size)
{
	op_send(op, fd, buf, size, flags, address, address_size);
}

void aion_op_sendmsg(struct aion_op *op, int fd, const struct msghdr *message, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SENDMSG, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_sendmsg(sqe, fd, message, (unsigned)flags);
	sqe->flags |= aion__op_peer_flags(message->msg_name, message->msg_namelen);
	aion__op_commit(op, sqe);
}

void aion_op_send_zc(struct aion_op *op, int fd, const void *buf, size_t size, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SEND_ZC, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_send_zc(sqe, fd, buf, aion__op_size(size), flags, 0);
	aion__op_commit(op, sqe);
}

void aion_op_sendmsg_zc(struct aion_op *op, int fd, const struct msghdr *message, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SENDMSG_ZC, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_sendmsg_zc(sqe, fd, message, (unsigned)flags);
	aion__op_commit(op, sqe);
}

/* ---- receiving */

void aion_op_recv(struct aion_op *op, int fd, void *buf, size_t size, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_RECV, fd, AION__OP_FILLS);

	if (!sqe)
		return;
	io_uring_prep_recv(sqe, fd, buf, aion__op_size(size), flags);
	aion__op_commit(op, sqe);
}

void aion_op_recvmsg(struct aion_op *op, int fd, struct msghdr *message, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_RECVMSG, fd, AION__OP_RESULT_FDS);

	if (!sqe)
		return;
	io_uring_prep_recvmsg(sqe, fd, message, (unsigned)flags);
	aion__op_commit(op, sqe);
}

static void fd_close(struct aion__engine *engine, int fd)
{
	if (engine)
		aion__ring_call_fd(&engine->ring, AION__CALL_CLOSE, fd);
	else
		aion__syscall6(SYS_close, fd, 0, 0, 0, 0, 0);
}

static void message_close_fds(struct aion__engine *engine, struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		size_t nr = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
			fd_close(engine, fd);
		}
	}
}

void aion__op_drop_result(struct aion__engine *engine, const struct aion_op *op)
{
	if (op->future.flags & AION__OP_RESULT_FD)
		fd_close(engine, (int)op->future.result);
	else
		message_close_fds(engine, (struct msghdr *)(uintptr_t)op->addr);
}

/* ---- at once */

int64_t aion_try_send(int fd, const void *buf, size_t size, int flags)
{
	struct aion__engine *engine;
	struct io_uring_sqe sqe;
	int result = aion__op_try_begin(&engine);

	if (aion__unlikely(result < 0))
		return result;
	io_uring_prep_send(&sqe, fd, buf, aion__op_size(size), flags);
	return aion__op_try(engine, &sqe);
}

int64_t aion_try_recv(int fd, void *buf, size_t size, int flags)
{
	struct aion__engine *engine;
	struct io_uring_sqe sqe;
	int result = aion__op_try_begin(&engine);

	if (aion__unlikely(result < 0))
		return result;
	io_uring_prep_recv(&sqe, fd, buf, aion__op_size(size), flags);
	return aion__op_try(engine, &sqe);
}

int64_t aion_try_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct aion__engine *engine;
	struct io_uring_sqe sqe;
	int result = aion__op_try_begin(&engine);

	if (aion__unlikely(result < 0))
		return result;
	io_uring_prep_sendmsg(&sqe, fd, message, (unsigned)flags);
	return aion__op_try(engine, &sqe);
}

int64_t aion_try_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct aion__engine *engine;
	struct io_uring_sqe sqe;
	int result = aion__op_try_begin(&engine);

	if (aion__unlikely(result < 0))
		return result;
	io_uring_prep_recvmsg(&sqe, fd, message, (unsigned)flags);
	return aion__op_try(engine, &sqe);
}
