/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_CALL_INT_H
#define AION_TASK_CALL_INT_H
/* A call that a worker thread runs for a task: a future over a job. */
#include "future_int.h"
#include "worker_int.h"

struct aion__call {
	struct aion_future future;
	struct aion__job job;
	aion_fn *fn;
	void *arg;
};

/* Take it back if no worker has begun it: it is done with -ECANCELED then. Else nothing changes. */
void aion__call_withdraw(struct aion__call *call);

#endif
