/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_ANNOTATE_INT_H
#define AION_BASE_ANNOTATE_INT_H
/*
 * What AddressSanitizer and valgrind must be told, under one set of names: which stack runs, which memory is lent to
 * the kernel (nobody may touch it), which is idle. Nothing remains of it in ordinary builds.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define AION__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AION__ASAN 1
#endif
#endif

#ifdef AION__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef AION_VALGRIND
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

/* Nobody may read or write it until aion__annotate_open(). */
static inline void aion__annotate_closed(const void *memory, size_t size)
{
#ifdef AION__ASAN
	__asan_poison_memory_region(memory, size);
#endif
#ifdef AION_VALGRIND
	VALGRIND_MAKE_MEM_NOACCESS(memory, size);
#endif
	(void)memory, (void)size;
}

/* Accessible again; its content is undefined. */
static inline void aion__annotate_open(const void *memory, size_t size)
{
#ifdef AION__ASAN
	__asan_unpoison_memory_region(memory, size);
#endif
#ifdef AION_VALGRIND
	VALGRIND_MAKE_MEM_UNDEFINED(memory, size);
#endif
	(void)memory, (void)size;
}

/* The kernel has written here. */
static inline void aion__annotate_written(const void *memory, size_t size)
{
#ifdef AION_VALGRIND
	VALGRIND_MAKE_MEM_DEFINED(memory, size);
#endif
	(void)memory, (void)size;
}

static inline unsigned aion__annotate_stack_register(const void *low, const void *high)
{
#ifdef AION_VALGRIND
	return VALGRIND_STACK_REGISTER(low, high);
#else
	(void)low, (void)high;
	return 0;
#endif
}

static inline void aion__annotate_stack_deregister(unsigned id)
{
#ifdef AION_VALGRIND
	VALGRIND_STACK_DEREGISTER(id);
#endif
	(void)id;
}

#endif
