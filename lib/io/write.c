/* SPDX-License-Identifier: MIT */
/* Writing: what one call takes, or all of it. */
#include <errno.h>

#include <aion/file.h>
#include <aion/scope.h>

#include "position_int.h"

#define SIZE_MAX_ONCE ((size_t)0x7ffff000) /* bytes that one call moves at most */
#define IOV_MAX_NR 1024                    /* vectors that the kernel takes in one call */

/* What a write at the current position says; a short one wants a look at the position. */
static int64_t write_end(int fd, int64_t result, size_t size)
{
	if (__builtin_expect(result > 0 && (size_t)result < size && (size_t)result < SIZE_MAX_ONCE, 0))
		aion__position_settle(fd, result);
	return result;
}

static size_t iov_size(const struct iovec *iov, int iov_nr)
{
	size_t size = 0;

	for (int i = 0; i < iov_nr; i++)
		size += iov[i].iov_len;
	return size;
}

int64_t aion_write(int fd, const void *buf, size_t size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_write(&op, fd, buf, size);
	return write_end(fd, aion_await(&op.future), size);
}

int64_t aion_pwrite(int fd, const void *buf, size_t size, int64_t off)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_pwrite(&op, fd, buf, size, off);
	return aion_await(&op.future);
}

int64_t aion_writev(int fd, const struct iovec *iov, int iov_nr)
{
	struct aion_op op;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_writev(&op, fd, iov, iov_nr);
	result = aion_await(&op.future);
	return result > 0 ? write_end(fd, result, iov_size(iov, iov_nr)) : result;
}

int64_t aion_pwritev(int fd, const struct iovec *iov, int iov_nr, int64_t off)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_pwritev(&op, fd, iov, iov_nr, off);
	return aion_await(&op.future);
}

int64_t aion_pwritev2(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags)
{
	struct aion_op op;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_pwritev2(&op, fd, iov, iov_nr, off, flags);
	result = aion_await(&op.future);
	return result > 0 && off == -1 ? write_end(fd, result, iov_size(iov, iov_nr)) : result;
}

/* ---- until all is written, whatever signals come; a cancellation is not one of them */

static void set_done(size_t *ret_done, size_t done)
{
	if (ret_done)
		*ret_done = done;
}

int64_t aion_write_all(int fd, const void *buf, size_t size, size_t *ret_done)
{
	int64_t result = size ? 0 : aion_checkpoint();
	size_t done = 0;

	while (done < size) {
		result = aion_write(fd, (const char *)buf + done, size - done);
		if (result == -EINTR)
			continue;
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	set_done(ret_done, done);
	if (done < size && result == 0)
		return -EIO;
	return result < 0 ? result : 0;
}

int64_t aion_pwrite_all(int fd, const void *buf, size_t size, int64_t off, size_t *ret_done)
{
	int64_t result = size ? 0 : aion_checkpoint();
	size_t done = 0;

	while (done < size) {
		result = aion_pwrite(fd, (const char *)buf + done, size - done, off + (int64_t)done);
		if (result == -EINTR)
			continue;
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	set_done(ret_done, done);
	if (done < size && result == 0)
		return -EIO;
	return result < 0 ? result : 0;
}

/* Step over the vectors that `done` bytes fill. What is left of `done` lies in the first of those that remain. */
static size_t iov_skip(const struct iovec **iov, int *iov_nr, size_t done)
{
	while (*iov_nr > 0 && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*iov_nr)--;
	}
	return done;
}

/* The array is the caller's and stays as it is, so a vector that was written in part is completed by itself. */
int64_t aion_writev_all(int fd, const struct iovec *iov, int iov_nr, size_t *ret_done)
{
	int64_t result = aion_checkpoint();
	size_t done = 0;
	size_t part;

	if (result == 0 && iov_nr < 0)
		result = -EINVAL;
	iov_skip(&iov, &iov_nr, 0);
	while ((result >= 0 || result == -EINTR) && iov_nr > 0) {
		result = aion_writev(fd, iov, iov_nr < IOV_MAX_NR ? iov_nr : IOV_MAX_NR);
		if (result == 0)
			result = -EIO;
		if (result < 0)
			continue;
		done += (size_t)result;
		part = iov_skip(&iov, &iov_nr, (size_t)result);
		if (part) {
			size_t more;

			result = aion_write_all(fd, (const char *)iov->iov_base + part, iov->iov_len - part, &more);
			done += more;
			iov_skip(&iov, &iov_nr, iov->iov_len);
		}
	}
	set_done(ret_done, done);
	return result < 0 ? result : 0;
}
