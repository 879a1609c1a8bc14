/* SPDX-License-Identifier: MIT */
/* Buffers: mapped and not allocated, so that what is never touched costs nothing, and what was goes back at once. */
#include <errno.h>
#include <sys/mman.h>

#include "chunk_int.h"
#include "fault_int.h"

char *aion__chunk_map(size_t size)
{
	int saved = errno;
	char *memory = MAP_FAILED;

	if (!aion__fault_hit(AION__FAULT_ALLOC))
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	errno = saved;
	return memory == MAP_FAILED ? NULL : memory;
}

void aion__chunk_unmap(char *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}
