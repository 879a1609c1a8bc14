/* SPDX-License-Identifier: MIT */
/* Waiting for one future; ending operations for good. */
#include <errno.h>

#include "call_int.h"
#include "debug_int.h"
#include "mutant_int.h"
#include "op_int.h"
#include "waits_int.h"

int aion__loop_refuses(struct aion_loop *loop)
{
	return loop && !aion__ring_is_alive(&loop->engine.ring) ? -ECHILD : -EBUSY;
}

/* Whether whoever waits for it has to see it end. */
static inline bool future_must_end(const struct aion_future *future)
{
	return future->kind == AION__FUTURE_OP || future->kind >= AION__FUTURE_REMOTE;
}

/* Ask what runs elsewhere to end. */
static void future_ask_to_end(struct aion_future *future)
{
	if (future->kind == AION__FUTURE_OP)
		aion_op_cancel(aion__container_of(future, struct aion_op, future));
	else if (future->kind == AION__FUTURE_REMOTE)
		aion__remote_withdraw(aion__container_of(future, struct aion__remote, wait.future));
	else
		aion__call_withdraw(aion__container_of(future, struct aion__call, future));
}

void aion__task_interrupt(struct aion_task *task)
{
	struct aion_loop *loop = task->group->loop;

	/* Running or about to: it will see the flag at its next checkpoint. Not begun: likewise. */
	if (task->runnable.is_awake)
		return;
	if (aion__is_mutant(AION__MUTANT_FORGET_WAITER) && !task->waits_for)
		return; /* of several futures */
	if (task->is_interruptible) {
		task->is_interrupted = true;
		aion__engine_make_ready(&loop->engine, &task->runnable);
	} else if (task->waits_for && !aion__future_is_done(task->waits_for) && future_must_end(task->waits_for)) {
		future_ask_to_end(task->waits_for);
	}
}

/* A result is handed over: from now on it is the receiver's to close, free, report. */
static inline int64_t future_receive(struct aion_task *task, struct aion_future *future)
{
	future->flags |= AION__OP_RECEIVED;
	if (aion__unlikely(task->cancelled)) {
		if (future->result == -ECANCELED)
			return aion__task_refuse(task);
		if (aion__is_mutant(AION__MUTANT_TIME_OVER_RESULT) && task->scope &&
		    task->scope->reason == AION_REASON_DEADLINE)
			return aion__task_refuse(task);
		task->refused_nr = 0;
	}
	return future->result;
}

/* Suspend, unless the future is done, until it is: who cancels the task meanwhile asks what runs elsewhere to end. */
static void future_see_end(struct aion_loop *loop, struct aion_task *task, struct aion_future *future)
{
	if (aion__future_is_done(future))
		return;
	if (aion__likely(future->waiters == 0))
		future->waiters = (uintptr_t)&task->runnable | AION__WAITER_SINGLE;
	else
		aion__future_add_runnable(future, &task->runnable);
	task->is_interruptible = false;
	task->waits_for = future;
	aion__loop_suspend(loop, task);
	AION_ASSERT(!task->is_interrupted);
}

/* The caller is cancelled already, and the future is pending. */
static __attribute__((noinline)) int64_t await_cancelled(struct aion_loop *loop, struct aion_task *task,
							 struct aion_future *future)
{
	aion__loop_spend(loop, task);
	/* What has become done while others had their turn is a result, and kept. */
	if (aion__future_is_done(future))
		return future_receive(task, future);
	if (!future_must_end(future))
		return aion__task_refuse(task);
	future_ask_to_end(future);
	future_see_end(loop, task, future);
	return future_receive(task, future);
}

static __attribute__((noinline)) int64_t await_done(struct aion_loop *loop, struct aion_task *task,
						    struct aion_future *future)
{
	aion__loop_spend(loop, task);
	if (aion__unlikely(loop->debug))
		aion__debug_received(loop, future);
	return future_receive(task, future);
}

__attribute__((noinline)) int64_t aion__await_cancelled_since(struct aion_task *task, struct aion_future *future)
{
	if (task->is_interrupted) {
		task->is_interrupted = false;
		aion__future_remove_runnable(future, &task->runnable);
		/* What became done between the interruption and now is a result, and kept. */
		if (!aion__future_is_done(future))
			return aion__task_refuse(task);
	}
	return future_receive(task, future);
}

/* The caller's and the future's state allow the wait. */
static inline __attribute__((always_inline)) int64_t await_pending(struct aion_loop *loop, struct aion_task *task,
								   struct aion_future *future)
{
	task->is_interruptible = !future_must_end(future);
	task->waits_for = future;
	aion__loop_suspend(loop, task);
	if (aion__unlikely(task->cancelled))
		return aion__await_cancelled_since(task, future);
	AION_ASSERT(!task->is_interrupted);
	future->flags |= AION__OP_RECEIVED;
	return future->result;
}

/* With a record, as others wait for it, too. */
static __attribute__((noinline)) int64_t await_among_others(struct aion_loop *loop, struct aion_task *task,
							    struct aion_future *future)
{
	aion__future_add_runnable(future, &task->runnable);
	return await_pending(loop, task, future);
}

