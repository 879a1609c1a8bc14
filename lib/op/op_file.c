/* SPDX-License-Identifier: MIT */
/* Opening files, and what is done to a file as a whole: its size, its space, what is cached of it. */
#include <fcntl.h>

#include <aion/file.h>

#include "op_file_int.h"

/*
 * io_uring tries an open with O_NONBLOCK first. On a named pipe that succeeds, or says -ENXIO, without waiting for the
 * other end, which open(2) does: where the path may be one, the entry goes straight to a worker of the kernel's. What
 * is cached is opened faster without the ring, see aion_try_openat2(), as aion_openat() does.
 */
static uint8_t open_entry_flags(uint64_t flags)
{
	if (flags & (O_NONBLOCK | O_PATH | O_DIRECTORY) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return 0;
	return IOSQE_ASYNC;
}

void aion_op_openat(struct aion_op *op, int dirfd, const char *path, int flags, mode_t mode)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_OPENAT, -1, AION__OP_RESULT_FD);

	if (!sqe)
		return;
	io_uring_prep_openat(sqe, dirfd, path, flags, mode);
	sqe->flags |= open_entry_flags((uint64_t)(unsigned)flags);
	aion__op_commit(op, sqe);
}

void aion_op_openat2(struct aion_op *op, int dirfd, const char *path, const struct open_how *how, size_t how_size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_OPENAT2, -1, AION__OP_RESULT_FD);

	if (!sqe)
		return;
	io_uring_prep_openat2(sqe, dirfd, path, (struct open_how *)(uintptr_t)how);
	sqe->len = aion__op_size(how_size);
	sqe->flags |= open_entry_flags(how ? how->flags : 0);
	aion__op_commit(op, sqe);
}

static void op_fsync(struct aion_op *op, int fd, unsigned flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_FSYNC, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_fsync(sqe, fd, flags);
	aion__op_commit(op, sqe);
}

void aion_op_fsync(struct aion_op *op, int fd)
{
	op_fsync(op, fd, 0);
}

void aion_op_fdatasync(struct aion_op *op, int fd)
{
	op_fsync(op, fd, IORING_FSYNC_DATASYNC);
}

/*
 * The kernel reads 32 bits of a length here, and 64 bits from another field in newer versions, which cannot be probed
 * for. A longer one is left to a worker thread, with the length in that field.
 */
static bool is_long(uint64_t size)
{
	return size > UINT32_MAX;
}

static struct io_uring_sqe *op_prepare_sized(struct aion_op *op, unsigned opcode, int fd, uint64_t size)
{
	if (aion__likely(!is_long(size)))
		return aion__op_prepare(op, opcode, fd, 0);
	AION_BUG_ON(op->future.state == AION__OP_IN_FLIGHT, "operation started while in flight");
	return aion__op_prepare_slow(op, opcode, fd, 0);
}

void aion_op_sync_file_range(struct aion_op *op, int fd, int64_t off, int64_t size, unsigned flags)
{
	struct io_uring_sqe *sqe = op_prepare_sized(op, IORING_OP_SYNC_FILE_RANGE, fd, (uint64_t)size);

	if (!sqe)
		return;
	io_uring_prep_sync_file_range(sqe, fd, (unsigned)size, (uint64_t)off, (int)flags);
	if (is_long((uint64_t)size))
		sqe->addr = (uint64_t)size;
	aion__op_commit(op, sqe);
}

void aion_op_fadvise(struct aion_op *op, int fd, int64_t off, int64_t size, int advice)
{
	struct io_uring_sqe *sqe = op_prepare_sized(op, IORING_OP_FADVISE, fd, (uint64_t)size);

	if (!sqe)
		return;
	io_uring_prep_fadvise(sqe, fd, (uint64_t)off, (off_t)size, advice);
	if (is_long((uint64_t)size))
		sqe->addr = (uint64_t)size;
	aion__op_commit(op, sqe);
}

void aion_op_madvise(struct aion_op *op, void *address, size_t size, int advice)
{
	struct io_uring_sqe *sqe = op_prepare_sized(op, IORING_OP_MADVISE, -1, size);

	if (!sqe)
		return;
	io_uring_prep_madvise(sqe, address, (off_t)size, advice);
	if (is_long(size))
		sqe->off = size;
	aion__op_commit(op, sqe);
}

void aion_op_fallocate(struct aion_op *op, int fd, int mode, int64_t off, int64_t size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_FALLOCATE, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_fallocate(sqe, fd, mode, (off_t)off, (off_t)size);
	aion__op_commit(op, sqe);
}

void aion_op_ftruncate(struct aion_op *op, int fd, int64_t size)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, AION__OP_FTRUNCATE, fd, 0);

	if (!sqe)
		return;
	io_uring_prep_rw(AION__OP_FTRUNCATE, sqe, fd, NULL, 0, (uint64_t)size);
	aion__op_commit(op, sqe);
}
