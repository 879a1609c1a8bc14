/* SPDX-License-Identifier: MIT */
#ifndef AION_PROCESS_POOL_H
#define AION_PROCESS_POOL_H
/*
 * The process pool: work in isolation, in worker processes that the pool starts from the program itself. A crash, a
 * leak, an endless loop stays in the worker; the caller gets an error, and the worker is replaced. For work that may
 * share the memory see offload.h.
 *
 *	static int64_t square(struct aion_process_call *call) { … }
 *
 *	int main(int argc, char **argv)
 *	{
 *		aion_process_pool_serve(argc, argv, (const struct aion_process_entry[]){{"square", square}, {0}});
 *		…                         (a worker process does not come here)
 *	}
 *
 * A worker is a new execution of the program, not a fork of it: a fork would inherit the loop's ring, locks that other
 * threads hold, and pages without end; and it could not be made later, to replace one. So functions go by their names,
 * and requests and replies are bytes.
 */
#include <sys/types.h>

#include <aion/future.h>
#include <aion/process.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_PROCESS_MESSAGE_MAX ((size_t)1 << 30) /* bytes of a request or a reply */

/* A call as the function sees it, in the worker. */
struct aion_process_call {
	const void *request; /* request_size bytes; aligned to 16 */
	size_t request_size;
	void *reply; /* reply_room bytes; aligned to 16 */
	size_t reply_room;
	size_t reply_size; /* of these, the function's answer [0] */
};

/* Runs in a worker process, where no loop is. The result is >= 0, or -errno. */
typedef int64_t aion_process_fn(struct aion_process_call *call);

/* A function under the name by which it is called. The last of an array is all zero. */
struct aion_process_entry {
	const char *name;
	aion_process_fn *fn;
};

/**
 * aion_process_pool_serve - in a worker process: serve its pool, then exit. In any other: return at once.
 * @argc, @argv: main's. The first thing that main does: what comes before also runs in every worker.
 * @entries: what the pool's workers can be asked for; the last is all zero.
 *
 * A worker ends when its pool is closed or its parent dies. It has no standard input and is in a group of its own, so
 * an interrupt from the terminal does not reach it.
 * Suspends: no (a worker blocks). Thread: any, before loops run. Source: read(2), write(2).
 */
AION_API void aion_process_pool_serve(int argc, char **argv, const struct aion_process_entry *entries);

/* All zero = the defaults, which are given in brackets. */
struct aion_process_pool_options {
	unsigned worker_nr;  /* processes at most [cores] */
	const char *program; /* whose main calls aion_process_pool_serve() [this program] */
	int64_t grace_ns;    /* what a worker has at close to end by itself, before SIGKILL [5 s]; negative: nothing */
};

struct aion__process_worker;
struct aion__process_caller;

/* The caller's memory, of one loop; all zero = closed. The fields are private. */
struct aion_process_pool {
	struct aion__process_worker *workers;
	struct aion__process_caller *first; /* calls that wait for a worker */
	struct aion__process_caller *last;
	struct aion_future drained; /* no call is under way any more */
	struct aion_future closed;
	const char *program;
	int64_t grace_ns;
	size_t call_nr; /* under way or waiting */
	uint64_t spawn_nr;
	unsigned worker_nr;
	bool is_open;
	bool is_closing;
};

/**
 * aion_process_pool_open - make a pool. Workers start when calls need them.
 * @pool: closed (all zero); an open one aborts the process. It stays in place until aion_process_pool_close().
 * @options: NULL = the defaults; program stays until then, too.
 *
 * Result: 0.
 * Errors: -EOPNOTSUPP (this program has not called aion_process_pool_serve(): its workers would do all over again what
 *   it does); -ENOMEM; -EBUSY (not inside a task); -ECHILD.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_process_pool_open(struct aion_process_pool *pool, const struct aion_process_pool_options *options);

/**
 * aion_process_pool_call - have a function run in a worker, and wait for its answer.
 * @pool: open, of this loop. Calls get workers first come, first served.
 * @name: of an entry.
 * @request: request_size bytes.
 * @reply: reply_room bytes for the answer.
 * @ret_reply_size: the bytes of the answer; NULL if not wanted.
 *
 * A call that is cancelled while it runs ends its worker, by SIGKILL: there is no other way to stop a computation.
 * Result: the function's.
 * Errors: those of the function, and: -EPIPE (the worker died of it, had no memory, does not serve); -ENOSYS (no
 *   function of this name); -ESHUTDOWN (the pool closes, or is closed); -EMSGSIZE (more than AION_PROCESS_MESSAGE_MAX
 *   bytes); those of aion_process_spawn() and socketpair(2) (the worker could not be started); -ECANCELED; -EBUSY;
 *   -ECHILD; -ENOMEM.
 * Suspends: yes. Thread: loop. Source: socketpair(2), posix_spawn(3).
 */
AION_API AION_SUSPENDS int64_t aion_process_pool_call(struct aion_process_pool *pool, const char *name,
						      const void *request, size_t request_size, void *reply,
						      size_t reply_room, size_t *ret_reply_size);

/**
 * aion_process_pool_close - let the calls that were made come to their end, then end the workers. Always finishes.
 * @pool: open or closed. New calls are refused from now on. Fit for AION_CLEANUP.
 *
 * Calls that are to end earlier are cancelled by whoever made them. Several tasks may close: each returns when the pool
 * is closed, and it can be opened anew when all have returned.
 * Suspends: yes, but never returns early. Thread: loop. Source: as aion_process_close().
 */
AION_API AION_SUSPENDS void aion_process_pool_close(struct aion_process_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
