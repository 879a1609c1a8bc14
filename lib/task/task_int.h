/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_TASK_INT_H
#define AION_TASK_TASK_INT_H
/*
 * A task and what moves it. The struct lives apart from the stack, which a task gets when it first runs and gives
 * back as it ends.
 */
#include <aion/group.h>
#include <aion/task.h>

#include "future_int.h"
#include "stack_int.h"
#include "switch_int.h"

struct aion_loop;
struct aion__debug_task;

#define AION__CACHE_LINE 64

/* Tasks are aligned to cache lines: one that runs to its end without a wait uses the first line only. */
struct aion_task {
	void *sp; /* while suspended, NULL until it first was */
	aion_fn *fn;
	void *arg;
	struct aion_group *group;
	struct aion__link sibling; /* the group's children; of a free task: next is the next free one's */
	bool cancelled;            /* a checkpoint would say -ECANCELED */
	uint8_t stack_class;
	bool cancelled_alone;           /* by aion_handle_cancel() */
	bool is_interruptible;          /* its wait may be broken off */
	bool is_interrupted;            /* it was */
	bool in_scope;                  /* scope is not NULL */
	bool has_handle;                /* handle is valid */
	bool has_extras;                /* name or locals are not empty */
	struct aion__runnable runnable; /* its spare record is in the second line */

	struct aion_future *waits_for; /* valid while suspended in a wait for one future */
	struct aion_handle *handle;
	struct aion_scope *scope;     /* the innermost that is open, NULL if none */
	struct aion_scope *outermost; /* the first of them */

	void **locals;       /* AION_LOCAL_MAX values, NULL until one is set */
	unsigned refused_nr; /* -ECANCELED in a row */
	unsigned wait_nr;    /* while it waits for several futures: of how many */
	char name[AION_TASK_NAME_MAX];
	struct aion__fiber fiber;
	char copy[AION_SPAWN_COPY_MAX] __attribute__((aligned(16)));
	struct aion__debug_task
		*debug; /* NULL: has not been spawned in debug mode. The struct takes this room in any case */
};

_Static_assert(offsetof(struct aion_task, runnable.spare) == AION__CACHE_LINE, "the first line is for what all use");

static inline struct aion_task *aion__task_of(const struct aion__runnable *runnable)
{
	return aion__container_of(runnable, struct aion_task, runnable);
}

/* The task that runs on this thread, NULL outside of tasks. */
static inline struct aion_task *aion__task_current(void)
{
	return aion__engine && aion__engine->task ? aion__task_of(aion__engine->task) : NULL;
}

/* Break off its wait, or ask what it waits for to end; nothing if it does not wait. */
void aion__task_interrupt(struct aion_task *task);
/* A checkpoint says -ECANCELED: on whose account, and not for ever. Returns -ECANCELED. */
int aion__task_refuse(struct aion_task *task);
/* The end of a wait for one future by a task that was cancelled meanwhile. */
int64_t aion__await_cancelled_since(struct aion_task *task, struct aion_future *future);
/* What a fresh stack runs. */
AION__SWITCH_ENTRY void *aion__task_entry(void);
/* A task that must not end as it does: say what is wrong, abort. */
void aion__task_end_badly(struct aion_loop *loop, struct aion_task *task);
void aion__task_destroy_locals(struct aion_task *task);

/* Cancel a scope and everything inside it. */
void aion__scope_cancel(struct aion_scope *scope, enum aion_reason reason);
/* Cancel one task, whatever its group. */
void aion__task_cancel_alone(struct aion_task *task);
/* Open a scope as the task's innermost; close the running task's innermost. */
void aion__scope_push(struct aion_task *task, struct aion_scope *scope, bool shield);
void aion__scope_pop(struct aion_loop *loop, struct aion_scope *scope);
/* Whether a task without open scopes is cancelled. */
static inline bool aion__task_edge_cancelled(const struct aion_task *task)
{
	return task->cancelled_alone || task->group->scope.effective;
}

void aion__group_init(struct aion_group *group, struct aion_loop *loop);
/* An error of the group: kept if there is room, and everything else in the group cancelled. */
void aion__group_fail(struct aion_group *group, const char *name, int code);
/* A child has ended with an error. */
void aion__group_child_failed(struct aion_group *group, const struct aion_task *child, int64_t result);

static inline bool aion__group_has_children(const struct aion_group *group)
{
	return group->children.next != &group->children;
}

#endif
