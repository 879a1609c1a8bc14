/* SPDX-License-Identifier: MIT */
/* Sockets: made, bound, connected, accepted, shut down. */
#include <aion/scope.h>
#include <aion/socket.h>

int64_t aion_socket(int domain, int type, int protocol)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_socket(&op, domain, type, protocol);
	return aion_await(&op.future);
}

int64_t aion_bind(int fd, const struct sockaddr *address, socklen_t address_size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_bind(&op, fd, address, address_size);
	return aion_await(&op.future);
}

int64_t aion_listen(int fd, int backlog)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_listen(&op, fd, backlog);
	return aion_await(&op.future);
}

int64_t aion_accept4(int fd, struct sockaddr *address, socklen_t *address_size, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_accept4(&op, fd, address, address_size, flags);
	return aion_await(&op.future);
}

int64_t aion_accept(int fd, struct sockaddr *address, socklen_t *address_size)
{
	return aion_accept4(fd, address, address_size, 0);
}

int64_t aion_connect(int fd, const struct sockaddr *address, socklen_t address_size)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_connect(&op, fd, address, address_size);
	return aion_await(&op.future);
}

int64_t aion_shutdown(int fd, int how)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_shutdown(&op, fd, how);
	return aion_await(&op.future);
}
