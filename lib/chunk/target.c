/* SPDX-License-Identifier: MIT */
/*
 * Where a transform's output goes. A file that is replaced is a new one without a name (O_TMPFILE), or where there is
 * no such thing one with a name of its own, beside the old one; it gets its final name when all is written, and not
 * before. Paths are prepared by offloaded plain system calls; what may wait for somebody (a named pipe) is opened by
 * the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <aion/dir.h>
#include <aion/offload.h>
#include <aion/scope.h>

#include "assert_int.h"
#include "fault_int.h"
#include "transform_int.h"

#define MODE_DEFAULT 0666
#define NAME_TRY_NR 100 /* temporary names that are tried */

/* ---- on a worker */

static mode_t target_mode(const struct aion__target *target)
{
	return target->spec->mode ? target->spec->mode & 07777 : MODE_DEFAULT;
}

/* A name beside the file's that nobody is likely to have. */
static int name_temporary(struct aion__target *target)
{
	static atomic_uint count;
	int size = snprintf(target->temporary, sizeof(target->temporary), "%s/.aion.%ld.%u", target->directory,
			    (long)getpid(), atomic_fetch_add(&count, 1));

	return size < (int)sizeof(target->temporary) ? 0 : -ENAMETOOLONG;
}

static int open_named(struct aion__target *target)
{
	int fd = -EEXIST, i;

	for (i = 0; i < NAME_TRY_NR && fd == -EEXIST; i++) {
		fd = name_temporary(target);
		if (fd < 0)
			break;
		fd = open(target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, target_mode(target));
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		target->temporary[0] = '\0';
	return fd;
}

static int open_new(struct aion__target *target)
{
	int fd = aion__fault_hit(AION__FAULT_TMPFILE);

	if (!fd)
		fd = open(target->directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, target_mode(target));
	if (fd == -1)
		fd = -errno;
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -EINVAL)
		return open_named(target);
	return fd;
}

/* The path without links, and the directory. What does not exist yet is taken as it is called. */
static int find_path(struct aion__target *target)
{
	const char *path = target->spec->path, *slash;

	if (!realpath(path, target->path)) {
		if (errno != ENOENT)
			return -errno;
		if (strlen(path) >= sizeof(target->path))
			return -ENAMETOOLONG;
		strcpy(target->path, path);
	}
	slash = strrchr(target->path, '/');
	if (!slash)
		strcpy(target->directory, ".");
	else
		snprintf(target->directory, sizeof(target->directory), "%.*s",
			 slash == target->path ? 1 : (int)(slash - target->path), target->path);
	return 0;
}

/* The new file is as accessible as the one that it will replace. 0: there is none that could be replaced. */
static int64_t prepare(struct aion__target *target)
{
	int result = find_path(target);
	struct stat old;
	bool has_old;

	if (result < 0)
		return result;
	has_old = stat(target->path, &old) == 0;
	if (has_old && !S_ISREG(old.st_mode))
		return 0;
	target->fd = open_new(target);
	if (target->fd < 0)
		return target->fd;
	target->is_own = target->is_new = true;
	if (!has_old)
		return 1;
	if (fchown(target->fd, old.st_uid, old.st_gid) < 0 && errno != EPERM)
		return -errno;
	return fchmod(target->fd, old.st_mode & 07777) < 0 ? -errno : 1;
}

static int64_t prepare_call(void *arg)
{
	int saved = errno;
	int64_t result = prepare(arg);

	errno = saved;
	return result;
}

/* Gives the file a name beside the one that it will have. */
static int link_temporary(struct aion__target *target)
{
	int result = -EEXIST, i;
	char own_name[32];

	snprintf(own_name, sizeof(own_name), "/proc/self/fd/%d", target->fd);
	for (i = 0; i < NAME_TRY_NR && result == -EEXIST; i++) {
		result = name_temporary(target);
		if (result < 0)
			break;
		if (linkat(AT_FDCWD, own_name, AT_FDCWD, target->temporary, AT_SYMLINK_FOLLOW) < 0)
			result = -errno;
	}
	if (result < 0)
		target->temporary[0] = '\0';
	return result;
}

