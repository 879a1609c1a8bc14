/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_LOOP_INT_H
#define AION_TASK_LOOP_INT_H
/* The loop: suspending is taking the next ready task and switching to it. */
#include <pthread.h>
#include <stdatomic.h>

#include <aion/loop.h>

#include "overflow_int.h"
#include "probe_int.h"
#include "task_int.h"
#include "wheel_int.h"

#define AION__TASK_BUDGET 128                      /* checkpoints that a task may pass before the others run */
#define AION__TASK_SLICE 4                         /* of these, and the clock tells how many more there may be */
#define AION__TASK_TIME_NS (25 * AION_MICROSECOND) /* that they may take before the others run */
#define AION__RUN_MAX 1024                         /* tasks that run between two looks at the ring */
#define AION__CLOCK_TURN_MAX 32 /* turns without system call after which armed timers look at the clock */
#define AION__REFUSED_MAX 1000  /* -ECANCELED in a row before a task is named */
#define AION__TASK_SLAB_NR 32   /* tasks allocated at a time */

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

/* What a task may do before the others run. Two halves of a word, set in one store. */
struct aion__budget {
	uint32_t left_nr;  /* checkpoints to the end of the slice */
	uint32_t timed_nr; /* to there since the first slice ended */
};

struct aion_loop {
	struct aion__engine engine;   /* first: an engine's address is its loop's */
	struct aion__budget budget;   /* of the running task */
	struct aion__link *task_free; /* the free tasks' siblings */
	struct aion__stack_pool stacks;
	uint8_t stack_class;                /* the default's */
	_Atomic(struct aion__post *) posts; /* newest first */
	struct aion__mailbox *mailbox;
	/* below: once a turn at most */
	int64_t now_ns; /* the clock when it was last read */
	unsigned clock_turns;
	bool clock_is_stale; /* an enter, or a task that computes, has let time pass */
	int64_t timed_ns;    /* when the first slice of a budget was used up */
	bool is_bound;
	pthread_t thread;
	struct aion__wheel wheel;
	struct aion_task host; /* the thread itself, on its own stack */
	struct aion_group root;
	struct aion__stack *fresh; /* the stack that was started last */
	struct aion__task_slab *task_slabs;
	struct aion__overflow_watch overflow;
	bool no_overflow_handler;
	bool no_interrupt_handler;
	struct aion_handle *main_task; /* of aion_loop_run(), NULL when it is not running */
	int host_fd;                   /* eventfd for another event loop, or -1 */
	size_t call_nr;                /* offloaded calls that workers have */
	uint64_t spawn_nr;
	uint64_t end_nr; /* of those, have ended */
	uint64_t turn_nr;
	const struct aion_task *starter; /* who switched to the stack that was started last */
	struct aion_loop *older;         /* in the list of all loops */
	int64_t birth_ns;
	struct aion__debug *debug;                     /* NULL: not in debug mode */
	_Atomic(struct aion__dump_watch *) dump_watch; /* NULL: no signal makes it dump itself */
};

/* Tasks alive. */
static inline size_t aion__loop_task_nr(const struct aion_loop *loop)
{
	return loop->spawn_nr - loop->end_nr;
}

static inline struct aion_loop *aion__loop(void)
{
	return (struct aion_loop *)aion__engine;
}

/* All loops of the process, newest first, for debuggers: tools/gdb finds the tasks by it. Changed under a lock. */
extern struct aion_loop *aion__loops __attribute__((visibility("hidden")));
void aion__loops_add(struct aion_loop *loop);
void aion__loops_remove(struct aion_loop *loop);

/* Posts, timers, the ring; without waiting. */
void aion__loop_pass(struct aion_loop *loop);
/* Run what has been posted, and leave the list empty (NULL) or closed. */
void aion__loop_run_posts(struct aion_loop *loop, struct aion__post *leave);
void aion__task_slabs_free(struct aion_loop *loop);
/* 0, or why this thread may not look at the loop: -EXDEV, -ECHILD. */
int aion__loop_is_foreign(const struct aion_loop *loop);
/* Read the clock. */
int64_t aion__loop_now(struct aion_loop *loop);
/* Hand a post to a loop, from any thread. -ESHUTDOWN, -ECHILD. */
int aion__loop_push(struct aion_loop *loop, struct aion__post *post);
struct aion__mailbox *aion__mailbox_create(struct aion_loop *loop);
/* The posts are closed; wait until nobody is inside, unless those threads are a parent process's. */
void aion__mailbox_close(struct aion__mailbox *mailbox, bool is_forked_child);
void aion__mailbox_unref(struct aion__mailbox *mailbox);

/* Turn the loop until something is ready, and make that the batch. Runs on the suspender's stack. */
void aion__loop_turn(struct aion_loop *loop);

/* Who is ready now is the batch: what these make ready comes after the next look at the ring; if they are very many, so
 * do the last of them. */
static inline void aion__loop_cut_batch(struct aion__ready *ready)
{
	ready->batch_end = ready->tail;
	if (aion__unlikely(ready->tail - ready->head > ready->batch_max))
		/* Read anew: to keep it from the line above would cost the usual case a load. */
		ready->batch_end = ready->head + __atomic_load_n(&ready->batch_max, __ATOMIC_RELAXED);
}

/*
 * Nothing but ready tasks: no timer to look at, a ring that holds nothing. Posts are not looked for: the first of them
 * wakes the loop through the ring, and whoever takes that wake leaves its next read queued until a pass has looked at
 * the posts (or looks itself: host_run_posts()). Nothing is read on the strength of it, so the order of the loads is
 * free.
 */
