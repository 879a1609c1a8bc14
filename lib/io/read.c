/* SPDX-License-Identifier: MIT */
/*
 * Reading. A positioned read first takes what the page cache has, without the ring: for one read at a time that is half
 * the cost. Where the kernel cannot tell, or would have to wait, the ring does the rest.
 */
#include <errno.h>
#include <sys/uio.h>

#include <aion/file.h>
#include <aion/scope.h>

#define SIZE_MAX_ONCE ((size_t)0x7ffff000) /* bytes that one call moves at most */

int64_t aion_read(int fd, void *buf, size_t size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_read(&op, fd, buf, size);
	return aion_await(&op.future);
}

int64_t aion_readv(int fd, const struct iovec *iov, int iov_nr)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_readv(&op, fd, iov, iov_nr);
	return aion_await(&op.future);
}

static int64_t pread_by_ring(int fd, void *buf, size_t size, int64_t off)
{
	struct aion_op op;

	aion_op_init(&op);
	aion_op_pread(&op, fd, buf, size, off);
	return aion_await(&op.future);
}

static int is_for_the_ring(int64_t result)
{
	return result == -EAGAIN || result == -EOPNOTSUPP;
}

/* A try gave `got`, which is not all. Bytes that have come are the result, whatever comes after them; so what does is
 * no checkpoint. */
static __attribute__((noinline)) int64_t pread_rest(int fd, char *buf, size_t size, int64_t off, int64_t got)
{
	size_t done = 0;

	if (size > SIZE_MAX_ONCE)
		size = SIZE_MAX_ONCE;
	while (got > 0) {
		done += (size_t)got;
		if (done >= size)
			return (int64_t)done;
		got = aion_try_pread(fd, buf + done, size - done, off + (int64_t)done);
	}
	if (!done)
		return is_for_the_ring(got) ? pread_by_ring(fd, buf, size, off) : got;
	if (is_for_the_ring(got)) {
		struct aion_op op;

		aion_op_init(&op);
		aion_op_pread(&op, fd, buf + done, size - done, off + (int64_t)done);
		got = aion_op_wait(&op);
	}
	return (int64_t)done + (got > 0 ? got : 0);
}

int64_t aion_pread(int fd, void *buf, size_t size, int64_t off)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	result = aion_try_pread(fd, buf, size, off);
	if (__builtin_expect(result == (int64_t)size || result == 0, 1))
		return result;
	return pread_rest(fd, buf, size, off, result);
}

static int64_t preadv2_by_ring(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags)
{
	struct aion_op op;

	aion_op_init(&op);
	aion_op_preadv2(&op, fd, iov, iov_nr, off, flags);
	return aion_await(&op.future);
}

static size_t iov_size(const struct iovec *iov, int iov_nr)
{
	size_t size = 0;

	for (int i = 0; i < iov_nr; i++)
		size += iov[i].iov_len;
	return size;
}

static int64_t preadv2_more(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags)
{
	int64_t result = aion_try_preadv2(fd, iov, iov_nr, off, flags);
	struct aion_op op;

	if (!is_for_the_ring(result))
		return result;
	aion_op_init(&op);
	aion_op_preadv2(&op, fd, iov, iov_nr, off, flags);
	return aion_op_wait(&op);
}

/* A try gave `got`, which is not all. The array is the caller's and stays as it is, so a vector that is filled in part
 * is completed by itself. */
static int64_t preadv_rest(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags, int64_t got)
{
	struct iovec missing;
	int64_t done = 0;
	size_t part = 0;

	while (got > 0) {
		done += got;
		part += (size_t)got;
		for (; iov_nr && part >= iov->iov_len; iov++, iov_nr--)
			part -= iov->iov_len;
		if (!iov_nr || aion_cancelled())
			break;
		missing = (struct iovec){(char *)iov->iov_base + part, iov->iov_len - part};
		got = preadv2_more(fd, part ? &missing : iov, part ? 1 : iov_nr, off + done, flags);
	}
	return done;
}

/* The current position moves with each try, and with RWF_NOWAIT the caller wants to do the rest himself. */
int64_t aion_preadv2(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (off == -1 || flags & RWF_NOWAIT)
		return preadv2_by_ring(fd, iov, iov_nr, off, flags);
	result = aion_try_preadv2(fd, iov, iov_nr, off, flags);
	if (is_for_the_ring(result))
		return preadv2_by_ring(fd, iov, iov_nr, off, flags);
	if (result > 0 && (size_t)result < iov_size(iov, iov_nr) && result < (int64_t)SIZE_MAX_ONCE)
		return preadv_rest(fd, iov, iov_nr, off, flags, result);
	return result;
}

int64_t aion_preadv(int fd, const struct iovec *iov, int iov_nr, int64_t off)
{
	int64_t result;

	if (off >= 0)
		return aion_preadv2(fd, iov, iov_nr, off, 0);
	result = aion_checkpoint();
	return result < 0 ? result : -EINVAL;
}

/* ---- until the buffer is full, whatever signals come; a cancellation is not one of them */

int64_t aion_read_exact(int fd, void *buf, size_t size, size_t *ret_done)
{
	int64_t result = size ? 0 : aion_checkpoint();
	size_t done = 0;

	while (done < size) {
		result = aion_read(fd, (char *)buf + done, size - done);
		if (result == -EINTR)
			continue;
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	if (ret_done)
		*ret_done = done;
	if (done < size && result == 0)
		return -ENODATA;
	return result < 0 ? result : 0;
}

int64_t aion_pread_exact(int fd, void *buf, size_t size, int64_t off, size_t *ret_done)
{
	int64_t result = size ? 0 : aion_checkpoint();
	size_t done = 0;

	while (done < size) {
		result = aion_pread(fd, (char *)buf + done, size - done, off + (int64_t)done);
		if (result == -EINTR)
			continue;
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	if (ret_done)
		*ret_done = done;
	if (done < size && result == 0)
		return -ENODATA;
	return result < 0 ? result : 0;
}
