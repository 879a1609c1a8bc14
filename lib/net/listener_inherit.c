/* SPDX-License-Identifier: MIT */
/* Descriptors that a service manager has passed: what sd_listen_fds_with_names(3) does, without libsystemd. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aion/listener.h>

#define FD_FIRST 3          /* they stand in a row */
#define NAME_NONE "unknown" /* of those that were given no name */

/* A number that is not negative: 0. Not set: -ENOENT. */
static int number_from(const char *variable, int *ret_number)
{
	const char *text = getenv(variable);
	char *end;
	long number;

	if (!text)
		return -ENOENT;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < 0 || number > INT_MAX - FD_FIRST)
		return -EINVAL;
	*ret_number = (int)number;
	return 0;
}

/* How many were passed to this process. */
static int passed_nr(void)
{
	int pid = 0, fd_nr = 0;
	int result = number_from("LISTEN_PID", &pid);

	if (result == 0 && pid == getpid())
		result = number_from("LISTEN_FDS", &fd_nr);
	return result == -ENOENT ? 0 : result < 0 ? result : fd_nr;
}

static bool names_are_whole(const char *names, int fd_nr)
{
	int name_nr = 1;

	for (const char *c = names; *c; c++)
		name_nr += *c == ':';
	return name_nr == fd_nr;
}

static int passed_prepare(int fd_nr)
{
	for (int i = 0; i < fd_nr; i++) {
		int flags = fcntl(FD_FIRST + i, F_GETFD);

		if (flags < 0 || fcntl(FD_FIRST + i, F_SETFD, flags | FD_CLOEXEC) < 0)
			return -errno;
	}
	return 0;
}

/* names: NULL, or as many as there are descriptors. */
static int passed_find(const char *names, int fd_nr, const char *name, int *ret_fds, int fd_max)
{
	int found_nr = 0;

	for (int i = 0; i < fd_nr; i++) {
		const char *own = names ? names : NAME_NONE;
		size_t size = strcspn(own, ":");

		if (names)
			names += size + 1;
		if (name && (strlen(name) != size || memcmp(own, name, size) != 0))
			continue;
		if (found_nr < fd_max)
			ret_fds[found_nr] = FD_FIRST + i;
		found_nr++;
	}
	return found_nr;
}

int aion_listen_fds(const char *name, int *ret_fds, int fd_max)
{
	const char *names = getenv("LISTEN_FDNAMES");
	int saved = errno;
	int fd_nr = passed_nr();
	int result = fd_nr < 0 ? fd_nr : 0;

	if (fd_nr > 0 && names && !names_are_whole(names, fd_nr))
		result = -EINVAL;
	if (result == 0)
		result = passed_prepare(fd_nr);
	errno = saved;
	return result < 0 || fd_nr == 0 ? result : passed_find(names, fd_nr, name, ret_fds, fd_max);
}
