/* SPDX-License-Identifier: MIT */
/* Sources: opened, told what they are, closed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <aion/dir.h>
#include <aion/task.h>

#include "assert_int.h"
#include "chunk_int.h"

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80
#endif

struct file_info {
	mode_t mode;
	int64_t size;
};

/* Descriptors that only the loop's ring knows are asked for there. */
static AION_SUSPENDS int64_t file_stat(int fd, struct file_info *ret_info)
{
	int saved = errno;
	struct stat status;
	struct statx statx;
	int64_t result = fstat(fd, &status) < 0 ? -errno : 0;

	errno = saved;
	if (result == 0)
		*ret_info = (struct file_info){status.st_mode, status.st_size};
	if (result != -EBADF || !aion_task_current())
		return result;
	result = aion_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &statx);
	if (result == 0)
		*ret_info = (struct file_info){statx.stx_mode, (int64_t)statx.stx_size};
	return result;
}

static int64_t file_seek(int fd, int64_t off, int whence)
{
	int saved = errno;
	int64_t result = lseek(fd, off, whence);

	if (result < 0)
		result = -errno;
	errno = saved;
	return result;
}

/* The descriptor whose position is meant; the one that is read from may be another. */
static int position_fd(const struct aion__chunk_file *file)
{
	return file->source->path ? file->fd : file->source->fd;
}

/* A block device says its size only to who goes to its end, and a descriptor's position is its owner's. */
static int64_t device_size(int fd)
{
	int64_t position = file_seek(fd, 0, SEEK_CUR), size = file_seek(fd, 0, SEEK_END);

	if (position < 0 || size < 0)
		return 0;
	file_seek(fd, position, SEEK_SET);
	return size;
}

/* What has no positions is counted from where reading begins. */
static int64_t file_set_stream(struct aion__chunk_file *file)
{
	const struct aion_source *source = file->source;

	if (source->off > 0 || file->is_resumed)
		return -EINVAL;
	file->is_positioned = file->is_direct = false;
	file->begin_off = file->data_off = 0;
	file->end_off = source->size ? source->size : INT64_MAX;
	file->hint_off = 0;
	return 0;
}

static int64_t file_set_range(const struct aion__chunk_run *run, struct aion__chunk_file *file)
{
	const struct aion_source *source = file->source;
	int64_t off = source->off;

	file->is_resumed = file->source_idx == run->options.resume_source_idx && run->options.resume_off > 0;
	if (!file->is_positioned)
		return file_set_stream(file);
	if (off < 0) {
		off = file_seek(position_fd(file), 0, SEEK_CUR);
		if (off == -EBADF) /* a position that only the ring knows */
			return file_set_stream(file);
		file->moves_position = true;
	}
	file->end_off = source->size && source->size < INT64_MAX - off ? off + source->size : INT64_MAX;
	file->is_resumed = file->is_resumed && run->options.resume_off > off;
	if (file->is_resumed)
		off = run->options.resume_off - run->options.records;
	file->data_off = off;
	file->begin_off = file->is_direct ? off - off % (int64_t)AION__CHUNK_BLOCK : off;
	return 0;
}

static int64_t file_set_kind(const struct aion__chunk_run *run, struct aion__chunk_file *file,
			     const struct file_info *info)
{
	if (S_ISDIR(info->mode))
		return -EISDIR;
	file->is_regular = S_ISREG(info->mode);
	file->is_positioned = file->is_regular || S_ISBLK(info->mode);
	file->hint_off = file->is_regular ? info->size : S_ISBLK(info->mode) ? device_size(file->fd) : 0;
	file->is_direct = run->options.direct && file->is_positioned;
	file->rw_flags = run->options.dontcache && file->is_positioned ? RWF_DONTCACHE : 0;
	return file_set_range(run, file);
}

static int file_flags(const struct aion__chunk_run *run)
{
	return O_RDONLY | O_CLOEXEC | (run->options.direct ? O_DIRECT : 0);
}

static void file_begin(struct aion__chunk_run *run, size_t source_idx, struct aion__chunk_file *file)
{
	AION_ASSERT(source_idx < run->nr);
	*file = (struct aion__chunk_file){.source = &run->sources[source_idx], .source_idx = source_idx};
	file->fd = file->source->path ? -1 : file->source->fd;
}

/* The name under which a descriptor can be opened anew: flags are the open file's, not the caller's to change. */
static void file_own_name(int fd, char name[32])
{
	snprintf(name, 32, "/proc/self/fd/%d", fd);
}

