/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_MUTANT_INT_H
#define AION_BASE_MUTANT_INT_H
/*
 * Deliberate faults of the engine, one at a time, each as somebody might make it: the search over the simulated kernel
 * has to find every one (tests/sim/search). Compiled in only where AION_FAULTS is defined; else a constant false.
 */
#include <stdbool.h>

enum aion__mutant {
	AION__MUTANT_NONE,
	AION__MUTANT_END_AT_CANCEL,    /* 1: an operation is finished by the completion of its cancel */
	AION__MUTANT_DROP_CANCEL,      /* 2: a cancel is dropped when the submission queue is full */
	AION__MUTANT_FORGET_WAITER,    /* 3: a task that waits is not woken when its group is cancelled */
	AION__MUTANT_EARLY_STACK,      /* 4: a stack is handed out again a turn before its task has left it */
	AION__MUTANT_LOSE_BYTES,       /* 5: a cancelled read that has bytes says -ECANCELED */
	AION__MUTANT_LEAK_FD,          /* 6: a descriptor that arrives after its task gave up stays open */
	AION__MUTANT_TIME_OVER_RESULT, /* 7: a deadline hides the result that came with it */
	AION__MUTANT_NO_REARM,         /* 8: a multishot request that has ended is not made anew */
	AION__MUTANT_FREE_BUFFER,      /* 9: an owned buffer is freed at the cancel, not at the completion */
	AION__MUTANT_LOSE_POST,        /* 10: a post that arrives while the loop goes to sleep does not wake it */
	AION__MUTANT_LEAVE_TIMER,      /* 11: a scope's timer stays armed when the scope is left */
	AION__MUTANT_BELIEVE_EAGAIN,   /* 12: -EAGAIN of a completion is the result */
	AION__MUTANT_NR,
};

#ifdef AION_FAULTS
/* Which one is on. Set before any loop. */
extern enum aion__mutant aion__mutant;
static inline bool aion__is_mutant(enum aion__mutant mutant)
{
	return __builtin_expect(aion__mutant == mutant, 0);
}
#else
static inline bool aion__is_mutant(enum aion__mutant mutant)
{
	(void)mutant;
	return false;
}
#endif

#endif
