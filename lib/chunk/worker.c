/* SPDX-License-Identifier: MIT */
/*
 * Workers: offloaded calls, each of which takes the next place of the oldest source that has any, reads it by itself and
 * calls the callback. Nobody waits for anybody. Places are handed out as far as the source is said to reach; whoever has
 * the last one goes on behind it until a read gives nothing.
 *
 * With records, the one that has place k sees what lies behind the first delimiter in it or after it, and reads on into
 * the next places up to the first delimiter there. So every record is seen once, whoever comes first.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <aion/offload.h>
#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "chunk_int.h"

#define REACH_FIRST ((size_t)4 << 10) /* bytes read behind a place at once, to find a record's end */
#define REACH_NEXT ((size_t)64 << 10)

/* An open source. */
struct entry {
	struct aion__chunk_file file;
	int64_t next_off;  /* of the next place to be handed out */
	int64_t ended_off; /* where a read gave nothing; INT64_MAX: none has */
	unsigned user_nr;  /* workers that have a place of it */
	bool is_opening;
	bool is_open; /* it has users or places; the file does not change */
};

struct worker {
	struct pool *pool;
	struct entry *entry;
	char *buf;
	size_t buf_size;
	/* Where it is; what it has begun it has not finished as long as it is busy. */
	bool is_busy;
	bool is_last; /* its place is the last that is handed out */
	size_t source_idx;
	int64_t off;
	unsigned idx;
	int64_t result; /* of the offloaded call */
};

struct pool {
	struct aion__chunk_run *run;
	atomic_bool must_stop;
	pthread_mutex_t lock; /* the run's failure and next_idx, the entries, where workers are, and what follows */
	struct aion_chunk_progress seen; /* the counts */
	size_t next_source_idx;
	unsigned entry_nr;
	unsigned running_nr; /* the loop's own */
	struct aion_future done;
	uint8_t *is_left; /* by source: not for workers */
	struct entry *entries;
	struct worker workers[];
};

/* ---- under the lock */

/* Where no more places begin that could be handed out. */
static int64_t entry_limit(const struct entry *entry)
{
	int64_t off = entry->file.hint_off < entry->file.end_off ? entry->file.hint_off : entry->file.end_off;

	return off < entry->ended_off ? off : entry->ended_off;
}

static bool entry_has_places(const struct entry *entry)
{
	return entry->is_open && entry->next_off < entry_limit(entry);
}

static void worker_take(struct worker *worker, struct entry *entry)
{
	const struct aion__chunk_file *file = &entry->file;

	worker->entry = entry;
	worker->is_busy = true;
	worker->source_idx = file->source_idx;
	worker->off = entry->next_off;
	entry->next_off += (int64_t)worker->pool->run->options.chunk_size;
	worker->is_last = entry->next_off >= file->hint_off || entry->next_off >= file->end_off;
}

static struct entry *pool_oldest(struct pool *pool)
{
	struct entry *entry, *oldest = NULL;

	for (entry = pool->entries; entry < pool->entries + pool->entry_nr; entry++)
		if (entry_has_places(entry) && (!oldest || entry->file.source_idx < oldest->file.source_idx))
			oldest = entry;
	return oldest;
}

/* As long as a worker is without a place, there is an entry for it. */
static struct entry *pool_free_entry(struct pool *pool)
{
	struct entry *entry = pool->entries;

	while (entry->is_open || entry->is_opening)
		entry++;
	AION_ASSERT(entry < pool->entries + pool->entry_nr);
	return entry;
}

/* ---- places */

static void worker_fail(struct worker *worker, int64_t off, int64_t error, const char *what)
{
	struct pool *pool = worker->pool;

	pthread_mutex_lock(&pool->lock);
	aion__chunk_fail(pool->run, worker->source_idx, off, error, what);
	pthread_mutex_unlock(&pool->lock);
	atomic_store_explicit(&pool->must_stop, true, memory_order_relaxed);
}

/* Opens the next source and takes its first place. 1: it has one; 0: none; or the error. */
static int64_t worker_open(struct worker *worker, struct entry *entry)
{
	struct pool *pool = worker->pool;
	int64_t result = aion__chunk_open_blocking(pool->run, worker->source_idx, &entry->file);

	pthread_mutex_lock(&pool->lock);
	entry->is_opening = false;
	entry->is_open = result >= 0;
	if (result == -EAGAIN) {
		pool->is_left[worker->source_idx] = 1;
		worker->is_busy = false;
	} else if (result >= 0) {
		entry->next_off = entry->file.begin_off;
		entry->ended_off = INT64_MAX;
		entry->user_nr = 1;
		worker_take(worker, entry);
	}
	pthread_mutex_unlock(&pool->lock);
	if (result == -EAGAIN)
		return 0;
	if (result < 0)
		worker_fail(worker, 0, result, "open");
	return result < 0 ? result : 1;
}

