/* SPDX-License-Identifier: MIT */
/*
 * Receiving for good with one multishot request, which the kernel ends now and then: when it finds no buffer, when it
 * has no room for a completion. What was not received then is still in the socket, so asking again loses nothing. We
 * end it ourselves to change the size of the buffers, and to let a peer wait whose bytes nobody takes.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "op_file_int.h"
#include "op_group_int.h"
#include "op_inlet_int.h"

#define FULL_RUN 2    /* small buffers filled to the brim in a row, before large ones are asked for */
#define SPARSE_RUN 64 /* large ones in a row for which a small one would have done */

static struct aion__buffer_group *group_of(const struct aion_inlet *inlet)
{
	return &((struct aion__engine *)inlet->ready.loop)->buffer_groups[inlet->size_class];
}

static inline void inlet_wake(struct aion_inlet *inlet)
{
	if (!aion__future_is_done(&inlet->ready))
		aion__future_finish((struct aion__engine *)inlet->ready.loop, &inlet->ready, 0);
}

static void inlet_end(struct aion_inlet *inlet, int error)
{
	inlet->error = error;
	if (error != -ENOMEM) /* for which it is worth while to ask again */
		inlet->flags |= AION__INLET_ENDED;
	inlet_wake(inlet);
}

/* ---- how many buffers, and which */

/* The fewer are left the less one may hold: so those who take little always find some. */
static inline unsigned held_limit(const struct aion__buffer_group *group)
{
	unsigned share;

	if (aion__likely(group->taken_nr <= group->plenty_nr))
		return group->held_max;
	share = (group->buffer_max - group->taken_nr) / AION__GROUP_SHARE;
	return share ? share : 1;
}

static bool group_has_more(const struct aion__buffer_group *group)
{
	return group->lent_nr || group->spare || group->buffer_nr < group->buffer_max;
}

static inline void inlet_note_size(struct aion_inlet *inlet, const struct aion__buffer_group *group, size_t size)
{
	bool does_not_suit =
		inlet->size_class == AION__GROUP_SMALL ? size == group->buffer_size : size <= (group - 1)->buffer_size;

	inlet->run_nr = does_not_suit ? (uint16_t)(inlet->run_nr + 1) : 0;
}

static inline bool inlet_wants_other_size(const struct aion_inlet *inlet, const struct aion__buffer_group *group)
{
	if (inlet->size_class == AION__GROUP_SMALL)
		return inlet->run_nr >= FULL_RUN && group_has_more(group + 1);
	return inlet->run_nr >= SPARSE_RUN;
}

/* ---- the request */

static void inlet_event(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags);

static void inlet_poll(struct aion_inlet *inlet)
{
	struct io_uring_sqe *sqe = aion__op_prepare(&inlet->op, IORING_OP_POLL_ADD, inlet->fd, AION__OP_HANDLER);

	if (!sqe) {
		inlet_end(inlet, (int)inlet->op.future.result);
		return;
	}
	inlet->op.handler = inlet_event;
	io_uring_prep_poll_add(sqe, inlet->fd, POLLIN);
	aion__op_commit(&inlet->op, sqe);
	aion__op_disown(&inlet->op);
}

