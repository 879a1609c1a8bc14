/* SPDX-License-Identifier: MIT */
/*
 * The requests that send and receive: as many steps of message.c as they take. What recvmsg says besides the bytes
 * waits behind them in the request's stage. Bundles are not modelled, nor is what sends out of provided buffers.
 */
#include <errno.h>
#include <string.h>

#include "sim_buffer_int.h"
#include "sim_model_int.h"
#include "sim_socket_int.h"

#define ZC_REPORT_USAGE (1U << 3) /* IORING_SEND_ZC_REPORT_USAGE, Linux 6.2 */
#define SEND_FLAGS IORING_RECVSEND_POLL_FIRST
#define SEND_ZC_FLAGS (IORING_RECVSEND_POLL_FIRST | IORING_RECVSEND_FIXED_BUF | ZC_REPORT_USAGE)
#define RECV_FLAGS (IORING_RECVSEND_POLL_FIRST | IORING_RECV_MULTISHOT)
#define ANSWER_ALIGN 16
#define CONTROL_MAX 2048 /* bytes of control data that an answer can hold: more than 253 descriptors take */

static const void *program_address(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

/* Several steps are taken for MSG_WAITALL only, and not by datagrams. */
static bool takes_all(const struct aion__sim_request *request, const struct aion__sim_socket *socket)
{
	return request->sqe.msg_flags & MSG_WAITALL && socket->type != SOCK_DGRAM;
}

/* What was moved before counts more than how it ends. */
static int64_t transfer_end(const struct aion__sim_request *request, int64_t result)
{
	if (result == AION__SIM_LATER) {
		if (!(request->sqe.msg_flags & MSG_DONTWAIT))
			return AION__SIM_LATER;
		result = -EAGAIN;
	}
	return request->done ? request->done : result;
}

/* ---- sending */

static int64_t send_all(struct aion_sim *sim, struct aion__sim_request *request, struct aion__sim_outgoing *out)
{
	struct aion__sim_socket *socket = request->file->socket;
	int64_t result;

	out->request = request;
	out->is_whole = takes_all(request, socket);
	do {
		out->done = (size_t)request->done;
		result = aion__sim_message_send(sim, socket, out);
		if (result < 0 || !out->is_whole)
			break;
		request->done += result;
	} while (request->done < (int64_t)out->size);
	aion__sim_parcel_free(sim, out->parcel);
	return transfer_end(request, result);
}

static int send_check(struct aion__sim_request *request, bool is_zc)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const struct aion__sim_socket *socket = request->file->socket;

	/* One that fails has its notification, too. */
	request->wants_notif = is_zc;
	if (sqe->ioprio & ~(is_zc ? SEND_ZC_FLAGS : SEND_FLAGS) || sqe->flags & IOSQE_BUFFER_SELECT)
		return -EINVAL;
	if (!socket)
		return -ENOTSOCK;
	if (sqe->msg_flags & MSG_OOB)
		return -EOPNOTSUPP;
	return is_zc && socket->domain == AF_UNIX ? -EOPNOTSUPP : 0;
}

int64_t aion__sim_send(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	bool is_zc = sqe->opcode == IORING_OP_SEND_ZC;
	struct aion__sim_outgoing out = {.size = sqe->len};
	struct aion__sim_name to;
	int result = send_check(request, is_zc);

	if (result == 0 && is_zc && sqe->ioprio & IORING_RECVSEND_FIXED_BUF)
		result = aion__sim_buffer_fixed(sim, sqe->buf_index, program_address(sqe->addr), sqe->len);
	if (result == 0 && sqe->addr2) {
		result = aion__sim_name_read(request->file->socket, program_address(sqe->addr2), sqe->addr_len, &to);
		out.to = aion__sim_socket_is_tcp(request->file->socket) ? NULL : &to;
	}
	return result < 0 ? result : send_all(sim, request, &out);
}

