/* SPDX-License-Identifier: MIT */
#ifndef AION_LOOP_H
#define AION_LOOP_H
/*
 * The event loop: one ring, one run queue, one set of timers, on one thread. A process may have many, one a thread at
 * a time. aion_run() is all that most programs need; create/turn/destroy put a loop inside another event loop.
 */
#include <aion/group.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_loop;
struct aion_sim;

/* All zero = the defaults, which are given in brackets. */
struct aion_loop_options {
	unsigned entry_nr;          /* submission queue entries [1024], rounded up to a power of two, halved while the
					locked-memory limit refuses them */
	unsigned completion_nr;     /* completion queue entries [4 x entry_nr] */
	size_t stack_size;          /* bytes of a task's stack [256 KiB], 64 KiB to 64 MiB */
	unsigned worker_max;        /* threads for aion_offload() and for what io_uring lacks [cores + 4, at most 32] */
	unsigned kernel_worker_max; /* io-wq threads for blocking file I/O [4 a core, at least 16] */
	bool no_overflow_handler;   /* leave SIGSEGV alone: a stack overflow is then a bare one */
	bool no_interrupt_handler;  /* leave SIGINT alone: aion_run() does not handle it */
	const char *as_linux;       /* for tests: "6.1" hides what later kernels have [$AION_AS_LINUX] */
	struct aion_sim *sim;       /* for tests: a simulated machine in place of the kernel [none]; see sim.h */
	bool debug;                 /* debug mode, see below [$AION_DEBUG is "1"] */
	int64_t debug_slow_ns;      /* its limit [$AION_DEBUG_SLOW_MS, else 100 ms] */
};

/*
 * Debug mode. The loop is slower by a look at the clock a switch, keeps for every task where it was spawned and since
 * when it does not run (dump.h shows both), and tells the diagnostic hook (aion_diag_set()) of
 *   - a task, or the posts and timers between two tasks, that ran for longer than debug_slow_ns without suspending;
 *   - an operation that ended while nobody waited for it, and whose task has ended without having awaited it since, by
 *     aion_await() or any other call that waits, or reaped it;
 *   - an operation that was reaped, whose result is an error other than -ECANCELED, and that nobody received;
 *   - a promise released, or a future given to aion_future_fini(), with an error that nobody received;
 *   - where a task was spawned that is about to abort the process because it leaves a scope, a group or an operation
 *     open.
 */

struct aion_loop_stats {
	uint64_t enter_nr;    /* system calls into the ring */
	uint64_t submit_nr;   /* operations handed to it */
	uint64_t complete_nr; /* completions taken from it */
	uint64_t inline_nr;   /* operations that were done at once, without the ring */
	uint64_t worker_nr;   /* operations and calls that worker threads ran */
	uint64_t switch_nr;   /* tasks resumed */
	uint64_t spawn_nr;    /* tasks started */
	uint64_t turn_nr;     /* turns of the loop */
	size_t task_nr;       /* tasks alive now */
	size_t timer_nr;      /* timers armed now */
	size_t in_flight_nr;  /* operations in flight now */
};

/**
 * aion_run - make a loop on this thread, run fn as its main task, and end with it.
 * @fn: the main task; its groups are joined by then, as everywhere.
 * @arg: handed to fn.
 * @options: NULL = the defaults.
 *
 * Called on the process's main thread, where SIGINT has its default action and is not blocked, it handles SIGINT until
 * fn has ended: the first cancels the main task, as aion_handle_cancel() does; the second kills. A run inside a post of
 * such a run leaves SIGINT to the outer one. A shell expects of an interrupted program exit status 130 (128 + SIGINT):
 * return result == -ECANCELED ? 130 : …
 * Result: fn's: interrupted, -ECANCELED or what fn makes of it.
 * Errors: those of fn, of aion_loop_create(), and: -EBUSY (called inside a task).
 * Suspends: no (it is what blocks the thread). Thread: any. Source: io_uring_setup(2), Linux 6.1; sigaction(2).
 */
AION_API int64_t aion_run(aion_fn *fn, void *arg, const struct aion_loop_options *options);

