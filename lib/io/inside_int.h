/* SPDX-License-Identifier: MIT */
#ifndef AION_IO_INSIDE_INT_H
#define AION_IO_INSIDE_INT_H
/* Whether a call that neither suspends nor looks for cancellation is where it can do its work. */
#include <aion/metrics.h>
#include <aion/scope.h>
#include <aion/task.h>

/* 0; -EBUSY (not inside a task); -ECHILD. A child that was forked inside a task has that task's stack, and so its task,
 * too, but no loop. */
static inline int aion__inside_refuses(void)
{
	struct aion_metrics unused;

	if (!aion_task_current())
		return aion_checkpoint(); /* says why there is none */
	return aion_metrics_read(aion_loop_current(), &unused);
}

#endif
