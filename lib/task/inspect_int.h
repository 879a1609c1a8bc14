/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_INSPECT_INT_H
#define AION_TASK_INSPECT_INT_H
/* What the ways of looking at tasks share. */
#include <aion/dump.h>

#include "loop_int.h"
#include "unwind_int.h"

#define AION__SYMBOL_SIZE 80 /* bytes of a place's text, the final 0 among them */

/*
 * A code address as text: "function+0x12" where the dynamic symbol table knows it, else "file+0x1234", else "0x7f…". A
 * return address lies behind its call, which may be the function's last instruction: it is looked up one byte before.
 */
void aion__symbol(const void *address, bool is_return_address, char ret_text[AION__SYMBOL_SIZE]);

/* For the backtraces of many tasks, one after the other; nobody runs meanwhile. */
struct aion__backtracer {
	const struct aion_loop *loop;
	const void *frame;              /* of what runs on this stack the frames above it are shown */
	const struct aion__stack *here; /* this stack, NULL if it is no task's */
	struct aion__stack_slab *slab;
	struct aion__unwind_cache *cache; /* all zero, or NULL */
};

void aion__backtracer_init(struct aion__backtracer *tracer, const struct aion_loop *loop, const void *frame);
size_t aion__backtrace(struct aion__backtracer *tracer, const struct aion_task *task, void **ret_addresses, size_t max);

/* "NOP", "READ", …; "?" for what is not known. */
const char *aion__opcode_name(unsigned opcode);

/* The signals no longer reach the loop. Then its posts run, then free. */
void aion__dump_watch_stop(struct aion_loop *loop);
void aion__dump_watch_free(struct aion_loop *loop);

#endif
