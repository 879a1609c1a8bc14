/* SPDX-License-Identifier: MIT */
/*
 * How sockets come to know each other. A connection is made as a whole while the client connects: what stands in the
 * listener's list is a connected socket that has no file yet. Who finds the list full waits. TCP goes on connecting
 * even if the request that waits for it is cancelled.
 */
#include <errno.h>
#include <string.h>

#include "sim_model_int.h"
#include "sim_socket_int.h"

#define BACKLOG_MAX 4096
#ifndef IORING_ACCEPT_DONTWAIT
#define IORING_ACCEPT_DONTWAIT (1U << 1)   /* Linux 6.10 */
#define IORING_ACCEPT_POLL_FIRST (1U << 2) /* Linux 6.10 */
#endif
#define ACCEPT_FLAGS_ALL (IORING_ACCEPT_MULTISHOT | IORING_ACCEPT_DONTWAIT | IORING_ACCEPT_POLL_FIRST)

/* ---- bind, listen */

int64_t aion__sim_bind(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *socket = request->file->socket;
	const struct io_uring_sqe *sqe = &request->sqe;
	struct aion__sim_name name;
	int result;

	if (sqe->len || sqe->buf_index || sqe->rw_flags || sqe->splice_fd_in)
		return -EINVAL;
	if (!socket)
		return -ENOTSOCK;
	result = aion__sim_name_read(socket, (const void *)(uintptr_t)sqe->addr, sqe->off, &name);
	if (result < 0)
		return result;
	if (name.family == AF_UNSPEC)
		return socket->domain == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
	if (name.family == AF_UNIX && !name.size && socket->is_bound)
		return 0;
	if (socket->is_bound || socket->state != AION__SIM_SOCKET_FRESH)
		return -EINVAL;
	return aion__sim_name_bind(sim, socket, &name);
}

static bool listener_is_full(const struct aion__sim_socket *listener)
{
	return listener->accept_nr > listener->accept_max;
}

static void connection_make(struct aion_sim *sim, struct aion__sim_socket *client, struct aion__sim_socket *listener);

/* There is room: TCP's clients are let in, others are told to try again. */
static void listener_admit(struct aion_sim *sim, struct aion__sim_socket *listener)
{
	while (listener->blocked_oldest && !listener_is_full(listener)) {
		struct aion__sim_socket *client = listener->blocked_oldest->who;

		aion__sim_socket_unblock(sim, listener->blocked_oldest);
		if (client->state == AION__SIM_SOCKET_CONNECTING)
			connection_make(sim, client, listener);
	}
}

