/* SPDX-License-Identifier: MIT */
/* Debug mode: what took too long, and what nobody asked for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_int.h"
#include "debug_int.h"
#include "inspect_int.h"
#include "op_int.h"

#define SLOW_NS (100 * AION_MILLISECOND)
#define FRAME_MAX 16 /* of a task that was slow */

/* An operation that ended while nobody waited for it. Its memory may be gone. */
struct aion__debug_op {
	struct aion__debug_op *next;
	const struct aion_op *op;
	const struct aion_task *task; /* who started it; alive as long as this stands in the list */
	char name[AION_TASK_NAME_MAX];
	uint8_t opcode;
	int fd;
	int64_t result;
};

static struct aion_loop *loop_of(struct aion__engine *engine)
{
	return (struct aion_loop *)engine;
}

static void task_text(const struct aion_task *task, char *ret_text, size_t size)
{
	char fn[AION__SYMBOL_SIZE];
	char site[AION__SYMBOL_SIZE] = "an unknown place";

	aion__symbol((const void *)(uintptr_t)task->fn, false, fn);
	if (task->debug->spawn_site)
		aion__symbol(task->debug->spawn_site, true, site);
	snprintf(ret_text, size, "task \"%s\" (%s, spawned at %s)", task->debug->name, fn, site);
}

#define TASK_TEXT_SIZE (AION_TASK_NAME_MAX + 2 * AION__SYMBOL_SIZE + 32)

/* Where it suspends is told by its stack, on which this runs. */
static void tell_frames(const struct aion_task *task)
{
	char place[AION__SYMBOL_SIZE];
	void *addresses[FRAME_MAX];
	size_t nr = aion_task_backtrace(task, addresses, FRAME_MAX);

	for (size_t i = 0; i < nr; i++) {
		aion__symbol(addresses[i], true, place);
		aion__diag("    at %s", place);
	}
}

static void tell_slow(const struct aion_task *task, bool has_ended, int64_t ran_ns)
{
	char text[TASK_TEXT_SIZE];

	task_text(task, text, sizeof(text));
	aion__diag("%s ran for %lld ms without suspending%s", text, (long long)(ran_ns / AION_MILLISECOND),
		   has_ended ? ", to its end" : "");
	if (!has_ended)
		tell_frames(task);
}

/* How long it has lasted. The next begins. */
static int64_t slice_end(struct aion_loop *loop)
{
	struct aion__debug *debug = loop->debug;
	int64_t now_ns = debug->inner->now(&loop->engine.ring);
	int64_t ran_ns = now_ns - debug->slice_ns;

	debug->slice_ns = now_ns;
	return ran_ns;
}

static void debug_op_free(struct aion__debug_op **place)
{
	struct aion__debug_op *gone = *place;

	*place = gone->next;
	aion__free(gone);
}

/* The task's end: what it started and did not wait for. */
static void tell_unawaited(struct aion__debug *debug, const struct aion_task *task)
{
	struct aion__debug_op **at = &debug->ops;

	while (*at) {
		const struct aion__debug_op *op = *at;

		if (op->task != task) {
			at = &(*at)->next;
			continue;
		}
		debug->unawaited_nr++;
		aion__diag("task \"%s\" ended without having awaited its operation %s on descriptor %d, whose result "
			   "was %lld",
			   op->name, aion__opcode_name(op->opcode), op->fd, (long long)op->result);
		debug_op_free(at);
	}
}

/* Those that ended since the last turn: put aside, or the next spawn would find one at hand. */
static void collect_ended(struct aion_loop *loop)
{
	struct aion__debug *debug = loop->debug;

	while (loop->task_free) {
		struct aion__link *link = loop->task_free;

		loop->task_free = link->next;
		tell_unawaited(debug, aion__container_of(link, struct aion_task, sibling));
		link->next = debug->task_free;
		debug->task_free = link;
	}
}

static void name_young(struct aion__debug *debug)
{
	while (debug->young) {
		struct aion__debug_task *young = debug->young;

		debug->young = young->next_young;
		memcpy(young->name, young->task->name, sizeof(young->name));
	}
}

/* Whoever ran last did so on the stack that runs now: as a task, or until its end. NULL: the host did. */
static struct aion_task *task_that_ran(struct aion_loop *loop)
{
	const struct aion__stack *stack =
		aion__stack_pool_owner_near(&loop->stacks, &loop->debug->slab, __builtin_frame_address(0));

	return stack ? stack->owner : NULL;
}

