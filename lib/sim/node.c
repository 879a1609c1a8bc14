/* SPDX-License-Identifier: MIT */
/* Open files of plain files, directories and devices, and what is done to a file as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <string.h>

#include "exec_int.h"
#include "sim_model_int.h"
#include "sim_node_int.h"

/* ---- what open files do */

static int64_t *position(struct aion__sim_file *file, int64_t *off)
{
	return *off < 0 ? &file->pos : off;
}

static int64_t regular_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off)
{
	struct aion__sim_node *node = file->node;
	int64_t *at = position(file, &off);

	if (*at >= node->size)
		return 0;
	if ((uint64_t)(node->size - *at) < size)
		size = (size_t)(node->size - *at);
	aion__sim_data_read(&node->data, *at, to, size);
	/* As file systems are mounted: once after each change. */
	if (node->atime_ns <= node->mtime_ns)
		node->atime_ns = sim->now_ns;
	*at += (int64_t)size;
	return (int64_t)size;
}

static int64_t regular_write(struct aion_sim *sim, struct aion__sim_file *file, const void *from, size_t size,
			     int64_t off)
{
	struct aion__sim_node *node = file->node;
	int64_t *at = position(file, &off);
	size_t done;

	if (*at >= AION__SIM_FILE_SIZE_MAX)
		return -EFBIG;
	if ((uint64_t)(AION__SIM_FILE_SIZE_MAX - *at) < size)
		size = (size_t)(AION__SIM_FILE_SIZE_MAX - *at);
	done = aion__sim_data_write(sim, &node->data, *at, from, size);
	if (!done && size)
		return -ENOSPC;
	*at += (int64_t)done;
	if (*at > node->size)
		node->size = *at;
	aion__sim_node_changed(sim, node);
	return (int64_t)done;
}

static unsigned always_ready(struct aion_sim *sim, const struct aion__sim_file *file)
{
	(void)sim, (void)file;
	return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

static void node_release(struct aion_sim *sim, struct aion__sim_file *file)
{
	aion__sim_node_unref(sim, file->node);
}

static int64_t directory_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off)
{
	(void)sim, (void)file, (void)to, (void)size, (void)off;
	return -EISDIR;
}

static int64_t directory_write(struct aion_sim *sim, struct aion__sim_file *file, const void *from, size_t size,
			       int64_t off)
{
	(void)sim, (void)file, (void)from, (void)size, (void)off;
	return -EBADF;
}

static int64_t null_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off)
{
	(void)sim, (void)file, (void)to, (void)size, (void)off;
	return 0;
}

static int64_t zero_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off)
{
	(void)sim, (void)file, (void)off;
	memset(to, 0, size);
	return (int64_t)size;
}

static int64_t device_write(struct aion_sim *sim, struct aion__sim_file *file, const void *from, size_t size,
			    int64_t off)
{
	(void)sim, (void)file, (void)from, (void)off;
	return (int64_t)size;
}

static int64_t path_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off)
{
	(void)sim, (void)file, (void)to, (void)size, (void)off;
	return -EBADF;
}

static unsigned path_poll(struct aion_sim *sim, const struct aion__sim_file *file)
{
	(void)sim, (void)file;
	return POLLNVAL;
}

const struct aion__sim_file_ops aion__sim_regular_ops = {
	.name = "file",
	.is_disk = true,
	.is_seekable = true,
	.read = regular_read,
	.write = regular_write,
	.poll = always_ready,
	.release = node_release,
};

const struct aion__sim_file_ops aion__sim_directory_ops = {
	.name = "directory",
	.is_disk = true,
	.is_seekable = true,
	.read = directory_read,
	.write = directory_write,
	.poll = always_ready,
	.release = node_release,
};

const struct aion__sim_file_ops aion__sim_null_ops = {
	.name = "null",
	.read = null_read,
	.write = device_write,
	.poll = always_ready,
	.release = node_release,
};

const struct aion__sim_file_ops aion__sim_zero_ops = {
	.name = "zero",
	.read = zero_read,
	.write = device_write,
	.poll = always_ready,
	.release = node_release,
};

/* With O_PATH: a place, nothing that could be read. */
const struct aion__sim_file_ops aion__sim_path_ops = {
	.name = "path",
	.read = path_read,
	.write = directory_write,
	.poll = path_poll,
	.release = node_release,
};

/* ---- on the way to the device, which is never reached */

/* A file that can be flushed: what is in a file system's blocks. */
static bool has_blocks(const struct aion__sim_file *file)
{
	return file->ops == &aion__sim_regular_ops || file->ops == &aion__sim_directory_ops;
}

