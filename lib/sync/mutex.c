/* SPDX-License-Identifier: MIT */
/* The mutex: an owner, and a queue of tasks that want to be it. While one waits there is an owner. */
#include <errno.h>

#include "mutex_int.h"

void aion_mutex_init(struct aion_mutex *mutex)
{
	*mutex = (struct aion_mutex){.owner = NULL};
}

void aion_mutex_fini(struct aion_mutex *mutex)
{
	AION_BUG_ON(mutex->owner, "mutex finished while a task has it");
	AION_ASSERT(aion__waits_is_empty(&mutex->waits));
}

static void wait_init(struct aion__wait *wait, struct aion_mutex *mutex, struct aion_task *task)
{
	wait->noun = "mutex";
	wait->object = mutex;
	wait->item = task;
}

/* Everything but an unlocked mutex that is there for the taking. */
static __attribute__((noinline)) int lock_slowly(struct aion_mutex *mutex)
{
	struct aion_task *task = aion__task_current();
	struct aion__wait wait;
	int result = aion__checkpoint();

	if (result < 0)
		return result;
	if (!mutex->owner) {
		mutex->owner = task;
		return 0;
	}
	if (mutex->owner == task)
		return -EDEADLK;
	wait_init(&wait, mutex, task);
	return (int)aion__waits_await(&mutex->waits, &wait);
}

/* The slow way is called last, so that the usual one saves no register. */
int aion_mutex_lock(struct aion_mutex *mutex)
{
	struct aion_task *task = aion__task_unhindered();

	if (aion__unlikely(!task || mutex->owner))
		return lock_slowly(mutex);
	aion__loop()->budget.left_nr--;
	mutex->owner = task;
	return 0;
}

int aion_mutex_try_lock(struct aion_mutex *mutex)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	if (!task)
		return aion__loop_refuses(loop);
	if (mutex->owner)
		return mutex->owner == task ? -EDEADLK : -EAGAIN;
	mutex->owner = task;
	return 0;
}

static __attribute__((noinline)) int hand_over(struct aion_mutex *mutex)
{
	struct aion__wait *wait = aion__waits_take(&mutex->waits);

	mutex->owner = wait->item;
	aion__wait_end(wait, 0);
	return 0;
}

int aion_mutex_unlock(struct aion_mutex *mutex)
{
	struct aion_task *task = aion__task_current();

	if (aion__unlikely(!task || mutex->owner != task))
		return -EPERM;
	if (aion__unlikely(!aion__waits_is_empty(&mutex->waits)))
		return hand_over(mutex);
	mutex->owner = NULL;
	return 0;
}

bool aion_mutex_is_locked(const struct aion_mutex *mutex)
{
	return mutex->owner;
}

void aion__mutex_grant(struct aion_mutex *mutex, struct aion__wait *wait)
{
	AION_ASSERT(!wait->waits);
	wait_init(wait, mutex, wait->item);
	if (mutex->owner) {
		aion__waits_append(&mutex->waits, wait);
		return;
	}
	mutex->owner = wait->item;
	aion__wait_end(wait, 0);
}

void aion__mutex_lock_again(struct aion_mutex *mutex, struct aion_task *task)
{
	struct aion__wait wait;

	AION_ASSERT(mutex->owner != task);
	if (!mutex->owner) {
		mutex->owner = task;
		return;
	}
	wait_init(&wait, mutex, task);
	aion__waits_await_shielded(&mutex->waits, &wait);
	AION_ASSERT(mutex->owner == task);
}
