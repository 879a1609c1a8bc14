/* SPDX-License-Identifier: MIT */
/* The birth of tasks, and their end. */
#include <errno.h>
#include <string.h>

#include "alloc_int.h"
#include "debug_int.h"

#define TASK_STRIDE ((sizeof(struct aion_task) + AION__CACHE_LINE - 1) / AION__CACHE_LINE * AION__CACHE_LINE)

/* What a task has between its links and its runnable: bytes, most of them 0 at first. */
#define FLAGS_OFF offsetof(struct aion_task, cancelled)
#define FLAGS_SIZE (offsetof(struct aion_task, runnable) - FLAGS_OFF)

/* Task structs come in slabs, are recycled by the loop and freed with it. */
struct aion__task_slab {
	struct aion__task_slab *next;
	char memory[AION__TASK_SLAB_NR * TASK_STRIDE + AION__CACHE_LINE]; /* the tasks, and what aligning them takes */
};

static int task_slab_grow(struct aion_loop *loop)
{
	struct aion__task_slab *slab;
	uintptr_t first;

	/* Every task and the host may be ready at once. */
	if (aion__ready_reserve(&loop->engine.ready, aion__loop_task_nr(loop) + AION__TASK_SLAB_NR + 1) < 0)
		return -ENOMEM;
	slab = aion__alloc_zeroed(sizeof(*slab));
	if (!slab)
		return -ENOMEM;
	slab->next = loop->task_slabs;
	loop->task_slabs = slab;
	first = ((uintptr_t)slab->memory + AION__CACHE_LINE - 1) & ~(uintptr_t)(AION__CACHE_LINE - 1);
	for (int i = AION__TASK_SLAB_NR - 1; i >= 0; i--) {
		struct aion_task *task = (struct aion_task *)(first + (size_t)i * TASK_STRIDE);

		task->sibling.next = loop->task_free;
		loop->task_free = &task->sibling;
	}
	return 0;
}

void aion__task_slabs_free(struct aion_loop *loop)
{
	while (loop->task_slabs) {
		struct aion__task_slab *slab = loop->task_slabs;

		loop->task_slabs = slab->next;
		aion__free(slab);
	}
}

/* Whether a task can be had at once. If not, task_prepare() tells why, or sees to it. */
static inline bool task_is_at_hand(const struct aion_loop *loop, const struct aion_group *group)
{
	return aion__likely(group->is_open && loop->task_free) && aion__ring_is_alive(&loop->engine.ring);
}

/* Debug mode keeps the free tasks to itself, so that every spawn comes here and tells where it was called. */
static int task_supply(struct aion_loop *loop, const void *site)
{
	int result = 0;

	if (loop->debug) {
		loop->task_free = loop->debug->task_free;
		loop->debug->task_free = NULL;
	}
	if (!loop->task_free)
		result = task_slab_grow(loop);
	if (loop->debug && result == 0)
		aion__debug_supply(loop, site);
	return result;
}

/* In line down to here from what the program calls, so that the return address is the program's; it is looked at only
 * where a task must be supplied. A site that is given is the program's already. */
static inline __attribute__((always_inline)) int task_prepare(struct aion_loop *loop, const struct aion_group *group,
							      const void *site)
{
	if (!group->is_open)
		return -ESHUTDOWN;
	if (!aion__ring_is_alive(&loop->engine.ring))
		return -ECHILD;
	return loop->task_free ? 0 : task_supply(loop, site ? site : __builtin_return_address(0));
}

/* A task in its group, not queued yet. There is one at hand. */
static inline __attribute__((always_inline)) struct aion_task *
task_create(struct aion_loop *loop, struct aion_group *group, aion_fn *fn, void *arg)
{
	struct aion__link *sibling = loop->task_free;
	struct aion_task *task = aion__container_of(sibling, struct aion_task, sibling);

	loop->task_free = sibling->next;
	__builtin_prefetch(sibling->next, 1); /* for who spawns thousands: 3 % */
	/* All that is not set here is empty, as task_end() has left it. */
	task->runnable.is_awake = true;
	task->sp = NULL;
	/* One store for all flags, then those that may be set. */
	memset((char *)task + FLAGS_OFF, 0, FLAGS_SIZE);
	task->cancelled = group->scope.effective;
	task->stack_class = loop->stack_class;
	task->group = group;
	task->fn = fn;
	task->arg = arg;
	sibling->prev = &group->children;
	sibling->next = group->children.next;
	sibling->next->prev = sibling;
	group->children.next = sibling;
	loop->spawn_nr++;
	AION__PROBE3(spawn, task, group, fn);
	return task;
}

