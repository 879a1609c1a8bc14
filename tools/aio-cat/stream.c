/* SPDX-License-Identifier: MIT */
/*
 * What is not read ahead is copied in its turn. The end is always a read of nothing (or that of --range): the size of a
 * file only says how far it pays to have several reads in flight.
 *
 * There are several ways to copy a file. Each goes as far as it gets, and leaves the rest, and the word on what is wrong,
 * to the next; the last one reads and writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "aio_cat.h"

#define CHUNK_SIZE (256 * 1024)
#define CHUNK_NR 4
#define SPLICE_SIZE (1024 * 1024)
#define RANGE_COPY_SIZE (64 * 1024 * 1024)
#define STREAM_BUF_SIZE (128 * 1024)

/* Reads in flight, in the order of their offsets. */
struct chunks {
	char *memory;
	size_t head_idx; /* the next one to be written */
	size_t tail_idx; /* the next one to be started */
	struct aion_op ops[CHUNK_NR];
};

static AION_SUSPENDS void chunks_reap(struct chunks *chunks)
{
	aion_op_reap_all(chunks->ops, CHUNK_NR);
	chunks->head_idx = chunks->tail_idx = 0;
}

static AION_SUSPENDS void chunks_fini(struct chunks *chunks)
{
	chunks_reap(chunks);
	free(chunks->memory);
}

static char *chunks_buf(const struct chunks *chunks, size_t idx)
{
	return chunks->memory + idx % CHUNK_NR * CHUNK_SIZE;
}

static int64_t file_size(int fd)
{
	struct stat info;

	return fstat(fd, &info) < 0 ? 0 : info.st_size;
}

/* Bytes from off to the end of what is wanted, at most max. */
static size_t size_from(const struct stream *stream, int64_t off, size_t max)
{
	int64_t size = stream->end - off;

	return size < (int64_t)max ? (size_t)size : max;
}

static void stream_advance(struct stream *stream, size_t size)
{
	if (stream->options->nocache)
		posix_fadvise(stream->fd, stream->off, (off_t)size, POSIX_FADV_DONTNEED);
	stream->off += (int64_t)size;
}

/* What the page cache has, into one warm buffer. 0 at the end, -EAGAIN and the like where the disk must be asked. */
static AION_SUSPENDS int64_t copy_cached(struct stream *stream, char *buf)
{
	struct writer *writer = stream->writer;
	int64_t n;

	for (;;) {
		n = aion_try_pread(stream->fd, buf, size_from(stream, stream->off, CHUNK_SIZE), stream->off);
		if (n <= 0)
			return n;
		if (writer_copy(writer, buf, (size_t)n) < 0)
			return writer->error;
		stream_advance(stream, (size_t)n);
	}
}

/* The result of a read, which is tried again after an error of the device; without O_DIRECT where that is refused. */
static AION_SUSPENDS int64_t read_again(const struct stream *stream, char *buf, size_t size, int64_t n)
{
	for (unsigned i = 0; n == -EIO && i < stream->options->retry_nr; i++)
		n = aion_pread(stream->fd, buf, size, stream->off);
	if (n == -EINVAL && stream->options->direct && fcntl(stream->fd, F_SETFL, 0) == 0)
		n = aion_pread(stream->fd, buf, size, stream->off);
	return n;
}

/* Several chunks in flight below the size that the file has now, one at a time beyond. A short chunk starts anew. */
static AION_SUSPENDS int64_t copy_chunks(struct stream *stream, struct chunks *chunks)
{
	struct writer *writer = stream->writer;
	int64_t n, next_off = stream->off, size = file_size(stream->fd);
	size_t idx, wanted_size;

	for (;;) {
		while (chunks->tail_idx - chunks->head_idx < CHUNK_NR &&
		       (next_off < size || chunks->tail_idx == chunks->head_idx)) {
			idx = chunks->tail_idx++;
			aion_op_pread(&chunks->ops[idx % CHUNK_NR], stream->fd, chunks_buf(chunks, idx),
				      size_from(stream, next_off, CHUNK_SIZE), next_off);
			next_off += (int64_t)size_from(stream, next_off, CHUNK_SIZE);
		}
		idx = chunks->head_idx++;
		wanted_size = size_from(stream, stream->off, CHUNK_SIZE);
		n = aion_await(&chunks->ops[idx % CHUNK_NR].future);
		if (n < 0)
			n = read_again(stream, chunks_buf(chunks, idx), wanted_size, n);
		if (n <= 0)
			return n;
		if (writer_copy(writer, chunks_buf(chunks, idx), (size_t)n) < 0)
			return writer->error;
		stream_advance(stream, (size_t)n);
		if ((size_t)n < wanted_size) {
			chunks_reap(chunks);
			next_off = stream->off;
		}
	}
}

