/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_DEBUG_INT_H
#define AION_TASK_DEBUG_INT_H
/*
 * Debug mode. It is off in loop->debug == NULL, and then costs nothing: nothing asks for it on the ways that are taken
 * often. When it is on, the slow way is taken every time:
 *
 *   a switch   a timer that never fires keeps the wheel from being empty, and a batch is one task; so whoever suspends
 *              turns the loop, where the clock, always stale, is read
 *   a spawn    the free tasks are kept here, so that none is at hand and task_supply() is asked for one
 *   the ring   has a backend of its own, that of before but for now(), which calls aion__debug_turn(), and enter()
 */
#include "loop_int.h"

struct aion__debug_op;

/* What is known of a task. It stays with the struct, for the next task. */
struct aion__debug_task {
	struct aion__debug_task *next;
	struct aion__debug_task *next_young;
	const struct aion_task *task;
	const void *spawn_site;
	int64_t since_ns;              /* when it last stopped running, or was spawned */
	char name[AION_TASK_NAME_MAX]; /* the task's own goes with its end */
};

struct aion__debug {
	struct aion__backend backend; /* the ring's, as long as the loop is in debug mode */
	const struct aion__backend *inner;
	struct aion_timer sentinel;
	struct aion__link *task_free;
	struct aion__debug_task *tasks;   /* all; newest first */
	struct aion__debug_task *young;   /* spawned since the last turn: their names are still to be copied */
	struct aion__debug_task nameless; /* stands in for one for which there was no memory */
	struct aion__debug_op *ops;       /* ended while nobody waited; newest first */
	struct aion__stack_slab *slab;    /* whose stack ran last */
	int64_t slow_ns;
	int64_t slice_ns;   /* since when whoever runs has run */
	bool is_in_posts;   /* slice_ns is when they began */
	uint64_t seen_head; /* of the ready queue: as long as it stays nobody has run */
	int64_t wait_ns;
	int64_t run_ns_max;
	uint64_t slow_nr;
	uint64_t unawaited_nr;
};

/* The deadline of the timer that never fires. */
#define AION__DEBUG_NEVER (AION_NEVER - 1)

/* Before the loop's first task. 0 (also: not asked for), or -ENOMEM. */
int aion__debug_init(struct aion_loop *loop, const struct aion_loop_options *options);
/* After the engine's end. */
void aion__debug_fini(struct aion_loop *loop);

/* A turn begins: whoever ran does so no more. */
void aion__debug_turn(struct aion_loop *loop);
/* Around them, between two tasks. */
void aion__debug_posts_begin(struct aion_loop *loop);
void aion__debug_posts_ran(struct aion_loop *loop);
/* The free list holds the task that is about to be made, and spare ones, which are put aside. */
void aion__debug_supply(struct aion_loop *loop, const void *spawn_site);
/* Of the task that was spawned last in the group: another thread asked for it. */
void aion__debug_set_site(struct aion_group *group, const void *spawn_site);
/* The running task is about to be set aside for a child that runs at once: it is the next in the queue. */
void aion__debug_spawn_now(struct aion_loop *loop);
/* Somebody has got the result of what was done already. */
void aion__debug_received(struct aion_loop *loop, const struct aion_future *future);
/* Reaped. */
void aion__debug_reaped(struct aion_loop *loop, const struct aion_op *op, bool was_received);
/* Where a task was spawned that is about to abort the process. */
void aion__debug_tell_origin(struct aion_loop *loop, const struct aion_task *task);

#endif
