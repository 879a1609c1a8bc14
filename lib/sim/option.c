/* SPDX-License-Identifier: MIT */
/*
 * Calls about sockets that never block: options, names, pairs, and pipes. Options are remembered and told again as the
 * kernel does. Of all there are these have an effect: SO_RCVBUF is the size of the receive queue, SO_LINGER of 0 makes
 * a close reset TCP's connection, IPV6_V6ONLY and SO_REUSEPORT say who may share a port.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "exec_int.h"
#include "sim_model_int.h"
#include "sim_socket_int.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define VALUE_SIZE_MAX 16 /* bytes */
#define BUFFER_SIZE_FIRST 212992
#define SEND_SIZE_MIN 4608 /* bytes: the kernel gives no less */
#define RECEIVE_SIZE_MIN 2304

enum kind {
	FLAG,   /* 0 or 1 */
	NUMBER, /* as it is */
	BUFFER, /* is doubled */
	LINGER,
	TEXT,
};

struct known {
	int level;
	int name;
	uint8_t kind;
	int domain;      /* 0: all */
	int type;        /* 0: all */
	int first;       /* the number that it is before it is set */
	int least, most; /* what it can be set to; 0, 0: anything */
};

static const struct known known_options[] = {
	{SOL_SOCKET, SO_REUSEADDR, FLAG, 0, 0, 0, 0, 0},
	{SOL_SOCKET, SO_REUSEPORT, FLAG, 0, 0, 0, 0, 0},
	{SOL_SOCKET, SO_KEEPALIVE, FLAG, 0, 0, 0, 0, 0},
	{SOL_SOCKET, SO_BROADCAST, FLAG, 0, 0, 0, 0, 0},
	{SOL_SOCKET, SO_PASSCRED, FLAG, AF_UNIX, 0, 0, 0, 0},
	{SOL_SOCKET, SO_SNDBUF, BUFFER, 0, 0, BUFFER_SIZE_FIRST, 0, 0},
	{SOL_SOCKET, SO_RCVBUF, BUFFER, 0, 0, BUFFER_SIZE_FIRST, 0, 0},
	{SOL_SOCKET, SO_RCVLOWAT, NUMBER, 0, 0, 1, 0, 0},
	{SOL_SOCKET, SO_BUSY_POLL, NUMBER, 0, 0, 0, 0, 0},
	{SOL_SOCKET, SO_MARK, NUMBER, 0, 0, 0, 0, 0},
	{SOL_SOCKET, SO_LINGER, LINGER, 0, 0, 0, 0, 0},
	{IPPROTO_TCP, TCP_NODELAY, FLAG, AF_INET, SOCK_STREAM, 0, 0, 0},
	{IPPROTO_TCP, TCP_CORK, FLAG, AF_INET, SOCK_STREAM, 0, 0, 0},
	{IPPROTO_TCP, TCP_FASTOPEN_CONNECT, FLAG, AF_INET, SOCK_STREAM, 0, 0, 0},
	{IPPROTO_TCP, TCP_KEEPIDLE, NUMBER, AF_INET, SOCK_STREAM, 7200, 1, 32767},
	{IPPROTO_TCP, TCP_KEEPINTVL, NUMBER, AF_INET, SOCK_STREAM, 75, 1, 32767},
	{IPPROTO_TCP, TCP_KEEPCNT, NUMBER, AF_INET, SOCK_STREAM, 9, 1, 127},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, NUMBER, AF_INET, SOCK_STREAM, 0, 0, INT_MAX},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT, NUMBER, AF_INET, SOCK_STREAM, 0, 0, 0},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT, NUMBER, AF_INET, SOCK_STREAM, 0, 0, 0},
	{IPPROTO_TCP, TCP_FASTOPEN, NUMBER, AF_INET, SOCK_STREAM, 0, 0, 0},
	{IPPROTO_TCP, TCP_CONGESTION, TEXT, AF_INET, SOCK_STREAM, 0, 0, 0},
	{IPPROTO_UDP, UDP_SEGMENT, NUMBER, AF_INET, SOCK_DGRAM, 0, 0, UINT16_MAX},
	{IPPROTO_UDP, UDP_GRO, FLAG, AF_INET, SOCK_DGRAM, 0, 0, 0},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, FLAG, AF_INET, 0, 0, 0, 0},
	{IPPROTO_IPV6, IPV6_V6ONLY, FLAG, AF_INET6, 0, 0, 0, 0},
};

