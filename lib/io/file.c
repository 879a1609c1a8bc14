/* SPDX-License-Identifier: MIT */
/* Closing, and what is done to a file as a whole. */
#include <errno.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/scope.h>
#include <aion/task.h>

/* Closes also in a cancelled scope, hence no checkpoint. */
int64_t aion_close(int fd)
{
	struct aion_op op;

	if (!aion_task_current())
		return aion_checkpoint(); /* says why there is none */
	aion_op_init(&op);
	aion_op_close(&op, fd);
	return aion_await(&op.future);
}

void aion_fd_closep(int *fd)
{
	int saved = errno;
	int64_t result;

	if (*fd < 0)
		return;
	result = aion_close(*fd);
	if (result == -EBUSY || result == -ECHILD)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int64_t aion_fsync(int fd)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_fsync(&op, fd);
	return aion_await(&op.future);
}

int64_t aion_fdatasync(int fd)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_fdatasync(&op, fd);
	return aion_await(&op.future);
}

int64_t aion_sync_file_range(int fd, int64_t off, int64_t size, unsigned flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_sync_file_range(&op, fd, off, size, flags);
	return aion_await(&op.future);
}

int64_t aion_fallocate(int fd, int mode, int64_t off, int64_t size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_fallocate(&op, fd, mode, off, size);
	return aion_await(&op.future);
}

int64_t aion_ftruncate(int fd, int64_t size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_ftruncate(&op, fd, size);
	return aion_await(&op.future);
}

int64_t aion_fadvise(int fd, int64_t off, int64_t size, int advice)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_fadvise(&op, fd, off, size, advice);
	return aion_await(&op.future);
}

int64_t aion_madvise(void *address, size_t size, int advice)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_madvise(&op, address, size, advice);
	return aion_await(&op.future);
}