/* What is rare is called last: the usual wait saves few registers. */
int64_t aion_await(struct aion_future *future)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	if (aion__unlikely(!task))
		return aion__future_is_done(future) ? future->result : aion__loop_refuses(loop);
	AION_BUG_ON(future->loop != loop && future->loop, "future awaited on another thread than its loop's");
	if (aion__future_is_done(future))
		return await_done(loop, task, future);
	AION_BUG_ON(future->kind == AION__FUTURE_OP && future->state != AION__OP_IN_FLIGHT, "idle operation awaited");
	if (aion__unlikely(task->cancelled))
		return await_cancelled(loop, task, future);
	if (aion__unlikely(future->waiters))
		return await_among_others(loop, task, future);
	future->waiters = (uintptr_t)&task->runnable | AION__WAITER_SINGLE;
	return await_pending(loop, task, future);
}

int64_t aion_op_wait(struct aion_op *op)
{
	struct aion_future *future = &op->future;
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	if (!task)
		return aion__future_is_done(future) ? future->result : aion__loop_refuses(loop);
	AION_BUG_ON(future->loop != loop && future->loop, "future awaited on another thread than its loop's");
	AION_BUG_ON(future->state == AION__OP_IDLE, "idle operation awaited");
	if (task->cancelled)
		aion_op_cancel(op);
	future_see_end(loop, task, future);
	if (aion__unlikely(loop->debug))
		aion__debug_received(loop, future);
	future->flags |= AION__OP_RECEIVED;
	return future->result;
}

/* Wait, whatever is cancelled. */
static void await_end(struct aion_loop *loop, struct aion_task *task, struct aion_future *future)
{
	task->is_interruptible = false;
	while (!aion__future_is_done(future)) {
		aion__future_add_runnable(future, &task->runnable);
		task->waits_for = future;
		aion__loop_suspend(loop, task);
	}
}

int64_t aion_nop(void)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);
	struct io_uring_sqe *sqe;
	struct aion_op op;

	if (aion__unlikely(!task))
		return aion__loop_refuses(loop);
	if (aion__unlikely(task->cancelled)) {
		aion__loop_spend(loop, task);
		return aion__task_refuse(task);
	}
	sqe = aion__engine_sqe(&loop->engine); /* every kernel has it */
	io_uring_prep_nop(sqe);
	sqe->user_data = (uintptr_t)&op;
	/* Only what its end and a cancel look at. It stands on the stack of the task that waits for it, which cannot
	 * end before: so it is not counted as the task's. */
	op.future.loop = loop;
	op.future.kind = AION__FUTURE_OP;
	op.future.state = AION__OP_IN_FLIGHT;
	op.future.flags = AION__OP_BARE;
	op.future.fd = -1;
	op.future.waiters = (uintptr_t)&task->runnable | AION__WAITER_SINGLE;
	op.task = NULL;
	AION__PROBE3(submit, &op, IORING_OP_NOP, -1);
	loop->engine.in_flight_nr++;
	task->is_interruptible = false;
	task->waits_for = &op.future;
	aion__loop_suspend(loop, task);
	return aion__unlikely(task->cancelled) ? future_receive(task, &op.future) : op.future.result;
}

/* The result of an operation that nobody has received. */
static void op_drop(struct aion_loop *loop, struct aion_op *op)
{
	unsigned flags = op->future.flags;

	if (loop && aion__unlikely(loop->debug))
		aion__debug_reaped(loop, op, flags & AION__OP_RECEIVED);
	op->future.flags |= AION__OP_RECEIVED;
	if (op->future.state == AION__OP_DONE && flags & (AION__OP_RESULT_FD | AION__OP_RESULT_FDS) &&
	    !(flags & AION__OP_RECEIVED) && op->future.result >= 0)
		aion__op_drop_result(loop ? &loop->engine : NULL, op);
}

void aion_op_reap(struct aion_op *op)
{
	aion_op_reap_all(op, 1);
}

void aion_op_reap_all(struct aion_op *ops, size_t nr)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__task_current();
	size_t in_flight_nr = 0;

	for (size_t i = 0; i < nr; i++)
		in_flight_nr += aion_op_is_in_flight(&ops[i]);
	/* In a forked child the parent's operations are the parent's. */
	if (in_flight_nr && (!loop || aion__ring_is_alive(&loop->engine.ring))) {
		AION_BUG_ON(!task, "operation in flight reaped outside of a task");
		for (size_t i = 0; i < nr; i++)
			aion_op_cancel(&ops[i]);
		for (size_t i = 0; i < nr; i++)
			if (aion_op_is_in_flight(&ops[i])) {
				await_end(loop, task, &ops[i].future);
				if (aion__is_mutant(AION__MUTANT_LEAK_FD))
					ops[i].future.flags |= AION__OP_RECEIVED;
			}
	}
	for (size_t i = 0; i < nr; i++)
		op_drop(loop, &ops[i]);
}
