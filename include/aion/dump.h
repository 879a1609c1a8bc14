/* SPDX-License-Identifier: MIT */
#ifndef AION_DUMP_H
#define AION_DUMP_H
/*
 * Looking at a loop's tasks: who is there, in which group, what each waits for, and where it stands. As text for
 * people, and task by task for programs. A look changes nothing, and costs nothing before it is asked for.
 *
 * Spawn sites and times are recorded in debug mode only: aion_loop_options.debug, or AION_DEBUG=1 in the environment.
 * See loop.h for what else debug mode does.
 *
 * Backtraces follow the unwind tables (.eh_frame), which compilers write unless told not to (x86-64, aarch64); frame
 * pointers are not needed. Code without tables ends a backtrace. Names come from the dynamic symbol table: link the
 * program with -rdynamic to see its own. Other places are given as file+offset, for addr2line.
 */
#include <aion/group.h>

#ifdef __cplusplus
extern "C" {
#endif

enum aion_task_state {
	AION_TASK_RUNNING, /* the caller itself */
	AION_TASK_READY,   /* its turn comes */
	AION_TASK_WAITING, /* see its wait */
};

enum aion_wait_kind {
	AION_WAITS_NOT,       /* it runs or is ready */
	AION_WAITS_OPERATION, /* opcode, fd */
	AION_WAITS_TIMER,     /* deadline_ns */
	AION_WAITS_FUTURE,    /* one that the application, or a layer above, completes */
	AION_WAITS_HANDLE,    /* another task's end */
	AION_WAITS_PROMISE,   /* a promise or an owned buffer */
	AION_WAITS_OBJECT,    /* a lock, a queue …: noun says what, object which */
	AION_WAITS_CALL,      /* an offloaded call */
	AION_WAITS_GROUP,     /* in aion_group_leave(), for nr tasks */
	AION_WAITS_SEVERAL,   /* in aion_wait(), for nr futures that were not done when it began */
};

struct aion_task_wait {
	enum aion_wait_kind kind;
	const void *object;  /* the future, the timer, the lock, the group; NULL: several, or nothing */
	const char *noun;    /* "operation", "timer", … "mutex"; "" = nothing */
	const char *opcode;  /* of an operation: "READ", "NOP" …; else "" */
	int fd;              /* of an operation: the descriptor that it works on; else -1 */
	int64_t deadline_ns; /* of a timer: when it fires, monotonic; AION_NEVER: never */
	size_t nr;           /* tasks of a group; futures of several */
};

struct aion_task_info {
	const struct aion_task *task; /* for aion_task_backtrace() */
	const char *name;             /* "" if it has none */
	aion_fn *fn;
	const void *arg;
	const struct aion_group *group; /* to which it belongs */
	const struct aion_task *parent; /* whose group that is; NULL: the loop's own */
	unsigned depth;                 /* 0 in the loop's own group, 1 in a group of such a task … */
	enum aion_task_state state;
	bool has_begun;    /* false: it has never left the processor; it may be on it for the first time */
	bool is_cancelled; /* its next checkpoint says -ECANCELED */
	struct aion_task_wait wait;
	int64_t since_ns;       /* debug mode: when it last stopped running, or was spawned, monotonic; else 0 */
	const void *spawn_site; /* debug mode: where the program spawned it; else NULL */
};

/* Sees one task. 0 = go on; anything else ends the walk. It must neither suspend, spawn, cancel nor leave a group. */
typedef int aion_task_visit(const struct aion_task_info *info, void *arg);

/**
 * aion_loop_tasks - visit every task of a loop: a task before its groups' tasks, these in the order of their spawns.
 * @visit: info is valid until it returns.
 * @arg: handed to visit.
 *
 * Result: 0, or what visit has returned to end the walk.
 * Errors: those of visit, and: -EXDEV (the loop's thread is another); -ECHILD (forked child).
 * Suspends: no. Thread: the loop's, inside a task, in a post, or outside. Source: none.
 */
AION_API int aion_loop_tasks(struct aion_loop *loop, aion_task_visit *visit, void *arg);

/**
 * aion_task_backtrace - where a task stands: return addresses, the innermost first.
 * @task: of a visit, or the running one.
 * @max: room in ret_addresses.
 *
 * Nothing outside of the task's stack is read. A task that has never run has none.
 * Result: how many addresses there are, at most max.
 * Suspends: no. Thread: the loop's. Source: none.
 */
AION_API size_t aion_task_backtrace(const struct aion_task *task, void **ret_addresses, size_t max);

/**
 * aion_loop_dump - write a loop's tasks as text, one or more lines a task.
 * @loop: alive; at any moment.
 * @fd: a descriptor of the process; it is written to by write(2), and the loop waits as long as that blocks.
 *
 * From another thread, or to have it happen between tasks, use aion_loop_dump_post().
 * Errors: those of write(2), and: -ENOMEM; -EXDEV (the loop's thread is another); -ECHILD.
 * Suspends: no. Thread: the loop's, inside a task, in a post, or outside. Source: write(2).
 */
AION_API int aion_loop_dump(struct aion_loop *loop, int fd);

/**
 * aion_loop_dump_post - have the loop dump itself between two tasks, as soon as it can. Not while a task hogs it.
 * @fd: open until that has happened. Errors of writing are lost.
 *
 * Errors: those of aion_loop_post(). Suspends: no. Thread: any. Source: eventfd(2), write(2).
 */
AION_API int aion_loop_dump_post(struct aion_loop *loop, int fd);

/**
 * aion_loop_dump_on_signal - have the loop dump itself whenever the process gets a signal, until the loop is destroyed.
 * @signal: SIGUSR1, or another that the program has no use for. Its handler is the library's from then on, for the life
 *   of the process; it does no more than wake the loops that asked for the signal.
 * @fd: open as long as the loop lives.
 *
 * Errors: -EBUSY (this loop listens to a signal already, or 64 loops do); -EINVAL (no such signal, or one that cannot
 *   be caught); -ENOMEM; -ECHILD.
 * Suspends: no. Thread: any. Source: sigaction(2), eventfd(2), write(2).
 */
AION_API int aion_loop_dump_on_signal(struct aion_loop *loop, int signal, int fd);

#ifdef __cplusplus
}
#endif
#endif
