/* SPDX-License-Identifier: MIT */
/*
 * Accepting again and again. Without a limit that is one multishot request; the kernel then takes whatever comes, as
 * fast as it comes. Where connections are counted, that would be more than allowed, so there are requests for one
 * connection each, never more than may come: what is beyond stays in the kernel's queue.
 *
 * A request ends for many reasons: no descriptor, no room for its completion, a connection that broke, a pause because
 * nobody receives. Whoever asks for the next connection then asks the kernel again.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include <aion/accept.h>

#include "alloc_int.h"
#include "op_file_int.h"
#include "syscall_int.h"

#define WAITING_MAX 1024 /* connections that nobody receives: more are not accepted */
#define ODD_MAX 16       /* broken connections in a row that are passed over */

/* What the next request will say again. */
static bool error_is_final(int error)
{
	return error == -EBADF || error == -EINVAL || error == -ENOTSOCK || error == -EOPNOTSUPP || error == -EFAULT;
}

/* Of one connection that came and broke, or that a firewall refused. The next one is another matter. */
static bool error_is_odd(int error)
{
	switch (error) {
	case -ECONNABORTED:
	case -ECONNRESET:
	case -EPROTO:
	case -EPERM:
	case -EINTR:
	case -ETIMEDOUT:
	case -ENETDOWN:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
	case -ENONET:
	case -ENOPROTOOPT:
		return true;
	default:
		return false;
	}
}

static void error_tell(struct aion_accept *accept, int error)
{
	if (!accept->error || error_is_final(error))
		accept->error = error;
	accept->is_ended |= error_is_final(error);
}

/* ---- descriptors that nobody has received */

size_t aion_accept_nr(const struct aion_accept *accept)
{
	return accept->queue_tail - accept->queue_head;
}

static void fd_close(struct aion__engine *engine, int fd)
{
	if (engine)
		aion__ring_call_fd(&engine->ring, AION__CALL_CLOSE, fd);
	else
		aion__syscall6(SYS_close, fd, 0, 0, 0, 0, 0);
}

static int32_t *queue_place(const struct aion_accept *accept, size_t count)
{
	return &accept->queue[count & (accept->queue_max - 1)];
}

static bool queue_grow(struct aion_accept *accept)
{
	size_t queue_max = accept->queue_max * 2;
	int32_t *queue = aion__alloc(queue_max * sizeof(*queue));

	if (!queue)
		return false;
	for (size_t i = accept->queue_head; i != accept->queue_tail; i++)
		queue[i & (queue_max - 1)] = *queue_place(accept, i);
	if (accept->queue != accept->kept)
		aion__free(accept->queue);
	accept->queue = queue;
	accept->queue_max = queue_max;
	return true;
}

static void queue_free(struct aion_accept *accept)
{
	AION_ASSERT(!aion_accept_nr(accept));
	if (accept->queue != accept->kept)
		aion__free(accept->queue);
	accept->queue = accept->kept;
	accept->queue_max = AION_ACCEPT_KEEP;
}

/* A descriptor for which there is no memory cannot be received by anybody. */
static bool queue_put(struct aion__engine *engine, struct aion_accept *accept, int fd)
{
	accept->odd_nr = 0;
	if (aion_accept_nr(accept) == accept->queue_max && !queue_grow(accept)) {
		fd_close(engine, fd);
		accept->lost_nr++;
		return false;
	}
	*queue_place(accept, accept->queue_tail++) = fd;
	aion__op_note_socket(engine, fd);
	return true;
}

void aion_accept_discard(struct aion_accept *accept)
{
	while (aion_accept_nr(accept))
		fd_close(aion__engine, *queue_place(accept, accept->queue_head++));
	if (accept->queue)
		queue_free(accept);
}

/* ---- requests */

static bool is_counted(const struct aion_accept *accept)
{
	return accept->room != AION_ACCEPT_ALL;
}

static void accept_wake(struct aion__engine *engine, struct aion_accept *accept)
{
	if (!aion__future_is_done(&accept->ready))
		aion__future_finish(engine, &accept->ready, 0);
}

/* The last completion of a request. What a cancel of ours ended is asked for again when somebody wants it. */
static void request_ended(struct aion_accept *accept, const struct aion_op *op, bool is_closed)
{
	int result = (int)op->future.result;
	bool is_poll = op->opcode == IORING_OP_POLL_ADD;

	accept->flying_nr--;
	if (result < 0 && !is_poll && is_counted(accept))
		accept->room++;
	if (is_closed) /* nobody may ask again on that descriptor, whatever has come before the cancel */
		error_tell(accept, -EBADF);
	else if (result == -EAGAIN)
		accept->wants_poll = true;
	else if (result < 0 && error_is_odd(result) && ++accept->odd_nr <= ODD_MAX)
		return;
	else if (result < 0 && result != -ECANCELED)
		error_tell(accept, result);
}