int64_t aion__sim_listen(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *socket = request->file->socket;
	const struct io_uring_sqe *sqe = &request->sqe;

	if (sqe->addr || sqe->buf_index || sqe->rw_flags || sqe->splice_fd_in || sqe->off)
		return -EINVAL;
	if (!socket)
		return -ENOTSOCK;
	if (socket->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (socket->state != AION__SIM_SOCKET_FRESH && socket->state != AION__SIM_SOCKET_LISTENING)
		return -EINVAL;
	if (socket->domain == AF_UNIX && !socket->is_bound)
		return -EINVAL;
	if (aion__sim_name_autobind(sim, socket) < 0)
		return -EADDRINUSE;
	if (socket->domain != AF_UNIX)
		socket->is_shut_in = socket->is_shut_out = false;
	socket->state = AION__SIM_SOCKET_LISTENING;
	socket->accept_max = sqe->len < BACKLOG_MAX ? sqe->len : BACKLOG_MAX;
	listener_admit(sim, socket);
	return 0;
}

void aion__sim_listener_stop(struct aion_sim *sim, struct aion__sim_socket *listener)
{
	while (listener->accept_oldest) {
		struct aion__sim_socket *embryo = listener->accept_oldest;

		listener->accept_oldest = embryo->accept_next;
		aion__sim_socket_end(sim, embryo);
	}
	listener->accept_newest = NULL;
	listener->accept_nr = 0;
	while (listener->blocked_oldest) {
		struct aion__sim_socket *client = listener->blocked_oldest->who;

		if (client->state == AION__SIM_SOCKET_CONNECTING) {
			client->state = AION__SIM_SOCKET_FRESH;
			aion__sim_socket_break(sim, client, ECONNREFUSED);
		}
		aion__sim_socket_unblock(sim, listener->blocked_oldest);
	}
}

/* ---- connect */

static void connection_make(struct aion_sim *sim, struct aion__sim_socket *client, struct aion__sim_socket *listener)
{
	struct aion__sim_socket *embryo = aion__sim_socket_new(sim, listener->domain, listener->type);

	if (aion__sim_socket_is_tcp(listener))
		aion__sim_options_inherit(embryo, listener);
	embryo->name = client->peer_name;
	embryo->peer_name = client->name;
	aion__sim_socket_pair(client, embryo);
	if (listener->accept_newest)
		listener->accept_newest->accept_next = embryo;
	else
		listener->accept_oldest = embryo;
	listener->accept_newest = embryo;
	listener->accept_nr++;
	aion__sim_socket_event_in(sim, listener);
	aion__sim_socket_event_out(sim, client);
}

static int64_t connect_tcp(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *to)
{
	struct aion__sim_socket *listener;
	int result;

	if (socket->state == AION__SIM_SOCKET_CONNECTING)
		return -EALREADY;
	if (socket->state != AION__SIM_SOCKET_FRESH)
		return -EISCONN;
	result = aion__sim_name_check_route(to);
	if (result < 0)
		return result;
	if (aion__sim_name_autobind(sim, socket) < 0)
		return -EADDRNOTAVAIL;
	socket->peer_name = *to;
	aion__sim_name_make_concrete(&socket->peer_name, to);
	listener = aion__sim_name_find(sim, socket, &socket->peer_name);
	if (!listener || listener->state != AION__SIM_SOCKET_LISTENING) {
		aion__sim_socket_break(sim, socket, 0);
		return -ECONNREFUSED;
	}
	aion__sim_name_make_concrete(&socket->name, to);
	socket->is_shut_in = socket->is_shut_out = false;
	socket->error = 0;
	if (listener_is_full(listener)) {
		socket->state = AION__SIM_SOCKET_CONNECTING;
		aion__sim_socket_block(socket, listener);
		return AION__SIM_LATER;
	}
	connection_make(sim, socket, listener);
	return 0;
}

/* Who has a unix name, for a socket of this type: 0 or -errno. */
static int unix_find(const struct aion_sim *sim, const struct aion__sim_socket *socket, const struct aion__sim_name *to,
		     struct aion__sim_socket **ret_other)
{
	if (to->family != AF_UNIX || !to->size)
		return -EINVAL;
	*ret_other = aion__sim_name_find(sim, socket, to);
	if (!*ret_other)
		return to->path[0] ? -ENOENT : -ECONNREFUSED;
	return (*ret_other)->type == socket->type ? 0 : -EPROTOTYPE;
}

static int64_t connect_unix(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *to)
{
	struct aion__sim_socket *listener;
	int result = unix_find(sim, socket, to, &listener);

	if (result < 0)
		return result;
	if (listener->state != AION__SIM_SOCKET_LISTENING || listener->is_shut_in)
		return -ECONNREFUSED;
	if (socket->state != AION__SIM_SOCKET_FRESH)
		return socket->state == AION__SIM_SOCKET_CONNECTED ? -EISCONN : -EINVAL;
	if (listener_is_full(listener)) {
		aion__sim_socket_block(socket, listener);
		return AION__SIM_LATER;
	}
	socket->peer_name = *to;
	connection_make(sim, socket, listener);
	return 0;
}

static int64_t connect_unix_dgram(struct aion_sim *sim, struct aion__sim_socket *socket,
				  const struct aion__sim_name *to)
{
	struct aion__sim_socket *other;
	int result = unix_find(sim, socket, to, &other);

	if (result < 0)
		return result;
	if (other->peer && other->peer != socket)
		return -EPERM;
	socket->state = AION__SIM_SOCKET_CONNECTED;
	socket->peer_name = *to;
	aion__sim_socket_set_peer(socket, other);
	aion__sim_socket_event_out(sim, socket);
	return 0;
}

static int64_t connect_udp(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *to)
{
	int result = aion__sim_name_check_route(to);

	if (result < 0)
		return result;
	if (aion__sim_name_autobind(sim, socket) < 0)
		return -EAGAIN;
	socket->peer_name = *to;
	aion__sim_name_make_concrete(&socket->peer_name, to);
	aion__sim_name_make_concrete(&socket->name, to);
	socket->state = AION__SIM_SOCKET_CONNECTED;
	aion__sim_socket_event_out(sim, socket);
	return 0;
}

/* AF_UNSPEC: datagrams have no partner any more; a TCP connection is broken off. */
static int64_t disconnect(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	if (socket->domain == AF_UNIX && socket->type != SOCK_DGRAM)
		return -EINVAL;
	if (socket->domain == AF_UNIX)
		aion__sim_socket_set_peer(socket, NULL);
	if (socket->state == AION__SIM_SOCKET_LISTENING)
		aion__sim_listener_stop(sim, socket);
	if (socket->peer) {
		aion__sim_socket_break(sim, socket->peer, ECONNRESET);
		socket->peer = NULL;
	}
	socket->state = AION__SIM_SOCKET_FRESH;
	memset(&socket->peer_name, 0, sizeof(socket->peer_name));
	return 0;
}

static int64_t connect_to(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *to)
{
	if (to->family == AF_UNSPEC)
		return disconnect(sim, socket);
	if (aion__sim_socket_is_tcp(socket))
		return connect_tcp(sim, socket, to);
	if (aion__sim_socket_is_udp(socket))
		return connect_udp(sim, socket, to);
	return socket->type == SOCK_DGRAM ? connect_unix_dgram(sim, socket, to) : connect_unix(sim, socket, to);
}

/* The request that began it looks how it went. */
static int64_t connect_go_on(struct aion__sim_socket *socket)
{
	int error;

	if (socket->state == AION__SIM_SOCKET_CONNECTING)
		return AION__SIM_LATER;
	error = aion__sim_socket_take_error(socket);
	if (error)
		return error;
	return socket->state == AION__SIM_SOCKET_CONNECTED ? 0 : -ECONNABORTED;
}

int64_t aion__sim_connect(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *socket = request->file->socket;
	const struct io_uring_sqe *sqe = &request->sqe;
	struct aion__sim_name to;
	int64_t result;

	if (sqe->len || sqe->buf_index || sqe->rw_flags || sqe->splice_fd_in)
		return -EINVAL;
	if (!socket)
		return -ENOTSOCK;
	if (request->a)
		return connect_go_on(socket);
	result = aion__sim_name_read(socket, (const void *)(uintptr_t)sqe->addr, sqe->off, &to);
	if (result == 0)
		result = connect_to(sim, socket, &to);
	request->a = result == AION__SIM_LATER && aion__sim_socket_is_tcp(socket);
	return result;
}

/* A unix socket's place in front of the listener is given up by itself: it is woken for nothing. */
void aion__sim_connect_abandon(struct aion_sim *sim, struct aion__sim_request *request)
{
	(void)sim, (void)request;
}

/* ---- accept */

static int accept_check(const struct aion_sim *sim, const struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const struct aion__sim_socket *socket = request->file->socket;

	if (sqe->len || sqe->buf_index || sqe->ioprio & ~ACCEPT_FLAGS_ALL || sqe->file_index ||
	    sqe->accept_flags & ~(unsigned)(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	/* The kernel takes the descriptor first: without one, connections stay where they are. */
	if (sim->fd_nr == sim->options.fd_max)
		return -EMFILE;
	if (!socket)
		return -ENOTSOCK;
	if (socket->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	return socket->state == AION__SIM_SOCKET_LISTENING && !socket->is_shut_in ? 0 : -EINVAL;
}

static int64_t accept_one(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *listener = request->file->socket, *embryo = listener->accept_oldest;
	int fd;

	fd = aion__sim_fd_give(sim, aion__sim_socket_open(sim, embryo, (int)request->sqe.accept_flags));
	if (fd < 0) {
		aion__sim_socket_unopen(sim, embryo);
		return fd;
	}
	listener->accept_oldest = embryo->accept_next;
	if (!listener->accept_oldest)
		listener->accept_newest = NULL;
	embryo->accept_next = NULL;
	listener->accept_nr--;
	listener_admit(sim, listener);
	/* TCP says whether there are more. */
	request->cqe_flags = listener->domain != AF_UNIX && listener->accept_nr ? IORING_CQE_F_SOCK_NONEMPTY : 0;
	return fd;
}

int64_t aion__sim_accept(struct aion_sim *sim, struct aion__sim_request *request)
{
	request->is_multishot = request->sqe.ioprio & IORING_ACCEPT_MULTISHOT;
	for (;;) {
		const struct aion__sim_socket *listener = request->file->socket;
		int64_t result = accept_check(sim, request);

		request->cqe_flags = 0;
		if (result < 0)
			return result;
		if (!listener->accept_oldest)
			return request->sqe.ioprio & IORING_ACCEPT_DONTWAIT ? -EAGAIN : AION__SIM_LATER;
		result = accept_one(sim, request);
		if (result < 0 || !request->is_multishot || aion__sim_shot_is_last(sim))
			return result;
		aion__sim_post_more(sim, request, result, request->cqe_flags);
	}
}

void aion__sim_accept_finish(struct aion_sim *sim, struct aion__sim_request *request, int64_t result)
{
	void *address = (void *)(uintptr_t)request->sqe.addr;
	socklen_t *size = (socklen_t *)(uintptr_t)request->sqe.addr2, given, full;
	const struct aion__sim_file *file = aion__sim_fd_file(sim, (int)result);
	struct sockaddr_storage name;

	if (result < 0 || !address || !size || !file || !file->socket)
		return;
	full = (socklen_t)aion__sim_name_write(file->socket, &file->socket->peer_name, &name);
	aion__sim_copy_from_program(&given, size, sizeof(given));
	aion__sim_copy_to_program(address, &name, given < full ? given : full);
	aion__sim_copy_to_program(size, &full, sizeof(full));
}