static void task_check_ops(struct aion_loop *loop, struct aion_task *task)
{
	for (unsigned fd = 0; fd < loop->engine.fd_nr; fd++)
		for (struct aion_op *op = loop->engine.fd_ops[fd]; op; op = op->fd_next)
			AION_BUG_ON(op->task == &task->runnable,
				    "task \"%s\" ends with an operation in flight: opcode %u on descriptor %u",
				    task->name, op->opcode, fd);
	AION_BUG_ON(true, "task \"%s\" ends with %u operations in flight", task->name, task->runnable.op_nr);
}

void aion__task_end_badly(struct aion_loop *loop, struct aion_task *task)
{
	/* What comes next on this stack is the parent's: its tasks, its ring. */
	AION_BUG_ON(!aion__ring_is_alive(&loop->engine.ring),
		    "task \"%s\" ends in a forked child; it must call _exit()", task->name);
	if (loop->debug)
		aion__debug_tell_origin(loop, task);
	AION_BUG_ON(task->scope, "task \"%s\" ends inside an open scope or group", task->name);
	task_check_ops(loop, task);
}

/* A task that never ran: an error of its group all the same, and the end of its handle. */
static int spawn_failed(struct aion_group *group, const struct aion_spawn_options *options, struct aion_handle *handle,
			int error)
{
	if (error != -ECHILD && group->is_open)
		aion__group_fail(group, options && options->name ? options->name : "", error);
	if (handle) {
		handle->future.result = error;
		handle->future.waiters = AION__WAITERS_DONE;
	}
	return error;
}

static int task_set_options(struct aion_task *task, const struct aion_spawn_options *options)
{
	if (options->name) {
		strncpy(task->name, options->name, sizeof(task->name) - 1);
		task->name[sizeof(task->name) - 1] = 0;
		task->has_extras = true;
	}
	if (options->stack_size) {
		int class = aion__stack_class(options->stack_size);

		if (class < 0)
			return class;
		task->stack_class = (uint8_t) class;
	}
	return 0;
}

/* Whether this thread may touch the group's loop directly: it runs it, or is its host between two turns. */
static bool loop_is_here(const struct aion_loop *loop)
{
	return loop == aion__loop() || (loop->is_bound && pthread_equal(loop->thread, pthread_self()));
}

static inline __attribute__((always_inline)) int spawn_local(struct aion_group *group, struct aion_handle *handle,
							     const struct aion_spawn_options *options, aion_fn *fn,
							     void *arg, const void *site)
{
	struct aion_loop *loop = group->loop;
	struct aion_task *task;
	int error = task_prepare(loop, group, site);

	if (error == 0 && options && options->stack_size)
		error = aion__stack_class(options->stack_size);
	if (error < 0)
		return spawn_failed(group, options, handle, error);
	task = task_create(loop, group, fn, arg);
	if (options)
		task_set_options(task, options);
	if (handle) {
		task->handle = handle;
		task->has_handle = true;
		handle->task = task;
	}
	aion__engine_queue(&loop->engine, &task->runnable);
	return 0;
}

/* A spawn into the group of another thread's loop. */
struct remote_spawn {
	struct aion__post post;
	struct aion_group *group;
	aion_fn *fn;
	void *arg;
	const void *site;
	struct aion_spawn_options options;
	size_t copy_size; /* bytes of copy; arg is not used then */
	char name[AION_TASK_NAME_MAX];
	char copy[AION_SPAWN_COPY_MAX];
};

static void remote_spawn_run(struct aion__post *post)
{
	struct remote_spawn *spawn = aion__container_of(post, struct remote_spawn, post);

	/* A failure is in the group now. */
	if (spawn->copy_size)
		aion_spawn_copy(spawn->group, spawn->fn, spawn->copy, spawn->copy_size);
	else
		aion_spawn_with(spawn->group, &spawn->options, spawn->fn, spawn->arg);
	if (spawn->group->loop->debug)
		aion__debug_set_site(spawn->group, spawn->site);
	aion__free(spawn);
}

static int spawn_remote(struct aion_group *group, const struct aion_spawn_options *options, aion_fn *fn, void *arg,
			const void *copy, size_t copy_size, const void *site)
{
	struct remote_spawn *spawn = aion__alloc_zeroed(sizeof(*spawn));
	int result;

	if (!spawn)
		return -ENOMEM;
	spawn->post.run = remote_spawn_run;
	spawn->group = group;
	spawn->fn = fn;
	spawn->arg = arg;
	spawn->site = site;
	spawn->copy_size = copy_size;
	if (copy_size)
		memcpy(spawn->copy, copy, copy_size);
	if (options)
		spawn->options = *options;
	if (options && options->name) {
		strncpy(spawn->name, options->name, sizeof(spawn->name) - 1);
		spawn->options.name = spawn->name;
	}
	result = aion__loop_push(group->loop, &spawn->post);
	if (result < 0)
		aion__free(spawn);
	return result;
}