/* The path that is to be opened for this source; NULL: none. */
static const char *file_path(const struct aion__chunk_run *run, const struct aion__chunk_file *file,
			     const struct file_info *info, char own_name[32])
{
	if (file->source->path)
		return file->source->path;
	if (!run->options.direct || !(S_ISREG(info->mode) || S_ISBLK(info->mode)))
		return NULL;
	file_own_name(file->fd, own_name);
	return own_name;
}

int64_t aion__chunk_open(struct aion__chunk_run *run, size_t source_idx, struct aion__chunk_file *ret_file)
{
	struct aion__chunk_file *file = ret_file;
	struct file_info info = {0};
	int64_t result = 0;
	const char *path;
	char own_name[32];

	file_begin(run, source_idx, file);
	if (!file->source->path)
		result = file_stat(file->fd, &info);
	path = file_path(run, file, &info, own_name);
	if (result >= 0 && path) {
		result = aion_openat(AT_FDCWD, path, file_flags(run), 0);
		if (result >= 0) {
			file->fd = (int)result;
			file->is_own = true;
			result = file_stat(file->fd, &info);
		}
	}
	if (result >= 0)
		result = file_set_kind(run, file, &info);
	if (result >= 0)
		return 0;
	if (file->is_own)
		aion_close(file->fd);
	return aion__chunk_fail(run, source_idx, 0, result, "open");
}

void aion__chunk_close(struct aion__chunk_file *file, int64_t seen_off)
{
	if (file->moves_position)
		file_seek(position_fd(file), seen_off, SEEK_SET);
	if (file->is_own)
		aion_close(file->fd);
}

static int64_t open_blocking(const char *path, int flags)
{
	struct stat status;
	int fd;

	/* Opening a pipe would wait for its writer, and closing it again would end him. */
	if (stat(path, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode) && !S_ISDIR(status.st_mode))
		return -EAGAIN;
	fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

int64_t aion__chunk_open_blocking(struct aion__chunk_run *run, size_t source_idx, struct aion__chunk_file *ret_file)
{
	struct aion__chunk_file *file = ret_file;
	struct file_info info = {0};
	int64_t result = 0;
	const char *path;
	char own_name[32];

	file_begin(run, source_idx, file);
	if (!file->source->path)
		result = file_stat(file->fd, &info);
	path = file_path(run, file, &info, own_name);
	if (result >= 0 && path) {
		result = open_blocking(path, file_flags(run));
		if (result >= 0) {
			file->fd = (int)result;
			file->is_own = true;
			result = file_stat(file->fd, &info);
		}
	} else if (result == -EBADF && !file->is_own)
		result = -EAGAIN; /* the loop may know it */
	if (result >= 0 && !S_ISREG(info.mode) && !S_ISBLK(info.mode) && !S_ISDIR(info.mode))
		result = -EAGAIN;
	if (result >= 0)
		result = file_set_kind(run, file, &info);
	if (result < 0 && file->is_own)
		close(file->fd);
	return result;
}

void aion__chunk_close_blocking(struct aion__chunk_file *file, int64_t seen_off)
{
	if (file->moves_position)
		file_seek(position_fd(file), seen_off < file->end_off ? seen_off : file->end_off, SEEK_SET);
	if (file->is_own)
		close(file->fd);
}

int64_t aion__chunk_size_now(const struct aion__chunk_file *file)
{
	struct file_info info = {.size = INT64_MAX};
	int64_t result = file->is_regular ? file_stat(file->fd, &info) : 0;

	return result < 0 ? result : info.size;
}

/* A descriptor with direct reads is always one that was opened here. */
bool aion__chunk_end_direct(const struct aion__chunk_file *file)
{
	int saved = errno, flags = fcntl(file->fd, F_GETFL);
	bool has_ended = flags >= 0 && fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) == 0;

	AION_ASSERT(file->is_own);
	errno = saved;
	return has_ended;
}

uint64_t aion__chunk_size_of(const struct aion_source *source)
{
	int64_t begin = source->off > 0 ? source->off : 0, size = 0;
	struct file_info info;
	struct statx statx;

	if (source->path) {
		if (aion_statx(AT_FDCWD, source->path, 0, STATX_TYPE | STATX_SIZE, &statx) == 0 &&
		    S_ISREG(statx.stx_mode))
			size = (int64_t)statx.stx_size;
	} else if (file_stat(source->fd, &info) == 0 && S_ISREG(info.mode)) {
		size = info.size;
		if (source->off < 0)
			begin = file_seek(source->fd, 0, SEEK_CUR);
	}
	size = begin >= 0 && size > begin ? size - begin : 0;
	return (uint64_t)(source->size && source->size < size ? source->size : size);
}
