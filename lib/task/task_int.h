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

struct aion_task {
	struct aion__runnable runnable; /* first: the queue's link is the task's address */
	void *sp;                       /* while suspended */
	struct aion__stack *stack;      /* NULL until it first runs */
	struct aion_group *group;
	struct aion_scope *scope;      /* the innermost that is open, NULL if none */
	struct aion_scope *outermost;  /* the first of them */
	struct aion_future *waits_for; /* valid while suspended in a wait for one future */
	bool cancelled;                /* a checkpoint would say -ECANCELED */
	bool cancelled_alone;          /* by aion_handle_cancel() */
	bool is_interruptible;         /* its wait may be broken off */
	bool is_interrupted;           /* it was */
	uint8_t stack_class;
	unsigned refused_nr; /* -ECANCELED in a row */
	aion_fn *fn;
	void *arg;
	struct aion_task *sibling_next; /* the group's children */
	struct aion_task *sibling_prev;
	struct aion_handle *handle;
	void **locals; /* AION_LOCAL_MAX values, NULL until one is set */
	struct aion__fiber fiber;
	char name[AION_TASK_NAME_MAX];
	char copy[AION_SPAWN_COPY_MAX] __attribute__((aligned(16)));
};

/* The task that runs on this thread, NULL outside of tasks. */
static inline struct aion_task *aion__task_current(void)
{
	return aion__engine ? (struct aion_task *)aion__engine->task : NULL;
}

/* Break off its wait, or ask what it waits for to end; nothing if it does not wait. */
void aion__task_interrupt(struct aion_task *task);
/* A checkpoint says -ECANCELED: on whose account, and not for ever. Returns -ECANCELED. */
int aion__task_refuse(struct aion_task *task);
/* What a fresh stack runs. */
AION__SWITCH_ENTRY void *aion__task_entry(void);
/* The task's function has returned: leave the group, wake who waits, recycle the struct. */
void aion__task_end(struct aion_loop *loop, struct aion_task *task, int64_t result);
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
/* A child has ended. */
void aion__group_child_ended(struct aion_group *group, struct aion_task *child, int64_t result);

#endif