int aion_spawn_with(struct aion_group *group, const struct aion_spawn_options *options, aion_fn *fn, void *arg)
{
	if (!loop_is_here(group->loop))
		return spawn_remote(group, options, fn, arg, NULL, 0, __builtin_return_address(0));
	return spawn_local(group, NULL, options, fn, arg, NULL);
}

static __attribute__((noinline)) int spawn_slowly(struct aion_group *group, aion_fn *fn, void *arg, const void *site)
{
	if (!loop_is_here(group->loop))
		return spawn_remote(group, NULL, fn, arg, NULL, 0, site);
	return spawn_local(group, NULL, NULL, fn, arg, site);
}

int aion_spawn(struct aion_group *group, aion_fn *fn, void *arg)
{
	struct aion_loop *loop = group->loop;
	struct aion_task *task;

	/* What is rare is called last, here and below: then the usual case saves no registers. */
	if (aion__unlikely(loop != aion__loop()) || aion__unlikely(!task_is_at_hand(loop, group)))
		return spawn_slowly(group, fn, arg, __builtin_return_address(0));
	task = task_create(loop, group, fn, arg);
	aion__engine_queue(&loop->engine, &task->runnable);
	return 0;
}

static __attribute__((noinline)) int spawn_into_slowly(struct aion_group *group, struct aion_handle *handle,
						       const struct aion_spawn_options *options, aion_fn *fn, void *arg,
						       const void *site)
{
	handle->task = NULL;
	AION_BUG_ON(!loop_is_here(group->loop), "aion_spawn_into() on another thread than the group's loop's");
	return spawn_local(group, handle, options, fn, arg, site);
}

int aion_spawn_into(struct aion_group *group, struct aion_handle *handle, const struct aion_spawn_options *options,
		    aion_fn *fn, void *arg)
{
	struct aion_loop *loop = group->loop;
	struct aion_task *task;

	handle->future.waiters = 0;
	handle->future.loop = loop;
	handle->future.kind = AION__FUTURE_HANDLE;
	handle->future.state = 0;
	handle->future.flags = 0;
	handle->future.fd = -1;
	if (aion__unlikely(options || loop != aion__loop()) || aion__unlikely(!task_is_at_hand(loop, group)))
		return spawn_into_slowly(group, handle, options, fn, arg, __builtin_return_address(0));
	task = task_create(loop, group, fn, arg);
	task->handle = handle;
	task->has_handle = true;
	handle->task = task;
	aion__engine_queue(&loop->engine, &task->runnable);
	return 0;
}

int aion_spawn_copy(struct aion_group *group, aion_fn *fn, const void *args, size_t args_size)
{
	struct aion_loop *loop = group->loop;
	struct aion_task *task;
	int error;

	if (!loop_is_here(loop))
		return args_size > AION_SPAWN_COPY_MAX
			       ? -E2BIG
			       : spawn_remote(group, NULL, fn, NULL, args, args_size, __builtin_return_address(0));
	if (args_size > AION_SPAWN_COPY_MAX)
		return spawn_failed(group, NULL, NULL, -E2BIG);
	error = task_prepare(loop, group, NULL);
	if (error < 0)
		return spawn_failed(group, NULL, NULL, error);
	task = task_create(loop, group, fn, NULL);
	if (args_size)
		memcpy(task->copy, args, args_size);
	task->arg = task->copy;
	aion__engine_queue(&loop->engine, &task->runnable);
	return 0;
}

int aion_spawn_now(struct aion_group *group, aion_fn *fn, void *arg)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *self = aion__task_current();
	struct aion_task *task;
	struct aion__budget budget;
	int64_t timed_ns;

	AION_BUG_ON(!self || group->loop != loop, "aion_spawn_now() outside of the tasks of the group's loop");
	if (aion__unlikely(!task_is_at_hand(loop, group))) {
		int error = task_prepare(loop, group, NULL);

		if (error < 0)
			return spawn_failed(group, NULL, NULL, error);
		if (loop->debug)
			aion__debug_spawn_now(loop);
	}
	task = task_create(loop, group, fn, arg);
	/* The caller goes on next: it stands at the head of the queue while the child runs. Its budget is not renewed:
	 * nobody else has run. */
	budget = loop->budget;
	timed_ns = loop->timed_ns;
	loop->engine.ready.places[--loop->engine.ready.head & loop->engine.ready.mask] = &self->runnable;
	loop->engine.task = &task->runnable;
	aion__loop_renew_budget(loop);
	aion__loop_switch_fresh(loop, self, task);
	loop->budget = budget;
	loop->timed_ns = timed_ns;
	return 0;
}

void aion_handle_cancel(struct aion_handle *handle)
{
	if (!handle->task)
		return;
	AION_BUG_ON(handle->future.loop != aion__loop(), "task cancelled on another thread than its loop's");
	aion__task_cancel_alone(handle->task);
}
