/* SPDX-License-Identifier: MIT */
/* Reads whose memory is not the caller's, for whom cannot wait out a stuck disk. */
#include <aion/buffer.h>
#include <aion/scope.h>

int64_t aion_pread_owned(int fd, size_t size, int64_t off, struct aion_buffer **ret_buffer)
{
	struct aion_buffer *buffer;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	result = aion_buffer_pread(fd, size, off, &buffer);
	if (result < 0)
		return result;
	result = aion_await(&buffer->future);
	if (result < 0)
		aion_buffer_release(buffer);
	else
		*ret_buffer = buffer;
	return result;
}
