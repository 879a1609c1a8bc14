/* SPDX-License-Identifier: MIT */
/*
 * The pool's side of its worker processes. A call has a worker for itself, from its request to its reply; calls that
 * find none wait in a queue, with their records on their stacks, and are handed one, first in, first out. Whoever
 * leaves a worker in the middle of a request kills it: nobody could tell what it would say next.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/process_pool.h>
#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "inside_int.h"
#include "process_pool_int.h"

#define SELF "/proc/self/exe"

struct aion__process_worker {
	struct aion_process process; /* closed: is started when it is needed */
	int fd;                      /* our end of the socket pair */
	bool is_busy;                /* a call has it */
};

/* A call that waits for a worker. */
struct aion__process_caller {
	struct aion_future future; /* done: it has been handed `worker` */
	struct aion__process_caller *next;
	struct aion__process_worker *worker;
};

/* ---- one worker */

static void worker_end(struct aion__process_worker *worker, int64_t grace_ns)
{
	struct aion_scope shield;

	if (!worker->process.is_open)
		return;
	aion_fd_closep(&worker->fd); /* an idle worker ends of that */
	aion_scope_enter_shield(&shield, aion_after(grace_ns));
	if (grace_ns > 0)
		aion_process_wait(&worker->process);
	aion_scope_leave(&shield);
	worker->process.grace_ns = -1;
	aion_process_close(&worker->process);
}

/* Neither end may be a standard descriptor, which it would be where these are closed here: the worker gets its end
 * under the same number, and whoever prints here must not print into ours. */
static int worker_sockets(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		int low = fds[i];

		if (low > STDERR_FILENO)
			continue;
		fds[i] = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (fds[i] < 0) {
			int result = -errno;

			close(low);
			close(fds[!i]);
			return result;
		}
		close(low);
	}
	return 0;
}

static int64_t worker_start(struct aion_process_pool *pool, struct aion__process_worker *worker)
{
	char number[16];
	const char *const argv[] = {pool->program, AION__PROCESS_WORKER_MARK, number, NULL};
	struct aion_process_options options = {.in = {AION_STDIO_NULL, 0}, .pass_fd_nr = 1, .new_group = true};
	int saved = errno;
	int fds[2];
	int64_t result = worker_sockets(fds);

	if (result < 0) {
		errno = saved;
		return result;
	}
	options.pass_fds = &fds[1];
	snprintf(number, sizeof(number), "%d", fds[1]);
	result = aion_process_spawn(&worker->process, argv, &options);
	close(fds[1]);
	if (result < 0)
		close(fds[0]);
	else
		worker->fd = fds[0];
	errno = saved;
	pool->spawn_nr += result == 0;
	return result;
}

/* A worker that has died between two calls is nobody's loss. */
static int64_t worker_prepare(struct aion_process_pool *pool, struct aion__process_worker *worker)
{
	struct pollfd end = {.fd = worker->process.pidfd, .events = POLLIN};
	int saved = errno;
	bool has_died = worker->process.is_open && poll(&end, 1, 0) == 1;

	errno = saved;
	if (has_died)
		worker_end(worker, 0);
	return worker->process.is_open ? 0 : worker_start(pool, worker);
}

static int64_t worker_ask(struct aion__process_worker *worker, const char *name, const void *request,
			  size_t request_size, void *reply, size_t reply_room, struct aion__process_reply *ret_answer)
{
	struct aion__process_request head = {strlen(name), request_size, reply_room};
	struct aion__process_reply answer;
	const struct iovec parts[] = {{&head, sizeof(head)},
				      {(void *)(uintptr_t)name, head.name_size},
				      {(void *)(uintptr_t)request, request_size}};
	int64_t result = aion_writev_all(worker->fd, parts, 3, NULL);

	if (result == 0)
		result = aion_read_exact(worker->fd, &answer, sizeof(answer), NULL);
	if (result == 0 && answer.reply_size > reply_room)
		return -EPIPE;
	if (result == 0 && answer.reply_size)
		result = aion_read_exact(worker->fd, reply, answer.reply_size, NULL);
	if (result < 0)
		return result == -ECANCELED || result == -ENOMEM ? result : -EPIPE;
	*ret_answer = answer;
	return 0;
}

/* ---- who has which worker */

/* One that runs already, before one that would have to be started. */
static struct aion__process_worker *pool_find(struct aion_process_pool *pool)
{
	struct aion__process_worker *found = NULL;

	for (unsigned i = 0; i < pool->worker_nr; i++) {
		struct aion__process_worker *worker = &pool->workers[i];

		if (worker->is_busy)
			continue;
		if (worker->process.is_open)
			return worker;
		if (!found)
			found = worker;
	}
	return found;
}