/**
 * aion_loop_create - make a loop; the thread that first runs or turns it is its thread for life.
 * @options: NULL = the defaults.
 * @ret_loop: for aion_loop_destroy().
 *
 * Errors: those of io_uring_setup(2), and: -ENOSYS, -EPERM (io_uring is missing or forbidden: kernel.io_uring_disabled,
 *   seccomp); -ENOMEM (also: the locked-memory limit is too low for 8 entries); -EMFILE, -ENFILE; -EINVAL (options);
 *   -EBUSY (a loop stands on the simulated machine already).
 *   aion_loop_create_error() says it in words, and names the limit.
 * Suspends: no. Thread: any. Source: io_uring_setup(2), Linux 6.1; eventfd(2).
 */
AION_API int aion_loop_create(const struct aion_loop_options *options, struct aion_loop **ret_loop);

/** aion_loop_create_error - the last failure of aion_loop_create() on this thread, a line, "" if none.
 * Suspends: no. Thread: any. Source: none. */
AION_API const char *aion_loop_create_error(void);

/**
 * aion_loop_run - run fn as a task and return when it has ended.
 * @loop: made on this thread, or not run before.
 *
 * Result: fn's. Other tasks of the loop stay for the next run, turn or destroy.
 * Errors: those of fn, and: -EBUSY (inside a task); -EXDEV (the loop's thread is another); -ECHILD; -ENOMEM.
 * Suspends: no. Thread: the loop's. Source: io_uring_enter(2).
 */
AION_API int64_t aion_loop_run(struct aion_loop *loop, aion_fn *fn, void *arg);

/**
 * aion_loop_destroy - cancel what is left, wait for it, free the loop.
 * @loop: NULL does nothing.
 *
 * Tasks get -ECANCELED at their checkpoints (reason: shutdown) and are joined; operations are reaped to zero; accepted
 * posts have run; worker threads are joined. In a forked child only the memory is given back.
 * Suspends: no. Thread: the loop's, outside of tasks (else aborts). Source: io_uring_enter(2), close(2).
 */
AION_API void aion_loop_destroy(struct aion_loop *loop);

/** aion_loop_current - the loop whose task runs on this thread, or NULL. Suspends: no. Thread: any. Source: none. */
AION_API struct aion_loop *aion_loop_current(void);

/**
 * aion_loop_group - the loop's own group: for spawning from outside of tasks. A failing child does not cancel the rest.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API struct aion_group *aion_loop_group(struct aion_loop *loop);

/**
 * aion_loop_turn - one turn without blocking: fire timers, reap, run what is ready, submit.
 *
 * Result: 1 if there is something to do for another turn now (tasks ready, completions, posts), else 0.
 * Errors: -EBUSY (inside a task); -EXDEV (the loop's thread is another); -ECHILD; -ENOMEM (the first time).
 * Suspends: no. Thread: the loop's. Source: io_uring_enter(2).
 */
AION_API int aion_loop_turn(struct aion_loop *loop);

/**
 * aion_loop_fd - a descriptor that becomes readable when the loop wants a turn.
 *
 * For poll, epoll or another event loop, which then calls aion_loop_turn(); it waits no longer than
 * aion_loop_timeout_ns(). The descriptor belongs to the loop: do not read or close it.
 * Result: an eventfd(2).
 * Errors: those of eventfd(2) and io_uring_register(2), and: -EBUSY (inside a task); -EXDEV (the loop's thread is
 *   another); -ECHILD.
 * Suspends: no. Thread: the loop's. Source: io_uring_register(2), IORING_REGISTER_EVENTFD, Linux 5.2.
 */
AION_API int aion_loop_fd(struct aion_loop *loop);

/**
 * aion_loop_timeout_ns - how long the host may wait before the next turn.
 *
 * Result: nanoseconds: 0 when there is something to do now, else until the next timer, -1 if there is none.
 * Suspends: no. Thread: the loop's. Source: none.
 */
AION_API int64_t aion_loop_timeout_ns(struct aion_loop *loop);

/**
 * aion_loop_post - run a function on the loop's thread, between its tasks, as soon as it can.
 * @loop: alive.
 * @fn: must not suspend (it may spawn, complete futures, cancel); posts run in the order in which they came.
 * @arg: handed to fn; borrowed until fn has run.
 *
 * An accepted post runs exactly once.
 * Errors: -ESHUTDOWN (the loop is being destroyed); -ENOMEM; -ECHILD.
 * Suspends: no. Thread: any. Source: eventfd(2).
 */
AION_API int aion_loop_post(struct aion_loop *loop, void (*fn)(void *arg), void *arg);

/** aion_loop_stats - counts since the loop was made. Suspends: no. Thread: the loop's. Source: none. */
AION_API void aion_loop_stats(const struct aion_loop *loop, struct aion_loop_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