int64_t aion__sim_fsync(struct aion_sim *sim, struct aion__sim_request *request)
{
	(void)sim;
	if (request->file->flags & O_PATH)
		return -EBADF;
	if (request->sqe.fsync_flags & ~IORING_FSYNC_DATASYNC)
		return -EINVAL;
	return has_blocks(request->file) ? 0 : -EINVAL;
}

/* A length that 32 bits do not hold stands in addr: see op_file.c. */
static int64_t length_of(const struct io_uring_sqe *sqe)
{
	return (int64_t)(sqe->addr ? sqe->addr : sqe->len);
}

int64_t aion__sim_sync_file_range(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	int64_t off = (int64_t)sqe->off;
	int64_t end;

	(void)sim;
	if (request->file->flags & O_PATH)
		return -EBADF;
	if (sqe->sync_range_flags & ~all)
		return -EINVAL;
	if (off < 0 || length_of(sqe) < 0 || __builtin_add_overflow(off, length_of(sqe), &end))
		return -EINVAL;
	return has_blocks(request->file) ? 0 : -ESPIPE;
}

int64_t aion__sim_fadvise(struct aion_sim *sim, struct aion__sim_request *request)
{
	(void)sim;
	if (request->file->flags & O_PATH)
		return -EBADF;
	if (request->file->pipe)
		return -ESPIPE;
	if (length_of(&request->sqe) < 0 || request->sqe.fadvise_advice > POSIX_FADV_NOREUSE)
		return -EINVAL;
	return 0;
}

/* Of the process's own memory, so the process's kernel can be asked. */
int64_t aion__sim_madvise(struct aion_sim *sim, struct aion__sim_request *request)
{
	(void)sim;
	return aion__exec_blocking(&request->sqe);
}

/* ---- size and space */

void aion__sim_node_truncate(struct aion_sim *sim, struct aion__sim_node *node, int64_t size)
{
	aion__sim_data_punch(sim, &node->data, size, AION__SIM_FILE_SIZE_MAX);
	node->size = size;
	aion__sim_node_changed(sim, node);
}

static bool is_writable(const struct aion__sim_file *file)
{
	int mode = file->flags & O_ACCMODE;

	return mode == O_WRONLY || mode == O_RDWR;
}

int64_t aion__sim_ftruncate(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_file *file = request->file;
	int64_t size = (int64_t)request->sqe.off;

	if (file->flags & O_PATH)
		return -EBADF;
	if (size < 0 || !aion__sim_file_is_plain(file) || !is_writable(file))
		return -EINVAL;
	if (size > AION__SIM_FILE_SIZE_MAX)
		return -EFBIG;
	aion__sim_node_truncate(sim, file->node, size);
	return 0;
}

/* What the kernel says before it looks at the file. */
static int fallocate_mode_check(unsigned mode)
{
	switch (mode) {
	case 0:
	case FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int fallocate_file_check(const struct aion__sim_file *file)
{
	if (!is_writable(file))
		return -EBADF;
	if (file->pipe)
		return -ESPIPE;
	return aion__sim_file_is_plain(file) ? 0 : -ENODEV;
}

int64_t aion__sim_fallocate(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	struct aion__sim_node *node = request->file->node;
	int64_t off = (int64_t)sqe->off, end;
	int error;

	if (request->file->flags & O_PATH)
		return -EBADF;
	if (off < 0 || (int64_t)sqe->addr <= 0)
		return -EINVAL;
	error = fallocate_mode_check(sqe->len);
	if (!error)
		error = fallocate_file_check(request->file);
	if (error)
		return error;
	if (__builtin_add_overflow(off, (int64_t)sqe->addr, &end) || end > AION__SIM_FILE_SIZE_MAX)
		return -EFBIG;
	if (!(sqe->len & FALLOC_FL_PUNCH_HOLE))
		error = aion__sim_data_reserve(sim, &node->data, off, end);
	/* What has no room keeps what it holds; what was given back with that is there to be had again. */
	if (!error && sqe->len & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		aion__sim_data_punch(sim, &node->data, off, end);
	if (!error && sqe->len & FALLOC_FL_ZERO_RANGE)
		error = aion__sim_data_reserve(sim, &node->data, off, end);
	if (!error && !(sqe->len & FALLOC_FL_KEEP_SIZE) && end > node->size)
		node->size = end;
	aion__sim_node_changed(sim, node);
	return error;
}