/* 1: a place; 0: look again; -ENODATA: there is none. */
static int64_t worker_claim(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct entry *entry;
	int64_t result = 1;

	pthread_mutex_lock(&pool->lock);
	entry = pool_oldest(pool);
	if (entry) {
		entry->user_nr++;
		worker_take(worker, entry);
	} else if (pool->next_source_idx < pool->run->nr) {
		entry = pool_free_entry(pool);
		entry->is_opening = true;
		worker->entry = NULL;
		worker->source_idx = pool->next_source_idx++;
		worker->off = 0;
		worker->is_busy = true;
		result = 0;
	} else {
		result = -ENODATA;
	}
	pthread_mutex_unlock(&pool->lock);
	return result == 0 ? worker_open(worker, entry) : result;
}

/* The place has been seen. */
static void worker_release(struct worker *worker)
{
	struct entry *entry = worker->entry;
	struct pool *pool = worker->pool;
	bool must_close;

	pthread_mutex_lock(&pool->lock);
	worker->is_busy = false;
	must_close = --entry->user_nr == 0 && !entry_has_places(entry);
	pool->seen.source_nr += must_close;
	pthread_mutex_unlock(&pool->lock);
	if (!must_close)
		return;
	aion__chunk_close_blocking(&entry->file, entry->ended_off);
	pthread_mutex_lock(&pool->lock);
	entry->is_open = false;
	pthread_mutex_unlock(&pool->lock);
}

static void worker_ended(struct worker *worker, int64_t end_off)
{
	struct pool *pool = worker->pool;
	struct entry *entry = worker->entry;

	pthread_mutex_lock(&pool->lock);
	if (end_off < entry->ended_off)
		entry->ended_off = end_off;
	pthread_mutex_unlock(&pool->lock);
}

/* ---- what is in a place */

static int64_t worker_fill(struct worker *worker, struct aion__chunk_span *span)
{
	struct aion__chunk_run *run = worker->pool->run;
	int64_t result =
		aion__chunk_fill(run, &worker->entry->file, span, aion__chunk_read_blocking, AION__CHUNK_NO_READ);

	if (result < 0)
		worker_fail(worker, span->off + (int64_t)span->got, result, "read");
	return result;
}

static int64_t worker_call(struct worker *worker, char *data, size_t size, int64_t off)
{
	struct pool *pool = worker->pool;
	struct aion__chunk_run *run = pool->run;
	struct aion_chunk chunk;
	int64_t result;

	pthread_mutex_lock(&pool->lock);
	chunk = aion__chunk_make(run, &worker->entry->file, data, size, off);
	pthread_mutex_unlock(&pool->lock);
	chunk.worker_idx = worker->idx;
	result = run->fn(&chunk, run->arg);
	if (result < 0) {
		worker_fail(worker, off, result, "callback");
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
static int64_t worker_reach(struct worker *worker, const struct aion__chunk_span *place, size_t record_size)
{
	const struct aion_chunk_options *options = &worker->pool->run->options;
	const struct aion__chunk_file *file = &worker->entry->file;
	int64_t result, off = place->off + (int64_t)place->got;
	struct aion__chunk_span span;
	size_t size = 0, piece = REACH_FIRST;
	const char *end;

	for (; off + (int64_t)size < file->end_off; piece = REACH_NEXT) {
		if ((int64_t)piece > file->end_off - off - (int64_t)size)
			piece = (size_t)(file->end_off - off - (int64_t)size);
		span = (struct aion__chunk_span){
			.buf = place->buf + place->got + size, .off = off + (int64_t)size, .want = piece};
		result = worker_fill(worker, &span);
		if (result < 0)
			return result;
		end = memchr(span.buf, options->delimiter, span.got);
		size += end ? (size_t)(end - span.buf) + 1 : span.got;
		if (record_size + size > options->record_size_max) {
			worker_fail(worker, off - (int64_t)record_size, -EMSGSIZE, "read");
			return -EMSGSIZE;
		}
		if (end || span.is_end || span.gap)
			break;
	}
	return (int64_t)size;
}

/* What of a span is to be seen: from `begin` on, and with records up to a record's end. */
static int64_t worker_see(struct worker *worker, const struct aion__chunk_span *span, size_t begin, bool reaches_on)
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
static size_t worker_skip(const struct worker *worker, const struct aion__chunk_span *span, bool *is_syncing)
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

static void worker_count_bad(struct worker *worker, const struct aion__chunk_span *span)
{
	if (!span->gap && !span->bad_size)
		return;
	pthread_mutex_lock(&worker->pool->lock);
	worker->pool->seen.bad_size += span->gap + span->bad_size;
	pthread_mutex_unlock(&worker->pool->lock);
}

/* Reads the place, in one span or, if there are gaps, several. 1: the file has ended in it. */
static int64_t worker_place(struct worker *worker)
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
		result = worker_fill(worker, &span);
		if (result < 0)
			return result;
		worker_count_bad(worker, &span);
		if (span.is_end)
			worker_ended(worker, off + (int64_t)span.got);
		off += (int64_t)(span.got + span.gap);
		begin = worker_skip(worker, &span, &is_syncing);
		result = worker_see(worker, &span, begin, options->records && !is_syncing && !span.gap && !span.is_end);
		if (result < 0 || span.is_end)
			return result < 0 ? result : 1;
		is_syncing = is_syncing && !span.gap;
	}
	return off >= file->end_off;
}

