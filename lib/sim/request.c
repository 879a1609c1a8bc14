/* SPDX-License-Identifier: MIT */
/*
 * The life of a request. It is taken from the queue, attempted at its time or at once, perhaps waits for its file, and
 * ends; its completion is posted then or later. A cancel finds it somewhere on this way.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim_int.h"

/* From the submission to the first attempt, from an attempt to the completion: nanoseconds. */
#define QUICK_NS_MIN 200
#define QUICK_NS_MAX 5000
#define DISK_NS_MIN 10000
#define DISK_NS_MAX 400000
#define STALL_FACTOR 1000
#define LATE_NS_MIN 500
#define LATE_NS_MAX 100000
#define HOST_NS 50000 /* between two looks at a descriptor of the process's own */

static struct aion__sim_file *wait_file(const struct aion__sim_request *request)
{
	return request->wait_file ? request->wait_file : request->file;
}

static bool request_is_disk(const struct aion__sim_request *request)
{
	if (request->call->kind == AION__SIM_BY_FILE)
		return request->file && request->file->ops->is_disk;
	return request->call->kind == AION__SIM_DISK;
}

static int64_t request_delay_ns(struct aion_sim *sim, const struct aion__sim_request *request)
{
	int64_t delay_ns;

	if (!request_is_disk(request))
		return aion__sim_draw_ns(sim, QUICK_NS_MIN, QUICK_NS_MAX);
	delay_ns = aion__sim_draw_ns(sim, DISK_NS_MIN, DISK_NS_MAX);
	return aion__sim_strikes(sim, AION_SIM_STALL) ? delay_ns * STALL_FACTOR : delay_ns;
}

char *aion__sim_stage(struct aion__sim_request *request, size_t size)
{
	if (request->stage_room < size) {
		request->stage = aion__sim_realloc(request->stage, size);
		request->stage_room = size;
	}
	return request->stage;
}

/* ---- taken and given back */

static struct aion__sim_request **hash_place(struct aion_sim *sim, uint64_t user_data)
{
	return &sim->hash[(user_data * UINT64_C(0x9e3779b97f4a7c15) >> 32) % AION__SIM_HASH_NR];
}

static struct aion__sim_request *request_take(struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	struct aion__sim_request *request = sim->free_request;
	struct aion__sim_request **hash = hash_place(sim, sqe->user_data);
	char *stage = NULL;
	size_t stage_room = 0;

	if (request) {
		sim->free_request = request->newer;
		stage = request->stage;
		stage_room = request->stage_room;
		memset(request, 0, sizeof(*request));
	} else {
		request = aion__sim_alloc(sizeof(*request));
	}
	request->stage = stage;
	request->stage_room = stage_room;
	request->sqe = *sqe;
	request->call = &aion__sim_calls[sqe->opcode];
	request->nr = ++sim->submit_nr;
	request->hash_next = *hash;
	*hash = request;
	request->older = sim->newest;
	if (sim->newest)
		sim->newest->newer = request;
	else
		sim->oldest = request;
	sim->newest = request;
	sim->request_nr++;
	return request;
}

static void request_put(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_request **hash = hash_place(sim, request->sqe.user_data);

	while (*hash != request)
		hash = &(*hash)->hash_next;
	*hash = request->hash_next;
	if (request->older)
		request->older->newer = request->newer;
	else
		sim->oldest = request->newer;
	if (request->newer)
		request->newer->older = request->older;
	else
		sim->newest = request->older;
	if (sim->look_next == request)
		sim->look_next = request->newer;
	sim->request_nr--;
	if (request->file)
		aion__sim_file_unref(sim, request->file);
	request->state = AION__SIM_FREE;
	request->newer = sim->free_request;
	sim->free_request = request;
}

void aion__sim_requests_drop(struct aion_sim *sim)
{
	while (sim->oldest) {
		struct aion__sim_request *request = sim->oldest;

		if (request->state == AION__SIM_WAITING)
			aion__sim_file_unwait(wait_file(request), request);
		else
			aion__sim_untime(sim, request);
		if (request->call->abandon)
			request->call->abandon(sim, request);
		aion__sim_memory_forget(sim, request);
		request_put(sim, request);
	}
}

void aion__sim_requests_fini(struct aion_sim *sim)
{
	while (sim->free_request) {
		struct aion__sim_request *request = sim->free_request;

		sim->free_request = request->newer;
		aion__sim_free(request->stage);
		aion__sim_free(request);
	}
}

/* ---- the end */

void aion__sim_post_more(struct aion_sim *sim, struct aion__sim_request *request, int64_t result, uint32_t cqe_flags)
{
	cqe_flags |= IORING_CQE_F_MORE;
	request->cqe_flags = 0; /* what it ends with, if it is cancelled now, has no buffer */
	aion__sim_trace(sim, AION__SIM_EVENT_COMPLETE, request->nr, request->sqe.opcode, result, cqe_flags);
	aion__sim_post(sim, request->sqe.user_data, result, cqe_flags);
}

