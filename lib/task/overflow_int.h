/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_OVERFLOW_INT_H
#define AION_TASK_OVERFLOW_INT_H
/*
 * The report of a stack overflow: a process-wide handler of SIGSEGV and SIGBUS that runs on an alternate stack, asks
 * the loops of the faulting thread whether the address is in the guard of a stack of theirs, and if so prints
 *
 *	aion: BUG: task "name" overflowed its stack of 262144 bytes
 *
 * and lets the process die of the signal, at the faulting instruction, so that the core shows it. Every other fault
 * goes to the handler that was there before.
 */
#include <stdbool.h>
#include <stddef.h>

struct aion__overflow {
	const char *task_name; /* "" if it has none */
	size_t stack_size;     /* bytes */
};

/* Whether a fault at the address is a stack's overflow; then it fills in *ret. Must be async-signal-safe. */
typedef bool aion__overflow_find_fn(void *arg, const void *address, struct aion__overflow *ret);

/* A loop's entry in its thread's list; the loop's memory from enter to leave. */
struct aion__overflow_watch {
	struct aion__overflow_watch *next;
	aion__overflow_find_fn *find;
	void *arg;
};

/*
 * A loop takes this thread, or gives it up, in any order. The process's first watch installs the handler, its last one
 * brings the one before back; a thread's first installs an alternate signal stack unless there is one, its last removes
 * it again. Without memory for the alternate stack an overflow dies of the bare signal, as it would without a watch.
 */
void aion__overflow_enter(struct aion__overflow_watch *watch, aion__overflow_find_fn *find, void *arg);
void aion__overflow_leave(struct aion__overflow_watch *watch);

#endif
