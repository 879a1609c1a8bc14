/* SPDX-License-Identifier: MIT */
#ifndef AION_NET_CLOSERS_INT_H
#define AION_NET_CLOSERS_INT_H
/*
 * Several tasks close the same thing: one to end it, and its owner on the way out. The first one does it, the others
 * wait here, on their own stacks. When they have been woken its memory may go: so neither they nor the first one look
 * at anything of it after that.
 */
#include <aion/future.h>
#include <aion/scope.h>
#include <aion/task.h>

struct aion__closer {
	struct aion_future done;
	struct aion__closer *next;
};

static inline AION_SUSPENDS void aion__closers_wait(struct aion__closer **closers)
{
	struct aion__closer closer = {.next = *closers};
	struct aion_scope shield;

	aion_future_init(&closer.done);
	*closers = &closer;
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_await(&closer.done);
	aion_scope_leave(&shield);
}

static inline void aion__closers_wake(struct aion__closer *closers)
{
	while (closers) {
		struct aion__closer *closer = closers;

		closers = closer->next;
		aion_future_complete(&closer->done, 0);
	}
}

/* Who waits for what is being closed has been woken and is about to run: he leaves before its memory may go. */
static inline AION_SUSPENDS void aion__waiter_leave(void)
{
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_yield();
	aion_scope_leave(&shield);
}

#endif