/* Whoever has run, if anybody has since the last look, runs no more. */
static void run_ends(struct aion_loop *loop)
{
	struct aion__debug *debug = loop->debug;
	struct aion_task *task = debug->seen_head != loop->engine.ready.head ? task_that_ran(loop) : NULL;
	int64_t ran_ns = slice_end(loop);

	name_young(debug);
	if (task) {
		task->debug->since_ns = debug->slice_ns;
		if (ran_ns > debug->run_ns_max)
			debug->run_ns_max = ran_ns;
		if (ran_ns >= debug->slow_ns) {
			debug->slow_nr++;
			tell_slow(task, loop->task_free == &task->sibling, ran_ns);
			slice_end(loop);
		}
	}
	debug->seen_head = loop->engine.ready.head;
}

void aion__debug_turn(struct aion_loop *loop)
{
	run_ends(loop);
	collect_ended(loop);
}

void aion__debug_posts_begin(struct aion_loop *loop)
{
	aion__debug_turn(loop);
	loop->debug->is_in_posts = true;
}

void aion__debug_posts_ran(struct aion_loop *loop)
{
	int64_t ran_ns = slice_end(loop);

	loop->debug->is_in_posts = false;
	if (ran_ns < loop->debug->slow_ns)
		return;
	loop->debug->slow_nr++;
	aion__diag("posts ran for %lld ms between two tasks", (long long)(ran_ns / AION_MILLISECOND));
}

/* Of a struct that is used for the first time. */
static struct aion__debug_task *task_record(struct aion__debug *debug, const struct aion_task *task)
{
	struct aion__debug_task *record = aion__alloc_zeroed(sizeof(*record));

	if (!record)
		return &debug->nameless;
	record->task = task;
	record->next = debug->tasks;
	debug->tasks = record;
	return record;
}

void aion__debug_supply(struct aion_loop *loop, const void *spawn_site)
{
	struct aion__debug *debug = loop->debug;
	struct aion__link *link = loop->task_free;
	struct aion_task *task = aion__container_of(link, struct aion_task, sibling);

	debug->task_free = link->next;
	link->next = NULL;
	if (!task->debug || task->debug == &debug->nameless)
		task->debug = task_record(debug, task);
	if (task->debug == &debug->nameless)
		return;
	task->debug->since_ns = debug->inner->now(&loop->engine.ring);
	task->debug->spawn_site = spawn_site;
	task->debug->name[0] = 0;
	task->debug->next_young = debug->young;
	debug->young = task->debug;
}

void aion__debug_set_site(struct aion_group *group, const void *spawn_site)
{
	const struct aion_task *task = aion__container_of(group->children.next, struct aion_task, sibling);

	/* Not spawned at all: the newest is an older one, which has been named, or there is none. */
	if (aion__group_has_children(group) && task->debug == group->loop->debug->young)
		task->debug->spawn_site = spawn_site;
}

void aion__debug_spawn_now(struct aion_loop *loop)
{
	run_ends(loop);
	/* The child's first suspension is the end of the batch, and turns the loop; then the caller is the first again.
	 */
	loop->engine.ready.batch_end = loop->engine.ready.head - 1;
}

static void on_op_ended(struct aion__engine *engine, const struct aion_op *op, int64_t result)
{
	struct aion__debug *debug = loop_of(engine)->debug;
	struct aion__debug_op *record;

	/* Of one with a handler that handler is the receiver. */
	if (op->future.flags & AION__OP_HANDLER)
		return;
	record = aion__alloc(sizeof(*record));
	if (!record)
		return;
	record->next = debug->ops;
	record->op = op;
	record->task = aion__task_of(op->task);
	memcpy(record->name, record->task->name, sizeof(record->name));
	record->opcode = op->opcode;
	record->fd = op->future.fd;
	record->result = result;
	debug->ops = record;
}

static void on_future_lost(struct aion__engine *engine, const struct aion_future *future)
{
	const struct aion_task *task = aion__task_current();

	loop_of(engine)->debug->unawaited_nr++;
	aion__diag("nobody received the error %lld of a %s, dropped in task \"%s\"", (long long)future->result,
		   future->kind == AION__FUTURE_HELD ? "promise" : "future", task ? task->name : "(none)");
}

static const struct aion__engine_watch debug_watch = {on_op_ended, on_future_lost};

void aion__debug_received(struct aion_loop *loop, const struct aion_future *future)
{
	struct aion__debug_op **at = &loop->debug->ops;

	while (*at && &(*at)->op->future != future)
		at = &(*at)->next;
	if (*at)
		debug_op_free(at);
}

