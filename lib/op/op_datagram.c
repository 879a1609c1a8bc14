/* SPDX-License-Identifier: MIT */
/*
 * Receiving datagrams for good with one multishot request, into a buffer ring of the intake's own. What has come and
 * was not taken stands in a queue, which has a place for each buffer. The kernel ends the request when it finds no
 * buffer, or has no room for a completion: what was not received then is still in the socket.
 *
 * A buffer is filled by the kernel as io_uring_recvmsg_out(3) says: a header, room for an address, room for control
 * data, the bytes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/un.h>

#include <aion/datagram.h>

#include "alloc_int.h"
#include "buffer_int.h"
#include "op_int.h"

#define BUFFER_NR 256
#define DATAGRAM_SIZE 2048 /* bytes: what an Ethernet carries */
#define DATAGRAM_SIZE_MAX (1U << 20)
#define CONTROL_SIZE 64 /* bytes */
#define CONTROL_SIZE_MAX 4096U
#define NAME_SIZE 112          /* bytes: a unix address, which is the largest, in whole 16 */
#define GROUP_ID_FIRST 0xb000U /* of the ring's groups */
#define GROUP_NR 4096U
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Of an intake; and of the datagrams lent, where these outlive it. */
struct datagram_store {
	struct aion__buffer_ring buffers;
	struct aion_datagram_intake *intake; /* NULL: closed */
	struct msghdr message;               /* what the kernel is to leave room for */
	size_t data_off;                     /* bytes from a buffer's beginning */
	uint16_t group_id;
	unsigned first; /* place of the oldest in the queue */
	unsigned nr;
	struct datagram_place {
		void *buffer;
		int32_t result;
	} places[];
};

static void intake_event(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags);

/* Nobody receives into it, and nothing of it is lent. */
static void store_destroy(struct datagram_store *store)
{
	aion__buffer_ring_close(&store->buffers);
	aion__free(store);
}

/* Closed, and no request is in flight any more. */
static void intake_drop(struct aion_datagram_intake *intake)
{
	struct datagram_store *store = intake->store;

	intake->store = NULL;
	store->intake = NULL;
	for (; store->nr; store->nr--, store->first++)
		aion__buffer_ring_add(&store->buffers,
				      store->places[store->first & (store->buffers.buffer_nr - 1)].buffer);
	if (!store->buffers.taken_nr)
		store_destroy(store);
}

/* ---- the request */

static void intake_wake(struct aion_datagram_intake *intake)
{
	if (!aion__future_is_done(&intake->ready))
		aion__future_finish((struct aion__engine *)intake->ready.loop, &intake->ready, 0);
}

static void intake_fail(struct aion_datagram_intake *intake, int error)
{
	intake->error = error;
	intake->has_ended = error == -EBADF || error == -ENOTSOCK || error == -EINVAL || error == -EOPNOTSUPP;
	intake_wake(intake);
}

