/* SPDX-License-Identifier: MIT */
/* Queues of waiting tasks; waiting for what other threads hand over. */
#include <errno.h>

#include "waits_int.h"

void aion__waits_append(struct aion__waits *waits, struct aion__wait *wait)
{
	wait->waits = waits;
	wait->next = NULL;
	wait->prev = waits->last;
	if (waits->last)
		waits->last->next = wait;
	else
		waits->first = wait;
	waits->last = wait;
}

void aion__waits_remove(struct aion__wait *wait)
{
	struct aion__waits *waits = wait->waits;

	AION_ASSERT(waits);
	if (wait->prev)
		wait->prev->next = wait->next;
	else
		waits->first = wait->next;
	if (wait->next)
		wait->next->prev = wait->prev;
	else
		waits->last = wait->prev;
	wait->waits = NULL;
}

size_t aion__waits_wake_all(struct aion__waits *waits, int64_t result)
{
	size_t nr = 0;

	while (aion__waits_wake_first(waits, result))
		nr++;
	return nr;
}

static __attribute__((noinline)) int64_t waits_end_cancelled(struct aion_task *task, struct aion__wait *wait)
{
	int64_t result = aion__await_cancelled_since(task, &wait->future);

	if (wait->waits)
		aion__waits_remove(wait);
	return result;
}

/* By the general way. */
static __attribute__((noinline)) int64_t waits_await_cancelled(struct aion__wait *wait)
{
	int64_t result = aion_await(&wait->future);

	if (wait->waits)
		aion__waits_remove(wait);
	return result;
}

/* aion_await() for what is known to be pending, awaited by one, and no operation. */
int64_t aion__waits_await(struct aion__waits *waits, struct aion__wait *wait)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	wait->future = (struct aion_future){.loop = loop, .kind = AION__FUTURE_WAIT, .fd = -1};
	aion__waits_append(waits, wait);
	if (aion__unlikely(!task || task->cancelled))
		return waits_await_cancelled(wait);
	wait->future.waiters = (uintptr_t)&task->runnable | AION__WAITER_SINGLE;
	task->is_interruptible = true;
	task->waits_for = &wait->future;
	aion__loop_suspend(loop, task);
	if (aion__unlikely(task->cancelled))
		return waits_end_cancelled(task, wait);
	AION_ASSERT(!task->is_interrupted && !wait->waits);
	return wait->future.result;
}

int64_t aion__waits_await_shielded(struct aion__waits *waits, struct aion__wait *wait)
{
	struct aion_scope shield;
	int64_t result;

	aion_scope_enter_shield(&shield, AION_NEVER);
	result = aion__waits_await(waits, wait);
	aion_scope_leave(&shield);
	return result;
}

/* ---- served by other threads */

void aion__remote_init(struct aion__remote *remote, bool (*withdraw)(struct aion__remote *remote))
{
	remote->wait.future = (struct aion_future){.loop = aion__loop(), .kind = AION__FUTURE_REMOTE, .fd = -1};
	remote->wait.waits = NULL;
	remote->withdraw = withdraw;
}

int64_t aion__remote_await(struct aion__remote *remote)
{
	int64_t result = aion_await(&remote->wait.future);

	/* A shorter wait would leave a post on its way to a record that is gone. */
	AION_ASSERT(aion__future_is_done(&remote->wait.future));
	return result;
}

static void remote_arrive(struct aion__post *post)
{
	struct aion__remote *remote = aion__container_of(post, struct aion__remote, post);

	aion__future_finish(aion__engine, &remote->wait.future, remote->result);
}

void aion__remote_end(struct aion__remote *remote, int64_t result)
{
	struct aion_loop *loop = remote->wait.future.loop;
	int refused;

	if (loop == aion__loop()) {
		aion__future_finish(aion__engine, &remote->wait.future, result);
		return;
	}
	remote->result = result;
	remote->post.run = remote_arrive;
	/* The loop has a task that waits for this, so it takes posts. In a forked child nobody waits any more. */
	refused = aion__loop_push(loop, &remote->post);
	AION_BUG_ON(refused == -ESHUTDOWN, "a loop has ended while a task of it waits");
}

void aion__remote_withdraw(struct aion__remote *remote)
{
	if (remote->withdraw(remote))
		aion__future_finish(aion__engine, &remote->wait.future, -ECANCELED);
}