int64_t aion__sim_sendmsg(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	struct aion__sim_socket *socket = request->file->socket;
	struct aion__sim_outgoing out = {.size = aion__sim_memory_size(request)};
	struct aion__sim_name to;
	struct msghdr message;
	int result = send_check(request, sqe->opcode == IORING_OP_SENDMSG_ZC);

	if (result < 0)
		return result;
	aion__sim_copy_from_program(&message, program_address(sqe->addr), sizeof(message));
	if (message.msg_name && message.msg_namelen) {
		result = aion__sim_name_read(socket, message.msg_name, message.msg_namelen, &to);
		out.to = aion__sim_socket_is_tcp(socket) ? NULL : &to;
	}
	/* Descriptors travel with the first bytes. */
	if (result == 0 && !request->done && socket->domain == AF_UNIX)
		result = aion__sim_parcel_pack(sim, &message, &out.parcel);
	return result < 0 ? result : send_all(sim, request, &out);
}

/* ---- receiving */

/* Whether the kernel says that there is more than this; TCP's end is more, too. */
static uint32_t flag_of_more(const struct aion__sim_socket *socket)
{
	bool is_more = socket->bytes.size || socket->is_finished;

	return socket->type == SOCK_STREAM && is_more ? IORING_CQE_F_SOCK_NONEMPTY : 0;
}

static int receive_check(struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;

	request->is_multishot = sqe->ioprio & IORING_RECV_MULTISHOT;
	if (sqe->ioprio & ~RECV_FLAGS || sqe->addr2 || sqe->file_index)
		return -EINVAL;
	if (request->is_multishot && (!(sqe->flags & IOSQE_BUFFER_SELECT) || sqe->msg_flags & MSG_WAITALL))
		return -EINVAL;
	if (!request->file->socket)
		return -ENOTSOCK;
	if (sqe->msg_flags & MSG_OOB)
		return aion__sim_socket_is_tcp(request->file->socket) ? -EINVAL : -EOPNOTSUPP;
	return sqe->msg_flags & MSG_ERRQUEUE ? -EAGAIN : 0;
}

/* Into the request's own memory, of `size` bytes. */
static int64_t receive_all(struct aion_sim *sim, struct aion__sim_request *request, struct aion__sim_incoming *in,
			   size_t size)
{
	struct aion__sim_socket *socket = request->file->socket;
	bool is_whole = takes_all(request, socket) && !(in->flags & MSG_PEEK);
	int64_t result;

	in->request = request;
	do {
		in->done = (size_t)request->done;
		in->size = size - in->done;
		result = aion__sim_message_receive(sim, socket, in);
		if (result <= 0 || !is_whole)
			break;
		request->done += result;
	} while (request->done < (int64_t)size && !in->parcel);
	request->cqe_flags = flag_of_more(socket);
	return transfer_end(request, result);
}

static int64_t recv_once(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_incoming in = {.flags = request->sqe.msg_flags};
	int64_t result = receive_all(sim, request, &in, request->sqe.len);

	request->stage_size = request->done ? (size_t)request->done : in.copied;
	aion__sim_parcel_free(sim, in.parcel);
	return result;
}

/* Into a provided buffer. */
static int64_t recv_selected(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *socket = request->file->socket;
	struct aion__sim_incoming in = {.request = request, .flags = request->sqe.msg_flags & ~(unsigned)MSG_WAITALL};
	int64_t result = aion__sim_buffer_room(sim, request);

	request->cqe_flags = 0;
	if (result < 0)
		return result;
	in.size = (size_t)result;
	result = aion__sim_message_receive(sim, socket, &in);
	aion__sim_parcel_free(sim, in.parcel);
	if (result > 0)
		aion__sim_buffer_fill(sim, request, request->stage, in.copied);
	if (result >= 0)
		request->cqe_flags |= flag_of_more(socket);
	return transfer_end(request, result);
}

typedef int64_t step_fn(struct aion_sim *sim, struct aion__sim_request *request);

/* A stream's kernel knows when it has read all, and does not look whether there is a buffer for more. */
static bool is_drained(const struct aion__sim_socket *socket)
{
	return socket->type == SOCK_STREAM && !socket->bytes.size && !socket->is_finished && !socket->is_shut_in &&
	       !socket->error;
}

