/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_SYSCALL_INT_H
#define AION_RING_SYSCALL_INT_H
/* A system call without libc's errno: six arguments, result or -errno. Inlined, it spares the enter path two calls. */

static inline long aion__syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
	return x0;
}

#endif
