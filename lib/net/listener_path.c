/* SPDX-License-Identifier: MIT */
/*
 * The file of a unix socket. It outlives a server that was killed, and then stands in the way of the next one; so a file
 * on which nobody listens is removed. And it goes with its listener, unless another socket has taken its name since.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/socket.h>

#include <aion/dir.h>
#include <aion/file.h>
#include <aion/offload.h>
#include <aion/scope.h>
#include <aion/socket.h>

#include "listener_int.h"

static const char *path_of(const struct aion_address *address)
{
	return address->any.sa_family == AF_UNIX && address->un.sun_path[0] ? address->un.sun_path : NULL;
}

/* Nobody listens at this address: 0, else -EADDRINUSE, or -ECANCELED. Who listens and has no room refuses at once. */
static int64_t path_check_stale(const struct aion_address *address)
{
	int64_t result, fd = aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	result = aion_connect((int)fd, &address->any, address->size);
	aion_close((int)fd);
	if (result == -ECONNREFUSED || result == -ENOENT)
		return 0;
	return result == -ECANCELED && aion_cancelled() ? result : -EADDRINUSE;
}

/* Only a socket's file is removed: what else is there was not put there by a server. */
static int64_t path_remove_stale(const struct aion_address *address)
{
	struct statx status = {0};
	int64_t result = aion_statx(AT_FDCWD, path_of(address), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status);

	if (result == 0 && (status.stx_mode & S_IFMT) != S_IFSOCK)
		return -EADDRINUSE;
	if (result == 0)
		result = path_check_stale(address);
	if (result == 0)
		result = aion_unlinkat(AT_FDCWD, path_of(address), 0);
	return result == -ENOENT ? 0 : result;
}

struct mode_change {
	const char *path;
	mode_t mode;
};

static int64_t path_set_mode(void *arg)
{
	const struct mode_change *change = arg;
	int saved = errno;
	int64_t result = chmod(change->path, change->mode) < 0 ? -errno : 0;

	errno = saved;
	return result;
}

/* Which file it is, also for who is cancelled, and will remove it. Nobody can connect before it listens, so its mode is
 * right from the start. */
static int64_t path_take(struct aion_listener *listener, const struct aion_address *address, unsigned mode)
{
	struct mode_change change = {path_of(address), (mode_t)mode};
	struct statx status = {0};
	struct aion_scope shield;
	int64_t result;

	aion_scope_enter_shield(&shield, AION_NEVER);
	result = aion_statx(AT_FDCWD, change.path, AT_SYMLINK_NOFOLLOW, STATX_INO, &status);
	aion_scope_leave(&shield);
	if (result == -ENOENT && !mode)
		return 0; /* on a simulated machine there is no file */
	if (result < 0)
		return result;
	listener->path = *address;
	listener->path_ino = status.stx_ino;
	listener->path_dev = (uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor;
	return mode ? aion_offload(AION_OFFLOAD_FAST, path_set_mode, &change) : 0;
}

int64_t aion__listener_bind(struct aion_listener *listener, int fd, const struct aion_address *address,
			    unsigned path_mode)
{
	int64_t result = aion_bind(fd, &address->any, address->size);

	if (!path_of(address))
		return result;
	if (result == -EADDRINUSE) {
		result = path_remove_stale(address);
		if (result == 0)
			result = aion_bind(fd, &address->any, address->size);
	}
	return result == 0 ? path_take(listener, address, path_mode) : result;
}

void aion__listener_unlink(struct aion_listener *listener)
{
	const char *path = path_of(&listener->path);
	struct statx status = {0};
	struct aion_scope shield;

	if (!path)
		return;
	aion_scope_enter_shield(&shield, AION_NEVER);
	if (aion_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &status) == 0 &&
	    status.stx_ino == listener->path_ino &&
	    ((uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor) == listener->path_dev)
		aion_unlinkat(AT_FDCWD, path, 0);
	aion_scope_leave(&shield);
	listener->path = (struct aion_address){.size = 0};
}
