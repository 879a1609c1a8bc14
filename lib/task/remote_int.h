/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_REMOTE_INT_H
#define AION_TASK_REMOTE_INT_H
/*
 * A task that waits for what any thread may hand to it. It stands in a queue of the owner's, under the owner's lock. Who
 * serves it takes it off the queue under that lock, and then calls aion__remote_end(), with the lock or without; until
 * that has reached the task's loop, as a post, the task cannot go on. If the task is cancelled, it is withdrawn: taken off
 * the queue if it still stands there. Else it was served, and what it was given is kept.
 */
#include "waits_int.h"

struct aion__remote {
	struct aion__wait wait;
	/* Takes it off its queue. False: somebody has served it. On the task's thread. */
	bool (*withdraw)(struct aion__remote *remote);
	struct aion__post post;
	int64_t result; /* on its way */
};

/* Before it gets into the queue; noun, object and the wait's union are set by the caller. Inside a task. */
void aion__remote_init(struct aion__remote *remote, bool (*withdraw)(struct aion__remote *remote));
/* Wait until it is served or withdrawn; what aion__remote_end() said, or -ECANCELED. */
AION_SUSPENDS int64_t aion__remote_await(struct aion__remote *remote);
/* Once it is off the queue, from any thread. The record may be gone when this returns. */
void aion__remote_end(struct aion__remote *remote, int64_t result);
/* Its task is cancelled. */
void aion__remote_withdraw(struct aion__remote *remote);

#endif