/* Some file systems tell only by close(2) that bytes did not arrive; that of a duplicate says so, too, and in time.
 * Without a descriptor for that one, fsync(2) does, which takes longer. */
static int flush(const struct aion__target *target)
{
	int fd = fcntl(target->fd, F_DUPFD_CLOEXEC, 0), result;

	if (fd < 0)
		return fsync(target->fd) < 0 ? -errno : 0;
	result = close(fd) < 0 && errno != EINTR ? -errno : 0;
	return result < 0 ? result : aion__fault_hit(AION__FAULT_CLOSE);
}

static int64_t replace_call(void *arg)
{
	struct aion__target *target = arg;
	int saved = errno, result = flush(target);

	if (result == 0 && !target->temporary[0])
		result = link_temporary(target);
	if (result == 0 && rename(target->temporary, target->path) < 0)
		result = -errno;
	if (result == 0) {
		target->temporary[0] = '\0';
		target->is_done = true;
	}
	errno = saved;
	return result;
}

/* ---- on the loop's thread */

static bool is_same(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

/* What cannot be looked at is not refused here: opening it says why. */
static AION_SUSPENDS bool is_a_source(const struct aion__chunk_run *run, const struct statx *status)
{
	const struct aion_source *source;
	struct statx other;
	int64_t result;

	if (!S_ISREG(status->stx_mode) && !S_ISBLK(status->stx_mode))
		return false;
	for (source = run->sources; source < run->sources + run->nr; source++) {
		result = source->path ? aion_statx(AT_FDCWD, source->path, 0, STATX_INO, &other)
				      : aion_statx(source->fd, "", AT_EMPTY_PATH, STATX_INO, &other);
		if (result == 0 && is_same(status, &other))
			return true;
	}
	return false;
}

static int64_t seek(int fd, int64_t off, int whence)
{
	int saved = errno;
	int64_t result = lseek(fd, off, whence);

	if (result < 0)
		result = -errno;
	errno = saved;
	return result;
}

/* A descriptor of the caller's that always appends has no offsets, nor has one that only the ring knows. */
static void find_position(struct aion__target *target)
{
	int saved = errno, flags = fcntl(target->fd, F_GETFL);

	errno = saved;
	target->begin_off = seek(target->fd, 0, SEEK_CUR);
	if (flags < 0 || flags & O_APPEND || target->begin_off < 0) {
		target->is_regular = false;
		target->begin_off = 0;
	}
}

/* The file is known: what it is, and that it may be written to. */
static AION_SUSPENDS int64_t target_begin(struct aion__target *target, const struct aion__chunk_run *run)
{
	int64_t result, keep_off = target->spec->resume_off;
	struct statx status;

	result = aion_statx(target->fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO | STATX_SIZE, &status);
	if (result < 0)
		return result;
	target->is_regular = S_ISREG(status.stx_mode);
	target->is_pipe = S_ISFIFO(status.stx_mode);
	if (!target->is_new && is_a_source(run, &status))
		return -EINVAL;
	if (!target->spec->path && target->is_regular)
		find_position(target);
	if (!target->spec->path || target->is_new)
		return 0;
	if (keep_off && (!target->is_regular || (uint64_t)keep_off > status.stx_size))
		return -EINVAL;
	return target->is_regular ? aion_ftruncate(target->fd, keep_off) : 0;
}

static bool spec_is_valid(const struct aion_target *spec)
{
	return spec->path ? spec->resume_off >= 0 && !(spec->atomic && spec->resume_off)
			  : !spec->atomic && !spec->resume_off;
}

/* A path is open afterwards, but not yet touched. */
static AION_SUSPENDS int64_t open_path(struct aion__target *target)
{
	int64_t result = 0;

	if (target->spec->atomic)
		result = aion_offload(AION_OFFLOAD_FAST, prepare_call, target);
	if (result != 0)
		return result;
	result = aion_openat(AT_FDCWD, target->spec->path, O_WRONLY | O_CREAT | O_CLOEXEC, target_mode(target));
	if (result < 0)
		return result;
	target->fd = (int)result;
	target->is_own = true;
	return 0;
}

int64_t aion__target_open(struct aion__target *target, const struct aion_target *spec,
			  const struct aion__chunk_run *run)
{
	int64_t result = 0;

	target->spec = spec;
	target->fd = spec->path ? -1 : spec->fd;
	if (!spec_is_valid(spec))
		return -EINVAL;
	target->begin_off = spec->resume_off; /* also if it cannot be opened: a later run may go on from there */
	if (spec->path)
		result = open_path(target);
	if (result >= 0)
		result = target_begin(target, run);
	if (result < 0) /* nothing was written: there is nothing to be cut off */
		target->is_regular = false;
	return result < 0 ? result : 0;
}

int64_t aion__target_allocate(struct aion__target *target, uint64_t size)
{
	int64_t result;

	if (!target->spec->allocate || !target->is_regular || !size || size > INT64_MAX)
		return 0;
	result = aion_fallocate(target->fd, FALLOC_FL_KEEP_SIZE, target->begin_off, (int64_t)size);
	return result == -EOPNOTSUPP ? 0 : result;
}

static AION_SUSPENDS int64_t sync_directory(const struct aion__target *target)
{
	int64_t fd = aion_openat(AT_FDCWD, target->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), result;

	if (fd < 0)
		return fd;
	result = aion_fsync((int)fd);
	aion_close((int)fd);
	return result;
}

static int64_t find_path_call(void *arg)
{
	int saved = errno;
	int64_t result = find_path(arg);

	errno = saved;
	return result;
}

/* The file's name is what it will be; what is asked for now cannot undo that. */
static AION_SUSPENDS int64_t commit_directory(struct aion__target *target)
{
	struct aion_scope shield;
	int64_t result = 0;

	if (!target->spec->sync || !target->spec->path || !target->is_regular)
		return 0;
	aion_scope_enter_shield(&shield, AION_NEVER);
	if (!target->is_new)
		result = aion_offload(AION_OFFLOAD_FAST, find_path_call, target);
	if (result >= 0)
		result = sync_directory(target);
	aion_scope_leave(&shield);
	return result;
}

int64_t aion__target_commit(struct aion__target *target, int64_t end_off)
{
	int64_t result = 0;

	AION_ASSERT(target->fd >= 0 && !target->is_done && end_off >= target->begin_off);
	if (target->is_own && target->is_regular && target->spec->allocate)
		result = aion_ftruncate(target->fd, end_off); /* what was reserved and not needed */
	if (result >= 0 && target->spec->sync) {
		result = aion_fsync(target->fd);
		if (result == -EINVAL && !target->is_regular)
			result = 0;
	}
	if (result >= 0 && target->is_new)
		result = aion_offload(AION_OFFLOAD_FAST, replace_call, target);
	if (result < 0)
		return result;
	target->is_done = true;
	if (!target->spec->path && target->is_regular)
		seek(target->fd, end_off, SEEK_SET);
	return commit_directory(target);
}

int64_t aion__target_close(struct aion__target *target, int64_t keep_off)
{
	struct aion_scope shield;
	int64_t result;

	if (!target->is_own)
		return 0;
	aion_scope_enter_shield(&shield, AION_NEVER);
	if (!target->is_done && target->is_regular && !target->is_new)
		aion_ftruncate(target->fd, keep_off);
	if (target->temporary[0])
		aion_unlinkat(AT_FDCWD, target->temporary, 0);
	result = aion_close(target->fd);
	aion_scope_leave(&shield);
	return target->is_new || result == -EINTR ? 0 : result; /* of a new one it has been looked at before */
}
