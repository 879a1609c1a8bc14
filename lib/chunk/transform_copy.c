/* SPDX-License-Identifier: MIT */
/*
 * Whole files copied inside the kernel: to a file by copy_file_range(2), which some file systems do without moving a
 * byte, to a pipe by splice(2). Where the kernel says that it cannot, here or at all, the rest is left to who reads and
 * writes.
 */
#include <errno.h>
#include <unistd.h>

#include <aion/offload.h>
#include <aion/scope.h>
#include <aion/splice.h>

#include "assert_int.h"
#include "transform_int.h"

#define PIECE_SIZE ((int64_t)16 << 20) /* bytes: as long as that a cancellation waits */

struct piece {
	int in;
	int out;
	int64_t in_off;
	int64_t out_off;
	size_t size;
};

static int64_t piece_call(void *arg)
{
	struct piece *piece = arg;
	off64_t in_off = piece->in_off, out_off = piece->out_off;
	int saved = errno;
	int64_t n = copy_file_range(piece->in, &in_off, piece->out, &out_off, piece->size, 0);

	if (n < 0)
		n = -errno;
	errno = saved;
	return n;
}

static AION_SUSPENDS int64_t copy_piece(const struct aion__chunk_file *file, const struct aion__target *target,
					int64_t in_off, int64_t out_off, size_t size)
{
	struct piece piece = {file->fd, target->fd, in_off, out_off, size};

	return target->is_pipe ? aion_splice(file->fd, &in_off, target->fd, NULL, size, 0)
			       : aion_offload(AION_OFFLOAD_SLOW, piece_call, &piece);
}

/* Errors that are the target's. Of any other, whoever reads and writes finds out what it is, and if it is one. */
static bool is_final(int64_t error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG || error == -EPIPE || error == -ECANCELED;
}

/* 1: the source is copied to its end; 0: what is left of it is for others; or an error. */
static AION_SUSPENDS int64_t copy_file(struct aion__chunk_run *run, const struct aion__target *target,
				       const struct aion__chunk_file *file, int64_t *off, int64_t *in_off)
{
	struct aion_chunk chunk;
	int64_t n = 0, size;

	while (*in_off < file->end_off) {
		size = file->end_off - *in_off < PIECE_SIZE ? file->end_off - *in_off : PIECE_SIZE;
		n = copy_piece(file, target, *in_off, *off, (size_t)size);
		if (n <= 0)
			break;
		chunk = aion__chunk_make(run, file, NULL, (size_t)n, *in_off);
		*in_off += n;
		*off += n;
		run->progress.resume_source_idx = file->source_idx;
		run->progress.resume_off = *in_off;
		n = aion__chunk_seen(run, &chunk, 0);
		if (n < 0)
			return n;
	}
	if (n >= 0)
		return 1;
	if (!is_final(n))
		return 0;
	return n == -ECANCELED ? n : aion__chunk_fail(run, file->source_idx, *in_off, n, "write");
}

/* What is no file is not even opened, and of files only those that are said not to be empty: /proc has many that are
 * not. */
static AION_SUSPENDS int64_t copy_source(struct aion__chunk_run *run, const struct aion__target *target, int64_t *off)
{
	size_t idx = run->options.resume_source_idx;
	struct aion__chunk_file file;
	int64_t begin, in_off, result;

	if (!aion__chunk_size_of(&run->sources[idx]))
		return 0;
	result = aion__chunk_open(run, idx, &file);
	if (result < 0)
		return result;
	begin = in_off = file.data_off;
	result = 0;
	if (file.is_regular && in_off < file.hint_off)
		result = copy_file(run, target, &file, off, &in_off);
	aion__chunk_close(&file, in_off);
	if (result > 0 && in_off < file.hint_off && in_off < file.end_off)
		result = 0; /* it may have said so for want of better: reading finds out */
	if (result > 0) {
		run->options.resume_source_idx = idx + 1;
		run->options.resume_off = 0;
		run->progress.source_nr++;
	} else if (in_off > begin) {
		run->options.resume_off = in_off;
	}
	return result;
}

static bool is_plain(const struct aion_chunk_options *options)
{
	return !options->records && !options->direct && !options->dontcache && options->on_error == AION_CHUNK_STOP;
}

int64_t aion__transform_copy(struct aion__chunk_run *run, const struct aion__target *target, int64_t *off)
{
	int64_t result = 1;

	if (!is_plain(&run->options) || !(target->is_regular || target->is_pipe))
		return 0;
	while (result > 0 && run->options.resume_source_idx < run->nr)
		result = copy_source(run, target, off);
	return result < 0 ? result : 0;
}
