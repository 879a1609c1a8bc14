/* SPDX-License-Identifier: MIT */
/* Names in directories. A directory's descriptor is only a place to start from, so nothing here is listed under it. */
#include <sys/stat.h>

#include <aion/dir.h>

#include "op_file_int.h"

void aion_op_statx(struct aion_op *op, int dirfd, const char *path, int flags, unsigned mask, struct statx *ret_statx)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_STATX, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_statx(sqe, dirfd, path, flags, mask, ret_statx);
	aion__op_commit(op, sqe);
}

void aion_op_renameat2(struct aion_op *op, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
		       unsigned flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_RENAMEAT, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_renameat(sqe, old_dirfd, old_path, new_dirfd, new_path, flags);
	aion__op_commit(op, sqe);
}

void aion_op_unlinkat(struct aion_op *op, int dirfd, const char *path, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_UNLINKAT, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_unlinkat(sqe, dirfd, path, flags);
	aion__op_commit(op, sqe);
}

void aion_op_mkdirat(struct aion_op *op, int dirfd, const char *path, mode_t mode)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_MKDIRAT, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_mkdirat(sqe, dirfd, path, mode);
	aion__op_commit(op, sqe);
}

void aion_op_linkat(struct aion_op *op, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
		    int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_LINKAT, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_linkat(sqe, old_dirfd, old_path, new_dirfd, new_path, flags);
	aion__op_commit(op, sqe);
}

void aion_op_symlinkat(struct aion_op *op, const char *target, int new_dirfd, const char *link_path)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_SYMLINKAT, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_symlinkat(sqe, target, new_dirfd, link_path);
	aion__op_commit(op, sqe);
}