static void pool_give(struct aion_process_pool *pool, struct aion__process_worker *worker)
{
	struct aion__process_caller *caller = pool->first;

	if (!caller) {
		worker->is_busy = false;
		return;
	}
	pool->first = caller->next;
	if (!pool->first)
		pool->last = NULL;
	caller->worker = worker;
	aion_future_complete(&caller->future, 0);
}

static void pool_remove(struct aion_process_pool *pool, const struct aion__process_caller *caller)
{
	struct aion__process_caller **at = &pool->first;
	struct aion__process_caller *before = NULL;

	while (*at != caller) {
		before = *at;
		at = &before->next;
	}
	*at = caller->next;
	if (pool->last == caller)
		pool->last = before;
}

/* First come, first served: there is no idle worker while somebody waits. */
static int64_t pool_take(struct aion_process_pool *pool, struct aion__process_worker **ret_worker)
{
	struct aion__process_worker *worker = pool_find(pool);
	struct aion__process_caller caller = {.next = NULL};
	int64_t result;

	if (worker) {
		worker->is_busy = true;
		*ret_worker = worker;
		return 0;
	}
	aion_future_init(&caller.future);
	if (pool->last)
		pool->last->next = &caller;
	else
		pool->first = &caller;
	pool->last = &caller;
	result = aion_await(&caller.future);
	if (result == 0)
		result = aion_checkpoint(); /* or the request would be refused, and the worker be ended for it */
	if (!caller.worker)
		pool_remove(pool, &caller);
	else if (result < 0)
		pool_give(pool, caller.worker);
	*ret_worker = caller.worker;
	return result;
}

static void pool_leave(struct aion_process_pool *pool)
{
	if (--pool->call_nr == 0 && pool->is_closing)
		aion_future_complete(&pool->drained, 0);
}

int64_t aion_process_pool_call(struct aion_process_pool *pool, const char *name, const void *request,
			       size_t request_size, void *reply, size_t reply_room, size_t *ret_reply_size)
{
	struct aion__process_worker *worker;
	struct aion__process_reply answer = {0};
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (!pool->is_open || pool->is_closing)
		return -ESHUTDOWN;
	if (request_size > AION_PROCESS_MESSAGE_MAX || reply_room > AION_PROCESS_MESSAGE_MAX)
		return -EMSGSIZE;
	pool->call_nr++;
	result = pool_take(pool, &worker);
	if (result == 0) {
		result = worker_prepare(pool, worker);
		if (result == 0) {
			result = worker_ask(worker, name, request, request_size, reply, reply_room, &answer);
			if (result < 0)
				worker_end(worker, 0);
		}
		pool_give(pool, worker);
	}
	pool_leave(pool);
	if (result < 0)
		return result;
	if (ret_reply_size)
		*ret_reply_size = answer.reply_size;
	return answer.result;
}

int aion_process_pool_open(struct aion_process_pool *pool, const struct aion_process_pool_options *options)
{
	static const struct aion_process_pool_options defaults;
	long core_nr = sysconf(_SC_NPROCESSORS_ONLN);
	int result = aion__inside_refuses();

	AION_BUG_ON(pool->is_open, "process pool opened while open");
	if (result < 0)
		return result;
	options = options ? options : &defaults;
	if (!options->program && !aion__process_pool_is_served)
		return -EOPNOTSUPP;
	*pool = (struct aion_process_pool){
		.program = options->program ? options->program : SELF,
		.grace_ns = options->grace_ns ? options->grace_ns : AION_PROCESS_GRACE_NS,
		.worker_nr = options->worker_nr ? options->worker_nr
			     : core_nr > 0      ? (unsigned)core_nr
						: 1,
	};
	pool->workers = aion__alloc_zeroed(pool->worker_nr * sizeof(*pool->workers));
	if (!pool->workers)
		return -ENOMEM;
	aion_future_init(&pool->drained);
	aion_future_init(&pool->closed);
	pool->is_open = true;
	return 0;
}

static void pool_await(struct aion_future *future)
{
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_await(future);
	aion_scope_leave(&shield);
}

/* All idle workers see the end of their sockets before any is waited for. */
static void pool_end_workers(struct aion_process_pool *pool)
{
	for (unsigned i = 0; i < pool->worker_nr; i++)
		if (pool->workers[i].process.is_open)
			aion_fd_closep(&pool->workers[i].fd);
	for (unsigned i = 0; i < pool->worker_nr; i++)
		worker_end(&pool->workers[i], pool->grace_ns);
	aion__free(pool->workers);
	pool->workers = NULL;
}

void aion_process_pool_close(struct aion_process_pool *pool)
{
	if (!pool->is_open)
		return;
	if (pool->is_closing) {
		pool_await(&pool->closed);
		return;
	}
	pool->is_closing = true;
	if (pool->call_nr)
		pool_await(&pool->drained);
	pool_end_workers(pool);
	pool->is_open = false;
	pool->is_closing = false;
	aion_future_complete(&pool->closed, 0);
}
