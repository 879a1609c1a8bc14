/* SPDX-License-Identifier: MIT */
/* Groups: who belongs to them, what their errors come to, joining. */
#include <errno.h>
#include <string.h>

#include "loop_int.h"

void aion__group_init(struct aion_group *group, struct aion_loop *loop)
{
	group->loop = loop;
	group->children.next = &group->children;
	group->children.prev = &group->children;
	group->joiner = NULL;
	group->visit = NULL;
	group->error_nr = 0;
	group->is_open = true;
	group->cancel_seen = false;
	group->keeps_going = false;
	group->scope.is_group = true;
}

void aion_group_enter(struct aion_group *group)
{
	struct aion_task *task = aion__task_current();

	AION_BUG_ON(!task, "group entered outside of a task");
	aion__scope_push(task, &group->scope, false);
	aion__group_init(group, aion__loop());
}

void aion__group_fail(struct aion_group *group, const char *name, int code)
{
	if (group->error_nr < AION_GROUP_ERROR_MAX) {
		struct aion_group_error *error = &group->errors[group->error_nr];

		memset(error->name, 0, sizeof(error->name));
		memcpy(error->name, name, strnlen(name, sizeof(error->name) - 1));
		error->code = code;
	}
	group->error_nr++;
	if (!group->keeps_going)
		aion__scope_cancel(&group->scope, AION_REASON_SIBLING);
}

void aion__group_child_failed(struct aion_group *group, const struct aion_task *child, int64_t result)
{
	if (result != -ECANCELED || !child->cancelled)
		aion__group_fail(group, child->name, (int)result);
	else if (group->scope.effective)
		group->cancel_seen = true;
}

/* Whether a cancellation reaches the group from outside of it. */
static bool group_outer_cancelled(const struct aion_group *group, const struct aion_task *owner)
{
	return group->scope.parent ? group->scope.parent->effective : aion__task_edge_cancelled(owner);
}

int64_t aion_group_leave(struct aion_group *group, int64_t body_result)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__task_current();
	bool outer_cancelled;

	AION_BUG_ON(!task || task->scope != &group->scope || !group->scope.is_group,
		    "group left that is not the innermost scope of task \"%s\"", task ? task->name : "(none)");
	if (aion__unlikely(!aion__ring_is_alive(&loop->engine.ring)))
		return -ECHILD;
	if (aion__unlikely(body_result < 0)) {
		if (body_result != -ECANCELED || !task->cancelled)
			aion__group_fail(group, "(body)", (int)body_result);
		else
			group->cancel_seen = true;
	}
	group->joiner = task;
	task->is_interruptible = false;
	task->waits_for = NULL;
	while (aion__group_has_children(group))
		aion__loop_suspend(loop, task);
	group->is_open = false;
	outer_cancelled = group_outer_cancelled(group, task);
	aion__scope_pop(loop, &group->scope);
	if (aion__unlikely(group->error_nr))
		return group->errors[0].code;
	if (group->scope.reason == AION_REASON_DEADLINE && group->scope.delivered)
		return -ETIME;
	return group->cancel_seen && outer_cancelled ? -ECANCELED : 0;
}

void aion_group_cancel(struct aion_group *group)
{
	AION_BUG_ON(group->loop != aion__loop(), "group cancelled on another thread than its loop's");
	aion__scope_cancel(&group->scope, AION_REASON_USER);
}

void aion_group_keep_going(struct aion_group *group)
{
	AION_BUG_ON(!group->is_open, "group that is not open told to keep going");
	group->keeps_going = true;
}

size_t aion_group_errors(const struct aion_group *group, const struct aion_group_error **ret_errors)
{
	if (ret_errors)
		*ret_errors = group->errors;
	return group->error_nr;
}