/* One after the other, until there is none, or an end. */
static int64_t receive_shots(struct aion_sim *sim, struct aion__sim_request *request, step_fn *step)
{
	for (;;) {
		int64_t result = step(sim, request);

		if (result <= 0 || !request->is_multishot || !(request->cqe_flags & IORING_CQE_F_BUFFER) ||
		    aion__sim_shot_is_last(sim))
			return result;
		aion__sim_post_more(sim, request, result, request->cqe_flags);
		if (is_drained(request->file->socket))
			return AION__SIM_LATER;
	}
}

int64_t aion__sim_recv(struct aion_sim *sim, struct aion__sim_request *request)
{
	int result = receive_check(request);

	if (result < 0)
		return result;
	/* Who is to wait first has no look at the buffers before there is something to receive. */
	if (request->sqe.ioprio & IORING_RECVSEND_POLL_FIRST && is_drained(request->file->socket))
		return AION__SIM_LATER;
	if (request->sqe.flags & IOSQE_BUFFER_SELECT)
		return receive_shots(sim, request, recv_selected);
	return recv_once(sim, request);
}

/* ---- recvmsg */

/* What is said besides the bytes. */
struct answer {
	unsigned msg_flags;
	unsigned name_size;
	size_t control_size;
	struct sockaddr_storage name;
	char control[];
};

static size_t answer_make(struct aion_sim *sim, const struct aion__sim_socket *socket, struct aion__sim_incoming *in,
			  struct answer *answer, size_t control_room)
{
	answer->msg_flags = in->msg_flags;
	answer->name_size = 0;
	if (in->from.family && !aion__sim_socket_is_tcp(socket))
		answer->name_size = (unsigned)aion__sim_name_write(socket, &in->from, &answer->name);
	answer->control_size =
		aion__sim_parcel_unpack(sim, in->parcel, answer->control, control_room, &answer->msg_flags);
	return sizeof(*answer) + answer->control_size;
}

static size_t control_room_of(const struct msghdr *message)
{
	size_t room = message->msg_control ? message->msg_controllen : 0;

	return room < CONTROL_MAX ? room : CONTROL_MAX;
}

/* Behind the first `size` bytes of the stage, which request->a says plus one. */
static struct answer *answer_place(struct aion__sim_request *request, size_t size, size_t control_room)
{
	size_t at = (size + ANSWER_ALIGN - 1) / ANSWER_ALIGN * ANSWER_ALIGN;

	request->a = (int64_t)at + 1;
	return (struct answer *)(aion__sim_stage(request, at + sizeof(struct answer) + control_room) + at);
}

static int64_t recvmsg_once(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_incoming in = {.flags = request->sqe.msg_flags};
	struct msghdr message;
	size_t control_room;
	int64_t result = receive_all(sim, request, &in, aion__sim_memory_size(request));

	if (result < 0)
		return result;
	aion__sim_copy_from_program(&message, program_address(request->sqe.addr), sizeof(message));
	control_room = control_room_of(&message);
	request->stage_size = request->done ? (size_t)request->done : in.copied;
	answer_make(sim, request->file->socket, &in, answer_place(request, request->stage_size, control_room),
		    control_room);
	return result;
}

/* As io_uring_recvmsg_out(3) has it: a header, room for the name, room for control data, the bytes. */
static int64_t recvmsg_fill(struct aion_sim *sim, struct aion__sim_request *request, const struct msghdr *message,
			    struct aion__sim_incoming *in, size_t full_size)
{
	size_t control_room = control_room_of(message), name_at = sizeof(struct io_uring_recvmsg_out);
	size_t control_at = name_at + message->msg_namelen, bytes_at = control_at + message->msg_controllen;
	struct answer *answer = aion__sim_alloc(sizeof(*answer) + control_room);
	char *out = aion__sim_alloc(bytes_at + in->copied);
	struct io_uring_recvmsg_out *head = (struct io_uring_recvmsg_out *)out;