static void intake_arm(struct aion_datagram_intake *intake, struct datagram_store *store)
{
	struct io_uring_sqe *sqe = aion__op_prepare(&intake->op, IORING_OP_RECVMSG, intake->fd, AION__OP_HANDLER);

	if (!sqe) {
		intake_fail(intake, (int)intake->op.future.result);
		return;
	}
	intake->op.handler = intake_event;
	io_uring_prep_recvmsg_multishot(sqe, intake->fd, &store->message, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = store->group_id;
	aion__op_commit(&intake->op, sqe);
	/* Whoever runs now may end before the intake is closed. */
	aion__op_disown(&intake->op);
}

/* Receive, if nothing is in flight and there is a buffer to receive into. Until there is one it hears of a close. */
static void intake_go_on(struct aion_datagram_intake *intake)
{
	struct datagram_store *store = intake->store;
	bool has_buffer = !aion__buffer_ring_is_empty(&store->buffers);

	if (intake->error)
		return;
	if (has_buffer)
		aion__op_unpark(&intake->op);
	if (aion_op_is_in_flight(&intake->op))
		return;
	if (has_buffer)
		intake_arm(intake, store);
	else
		aion__op_park(&intake->op, intake->fd, intake_event);
}

static void intake_shot_ended(struct aion__engine *engine, struct aion_datagram_intake *intake, int64_t result)
{
	bool is_closed = intake->op.future.flags & AION__OP_CLOSED;

	aion__op_finish(engine, &intake->op, result);
	result = intake->op.future.result;
	if (!intake->is_open) {
		intake_drop(intake);
		return;
	}
	if (is_closed)
		intake_fail(intake, -EBADF); /* nobody may ask again on that descriptor */
	else if (result < 0 && result != -ENOBUFS && result != -EAGAIN && result != -EINTR)
		intake_fail(intake, (int)result);
	else
		intake_go_on(intake);
}

static void intake_event(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	struct aion_datagram_intake *intake = aion__container_of(op, struct aion_datagram_intake, op);
	struct datagram_store *store = intake->store;
	void *buffer = aion__buffer_ring_take(&store->buffers, result, cqe_flags);

	if (buffer && (result < (int32_t)store->data_off || !intake->is_open)) {
		aion__buffer_ring_recycle(&store->buffers, buffer);
	} else if (buffer) {
		unsigned place = (store->first + store->nr++) & (store->buffers.buffer_nr - 1);

		AION_ASSERT(store->nr <= store->buffers.buffer_nr);
		store->places[place] = (struct datagram_place){buffer, result};
		intake_wake(intake);
	}
	if (!(cqe_flags & IORING_CQE_F_MORE))
		intake_shot_ended(engine, intake, result);
}

/* ---- open, close */

static int store_open(struct datagram_store *store, struct aion__ring *ring, unsigned buffer_nr, size_t buffer_size)
{
	int result = -EEXIST;

	for (unsigned i = 0; i < GROUP_NR && result == -EEXIST; i++) {
		store->group_id = (uint16_t)(GROUP_ID_FIRST + i);
		result = aion__buffer_ring_open(&store->buffers, ring, store->group_id, buffer_nr, buffer_size);
	}
	return result == -EEXIST ? -ENOMEM : result;
}

static int store_create(struct aion__ring *ring, const struct aion_datagram_options *options,
			struct datagram_store **ret_store)
{
	size_t control_size = (options->control_size ? options->control_size : CONTROL_SIZE) + 15;
	size_t size = options->datagram_size ? options->datagram_size : DATAGRAM_SIZE;
	unsigned wanted_nr = options->buffer_nr ? options->buffer_nr : BUFFER_NR, buffer_nr = 1;
	struct datagram_store *store;
	int result;

	if (wanted_nr > AION__BUFFER_RING_MAX || size > DATAGRAM_SIZE_MAX || options->control_size > CONTROL_SIZE_MAX)
		return -EINVAL;
	while (buffer_nr < wanted_nr)
		buffer_nr *= 2;
	store = aion__alloc_zeroed(sizeof(*store) + buffer_nr * sizeof(store->places[0]));
	if (!store)
		return -ENOMEM;
	store->message.msg_namelen = NAME_SIZE;
	store->message.msg_controllen = control_size & ~(size_t)15;
	store->data_off = sizeof(struct io_uring_recvmsg_out) + NAME_SIZE + store->message.msg_controllen;
	result = store_open(store, ring, buffer_nr, store->data_off + size);
	if (result < 0) {
		aion__free(store);
		return result;
	}
	*ret_store = store;
	return 0;
}

int aion_datagram_open(struct aion_datagram_intake *intake, int fd, const struct aion_datagram_options *options)
{
	static const struct aion_datagram_options defaults;
	struct aion__engine *engine = aion__engine;
	struct datagram_store *store;
	int result;

	AION_BUG_ON(intake->is_open, "intake of datagrams opened while open");
	if (!engine)
		return -EBUSY;
	if (!aion__ring_is_alive(&engine->ring))
		return -ECHILD;
	result = store_create(&engine->ring, options ? options : &defaults, &store);
	if (result < 0)
		return result;
	*intake = (struct aion_datagram_intake){.store = store, .fd = fd, .is_open = true};
	store->intake = intake;
	aion_future_init(&intake->ready);
	intake->ready.loop = (struct aion_loop *)engine;
	intake_arm(intake, store);
	return 0;
}

void aion_datagram_stop(struct aion_datagram_intake *intake)
{
	if (!intake->is_open)
		return;
	intake->is_open = false;
	intake_wake(intake);
	if (aion_op_is_in_flight(&intake->op))
		aion_op_cancel(&intake->op);
	else
		intake_drop(intake);
}

/* ---- taking */

/* What was joined says how long its parts are. */
static unsigned segment_size_of(const struct aion_datagram *datagram)
{
	struct msghdr message = {.msg_control = (void *)(uintptr_t)datagram->control,
				 .msg_controllen = datagram->control_size};

	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
		int size;

		if (part->cmsg_level != IPPROTO_UDP || part->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(part), sizeof(size));
		return (size_t)size < datagram->size ? (unsigned)size : 0;
	}
	return 0;
}

