/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_INTERRUPT_INT_H
#define AION_TASK_INTERRUPT_INT_H
/* SIGINT cancels the main task of aion_run(). */
#include "loop_int.h"

/* In the memory of aion_run(), until its loop has run its last post. */
struct aion__interrupt {
	struct aion__post post;
	struct aion_loop *loop; /* NULL: SIGINT is left alone */
	atomic_bool is_sent;    /* the post has been handed over, which can be done once */
};

/* On the loop's thread, around the run. Leaving comes before the loop is destroyed. */
void aion__interrupt_enter(struct aion__interrupt *interrupt, struct aion_loop *loop);
void aion__interrupt_leave(struct aion__interrupt *interrupt);

#endif