static void inlet_arm(struct aion_inlet *inlet, const struct aion__buffer_group *group)
{
	struct io_uring_sqe *sqe = aion__op_prepare(&inlet->op, IORING_OP_RECV, inlet->fd, AION__OP_HANDLER);

	if (!sqe) {
		inlet_end(inlet, (int)inlet->op.future.result);
		return;
	}
	inlet->op.handler = inlet_event;
	io_uring_prep_recv_multishot(sqe, inlet->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = group->queue.group_id;
	/* The kernel would look for a buffer first, and say that there is none though there is nothing to receive. */
	if (!group->lent_nr)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	aion__op_commit(&inlet->op, sqe);
	/* Whoever runs now may end before the inlet is closed. */
	aion__op_disown(&inlet->op);
}

/* There is something to receive, and no buffer of the group: once, into memory of its own. */
static void inlet_receive_alone(struct aion_inlet *inlet)
{
	struct aion_buffer *buffer = aion__group_make_single(group_of(inlet));
	struct io_uring_sqe *sqe;

	if (!buffer) {
		inlet_end(inlet, -ENOMEM);
		return;
	}
	sqe = aion__op_prepare(&inlet->op, IORING_OP_RECV, inlet->fd, AION__OP_HANDLER | AION__OP_FILLS);
	if (!sqe) {
		aion__group_free_single(buffer);
		inlet_end(inlet, (int)inlet->op.future.result);
		return;
	}
	inlet->flags |= AION__INLET_ALONE;
	inlet->op.handler = inlet_event;
	io_uring_prep_recv(sqe, inlet->fd, buffer->data, buffer->size, MSG_DONTWAIT);
	aion__op_commit(&inlet->op, sqe);
	aion__op_disown(&inlet->op);
}

/* No request, but a close of the descriptor shall be heard of: its number may soon be another one's. */
static void inlet_pause(struct aion_inlet *inlet)
{
	inlet->flags |= AION__INLET_PAUSED;
	aion__op_park(&inlet->op, inlet->fd, inlet_event);
}

/* Nothing is in flight, and nothing has ended. */
static void inlet_go_on(struct aion_inlet *inlet)
{
	struct aion__buffer_group *group = group_of(inlet);

	AION_ASSERT(!(inlet->flags & (AION__INLET_ENDED | AION__INLET_PAUSED)));
	inlet->flags &= (uint8_t)~AION__INLET_STOPPING;
	if (inlet_wants_other_size(inlet, group)) {
		inlet->size_class ^= 1;
		inlet->run_nr = 0;
		group = group_of(inlet);
	}
	if (!group->lent_nr)
		aion__group_fill(group);
	if (!group->lent_nr && inlet->size_class == AION__GROUP_LARGE) {
		inlet->size_class = AION__GROUP_SMALL;
		group = group_of(inlet);
	}
	if (inlet->held_nr >= held_limit(group))
		inlet_pause(inlet);
	else if (inlet->flags & AION__INLET_POLLING)
		inlet_poll(inlet);
	else
		inlet_arm(inlet, group);
}

void aion__inlet_resume(struct aion_inlet *inlet)
{
	if (inlet->held_nr > held_limit(group_of(inlet)) / 2)
		return;
	inlet->flags &= (uint8_t)~AION__INLET_PAUSED;
	aion__op_unpark(&inlet->op);
	inlet_go_on(inlet);
}

/* ---- its completions */

/*
 * It had something to receive, and found no buffer. Where there is none at all, who holds some waits until he has given
 * some back; who holds none gets one beyond the bound, so nobody waits for others.
 */
static void inlet_found_none(struct aion_inlet *inlet)
{
	struct aion__buffer_group *group = group_of(inlet);

	aion__group_grow(group);
	if (group->lent_nr || inlet->size_class == AION__GROUP_LARGE)
		inlet_go_on(inlet);
	else if (inlet->held_nr)
		inlet_pause(inlet);
	else
		inlet_receive_alone(inlet);
}

/* A socket with O_NONBLOCK: the kernel does not wait there. */
static void inlet_wait_for_input(struct aion_inlet *inlet)
{
	inlet->flags |= AION__INLET_POLLING;
	inlet_go_on(inlet);
}

static inline void inlet_queue(struct aion_inlet *inlet, struct aion_buffer *buffer)
{
	buffer->owner = inlet;
	buffer->next = NULL;
	*inlet->last = buffer;
	inlet->last = &buffer->next;
	inlet->held_nr++;
	inlet_wake(inlet);
}

static inline void inlet_take(struct aion_inlet *inlet, struct aion__buffer_group *group, int32_t result,
			      uint32_t cqe_flags)
{
	struct aion_buffer *buffer = aion__group_take(group, cqe_flags, result > 0 ? (size_t)result : 0);

	if (aion__unlikely(result <= 0 || !(inlet->flags & AION__INLET_OPEN))) {
		aion__group_put(group, buffer);
		return;
	}
	inlet_note_size(inlet, group, (size_t)result);
	inlet_queue(inlet, buffer);
}

/* What was received into memory of its own. */
static void inlet_take_single(struct aion_inlet *inlet, int64_t result)
{
	struct aion_buffer *buffer = aion__group_single_of((void *)(uintptr_t)inlet->op.addr);

	if (result > 0 && inlet->flags & AION__INLET_OPEN) {
		buffer->size = (size_t)result;
		aion__annotate_written(buffer->data, buffer->size);
		inlet_queue(inlet, buffer);
	} else {
		aion__group_free_single(buffer);
	}
}

static __attribute__((noinline)) void inlet_shot_ended(struct aion__engine *engine, struct aion_inlet *inlet,
						       int64_t result)
{
	bool is_closed = inlet->op.future.flags & AION__OP_CLOSED;

	aion__op_finish(engine, &inlet->op, result);
	result = inlet->op.future.result;
	if (inlet->flags & AION__INLET_ALONE)
		inlet_take_single(inlet, result);
	if (!(inlet->flags & AION__INLET_OPEN))
		return;
	inlet->flags &= (uint8_t) ~(AION__INLET_POLLING | AION__INLET_ALONE | AION__INLET_PAUSED);
	if (is_closed)
		inlet_end(inlet, -EBADF); /* nobody may ask again on that descriptor */
	else if (result == -ENOBUFS)
		inlet_found_none(inlet);
	else if (result > 0 || result == -EINTR || (result == -ECANCELED && inlet->flags & AION__INLET_STOPPING))
		inlet_go_on(inlet);
	else if (result == -EAGAIN)
		inlet_wait_for_input(inlet);
	else
		inlet_end(inlet, (int)result);
}

static void inlet_event(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	struct aion_inlet *inlet = aion__container_of(op, struct aion_inlet, op);
	struct aion__buffer_group *group = &engine->buffer_groups[inlet->size_class];

	if (aion__likely(cqe_flags & IORING_CQE_F_BUFFER))
		inlet_take(inlet, group, result, cqe_flags);
	if (aion__unlikely(!(cqe_flags & IORING_CQE_F_MORE))) {
		inlet_shot_ended(engine, inlet, result);
	} else if (inlet->held_nr >= held_limit(group) || inlet_wants_other_size(inlet, group)) {
		inlet->flags |= AION__INLET_STOPPING;
		aion_op_cancel(op);
	}
}

/* ---- for the caller */

int aion_inlet_open(struct aion_inlet *inlet, int fd)
{
	struct aion__engine *engine = aion__engine;
	int result;

	AION_BUG_ON(inlet->flags & AION__INLET_OPEN, "inlet opened while open");
	if (!engine)
		return -EBUSY;
	if (!aion__ring_is_alive(&engine->ring))
		return -ECHILD;
	result = aion__groups_open(engine);
	if (result < 0)
		return result;
	memset(inlet, 0, sizeof(*inlet));
	inlet->fd = fd;
	inlet->flags = AION__INLET_OPEN;
	inlet->last = &inlet->first;
	aion_future_init(&inlet->ready);
	inlet->ready.loop = (struct aion_loop *)engine;
	aion__op_note_socket(engine, fd);
	inlet_go_on(inlet);
	return 0;
}

static __attribute__((noinline)) int64_t inlet_try_end(struct aion_inlet *inlet)
{
	int error = inlet->error;

	if (!(inlet->flags & AION__INLET_OPEN))
		return -EBADF;
	if (inlet->flags & AION__INLET_ENDED)
		return error;
	inlet->error = 0;
	if (error)
		return error;
	if (inlet->op.future.state != AION__OP_IN_FLIGHT && !(inlet->flags & AION__INLET_PAUSED))
		inlet_go_on(inlet);
	/* Who cannot go on has an error, or will be woken. */
	if (inlet->error)
		return inlet_try_end(inlet);
	if (aion__future_is_done(&inlet->ready))
		inlet->ready.waiters = 0;
	return -EAGAIN;
}

/* Nothing is in the queue. */
static inline int64_t inlet_try_nothing(struct aion_inlet *inlet)
{
	if (aion__unlikely((inlet->flags ^ AION__INLET_OPEN) | inlet->error ||
			   inlet->op.future.state != AION__OP_IN_FLIGHT))
		return inlet_try_end(inlet);
	if (aion__future_is_done(&inlet->ready))
		inlet->ready.waiters = 0;
	return -EAGAIN;
}

int64_t aion_inlet_try_next(struct aion_inlet *inlet, struct aion_buffer **ret_buffer)
{
	struct aion_buffer *buffer = inlet->first;

	if (!buffer)
		return inlet_try_nothing(inlet);
	inlet->first = buffer->next;
	if (aion__likely(!buffer->next))
		inlet->last = &inlet->first;
	*ret_buffer = buffer;
	return (int64_t)buffer->size;
}

int64_t aion_inlet_try_read(struct aion_inlet *inlet, void *buf, size_t size)
{
	size_t done = 0;

	if (!size)
		return 0;
	while (done < size && inlet->first) {
		struct aion_buffer *buffer = inlet->first;
		size_t piece = buffer->size < size - done ? buffer->size : size - done;

		memcpy((char *)buf + done, buffer->data, piece);
		done += piece;
		buffer->data = (char *)buffer->data + piece;
		buffer->size -= piece;
		if (!buffer->size) {
			aion_inlet_try_next(inlet, &buffer);
			aion_buffer_release(buffer);
		}
	}
	return done ? (int64_t)done : inlet_try_nothing(inlet);
}

void aion_inlet_stop(struct aion_inlet *inlet)
{
	struct aion_buffer *buffer;

	if (!(inlet->flags & AION__INLET_OPEN))
		return;
	inlet->flags &= (uint8_t)~AION__INLET_OPEN;
	inlet->flags &= (uint8_t)~AION__INLET_PAUSED;
	inlet_wake(inlet);
	/* In a forked child all of it is the parent's. */
	if (!aion__ring_is_alive(&((struct aion__engine *)inlet->ready.loop)->ring))
		return;
	while (inlet->first) {
		aion_inlet_try_next(inlet, &buffer);
		aion_buffer_release(buffer);
	}
	for (unsigned i = 0; i < AION__GROUP_NR && inlet->held_nr; i++)
		aion__group_forget(&((struct aion__engine *)inlet->ready.loop)->buffer_groups[i], inlet);
	aion_op_cancel(&inlet->op);
}
