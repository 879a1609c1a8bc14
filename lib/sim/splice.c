/* SPDX-License-Identifier: MIT */
/* Moving bytes inside the machine: between a pipe and another file, and copying them from pipe to pipe. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim_model_int.h"
#include "sim_socket_int.h"

#define FLAGS_ALL (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)
#define NO_OFF (-1)

struct ends {
	struct aion__sim_request *request;
	struct aion__sim_file *in, *out;
	int64_t off_in, off_out; /* NO_OFF: none is given */
	size_t size;
};

static size_t least(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* ---- waiting */

/* For a pipe. As everywhere in splice(2), one that was opened with O_NONBLOCK makes the call one that does not wait. */
static int64_t wait_for_pipe(const struct ends *ends, struct aion__sim_file *file)
{
	if (ends->request->sqe.splice_flags & SPLICE_F_NONBLOCK || (ends->in->pipe && ends->in->flags & O_NONBLOCK) ||
	    (ends->out->pipe && ends->out->flags & O_NONBLOCK))
		return -EAGAIN;
	ends->request->wait_file = file;
	return AION__SIM_LATER;
}

/* For a socket: the call's flag means nothing to it, unless it is a unix one that is read. */
static int64_t wait_for_socket(const struct ends *ends, struct aion__sim_file *file)
{
	bool is_unix = file == ends->in && file->socket && file->socket->domain == AF_UNIX;

	if (file->flags & O_NONBLOCK || (is_unix && ends->request->sqe.splice_flags & SPLICE_F_NONBLOCK))
		return -EAGAIN;
	ends->request->wait_file = file;
	return AION__SIM_LATER;
}

/* Bytes that can be taken from the pipe at least one of; or 0: there will be none; or as an attempt. */
static int64_t wait_for_bytes(const struct ends *ends)
{
	const struct aion__sim_pipe *pipe = ends->in->pipe;

	if (pipe->bytes.size || !pipe->writer_nr)
		return (int64_t)pipe->bytes.size;
	return wait_for_pipe(ends, ends->in);
}

static int64_t wait_for_room(const struct ends *ends)
{
	const struct aion__sim_pipe *pipe = ends->out->pipe;

	if (!pipe->reader_nr)
		return -EPIPE;
	if (aion__sim_pipe_free(pipe))
		return (int64_t)aion__sim_pipe_free(pipe);
	return wait_for_pipe(ends, ends->out);
}

/* ---- splice */

/* The bytes are carried in the request's stage, which nothing else uses. */
static int64_t pipe_to_pipe(struct aion_sim *sim, const struct ends *ends, bool keep)
{
	int64_t there = wait_for_bytes(ends), room;
	size_t size;
	char *bytes;

	if (there < 0)
		return there;
	room = wait_for_room(ends);
	if (room < 0 || !there)
		return room < 0 ? room : 0;
	size = aion__sim_shorten(sim, AION_SIM_SHORT_WRITE, least(ends->size, (size_t)there, (size_t)room));
	bytes = aion__sim_stage(ends->request, size);
	aion__sim_bytes_peek(&ends->in->pipe->bytes, 0, bytes, size);
	if (!keep)
		aion__sim_pipe_drop(sim, ends->in->pipe, size);
	aion__sim_pipe_put(sim, ends->out->pipe, bytes, size);
	return (int64_t)size;
}

static int64_t pipe_to_file(struct aion_sim *sim, const struct ends *ends)
{
	int64_t result = wait_for_bytes(ends);
	size_t size;
	char *bytes;

	if (result <= 0)
		return result;
	size = aion__sim_shorten(sim, AION_SIM_SHORT_WRITE, least(ends->size, (size_t)result, SIZE_MAX));
	bytes = aion__sim_stage(ends->request, size);
	aion__sim_bytes_peek(&ends->in->pipe->bytes, 0, bytes, size);
	result = ends->out->ops->write(sim, ends->out, bytes, size, ends->off_out);
	if (result == AION__SIM_LATER)
		return wait_for_socket(ends, ends->out);
	if (result > 0)
		aion__sim_pipe_drop(sim, ends->in->pipe, (size_t)result);
	return result;
}

static int64_t file_to_pipe(struct aion_sim *sim, const struct ends *ends)
{
	int64_t result = wait_for_room(ends);
	size_t size;
	char *bytes;

	if (result < 0)
		return result;
	size = aion__sim_shorten(sim, AION_SIM_SHORT_READ, least(ends->size, (size_t)result, SIZE_MAX));
	bytes = aion__sim_stage(ends->request, size);
	result = ends->in->ops->read(sim, ends->in, bytes, size, ends->off_in);
	if (result == AION__SIM_LATER)
		return wait_for_socket(ends, ends->in);
	if (result > 0)
		aion__sim_pipe_put(sim, ends->out->pipe, bytes, (size_t)result);
	return result;
}

/* An offset at the end that is no pipe. */
static int off_check(const struct aion__sim_file *file, int64_t off)
{
	if (off != NO_OFF && (off < 0 || !file->ops->is_seekable))
		return -EINVAL;
	return 0;
}

static bool may_read(const struct aion__sim_file *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY && !(file->flags & O_PATH);
}

static bool may_write(const struct aion__sim_file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY && !(file->flags & O_PATH);
}

static int ends_check(const struct ends *ends)
{
	const struct aion__sim_file *in = ends->in, *out = ends->out;

	if (!may_read(in) || !may_write(out))
		return -EBADF;
	if (!in->pipe && !out->pipe)
		return -EINVAL;
	if ((in->pipe && ends->off_in != NO_OFF) || (out->pipe && ends->off_out != NO_OFF))
		return -ESPIPE;
	if (in->pipe == out->pipe)
		return -EINVAL;
	if (!in->pipe)
		return in->ops->read ? off_check(in, ends->off_in) : -EINVAL;
	if (!out->pipe)
		return out->ops->write && !(out->flags & O_APPEND) ? off_check(out, ends->off_out) : -EINVAL;
	return 0;
}

static int64_t splice_move(struct aion_sim *sim, const struct ends *ends)
{
	int result;

	if (!ends->size)
		return 0;
	result = ends_check(ends);
	if (result < 0)
		return result;
	if (!ends->in->pipe)
		return file_to_pipe(sim, ends);
	return ends->out->pipe ? pipe_to_pipe(sim, ends, false) : pipe_to_file(sim, ends);
}

static int64_t tee_copy(struct aion_sim *sim, const struct ends *ends)
{
	if (!ends->size)
		return 0;
	if (!may_read(ends->in) || !may_write(ends->out))
		return -EBADF;
	if (!ends->in->pipe || !ends->out->pipe || ends->in->pipe == ends->out->pipe)
		return -EINVAL;
	return pipe_to_pipe(sim, ends, true);
}

/* ---- attempts */

void aion__sim_splice_abandon(struct aion_sim *sim, struct aion__sim_request *request)
{
	if (request->model)
		aion__sim_file_unref(sim, request->model);
	request->model = NULL;
	request->wait_file = NULL;
}

/* The input is looked up at the first attempt and held while there are others, since it may be what they wait for. */
static int ends_find(struct aion_sim *sim, struct aion__sim_request *request, struct ends *ret_ends)
{
	const struct io_uring_sqe *sqe = &request->sqe;

	if (sqe->splice_flags & ~(unsigned)(FLAGS_ALL | SPLICE_F_FD_IN_FIXED))
		return -EINVAL;
	if (sqe->splice_flags & SPLICE_F_FD_IN_FIXED) /* no file is ever registered */
		return -EBADF;
	if (aion__sim_fd_is_host(sqe->splice_fd_in))
		return -EINVAL;
	if (!request->model) {
		request->model = aion__sim_fd_file(sim, sqe->splice_fd_in);
		if (!request->model)
			return -EBADF;
		((struct aion__sim_file *)request->model)->ref_nr++;
	}
	*ret_ends = (struct ends){
		.request = request,
		.in = request->model,
		.out = request->file,
		.off_in = (int64_t)sqe->splice_off_in,
		.off_out = (int64_t)sqe->off,
		.size = sqe->len,
	};
	return 0;
}

static int64_t ends_release(struct aion_sim *sim, struct aion__sim_request *request, int64_t result)
{
	if (result != AION__SIM_LATER)
		aion__sim_splice_abandon(sim, request);
	return result;
}

int64_t aion__sim_splice(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct ends ends;
	int result = ends_find(sim, request, &ends);

	return ends_release(sim, request, result < 0 ? result : splice_move(sim, &ends));
}

int64_t aion__sim_tee(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct ends ends;
	int result;

	if (request->sqe.splice_off_in || request->sqe.off)
		return -EINVAL;
	result = ends_find(sim, request, &ends);
	return ends_release(sim, request, result < 0 ? result : tee_copy(sim, &ends));
}