static void request_event(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	struct aion_accept *accept = aion__container_of(op, struct aion__accept_request, op)->accept;
	bool is_closed = op->future.flags & AION__OP_CLOSED;

	if (result >= 0 && op->opcode == IORING_OP_ACCEPT && !queue_put(engine, accept, result) && is_counted(accept))
		accept->room++;
	if (!(cqe_flags & IORING_CQE_F_MORE)) {
		aion__op_finish(engine, op, result);
		request_ended(accept, op, is_closed);
	}
	accept_wake(engine, accept);
	if (aion_accept_nr(accept) >= WAITING_MAX)
		aion_op_cancel(op);
}

/* False: it could not be started, which is an error to be told. */
static bool request_start(struct aion_accept *accept, struct aion__accept_request *request, unsigned opcode)
{
	struct io_uring_sqe *sqe = aion__op_prepare(&request->op, opcode, accept->fd, AION__OP_HANDLER);

	if (!sqe) {
		error_tell(accept, (int)request->op.future.result);
		return false;
	}
	request->accept = accept;
	request->op.handler = request_event;
	/* Who asks for the next connection may well end before it comes. */
	aion__op_disown(&request->op);
	if (opcode == IORING_OP_POLL_ADD)
		io_uring_prep_poll_add(sqe, accept->fd, POLLIN);
	else if (is_counted(accept))
		io_uring_prep_accept(sqe, accept->fd, NULL, NULL, accept->flags);
	else
		io_uring_prep_multishot_accept(sqe, accept->fd, NULL, NULL, accept->flags);
	accept->flying_nr++;
	aion__op_commit(&request->op, sqe);
	return true;
}

static void accept_start_counted(struct aion_accept *accept)
{
	for (int i = 0; i < AION_ACCEPT_BATCH && accept->room; i++) {
		if (aion_op_is_in_flight(&accept->requests[i].op))
			continue;
		accept->room--;
		if (!request_start(accept, &accept->requests[i], IORING_OP_ACCEPT)) {
			accept->room++;
			return;
		}
	}
}

/* Nothing is asked for as long as an error is to be told. */
static void accept_start(struct aion_accept *accept)
{
	if (accept->error || accept->is_ended)
		return;
	if (accept->wants_poll) {
		if (accept->flying_nr || !accept->room)
			return;
		accept->wants_poll = false;
		request_start(accept, &accept->requests[0], IORING_OP_POLL_ADD);
	} else if (!is_counted(accept)) {
		if (!accept->flying_nr)
			request_start(accept, &accept->requests[0], IORING_OP_ACCEPT);
	} else if (accept->room && accept->flying_nr < AION_ACCEPT_BATCH) {
		accept_start_counted(accept);
	}
}

/* ---- calls */

void aion_accept_open(struct aion_accept *accept, int fd, int flags, size_t nr)
{
	AION_BUG_ON(accept->is_open, "accept opened while open");
	memset(accept, 0, sizeof(*accept));
	accept->fd = fd;
	accept->flags = flags;
	accept->room = nr;
	accept->queue = accept->kept;
	accept->queue_max = AION_ACCEPT_KEEP;
	accept->is_open = true;
	aion_future_init(&accept->ready);
}

void aion_accept_allow(struct aion_accept *accept, size_t nr)
{
	if (!accept->is_open || !is_counted(accept))
		return;
	accept->room = nr < AION_ACCEPT_ALL - 1 - accept->room ? accept->room + nr : AION_ACCEPT_ALL - 1;
	if (!accept->is_started)
		return;
	accept_start(accept);
	if (accept->error && aion__engine)
		accept_wake(aion__engine, accept);
}

int64_t aion_accept_try_wait(struct aion_accept *accept)
{
	if (!accept->is_open || aion_accept_nr(accept) || accept->error)
		return 0;
	accept->is_started = true;
	accept_start(accept);
	if (aion_accept_nr(accept) || accept->error)
		return 0;
	if (aion__future_is_done(&accept->ready))
		aion_future_init(&accept->ready);
	return -EAGAIN;
}

int64_t aion_accept_try_next(struct aion_accept *accept)
{
	int64_t result = aion_accept_try_wait(accept);

	if (result < 0)
		return result;
	if (aion_accept_nr(accept))
		return *queue_place(accept, accept->queue_head++);
	if (!accept->is_open)
		return -EBADF;
	result = accept->error;
	if (!accept->is_ended)
		accept->error = 0;
	return result;
}
