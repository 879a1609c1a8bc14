/* SPDX-License-Identifier: MIT */
/*
 * The life of sockets. A connection is a pair of them that know each other; each has what came for it in its own queue.
 * When one goes, the other learns it at once: TCP's by its end or a reset, unix ones by both directions being shut.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "sim_model_int.h"
#include "sim_socket_int.h"

#define TYPE_MASK 0xf
#define TYPE_MAX 11 /* none from here on is known to any family */

/* ---- events */

void aion__sim_socket_event_in(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	socket->in_event_nr++;
	if (socket->file)
		aion__sim_file_wake(sim, socket->file);
}

void aion__sim_socket_event_out(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	socket->out_event_nr++;
	if (socket->file)
		aion__sim_file_wake(sim, socket->file);
}

void aion__sim_socket_event(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	socket->out_event_nr++;
	aion__sim_socket_event_in(sim, socket);
}

int aion__sim_socket_take_error(struct aion__sim_socket *socket)
{
	int error = socket->error;

	socket->error = 0;
	return -error;
}

/* ---- who waits for whom */

void aion__sim_socket_block(struct aion__sim_socket *who, struct aion__sim_socket *by)
{
	struct aion__sim_blocked *blocked = who->blocked;

	while (blocked && blocked->by != by)
		blocked = blocked->who_next;
	if (blocked)
		return;
	blocked = aion__sim_alloc(sizeof(*blocked));
	blocked->who = who;
	blocked->who_next = who->blocked;
	who->blocked = blocked;
	blocked->by = by;
	blocked->by_prev = by->blocked_newest;
	if (by->blocked_newest)
		by->blocked_newest->by_next = blocked;
	else
		by->blocked_oldest = blocked;
	by->blocked_newest = blocked;
}

static void blocked_free(struct aion__sim_blocked *blocked)
{
	struct aion__sim_blocked **place = &blocked->who->blocked;
	struct aion__sim_socket *by = blocked->by;

	while (*place != blocked)
		place = &(*place)->who_next;
	*place = blocked->who_next;
	if (blocked->by_prev)
		blocked->by_prev->by_next = blocked->by_next;
	else
		by->blocked_oldest = blocked->by_next;
	if (blocked->by_next)
		blocked->by_next->by_prev = blocked->by_prev;
	else
		by->blocked_newest = blocked->by_prev;
	aion__sim_free(blocked);
}

void aion__sim_socket_unblock(struct aion_sim *sim, struct aion__sim_blocked *blocked)
{
	struct aion__sim_socket *who = blocked->who;

	blocked_free(blocked);
	aion__sim_socket_event_out(sim, who);
}

void aion__sim_socket_unblock_all(struct aion_sim *sim, struct aion__sim_socket *by)
{
	while (by->blocked_oldest)
		aion__sim_socket_unblock(sim, by->blocked_oldest);
}

/* ---- partners */

void aion__sim_socket_pair(struct aion__sim_socket *a, struct aion__sim_socket *b)
{
	a->state = b->state = AION__SIM_SOCKET_CONNECTED;
	if (a->type == SOCK_DGRAM) {
		aion__sim_socket_set_peer(a, b);
		aion__sim_socket_set_peer(b, a);
		return;
	}
	a->peer = b;
	b->peer = a;
}

void aion__sim_socket_set_peer(struct aion__sim_socket *socket, struct aion__sim_socket *peer)
{
	AION_ASSERT(socket->domain == AF_UNIX && socket->type == SOCK_DGRAM);
	if (socket->peer) {
		if (socket->fan_prev)
			socket->fan_prev->fan_next = socket->fan_next;
		else
			socket->peer->fans = socket->fan_next;
		if (socket->fan_next)
			socket->fan_next->fan_prev = socket->fan_prev;
	}
	socket->peer = peer;
	socket->fan_prev = NULL;
	socket->fan_next = peer ? peer->fans : NULL;
	if (!peer)
		return;
	if (peer->fans)
		peer->fans->fan_prev = socket;
	peer->fans = socket;
}

void aion__sim_socket_break(struct aion_sim *sim, struct aion__sim_socket *socket, int error)
{
	socket->peer = NULL;
	socket->error = error;
	socket->is_shut_in = true;
	socket->is_shut_out = true;
	aion__sim_socket_event(sim, socket);
}

bool aion__sim_socket_can_reset(const struct aion__sim_file *file)
{
	return file->socket && file->socket->type != SOCK_DGRAM && file->socket->peer;
}