static void datagram_take(struct datagram_store *store, struct aion_datagram *ret_datagram)
{
	struct datagram_place *place = &store->places[store->first++ & (store->buffers.buffer_nr - 1)];
	const struct io_uring_recvmsg_out *head = place->buffer;
	char *name = (char *)place->buffer + sizeof(*head);
	size_t control_size = head->controllen;

	store->nr--;
	if (control_size > store->message.msg_controllen)
		control_size = store->message.msg_controllen;
	*ret_datagram = (struct aion_datagram){
		.data = (char *)place->buffer + store->data_off,
		.size = (size_t)place->result - store->data_off,
		.address = head->namelen ? (struct sockaddr *)name : NULL,
		.address_size = head->namelen < NAME_SIZE ? head->namelen : NAME_SIZE,
		.flags = (int)head->flags & (MSG_TRUNC | MSG_CTRUNC),
		.control = control_size ? name + NAME_SIZE : NULL,
		.control_size = control_size,
		.lent = place->buffer,
	};
	if (control_size)
		ret_datagram->segment_size = segment_size_of(ret_datagram);
	/* The header is read; now it says whose buffer it is. */
	memcpy(place->buffer, &store, sizeof(struct datagram_store *));
}

static int64_t intake_try_end(struct aion_datagram_intake *intake)
{
	int error = intake->error;

	if (!error)
		intake_go_on(intake); /* it may fail there and then */
	error = intake->error;
	if (!intake->has_ended)
		intake->error = 0;
	if (error)
		return error;
	if (aion__future_is_done(&intake->ready))
		intake->ready.waiters = 0;
	return -EAGAIN;
}

int64_t aion_datagram_try_next(struct aion_datagram_intake *intake, struct aion_datagram *ret_datagrams, size_t max)
{
	struct datagram_store *store = intake->store;
	size_t nr = 0;

	if (!intake->is_open)
		return -EBADF;
	if (!max)
		return -EINVAL;
	while (nr < max && store->nr)
		datagram_take(store, &ret_datagrams[nr++]);
	return nr ? (int64_t)nr : intake_try_end(intake);
}

/* What belongs together is shown to the kernel at once. */
static void store_show(struct datagram_store *store)
{
	aion__buffer_ring_advance(&store->buffers);
	if (store->intake && store->intake->is_open)
		intake_go_on(store->intake);
	else if (!store->intake && !store->buffers.taken_nr)
		store_destroy(store);
}

void aion_datagram_release(struct aion_datagram *datagrams, size_t nr)
{
	struct datagram_store *store = NULL;

	for (size_t i = 0; i < nr; i++) {
		struct datagram_store *lender;

		if (!datagrams[i].lent)
			continue;
		memcpy(&lender, datagrams[i].lent, sizeof(struct datagram_store *));
		if (store && lender != store)
			store_show(store);
		store = lender;
		aion__buffer_ring_add(&store->buffers, datagrams[i].lent);
		datagrams[i].lent = NULL;
	}
	if (store)
		store_show(store);
}
