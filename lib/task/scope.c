/* SPDX-License-Identifier: MIT */
/*
 * Scopes, and how a cancellation travels: inwards through the scopes of a task, and from a group to its children. The
 * work is done when somebody cancels; a checkpoint reads one flag of its task.
 */
#include <errno.h>

#include "loop_int.h"
#include "mutant_int.h"

/* Mark scope and what is nested in it as cancelled, up to the first shield. Groups met are put on the list. */
static struct aion_group *scope_mark(struct aion_scope *scope, struct aion_group *visit)
{
	struct aion_task *task = scope->task;

	for (; scope; scope = scope->inner) {
		if (scope->effective)
			return visit;
		scope->effective = true;
		if (scope->is_group) {
			struct aion_group *group = aion__container_of(scope, struct aion_group, scope);

			group->visit = visit;
			visit = group;
		}
		if (scope->inner && scope->inner->shield)
			return visit;
	}
	/* Through to the innermost (the loop's own group has no task). */
	if (task && !task->cancelled) {
		task->cancelled = true;
		aion__task_interrupt(task);
	}
	return visit;
}

/* The cancellation arrives at a task's edge. */
static struct aion_group *task_mark(struct aion_task *task, struct aion_group *visit)
{
	if (task->outermost)
		return task->outermost->shield ? visit : scope_mark(task->outermost, visit);
	if (!task->cancelled) {
		task->cancelled = true;
		aion__task_interrupt(task);
	}
	return visit;
}

/* Trees may be deep: a list, not a recursion. */
static void groups_visit(struct aion_group *visit)
{
	while (visit) {
		struct aion_group *group = visit;

		visit = group->visit;
		for (struct aion__link *child = group->children.next; child != &group->children; child = child->next)
			visit = task_mark(aion__container_of(child, struct aion_task, sibling), visit);
	}
}

void aion__scope_cancel(struct aion_scope *scope, enum aion_reason reason)
{
	if (scope->reason != AION_REASON_NONE)
		return;
	scope->reason = (uint8_t)reason;
	AION__PROBE2(cancel_scope, scope, reason);
	groups_visit(scope_mark(scope, NULL));
}

void aion__task_cancel_alone(struct aion_task *task)
{
	if (task->cancelled_alone)
		return;
	task->cancelled_alone = true;
	AION__PROBE1(cancel_task, task);
	groups_visit(task_mark(task, NULL));
}

/*
 * Which scope a -ECANCELED at this task's checkpoint is on account of: the outermost cancelled one that no shield keeps
 * out. NULL when the task was cancelled alone.
 */
static struct aion_scope *task_account(struct aion_task *task)
{
	struct aion_scope *account = NULL;
	struct aion_scope *scope = task->scope;

	while (task) {
		for (; scope; scope = scope->parent) {
			if (scope->reason != AION_REASON_NONE)
				account = scope;
			if (scope->shield)
				return account;
		}
		if (task->cancelled_alone)
			account = NULL;
		scope = &task->group->scope;
		task = scope->task;
	}
	/* The loop's own group. */
	return scope && scope->reason != AION_REASON_NONE ? scope : account;
}

int aion__task_refuse(struct aion_task *task)
{
	struct aion_scope *account = task_account(task);

	AION_ASSERT(task->cancelled);
	if (account)
		account->delivered = true;
	if (++task->refused_nr > AION__REFUSED_MAX) {
		task->refused_nr = 0;
#ifdef AION_DEBUG_ASSERTS
		aion__bug(__func__, __FILE__, __LINE__,
			  "task \"%s\" ignores its cancellation: %d times -ECANCELED in a row", task->name,
			  AION__REFUSED_MAX);
#else
		aion__diag("task \"%s\" ignores its cancellation: %d times -ECANCELED in a row", task->name,
			   AION__REFUSED_MAX);
#endif
	}
	return -ECANCELED;
}

static void scope_expire(struct aion_timer *timer)
{
	aion__scope_cancel(timer->owner, AION_REASON_DEADLINE);
}

static int scope_arm(struct aion_loop *loop, struct aion_scope *scope, int64_t deadline_ns)
{
	if (deadline_ns == AION_NEVER)
		return 0;
	/* aion_now() and aion_after() keep now_ns fresh: a deadline that has passed is seen here, without a clock read.
	 */
	if (deadline_ns <= loop->now_ns) {
		aion__scope_cancel(scope, AION_REASON_DEADLINE);
		return 0;
	}
	scope->timer.future.loop = loop;
	scope->timer.expire = scope_expire;
	scope->timer.owner = scope;
	return aion__wheel_arm(&loop->wheel, &scope->timer, deadline_ns);
}