/* One read after the other, each of which blocks. */
static AION_SUSPENDS int64_t copy_blocking(struct stream *stream, char *buf)
{
	size_t size;
	int64_t n;

	for (;;) {
		size = size_from(stream, stream->off, STREAM_BUF_SIZE);
		n = stream->is_seekable ? pread(stream->fd, buf, size, stream->off) : read(stream->fd, buf, size);
		if (n < 0)
			n = -errno;
		if (n < 0 && n != -EINTR && stream->is_seekable)
			n = read_again(stream, buf, size, n);
		if (n == 0 || (n < 0 && n != -EINTR))
			return n;
		if (n > 0 && writer_copy(stream->writer, buf, (size_t)n) < 0)
			return stream->writer->error;
		if (n > 0)
			stream_advance(stream, (size_t)n);
	}
}

/* From the page cache into the pipe without a copy. */
static AION_SUSPENDS int64_t copy_splice(struct stream *stream)
{
	struct writer *writer = stream->writer;
	int64_t n, off = stream->off;

	if (writer_flush(writer) < 0)
		return writer->error;
	writer_grow_pipe(writer);
	for (;;) {
		n = aion_splice(stream->fd, &off, STDOUT_FILENO, NULL, size_from(stream, off, SPLICE_SIZE), 0);
		if (n == -EPIPE)
			return writer_account(writer, n);
		if (n <= 0)
			return n;
		writer_account(writer, n);
		stream_advance(stream, (size_t)n);
	}
}

struct range_copy {
	int fd;
	off_t off;
	size_t size;
};

static int64_t range_copy_run(void *arg)
{
	struct range_copy *copy = arg;
	ssize_t n = copy_file_range(copy->fd, &copy->off, STDOUT_FILENO, NULL, copy->size, 0);

	return n < 0 ? -errno : n;
}

/* From file to file inside the kernel, which may share the blocks between them. */
static AION_SUSPENDS int64_t copy_range(struct stream *stream)
{
	struct writer *writer = stream->writer;
	struct range_copy copy;
	int64_t n;

	if (writer_flush(writer) < 0)
		return writer->error;
	for (;;) {
		copy = (struct range_copy){stream->fd, stream->off, size_from(stream, stream->off, RANGE_COPY_SIZE)};
		n = aion_offload(AION_OFFLOAD_SLOW, range_copy_run, &copy);
		if (n <= 0)
			return n;
		writer_account(writer, n);
		stream_advance(stream, (size_t)n);
	}
}

/* The ways on which the bytes do not pass through the program. */
static AION_SUSPENDS void copy_inside_kernel(struct stream *stream)
{
	struct writer *writer = stream->writer;
	int64_t size = file_size(stream->fd) - stream->off;

	if (writer->shown || stream->options->direct || size <= 0)
		return;
	if (writer_is_pipe(writer))
		copy_splice(stream);
	else if (S_ISREG(writer->info.st_mode) && size > CHUNK_SIZE && !(fcntl(STDOUT_FILENO, F_GETFL) & O_APPEND))
		copy_range(stream);
}

AION_SUSPENDS int64_t stream_file(struct stream *stream)
{
	AION_CLEANUP(chunks_fini) struct chunks chunks = {0};
	struct writer *writer = stream->writer;
	int64_t result;

	stream->is_seekable = true;
	if (!stream->options->is_sync)
		copy_inside_kernel(stream);
	if (writer->error < 0)
		return writer->error;
	chunks.memory = aligned_alloc(4096, (size_t)CHUNK_NR * CHUNK_SIZE);
	if (!chunks.memory)
		return -ENOMEM;
	if (stream->options->is_sync)
		return copy_blocking(stream, chunks.memory);
	result = stream->options->direct ? -EAGAIN : copy_cached(stream, chunks.memory);
	if (result >= 0 || writer->error < 0)
		return result;
	return copy_chunks(stream, &chunks);
}

/* Read what lies before the range, and forget it. 0 or less: that is all there is. */
static AION_SUSPENDS int64_t skip_to_range(struct stream *stream, char *buf, int64_t off)
{
	int64_t n = 1;

	while (n > 0 && stream->off < off) {
		n = aion_read(stream->fd, buf,
			      off - stream->off < STREAM_BUF_SIZE ? (size_t)(off - stream->off) : STREAM_BUF_SIZE);
		if (n == -EINTR)
			n = 1;
		else if (n > 0)
			stream->off += n;
	}
	return n;
}

AION_SUSPENDS int64_t stream_pipe(struct stream *stream)
{
	char *buf = aligned_alloc(4096, STREAM_BUF_SIZE);
	struct writer *writer = stream->writer;
	int64_t n, begin = stream->off;
	size_t size;

	if (!buf)
		return -ENOMEM;
	stream->off = 0;
	n = skip_to_range(stream, buf, begin);
	if (n > 0 && stream->options->is_sync) {
		n = copy_blocking(stream, buf);
		free(buf);
		return n;
	}
	while (n > 0 && (size = size_from(stream, stream->off, STREAM_BUF_SIZE)) > 0) {
		n = aion_read(stream->fd, buf, size);
		if (n > 0 && writer_copy(writer, buf, (size_t)n) < 0)
			n = writer->error;
		stream->off += n > 0 ? n : 0;
		if (n == -EINTR)
			n = 1;
	}
	free(buf);
	return writer->error < 0 ? writer->error : n < 0 ? n : 0;
}
