/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_FAULT_INT_H
#define AION_BASE_FAULT_INT_H
/*
 * Fault points: named places where a test can make the library see an error that the kernel will not give on demand.
 * Compiled in only where AION_FAULTS is defined (debug, asan, valgrind builds); else a constant 0.
 */
#include <stdbool.h>

enum aion__fault {
	AION__FAULT_NONE,
	AION__FAULT_ALLOC,         /* the allocator returns NULL */
	AION__FAULT_STACK_MAP,     /* mmap of a slab of stacks fails with ENOMEM */
	AION__FAULT_GUARD_INSTALL, /* madvise(MADV_GUARD_INSTALL) says EINVAL, as before Linux 6.13 or on locked memory */
	AION__FAULT_GUARD_PROTECT, /* mprotect of a guard says ENOMEM: the limit of mappings */
	AION__FAULT_RING_SETUP,    /* io_uring_setup fails with the value */
	AION__FAULT_RING_ENTER,    /* io_uring_enter fails with the value */
	AION__FAULT_RING_REGISTER, /* io_uring_register fails with the value */
	AION__FAULT_CQE_RESULT,    /* a completion carries the value instead of its result */
	AION__FAULT_THREAD_CREATE, /* pthread_create fails with the value */
	AION__FAULT_EVENTFD,       /* eventfd fails with the value */
	AION__FAULT_TMPFILE,       /* a file without a name cannot be had */
	AION__FAULT_DIRECT_CUT,    /* a direct read of the chunk processor's gives -value bytes at most */
	AION__FAULT_CLOSE,         /* closing an atomic target's file, before it gets its name, fails with the value */
	AION__FAULT_NR,
};

#ifdef AION_FAULTS
/* The value (< 0, -errno) to fail with at this pass through the point, or 0. */
int aion__fault_hit(enum aion__fault point);
/* Arm: let `after` passes through, then fail `times` times with `value` (-errno). */
void aion__fault_arm(enum aion__fault point, unsigned after, unsigned times, int value);
/* Whether passes through the point may fail. */
bool aion__fault_is_armed(enum aion__fault point);
/* How often the point has been passed since it was armed. */
unsigned aion__fault_passed(enum aion__fault point);
void aion__fault_reset(void);
#else
static inline int aion__fault_hit(enum aion__fault point)
{
	(void)point;
	return 0;
}

static inline bool aion__fault_is_armed(enum aion__fault point)
{
	(void)point;
	return false;
}
#endif

#endif
