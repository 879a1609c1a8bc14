/* SPDX-License-Identifier: MIT */
#ifndef AION_MEM_ALLOC_INT_H
#define AION_MEM_ALLOC_INT_H
/* The library's allocator: mimalloc, malloc in sanitizer builds, or the application's own (aion/alloc.h). */
#include <stddef.h>

void *aion__alloc(size_t size);
void *aion__alloc_zeroed(size_t size);
void *aion__realloc(void *memory, size_t size);
void aion__free(void *memory);

#endif
