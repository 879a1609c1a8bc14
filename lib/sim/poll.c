/* SPDX-License-Identifier: MIT */
/*
 * Waiting until a file is ready. A multishot request reports what holds at the start and then what comes: pipes and
 * sockets count their events, so that nothing is said again that only still holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "sim_model_int.h"
#include "sim_pipe_int.h"
#include "sim_socket_int.h"

#define EVENTS_ALWAYS (POLLERR | POLLHUP | POLLRDHUP) /* Linux says the last one, too, without being asked */
#define EVENTS_IN (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND | POLLRDHUP)
#define EVENTS_OUT (POLLOUT | POLLWRNORM | POLLWRBAND)
#define EVENTS_OF_OTHERS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM) /* of files that nobody waits for */

/* How many events there have been. */
struct counts {
	int64_t in, out;
};

static struct counts file_counts(const struct aion__sim_file *file)
{
	struct counts counts = {0, 0};

	if (file->pipe)
		counts = (struct counts){(int64_t)file->pipe->in_event_nr, (int64_t)file->pipe->out_event_nr};
	else if (file->socket)
		counts = (struct counts){(int64_t)file->socket->in_event_nr, (int64_t)file->socket->out_event_nr};
	return counts;
}

static unsigned file_events(struct aion_sim *sim, const struct aion__sim_file *file)
{
	return file->ops->poll ? file->ops->poll(sim, file) : EVENTS_OF_OTHERS;
}

/* The request remembers in a and b what it has seen, plus one: 0 is the first look. */
static unsigned new_events(struct aion__sim_request *request, unsigned events)
{
	struct counts counts = file_counts(request->file);
	unsigned new = 0;

	if (request->a != counts.in + 1)
		new |= EVENTS_IN | EVENTS_ALWAYS;
	if (request->b != counts.out + 1)
		new |= EVENTS_OUT | EVENTS_ALWAYS;
	request->a = counts.in + 1;
	request->b = counts.out + 1;
	return events & new;
}

int64_t aion__sim_poll_add(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	unsigned events;

	if (sqe->off || sqe->addr || sqe->buf_index || sqe->len & ~IORING_POLL_ADD_MULTI)
		return -EINVAL;
	if (request->file->flags & O_PATH)
		return -EBADF;
	request->is_multishot = sqe->len & IORING_POLL_ADD_MULTI;
	events = file_events(sim, request->file) & (sqe->poll32_events | EVENTS_ALWAYS);
	if (request->is_multishot)
		events = new_events(request, events);
	if (!events)
		return AION__SIM_LATER;
	/* A file that has no events to come can be asked once only. */
	if (!request->is_multishot || !(request->file->pipe || request->file->socket) || aion__sim_shot_is_last(sim))
		return events;
	aion__sim_post_more(sim, request, events, 0);
	return AION__SIM_LATER;
}

int64_t aion__sim_poll_remove(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;

	if (sqe->len || sqe->buf_index || sqe->splice_fd_in) /* changing one is not modelled */
		return -EINVAL;
	return aion__sim_cancel_one(sim, sqe->addr);
}
