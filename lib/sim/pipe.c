/* SPDX-License-Identifier: MIT */
/*
 * Pipes. A write of at most PIPE_BUF bytes goes in as a whole or waits; a larger one goes in as far as there is room.
 * Who waits for room is woken when such a small write fits again: whoever found none then finds some.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "sim_model_int.h"
#include "sim_pipe_int.h"

#define BYTES_ROOM_MIN ((size_t)256)

/* ---- bytes */

static void bytes_grow(struct aion__sim_bytes *bytes, size_t size)
{
	size_t room = bytes->room ? bytes->room : BYTES_ROOM_MIN;
	char *memory;

	while (room < size)
		room *= 2;
	memory = aion__sim_alloc(room);
	aion__sim_bytes_peek(bytes, 0, memory, bytes->size);
	aion__sim_free(bytes->memory);
	bytes->memory = memory;
	bytes->room = room;
	bytes->first = 0;
}

void aion__sim_bytes_put(struct aion__sim_bytes *bytes, const void *from, size_t size)
{
	size_t at, before_end;

	if (!size)
		return;
	if (bytes->size + size > bytes->room)
		bytes_grow(bytes, bytes->size + size);
	at = (bytes->first + bytes->size) & (bytes->room - 1);
	before_end = bytes->room - at < size ? bytes->room - at : size;
	memcpy(bytes->memory + at, from, before_end);
	memcpy(bytes->memory, (const char *)from + before_end, size - before_end);
	bytes->size += size;
}

void aion__sim_bytes_peek(const struct aion__sim_bytes *bytes, size_t off, void *to, size_t size)
{
	size_t at, before_end;

	AION_ASSERT(off + size <= bytes->size);
	if (!size)
		return;
	at = (bytes->first + off) & (bytes->room - 1);
	before_end = bytes->room - at < size ? bytes->room - at : size;
	memcpy(to, bytes->memory + at, before_end);
	memcpy((char *)to + before_end, bytes->memory, size - before_end);
}

void aion__sim_bytes_drop(struct aion__sim_bytes *bytes, size_t size)
{
	AION_ASSERT(size <= bytes->size);
	bytes->size -= size;
	bytes->first = bytes->size ? (bytes->first + size) & (bytes->room - 1) : 0;
}

void aion__sim_bytes_free(struct aion__sim_bytes *bytes)
{
	aion__sim_free(bytes->memory);
	*bytes = (struct aion__sim_bytes){0};
}

size_t aion__sim_shorten(struct aion_sim *sim, enum aion_sim_knob knob, size_t size)
{
	return size > 1 && aion__sim_strikes(sim, knob) ? 1 + aion__sim_draw_below(sim, size - 1) : size;
}

/* ---- a pipe's files */

