/* SPDX-License-Identifier: MIT */
/* Extended attributes. */
#include <aion/xattr.h>

#include "op_file_int.h"

void aion_op_getxattr(struct aion_op *op, const char *path, const char *name, void *value, size_t size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_GETXATTR, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_getxattr(sqe, name, value, path, aion__op_size(size));
	aion__op_commit(op, sqe);
}

void aion_op_fgetxattr(struct aion_op *op, int fd, const char *name, void *value, size_t size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_FGETXATTR, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_fgetxattr(sqe, fd, name, value, aion__op_size(size));
	aion__op_commit(op, sqe);
}

void aion_op_setxattr(struct aion_op *op, const char *path, const char *name, const void *value, size_t size, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SETXATTR, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_setxattr(sqe, name, (const char *)value, path, flags, aion__op_size(size));
	aion__op_commit(op, sqe);
}

void aion_op_fsetxattr(struct aion_op *op, int fd, const char *name, const void *value, size_t size, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_FSETXATTR, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_fsetxattr(sqe, fd, name, (const char *)value, flags, aion__op_size(size));
	aion__op_commit(op, sqe);
}
