/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_LOOP_INT_H
#define AION_TASK_LOOP_INT_H
/* The loop and its hot path: suspending is taking the next ready task and switching to it. */
#include <pthread.h>
#include <stdatomic.h>

#include <aion/loop.h>

#include "overflow_int.h"
#include "task_int.h"
#include "wheel_int.h"

#define AION__TASK_BUDGET 128    /* checkpoints that a task may pass before the others run */
#define AION__RUN_MAX 1024       /* tasks that run between two looks at the ring */
#define AION__CLOCK_TURN_MAX 32  /* turns without system call after which armed timers look at the clock */
#define AION__REFUSED_MAX 1000   /* -ECANCELED in a row before a task is named */
#define AION__TASK_SLAB_NR 32    /* tasks allocated at a time */

/* Something that another thread hands to the loop. */
struct aion__post {
	struct aion__post *next;
	void (*run)(struct aion__post *post); /* on the loop's thread, between tasks; frees it */
};

#define AION__POSTS_CLOSED ((struct aion__post *)1)

/*
 * The way of other threads to a loop. It outlives the loop as long as promises name it, and the loop lives as long as
 * somebody is inside.
 */
struct aion__mailbox {
	struct aion_loop *loop;
	atomic_uint references; /* the loop's, and each promise's */
	atomic_uint inside_nr;  /* threads that are handing something over */
	atomic_bool is_closed;  /* who comes in from now on does not find the loop */
};

struct aion__task_slab;

struct aion_loop {
	struct aion__engine engine; /* first: an engine's address is its loop's */
	unsigned budget;            /* of the running task */
	struct aion_task *task_free;
	struct aion__stack_pool stacks;
	uint8_t stack_class; /* the default's */
	_Atomic(struct aion__post *) posts; /* newest first */
	struct aion__mailbox *mailbox;
	/* below: once a turn at most */
	int64_t now_ns; /* the clock when it was last read */
	unsigned clock_turns;
	bool clock_is_stale; /* an enter has let time pass */
	bool is_bound;
	pthread_t thread;
	struct aion__wheel wheel;
	struct aion_task host; /* the thread itself, on its own stack */
	struct aion__stack host_stack; /* of which nothing is known */
	struct aion_group root;
	struct aion__task_slab *task_slabs;
	struct aion__overflow_watch overflow;
	bool no_overflow_handler;
	int host_fd; /* eventfd for another event loop, or -1 */
	size_t call_nr;  /* offloaded calls that workers have */
	size_t task_nr;
	uint64_t switch_nr;
	uint64_t spawn_nr;
	uint64_t turn_nr;
	struct aion__stack *parting; /* of a task that has ended, while it runs its last lines */
	unsigned parting_class;
	const struct aion_task *starter; /* who switched to the stack that was started last */
};

static inline struct aion_loop *aion__loop(void)
{
	return (struct aion_loop *)aion__engine;
}

/* Turn the loop until something is ready, and make that the batch. Runs on the suspender's stack. */
void aion__loop_turn(struct aion_loop *loop);
/* Posts, timers, the ring; without waiting. */
void aion__loop_pass(struct aion_loop *loop);
/* A task about to run for the first time gets its stack, or, without memory for one, ends; then the next one is tried.
 * Sets the running task; returns what a fresh stack has to run, NULL if that task was suspended before. */
aion__switch_entry *aion__loop_start(struct aion_loop *loop, struct aion_task *self, struct aion_task *task);
/* Run what has been posted, and leave the list empty (NULL) or closed. */
void aion__loop_run_posts(struct aion_loop *loop, struct aion__post *leave);
void aion__task_slabs_free(struct aion_loop *loop);
/* Read the clock. */
int64_t aion__loop_now(struct aion_loop *loop);
/* Hand a post to a loop, from any thread. -ESHUTDOWN, -ECHILD. */
int aion__loop_push(struct aion_loop *loop, struct aion__post *post);
struct aion__mailbox *aion__mailbox_create(struct aion_loop *loop);
/* The posts are closed; wait until nobody is inside, unless those threads are a parent process's. */
void aion__mailbox_close(struct aion__mailbox *mailbox, bool is_forked_child);
void aion__mailbox_unref(struct aion__mailbox *mailbox);

/* The next task to run, taken off the queue. */
static inline struct aion_task *aion__loop_next(struct aion_loop *loop)
{
	struct aion__ready *ready = &loop->engine.ready;
	struct aion__runnable *next;

	if (aion__unlikely(ready->head == ready->batch_end))
		aion__loop_turn(loop);
	next = ready->places[ready->head++ & ready->mask];
	if (ready->mask >= AION__READY_PREFETCH_NR) {
		const struct aion__runnable *later = ready->places[(ready->head + 1) & ready->mask];

		__builtin_prefetch(((const struct aion_task *)later)->sp);
		__builtin_prefetch(ready->places[(ready->head + 3) & ready->mask]);
	}
	next->is_queued = false;
	return (struct aion_task *)next;
}

/* Leave self for another task. Starting and resuming share one call, which the processor then predicts well. */
static inline __attribute__((always_inline)) void aion__loop_switch(struct aion_loop *loop, struct aion_task *self,
								     struct aion_task *task)
{
	aion__switch_entry *entry = NULL;

	loop->budget = AION__TASK_BUDGET;
	loop->engine.task = &task->runnable;
	if (aion__unlikely(!task->stack)) {
		entry = aion__loop_start(loop, self, task);
		task = (struct aion_task *)loop->engine.task;
	}
	if (task == self)
		return;
	aion__fiber_leave(&self->fiber, &task->fiber);
	aion__switch(&self->sp, task->sp, entry);
	aion__fiber_arrive(&self->fiber);
}

/* Give the thread to the next ready task; returns when self has been made ready and its turn has come. */
static inline __attribute__((always_inline)) void aion__loop_suspend(struct aion_loop *loop, struct aion_task *self)
{
	aion__loop_switch(loop, self, aion__loop_next(loop));
}

/* 0, or why the caller cannot suspend here: -EBUSY, -ECHILD. */
int aion__loop_refuses(struct aion_loop *loop);

/* The running task, or NULL with *ret_error set. */
static inline struct aion_task *aion__loop_task(struct aion_loop *loop)
{
	if (aion__unlikely(!loop || !loop->engine.task || !aion__ring_is_alive(&loop->engine.ring)))
		return NULL;
	return (struct aion_task *)loop->engine.task;
}

/* Draw on the budget; when it is used up, let the others run. */
static inline void aion__loop_spend(struct aion_loop *loop, struct aion_task *task)
{
	if (aion__unlikely(--loop->budget == 0)) {
		aion__engine_make_ready(&loop->engine, &task->runnable);
		aion__loop_suspend(loop, task);
	}
}

#endif
