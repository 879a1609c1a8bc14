/* SPDX-License-Identifier: MIT */
/*
 * A place on a worker: read, and seen.
 *
 * With records, the one that has place k sees what lies behind the first delimiter in it or after it, and reads on into
 * the next places up to the first delimiter there. So every record is seen once, whoever comes first.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "assert_int.h"
#include "chunk_pool_int.h"

#define REACH_FIRST ((size_t)4 << 10) /* bytes: most records end there */

static int64_t worker_fill(struct aion__chunk_worker *worker, struct aion__chunk_span *span, int64_t first)
{
	struct aion__chunk_run *run = worker->pool->run;
	int64_t result = aion__chunk_fill(run, &worker->entry->file, span, aion__chunk_read_blocking, first);

	if (result < 0)
		aion__chunk_worker_fail(worker, span->off + (int64_t)span->got, result, "read");
	return result;
}

/*
 * What the page cache has of a place. If that is not all, the kernel is told of the places behind it: it would look no
 * further ahead than for a single reader.
 */
static int64_t worker_try(struct aion__chunk_worker *worker, const struct aion__chunk_span *span)
{
	const struct aion_chunk_options *options = &worker->pool->run->options;
	const struct aion__chunk_file *file = &worker->entry->file;
	const struct iovec iov = {span->buf, span->want};
	ssize_t n;

	if (file->is_direct || !file->is_regular)
		return AION__CHUNK_NO_READ;
	n = preadv2(file->fd, &iov, 1, span->off, RWF_NOWAIT | file->rw_flags);
	if (n != (ssize_t)span->want && n != 0 && span->off + (int64_t)span->want < file->hint_off)
		posix_fadvise(file->fd, span->off, (off_t)(options->chunk_size * options->window_nr),
			      POSIX_FADV_WILLNEED);
	return n < 0 ? AION__CHUNK_NO_READ : n;
}

static int64_t worker_call(struct aion__chunk_worker *worker, char *data, size_t size, int64_t off)
{
	struct aion__chunk_pool *pool = worker->pool;
	struct aion__chunk_run *run = pool->run;
	struct aion_chunk chunk;
	int64_t result;

	pthread_mutex_lock(&pool->lock);
	chunk = aion__chunk_make(run, &worker->entry->file, data, size, off);
	pthread_mutex_unlock(&pool->lock);
	chunk.worker_idx = worker->idx;
	result = run->fn(&chunk, run->arg);
	if (result < 0) {
		aion__chunk_worker_fail(worker, off, result, "callback");
		return result;
	}
	pthread_mutex_lock(&pool->lock);
	pool->seen.size += size;
	pool->seen.chunk_nr++;
	pthread_mutex_unlock(&pool->lock);
	return 0;
}

/*
 * The bytes behind those of a full place, up to the first delimiter, the end or a gap: how many. record_size: bytes of
 * the last record that are in the place.
 */
static int64_t worker_reach(struct aion__chunk_worker *worker, const struct aion__chunk_span *place, size_t record_size)
{
	const struct aion_chunk_options *options = &worker->pool->run->options;
	const struct aion__chunk_file *file = &worker->entry->file;
	int64_t result, off = place->off + (int64_t)place->got;
	struct aion__chunk_span span;
	size_t size = 0, piece = REACH_FIRST;
	const char *end;

	for (; off + (int64_t)size < file->end_off; piece = AION__CHUNK_REACH) {
		if ((int64_t)piece > file->end_off - off - (int64_t)size)
			piece = (size_t)(file->end_off - off - (int64_t)size);
		span = (struct aion__chunk_span){
			.buf = place->buf + place->got + size, .off = off + (int64_t)size, .want = piece};
		result = worker_fill(worker, &span, AION__CHUNK_NO_READ);
		if (result < 0)
			return result;
		end = memchr(span.buf, options->delimiter, span.got);
		size += end ? (size_t)(end - span.buf) + 1 : span.got;
		if (record_size + size > options->record_size_max) {
			aion__chunk_worker_fail(worker, off - (int64_t)record_size, -EMSGSIZE, "read");
			return -EMSGSIZE;
		}
		if (end || span.is_end || span.gap)
			break;
	}
	return (int64_t)size;
}

/* What of a span is to be seen: from `begin` on, and with records up to a record's end. */
static int64_t worker_see(struct aion__chunk_worker *worker, const struct aion__chunk_span *span, size_t begin,
			  bool reaches_on)
{
	const struct aion_chunk_options *options = &worker->pool->run->options;
	size_t size = span->got - begin, record_size;
	const char *last;
	int64_t result;

	if (reaches_on) {
		last = size ? memrchr(span->buf + begin, options->delimiter, size) : NULL;
		record_size = last ? (size_t)(span->buf + span->got - last) - 1 : size;
		result = worker_reach(worker, span, record_size);
		if (result < 0)
			return result;
		size += (size_t)result;
	}
	return size ? worker_call(worker, span->buf + begin, size, span->off + (int64_t)begin) : 0;
}

/* How many bytes at the span's beginning are others' to see; *is_syncing becomes false if it does not end within. */
static size_t worker_skip(const struct aion__chunk_worker *worker, const struct aion__chunk_span *span,
			  bool *is_syncing)
{
	const struct aion__chunk_file *file = &worker->entry->file;
	size_t skip = span->off < file->data_off ? (size_t)(file->data_off - span->off) : 0;
	const char *end;

	if (skip > span->got)
		skip = span->got;
	if (!*is_syncing)
		return skip;
	end = memchr(span->buf + skip, worker->pool->run->options.delimiter, span->got - skip);
	*is_syncing = !end;
	return end ? (size_t)(end - span->buf) + 1 : span->got;
}

static void worker_count_bad(struct aion__chunk_worker *worker, const struct aion__chunk_span *span)
{
	if (!span->gap && !span->bad_size)
		return;
	pthread_mutex_lock(&worker->pool->lock);
	worker->pool->seen.bad_size += aion__chunk_note_bad(worker->pool->run, worker->source_idx, span);
	pthread_mutex_unlock(&worker->pool->lock);
}

int64_t aion__chunk_place_see(struct aion__chunk_worker *worker)
{
	const struct aion_chunk_options *options = &worker->pool->run->options;
	const struct aion__chunk_file *file = &worker->entry->file;
	bool is_syncing = options->records && (worker->off != file->begin_off || file->is_resumed);
	int64_t result, off = worker->off, end_off = off + (int64_t)options->chunk_size;
	struct aion__chunk_span span;
	size_t begin;

	while (off < end_off && off < file->end_off) {
		span = (struct aion__chunk_span){.buf = worker->buf, .off = off};
		span.want = (size_t)((end_off < file->end_off ? end_off : file->end_off) - off);
		result = worker_fill(worker, &span, worker_try(worker, &span));
		if (result < 0)
			return result;
		worker_count_bad(worker, &span);
		off += (int64_t)(span.got + span.gap);
		if (span.is_end)
			aion__chunk_worker_ended(worker, off);
		begin = worker_skip(worker, &span, &is_syncing);
		result = worker_see(worker, &span, begin, options->records && !is_syncing && !span.gap && !span.is_end);
		if (result < 0 || span.is_end)
			return result < 0 ? result : 1;
		is_syncing = is_syncing && !span.gap;
	}
	return off >= file->end_off;
}
