/* SPDX-License-Identifier: MIT */
/* Moving data between descriptors. An operation can be listed under one of its two only: the one that is a pipe. */
#include <aion/splice.h>

#include "op_file_int.h"

/* No offset is -1 in an entry. One that splice(2) would refuse must be refused here too. */
static int64_t splice_off(const int64_t *off)
{
	return off ? aion__op_off(*off) : -1;
}

void aion_op_splice(struct aion_op *op, int fd_in, const int64_t *off_in, int fd_out, const int64_t *off_out,
		    size_t size, unsigned flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SPLICE, off_in ? fd_out : fd_in, 0);

	if (!sqe)
		return;
	io_uring_prep_splice(sqe, fd_in, splice_off(off_in), fd_out, splice_off(off_out), aion__op_size(size), flags);
	aion__op_commit(op, sqe);
}

void aion_op_tee(struct aion_op *op, int fd_in, int fd_out, size_t size, unsigned flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_TEE, fd_in, 0);

	if (!sqe)
		return;
	io_uring_prep_tee(sqe, fd_in, fd_out, aion__op_size(size), flags);
	aion__op_commit(op, sqe);
}

int aion_pipe(int ret_fds[2], int flags)
{
	return aion__op_call_now(AION__CALL_PIPE, -1, 0, flags, ret_fds, 0);
}