/* A place, and if it is the last one that was handed out, what the file has grown by. */
static int64_t worker_places(struct worker *worker)
{
	struct pool *pool = worker->pool;
	int64_t result;

	for (;;) {
		result = worker_place(worker);
		if (result != 0 || !worker->is_last)
			return result < 0 ? result : 1;
		if (atomic_load_explicit(&pool->must_stop, memory_order_relaxed))
			return -ECANCELED;
		pthread_mutex_lock(&pool->lock);
		worker->off += (int64_t)pool->run->options.chunk_size;
		pthread_mutex_unlock(&pool->lock);
	}
}

static int64_t worker_run(void *arg)
{
	struct worker *worker = arg;
	int64_t result;

	while (!atomic_load_explicit(&worker->pool->must_stop, memory_order_relaxed)) {
		result = worker_claim(worker);
		if (result == -ENODATA)
			return 0;
		if (result > 0)
			result = worker_places(worker);
		if (result < 0)
			return 0; /* told by worker_fail(); it stays busy */
		if (worker->is_busy)
			worker_release(worker);
	}
	return 0;
}

/* ---- on the loop's thread */

static int64_t worker_task(void *arg)
{
	struct worker *worker = arg;
	struct pool *pool = worker->pool;

	worker->result = aion_offload(AION_OFFLOAD_FAST, worker_run, worker);
	if (--pool->running_nr == 0)
		aion_future_complete(&pool->done, 0);
	return 0;
}

/* Where a later run may go on: with records, at a place that has been begun, or behind the one before. */
static void resume_lower(struct aion__chunk_run *run, size_t source_idx, int64_t off)
{
	struct aion_chunk_progress *progress = &run->progress;

	if (source_idx > progress->resume_source_idx ||
	    (source_idx == progress->resume_source_idx && off >= progress->resume_off))
		return;
	progress->resume_source_idx = source_idx;
	progress->resume_off = off;
}

static int64_t resume_off(const struct aion__chunk_run *run, const struct aion__chunk_file *file, int64_t off)
{
	if (off <= file->data_off)
		return file->data_off + (run->options.records && file->is_resumed);
	return off + run->options.records;
}

static void pool_set_resume(struct pool *pool)
{
	struct aion__chunk_run *run = pool->run;
	const struct worker *worker;
	const struct entry *entry;
	size_t i;

	run->progress.resume_source_idx = pool->next_source_idx;
	run->progress.resume_off = 0;
	if (pool->next_source_idx == run->options.resume_source_idx)
		run->progress.resume_off = run->options.resume_off;
	for (worker = pool->workers; worker < pool->workers + pool->entry_nr; worker++)
		if (worker->is_busy)
			resume_lower(run, worker->source_idx,
				     worker->entry && worker->entry->file.source_idx == worker->source_idx
					     ? resume_off(run, &worker->entry->file, worker->off)
					     : 0);
	for (entry = pool->entries; entry < pool->entries + pool->entry_nr; entry++)
		if (entry_has_places(entry))
			resume_lower(run, entry->file.source_idx, resume_off(run, &entry->file, entry->next_off));
	for (i = run->options.resume_source_idx; i < run->progress.resume_source_idx; i++)
		if (pool->is_left[i])
			resume_lower(run, i, 0);
}

/* What the workers have counted. */
static void pool_look(struct pool *pool)
{
	struct aion_chunk_progress *progress = &pool->run->progress;

	pthread_mutex_lock(&pool->lock);
	pool_set_resume(pool);
	progress->size = pool->seen.size;
	progress->chunk_nr = pool->seen.chunk_nr;
	progress->source_nr = pool->seen.source_nr;
	progress->bad_size = pool->seen.bad_size;
	pthread_mutex_unlock(&pool->lock);
}

