/* SPDX-License-Identifier: MIT */
/* What a task knows about itself: its name, its task-local values. */
#include <errno.h>
#include <stdatomic.h>

#include "alloc_int.h"
#include "loop_int.h"

static void (*destroyers[AION_LOCAL_MAX])(void *value);
static atomic_uint key_nr;

struct aion_task *aion_task_current(void)
{
	return aion__task_current();
}

const char *aion_task_name(const struct aion_task *task)
{
	if (!task)
		task = aion__task_current();
	return task ? task->name : "";
}

int aion_local_create(void (*destroy)(void *value), unsigned *ret_key)
{
	unsigned key = atomic_load(&key_nr);

	do {
		if (key >= AION_LOCAL_MAX)
			return -EAGAIN;
	} while (!atomic_compare_exchange_weak(&key_nr, &key, key + 1));
	destroyers[key] = destroy;
	*ret_key = key;
	return 0;
}

int aion_local_set(unsigned key, void *value)
{
	struct aion_task *task = aion__task_current();

	if (!task)
		return -EBUSY;
	if (key >= atomic_load(&key_nr))
		return -EINVAL;
	if (!task->locals)
		task->locals = aion__alloc_zeroed(AION_LOCAL_MAX * sizeof(void *));
	if (!task->locals)
		return -ENOMEM;
	task->has_extras = true;
	task->locals[key] = value;
	return 0;
}

void *aion_local_get(unsigned key)
{
	const struct aion_task *task = aion__task_current();

	return task && task->locals && key < AION_LOCAL_MAX ? task->locals[key] : NULL;
}

/* A destroyer may set values again, of its own key or another's: a bounded number of rounds, as pthreads does. */
void aion__task_destroy_locals(struct aion_task *task)
{
	for (int round = 0; round < 4; round++) {
		for (unsigned key = 0; key < AION_LOCAL_MAX; key++) {
			void *value = task->locals[key];

			task->locals[key] = NULL;
			if (value && destroyers[key])
				destroyers[key](value);
		}
	}
	aion__free(task->locals);
	task->locals = NULL;
}