void aion__sim_socket_reset(struct aion_sim *sim, struct aion__sim_file *file)
{
	struct aion__sim_socket *socket = file->socket, *peer;
	struct aion__sim_parcel *parcels, *peer_parcels;

	if (!aion__sim_socket_can_reset(file))
		return;
	peer = socket->peer;
	parcels = aion__sim_socket_empty_queue(socket);
	peer_parcels = aion__sim_socket_empty_queue(peer);
	aion__sim_socket_break(sim, peer, ECONNRESET);
	aion__sim_socket_break(sim, socket, 0); /* the call during which it happens says it */
	aion__sim_parcels_free(sim, parcels);
	aion__sim_parcels_free(sim, peer_parcels);
}

/* ---- the beginning */

struct aion__sim_socket *aion__sim_socket_new(struct aion_sim *sim, int domain, int type)
{
	struct aion__sim_socket *socket = aion__sim_alloc(sizeof(*socket));

	socket->domain = (uint8_t)domain;
	socket->type = (uint8_t)type;
	socket->size_max = sim->options.socket_size;
	aion__sim_sockets_add(sim, socket);
	return socket;
}

struct aion__sim_file *aion__sim_socket_open(struct aion_sim *sim, struct aion__sim_socket *socket, int flags)
{
	socket->file =
		aion__sim_file_new(sim, &aion__sim_socket_ops, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));
	socket->file->socket = socket;
	return socket->file;
}

void aion__sim_socket_unopen(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	struct aion__sim_file *file = socket->file;

	file->socket = NULL;
	socket->file = NULL;
	aion__sim_file_unref(sim, file);
}

