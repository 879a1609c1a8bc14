/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_UNWIND_INT_H
#define AION_TASK_UNWIND_INT_H
/*
 * Unwinding a stack on which nobody runs, by the tables that compilers write for exceptions and debuggers (.eh_frame).
 * They are there in every build, of C too, with frame pointers or without. libgcc's unwinder begins where its caller
 * runs and nowhere else, hence this one. It reads of the stack what lies between the limits that it is given.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define AION__UNWIND_REG_NR 17 /* as the tables number them */
#define AION__UNWIND_SP 7
#define AION__UNWIND_RA 16
#elif defined(__aarch64__)
#define AION__UNWIND_REG_NR 32
#define AION__UNWIND_SP 31
#define AION__UNWIND_RA 30
#else /* nothing is found */
#define AION__UNWIND_REG_NR 1
#define AION__UNWIND_SP 0
#define AION__UNWIND_RA 0
#endif

/* What the tables say about a place in the code: where the caller's registers are. */
struct aion__unwind_row {
	uintptr_t pc; /* 0: an empty place of the cache */
	bool is_known;
	uint8_t cfa_reg;
	int32_t cfa_off;
	int32_t at[AION__UNWIND_REG_NR]; /* from the CFA, or one of these */
};

#define AION__UNWIND_SAME INT32_MAX       /* not changed */
#define AION__UNWIND_LOST (INT32_MAX - 1) /* not known; of the return address: the outermost frame */

#define AION__UNWIND_CACHE_NR 512

/* For many stacks: they stand in few places. All zero = empty. */
struct aion__unwind_cache {
	struct aion__unwind_row rows[AION__UNWIND_CACHE_NR];
};

struct aion__unwind {
	struct aion__unwind_cache *cache; /* may be NULL */
	const char *high;                 /* the end of the stack; its limit below is the stack pointer */
	uintptr_t regs[AION__UNWIND_REG_NR];
	uintptr_t pc;
};

/*
 * The return addresses from unwind->pc outwards, max at most. The registers that a function must preserve, the stack
 * pointer and pc are set.
 */
size_t aion__unwind(struct aion__unwind *unwind, void **ret_addresses, size_t max);

/* What the tables say about the instruction at pc. False: nothing. */
bool aion__unwind_find(uintptr_t pc, struct aion__unwind_row *ret_row);

#endif
