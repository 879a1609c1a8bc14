/* SPDX-License-Identifier: MIT */
/* One turn of the loop, and the start and end of stacks. */
#include <errno.h>
#include <string.h>

#include "clock_int.h"
#include "debug_int.h"
#include "mutant_int.h"

#define SLICE_GROWTH 7 /* a slice of a budget is at most so many times what has been timed of it */

int64_t aion__loop_now(struct aion_loop *loop)
{
	loop->now_ns = loop->engine.ring.backend->now(&loop->engine.ring);
	return loop->now_ns;
}

/* Read the clock only where a timer may be due: after an enter, or every so many turns without one. */
static void loop_expire(struct aion_loop *loop)
{
	struct aion_timer *timer;

	if (!loop->clock_is_stale && ++loop->clock_turns < AION__CLOCK_TURN_MAX)
		return;
	loop->clock_turns = 0;
	loop->clock_is_stale = false;
	aion__loop_now(loop);
	while ((timer = aion__wheel_expire(&loop->wheel, loop->now_ns)) != NULL) {
		if (timer->expire)
			timer->expire(timer);
		else
			aion__future_finish(&loop->engine, &timer->future, 0);
	}
}

/* Oldest first. */
void aion__loop_run_posts(struct aion_loop *loop, struct aion__post *leave)
{
	struct aion__post *post = atomic_exchange(&loop->posts, leave);
	struct aion__post *oldest_first = NULL;

	if (aion__unlikely(loop->debug))
		aion__debug_posts_begin(loop);
	while (post) {
		struct aion__post *older = post->next;

		post->next = oldest_first;
		oldest_first = post;
		post = older;
	}
	while (oldest_first) {
		post = oldest_first;
		oldest_first = post->next;
		post->run(post);
	}
	if (aion__unlikely(loop->debug))
		aion__debug_posts_ran(loop);
}

static inline __attribute__((always_inline)) void loop_enter(struct aion_loop *loop, unsigned wait_nr,
							     int64_t deadline_ns)
{
	aion__engine_enter(&loop->engine, wait_nr, deadline_ns);
	loop->clock_is_stale = true;
}

/* Everything but running tasks: posts, timers, one enter if there is a reason for it, reaping. */
static inline __attribute__((always_inline)) void loop_pass(struct aion_loop *loop, bool may_wait)
{
	struct aion__engine *engine = &loop->engine;

	loop->turn_nr++;
	engine->task = NULL; /* what posts and completions start is no task's */
	if (aion__unlikely(atomic_load_explicit(&loop->posts, memory_order_relaxed) != NULL))
		aion__loop_run_posts(loop, NULL);
	if (loop->wheel.nr)
		loop_expire(loop);
	if (may_wait && aion__ready_is_empty(&engine->ready) && !aion__ring_cq_ready(&engine->ring))
		loop_enter(loop, 1, loop->wheel.nr ? aion__wheel_next_ns(&loop->wheel) : AION_NEVER);
	else if (aion__ring_queued(&engine->ring) || aion__ring_flags(&engine->ring))
		loop_enter(loop, 0, AION_NEVER);
	else if (aion__ring_cq_ready(&engine->ring))
		aion__engine_reap(engine);
}

void aion__loop_pass(struct aion_loop *loop)
{
	loop_pass(loop, false);
}

void aion__loop_turn(struct aion_loop *loop)
{
	do {
		loop_pass(loop, true);
	} while (aion__ready_is_empty(&loop->engine.ready));
	aion__loop_cut_batch(&loop->engine.ready);
}

/* Leave the group, which may have waited for this one. */
static inline void task_leave_group(struct aion_loop *loop, struct aion_task *task, int64_t result)
{
	struct aion_group *group = task->group;
	struct aion__link *next = task->sibling.next;
	struct aion__link *prev = task->sibling.prev;

	prev->next = next;
	next->prev = prev;
	if (aion__unlikely(result < 0))
		aion__group_child_failed(group, task, result);
	if (next == prev && group->joiner)
		aion__engine_make_ready(&loop->engine, &group->joiner->runnable);
}

