/* SPDX-License-Identifier: MIT */
#ifndef AION_GROUP_H
#define AION_GROUP_H
/*
 * The task group (asyncio's TaskGroup, trio's nursery): the block that its tasks cannot outlive. Entered and left on
 * the owner's stack, last in first out; leaving always joins every child. A child or a body that fails cancels the
 * rest. A group is a scope: cancel &group.scope, or give it a deadline.
 */
#include <aion/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_TASK_NAME_MAX 24  /* bytes of a name that are kept, the final 0 among them */
#define AION_GROUP_ERROR_MAX 8 /* errors that a group keeps; further ones are counted */
#define AION_SPAWN_COPY_MAX 64 /* bytes of arguments that aion_spawn_copy() takes */

struct aion_group_error {
	char name[AION_TASK_NAME_MAX]; /* of the task, "" if it had none, "(body)" for the body */
	int code;                      /* -errno */
};

/* A place in a ring of its like. */
struct aion__link {
	struct aion__link *next;
	struct aion__link *prev;
};

struct aion_group {
	struct aion_scope scope;
	struct aion_loop *loop;
	struct aion__link children; /* the tasks' siblings; alone when there are none */
	struct aion_task *joiner;   /* the owner, once it waits in leave */
	struct aion_group *visit;   /* the way of a cancellation through the tree */
	size_t error_nr;            /* all real errors, also those not kept */
	struct aion_group_error errors[AION_GROUP_ERROR_MAX];
	bool is_open;
	bool cancel_seen; /* a child or the body ended with -ECANCELED on an outer scope's account */
	bool keeps_going; /* an error does not cancel the rest: aion_group_keep_going(), and the loop's own group */
};

/* Options of a task; all zero = the defaults. */
struct aion_spawn_options {
	const char *name;  /* copied, cut at AION_TASK_NAME_MAX - 1 bytes */
	size_t stack_size; /* bytes, 0 = the loop's default; rounded up to a power of two, 64 KiB to 64 MiB */
};

/* A task that can be waited for and cancelled by itself. The caller's memory, declared before the group. */
struct aion_handle {
	struct aion_future future; /* its result is the task's */
	struct aion_task *task;    /* NULL once it has ended */
};

/**
 * aion_group_enter - open a group inside the current scope.
 * @group: the caller's memory, until aion_group_leave().
 *
 * Suspends: no. Thread: loop, inside a task (else aborts). Source: none.
 */
AION_API void aion_group_enter(struct aion_group *group);

/**
 * aion_group_leave - join every child, then close the group. Always finishes.
 * @group: the caller's innermost scope; any other aborts the process.
 * @body_result: what the code between enter and leave came to; a negative one cancels the children.
 *
 * Result: 0, or the first real error of a child or the body; else -ETIME if the group's own deadline was delivered;
 * else -ECANCELED if an outer scope's cancellation ended a child or the body. The group's own cancellation stops at its
 * edge. -ECANCELED from a task whose scopes are not cancelled is an error like any other.
 * Errors: those of the children and the body, -ETIME, -ECANCELED, -ECHILD (forked child; nothing is joined).
 * Suspends: yes, but never returns early. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_group_leave(struct aion_group *group, int64_t body_result);

/** aion_group_cancel - aion_scope_cancel() of the group. Suspends: no. Thread: loop. Source: none. */
AION_API void aion_group_cancel(struct aion_group *group);

/**
 * aion_group_keep_going - from now on an error of a child or of the body does not cancel the rest. For tasks that have
 *   nothing to do with each other: connections, say.
 * @group: open. Errors are kept and reported as ever.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_group_keep_going(struct aion_group *group);

/**
 * aion_group_errors - the errors that the group has kept, in the order in which they came.
 * @group: open or left.
 * @ret_errors: points into the group; may be NULL.
 *
 * Result: how many real errors there were; the first AION_GROUP_ERROR_MAX of them are in the list.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API size_t aion_group_errors(const struct aion_group *group, const struct aion_group_error **ret_errors);

/**
 * aion_spawn - start a task in a group.
 * @group: open. Spawning into a cancelled group is allowed: the child is cancelled from its start.
 * @fn: the task's body.
 * @arg: handed to fn; borrowed until the task ends.
 *
 * The task is queued, first in first out, and runs when the caller suspends. A task that cannot be started is an error
 * of the group, so the result may be ignored. From another thread the spawn is posted to the group's loop, which must
 * still have the group then; one that cannot even be posted is no error of the group, which is not touched from there.
 * Result: 0.
 * Errors: -ESHUTDOWN (the group is closed, or its loop stops); -ENOMEM; -ECHILD. No memory for the stack shows as the
 *   task's result, -ENOMEM, when its turn comes.
 * Suspends: no. Thread: any (aion_spawn_now, _into: loop). Source: none.
 */
AION_API int aion_spawn(struct aion_group *group, aion_fn *fn, void *arg);

/**
 * aion_spawn_with - aion_spawn() with options.
 * @options: copied; NULL = the defaults.
 *
 * Errors: those of aion_spawn(), and: -EINVAL (stack_size above 64 MiB; also an error of the group).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_spawn_with(struct aion_group *group, const struct aion_spawn_options *options, aion_fn *fn,
			     void *arg);

/**
 * aion_spawn_now - start a task and run it at once, to its first suspension or its end.
 *
 * Parameters, result and errors as aion_spawn(). The caller goes on next, before any other task.
 * Suspends: no. Thread: loop, inside a task. Source: none.
 */
AION_API int aion_spawn_now(struct aion_group *group, aion_fn *fn, void *arg);

/**
 * aion_spawn_copy - aion_spawn() with the arguments copied into the task.
 * @args: args_size bytes; the task's body gets the address of the copy, which lives as long as the task.
 * @args_size: bytes, at most AION_SPAWN_COPY_MAX.
 *
 * Errors: those of aion_spawn(), and: -E2BIG (args_size; also an error of the group).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_spawn_copy(struct aion_group *group, aion_fn *fn, const void *args, size_t args_size);

/**
 * aion_spawn_into - aion_spawn_with() with a handle to wait for the task, or to cancel it, alone.
 * @handle: the caller's memory, which outlives the group's leave. The task writes its result into it as it ends; there
 *   is nothing to release. If the task cannot be started, the handle is done with the error.
 * @options: NULL = the defaults.
 *
 * Errors: those of aion_spawn_with().
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_spawn_into(struct aion_group *group, struct aion_handle *handle,
			     const struct aion_spawn_options *options, aion_fn *fn, void *arg);

/**
 * aion_handle_cancel - cancel one task alone. That is no failure of its group.
 * @handle: of a task that has ended: nothing happens.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_handle_cancel(struct aion_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