void aion__debug_reaped(struct aion_loop *loop, const struct aion_op *op, bool was_received)
{
	const struct aion_task *task = aion__task_current();

	aion__debug_received(loop, &op->future);
	if (was_received || op->future.flags & AION__OP_HANDLER || op->future.state != AION__OP_DONE ||
	    op->future.result >= 0 || op->future.result == -ECANCELED)
		return;
	loop->debug->unawaited_nr++;
	aion__diag("nobody received the error %lld of operation %s on descriptor %d, reaped by task \"%s\"",
		   (long long)op->future.result, aion__opcode_name(op->opcode), op->future.fd,
		   task ? task->name : "(none)");
}

void aion__debug_tell_origin(struct aion_loop *loop, const struct aion_task *task)
{
	char text[TASK_TEXT_SIZE];

	name_young(loop->debug);
	task_text(task, text, sizeof(text));
	aion__diag("%s is about to end", text);
}

/* Outside of tasks it is a turn that looks at the clock, or a post, which changes nothing. */
static int64_t debug_now(struct aion__ring *ring)
{
	struct aion__engine *engine = aion__container_of(ring, struct aion__engine, ring);
	struct aion_loop *loop = loop_of(engine);

	if (!engine->task && engine == aion__engine && !loop->debug->is_in_posts) {
		aion__debug_turn(loop);
		loop->clock_is_stale = true;
	}
	return loop->debug->inner->now(ring);
}

/* What follows it is a new slice, unless a task needed room in the queue. */
static int debug_enter(struct aion__ring *ring, unsigned to_submit, unsigned wait_nr, int64_t deadline_ns)
{
	struct aion__engine *engine = aion__container_of(ring, struct aion__engine, ring);
	struct aion__debug *debug = loop_of(engine)->debug;
	int64_t begin_ns = debug->inner->now(ring);
	int64_t end_ns;
	int result;

	result = debug->inner->enter(ring, to_submit, wait_nr,
				     deadline_ns == AION__DEBUG_NEVER ? AION_NEVER : deadline_ns);
	end_ns = debug->inner->now(ring);
	if (wait_nr)
		debug->wait_ns += end_ns - begin_ns;
	if (!engine->task)
		debug->slice_ns = end_ns;
	return result;
}

static void debug_attach(struct aion_loop *loop)
{
	struct aion__debug *debug = loop->debug;

	debug->inner = loop->engine.ring.backend;
	debug->backend = *debug->inner;
	debug->backend.enter = debug_enter;
	debug->backend.now = debug_now;
	debug->slice_ns = loop->now_ns;
	loop->engine.ring.backend = &debug->backend;
	loop->engine.watch = &debug_watch;
	loop->engine.ready.batch_max = 1;
	loop->clock_is_stale = true;
}

static int64_t slow_limit(const struct aion_loop_options *options)
{
	const char *from_environment = getenv("AION_DEBUG_SLOW_MS");

	if (options->debug_slow_ns > 0)
		return options->debug_slow_ns;
	return from_environment && atoll(from_environment) > 0 ? atoll(from_environment) * AION_MILLISECOND : SLOW_NS;
}

int aion__debug_init(struct aion_loop *loop, const struct aion_loop_options *options)
{
	const char *from_environment = getenv("AION_DEBUG");
	struct aion__debug *debug;

	if (!options->debug && !(from_environment && strcmp(from_environment, "1") == 0))
		return 0;
	debug = aion__alloc_zeroed(sizeof(*debug));
	if (!debug)
		return -ENOMEM;
	debug->slow_ns = slow_limit(options);
	debug->sentinel.future = (struct aion_future){.loop = loop, .kind = AION__FUTURE_TIMER, .fd = -1};
	if (aion__wheel_arm(&loop->wheel, &debug->sentinel, AION__DEBUG_NEVER) < 0) {
		aion__free(debug);
		return -ENOMEM;
	}
	loop->debug = debug;
	debug_attach(loop);
	return 0;
}

void aion__debug_fini(struct aion_loop *loop)
{
	if (!loop->debug)
		return;
	while (loop->debug->ops)
		debug_op_free(&loop->debug->ops);
	while (loop->debug->tasks) {
		struct aion__debug_task *record = loop->debug->tasks;

		loop->debug->tasks = record->next;
		aion__free(record);
	}
	aion__free(loop->debug);
}
