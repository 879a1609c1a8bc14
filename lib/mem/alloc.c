/* SPDX-License-Identifier: MIT */
#include "alloc_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aion/alloc.h>

#include "assert_int.h"
#include "fault_int.h"

#if defined(AION_MIMALLOC) && AION_MIMALLOC
#include <mimalloc.h>
#define BUILTIN(function) mi_##function
#else
#define BUILTIN(function) function
#endif

static void *builtin_alloc(size_t size, void *unused)
{
	(void)unused;
	return BUILTIN(malloc)(size);
}

static void *builtin_realloc(void *memory, size_t size, void *unused)
{
	(void)unused;
	return BUILTIN(realloc)(memory, size);
}

static void builtin_free(void *memory, void *unused)
{
	(void)unused;
	BUILTIN(free)(memory);
}

static const struct aion_allocator builtin = {
	.alloc = builtin_alloc,
	.realloc = builtin_realloc,
	.free = builtin_free,
};

static struct aion_allocator allocator = {
	.alloc = builtin_alloc,
	.realloc = builtin_realloc,
	.free = builtin_free,
};

/* Blocks in use. Any thread may free, so it is atomic; the library allocates rarely, so one counter does. */
static size_t live_nr;

/* What an allocator gave. One that has no memory may have said so in errno, too. */
static void *live_add(void *memory, int saved_errno)
{
	if (memory)
		__atomic_fetch_add(&live_nr, 1, __ATOMIC_RELAXED);
	else
		errno = saved_errno;
	return memory;
}

int aion_allocator_set(const struct aion_allocator *wanted)
{
	if (!wanted)
		wanted = &builtin;
	if (!wanted->alloc || !wanted->realloc || !wanted->free)
		return -EINVAL;
	if (__atomic_load_n(&live_nr, __ATOMIC_ACQUIRE))
		return -EBUSY;
	allocator = *wanted;
	return 0;
}

void *aion__alloc(size_t size)
{
	int saved_errno = errno;

	AION_ASSERT(size > 0);
	if (aion__fault_hit(AION__FAULT_ALLOC))
		return NULL;
	return live_add(allocator.alloc(size, allocator.arg), saved_errno);
}

void *aion__alloc_zeroed(size_t size)
{
	int saved_errno = errno;
	void *memory;

	AION_ASSERT(size > 0);
	/* The built-in one knows which fresh pages are zero already, and leaves them untouched. */
	if (allocator.alloc != builtin_alloc) {
		memory = aion__alloc(size);
		return memory ? memset(memory, 0, size) : NULL;
	}
	if (aion__fault_hit(AION__FAULT_ALLOC))
		return NULL;
	return live_add(BUILTIN(calloc)(1, size), saved_errno);
}

void *aion__realloc(void *memory, size_t size)
{
	int saved_errno = errno;

	if (!memory)
		return aion__alloc(size);
	AION_ASSERT(size > 0);
	if (aion__fault_hit(AION__FAULT_ALLOC))
		return NULL;
	memory = allocator.realloc(memory, size, allocator.arg);
	if (!memory)
		errno = saved_errno;
	return memory;
}

void aion__free(void *memory)
{
	if (!memory)
		return;
	AION_ASSERT(__atomic_load_n(&live_nr, __ATOMIC_RELAXED) > 0);
	allocator.free(memory, allocator.arg);
	__atomic_fetch_sub(&live_nr, 1, __ATOMIC_RELEASE);
}
