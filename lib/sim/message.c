/* SPDX-License-Identifier: MIT */
/*
 * What travels through sockets: one step of it, as far as it goes at once. A stream's bytes lie in the receiver's queue
 * in the order in which they were sent; of every datagram a record lies there, too, and of a stream's bytes with which
 * descriptors travel. Reading a stream stops behind such bytes.
 */
#include <errno.h>
#include <string.h>

#include "sim_socket_int.h"

#define UDP4_SIZE_MAX 65507
#define UDP6_SIZE_MAX 65527
#define RECORD_COST 64 /* bytes of the queue that a datagram takes besides its own */
#define RECORD_ROOM_MIN 4

/* ---- records */

static struct aion__sim_record *record_first(struct aion__sim_socket *socket)
{
	struct aion__sim_records *records = &socket->records;

	return records->nr ? &records->ring[records->first] : NULL;
}

static void records_grow(struct aion__sim_records *records)
{
	unsigned room = records->room ? 2 * records->room : RECORD_ROOM_MIN;
	struct aion__sim_record *ring = aion__sim_alloc(room * sizeof(*ring));

	for (unsigned i = 0; i < records->nr; i++)
		ring[i] = records->ring[(records->first + i) & (records->room - 1)];
	aion__sim_free(records->ring);
	records->ring = ring;
	records->room = room;
	records->first = 0;
}

static void record_push(struct aion__sim_socket *to, size_t size, const struct aion__sim_name *from,
			struct aion__sim_outgoing *out)
{
	struct aion__sim_records *records = &to->records;
	struct aion__sim_record *record;

	if (records->nr == records->room)
		records_grow(records);
	record = &records->ring[(records->first + records->nr++) & (records->room - 1)];
	record->begin = to->read_nr + to->bytes.size;
	record->size = size;
	record->parcel = out->parcel;
	record->from = *from;
	out->parcel = NULL;
}

/* Its parcel has an owner already. */
static void record_drop(struct aion__sim_socket *socket)
{
	socket->records.first = (socket->records.first + 1) & (socket->records.room - 1);
	socket->records.nr--;
}

struct aion__sim_parcel *aion__sim_socket_empty_queue(struct aion__sim_socket *socket)
{
	struct aion__sim_parcel *first = NULL;

	socket->read_nr += socket->bytes.size;
	aion__sim_bytes_free(&socket->bytes);
	while (socket->records.nr) {
		struct aion__sim_parcel *parcel = record_first(socket)->parcel;

		record_drop(socket);
		if (parcel) {
			parcel->next = first;
			first = parcel;
		}
	}
	return first;
}

/* ---- room */

static size_t queue_used(const struct aion__sim_socket *socket)
{
	size_t cost = socket->type == SOCK_STREAM ? 0 : RECORD_COST;

	return socket->bytes.size + socket->records.nr * cost;
}

static size_t stream_free(const struct aion__sim_socket *receiver)
{
	size_t used = queue_used(receiver);

	return used < receiver->size_max ? receiver->size_max - used : 0;
}

/* An empty queue takes any datagram. */
static bool datagram_fits(const struct aion__sim_socket *receiver, size_t size)
{
	return !receiver->records.nr || size + RECORD_COST <= stream_free(receiver);
}

/* As the kernel, which lets a sender go on when a third of the queue is free. */
static bool queue_has_room(const struct aion__sim_socket *receiver)
{
	return 3 * stream_free(receiver) >= receiver->size_max;
}

bool aion__sim_socket_is_writable(const struct aion__sim_socket *socket)
{
	if (socket->state == AION__SIM_SOCKET_LISTENING || socket->state == AION__SIM_SOCKET_CONNECTING)
		return false;
	return !socket->peer || socket->is_shut_out || queue_has_room(socket->peer);
}

/* Something was taken out of its queue. */
static void room_event(struct aion_sim *sim, struct aion__sim_socket *socket, bool had_room)
{
	if (socket->type != SOCK_STREAM)
		aion__sim_socket_unblock_all(sim, socket);
	if (had_room || !queue_has_room(socket))
		return;
	if (socket->type != SOCK_DGRAM && socket->peer)
		aion__sim_socket_event_out(sim, socket->peer);
	for (struct aion__sim_socket *fan = socket->fans; fan; fan = fan->fan_next)
		aion__sim_socket_event_out(sim, fan);
}

/* ---- sending */

/* The next `size` bytes to be sent. */
static const char *outgoing_bytes(const struct aion__sim_outgoing *out, size_t size)
{
	char *bytes;

	if (!out->request)
		return out->bytes + out->done;
	bytes = aion__sim_stage(out->request, size);
	aion__sim_memory_read(out->request, out->done, bytes, size);
	return bytes;
}

static void deliver(struct aion_sim *sim, struct aion__sim_socket *receiver, const struct aion__sim_outgoing *out,
		    size_t size)
{
	aion__sim_bytes_put(&receiver->bytes, outgoing_bytes(out, size), size);
	aion__sim_socket_event_in(sim, receiver);
}

