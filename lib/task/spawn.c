/* SPDX-License-Identifier: MIT */
/* The birth of tasks, and their end. */
#include <errno.h>
#include <string.h>

#include "alloc_int.h"
#include "loop_int.h"

/* Task structs come in slabs, are recycled by the loop and freed with it. */
struct aion__task_slab {
	struct aion__task_slab *next;
	struct aion_task tasks[AION__TASK_SLAB_NR];
};

static int task_slab_grow(struct aion_loop *loop)
{
	struct aion__task_slab *slab;

	/* Every task and the host may be ready at once. */
	if (aion__ready_reserve(&loop->engine.ready, loop->task_nr + AION__TASK_SLAB_NR + 1) < 0)
		return -ENOMEM;
	slab = aion__alloc_zeroed(sizeof(*slab));
	if (!slab)
		return -ENOMEM;
	slab->next = loop->task_slabs;
	loop->task_slabs = slab;
	for (int i = AION__TASK_SLAB_NR - 1; i >= 0; i--) {
		slab->tasks[i].sibling_next = loop->task_free;
		loop->task_free = &slab->tasks[i];
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

/* A task in its group, not queued yet. NULL with *ret_error set, and the error in the group. */
static struct aion_task *task_create(struct aion_loop *loop, struct aion_group *group, aion_fn *fn, void *arg,
				     int *ret_error)
{
	struct aion_task *task = loop->task_free;

	if (aion__unlikely(!group->is_open || !aion__ring_is_alive(&loop->engine.ring))) {
		*ret_error = group->is_open ? -ECHILD : -ESHUTDOWN;
		return NULL;
	}
	if (aion__unlikely(!task)) {
		*ret_error = task_slab_grow(loop);
		if (*ret_error < 0)
			return NULL;
		task = loop->task_free;
	}
	loop->task_free = task->sibling_next;
	task->runnable.is_awake = true;
	task->sp = NULL;
	task->stack = NULL;
	task->group = group;
	task->scope = NULL;
	task->outermost = NULL;
	task->cancelled = group->scope.effective;
	task->cancelled_alone = false;
	task->is_interruptible = false;
	task->is_interrupted = false;
	task->stack_class = loop->stack_class;
	task->refused_nr = 0;
	task->fn = fn;
	task->arg = arg;
	task->handle = NULL;
	task->locals = NULL;
	task->name[0] = 0;
	task->sibling_prev = NULL;
	task->sibling_next = group->children;
	if (group->children)
		group->children->sibling_prev = task;
	group->children = task;
	group->child_nr++;
	loop->task_nr++;
	loop->spawn_nr++;
	return task;
}

static void task_recycle(struct aion_loop *loop, struct aion_task *task)
{
	task->sibling_next = loop->task_free;
	loop->task_free = task;
	loop->task_nr--;
}

static void task_check_ops(struct aion_loop *loop, struct aion_task *task)
{
	for (unsigned fd = 0; fd < loop->engine.fd_nr; fd++)
		for (struct aion_op *op = loop->engine.fd_ops[fd]; op; op = op->fd_next)
			AION_BUG_ON(op->task == task, "task \"%s\" ends with an operation in flight: opcode %u on descriptor %u",
				    task->name, op->opcode, fd);
	AION_BUG_ON(true, "task \"%s\" ends with %u operations in flight", task->name, task->runnable.op_nr);
}

void aion__task_end(struct aion_loop *loop, struct aion_task *task, int64_t result)
{
	struct aion_handle *handle = task->handle;

	/* What comes next on this stack is the parent's: its tasks, its ring. */
	AION_BUG_ON(!aion__ring_is_alive(&loop->engine.ring), "task \"%s\" ends in a forked child; it must call _exit()",
		    task->name);
	AION_BUG_ON(task->scope, "task \"%s\" ends inside an open scope or group", task->name);
	if (aion__unlikely(task->runnable.op_nr))
		task_check_ops(loop, task);
	aion__group_child_ended(task->group, task, result);
	if (handle) {
		handle->task = NULL;
		aion__future_finish(&loop->engine, &handle->future, result);
	}
	task_recycle(loop, task);
}

/* The same for a task that never ran. */
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
	}
	if (options->stack_size) {
		int class = aion__stack_class(options->stack_size);

		if (class < 0)
			return class;
		task->stack_class = (uint8_t)class;
	}
	return 0;
}

