/* SPDX-License-Identifier: MIT */
/*
 * aion__switch() by means of the C library, for architectures without an assembly file. A saved sp is the address of a
 * ucontext_t on the suspended stack. Every switch costs a system call, as these functions carry the signal mask along.
 */
#include "switch_int.h"

#include <stdint.h>
#include <ucontext.h>

#include "assert_int.h"

/*
 * makecontext() wants to know where the stack ends, and only writes at its top. That much is there in any stack: the
 * least size is far above it.
 */
#define KNOWN_SIZE 16384

/* The only arguments that makecontext() passes are ints. */
static void context_start(unsigned entry_high, unsigned entry_low)
{
	uintptr_t address = (uintptr_t)((uint64_t)entry_high << 32 | entry_low);
	void *(*entry)(void) = (void *(*)(void))address;

	AION_BUG_ON(setcontext(entry()) < 0, "setcontext failed");
}

static void context_make(ucontext_t *fresh, void *top, void *(*entry)(void))
{
	uint64_t address = (uintptr_t)entry;

	AION_BUG_ON(getcontext(fresh) < 0, "getcontext failed");
	fresh->uc_stack.ss_sp = (char *)top - KNOWN_SIZE;
	fresh->uc_stack.ss_size = KNOWN_SIZE;
	fresh->uc_link = NULL;
	makecontext(fresh, (void (*)(void))context_start, 2, (unsigned)(address >> 32), (unsigned)address);
}

int aion__switch(void **save_sp, void *sp, void *(*entry)(void))
{
	ucontext_t self;
	ucontext_t fresh;

	*save_sp = &self;
	if (entry)
		context_make(&fresh, sp, entry);
	AION_BUG_ON(swapcontext(&self, entry ? &fresh : sp) < 0, "swapcontext failed");
	return 0;
}

int aion__switch_resume(void **save_sp, void *sp)
{
	return aion__switch(save_sp, sp, NULL);
}

int64_t aion__switch_leave(void *sp)
{
	AION_BUG_ON(setcontext(sp) < 0, "setcontext failed");
	__builtin_unreachable();
}