static int protocol_check(int domain, int type, int protocol)
{
	if (domain == AF_UNIX)
		return protocol == 0 || protocol == PF_UNIX ? 0 : -EPROTONOSUPPORT;
	if (type == SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	if (protocol == 0 || protocol == (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
		return 0;
	return -EPROTONOSUPPORT;
}

static int kind_check(int domain, int type, int protocol)
{
	int kind = type & TYPE_MASK;

	if (type & ~(TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK) || kind >= TYPE_MAX)
		return -EINVAL;
	if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (kind != SOCK_STREAM && kind != SOCK_DGRAM && kind != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	return protocol_check(domain, kind, protocol);
}

int64_t aion__sim_socket(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	int domain = sqe->fd, type = (int)sqe->off;
	int result;

	if (sqe->rw_flags || sqe->addr || sqe->buf_index || sqe->file_index)
		return -EINVAL;
	result = kind_check(domain, type, (int)sqe->len);
	if (result < 0)
		return result;
	if (sim->fd_nr == sim->options.fd_max)
		return -EMFILE;
	return aion__sim_fd_give(sim,
				 aion__sim_socket_open(sim, aion__sim_socket_new(sim, domain, type & TYPE_MASK), type));
}

int aion_sim_socketpair(struct aion_sim *sim, int domain, int type, int fds[2])
{
	struct aion__sim_socket *pair[2];
	int result = kind_check(domain, type, 0);

	if (result < 0)
		return result;
	if (domain == AF_INET6)
		return -EAFNOSUPPORT;
	if (domain == AF_INET && (type & TYPE_MASK) != SOCK_STREAM)
		return -EPROTONOSUPPORT;
	if (sim->fd_nr + 2 > sim->options.fd_max)
		return -EMFILE;
	for (int i = 0; i < 2; i++) {
		pair[i] = aion__sim_socket_new(sim, domain, type & TYPE_MASK);
		aion__sim_name_autobind(sim, pair[i]);
		fds[i] = aion__sim_fd_give(sim, aion__sim_socket_open(sim, pair[i], type));
	}
	for (int i = 0; i < 2 && domain != AF_UNIX; i++) {
		aion__sim_name_make_concrete(&pair[i]->name, &pair[i]->name);
		pair[!i]->peer_name = pair[i]->name;
	}
	aion__sim_socket_pair(pair[0], pair[1]);
	return 0;
}

/* ---- the end */

/* What has not been read is lost, and the partner is told so. */
static void connection_end(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	struct aion__sim_socket *peer = socket->peer;
	bool is_lossy = socket->bytes.size || socket->records.nr || !socket->file || aion__sim_option_resets(socket);

	if (!peer)
		return;
	if (is_lossy) {
		aion__sim_socket_break(sim, peer, peer->is_finished ? EPIPE : ECONNRESET);
	} else if (socket->domain == AF_UNIX) {
		aion__sim_socket_break(sim, peer, 0);
	} else {
		peer->peer = NULL;
		if (peer->file)
			aion__sim_file_wake(sim, peer->file);
		if (!peer->is_finished)
			aion__sim_socket_event(sim, peer);
		peer->is_finished = true;
	}
	socket->peer = NULL;
}

static void fans_end(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	while (socket->fans) {
		struct aion__sim_socket *fan = socket->fans;

		aion__sim_socket_set_peer(fan, NULL);
		aion__sim_socket_event_out(sim, fan);
	}
	aion__sim_socket_set_peer(socket, NULL);
}

void aion__sim_socket_end(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	struct aion__sim_parcel *parcels;

	aion__sim_sockets_remove(sim, socket);
	aion__sim_name_unbind(sim, socket);
	if (socket->state == AION__SIM_SOCKET_LISTENING)
		aion__sim_listener_stop(sim, socket);
	if (socket->type != SOCK_DGRAM)
		connection_end(sim, socket);
	else if (socket->domain == AF_UNIX)
		fans_end(sim, socket);
	aion__sim_socket_unblock_all(sim, socket);
	while (socket->blocked)
		blocked_free(socket->blocked);
	parcels = aion__sim_socket_empty_queue(socket);
	aion__sim_free(socket->records.ring);
	aion__sim_options_free(socket);
	aion__sim_free(socket);
	aion__sim_parcels_free(sim, parcels);
}

static void socket_release(struct aion_sim *sim, struct aion__sim_file *file)
{
	if (file->socket)
		aion__sim_socket_end(sim, file->socket);
}

/* ---- shutdown */

static int64_t shutdown_listener(struct aion_sim *sim, struct aion__sim_socket *socket, int how)
{
	if (how == SHUT_WR)
		return 0;
	aion__sim_listener_stop(sim, socket);
	if (aion__sim_socket_is_tcp(socket))
		socket->state = AION__SIM_SOCKET_FRESH;
	else
		socket->is_shut_in = true;
	aion__sim_socket_event(sim, socket);
	return 0;
}

/* The other side of a connection. TCP does not say that nobody reads any more. */
static void shutdown_peer(struct aion_sim *sim, struct aion__sim_socket *socket, int how)
{
	struct aion__sim_socket *peer = socket->peer;

	if (!peer || socket->type == SOCK_DGRAM)
		return;
	if (socket->domain != AF_UNIX) {
		if (how == SHUT_RD)
			return;
		peer->is_finished = true;
	} else {
		peer->is_shut_in |= how != SHUT_RD;
		peer->is_shut_out |= how != SHUT_WR;
	}
	aion__sim_socket_event(sim, peer);
}

/* TCP: both sides have said their last, or the connection broke. */
static bool is_over(const struct aion__sim_socket *socket)
{
	return socket->is_shut_out && (socket->is_finished || !socket->peer);
}

int64_t aion__sim_shutdown(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_socket *socket = request->file->socket;
	const struct io_uring_sqe *sqe = &request->sqe;
	int how = (int)sqe->len;
	int64_t result = 0;

	if (sqe->off || sqe->addr || sqe->rw_flags || sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	if (!socket)
		return -ENOTSOCK;
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (socket->state == AION__SIM_SOCKET_LISTENING)
		return shutdown_listener(sim, socket, how);
	if (socket->domain != AF_UNIX && socket->state != AION__SIM_SOCKET_CONNECTED)
		result = -ENOTCONN;
	if (aion__sim_socket_is_tcp(socket)) {
		if (result < 0 || is_over(socket))
			return -ENOTCONN;
	}
	socket->is_shut_in |= how != SHUT_WR;
	socket->is_shut_out |= how != SHUT_RD;
	shutdown_peer(sim, socket, how);
	if (socket->is_shut_in)
		aion__sim_socket_unblock_all(sim, socket);
	aion__sim_socket_event(sim, socket);
	return result;
}

/* ---- polling */

static unsigned poll_shut(const struct aion__sim_socket *socket)
{
	bool is_shut_in = socket->is_shut_in || socket->is_finished;
	unsigned events = 0;

	if (is_shut_in)
		events |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (is_shut_in && socket->is_shut_out)
		events |= POLLHUP;
	/* A connection that is not there yet. */
	if (socket->type != SOCK_DGRAM && socket->state == AION__SIM_SOCKET_FRESH)
		events |= POLLHUP;
	return events;
}

static unsigned socket_poll(struct aion_sim *sim, const struct aion__sim_file *file)
{
	const struct aion__sim_socket *socket = file->socket;
	unsigned events = poll_shut(socket);

	(void)sim;
	if (socket->error)
		events |= POLLERR;
	if (socket->bytes.size || socket->records.nr || socket->accept_nr)
		events |= POLLIN | POLLRDNORM;
	if (aion__sim_socket_is_writable(socket))
		events |= POLLOUT | POLLWRNORM | (aion__sim_socket_is_tcp(socket) ? 0 : POLLWRBAND);
	return events;
}

const struct aion__sim_file_ops aion__sim_socket_ops = {
	.name = "socket",
	.read = aion__sim_socket_read,
	.write = aion__sim_socket_write,
	.poll = socket_poll,
	.release = socket_release,
};
