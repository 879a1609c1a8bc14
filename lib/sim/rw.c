/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing, of whatever is open. How much of what is there a pipe or socket moves is its own business; here
 * plain files are cut.
 *
 * As in io_uring O_NONBLOCK means nothing to those who can wait: only RWF_NOWAIT does. A short write takes the file's
 * position along; Linux 6.18 leaves it behind, and position.c, which sees to that, cannot reach this machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "sim_buffer_int.h"
#include "sim_model_int.h"
#include "sim_node_int.h"
#include "sim_pipe_int.h"
#include "sim_socket_int.h"

#define MOVE_MAX ((size_t)0x7ffff000)  /* bytes that one call moves at most */
#define CHUNK_SIZE ((size_t)256 << 10) /* that go from the program into a plain file at once */
#define SECTOR_SIZE 512                /* what O_DIRECT counts in */
#define RWF_LATER_NOAPPEND 0x20        /* Linux 6.9 */
#define RWF_LATER_ATOMIC 0x40          /* Linux 6.11 */
#define RWF_LATER_DONTCACHE 0x80       /* Linux 6.14 */
#define RWF_LATER_NOSIGNAL 0x100       /* Linux 6.18 */
#define RWF_ALL                                                                                                        \
	(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_LATER_NOAPPEND | RWF_LATER_DONTCACHE |       \
	 RWF_LATER_NOSIGNAL)

static bool is_direct(const struct aion__sim_file *file)
{
	return aion__sim_file_is_plain(file) && file->flags & O_DIRECT;
}

static bool is_stream(const struct aion__sim_file *file)
{
	return file->pipe || file->socket;
}

/* ---- what is wrong with it */

static int flags_check(const struct aion__sim_file *file, unsigned flags)
{
	if (flags & ~(unsigned)RWF_ALL)
		return -EOPNOTSUPP;
	if (flags & RWF_NOWAIT && file->ops == &aion__sim_directory_ops)
		return -EOPNOTSUPP;
	if (flags & RWF_LATER_DONTCACHE && !aion__sim_file_is_plain(file))
		return -EOPNOTSUPP;
	return flags & RWF_HIPRI ? -EINVAL : 0;
}

/* A try is a plain system call, which looks at the offset first and knows none of streams. */
static int try_check(const struct aion__sim_request *request)
{
	int64_t off = (int64_t)request->sqe.off;

	if (request->nr || off == -1)
		return 0;
	if (off < 0)
		return -EINVAL;
	return is_stream(request->file) ? -ESPIPE : 0;
}

/* off: -1 is the current position. */
static int off_check(const struct aion__sim_file *file, int64_t off, size_t size)
{
	int64_t at = off == -1 ? file->pos : off, end;

	if (off == -1 && is_stream(file))
		return 0;
	if (at < 0 || __builtin_add_overflow(at, (int64_t)size, &end))
		return -EINVAL;
	return off && file->socket ? -ESPIPE : 0;
}

static bool may(const struct aion__sim_file *file, int mode)
{
	int has = file->flags & O_ACCMODE;

	return !(file->flags & O_PATH) && (has == mode || has == O_RDWR);
}

/* A registered buffer has to be one. */
static int fixed_check(const struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	if (sqe->opcode != IORING_OP_READ_FIXED && sqe->opcode != IORING_OP_WRITE_FIXED)
		return 0;
	return aion__sim_buffer_fixed(sim, sqe->buf_index, (const void *)(uintptr_t)sqe->addr, sqe->len);
}

/* mode: O_RDONLY, O_WRONLY. */
static int rw_check(const struct aion_sim *sim, const struct aion__sim_request *request, int mode, size_t size)
{
	const struct aion__sim_file *file = request->file;
	int64_t off = (int64_t)request->sqe.off;
	int error = try_check(request);

	if (error)
		return error;
	if (!may(file, mode))
		return -EBADF;
	error = fixed_check(sim, &request->sqe);
	if (!error)
		error = flags_check(file, (unsigned)request->sqe.rw_flags);
	if (!error)
		error = off_check(file, off, size);
	if (!error && is_direct(file) && ((off == -1 ? file->pos : off) % SECTOR_SIZE || size % SECTOR_SIZE))
		error = -EINVAL;
	return error;
}

static size_t size_of(const struct aion__sim_request *request)
{
	size_t size = aion__sim_memory_size(request);

	return size < MOVE_MAX ? size : MOVE_MAX;
}

/* A part of it, if the knob strikes. */
static size_t cut(struct aion_sim *sim, const struct aion__sim_file *file, enum aion_sim_knob knob, size_t size)
{
	size_t unit = is_direct(file) ? SECTOR_SIZE : 1;
	size_t nr = (size + unit - 1) / unit;

	if (nr < 2 || !aion__sim_strikes(sim, knob))
		return size;
	return unit * (1 + aion__sim_draw_below(sim, nr - 1));
}

/* What waiting comes to for those who will not wait. */
static int64_t unless_nowait(const struct aion__sim_request *request, int64_t result)
{
	return result == AION__SIM_LATER && request->sqe.rw_flags & RWF_NOWAIT ? -EAGAIN : result;
}

