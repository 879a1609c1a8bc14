/* SPDX-License-Identifier: MIT */
/*
 * What is not read ahead is copied in its turn. The end is always a read of nothing (or that of --range): the size of a
 * file only says how far it pays to have several reads in flight.
 *
 * There are several ways to copy a file. Each goes as far as it gets, and leaves the rest, and the word on what is
 * wrong, to the next; the last one reads, by the library's chunk processor, and writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "aio_cat.h"

#define CHUNK_SIZE (256 * 1024)
#define WINDOW_NR 4
#define SPLICE_SIZE (1024 * 1024)
#define RANGE_COPY_SIZE (64 * 1024 * 1024)
#define STREAM_BUF_SIZE (128 * 1024)

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

/*
 * A piece of the source, for the chunk processor. What has no positions is read from where it stands, so pieces may
 * come that lie before the range.
 */
static AION_SUSPENDS int64_t copy_chunk(struct aion_chunk *chunk, void *arg)
{
	struct stream *stream = arg;
	size_t skip = 0;
	int64_t off;

	if (stream->first_off < 0)
		stream->first_off = chunk->off;
	off = stream->begin_off + chunk->off - stream->first_off;
	if (stream->off > off)
		skip = (size_t)(stream->off - off);
	if (skip >= chunk->size)
		return 0;
	if (writer_copy(stream->writer, chunk->data + skip, chunk->size - skip) < 0)
		return stream->writer->error;
	stream_advance(stream, chunk->size - skip);
	return 0;
}

/* One read after the other, each of which blocks. An error of the device is tried again; what is not aligned is not
 * direct. */
static int64_t read_blocking(const struct stream *stream, char *buf, size_t size, int64_t off)
{
	unsigned retry_nr = 0;
	ssize_t n;

	for (;;) {
		n = stream->is_seekable ? pread(stream->fd, buf, size, off) : read(stream->fd, buf, size);
		if (n >= 0)
			return n;
		if (errno == EINVAL && stream->options->direct && fcntl(stream->fd, F_GETFL) & O_DIRECT &&
		    fcntl(stream->fd, F_SETFL, 0) == 0)
			continue;
		if (errno != EINTR && (errno != EIO || !stream->is_seekable || retry_nr++ == stream->options->retry_nr))
			return -errno;
	}
}

static AION_SUSPENDS int64_t copy_blocking(struct stream *stream)
{
	int64_t off = stream->begin_off, n = 1, result = 0;
	char *buf = aligned_alloc(4096, STREAM_BUF_SIZE);

	if (!buf)
		return -ENOMEM;
	if (stream->is_seekable && stream->options->direct &&
	    stream->fd != STDIN_FILENO)               /* whose flags are others', too */
		fcntl(stream->fd, F_SETFL, O_DIRECT); /* a refusal costs the page cache only */
	while (n > 0 && result == 0 && off < stream->end) {
		struct aion_chunk chunk = {.data = buf, .off = off};

		n = read_blocking(stream, buf,
				  stream->end - off < STREAM_BUF_SIZE ? (size_t)(stream->end - off) : STREAM_BUF_SIZE,
				  off);
		chunk.size = n > 0 ? (size_t)n : 0;
		off += (int64_t)chunk.size;
		result = n > 0 ? copy_chunk(&chunk, stream) : n;
	}
	free(buf);
	return result;
}

/* Read and write, by the chunk processor. */
static AION_SUSPENDS int64_t copy_chunks(struct stream *stream, bool direct)
{
	struct aion_source source = {.fd = stream->fd, .off = stream->is_seekable ? stream->off : -1};
	const struct aion_chunk_options options = {
		.chunk_size = stream->is_seekable ? CHUNK_SIZE : STREAM_BUF_SIZE,
		.window_nr = WINDOW_NR,
		.direct = direct,
		.dontcache = stream->options->nocache,
		.retry_nr = stream->options->retry_nr,
	};
	int64_t result;

	if (stream->end <= stream->begin_off)
		return 0;
	if (stream->end < INT64_MAX)
		source.size = stream->end - stream->begin_off;
	stream->first_off = -1;
	result = aion_chunk_process(&source, 1, copy_chunk, stream, &options);
	return result < 0 ? result : 0;
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
	const struct writer *writer = stream->writer;
	int64_t result;

	stream->is_seekable = true;
	stream->begin_off = stream->off;
	if (stream->options->is_sync)
		return copy_blocking(stream);
	copy_inside_kernel(stream);
	if (writer->error < 0)
		return writer->error;
	stream->begin_off = stream->off;
	result = copy_chunks(stream, stream->options->direct);
	if (result < 0 && result != -ECANCELED && stream->options->direct && writer->error == 0) {
		stream->begin_off = stream->off;
		result = copy_chunks(stream, false);
	}
	return result;
}

AION_SUSPENDS int64_t stream_pipe(struct stream *stream)
{
	return stream->options->is_sync ? copy_blocking(stream) : copy_chunks(stream, false);
}