/* Nobody is there any more: what is sent is lost, and the answer to it is a reset. */
static int64_t send_to_nobody(struct aion_sim *sim, struct aion__sim_socket *socket, size_t size)
{
	aion__sim_socket_break(sim, socket, socket->is_finished ? EPIPE : ECONNRESET);
	return (int64_t)size;
}

static int stream_send_check(struct aion__sim_socket *socket, const struct aion__sim_outgoing *out)
{
	bool is_connected = socket->state == AION__SIM_SOCKET_CONNECTED;
	int error;

	if (socket->domain == AF_UNIX) {
		if (out->to)
			return is_connected ? -EISCONN : -EOPNOTSUPP;
		if (!is_connected)
			return -ENOTCONN;
		return socket->is_shut_out ? -EPIPE : 0;
	}
	if (is_connected && !socket->is_shut_out && !socket->error)
		return 0;
	error = aion__sim_socket_take_error(socket);
	return error ? error : -EPIPE;
}

static int64_t stream_send(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_outgoing *out)
{
	size_t size = out->size - out->done, room;
	int error;

	if (socket->state == AION__SIM_SOCKET_CONNECTING)
		return AION__SIM_LATER;
	error = stream_send_check(socket, out);
	if (error || !size)
		return error;
	if (!socket->peer)
		return send_to_nobody(sim, socket, size);
	room = stream_free(socket->peer);
	if (!room)
		return AION__SIM_LATER;
	size = size < room ? size : room;
	if (!out->is_whole)
		size = aion__sim_shorten(sim, AION_SIM_SHORT_WRITE, size);
	if (out->parcel)
		record_push(socket->peer, size, &socket->name, out);
	deliver(sim, socket->peer, out, size);
	return (int64_t)size;
}

/* Where a unix datagram without a name goes. */
static int unix_partner(struct aion__sim_socket *socket, struct aion__sim_socket **ret_receiver)
{
	if (socket->state != AION__SIM_SOCKET_CONNECTED)
		return -ENOTCONN;
	*ret_receiver = socket->peer;
	if (*ret_receiver)
		return 0;
	socket->state = AION__SIM_SOCKET_FRESH;
	return -ECONNREFUSED;
}

static int unix_receiver(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *to,
			 struct aion__sim_socket **ret_receiver)
{
	if (!to)
		return unix_partner(socket, ret_receiver);
	if (to->family != AF_UNIX || !to->size)
		return -EINVAL;
	*ret_receiver = aion__sim_name_find(sim, socket, to);
	if (!*ret_receiver)
		return to->path[0] ? -ENOENT : -ECONNREFUSED;
	return (*ret_receiver)->type == socket->type ? 0 : -EPROTOTYPE;
}

static bool has_other_partner(const struct aion__sim_socket *receiver, const struct aion__sim_socket *socket)
{
	return receiver->peer && receiver->peer != socket;
}

static int64_t unix_send(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_outgoing *out)
{
	bool is_packet = socket->type == SOCK_SEQPACKET;
	struct aion__sim_socket *receiver = NULL;
	int result = is_packet ? aion__sim_socket_take_error(socket) : 0;

	if (result == 0 && is_packet && socket->state != AION__SIM_SOCKET_CONNECTED)
		return -ENOTCONN;
	if (result == 0 && out->size > socket->size_max)
		return -EMSGSIZE;
	if (result == 0 && socket->is_shut_out)
		return -EPIPE;
	if (result == 0)
		result = unix_receiver(sim, socket, is_packet ? NULL : out->to, &receiver);
	if (result < 0)
		return result;
	if (has_other_partner(receiver, socket))
		return -EPERM;
	if (receiver->is_shut_in)
		return -EPIPE;
	if (!datagram_fits(receiver, out->size)) {
		aion__sim_socket_block(socket, receiver);
		return AION__SIM_LATER;
	}
	record_push(receiver, out->size, &socket->name, out);
	deliver(sim, receiver, out, out->size);
	return (int64_t)out->size;
}

