/* SPDX-License-Identifier: MIT */
/*
 * The condition. Who is notified does not wake up in order to queue for the mutex: his record moves there, and he wakes
 * up with the mutex. From the notification on nothing interrupts him, so there is none to be lost.
 */
#include <errno.h>

#include <aion/condition.h>

#include "mutex_int.h"

struct condition_wait {
	struct aion__wait wait; /* its item is the task */
	struct aion_mutex *mutex;
};

void aion_condition_init(struct aion_condition *condition)
{
	*condition = (struct aion_condition){.waits = {NULL, NULL}};
}

void aion_condition_fini(struct aion_condition *condition)
{
	AION_BUG_ON(!aion__waits_is_empty(&condition->waits), "condition finished while a task waits for it");
}

int aion_condition_wait(struct aion_condition *condition, struct aion_mutex *mutex)
{
	struct aion_task *task = aion__task_current();
	struct condition_wait record;
	int64_t result = aion__checkpoint();

	if (result < 0)
		return (int)result;
	if (mutex->owner != task)
		return -EPERM;
	record.wait.noun = "condition";
	record.wait.object = condition;
	record.wait.item = task;
	record.mutex = mutex;
	aion_mutex_unlock(mutex);
	result = aion__waits_await(&condition->waits, &record.wait);
	if (result < 0)
		aion__mutex_lock_again(mutex, task);
	AION_ASSERT(mutex->owner == task);
	return (int)result;
}

int aion_condition_wait_for(struct aion_condition *condition, struct aion_mutex *mutex, aion_predicate_fn *predicate,
			    void *arg)
{
	int result = aion__checkpoint();

	if (result == 0 && mutex->owner != aion__task_current())
		return -EPERM;
	while (result == 0 && !predicate(arg))
		result = aion_condition_wait(condition, mutex);
	return result;
}

/* Whether it went to somebody who can take it: one who has been interrupted, and not run since, cannot. */
static bool condition_notify_first(struct aion_condition *condition)
{
	struct aion__wait *wait;
	struct aion_task *task;

	do {
		wait = aion__waits_take(&condition->waits);
		if (!wait)
			return false;
		task = wait->item;
		AION_BUG_ON(wait->future.loop != aion__loop(), "condition notified on another thread than its loop's");
	} while (task->is_interrupted);
	task->is_interruptible = false;
	aion__mutex_grant(aion__container_of(wait, struct condition_wait, wait)->mutex, wait);
	return true;
}

size_t aion_condition_notify(struct aion_condition *condition, size_t nr)
{
	size_t notified_nr = 0;

	while (notified_nr < nr && condition_notify_first(condition))
		notified_nr++;
	return notified_nr;
}

size_t aion_condition_notify_all(struct aion_condition *condition)
{
	return aion_condition_notify(condition, SIZE_MAX);
}
