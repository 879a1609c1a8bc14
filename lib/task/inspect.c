/* SPDX-License-Identifier: MIT */
/* The tree of tasks, and what each of them waits for. */
#include <errno.h>

#include "call_int.h"
#include "debug_int.h"
#include "inspect_int.h"
#include "op_int.h"
#include "waits_int.h"

/* In the order of the kernel's numbers. */
static const char *const opcode_names[] = {
	"NOP",
	"READV",
	"WRITEV",
	"FSYNC",
	"READ_FIXED",
	"WRITE_FIXED",
	"POLL_ADD",
	"POLL_REMOVE",
	"SYNC_FILE_RANGE",
	"SENDMSG",
	"RECVMSG",
	"TIMEOUT",
	"TIMEOUT_REMOVE",
	"ACCEPT",
	"ASYNC_CANCEL",
	"LINK_TIMEOUT",
	"CONNECT",
	"FALLOCATE",
	"OPENAT",
	"CLOSE",
	"FILES_UPDATE",
	"STATX",
	"READ",
	"WRITE",
	"FADVISE",
	"MADVISE",
	"SEND",
	"RECV",
	"OPENAT2",
	"EPOLL_CTL",
	"SPLICE",
	"PROVIDE_BUFFERS",
	"REMOVE_BUFFERS",
	"TEE",
	"SHUTDOWN",
	"RENAMEAT",
	"UNLINKAT",
	"MKDIRAT",
	"SYMLINKAT",
	"LINKAT",
	"MSG_RING",
	"FSETXATTR",
	"SETXATTR",
	"FGETXATTR",
	"GETXATTR",
	"SOCKET",
	"URING_CMD",
	"SEND_ZC",
	"SENDMSG_ZC",
	"READ_MULTISHOT",
	"WAITID",
	"FUTEX_WAIT",
	"FUTEX_WAKE",
	"FUTEX_WAITV",
	"FIXED_FD_INSTALL",
	"FTRUNCATE",
	"BIND",
	"LISTEN",
	"RECV_ZC",
	"EPOLL_WAIT",
	"READV_FIXED",
	"WRITEV_FIXED",
	"PIPE",
};

const char *aion__opcode_name(unsigned opcode)
{
	return opcode < sizeof(opcode_names) / sizeof(opcode_names[0]) ? opcode_names[opcode] : "?";
}

int aion__loop_is_foreign(const struct aion_loop *loop)
{
	if (!aion__ring_is_alive(&loop->engine.ring))
		return -ECHILD;
	return loop->is_bound && !pthread_equal(loop->thread, pthread_self()) ? -EXDEV : 0;
}

static void wait_set(struct aion_task_wait *wait, enum aion_wait_kind kind, const char *noun, const void *object)
{
	wait->kind = kind;
	wait->noun = noun;
	wait->object = object;
}

static void wait_set_op(struct aion_task_wait *wait, const struct aion_future *future)
{
	const struct aion_op *op = aion__container_of(future, struct aion_op, future);

	wait_set(wait, AION_WAITS_OPERATION, "operation", op);
	wait->opcode = future->flags & AION__OP_BARE ? "NOP" : aion__opcode_name(op->opcode);
	wait->fd = future->fd;
}

static void wait_set_future(struct aion_task_wait *wait, const struct aion_future *future)
{
	const struct aion_timer *timer = aion__container_of(future, struct aion_timer, future);
	const struct aion__wait *queued = aion__container_of(future, struct aion__wait, future);

	switch ((enum aion__future_kind)future->kind) {
	case AION__FUTURE_OP:
		wait_set_op(wait, future);
		break;
	case AION__FUTURE_HANDLE:
		wait_set(wait, AION_WAITS_HANDLE, "task", aion__container_of(future, struct aion_handle, future)->task);
		break;
	case AION__FUTURE_TIMER:
		wait_set(wait, AION_WAITS_TIMER, "timer", timer);
		wait->deadline_ns = timer->place ? timer->deadline_ns : AION_NEVER;
		break;
	case AION__FUTURE_HELD:
		wait_set(wait, AION_WAITS_PROMISE, "promise", future);
		break;
	case AION__FUTURE_WAIT:
	case AION__FUTURE_REMOTE:
		wait_set(wait, AION_WAITS_OBJECT, queued->noun, queued->object);
		break;
	case AION__FUTURE_CALL:
		wait_set(wait, AION_WAITS_CALL, "offloaded call", future);
		break;
	case AION__FUTURE_PLAIN:
		if (future->state == AION__FUTURE_IS_CALL)
			wait_set(wait, AION_WAITS_CALL, "offloaded call", future);
		else
			wait_set(wait, AION_WAITS_FUTURE, "future", future);
		break;
	}
}

