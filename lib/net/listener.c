/* SPDX-License-Identifier: MIT */
/* The listener's life: opened, asked about, closed. */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include <aion/file.h>
#include <aion/listener.h>
#include <aion/scope.h>
#include <aion/socket.h>
#include <aion/task.h>

#include "assert_int.h"
#include "closers_int.h"
#include "listener_int.h"

static const struct aion_listener_options defaults;

/* The socket listens: the rest of the listener. */
static int64_t listener_begin(struct aion_listener *listener, int fd, const struct aion_listener_options *options)
{
	int64_t reserve_fd = aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (reserve_fd < 0)
		return reserve_fd;
	listener->reserve_fd = (int)reserve_fd;
	listener->fd = fd;
	listener->task = options->task;
	if (!listener->task.name)
		listener->task.name = "connection";
	aion_accept_open(&listener->accept, fd, SOCK_CLOEXEC,
			 options->connection_max ? options->connection_max : AION_ACCEPT_ALL);
	aion_future_init(&listener->returned);
	aion_future_init(&listener->served);
	listener->is_open = true;
	return 0;
}

static int64_t socket_listen(struct aion_listener *listener, int fd, const struct aion_address *address,
			     const struct aion_listener_options *options)
{
	int64_t result = aion_socket_options_apply(fd, options->socket);

	if (result == 0)
		result = aion__listener_bind(listener, fd, address, options->path_mode);
	if (result == 0)
		result = aion_listen(fd, options->backlog > 0 ? options->backlog : INT_MAX);
	if (result == 0)
		result = listener_begin(listener, fd, options);
	return result;
}

int64_t aion_listener_open(struct aion_listener *listener, const struct aion_address *address,
			   const struct aion_listener_options *options)
{
	int64_t fd, result;

	AION_BUG_ON(listener->is_open, "listener opened while open");
	fd = aion_socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	*listener = (struct aion_listener){.fd = -1, .reserve_fd = -1};
	result = socket_listen(listener, (int)fd, address, options ? options : &defaults);
	if (result < 0) {
		aion__listener_unlink(listener);
		aion_close((int)fd);
	}
	return result;
}

int64_t aion_listener_open_fd(struct aion_listener *listener, int fd, const struct aion_listener_options *options)
{
	int is_listening = 0;
	socklen_t size = sizeof(is_listening);
	int64_t result = aion_checkpoint();

	AION_BUG_ON(listener->is_open, "listener opened while open");
	if (result == 0)
		result = aion_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size);
	if (result < 0)
		return result;
	if (!is_listening)
		return -EINVAL;
	*listener = (struct aion_listener){.fd = -1, .reserve_fd = -1};
	return listener_begin(listener, fd, options ? options : &defaults);
}

int aion_listener_address(const struct aion_listener *listener, struct aion_address *ret_address)
{
	return listener->is_open && listener->fd >= 0 ? aion_address_of(listener->fd, ret_address) : -EBADF;
}

void aion_listener_stats(const struct aion_listener *listener, struct aion_listener_stats *ret_stats)
{
	*ret_stats = listener->stats;
	ret_stats->lost_nr = listener->accept.lost_nr;
}

void aion__listener_close_socket(struct aion_listener *listener)
{
	aion__listener_unlink(listener);
	aion_fd_closep(&listener->fd);
}

/* Who waits for a connection, or serves them, has been told to leave. */
static void users_leave(struct aion_listener *listener)
{
	struct aion_scope shield;

	if (!listener->is_serving && !listener->waiter_nr)
		return;
	aion_scope_enter_shield(&shield, AION_NEVER);
	if (listener->is_serving)
		aion_await(&listener->served);
	while (listener->waiter_nr && aion_yield() == 0)
		;
	aion_scope_leave(&shield);
}

void aion_listener_close(struct aion_listener *listener)
{
	struct aion__closer *closers;

	if (!listener->is_open)
		return;
	if (listener->is_closing) {
		aion__closers_wait(&listener->closers);
		return;
	}
	listener->is_closing = true;
	aion__accept_end(&listener->accept);
	if (listener->is_serving)
		aion_group_cancel(&listener->group);
	aion__listener_resume(listener);
	users_leave(listener);
	aion_accept_close(&listener->accept);
	aion__listener_close_socket(listener);
	aion_fd_closep(&listener->reserve_fd);
	listener->is_open = false;
	listener->is_closing = false;
	closers = listener->closers;
	listener->closers = NULL;
	aion__closers_wake(closers);
}
