/* SPDX-License-Identifier: MIT */
/* Names in directories. */
#include <aion/dir.h>
#include <aion/scope.h>

int64_t aion_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret_statx)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_statx(&op, dirfd, path, flags, mask, ret_statx);
	return aion_await(&op.future);
}

int64_t aion_renameat2(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_renameat2(&op, old_dirfd, old_path, new_dirfd, new_path, flags);
	return aion_await(&op.future);
}

int64_t aion_unlinkat(int dirfd, const char *path, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_unlinkat(&op, dirfd, path, flags);
	return aion_await(&op.future);
}

int64_t aion_mkdirat(int dirfd, const char *path, mode_t mode)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_mkdirat(&op, dirfd, path, mode);
	return aion_await(&op.future);
}

int64_t aion_linkat(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_linkat(&op, old_dirfd, old_path, new_dirfd, new_path, flags);
	return aion_await(&op.future);
}

int64_t aion_symlinkat(const char *target, int new_dirfd, const char *link_path)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_symlinkat(&op, target, new_dirfd, link_path);
	return aion_await(&op.future);
}
