/* SPDX-License-Identifier: MIT */
/* Waiting for several futures, and for one with a deadline. Records of waiting stand on the caller's stack. */
#include <errno.h>

#include "alloc_int.h"
#include "debug_int.h"
#include "op_int.h"

#define WAIT_STACK_NR 64 /* futures whose records stand on the stack; for more they are allocated */

static size_t count_done(struct aion_future *const *futures, size_t nr, bool *ret_error)
{
	size_t done = 0;

	*ret_error = false;
	for (size_t i = 0; i < nr; i++) {
		if (!aion__future_is_done(futures[i]))
			continue;
		done++;
		*ret_error |= futures[i]->result < 0;
	}
	return done;
}

static bool wait_is_over(struct aion_future *const *futures, size_t nr, enum aion_wait_mode mode, size_t *ret_done)
{
	bool error;

	*ret_done = count_done(futures, nr, &error);
	return *ret_done == nr || (mode == AION_WAIT_FIRST_COMPLETED && *ret_done > 0) ||
	       (mode == AION_WAIT_FIRST_ERROR && error);
}

/* Suspend until one of the pending futures is done, or the wait is broken off. */
static int suspend_any(struct aion_loop *loop, struct aion_task *task, struct aion_future *const *futures, size_t nr,
		       struct aion__waiter *records)
{
	task->wait_nr = 0;
	for (size_t i = 0; i < nr; i++) {
		records[i].future = NULL;
		if (aion__future_is_done(futures[i]))
			continue;
		AION_BUG_ON(futures[i]->loop != loop && futures[i]->loop,
			    "future awaited on another thread than its loop's");
		AION_BUG_ON(futures[i]->kind == AION__FUTURE_OP && futures[i]->state != AION__OP_IN_FLIGHT,
			    "idle operation awaited");
		aion__future_add_waiter(futures[i], &records[i], &task->runnable);
		task->wait_nr++;
	}
	task->is_interruptible = true;
	task->waits_for = NULL;
	aion__loop_suspend(loop, task);
	for (size_t i = 0; i < nr; i++)
		aion__future_remove_waiter(&records[i]);
	if (!task->is_interrupted)
		return 0;
	task->is_interrupted = false;
	return -ECANCELED;
}

static int64_t wait_with(struct aion_loop *loop, struct aion_task *task, struct aion_future *const *futures, size_t nr,
			 enum aion_wait_mode mode, struct aion__waiter *records)
{
	size_t done;

	while (!wait_is_over(futures, nr, mode, &done)) {
		if (task->cancelled)
			return aion__task_refuse(task);
		/* What ended before the wait was broken off is a result: look again first. */
		suspend_any(loop, task, futures, nr, records);
	}
	return (int64_t)done;
}

/* What is done already was not awaited by anybody else, perhaps; what is not has a waiter from now on. */
static void waited_for(struct aion_loop *loop, struct aion_future *const *futures, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (aion__future_is_done(futures[i]))
			aion__debug_received(loop, futures[i]);
}

int64_t aion_wait(struct aion_future *const *futures, size_t nr, enum aion_wait_mode mode)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);
	struct aion__waiter on_stack[WAIT_STACK_NR];
	struct aion__waiter *records = on_stack;
	int64_t result;
	size_t done;

	if (!task)
		return aion__loop_refuses(loop);
	if (mode > AION_WAIT_FIRST_ERROR)
		return -EINVAL;
	aion__loop_spend(loop, task);
	if (aion__unlikely(loop->debug))
		waited_for(loop, futures, nr);
	if (wait_is_over(futures, nr, mode, &done))
		return (int64_t)done;
	if (nr > WAIT_STACK_NR) {
		records = aion__alloc(nr * sizeof(*records));
		if (!records)
			return -ENOMEM;
	}
	result = wait_with(loop, task, futures, nr, mode, records);
	if (records != on_stack)
		aion__free(records);
	return result;
}

int64_t aion_gather(struct aion_future *const *futures, size_t nr, int64_t *ret_results)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);
	int64_t first_error = 0;
	bool gave_up = false;

	if (!task)
		return aion__loop_refuses(loop);
	aion__loop_spend(loop, task);
	if (aion__unlikely(loop->debug))
		waited_for(loop, futures, nr);
	/* One after another: the last to end decides when all are done. Nothing is recorded. */
	for (size_t i = 0; i < nr; i++) {
		bool was_done = aion__future_is_done(futures[i]);
		bool was_received = futures[i]->flags & AION__OP_RECEIVED;
		int64_t result;

		if (gave_up && !was_done && futures[i]->kind != AION__FUTURE_OP)
			continue;
		result = was_done ? futures[i]->result : aion_await(futures[i]);
		/* Broken off, or an operation that the cancellation ended: the other operations are still asked to end.
		 */
		if (!was_done && result == -ECANCELED && task->cancelled)
			gave_up = true;
		/* The results are the caller's only once he has them all. */
		if (!was_received)
			futures[i]->flags = (uint16_t)((futures[i]->flags & ~AION__OP_RECEIVED) | AION__OP_SEEN);
		if (result < 0 && first_error == 0)
			first_error = result;
	}
	if (gave_up)
		return -ECANCELED;
	for (size_t i = 0; ret_results && i < nr; i++) {
		ret_results[i] = futures[i]->result;
		futures[i]->flags |= AION__OP_RECEIVED;
	}
	return first_error;
}

/* The end of what the future stands for is asked for, where there is one to ask. Whether it must be waited for. */
static bool cancel_what_it_is(struct aion_future *future)
{
	if (future->kind == AION__FUTURE_OP) {
		aion_op_cancel(aion__container_of(future, struct aion_op, future));
		return true;
	}
	if (future->kind == AION__FUTURE_HANDLE) {
		aion_handle_cancel(aion__container_of(future, struct aion_handle, future));
		return true;
	}
	return false;
}

int64_t aion_wait_for(struct aion_future *future, int64_t deadline_ns)
{
	struct aion_task *task = aion__loop_task(aion__loop());
	struct aion_scope scope;
	int64_t result;
	bool time_is_up;

	if (!task || aion__future_is_done(future) || task->cancelled)
		return aion_await(future);
	/* Only the waiting is cut short: aion_wait() leaves what the future stands for alone. */
	aion_scope_enter(&scope, deadline_ns);
	result = aion_wait(&future, 1, AION_WAIT_ALL);
	time_is_up = aion_scope_leave(&scope) == -ETIME;
	if (aion__future_is_done(future))
		return aion_await(future);
	if (!time_is_up)
		/* Cancelled from outside: an operation is asked to end, all else is left. */
		return future->kind == AION__FUTURE_OP ? aion_await(future) : result;
	if (!cancel_what_it_is(future))
		return -ETIME;
	result = aion_await(future);
	return result == -ECANCELED && !task->cancelled ? -ETIME : result;
}
