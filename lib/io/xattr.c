/* SPDX-License-Identifier: MIT */
/* Extended attributes. */
#include <aion/scope.h>
#include <aion/xattr.h>

int64_t aion_getxattr(const char *path, const char *name, void *value, size_t size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_getxattr(&op, path, name, value, size);
	return aion_await(&op.future);
}

int64_t aion_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_fgetxattr(&op, fd, name, value, size);
	return aion_await(&op.future);
}

int64_t aion_setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_setxattr(&op, path, name, value, size, flags);
	return aion_await(&op.future);
}

int64_t aion_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_fsetxattr(&op, fd, name, value, size, flags);
	return aion_await(&op.future);
}
