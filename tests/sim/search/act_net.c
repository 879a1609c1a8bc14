/* SPDX-License-Identifier: MIT */
/* TCP by hand: socket, bind, listen, connect, accept. */
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "compat_int.h"
#include "effort.h"
#include "stream.h"

#define PORT_FIRST 10000
#define BACKLOG 8
#define PAIR_NR_MAX 3

/* In the same order of arguments as the entry has them. */
static int64_t net_call(struct actor *self, const char *name, unsigned opcode, int fd, const void *addr, unsigned len,
			uint64_t off, unsigned may)
{
	struct effort effort = {0};

	io_uring_prep_rw((int)opcode, aion_op_sqe(&effort.op), fd, addr, len, off);
	effort_begin(self, &effort, name, INT_MAX, MAY_MEMORY | may, true);
	return effort_await(self, &effort);
}

static int64_t net_socket(struct actor *self)
{
	return net_call(self, "socket", IORING_OP_SOCKET, AF_INET, NULL, 0, SOCK_STREAM | SOCK_CLOEXEC, MAY_FD);
}

/* A listening socket, or -errno. */
static int64_t net_listen(struct actor *self, const struct sockaddr_in *address)
{
	int64_t fd = net_socket(self);
	int64_t result;

	if (fd < 0)
		return fd;
	result = net_call(self, "bind", AION__OP_BIND, (int)fd, address, 0, sizeof(*address),
			  self->run->sim ? 0 : MAY_ANY); /* the real one may have the port in use */
	if (result == 0)
		result = net_call(self, "listen", AION__OP_LISTEN, (int)fd, NULL, BACKLOG, 0, 0);
	if (result == 0)
		return fd;
	wire_close(self, (int)fd);
	return result;
}

/* Both sides at the same time. Without a connection nobody would be accepted. */
static int64_t net_connect(struct actor *self, int listener, const struct sockaddr_in *address, int fds[2])
{
	struct effort connect = {0}, accept = {0};
	int64_t result;

	io_uring_prep_accept(aion_op_sqe(&accept.op), listener, NULL, NULL, SOCK_CLOEXEC);
	effort_begin(self, &accept, "accept", INT_MAX, MAY_MEMORY | MAY_FD | MAY_INTR | MAY_RESET, true);
	io_uring_prep_connect(aion_op_sqe(&connect.op), fds[0], (const struct sockaddr *)address, sizeof(*address));
	effort_begin(self, &connect, "connect", 0, MAY_MEMORY | MAY_INTR | MAY_RESET, true);
	result = effort_await(self, &connect);
	if (result < 0)
		effort_cancel(&accept);
	fds[1] = (int)effort_await(self, &accept);
	if (fds[1] >= 0 && result == 0)
		return 0;
	if (fds[1] >= 0)
		wire_close(self, fds[1]);
	return result < 0 ? result : fds[1];
}

static int64_t net_pair(struct actor *self, int listener, const struct sockaddr_in *address)
{
	int64_t result = net_socket(self);
	int fds[2];

	if (result < 0)
		return result;
	fds[0] = (int)result;
	result = net_connect(self, listener, address, fds);
	if (result == 0)
		return stream_connection(self, fds, true);
	wire_close(self, fds[0]);
	return result;
}

/* Nobody comes. */
static int64_t net_wait_in_vain(struct actor *self, int listener)
{
	struct aion_scope scope;
	struct shade shade;

	shade_enter(self, &shade, &scope, run_now(self->run) + draw_short_delay(self), false);
	net_call(self, "accept of nobody", IORING_OP_ACCEPT, listener, NULL, 0, 0, MAY_FD | MAY_INTR | MAY_RESET);
	shade_leave(self, &shade);
	return aion_cancelled() ? -ECANCELED : 0;
}

int64_t act_tcp(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, PAIR_NR_MAX);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(PORT_FIRST + ++self->run->name_nr)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int64_t listener = net_listen(self, &address);
	int64_t result = 0;

	if (listener < 0)
		return self->run->sim ? listener : 0;
	if (draw_percent(&self->draw, 30))
		result = net_wait_in_vain(self, (int)listener);
	/* After a failure there may be one in the queue whom nobody expects. */
	while (nr-- && result == 0)
		result = net_pair(self, (int)listener, &address);
	wire_close(self, (int)listener);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}