static void request_post_last(struct aion_sim *sim, struct aion__sim_request *request, int64_t result,
			      uint32_t cqe_flags)
{
	size_t size = request->stage_size ? request->stage_size : result > 0 ? (size_t)result : 0;

	if (request->call->finish)
		request->call->finish(sim, request, result);
	aion__sim_memory_return(sim, request, size);
	aion__sim_trace(sim, AION__SIM_EVENT_COMPLETE, request->nr, request->sqe.opcode, result, cqe_flags);
	sim->complete_nr++;
	aion__sim_post(sim, request->sqe.user_data, result, cqe_flags);
	request_put(sim, request);
}

static void request_post(struct aion_sim *sim, struct aion__sim_request *request)
{
	if (request->state == AION__SIM_NOTIF) {
		request_post_last(sim, request, 0, IORING_CQE_F_NOTIF);
	} else if (request->wants_notif) {
		aion__sim_post_more(sim, request, request->result, request->cqe_flags);
		request->state = AION__SIM_NOTIF;
		aion__sim_time(sim, request,
			       aion__sim_draw_ns(sim, LATE_NS_MIN, LATE_NS_MAX) *
				       (aion__sim_strikes(sim, AION_SIM_NOTIF_LATE) ? STALL_FACTOR : 1));
	} else {
		request_post_last(sim, request, request->result, request->cqe_flags);
	}
}

/* It has its result. It may not be in a list or have a time now. */
static void request_end(struct aion_sim *sim, struct aion__sim_request *request, int64_t result)
{
	aion__sim_trace(sim, AION__SIM_EVENT_EFFECT, request->nr, request->sqe.opcode, result, 0);
	request->state = AION__SIM_ENDED;
	request->result = result;
	if (aion__sim_strikes(sim, AION_SIM_LATE_CQE))
		aion__sim_time(sim, request, aion__sim_draw_ns(sim, LATE_NS_MIN, LATE_NS_MAX));
	else
		request_post(sim, request);
}

/* Ended by a cancel: what has been moved already is its result. */
static int64_t request_cancelled_result(struct aion_sim *sim, struct aion__sim_request *request)
{
	if (request->call->abandon)
		request->call->abandon(sim, request);
	return request->done > 0 ? request->done : -ECANCELED;
}

/* ---- the attempt */

/* What a kernel may say instead of doing it. */
static int request_draw_error(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct aion__sim_call *call = request->call;
	bool is_disk = request_is_disk(request);

	if (request->done)
		return 0;
	/* A flush runs in a worker of the kernel's, which waits: it says neither. */
	if (call->moves_data && call->memory && is_disk && aion__sim_strikes(sim, AION_SIM_ERROR_EAGAIN))
		return -EAGAIN;
	if (call->moves_data && call->memory && aion__sim_strikes(sim, AION_SIM_ERROR_EINTR))
		return -EINTR;
	if (call->moves_data && is_disk && aion__sim_strikes(sim, AION_SIM_ERROR_EIO))
		return -EIO;
	if (call->allocates_space && is_disk && aion__sim_strikes(sim, AION_SIM_ERROR_ENOSPC))
		return -ENOSPC;
	if (call->gives_fd && aion__sim_strikes(sim, AION_SIM_ERROR_EMFILE))
		return -EMFILE;
	if (call->gives_fd && aion__sim_strikes(sim, AION_SIM_ERROR_ENFILE))
		return -ENFILE;
	if (call->is_network && request->file && aion__sim_socket_can_reset(request->file) &&
	    aion__sim_strikes(sim, AION_SIM_ERROR_ECONNRESET)) {
		aion__sim_socket_reset(sim, request->file);
		return -ECONNRESET;
	}
	return 0;
}

static void request_wait(struct aion_sim *sim, struct aion__sim_request *request)
{
	int64_t result;

	if (request->is_cancelled) {
		result = request_cancelled_result(sim, request);
		/* A worker of the kernel's is interrupted by a signal. */
		if (result < 0 && aion__sim_draw_below(sim, 2))
			result = -EINTR;
		request_end(sim, request, result);
	} else if (request->is_host) {
		aion__sim_time(sim, request, HOST_NS);
	} else {
		aion__sim_file_wait(wait_file(request), request);
	}
}

static void request_attempt(struct aion_sim *sim, struct aion__sim_request *request)
{
	int64_t result;

	request->state = AION__SIM_TIMED;
	if (request->is_host)
		result = aion__sim_host_attempt(sim, request);
	else
		result = request_draw_error(sim, request);
	if (result == 0 && !request->is_host)
		result = request->call->attempt(sim, request);
	if (result == AION__SIM_LATER)
		request_wait(sim, request);
	else
		request_end(sim, request, result);
}

void aion__sim_request_run(struct aion_sim *sim, struct aion__sim_request *request)
{
	if (request->state == AION__SIM_TIMED)
		request_attempt(sim, request);
	else
		request_post(sim, request);
}

/* ---- the beginning */

