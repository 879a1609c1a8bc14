/* SPDX-License-Identifier: MIT */
/* What a callback writes for a chunk: memory that grows and is kept for the next one. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <aion/transform.h>

#include "alloc_int.h"
#include "assert_int.h"

int aion_output_reserve(struct aion_output *output, size_t size)
{
	size_t room = output->room;
	char *data;

	if (size <= room - output->size)
		return 0;
	if (size > PTRDIFF_MAX - output->size)
		return -ENOMEM;
	room = room > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : room * 2;
	if (room < output->size + size)
		room = output->size + size;
	data = aion__realloc(output->data, room);
	if (!data)
		return -ENOMEM;
	output->data = data;
	output->room = room;
	return 0;
}

int aion_output_write(struct aion_output *output, const void *data, size_t size)
{
	int result = aion_output_reserve(output, size);

	if (result < 0 || !size)
		return result;
	memcpy(output->data + output->size, data, size);
	output->size += size;
	return 0;
}

void aion_output_take_chunk(struct aion_output *output)
{
	AION_BUG_ON(output->size, "a chunk is to be the output of a callback that has written another");
	output->takes_chunk = true;
}