void aion__scope_push(struct aion_task *task, struct aion_scope *scope, bool shield)
{
	scope->parent = task->scope;
	scope->inner = NULL;
	scope->task = task;
	scope->timer.place = 0;
	scope->reason = AION_REASON_NONE;
	scope->shield = shield;
	scope->effective = !shield && task->cancelled;
	scope->delivered = false;
	scope->is_group = false;
	if (task->scope)
		task->scope->inner = scope;
	else
		task->outermost = scope;
	task->scope = scope;
	task->in_scope = true;
	task->cancelled = scope->effective;
}

void aion__scope_pop(struct aion_loop *loop, struct aion_scope *scope)
{
	struct aion_task *task = aion__task_current();

	AION_BUG_ON(!task || task->scope != scope, "scope or group left that is not the innermost of task \"%s\"",
		    task ? task->name : "(none)");
	if (scope->timer.place && !aion__is_mutant(AION__MUTANT_LEAVE_TIMER))
		aion__wheel_cancel(&loop->wheel, &scope->timer);
	task->scope = scope->parent;
	if (scope->parent) {
		scope->parent->inner = NULL;
	} else {
		task->outermost = NULL;
		task->in_scope = false;
	}
	task->cancelled = scope->parent ? scope->parent->effective : aion__task_edge_cancelled(task);
	if (!task->cancelled)
		task->refused_nr = 0;
	scope->task = NULL;
}

static void scope_enter(struct aion_scope *scope, int64_t deadline_ns, bool shield)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__task_current();

	AION_BUG_ON(!task, "scope entered outside of a task");
	aion__scope_push(task, scope, shield);
	/* Without memory for the deadline, fail on the safe side: nothing waits for ever. */
	if (aion__unlikely(scope_arm(loop, scope, deadline_ns) < 0)) {
		aion__diag("no memory for the deadline of a scope of task \"%s\": it is cancelled", task->name);
		aion__scope_cancel(scope, AION_REASON_DEADLINE);
	}
}

void aion_scope_enter(struct aion_scope *scope, int64_t deadline_ns)
{
	scope_enter(scope, deadline_ns, false);
}

void aion_scope_enter_shield(struct aion_scope *scope, int64_t deadline_ns)
{
	scope_enter(scope, deadline_ns, true);
}

int aion_scope_leave(struct aion_scope *scope)
{
	AION_BUG_ON(scope->is_group, "group left by aion_scope_leave(); use aion_group_leave()");
	aion__scope_pop(aion__loop(), scope);
	return scope->reason == AION_REASON_DEADLINE && scope->delivered ? -ETIME : 0;
}

void aion_scope_fini(struct aion_scope *scope)
{
	if (scope->task)
		aion_scope_leave(scope);
}

void aion_scope_cancel(struct aion_scope *scope)
{
	AION_BUG_ON(scope->task && scope->task->group->loop != aion__loop(),
		    "scope cancelled on another thread than its loop's");
	aion__scope_cancel(scope, AION_REASON_USER);
}

int aion_scope_set_deadline(struct aion_scope *scope, int64_t deadline_ns)
{
	struct aion_loop *loop = aion__loop();

	AION_BUG_ON(!scope->task || scope->task->group->loop != loop,
		    "deadline set on a scope that is not open, or on another thread than its loop's");
	if (scope->timer.place)
		aion__wheel_cancel(&loop->wheel, &scope->timer);
	return scope_arm(loop, scope, deadline_ns);
}

enum aion_reason aion_scope_reason(const struct aion_scope *scope)
{
	if (scope->reason == AION_REASON_NONE && scope->effective)
		return AION_REASON_PARENT;
	return (enum aion_reason)scope->reason;
}

bool aion_cancelled(void)
{
	const struct aion_task *task = aion__task_current();

	return task && task->cancelled;
}

/* A slice of the budget is used up. By itself, so that a checkpoint that returns at once saves no register. */
static __attribute__((noinline)) int checkpoint_yield(struct aion_loop *loop, struct aion_task *task)
{
	aion__loop_end_slice(loop, task);
	return task->cancelled ? aion__task_refuse(task) : 0;
}

int aion_checkpoint(void)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	if (aion__unlikely(!task))
		return aion__loop_refuses(loop);
	if (aion__unlikely(--loop->budget.left_nr == 0))
		return checkpoint_yield(loop, task);
	return aion__unlikely(task->cancelled) ? aion__task_refuse(task) : 0;
}
