/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_SYSCALL_INT_H
#define AION_RING_SYSCALL_INT_H
/* A system call through libc: six arguments, result or -errno; errno is left as it was. */
#include <errno.h>
#include <unistd.h>

static inline long aion__syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long result = syscall(number, a, b, c, d, e, f);

	if (result < 0)
		result = -errno;
	errno = saved;
	return result;
}

#endif