	answer_make(sim, request->file->socket, in, answer, control_room);
	head->namelen = answer->name_size;
	head->controllen = (uint32_t)answer->control_size;
	head->payloadlen = (uint32_t)full_size;
	head->flags = answer->msg_flags;
	memcpy(out + name_at, &answer->name,
	       answer->name_size < message->msg_namelen ? answer->name_size : message->msg_namelen);
	memcpy(out + control_at, answer->control, answer->control_size);
	if (in->copied)
		memcpy(out + bytes_at, request->stage, in->copied);
	aion__sim_buffer_fill(sim, request, out, bytes_at + in->copied);
	aion__sim_free(out);
	aion__sim_free(answer);
	return (int64_t)(bytes_at + in->copied);
}

static int64_t recvmsg_multishot(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *socket = request->file->socket;
	struct aion__sim_incoming in = {.request = request, .flags = request->sqe.msg_flags};
	int64_t room = aion__sim_buffer_room(sim, request), result;
	struct msghdr message;
	size_t head_size;

	request->cqe_flags = 0;
	if (room < 0)
		return room;
	aion__sim_copy_from_program(&message, program_address(request->sqe.addr), sizeof(message));
	head_size = sizeof(struct io_uring_recvmsg_out) + message.msg_namelen + message.msg_controllen;
	if ((size_t)room < head_size)
		return -EFAULT;
	in.size = (size_t)room - head_size;
	result = aion__sim_message_receive(sim, socket, &in);
	if (result < 0)
		return transfer_end(request, result);
	room = recvmsg_fill(sim, request, &message, &in, (size_t)result);
	request->cqe_flags |= flag_of_more(socket);
	/* An end, or an empty datagram, is the last. */
	request->is_multishot = result > 0;
	return room;
}

/* Once, into a provided buffer. The vector only says how much of it may be used. */
static int64_t recvmsg_selected(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *socket = request->file->socket;
	struct aion__sim_incoming in = {.request = request, .flags = request->sqe.msg_flags & ~(unsigned)MSG_WAITALL};
	int64_t result = aion__sim_buffer_room(sim, request);
	struct msghdr message;
	struct iovec piece = {0};
	size_t control_room;

	if (result < 0)
		return result;
	aion__sim_copy_from_program(&message, program_address(request->sqe.addr), sizeof(message));
	if (message.msg_iovlen > 1)
		return -EINVAL;
	if (message.msg_iovlen)
		aion__sim_copy_from_program(&piece, message.msg_iov, sizeof(piece));
	in.size = piece.iov_len && piece.iov_len < (size_t)result ? piece.iov_len : (size_t)result;
	result = aion__sim_message_receive(sim, socket, &in);
	if (result < 0)
		return transfer_end(request, result);
	if (in.copied)
		aion__sim_buffer_fill(sim, request, request->stage, in.copied);
	request->cqe_flags |= flag_of_more(socket);
	control_room = control_room_of(&message);
	answer_make(sim, socket, &in, answer_place(request, 0, control_room), control_room);
	return result;
}

int64_t aion__sim_recvmsg(struct aion_sim *sim, struct aion__sim_request *request)
{
	int result = receive_check(request);

	if (result < 0)
		return result;
	if (request->is_multishot)
		return receive_shots(sim, request, recvmsg_multishot);
	return request->sqe.flags & IOSQE_BUFFER_SELECT ? recvmsg_selected(sim, request) : recvmsg_once(sim, request);
}

void aion__sim_recvmsg_finish(struct aion_sim *sim, struct aion__sim_request *request, int64_t result)
{
	struct msghdr *to = (struct msghdr *)(uintptr_t)request->sqe.addr, message;
	const struct answer *answer;

	(void)sim;
	if (result < 0 || !request->a)
		return;
	answer = (const struct answer *)(request->stage + request->a - 1);
	aion__sim_copy_from_program(&message, to, sizeof(message));
	if (message.msg_name) {
		aion__sim_copy_to_program(message.msg_name, &answer->name,
					  answer->name_size < message.msg_namelen ? answer->name_size
										  : message.msg_namelen);
		message.msg_namelen = answer->name_size;
	}
	if (answer->control_size)
		aion__sim_copy_to_program(message.msg_control, answer->control, answer->control_size);
	message.msg_controllen = answer->control_size;
	message.msg_flags = (int)answer->msg_flags;
	aion__sim_copy_to_program(to, &message, sizeof(message));
}
