/* SPDX-License-Identifier: MIT */
/*
 * -o FILE: standard output leads to a new file without a name. When all is written, and not before, it takes the place
 * of FILE; whatever ends the program earlier, FILE is what it was, and nothing is left beside it. What is no regular
 * file (a device, a FIFO) cannot be replaced and is written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aio_cat.h"

#define NAME_TRY_NR 100 /* temporary names that are tried */
#define LINK_NR_MAX 40  /* links that are followed, as in the kernel */

static char *directory_of(const char *path)
{
	char *copy = strdup(path), *directory = copy ? strdup(dirname(copy)) : NULL;

	free(copy);
	return directory;
}

/* A name beside the file's that nobody is likely to have. */
static char *name_beside(const char *path, unsigned i)
{
	char *copy = strdup(path), *directory = directory_of(path), *name = NULL;

	if (copy && directory && asprintf(&name, "%s/.%s.%ld.%u", directory, basename(copy), (long)getpid(), i) < 0)
		name = NULL;
	free(copy);
	free(directory);
	return name;
}

/* Where unnamed files are not to be had: one with a name, which a kill would leave behind. */
static int open_named(struct output *output)
{
	int fd = -1;

	for (unsigned i = 0; i < NAME_TRY_NR; i++) {
		output->temporary = name_beside(output->path, i);
		if (!output->temporary)
			return -ENOMEM;
		fd = open(output->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			break;
		free(output->temporary);
		output->temporary = NULL;
	}
	return fd < 0 ? -errno : fd;
}

static int open_new(struct output *output)
{
	char *directory = directory_of(output->path);
	int fd = directory ? open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666) : -1;

	free(directory);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		return open_named(output);
	return fd < 0 ? -errno : fd;
}

/* The new file is as accessible as the one that it will replace. */
static int open_over(struct output *output, const struct stat *old)
{
	int fd = open_new(output);

	if (fd < 0)
		return fd;
	if (fchown(fd, old->st_uid, old->st_gid) < 0 && errno != EPERM)
		return -errno;
	return fchmod(fd, old->st_mode & 07777) < 0 ? -errno : fd;
}

/* Where a link leads, from the directory in which it lies. */
static char *link_target(const char *path)
{
	char target[PATH_MAX], *directory, *result = NULL;
	ssize_t size = readlink(path, target, sizeof(target) - 1);

	if (size < 0)
		return NULL;
	target[size] = '\0';
	if (target[0] == '/')
		return strdup(target);
	directory = directory_of(path);
	if (directory && asprintf(&result, "%s/%s", directory, target) < 0)
		result = NULL;
	free(directory);
	return result;
}

/* The file's own path: a link is followed, and what it leads to is replaced, or made. */
static char *path_resolve(const char *name)
{
	char *path = realpath(name, NULL), *next;

	if (path || errno != ENOENT)
		return path;
	path = strdup(name);
	for (int i = 0; path && i < LINK_NR_MAX && (next = link_target(path)) != NULL; i++) {
		free(path);
		path = next;
	}
	return path;
}

/* Standard output may have been closed: then it is the very number that the file has got. */
static int become_stdout(int fd)
{
	if (fd == STDOUT_FILENO)
		return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
	if (dup2(fd, STDOUT_FILENO) < 0)
		return -errno;
	close(fd);
	return 0;
}

int output_open(struct output *output, const struct options *options)
{
	struct stat old;
	int fd;

	if (!options->output_name)
		return 0;
	output->sync = options->output_sync;
	output->path = path_resolve(options->output_name);
	if (!output->path)
		return -errno;
	if (stat(output->path, &old) < 0) {
		fd = open_new(output);
		output->is_new = true;
	} else if (S_ISREG(old.st_mode)) {
		fd = open_over(output, &old);
		output->is_new = true;
	} else {
		fd = open(output->path, O_WRONLY | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	return fd < 0 ? fd : become_stdout(fd);
}

/* Give the file a name beside the one that it will have. */
static int output_name(struct output *output)
{
	int result = 0;

	for (unsigned i = 0; i < NAME_TRY_NR && !output->temporary; i++) {
		output->temporary = name_beside(output->path, i);
		if (!output->temporary)
			return -ENOMEM;
		result = linkat(AT_FDCWD, "/proc/self/fd/1", AT_FDCWD, output->temporary, AT_SYMLINK_FOLLOW) < 0
				 ? -errno
				 : 0;
		if (result == 0)
			return 0;
		free(output->temporary);
		output->temporary = NULL;
		if (result != -EEXIST)
			return result;
	}
	return result;
}

static int directory_sync(const char *path)
{
	char *directory = directory_of(path);
	int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, result = 0;

	free(directory);
	if (fd < 0 || fsync(fd) < 0)
		result = -errno;
	if (fd >= 0)
		close(fd);
	return result;
}

/* Some file systems tell only by close(2) that bytes did not arrive; that of a duplicate says so, too, and in time. If
 * there is no descriptor for it, fsync(2) does. */
static int output_flush(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return fsync(STDOUT_FILENO) < 0 ? -errno : 0;
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static int output_replace(struct output *output)
{
	int result = output->sync && fsync(STDOUT_FILENO) < 0 ? -errno : 0;

	if (result == 0)
		result = output_flush();
	if (result == 0)
		result = output_name(output);
	if (result == 0 && rename(output->temporary, output->path) < 0)
		result = -errno;
	if (result < 0)
		return result;
	free(output->temporary);
	output->temporary = NULL;
	return output->sync ? directory_sync(output->path) : 0;
}

int output_close(struct output *output, bool is_complete)
{
	int result = 0;

	if (output->is_new && is_complete)
		result = output_replace(output);
	else if (output->path && output->sync && is_complete && fsync(STDOUT_FILENO) < 0 && errno != EINVAL)
		result = -errno;
	if (output->temporary)
		unlink(output->temporary);
	free(output->temporary);
	free(output->path);
	*output = (struct output){0};
	return result;
}