static void wait_set_group(struct aion_task_wait *wait, const struct aion_group *group)
{
	wait_set(wait, AION_WAITS_GROUP, "group", group);
	for (const struct aion__link *child = group->children.next; child != &group->children; child = child->next)
		wait->nr++;
}

static void wait_fill(struct aion_task_wait *wait, const struct aion_task *task)
{
	*wait = (struct aion_task_wait){.noun = "", .opcode = "", .fd = -1, .deadline_ns = AION_NEVER};
	if (task->runnable.is_awake)
		return;
	if (task->waits_for) {
		wait_set_future(wait, task->waits_for);
	} else if (task->is_interruptible) {
		wait_set(wait, AION_WAITS_SEVERAL, "futures", NULL);
		wait->nr = task->wait_nr;
	} else {
		AION_ASSERT(task->scope && task->scope->is_group);
		wait_set_group(wait, aion__container_of(task->scope, struct aion_group, scope));
	}
}

static void info_fill(struct aion_task_info *info, const struct aion_task *task, unsigned depth)
{
	const struct aion_loop *loop = task->group->loop;
	bool runs = loop->engine.task == &task->runnable;

	*info = (struct aion_task_info){
		.task = task,
		.name = task->name,
		.fn = task->fn,
		.arg = task->arg,
		.group = task->group,
		.parent = task->group->scope.task,
		.depth = depth,
		.state = runs                      ? AION_TASK_RUNNING
			 : task->runnable.is_awake ? AION_TASK_READY
						   : AION_TASK_WAITING,
		.has_begun = runs || task->sp || !task->runnable.is_awake,
		.is_cancelled = task->cancelled,
	};
	if (task->debug) {
		info->since_ns = task->debug->since_ns;
		info->spawn_site = task->debug->spawn_site;
	}
	wait_fill(&info->wait, task);
}

/* The next group among a task's scopes, from this one inwards, or NULL. */
static const struct aion_group *group_from(const struct aion_scope *scope)
{
	while (scope && !scope->is_group)
		scope = scope->inner;
	return scope ? aion__container_of(scope, struct aion_group, scope) : NULL;
}

/* Trees may be deep: no recursion. Children stand in their group's list newest first. */
int aion_loop_tasks(struct aion_loop *loop, aion_task_visit *visit, void *arg)
{
	const struct aion_group *group = &loop->root;
	const struct aion__link *at = group->children.prev;
	struct aion_task_info info;
	unsigned depth = 0;
	int result = aion__loop_is_foreign(loop);

	while (result == 0) {
		const struct aion_group *next;
		const struct aion_task *task;

		if (at != &group->children) {
			task = aion__container_of(at, struct aion_task, sibling);
			info_fill(&info, task, depth);
			result = visit(&info, arg);
			next = group_from(task->outermost);
			depth += next != NULL;
			at = at->prev;
		} else if (group == &loop->root) {
			break;
		} else {
			/* The owner's next group, or whoever comes after the owner. */
			task = group->scope.task;
			next = group_from(group->scope.inner);
			depth -= !next;
			if (!next) {
				at = task->sibling.prev;
				group = task->group;
			}
		}
		if (next) {
			group = next;
			at = group->children.prev;
		}
	}
	return result;
}