/* Whether this thread may touch the group's loop directly: it runs it, or is its host between two turns. */
static bool loop_is_here(const struct aion_loop *loop)
{
	return loop == aion__loop() || (loop->is_bound && pthread_equal(loop->thread, pthread_self()));
}

int aion_spawn(struct aion_group *group, aion_fn *fn, void *arg)
{
	struct aion_loop *loop = group->loop;
	struct aion_task *task;
	int error;

	if (aion__unlikely(loop != aion__loop()))
		return aion_spawn_with(group, NULL, fn, arg);
	task = task_create(loop, group, fn, arg, &error);
	if (aion__unlikely(!task))
		return spawn_failed(group, NULL, NULL, error);
	aion__engine_queue(&loop->engine, &task->runnable);
	return 0;
}

static int spawn_local(struct aion_group *group, struct aion_handle *handle, const struct aion_spawn_options *options,
		       aion_fn *fn, void *arg)
{
	struct aion_loop *loop = group->loop;
	struct aion_task *task;
	int error;

	if (options && options->stack_size) {
		error = aion__stack_class(options->stack_size);
		if (error < 0)
			return spawn_failed(group, options, handle, error);
	}
	task = task_create(loop, group, fn, arg, &error);
	if (!task)
		return spawn_failed(group, options, handle, error);
	if (options)
		task_set_options(task, options);
	if (handle) {
		task->handle = handle;
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
	aion__free(spawn);
}

static int spawn_remote(struct aion_group *group, const struct aion_spawn_options *options, aion_fn *fn, void *arg,
			const void *copy, size_t copy_size)
{
	struct remote_spawn *spawn = aion__alloc_zeroed(sizeof(*spawn));
	int result;

	if (!spawn)
		return -ENOMEM;
	spawn->post.run = remote_spawn_run;
	spawn->group = group;
	spawn->fn = fn;
	spawn->arg = arg;
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
		return spawn_remote(group, options, fn, arg, NULL, 0);
	return spawn_local(group, NULL, options, fn, arg);
}

int aion_spawn_into(struct aion_group *group, struct aion_handle *handle, const struct aion_spawn_options *options,
		    aion_fn *fn, void *arg)
{
	AION_BUG_ON(!loop_is_here(group->loop), "aion_spawn_into() on another thread than the group's loop's");
	handle->future = (struct aion_future){.loop = group->loop, .kind = AION__FUTURE_HANDLE, .fd = -1};
	handle->task = NULL;
	return spawn_local(group, handle, options, fn, arg);
}

int aion_spawn_copy(struct aion_group *group, aion_fn *fn, const void *args, size_t args_size)
{
	struct aion_loop *loop = group->loop;
	struct aion_task *task;
	int error;

	if (!loop_is_here(loop))
		return args_size > AION_SPAWN_COPY_MAX ? -E2BIG : spawn_remote(group, NULL, fn, NULL, args, args_size);
	if (args_size > AION_SPAWN_COPY_MAX)
		return spawn_failed(group, NULL, NULL, -E2BIG);
	task = task_create(loop, group, fn, NULL, &error);
	if (!task)
		return spawn_failed(group, NULL, NULL, error);
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
	unsigned budget;
	int error;

	AION_BUG_ON(!self || group->loop != loop, "aion_spawn_now() outside of the tasks of the group's loop");
	task = task_create(loop, group, fn, arg, &error);
	if (aion__unlikely(!task))
		return spawn_failed(group, NULL, NULL, error);
	/* The caller goes on next: it stands at the head of the queue while the child runs. Its budget is not renewed:
	 * nobody else has run. */
	budget = loop->budget;
	loop->engine.ready.places[--loop->engine.ready.head & loop->engine.ready.mask] = &self->runnable;
	aion__loop_switch(loop, self, task);
	loop->budget = budget;
	return 0;
}

void aion_handle_cancel(struct aion_handle *handle)
{
	if (!handle->task)
		return;
	AION_BUG_ON(handle->future.loop != aion__loop(), "task cancelled on another thread than its loop's");
	aion__task_cancel_alone(handle->task);
}
