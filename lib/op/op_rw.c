/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing: by the ring, or at once if nothing has to be waited for. Offset -1 is the current position, as
 * io_uring has it.
 */
#include <errno.h>
#include <sys/uio.h>

#include <aion/file.h>

#include "op_file_int.h"

#define CURRENT_POSITION INT64_C(-1)

static inline __attribute__((always_inline)) void op_read(struct aion_op *op, int fd, void *buf, size_t size,
							  int64_t off)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_READ, fd, AION__OP_RETRY | AION__OP_FILLS);

	if (!sqe)
		return;
	io_uring_prep_read(sqe, fd, buf, aion__op_size(size), (uint64_t)off);
	aion__op_commit(op, sqe);
}

void aion_op_read(struct aion_op *op, int fd, void *buf, size_t size)
{
	op_read(op, fd, buf, size, CURRENT_POSITION);
}

void aion_op_pread(struct aion_op *op, int fd, void *buf, size_t size, int64_t off)
{
	op_read(op, fd, buf, size, aion__op_off(off));
}

static inline __attribute__((always_inline)) void op_readv(struct aion_op *op, int fd, const struct iovec *iov,
							   int iov_nr, int64_t off, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_READV, fd, AION__OP_RETRY);

	if (!sqe)
		return;
	io_uring_prep_readv2(sqe, fd, iov, (unsigned)iov_nr, (uint64_t)off, flags);
	aion__op_commit(op, sqe);
}

void aion_op_readv(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr)
{
	op_readv(op, fd, iov, iov_nr, CURRENT_POSITION, 0);
}

void aion_op_preadv(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off)
{
	op_readv(op, fd, iov, iov_nr, aion__op_off(off), 0);
}

void aion_op_preadv2(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags)
{
	op_readv(op, fd, iov, iov_nr, off, flags);
}

static inline __attribute__((always_inline)) void op_write(struct aion_op *op, int fd, const void *buf, size_t size,
							   int64_t off)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_WRITE, fd, AION__OP_RETRY);

	if (!sqe)
		return;
	io_uring_prep_write(sqe, fd, buf, aion__op_size(size), (uint64_t)off);
	aion__op_commit(op, sqe);
}

void aion_op_write(struct aion_op *op, int fd, const void *buf, size_t size)
{
	op_write(op, fd, buf, size, CURRENT_POSITION);
}

void aion_op_pwrite(struct aion_op *op, int fd, const void *buf, size_t size, int64_t off)
{
	op_write(op, fd, buf, size, aion__op_off(off));
}

static inline __attribute__((always_inline)) void op_writev(struct aion_op *op, int fd, const struct iovec *iov,
							    int iov_nr, int64_t off, int flags)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_WRITEV, fd, AION__OP_RETRY);

	if (!sqe)
		return;
	io_uring_prep_writev2(sqe, fd, iov, (unsigned)iov_nr, (uint64_t)off, flags);
	aion__op_commit(op, sqe);
}

void aion_op_writev(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr)
{
	op_writev(op, fd, iov, iov_nr, CURRENT_POSITION, 0);
}

void aion_op_pwritev(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off)
{
	op_writev(op, fd, iov, iov_nr, aion__op_off(off), 0);
}

void aion_op_pwritev2(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags)
{
	op_writev(op, fd, iov, iov_nr, off, flags);
}

/* ---- at once */

int64_t aion_try_pread(int fd, void *buf, size_t size, int64_t off)
{
	struct aion__engine *engine;
	struct io_uring_sqe sqe;
	int result = aion__op_try_begin(&engine);

	if (aion__unlikely(result < 0))
		return result;
	if (aion__unlikely(off < 0))
		return -EINVAL;
	io_uring_prep_read(&sqe, fd, buf, aion__op_size(size), (uint64_t)off);
	return aion__op_try(engine, &sqe);
}

int64_t aion_try_preadv2(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags)
{
	struct aion__engine *engine;
	struct io_uring_sqe sqe;
	int result = aion__op_try_begin(&engine);

	if (aion__unlikely(result < 0))
		return result;
	io_uring_prep_readv2(&sqe, fd, iov, (unsigned)iov_nr, (uint64_t)off, flags);
	return aion__op_try(engine, &sqe);
}

int64_t aion_try_openat2(int dirfd, const char *path, const struct open_how *how, size_t how_size)
{
	struct aion__engine *engine;
	struct io_uring_sqe sqe;
	int64_t result = aion__op_try_begin(&engine);

	if (aion__unlikely(result < 0))
		return result;
	io_uring_prep_openat2(&sqe, dirfd, path, (struct open_how *)(uintptr_t)how);
	sqe.len = aion__op_size(how_size);
	result = aion__op_try(engine, &sqe);
	/* The ring may know the call where the process does not: old filters of system calls, valgrind. */
	return result == -ENOSYS ? -EAGAIN : result;
}
