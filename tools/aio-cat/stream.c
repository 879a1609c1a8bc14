/* SPDX-License-Identifier: MIT */
/*
 * What is not read ahead is copied in its turn. The end is always a read of nothing: the size of a file only says how
 * far it pays to have several reads in flight.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "aio_cat.h"

#define CHUNK_SIZE (256 * 1024)
#define CHUNK_NR 4
#define SPLICE_SIZE (1024 * 1024)
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

/* What the page cache has, into one warm buffer. 0 at the end, -EAGAIN and the like where the disk must be asked. */
static AION_SUSPENDS int64_t copy_cached(struct writer *writer, int fd, int64_t *off, char *buf)
{
	int64_t n;

	for (;;) {
		n = aion_try_pread(fd, buf, CHUNK_SIZE, *off);
		if (n <= 0)
			return n;
		if (writer_copy(writer, buf, (size_t)n) < 0)
			return writer->error;
		*off += n;
	}
}

/* Several chunks in flight below the size that the file has now, one at a time beyond. A short chunk starts anew. */
static AION_SUSPENDS int64_t copy_chunks(struct writer *writer, int fd, int64_t *off, struct chunks *chunks)
{
	int64_t n, next_off = *off, size = file_size(fd);
	size_t idx;

	for (;;) {
		while (chunks->tail_idx - chunks->head_idx < CHUNK_NR &&
		       (next_off < size || chunks->tail_idx == chunks->head_idx)) {
			idx = chunks->tail_idx++;
			aion_op_pread(&chunks->ops[idx % CHUNK_NR], fd, chunks_buf(chunks, idx), CHUNK_SIZE, next_off);
			next_off += CHUNK_SIZE;
		}
		idx = chunks->head_idx++;
		n = aion_await(&chunks->ops[idx % CHUNK_NR].future);
		if (n <= 0)
			return n;
		if (writer_copy(writer, chunks_buf(chunks, idx), (size_t)n) < 0)
			return writer->error;
		*off += n;
		if (n < CHUNK_SIZE) {
			chunks_reap(chunks);
			next_off = *off;
		}
	}
}

/* From the page cache into the pipe without a copy. Where that fails, reading and writing says what is wrong. */
static AION_SUSPENDS int64_t copy_splice(struct writer *writer, int fd, int64_t *off)
{
	int64_t n;

	if (writer_flush(writer) < 0)
		return writer->error;
	writer_grow_pipe(writer);
	for (;;) {
		n = aion_splice(fd, off, STDOUT_FILENO, NULL, SPLICE_SIZE, 0);
		if (n == -EPIPE)
			return writer_account(writer, n);
		if (n <= 0)
			return n;
		writer_account(writer, n);
	}
}

AION_SUSPENDS int64_t stream_file(struct writer *writer, int fd, int64_t *off)
{
	AION_CLEANUP(chunks_fini) struct chunks chunks = {0};
	int64_t result = -EOPNOTSUPP;

	if (writer_is_pipe(writer) && !writer->shown && *off < file_size(fd))
		result = copy_splice(writer, fd, off);
	if (result >= 0 || writer->error < 0)
		return result;
	chunks.memory = aligned_alloc(4096, (size_t)CHUNK_NR * CHUNK_SIZE);
	if (!chunks.memory)
		return -ENOMEM;
	result = copy_cached(writer, fd, off, chunks.memory);
	if (result >= 0 || writer->error < 0)
		return result;
	return copy_chunks(writer, fd, off, &chunks);
}

AION_SUSPENDS int64_t stream_pipe(struct writer *writer, int fd)
{
	char *buf = aligned_alloc(4096, STREAM_BUF_SIZE);
	int64_t n;

	if (!buf)
		return -ENOMEM;
	do
		n = aion_read(fd, buf, STREAM_BUF_SIZE);
	while (n == -EINTR || (n > 0 && writer_copy(writer, buf, (size_t)n) == 0));
	free(buf);
	return writer->error < 0 ? writer->error : n;
}