static bool names_are_same(const struct aion__sim_name *a, const struct aion__sim_name *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* A datagram that finds nobody, or no room, is lost; a connected sender hears the former at its next call. */
static void udp_deliver(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *to,
			struct aion__sim_outgoing *out)
{
	struct aion__sim_socket *receiver = aion__sim_name_find(sim, socket, to);
	struct aion__sim_name from = socket->name;

	aion__sim_name_make_concrete(&from, to);
	if (receiver && receiver->state == AION__SIM_SOCKET_CONNECTED && !names_are_same(&receiver->peer_name, &from))
		receiver = NULL;
	if (!receiver) {
		if (!out->to || socket->state == AION__SIM_SOCKET_CONNECTED) {
			socket->error = ECONNREFUSED;
			aion__sim_socket_event(sim, socket);
		}
	} else if (datagram_fits(receiver, out->size)) {
		record_push(receiver, out->size, &from, out);
		deliver(sim, receiver, out, out->size);
	}
}

static int64_t udp_send(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_outgoing *out)
{
	struct aion__sim_name to;
	int result;

	if (out->size > (socket->domain == AF_INET ? UDP4_SIZE_MAX : UDP6_SIZE_MAX))
		return -EMSGSIZE;
	if (!out->to && socket->state != AION__SIM_SOCKET_CONNECTED)
		return -EDESTADDRREQ;
	to = out->to ? *out->to : socket->peer_name;
	if (to.family != AF_INET)
		return -EAFNOSUPPORT;
	if (!to.port)
		return -EINVAL;
	result = aion__sim_name_check_route(&to);
	if (result == 0)
		result = aion__sim_socket_take_error(socket);
	if (result == 0)
		result = aion__sim_name_autobind(sim, socket);
	if (result < 0)
		return result;
	if (socket->is_shut_out)
		return -EPIPE;
	aion__sim_name_make_concrete(&to, &to);
	udp_deliver(sim, socket, &to, out);
	return (int64_t)out->size;
}

int64_t aion__sim_message_send(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_outgoing *out)
{
	if (socket->type == SOCK_STREAM)
		return stream_send(sim, socket, out);
	return socket->domain == AF_UNIX ? unix_send(sim, socket, out) : udp_send(sim, socket, out);
}

/* ---- receiving */

static char *incoming_room(struct aion__sim_incoming *in, size_t size)
{
	return in->request ? aion__sim_stage(in->request, in->done + size) + in->done : in->room;
}

/* The parcel of the first record goes to the receiver. */
static void take_parcel(struct aion__sim_socket *socket, struct aion__sim_incoming *in)
{
	struct aion__sim_record *record = record_first(socket);

	in->parcel = in->flags & MSG_PEEK ? aion__sim_parcel_copy(record->parcel) : record->parcel;
}

/* There is nothing to be read. */
static int64_t stream_end(struct aion__sim_socket *socket)
{
	int error;

	if (socket->is_finished)
		return 0;
	error = aion__sim_socket_take_error(socket);
	if (error)
		return error;
	return socket->is_shut_in ? 0 : AION__SIM_LATER;
}

static int64_t stream_receive(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_incoming *in)
{
	size_t size = in->size < socket->bytes.size ? in->size : socket->bytes.size;
	struct aion__sim_record *record = record_first(socket);
	bool had_room = queue_has_room(socket);

	if (socket->state != AION__SIM_SOCKET_CONNECTED)
		return socket->domain == AF_UNIX ? -EINVAL : -ENOTCONN;
	if (!socket->bytes.size)
		return stream_end(socket);
	if (!size)
		return 0;
	if (!(in->flags & MSG_WAITALL))
		size = aion__sim_shorten(sim, AION_SIM_SHORT_READ, size);
	if (record && socket->read_nr + size <= record->begin)
		record = NULL;
	if (record) {
		if (socket->read_nr + size > record->begin + record->size)
			size = (size_t)(record->begin + record->size - socket->read_nr);
		take_parcel(socket, in);
	}
	aion__sim_bytes_peek(&socket->bytes, 0, incoming_room(in, size), size);
	in->copied = size;
	in->from = socket->peer_name;
	if (in->flags & MSG_PEEK)
		return (int64_t)size;
	if (record)
		record_drop(socket);
	aion__sim_bytes_drop(&socket->bytes, size);
	socket->read_nr += size;
	room_event(sim, socket, had_room);
	return (int64_t)size;
}

static int64_t datagram_receive(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_incoming *in)
{
	struct aion__sim_record *record = record_first(socket);
	bool had_room = queue_has_room(socket);
	size_t full;
	int error;

	if (socket->type == SOCK_SEQPACKET && socket->state != AION__SIM_SOCKET_CONNECTED)
		return -ENOTCONN;
	error = aion__sim_socket_take_error(socket);
	if (error)
		return error;
	if (!record)
		return socket->is_shut_in ? 0 : AION__SIM_LATER;
	full = record->size;
	in->copied = in->size < full ? in->size : full;
	in->msg_flags = in->copied < full ? MSG_TRUNC : 0;
	in->from = record->from;
	aion__sim_bytes_peek(&socket->bytes, 0, incoming_room(in, in->copied), in->copied);
	take_parcel(socket, in);
	if (!(in->flags & MSG_PEEK)) {
		record_drop(socket);
		aion__sim_bytes_drop(&socket->bytes, full);
		socket->read_nr += full;
		room_event(sim, socket, had_room);
	}
	return (int64_t)(in->flags & MSG_TRUNC ? full : in->copied);
}

int64_t aion__sim_message_receive(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_incoming *in)
{
	return socket->type == SOCK_STREAM ? stream_receive(sim, socket, in) : datagram_receive(sim, socket, in);
}

/* ---- as any file */

int64_t aion__sim_socket_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off)
{
	struct aion__sim_incoming in = {.room = to, .size = size};
	int64_t result;

	(void)off;
	result = aion__sim_message_receive(sim, file->socket, &in);
	aion__sim_parcel_free(sim, in.parcel);
	return result;
}

int64_t aion__sim_socket_write(struct aion_sim *sim, struct aion__sim_file *file, const void *from, size_t size,
			       int64_t off)
{
	struct aion__sim_outgoing out = {.bytes = from, .size = size};

	(void)off;
	return aion__sim_message_send(sim, file->socket, &out);
}