/* 0, or what is wrong with it at the first look. */
static int request_begin(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	int error;

	if (!request->call->attempt)
		return -EINVAL;
	if (sqe->flags & ~(IOSQE_ASYNC | IOSQE_BUFFER_SELECT))
		return -EINVAL;
	error = aion__sim_injected(sim, sqe->opcode);
	if (error)
		return error;
	/* A descriptor is gone whatever close says: it may not fail before it has begun. */
	if (sqe->opcode != IORING_OP_CLOSE && aion__sim_strikes(sim, AION_SIM_ERROR_ENOMEM))
		return -ENOMEM;
	request->is_host = aion__sim_is_host(sim, sqe);
	if (request->is_host)
		return 0;
	if (request->call->has_fd) {
		request->file = aion__sim_fd_file(sim, sqe->fd);
		if (!request->file)
			return -EBADF;
		request->file->ref_nr++;
	}
	return aion__sim_memory_lend(sim, request);
}

void aion__sim_submit(struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	struct aion__sim_request *request;
	int error;

	if (sqe->user_data == AION__UD_WAKE) {
		sim->wake_is_armed = true;
		sim->wake_count = (uint64_t *)(uintptr_t)sqe->addr;
		return;
	}
	request = request_take(sim, sqe);
	aion__sim_trace(sim, AION__SIM_EVENT_SUBMIT, request->nr, sqe->opcode, sqe->fd, sqe->len);
	error = sqe->opcode == IORING_OP_ASYNC_CANCEL ? 0 : request_begin(sim, request);
	if (error)
		request_end(sim, request, error);
	else if (request->call->is_immediate ||
		 (!(sqe->flags & IOSQE_ASYNC) && aion__sim_strikes(sim, AION_SIM_INLINE)))
		request_attempt(sim, request);
	else {
		request->state = AION__SIM_TIMED;
		aion__sim_time(sim, request, request_delay_ns(sim, request));
	}
}

/* ---- the cancel */

static int cancel_running(struct aion_sim *sim, struct aion__sim_request *target)
{
	bool is_disk = request_is_disk(target);

	if (!aion__sim_strikes(sim, AION_SIM_CANCEL_MISS))
		return 0;
	/* It is told, and ends where it would begin to wait. (A disk's does not, but for the open of a named pipe.) */
	target->is_cancelled = true;
	return is_disk && aion__sim_draw_below(sim, 2) ? -ENOENT : -EALREADY;
}

static int cancel_target(struct aion_sim *sim, struct aion__sim_request *target)
{
	int answer = 0;

	if (target->state == AION__SIM_ENDED || target->state == AION__SIM_NOTIF)
		answer = -ENOENT;
	else if (target->state == AION__SIM_TIMED)
		answer = cancel_running(sim, target);
	aion__sim_trace(sim, AION__SIM_EVENT_CANCEL, target->nr, target->sqe.opcode, answer, 0);
	if (answer < 0)
		return answer;
	if (target->state == AION__SIM_WAITING)
		aion__sim_file_unwait(wait_file(target), target);
	else
		aion__sim_untime(sim, target);
	target->result = request_cancelled_result(sim, target);
	target->state = AION__SIM_ENDED;
	if (aion__sim_strikes(sim, AION_SIM_CANCEL_LAST))
		request_post(sim, target);
	else
		aion__sim_time(sim, target, aion__sim_draw_ns(sim, LATE_NS_MIN, LATE_NS_MAX));
	return 0;
}

int64_t aion__sim_cancel_one(struct aion_sim *sim, uint64_t user_data)
{
	struct aion__sim_request *target = *hash_place(sim, user_data);

	while (target && target->sqe.user_data != user_data)
		target = target->hash_next;
	return target ? cancel_target(sim, target) : -ENOENT;
}

static bool cancel_matches(const struct aion__sim_request *cancel, const struct aion__sim_request *target)
{
	if (target == cancel || target->call->is_immediate)
		return false;
	if (cancel->sqe.cancel_flags & IORING_ASYNC_CANCEL_ANY)
		return true;
	if (cancel->sqe.cancel_flags & IORING_ASYNC_CANCEL_FD)
		return target->call->has_fd && target->sqe.fd == cancel->sqe.fd;
	return target->sqe.user_data == cancel->sqe.addr;
}

int64_t aion__sim_cancel_attempt(struct aion_sim *sim, struct aion__sim_request *request)
{
	const unsigned many = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
	struct aion__sim_request *target = sim->oldest;
	int64_t cancelled_nr = 0;

	if (!(request->sqe.cancel_flags & (many | IORING_ASYNC_CANCEL_FD)))
		return aion__sim_cancel_one(sim, request->sqe.addr);
	while (target) {
		struct aion__sim_request *newer = target->newer;

		if (cancel_matches(request, target)) {
			int answer = cancel_target(sim, target);

			if (!(request->sqe.cancel_flags & many))
				return answer;
			cancelled_nr += answer == 0;
		}
		target = newer;
	}
	return cancelled_nr ? cancelled_nr : -ENOENT;
}