/* Whether a plain file has at hand what is asked for; one that is only tried has been found to have it. */
static bool is_at_hand(struct aion_sim *sim, const struct aion__sim_request *request)
{
	return !(request->sqe.rw_flags & RWF_NOWAIT) || !request->nr || aion__sim_strikes(sim, AION_SIM_TRY);
}

/* ---- reading */

/* Of what a pipe or socket is asked for, as much as can come of it: one that is empty is asked, too. */
static size_t stream_read_size(const struct aion__sim_file *file, size_t size)
{
	size_t there = file->pipe ? file->pipe->bytes.size : file->socket->bytes.size;

	return there < size ? there + !there : size;
}

/* Of what it is given, more than it takes at once, so that it sees a datagram that is too large. */
static size_t stream_write_size(const struct aion__sim_file *file, size_t size)
{
	size_t most = file->pipe ? file->pipe->size_max : file->socket->size_max;

	return most < size ? most + 1 : size;
}

/* How much of `size` is to be had. */
static size_t read_size(struct aion_sim *sim, const struct aion__sim_file *file, int64_t off, size_t size)
{
	int64_t at = off == -1 ? file->pos : off;

	if (is_stream(file))
		return stream_read_size(file, size);
	if (!aion__sim_file_is_plain(file))
		return size;
	if (at >= file->node->size)
		return 0;
	if ((uint64_t)(file->node->size - at) < size)
		size = (size_t)(file->node->size - at);
	return cut(sim, file, AION_SIM_SHORT_READ, size);
}

/* Into a buffer that the machine picks, which has to be there before there is anything to read. */
static int64_t read_select(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_file *file = request->file;
	int64_t off = (int64_t)request->sqe.off;
	int64_t room = aion__sim_buffer_room(sim, request), result;
	size_t size;
	char *bounce;
	int error;

	if (room < 0)
		return room;
	error = rw_check(sim, request, O_RDONLY, (size_t)room);
	if (error)
		return error;
	if (!room)
		return 0;
	size = read_size(sim, file, off, (size_t)room);
	bounce = aion__sim_bounce(sim, size);
	result = file->ops->read(sim, file, bounce, size, off);
	if (result < 0)
		return unless_nowait(request, result);
	error = aion__sim_buffer_fill(sim, request, bounce, (size_t)result);
	return error ? error : result;
}

int64_t aion__sim_read(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_file *file = request->file;
	int64_t off = (int64_t)request->sqe.off;
	size_t size;
	int error;

	if (request->sqe.flags & IOSQE_BUFFER_SELECT)
		return read_select(sim, request);
	size = size_of(request);
	error = rw_check(sim, request, O_RDONLY, size);
	if (error || !size)
		return error;
	if (aion__sim_file_is_plain(file) && !is_at_hand(sim, request))
		return -EAGAIN;
	size = read_size(sim, file, off, size);
	if (!size)
		return 0;
	return unless_nowait(request, file->ops->read(sim, file, aion__sim_stage(request, size), size, off));
}

/* ---- writing */

static bool appends(const struct aion__sim_request *request)
{
	unsigned flags = (unsigned)request->sqe.rw_flags;

	return (request->file->flags & O_APPEND && !(flags & RWF_LATER_NOAPPEND)) || flags & RWF_APPEND;
}

/* Piece by piece, until all is written or the disk is full. */
static int64_t write_plain(struct aion_sim *sim, struct aion__sim_request *request, size_t size)
{
	struct aion__sim_file *file = request->file;
	int64_t at = (int64_t)request->sqe.off;
	int64_t result = 0;
	size_t done = 0;

	if (!is_at_hand(sim, request))
		return -EAGAIN;
	if (at == -1)
		at = file->pos;
	if (appends(request))
		at = file->node->size;
	size = cut(sim, file, AION_SIM_SHORT_WRITE, size);
	while (done < size) {
		size_t part = size - done < CHUNK_SIZE ? size - done : CHUNK_SIZE;
		char *bounce = aion__sim_bounce(sim, part);

		aion__sim_memory_read(request, done, bounce, part);
		result = file->ops->write(sim, file, bounce, part, at + (int64_t)done);
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	if (request->sqe.off == UINT64_C(-1))
		file->pos = at + (int64_t)done;
	return done ? (int64_t)done : result;
}

int64_t aion__sim_write(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_file *file = request->file;
	size_t size = size_of(request);
	int error = rw_check(sim, request, O_WRONLY, size);
	char *bounce;

	if (error)
		return error;
	/* An empty datagram is one. */
	if (!size && !file->socket)
		return 0;
	if (aion__sim_file_is_plain(file))
		return write_plain(sim, request, size);
	if (is_stream(file))
		size = stream_write_size(file, size);
	bounce = aion__sim_bounce(sim, size);
	aion__sim_memory_read(request, 0, bounce, size);
	return unless_nowait(request, file->ops->write(sim, file, bounce, size, (int64_t)request->sqe.off));
}
