/* SPDX-License-Identifier: MIT */
/*
 * Waiting until one of the process's own descriptors is ready. A multishot request reports what holds at the start and
 * then what comes, as epoll with EPOLLET does: so each has an epoll descriptor of its own.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "exec_int.h"
#include "sim_host_int.h"
#include "syscall_int.h"

/* A signal of the process's is nothing to the kernel's poll. */
static int64_t later_if_nothing(int64_t result)
{
	return result == -EAGAIN || result == -EINTR ? AION__SIM_LATER : result;
}

static int64_t poll_once(const struct io_uring_sqe *sqe)
{
	struct io_uring_sqe copy = *sqe;

	copy.len = 0;
	return later_if_nothing(aion__exec_poll(&copy, 0));
}

/* The request remembers its descriptor plus one in a: 0 is the first look. 0, or -EPERM: nobody can wait for it. */
static int64_t poll_open(struct aion__sim_request *request)
{
	struct epoll_event event = {.events = request->sqe.poll32_events | EPOLLET};
	int64_t fd = aion__syscall6(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0);
	int64_t result;

	if (fd < 0)
		return fd;
	request->a = fd + 1;
	result = aion__syscall6(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, request->sqe.fd, (long)&event, 0, 0);
	if (result < 0)
		aion__sim_host_poll_close(request);
	return result;
}

void aion__sim_host_poll_close(struct aion__sim_request *request)
{
	if (request->a)
		aion__syscall6(SYS_close, (long)request->a - 1, 0, 0, 0, 0, 0);
	request->a = 0;
}

static int64_t poll_again(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct epoll_event event;
	int64_t result = aion__syscall6(SYS_epoll_pwait, (long)request->a - 1, (long)&event, 1, 0, 0, 0);

	if (result == 0 || result == -EINTR)
		return AION__SIM_LATER;
	if (result < 0)
		return result;
	if (aion__sim_shot_is_last(sim)) {
		aion__sim_host_poll_close(request);
		return event.events;
	}
	aion__sim_post_more(sim, request, event.events, 0);
	return AION__SIM_LATER;
}

int64_t aion__sim_host_poll(struct aion_sim *sim, struct aion__sim_request *request)
{
	int64_t result;

	if (request->sqe.len != IORING_POLL_ADD_MULTI)
		return poll_once(&request->sqe);
	request->is_multishot = true;
	if (!request->a) {
		result = poll_open(request);
		if (result == -EPERM)
			return poll_once(&request->sqe);
		if (result < 0)
			return result;
	}
	return poll_again(sim, request);
}
