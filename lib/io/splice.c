/* SPDX-License-Identifier: MIT */
/* Moving data between descriptors. */
#include <aion/scope.h>
#include <aion/splice.h>

int64_t aion_splice(int fd_in, int64_t *off_in, int fd_out, int64_t *off_out, size_t size, unsigned flags)
{
	struct aion_op op;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_splice(&op, fd_in, off_in, fd_out, off_out, size, flags);
	result = aion_await(&op.future);
	if (result > 0 && off_in)
		*off_in += result;
	if (result > 0 && off_out)
		*off_out += result;
	return result;
}

int64_t aion_tee(int fd_in, int fd_out, size_t size, unsigned flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_tee(&op, fd_in, fd_out, size, flags);
	return aion_await(&op.future);
}
