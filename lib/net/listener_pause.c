/* SPDX-License-Identifier: MIT */
/*
 * When descriptors or memory run out. The kernel says so at once, with or without a client that waits: who asks again at
 * once spins. So there is a pause, which ends early if a connection of ours has ended. The pauses grow; from a length on
 * some of those who wait are let in by the descriptor kept for it and sent away: better than to let them wait without a
 * word.
 */
#include <errno.h>
#include <sys/socket.h>

#include <aion/file.h>
#include <aion/scope.h>
#include <aion/socket.h>

#include "listener_int.h"

#define PAUSE_MIN_NS AION_MILLISECOND
#define PAUSE_MAX_NS (256 * AION_MILLISECOND)
#define SHED_PAUSE_NS (64 * AION_MILLISECOND) /* after a pause of this length, the eighth of a second that led to it */
#define SHED_MAX 16                           /* sent away at a time */
#define SHED_WAIT_NS AION_MILLISECOND         /* who waits is there at once; it may be that nobody does */

static int64_t accept_for(struct aion_accept *accept, int64_t duration_ns)
{
	struct aion_scope scope;
	int64_t result;

	aion_scope_enter(&scope, aion_after(duration_ns));
	result = aion_accept_next(accept);
	aion_scope_leave(&scope);
	return result;
}

/* The place of the reserve is free; it serves for one after the other. */
static void listener_send_away(struct aion_listener *listener)
{
	struct aion_accept accept = {0};

	aion_accept_open(&accept, listener->fd, SOCK_CLOEXEC, 0);
	for (int i = 0; i < SHED_MAX; i++) {
		int64_t fd;

		aion_accept_allow(&accept, 1);
		fd = accept_for(&accept, SHED_WAIT_NS);
		if (fd < 0)
			break;
		listener->stats.shed_nr++;
		aion_close((int)fd);
	}
	aion_accept_close(&accept);
}

static void reserve_open(struct aion_listener *listener)
{
	int64_t fd = aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	listener->reserve_fd = fd < 0 ? -1 : (int)fd;
}

/* One task at a time: there is one reserve. */
static void listener_shed(struct aion_listener *listener)
{
	if (listener->is_shedding)
		return;
	listener->is_shedding = true;
	if (listener->reserve_fd < 0)
		reserve_open(listener); /* somebody else has been faster the last time */
	if (listener->reserve_fd >= 0) {
		aion_fd_closep(&listener->reserve_fd);
		listener_send_away(listener);
		reserve_open(listener);
	}
	listener->is_shedding = false;
}

static int64_t listener_pause(struct aion_listener *listener)
{
	int64_t result;

	listener->pause_ns = listener->pause_ns ? listener->pause_ns * 2 : PAUSE_MIN_NS;
	if (listener->pause_ns > PAUSE_MAX_NS)
		listener->pause_ns = PAUSE_MAX_NS;
	listener->stats.pause_nr++;
	if (aion_future_is_done(&listener->returned))
		aion_future_init(&listener->returned);
	listener->pausing_nr++;
	result = aion_wait_for(&listener->returned, aion_after(listener->pause_ns));
	listener->pausing_nr--;
	return result == -ETIME ? 0 : result;
}

void aion__listener_resume(struct aion_listener *listener)
{
	if (listener->pausing_nr && !aion_future_is_done(&listener->returned))
		aion_future_complete(&listener->returned, 0);
}

int64_t aion__listener_survive(struct aion_listener *listener, int64_t error)
{
	if (listener->is_closing)
		return -EBADF;
	if (listener->is_stopping && error != -ECANCELED)
		return -ESHUTDOWN;
	switch (error) {
	case -ECANCELED:
	case -EBUSY:
	case -ECHILD:
	case -EBADF:
	case -EINVAL:
	case -ENOTSOCK:
	case -EOPNOTSUPP:
	case -EFAULT:
		return error;
	default:
		break;
	}
	if ((error == -EMFILE || error == -ENFILE) && listener->pause_ns >= SHED_PAUSE_NS)
		listener_shed(listener);
	return listener_pause(listener);
}