static AION_SUSPENDS int64_t pool_tell(struct pool *pool)
{
	struct aion_chunk_progress *progress = &pool->run->progress;
	int64_t result;

	pool_look(pool);
	result = aion__chunk_tell(pool->run);
	if (result >= 0)
		return result;
	pthread_mutex_lock(&pool->lock);
	aion__chunk_fail(pool->run, progress->resume_source_idx, progress->resume_off, result, "callback");
	pthread_mutex_unlock(&pool->lock);
	return result;
}

static AION_SUSPENDS int64_t pool_wait(struct pool *pool)
{
	struct aion__chunk_run *run = pool->run;
	int64_t result;

	if (!run->options.progress)
		return aion_await(&pool->done);
	do {
		result = aion_wait_for(&pool->done, run->progress_due_ns);
		if (result == -ETIME)
			result = pool_tell(pool);
		else
			return result;
	} while (result >= 0);
	return result;
}

/* What only the loop's thread can read, piece by piece. */
static AION_SUSPENDS int64_t pool_read_left(struct pool *pool)
{
	struct aion__chunk_run *run = pool->run;
	struct aion__chunk_file file;
	int64_t result = 0;
	size_t i;

	for (i = run->options.resume_source_idx; i < run->nr && result >= 0; i++) {
		if (!pool->is_left[i])
			continue;
		result = aion__chunk_open(run, i, &file);
		if (result < 0)
			break;
		result = aion__chunk_stream_read(run, &file);
		aion__chunk_close(&file, 0);
		if (result < 0)
			break;
		pool->is_left[i] = 0;
		run->progress.source_nr++;
	}
	return result;
}

/* If no thread could be had, that is the error; one is enough. */
static int64_t pool_result(const struct pool *pool, int64_t result)
{
	unsigned i;

	if (result < 0 || pool->run->failure.error)
		return result < 0 ? result : pool->run->failure.error;
	for (i = 0; i < pool->entry_nr; i++)
		if (pool->workers[i].result >= 0)
			return 0;
	return pool->workers[0].result;
}

static AION_SUSPENDS int64_t pool_run(struct pool *pool)
{
	struct aion_group group;
	int64_t result, left;
	unsigned i;

	aion_future_init(&pool->done);
	pool->running_nr = pool->entry_nr;
	aion_group_enter(&group);
	for (i = 0; i < pool->entry_nr; i++)
		aion_spawn(&group, worker_task, &pool->workers[i]);
	result = pool_wait(pool);
	if (result < 0)
		atomic_store_explicit(&pool->must_stop, true, memory_order_relaxed);
	left = aion_group_leave(&group, 0);
	pool_look(pool);
	return pool_result(pool, result < 0 ? result : left);
}

static void pool_destroy(struct pool *pool)
{
	unsigned i;

	for (i = 0; i < pool->entry_nr; i++) {
		aion__chunk_unmap(pool->workers[i].buf, pool->workers[i].buf_size);
		/* Left open by a run that did not come to its end. */
		if (pool->entries[i].is_open)
			aion__chunk_close_blocking(&pool->entries[i].file, pool->entries[i].ended_off);
	}
	pthread_mutex_destroy(&pool->lock);
	aion__free(pool);
}

static struct pool *pool_create(struct aion__chunk_run *run)
{
	unsigned i, nr = (unsigned)run->options.worker_nr;
	size_t size = sizeof(struct pool) + nr * sizeof(struct worker);
	struct pool *pool = aion__alloc_zeroed(size + nr * sizeof(struct entry) + run->nr);
	struct worker *worker;

	if (!pool)
		return NULL;
	pool->run = run;
	pool->entries = (struct entry *)((char *)pool + size);
	pool->is_left = (uint8_t *)(pool->entries + nr);
	pool->next_source_idx = run->options.resume_source_idx;
	pthread_mutex_init(&pool->lock, NULL);
	for (i = 0; i < nr; i++) {
		worker = &pool->workers[pool->entry_nr++];
		worker->pool = pool;
		worker->idx = i;
		worker->buf_size = run->options.chunk_size;
		if (run->options.records)
			worker->buf_size += aion__chunk_round_up(run->options.record_size_max) + REACH_NEXT;
		worker->buf = aion__chunk_map(worker->buf_size);
		if (!worker->buf) {
			pool_destroy(pool);
			return NULL;
		}
	}
	return pool;
}

int64_t aion__chunk_workers_run(struct aion__chunk_run *run)
{
	struct pool *pool = pool_create(run);
	int64_t result;

	if (!pool)
		return -ENOMEM;
	result = pool_run(pool);
	if (result >= 0)
		result = pool_read_left(pool);
	pool_set_resume(pool);
	pool_destroy(pool);
	return result;
}