/* The task's function has returned: leave the group, wake who waits, recycle the struct. What task_create() does not
 * set is empty from here on: refused_nr is not 0 only while the task is cancelled. */
static inline void task_end(struct aion_loop *loop, struct aion_task *task, int64_t result)
{
	if (aion__unlikely(task->in_scope | task->runnable.op_nr) || !aion__ring_is_alive(&loop->engine.ring))
		aion__task_end_badly(loop, task);
	task_leave_group(loop, task, result);
	if (task->has_handle) {
		task->handle->task = NULL;
		aion__future_finish(&loop->engine, &task->handle->future, result);
	}
	if (aion__unlikely(task->has_extras | task->cancelled)) {
		task->name[0] = 0;
		task->refused_nr = 0;
	}
	task->sibling.next = loop->task_free;
	loop->task_free = &task->sibling;
	loop->end_nr++;
}

/* A stack for a fresh task. Without memory for it the task ends here, without having run. */
static inline struct aion__stack *task_take_stack(struct aion_loop *loop, struct aion_task *task)
{
	struct aion__stack *stack = aion__stack_get(&loop->stacks, task->stack_class);

	if (aion__unlikely(!stack)) {
		task_end(loop, task, -ENOMEM);
		return NULL;
	}
	stack->owner = task;
	aion__fiber_init(&task->fiber, stack->low, aion__stack_size(stack));
	loop->fresh = stack;
	return stack;
}

static inline __attribute__((always_inline)) int loop_switch_stack(struct aion_loop *loop, struct aion_task *self,
								   struct aion_task *task, struct aion__stack *stack)
{
	int result;

	loop->engine.task = &task->runnable;
	loop->starter = self;
	AION__PROBE2(switch, self, task);
	aion__fiber_leave(&self->fiber, &task->fiber);
	result = aion__switch(&self->sp, stack->top, aion__task_entry);
	aion__fiber_arrive(&self->fiber);
	return result;
}

/* From a stack that is dead to a task that runs for the first time, but needs a stack of another size. */
static __attribute__((noinline)) AION__SWITCH_ENTRY void
task_leave_for_fresh(struct aion_loop *loop, struct aion_task *task, unsigned dead_class, struct aion__stack *dead)
{
	struct aion__stack *stack = NULL;
	void *dead_sp;

	while (!task->sp && !(stack = task_take_stack(loop, task)))
		task = aion__loop_next(loop);
	loop->engine.task = &task->runnable;
	loop->starter = NULL;
	AION__PROBE2(switch, 0, task);
	if (!aion__is_mutant(AION__MUTANT_EARLY_STACK))
		aion__stack_put_running(&loop->stacks, dead_class, dead);
	aion__fiber_leave_for_ever(&task->fiber);
	if (task->sp)
		aion__switch_leave(task->sp);
	aion__switch(&dead_sp, stack->top, aion__task_entry);
	__builtin_unreachable();
}

/* Without memory for a stack a task ends here, and the next one's turn has come. */
static __attribute__((noinline)) int loop_switch_cold(struct aion_loop *loop, struct aion_task *self,
						      struct aion_task *task)
{
	struct aion__stack *stack;

	while (!(stack = task_take_stack(loop, task))) {
		task = aion__loop_next(loop);
		if (task == self || task->sp)
			return aion__loop_switch(loop, self, task);
	}
	return loop_switch_stack(loop, self, task, stack);
}

/* The usual case saves no register. */
int aion__loop_switch_fresh(struct aion_loop *loop, struct aion_task *self, struct aion_task *task)
{
	if (aion__unlikely(!aion__stack_is_warm(&loop->stacks, task->stack_class)))
		return loop_switch_cold(loop, self, task);
	return loop_switch_stack(loop, self, task, task_take_stack(loop, task));
}