/* One that has been set. */
struct aion__sim_option {
	struct aion__sim_option *next;
	const struct known *known;
	socklen_t size;
	union {
		int number;
		struct linger linger;
		char text[VALUE_SIZE_MAX];
	};
};

static void *program_address(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* ---- which there are */

/* An option of AF_INET is for both versions. */
static bool is_for(const struct known *known, const struct aion__sim_socket *socket)
{
	if (known->type && known->type != socket->type)
		return false;
	if (known->domain == AF_INET)
		return socket->domain != AF_UNIX;
	return !known->domain || known->domain == socket->domain;
}

/* NULL, and why. */
static const struct known *known_find(const struct aion__sim_socket *socket, int level, int name, int *ret_error)
{
	*ret_error = socket->domain == AF_UNIX && level != SOL_SOCKET ? -EOPNOTSUPP : -ENOPROTOOPT;
	for (size_t i = 0; i < sizeof(known_options) / sizeof(*known_options); i++) {
		const struct known *known = &known_options[i];

		if (known->level == level && known->name == name && is_for(known, socket))
			return known;
	}
	return NULL;
}

static struct aion__sim_option *option_find(const struct aion__sim_socket *socket, int level, int name)
{
	struct aion__sim_option *option = socket->options;

	while (option && (option->known->level != level || option->known->name != name))
		option = option->next;
	return option;
}

static struct aion__sim_option *option_add(struct aion__sim_socket *socket, const struct known *known)
{
	struct aion__sim_option *option = aion__sim_alloc(sizeof(*option));

	option->known = known;
	option->next = socket->options;
	socket->options = option;
	return option;
}

bool aion__sim_option_is_on(const struct aion__sim_socket *socket, int level, int name)
{
	const struct aion__sim_option *option = option_find(socket, level, name);

	return option && option->number;
}

bool aion__sim_option_resets(const struct aion__sim_socket *socket)
{
	const struct aion__sim_option *option = option_find(socket, SOL_SOCKET, SO_LINGER);

	return option && option->linger.l_onoff && !option->linger.l_linger && aion__sim_socket_is_tcp(socket);
}

void aion__sim_options_inherit(struct aion__sim_socket *socket, const struct aion__sim_socket *from)
{
	for (const struct aion__sim_option *option = from->options; option; option = option->next) {
		struct aion__sim_option *copy = option_add(socket, option->known), *next = copy->next;

		*copy = *option;
		copy->next = next;
	}
	socket->size_max = from->size_max;
}

void aion__sim_options_free(struct aion__sim_socket *socket)
{
	while (socket->options) {
		struct aion__sim_option *option = socket->options;

		socket->options = option->next;
		aion__sim_free(option);
	}
}

/* ---- set */

static int option_keep(struct aion__sim_socket *socket, const struct known *known, const void *value, socklen_t size)
{
	struct aion__sim_option *option = option_find(socket, known->level, known->name);

	if (!option)
		option = option_add(socket, known);
	memset(option->text, 0, sizeof(option->text));
	memcpy(option->text, value, size);
	option->size = size;
	return 0;
}

static int option_set_number(struct aion__sim_socket *socket, const struct known *known, int number)
{
	int least = known->name == SO_RCVBUF ? RECEIVE_SIZE_MIN : SEND_SIZE_MIN;

	if (known->most && (number < known->least || number > known->most))
		return -EINVAL;
	if (known->name == IPV6_V6ONLY && known->level == IPPROTO_IPV6 && socket->is_bound)
		return -EINVAL;
	if (known->name == SO_REUSEPORT && known->level == SOL_SOCKET && number && socket->domain == AF_UNIX)
		return -EOPNOTSUPP;
	if (known->kind == FLAG)
		number = number != 0;
	if (known->kind == BUFFER) {
		number = number < INT_MAX / 2 ? number : INT_MAX / 2;
		if (known->name == SO_RCVBUF)
			socket->size_max = number < 1 ? 1 : (size_t)number;
		number = 2 * number < least ? least : 2 * number;
	}
	return option_keep(socket, known, &number, sizeof(number));
}

/* There the size is looked at before the name. */
static bool is_own_level(const struct aion__sim_socket *socket, int level)
{
	return level == SOL_SOCKET || (level == IPPROTO_TCP && aion__sim_socket_is_tcp(socket)) ||
	       (level == IPPROTO_UDP && aion__sim_socket_is_udp(socket));
}

static int option_set(struct aion__sim_socket *socket, const struct io_uring_sqe *sqe)
{
	const void *from = program_address(sqe->addr);
	socklen_t size = (socklen_t)sqe->off;
	const struct known *known;
	struct linger linger;
	char text[VALUE_SIZE_MAX];
	int number, error;

	known = known_find(socket, (int)sqe->len, sqe->rw_flags, &error);
	if (!known)
		return size < sizeof(number) && is_own_level(socket, (int)sqe->len) ? -EINVAL : error;
	if (known->kind == TEXT) {
		size = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
		aion__sim_copy_from_program(text, from, size);
		text[size] = 0;
		if (strcmp(text, "cubic") != 0 && strcmp(text, "reno") != 0)
			return -ENOENT;
		return option_keep(socket, known, text, size);
	}
	if (size < (known->kind == LINGER ? sizeof(linger) : sizeof(number)))
		return -EINVAL;
	if (known->kind == LINGER) {
		aion__sim_copy_from_program(&linger, from, sizeof(linger));
		linger.l_onoff = linger.l_onoff != 0;
		return option_keep(socket, known, &linger, sizeof(linger));
	}
	aion__sim_copy_from_program(&number, from, sizeof(number));
	return option_set_number(socket, known, number);
}

/* ---- asked for */

/* What is no option, but told as one. -ENOPROTOOPT: it is none of these. */
static int fact_of(struct aion__sim_socket *socket, int name, int *ret_number)
{
	switch (name) {
	case SO_ERROR:
		*ret_number = -aion__sim_socket_take_error(socket);
		return 0;
	case SO_TYPE:
		*ret_number = socket->type;
		return 0;
	case SO_DOMAIN:
		*ret_number = socket->domain;
		return 0;
	case SO_PROTOCOL:
		*ret_number = socket->domain == AF_UNIX         ? 0
			      : aion__sim_socket_is_tcp(socket) ? IPPROTO_TCP
								: IPPROTO_UDP;
		return 0;
	case SO_ACCEPTCONN:
		*ret_number = socket->state == AION__SIM_SOCKET_LISTENING;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* As much of it as there is room for. */
static int value_tell(const struct io_uring_sqe *sqe, const void *value, socklen_t size)
{
	socklen_t *room_at = program_address(sqe->off), room;

	aion__sim_copy_from_program(&room, room_at, sizeof(room));
	if ((int)room < 0)
		return -EINVAL;
	if (room < size)
		size = room;
	aion__sim_copy_to_program(program_address(sqe->addr), value, size);
	aion__sim_copy_to_program(room_at, &size, sizeof(size));
	return 0;
}

static int option_get(struct aion__sim_socket *socket, const struct io_uring_sqe *sqe)
{
	static const struct linger no_linger;
	const struct aion__sim_option *option;
	const struct known *known;
	int number, error;

	if (sqe->len == SOL_SOCKET && fact_of(socket, sqe->rw_flags, &number) == 0)
		return value_tell(sqe, &number, sizeof(number));
	known = known_find(socket, (int)sqe->len, sqe->rw_flags, &error);
	/* IPv4 says it in this way of levels that are not its own. */
	if (!known && socket->domain == AF_INET && sqe->len != IPPROTO_IP && !is_own_level(socket, (int)sqe->len))
		return -EOPNOTSUPP;
	if (!known)
		return error;
	option = option_find(socket, known->level, known->name);
	if (known->kind == TEXT)
		return value_tell(sqe, option ? option->text : "cubic\0\0\0\0\0\0\0\0\0\0", VALUE_SIZE_MAX);
	if (option)
		return value_tell(sqe, option->text, option->size);
	if (known->kind == LINGER)
		return value_tell(sqe, &no_linger, sizeof(no_linger));
	return value_tell(sqe, &known->first, sizeof(known->first));
}

/* ---- names */

static int name_tell(const struct aion__sim_socket *socket, const struct aion__sim_name *name,
		     const struct io_uring_sqe *sqe)
{
	socklen_t *room_at = program_address(sqe->off), room, size;
	struct sockaddr_storage address;

	aion__sim_copy_from_program(&room, room_at, sizeof(room));
	if ((int)room < 0)
		return -EINVAL;
	size = (socklen_t)aion__sim_name_write(socket, name, &address);
	aion__sim_copy_to_program(program_address(sqe->addr), &address, room < size ? room : size);
	aion__sim_copy_to_program(room_at, &size, sizeof(size));
	return 0;
}

static bool has_partner(const struct aion__sim_socket *socket)
{
	if (socket->state != AION__SIM_SOCKET_CONNECTED)
		return false;
	/* TCP's is over when both have said their last. */
	return !aion__sim_socket_is_tcp(socket) || !socket->is_shut_out || (socket->peer && !socket->is_finished);
}

/* ---- calls */

static int call_on_socket(struct aion__sim_socket *socket, const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case AION__CALL_GETSOCKOPT:
		return option_get(socket, sqe);
	case AION__CALL_SETSOCKOPT:
		return option_set(socket, sqe);
	case AION__CALL_GETSOCKNAME:
		return name_tell(socket, &socket->name, sqe);
	default:
		return has_partner(socket) ? name_tell(socket, &socket->peer_name, sqe) : -ENOTCONN;
	}
}

static int call_socketpair(struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	int fds[2], result;

	if (sqe->fd == AF_UNIX && sqe->len && sqe->len != PF_UNIX)
		return -EPROTONOSUPPORT;
	if (sqe->fd == AF_INET || sqe->fd == AF_INET6)
		return -EOPNOTSUPP;
	result = aion_sim_socketpair(sim, sqe->fd, sqe->rw_flags, fds);
	if (result == 0)
		aion__sim_copy_to_program(program_address(sqe->addr), fds, sizeof(fds));
	return result;
}

static int call_pipe(struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	int fds[2], result = aion_sim_pipe(sim, fds, sqe->rw_flags);

	if (result == 0)
		aion__sim_copy_to_program(program_address(sqe->addr), fds, sizeof(fds));
	return result;
}

int64_t aion__sim_call_socket(struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	struct aion__sim_file *file;

	if (sqe->opcode == AION__CALL_SOCKETPAIR)
		return call_socketpair(sim, sqe);
	if (sqe->opcode == AION__CALL_PIPE)
		return call_pipe(sim, sqe);
	if (aion__sim_fd_is_host(sqe->fd))
		return aion__exec_call(sqe);
	file = aion__sim_fd_file(sim, sqe->fd);
	if (!file)
		return -EBADF;
	return file->socket ? call_on_socket(file->socket, sqe) : -ENOTSOCK;
}
