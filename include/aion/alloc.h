/* SPDX-License-Identifier: MIT */
#ifndef AION_ALLOC_H
#define AION_ALLOC_H
/*
 * The allocator hook. The library allocates through mimalloc's mi_ functions (built with AION_MIMALLOC=ON, the
 * default) or malloc; an application can put its own functions in their place. Task stacks and registered buffers are
 * mapped with mmap(2), not allocated. An awaited operation allocates nothing, but when the table of descriptors must
 * grow, or for what the running kernel's io_uring lacks; that memory is kept for the next.
 */
#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_allocator {
	void *(*alloc)(size_t size, void *arg); /* at least 16-byte aligned, NULL when there is none */
	void *(*realloc)(void *memory, size_t size, void *arg);
	void (*free)(void *memory, void *arg); /* any thread may free; NULL is allowed */
	void *arg;
};

/**
 * aion_allocator_set - replace the allocator.
 * @allocator: copied; NULL brings the built-in one back.
 *
 * Errors: -EBUSY (memory of the allocator before is still in use); -EINVAL (a function is missing).
 * Suspends: no. Thread: any, while no loop exists. Source: none.
 */
AION_API int aion_allocator_set(const struct aion_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
