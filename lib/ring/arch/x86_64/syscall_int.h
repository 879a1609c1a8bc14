/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_SYSCALL_INT_H
#define AION_RING_SYSCALL_INT_H
/* A system call without libc's errno: six arguments, result or -errno. Inlined, it spares the enter path two calls. */

static inline long aion__syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#endif