/*
 * Another slice, unless that was the last one, or it is time for the others. A slice is as long as the checkpoints that
 * were timed say there is time for; but not much longer than these were many, for the next ones may take longer.
 */
static bool loop_extends(struct aion_loop *loop)
{
	struct aion__budget *budget = &loop->budget;
	int64_t now_ns = loop->engine.ring.backend->now(&loop->engine.ring), past_ns = now_ns - loop->timed_ns;
	int64_t nr = AION__TASK_SLICE, nr_max;

	if (!budget->timed_nr) {
		loop->timed_ns = now_ns;
	} else {
		nr_max = AION__TASK_BUDGET - AION__TASK_SLICE - budget->timed_nr;
		if (nr_max <= 0 || past_ns >= AION__TASK_TIME_NS)
			return false;
		if (nr_max > SLICE_GROWTH * (int64_t)budget->timed_nr)
			nr_max = SLICE_GROWTH * (int64_t)budget->timed_nr;
		if (past_ns > 0)
			nr = (AION__TASK_TIME_NS - past_ns) * budget->timed_nr / past_ns;
		if (nr < AION__TASK_SLICE)
			nr = AION__TASK_SLICE;
		if (past_ns <= 0 || nr > nr_max)
			nr = nr_max;
	}
	budget->left_nr = (uint32_t)nr;
	budget->timed_nr += (uint32_t)nr;
	return true;
}

/* Whoever waits for the clock has it read: this may stand for much computing. */
void aion__loop_end_slice(struct aion_loop *loop, struct aion_task *self)
{
	if (loop_extends(loop))
		return;
	loop->clock_is_stale = true;
	aion__loop_yield(loop, self);
}

int aion__loop_switch_turning(struct aion_loop *loop, struct aion_task *self)
{
	aion__loop_turn(loop);
	return aion__loop_switch(loop, self, aion__loop_take(loop));
}

/*
 * Run the task, then whatever fresh task is next: it takes over the stack, without a switch. The end is a task that has
 * a stack of its own, or needs one of another size.
 */
AION__SWITCH_ENTRY void *aion__task_entry(void)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__task_of(loop->engine.task);
	struct aion__stack *stack = loop->fresh;
	const struct aion_task *starter = loop->starter;
	aion_fn *fn = task->fn;
	void *arg = task->arg;

	aion__fiber_arrive(&task->fiber);
	for (;;) {
		int64_t result = fn(arg);
		unsigned class = task->stack_class;

		if (aion__unlikely(task->has_extras) && task->locals)
			aion__task_destroy_locals(task);
		task_end(loop, task, result);
		if (aion__is_mutant(AION__MUTANT_EARLY_STACK))
			aion__stack_put(&loop->stacks, class, stack);
		task = aion__loop_next(loop);
		aion__loop_renew_budget(loop);
		if (!task->sp && task->stack_class == class) {
			AION__PROBE2(switch, 0, task);
			stack->owner = task;
			aion__fiber_init(&task->fiber, stack->low, aion__stack_size(stack));
			loop->engine.task = &task->runnable;
			fn = task->fn;
			arg = task->arg;
			continue;
		}
		stack->owner = NULL;
		if (aion__unlikely(!task->sp))
			task_leave_for_fresh(loop, task, class, stack);
		loop->engine.task = &task->runnable;
		AION__PROBE2(switch, 0, task);
		if (!aion__is_mutant(AION__MUTANT_EARLY_STACK))
			aion__stack_put_running(&loop->stacks, class, stack);
		aion__fiber_leave_for_ever(&task->fiber);
		/* Into the task that started this stack by returning, which the processor foresees. Another one is
		 * resumed by the very call that runs tasks: where that one was called from here, too, the processor
		 * foresees right where its function returns to. */
		if (task == starter)
			return task->sp;
		fn = aion__switch_leave;
		arg = task->sp;
	}
}