static inline bool aion__loop_has_only_tasks(const struct aion_loop *loop)
{
	const struct io_uring *uring = &loop->engine.ring.uring;

	return !aion__ready_is_empty(&loop->engine.ready) && !loop->wheel.nr &&
	       uring->sq.sqe_tail == __atomic_load_n(uring->sq.khead, __ATOMIC_RELAXED) &&
	       !aion__ring_flags(&loop->engine.ring) &&
	       *uring->cq.khead == __atomic_load_n(uring->cq.ktail, __ATOMIC_RELAXED);
}

/* A turn, if that is no more than looking. */
static inline bool aion__loop_turn_quickly(struct aion_loop *loop)
{
	if (aion__unlikely(!aion__loop_has_only_tasks(loop)))
		return false;
	loop->turn_nr++;
	aion__loop_cut_batch(&loop->engine.ready);
	return true;
}

/* The next task to run, taken off the queue, in which there is one of this batch. */
static inline struct aion_task *aion__loop_take(struct aion_loop *loop)
{
	struct aion__ready *ready = &loop->engine.ready;
	struct aion__runnable *next = ready->places[ready->head++ & ready->mask];

	if (ready->mask >= AION__READY_PREFETCH_NR) {
		const char *sp = aion__task_of(ready->places[(ready->head + 1) & ready->mask])->sp;

		/* What the switch reads may lie in two lines. A fresh task's is nowhere, and to look there costs 5 % of
		 * it. */
		if (sp) {
			__builtin_prefetch(sp);
			__builtin_prefetch(sp + AION__CACHE_LINE - 1);
		}
		__builtin_prefetch(ready->places[(ready->head + 3) & ready->mask]);
	}
	return aion__task_of(next);
}

static inline bool aion__loop_batch_is_over(const struct aion_loop *loop)
{
	return aion__unlikely(loop->engine.ready.head == loop->engine.ready.batch_end);
}

/* The next task to run. */
static inline struct aion_task *aion__loop_next(struct aion_loop *loop)
{
	if (aion__loop_batch_is_over(loop) && !aion__loop_turn_quickly(loop))
		aion__loop_turn(loop);
	return aion__loop_take(loop);
}

/*
 * The ways to leave self for another task. They return when self goes on, and always 0: so a function that has nothing
 * left to do then may end by calling one. The call becomes a jump, down to the switch, and what is suspended and
 * resumed is the caller's caller, without registers saved and restored on the way: a fifth of a switch. For the same
 * reason what is called here in rare cases is called last.
 */
int aion__loop_switch_fresh(struct aion_loop *loop, struct aion_task *self, struct aion_task *task);
int aion__loop_switch_turning(struct aion_loop *loop, struct aion_task *self);

static inline void aion__loop_renew_budget(struct aion_loop *loop)
{
	loop->budget = (struct aion__budget){.left_nr = AION__TASK_SLICE};
}

/* For one that is not in the queue. */
static inline __attribute__((always_inline)) int aion__loop_switch(struct aion_loop *loop, struct aion_task *self,
								   struct aion_task *task)
{
	int result;

	aion__loop_renew_budget(loop);
	loop->engine.task = &task->runnable;
	/* In this order: who runs on, or for the first time, has an old sp, or none. */
	if (aion__unlikely(task == self))
		return 0;
	if (aion__unlikely(!task->sp))
		return aion__loop_switch_fresh(loop, self, task);
	AION__PROBE2(switch, self, task);
	aion__fiber_leave(&self->fiber, &task->fiber);
	result = aion__switch_resume(&self->sp, task->sp);
	aion__fiber_arrive(&self->fiber);
	return result;
}

/* For the next one. Self is queued, or will be. */
static inline __attribute__((always_inline)) int aion__loop_switch_next(struct aion_loop *loop, struct aion_task *self)
{
	if (aion__loop_batch_is_over(loop) && aion__unlikely(!aion__loop_turn_quickly(loop)))
		return aion__loop_switch_turning(loop, self);
	return aion__loop_switch(loop, self, aion__loop_take(loop));
}

/* Until somebody makes self ready. */
static inline __attribute__((always_inline)) int aion__loop_suspend(struct aion_loop *loop, struct aion_task *self)
{
	self->runnable.is_awake = false;
	return aion__loop_switch_next(loop, self);
}

/* Until the others that are ready have run. */
static inline __attribute__((always_inline)) int aion__loop_yield(struct aion_loop *loop, struct aion_task *self)
{
	aion__engine_queue(&loop->engine, &self->runnable);
	return aion__loop_switch_next(loop, self);
}

/* 0, or why the caller cannot suspend here: -EBUSY, -ECHILD. */
int aion__loop_refuses(struct aion_loop *loop);

/* The running task, or NULL with *ret_error set. */
static inline struct aion_task *aion__loop_task(struct aion_loop *loop)
{
	if (aion__unlikely(!loop || !loop->engine.task || !aion__ring_is_alive(&loop->engine.ring)))
		return NULL;
	return aion__task_of(loop->engine.task);
}

/* A slice of the budget is used up: let the others run, if that was the last one, or it is time for them. */
void aion__loop_end_slice(struct aion_loop *loop, struct aion_task *self);

/* Draw on the budget; when it is used up, let the others run. */
static inline void aion__loop_spend(struct aion_loop *loop, struct aion_task *task)
{
	if (aion__unlikely(--loop->budget.left_nr == 0))
		aion__loop_end_slice(loop, task);
}

#endif
