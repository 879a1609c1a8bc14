/* SPDX-License-Identifier: MIT */
/*
 * Serving: whoever serves only starts tasks, and these take the connections from the queue of what has been accepted. So
 * a connection whose task finds no memory for its stack is still there for the next one.
 */
#include <errno.h>

#include <aion/file.h>
#include <aion/listener.h>
#include <aion/scope.h>
#include <aion/task.h>

#include "assert_int.h"
#include "listener_int.h"

static int64_t connection_serve(struct aion_listener *listener, int fd)
{
	if (!aion_cancelled())
		return listener->fn(fd, listener->arg);
	aion_close(fd);
	return -ECANCELED;
}

/* One connection's task. An error of it is none of the group's. */
static int64_t connection_run(void *arg)
{
	struct aion_listener *listener = arg;
	struct aion_listener_stats *stats = &listener->stats;
	int64_t result;

	AION_ASSERT(listener->starting_nr);
	listener->starting_nr--;
	if (!aion_accept_nr(&listener->accept))
		return 0;
	stats->accepted_nr++;
	if (++stats->active_nr > stats->active_max_nr)
		stats->active_max_nr = stats->active_nr;
	result = connection_serve(listener, (int)aion_accept_try_next(&listener->accept));
	stats->active_nr--;
	stats->failed_nr += result < 0 && result != -ECANCELED;
	listener->cut_nr += aion_cancelled();
	aion_accept_allow(&listener->accept, 1);
	aion__listener_resume(listener);
	return 0;
}

static void serve_start(struct aion_listener *listener)
{
	while (listener->starting_nr < aion_accept_nr(&listener->accept)) {
		if (aion_spawn_with(&listener->group, &listener->task, connection_run, listener) < 0)
			return;
		listener->starting_nr++;
	}
}

/* There are connections. They are begun before more are looked for, and so are all other tasks that are ready. */
static int64_t serve_some(struct aion_listener *listener)
{
	uint64_t before_nr = listener->stats.accepted_nr;
	int64_t result;

	serve_start(listener);
	result = aion_yield();
	if (result < 0)
		return result;
	listener->starting_nr = 0; /* who has not run by now had no memory, and never will */
	if (listener->stats.accepted_nr == before_nr)
		return aion__listener_survive(listener, -ENOMEM);
	listener->pause_ns = 0;
	return 0;
}

static int64_t serve_loop(struct aion_listener *listener)
{
	int64_t result;

	do {
		result = aion_accept_wait(&listener->accept);
		if (result < 0)
			return result;
		result = aion_accept_nr(&listener->accept)
				 ? serve_some(listener)
				 : aion__listener_survive(listener, aion_accept_try_next(&listener->accept));
	} while (result == 0);
	return result;
}

/* Shut down: those who have been accepted are served, whoever comes is refused. */
static void serve_last(struct aion_listener *listener)
{
	aion_accept_stop(&listener->accept);
	aion__listener_close_socket(listener);
	serve_start(listener);
}

/* The accepting has ended with `result`, the last connection has gone. */
static int64_t serve_result(const struct aion_listener *listener, int64_t result)
{
	if (listener->is_closing)
		return -EBADF;
	if (result != -ESHUTDOWN)
		return result;
	if (!listener->cut_nr)
		return 0;
	return aion_scope_reason(&listener->group.scope) == AION_REASON_DEADLINE ? -ETIME : -ECANCELED;
}

static int64_t serve_check(const struct aion_listener *listener)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (!listener->is_open || listener->is_closing)
		return -EBADF;
	if (listener->is_serving || listener->waiter_nr)
		return -EALREADY;
	return listener->is_stopping ? -ESHUTDOWN : 0;
}

int64_t aion_listener_serve(struct aion_listener *listener, aion_serve_fn *fn, void *arg)
{
	int64_t result = serve_check(listener);

	if (result < 0)
		return result;
	listener->fn = fn;
	listener->arg = arg;
	listener->starting_nr = 0;
	listener->cut_nr = 0;
	listener->is_serving = true;
	aion_future_init(&listener->served);
	aion_group_enter(&listener->group);
	aion_group_keep_going(&listener->group);
	result = serve_loop(listener);
	if (listener->is_stopping && !listener->is_closing)
		result = -ESHUTDOWN; /* also if the deadline has passed already */
	if (result == -ESHUTDOWN)
		serve_last(listener);
	aion_group_leave(&listener->group, 0);
	listener->is_serving = false;
	if (result == -ESHUTDOWN)
		aion_accept_discard(&listener->accept); /* whose tasks found no memory */
	result = serve_result(listener, result);
	aion_future_complete(&listener->served, 0);
	return result;
}

/* Without memory for the deadline, fail on the safe side: nothing waits for ever. */
static void group_set_deadline(struct aion_group *group, int64_t deadline_ns)
{
	if (aion_scope_set_deadline(&group->scope, deadline_ns) < 0)
		aion_group_cancel(group);
}

void aion_listener_shutdown(struct aion_listener *listener, int64_t deadline_ns)
{
	if (!listener->is_open || listener->is_closing)
		return;
	listener->is_stopping = true;
	aion__accept_end(&listener->accept);
	aion__listener_resume(listener);
	if (listener->is_serving)
		group_set_deadline(&listener->group, deadline_ns);
}

static int64_t accept_one(struct aion_listener *listener)
{
	int64_t result;

	for (;;) {
		result = aion_accept_next(&listener->accept);
		if (result >= 0)
			break;
		result = aion__listener_survive(listener, result);
		if (result < 0)
			return result;
	}
	listener->pause_ns = 0;
	listener->stats.accepted_nr++;
	aion_accept_allow(&listener->accept, 1);
	return result;
}

int64_t aion_listener_accept(struct aion_listener *listener)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (!listener->is_open || listener->is_closing)
		return -EBADF;
	if (listener->is_serving)
		return -EALREADY;
	listener->waiter_nr++;
	result = accept_one(listener);
	listener->waiter_nr--;
	return result;
}