static bool file_reads(const struct aion__sim_file *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool file_writes(const struct aion__sim_file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

static void wake_readers(struct aion_sim *sim, struct aion__sim_pipe *pipe)
{
	pipe->in_event_nr++;
	for (unsigned i = 0; i < pipe->file_nr; i++)
		if (file_reads(pipe->files[i]))
			aion__sim_file_wake(sim, pipe->files[i]);
}

static void wake_writers(struct aion_sim *sim, struct aion__sim_pipe *pipe)
{
	pipe->out_event_nr++;
	for (unsigned i = 0; i < pipe->file_nr; i++)
		if (file_writes(pipe->files[i]))
			aion__sim_file_wake(sim, pipe->files[i]);
}

struct aion__sim_pipe *aion__sim_pipe_new(struct aion_sim *sim)
{
	struct aion__sim_pipe *pipe = aion__sim_alloc(sizeof(*pipe));

	pipe->size_max = sim->options.pipe_size;
	pipe->ref_nr = 1;
	return pipe;
}

void aion__sim_pipe_unref(struct aion__sim_pipe *pipe)
{
	AION_ASSERT(pipe->ref_nr > 0);
	if (--pipe->ref_nr)
		return;
	AION_ASSERT(!pipe->file_nr);
	aion__sim_bytes_free(&pipe->bytes);
	aion__sim_free(pipe->files);
	aion__sim_free(pipe);
}

void aion__sim_pipe_attach(struct aion_sim *sim, struct aion__sim_pipe *pipe, struct aion__sim_file *file)
{
	AION_ASSERT(!file->pipe);
	if (pipe->file_nr == pipe->file_room) {
		pipe->file_room = pipe->file_room ? 2 * pipe->file_room : 2;
		pipe->files = aion__sim_realloc(pipe->files, pipe->file_room * sizeof(struct aion__sim_file *));
	}
	for (unsigned i = 0; i < pipe->file_nr; i++)
		aion__sim_file_wake(sim, pipe->files[i]);
	pipe->files[pipe->file_nr++] = file;
	pipe->ref_nr++;
	file->pipe = pipe;
	/* One who opens before any writer has come sees no hang-up until one has come and gone. */
	file->pos = pipe->writer_nr ? -1 : (int64_t)pipe->writer_ever_nr;
	if (file_reads(file)) {
		pipe->reader_nr++;
		pipe->reader_ever_nr++;
	}
	if (file_writes(file)) {
		pipe->writer_nr++;
		pipe->writer_ever_nr++;
	}
}

static void pipe_release(struct aion_sim *sim, struct aion__sim_file *file)
{
	struct aion__sim_pipe *pipe = file->pipe;
	unsigned i = 0;

	while (pipe->files[i] != file)
		i++;
	pipe->file_nr--;
	memmove(&pipe->files[i], &pipe->files[i + 1], (pipe->file_nr - i) * sizeof(struct aion__sim_file *));
	if (file_reads(file) && --pipe->reader_nr == 0)
		wake_writers(sim, pipe);
	if (file_writes(file) && --pipe->writer_nr == 0)
		wake_readers(sim, pipe);
	if (!pipe->file_nr)
		aion__sim_bytes_free(&pipe->bytes);
	aion__sim_pipe_unref(pipe);
}

/* ---- reading and writing */

/* What a write moves at once or not at all. */
static size_t whole_max(const struct aion__sim_pipe *pipe)
{
	return pipe->size_max < PIPE_BUF ? pipe->size_max : PIPE_BUF;
}

static bool is_writable(const struct aion__sim_pipe *pipe)
{
	return aion__sim_pipe_free(pipe) >= whole_max(pipe);
}

void aion__sim_pipe_put(struct aion_sim *sim, struct aion__sim_pipe *pipe, const void *from, size_t size)
{
	AION_ASSERT(size <= aion__sim_pipe_free(pipe));
	aion__sim_bytes_put(&pipe->bytes, from, size);
	wake_readers(sim, pipe);
}

void aion__sim_pipe_drop(struct aion_sim *sim, struct aion__sim_pipe *pipe, size_t size)
{
	bool was_writable = is_writable(pipe);

	aion__sim_bytes_drop(&pipe->bytes, size);
	if (!was_writable && is_writable(pipe))
		wake_writers(sim, pipe);
}

static int64_t pipe_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off)
{
	struct aion__sim_pipe *pipe = file->pipe;
	size_t nr = size < pipe->bytes.size ? size : pipe->bytes.size;

	(void)off;
	if (!size)
		return 0;
	if (!nr)
		return pipe->writer_nr ? AION__SIM_LATER : 0;
	nr = aion__sim_shorten(sim, AION_SIM_SHORT_READ, nr);
	aion__sim_bytes_peek(&pipe->bytes, 0, to, nr);
	aion__sim_pipe_drop(sim, pipe, nr);
	return (int64_t)nr;
}

static int64_t pipe_write(struct aion_sim *sim, struct aion__sim_file *file, const void *from, size_t size, int64_t off)
{
	struct aion__sim_pipe *pipe = file->pipe;
	size_t room = aion__sim_pipe_free(pipe);

	(void)off;
	if (!size)
		return 0;
	if (!pipe->reader_nr)
		return -EPIPE;
	if (size > whole_max(pipe)) {
		if (room && room < size)
			size = room;
		if (room)
			size = aion__sim_shorten(sim, AION_SIM_SHORT_WRITE, size);
	}
	if (room < size)
		return AION__SIM_LATER;
	aion__sim_pipe_put(sim, pipe, from, size);
	return (int64_t)size;
}

static unsigned pipe_poll(struct aion_sim *sim, const struct aion__sim_file *file)
{
	const struct aion__sim_pipe *pipe = file->pipe;
	unsigned events = 0;

	(void)sim;
	if (file_reads(file)) {
		if (pipe->bytes.size)
			events |= POLLIN | POLLRDNORM;
		if (!pipe->writer_nr && file->pos != (int64_t)pipe->writer_ever_nr)
			events |= POLLHUP;
	}
	if (file_writes(file)) {
		if (is_writable(pipe))
			events |= POLLOUT | POLLWRNORM;
		if (!pipe->reader_nr)
			events |= POLLERR;
	}
	return events;
}

const struct aion__sim_file_ops aion__sim_pipe_read_ops = {
	.name = "pipe, to read",
	.read = pipe_read,
	.poll = pipe_poll,
	.release = pipe_release,
};

const struct aion__sim_file_ops aion__sim_pipe_write_ops = {
	.name = "pipe, to write",
	.write = pipe_write,
	.poll = pipe_poll,
	.release = pipe_release,
};

const struct aion__sim_file_ops aion__sim_pipe_both_ops = {
	.name = "pipe, both ends",
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.release = pipe_release,
};

/* ---- pipe2 */

static struct aion__sim_file *pipe_end(struct aion_sim *sim, struct aion__sim_pipe *pipe,
				       const struct aion__sim_file_ops *ops, int flags)
{
	struct aion__sim_file *file = aion__sim_file_new(sim, ops, flags);

	aion__sim_pipe_attach(sim, pipe, file);
	return file;
}

int aion_sim_pipe(struct aion_sim *sim, int fds[2], int flags)
{
	struct aion__sim_file *in, *out;
	struct aion__sim_pipe *pipe;

	if (flags & ~(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	if (sim->fd_nr + 2 > sim->options.fd_max)
		return -EMFILE;
	flags &= O_NONBLOCK;
	pipe = aion__sim_pipe_new(sim);
	/* The writer first: whose reading end is opened without any is one of a named pipe. */
	out = pipe_end(sim, pipe, &aion__sim_pipe_write_ops, O_WRONLY | flags);
	in = pipe_end(sim, pipe, &aion__sim_pipe_read_ops, O_RDONLY | flags);
	aion__sim_pipe_unref(pipe);
	fds[0] = aion__sim_fd_give(sim, in);
	fds[1] = aion__sim_fd_give(sim, out);
	return 0;
}

int64_t aion__sim_pipe2(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	int fds[2], result;

	/* Linux wants a 0 where other entries have their descriptor. */
	if (sqe->fd || sqe->off || sqe->addr3 || sqe->file_index || !sqe->addr)
		return sqe->addr ? -EINVAL : -EFAULT;
	result = aion_sim_pipe(sim, fds, (int)sqe->rw_flags);
	if (result < 0)
		return result;
	request->a = fds[0];
	request->b = fds[1];
	return 0;
}

void aion__sim_pipe2_finish(struct aion_sim *sim, struct aion__sim_request *request, int64_t result)
{
	const int fds[2] = {(int)request->a, (int)request->b};

	(void)sim;
	if (result == 0)
		aion__sim_copy_to_program((void *)(uintptr_t)request->sqe.addr, fds, sizeof(fds));
}
