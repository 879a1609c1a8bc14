/* SPDX-License-Identifier: MIT */
/*
 * Workers: offloaded calls, each of which takes the next place of the oldest source that has any, reads it by itself
 * and calls the callback. Nobody waits for anybody. Places are handed out as far as the source is said to reach;
 * whoever has the last one goes on behind it until a read gives nothing.
 */
#include <errno.h>

#include <aion/offload.h>
#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "chunk_pool_int.h"

/* ---- under the lock */

/* Where no more places begin that could be handed out. */
static int64_t entry_limit(const struct aion__chunk_entry *entry)
{
	int64_t off = entry->file.hint_off < entry->file.end_off ? entry->file.hint_off : entry->file.end_off;

	return off < entry->ended_off ? off : entry->ended_off;
}

static bool entry_has_places(const struct aion__chunk_entry *entry)
{
	return entry->is_open && entry->next_off < entry_limit(entry);
}

static void worker_take(struct aion__chunk_worker *worker, struct aion__chunk_entry *entry)
{
	const struct aion__chunk_file *file = &entry->file;

	worker->entry = entry;
	worker->is_busy = true;
	worker->source_idx = file->source_idx;
	worker->off = entry->next_off;
	entry->next_off += (int64_t)worker->pool->run->options.chunk_size;
	worker->is_last = entry->next_off >= file->hint_off || entry->next_off >= file->end_off;
}

static struct aion__chunk_entry *pool_oldest(struct aion__chunk_pool *pool)
{
	struct aion__chunk_entry *entry, *oldest = NULL;

	for (entry = pool->entries; entry < pool->entries + pool->entry_nr; entry++)
		if (entry_has_places(entry) && (!oldest || entry->file.source_idx < oldest->file.source_idx))
			oldest = entry;
	return oldest;
}

/* As long as a worker is without a place, there is an entry for it. */
static struct aion__chunk_entry *pool_free_entry(struct aion__chunk_pool *pool)
{
	struct aion__chunk_entry *entry = pool->entries;

	while (entry->is_open || entry->is_opening)
		entry++;
	AION_ASSERT(entry < pool->entries + pool->entry_nr);
	return entry;
}

/* ---- places */

void aion__chunk_worker_fail(struct aion__chunk_worker *worker, int64_t off, int64_t error, const char *what)
{
	struct aion__chunk_pool *pool = worker->pool;

	pthread_mutex_lock(&pool->lock);
	aion__chunk_fail(pool->run, worker->source_idx, off, error, what);
	pthread_mutex_unlock(&pool->lock);
	atomic_store_explicit(&pool->must_stop, true, memory_order_relaxed);
}

/* Opens the next source and takes its first place. 1: it has one; 0: none; or the error. */
static int64_t worker_open(struct aion__chunk_worker *worker, struct aion__chunk_entry *entry)
{
	struct aion__chunk_pool *pool = worker->pool;
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
		aion__chunk_worker_fail(worker, 0, result, "open");
	return result < 0 ? result : 1;
}

/* 1: a place; 0: look again; -ENODATA: there is none. */
static int64_t worker_claim(struct aion__chunk_worker *worker)
{
	struct aion__chunk_pool *pool = worker->pool;
	struct aion__chunk_entry *entry;
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
static void worker_release(struct aion__chunk_worker *worker)
{
	struct aion__chunk_entry *entry = worker->entry;
	struct aion__chunk_pool *pool = worker->pool;
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

void aion__chunk_worker_ended(struct aion__chunk_worker *worker, int64_t end_off)
{
	struct aion__chunk_pool *pool = worker->pool;
	struct aion__chunk_entry *entry = worker->entry;

	pthread_mutex_lock(&pool->lock);
	if (end_off < entry->ended_off)
		entry->ended_off = end_off;
	pthread_mutex_unlock(&pool->lock);
}

/* A place, and if it is the last one that was handed out, what the file has grown by. */
static int64_t worker_places(struct aion__chunk_worker *worker)
{
	struct aion__chunk_pool *pool = worker->pool;
	int64_t result;

	for (;;) {
		result = aion__chunk_place_see(worker);
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
	struct aion__chunk_worker *worker = arg;
	int64_t result;

	while (!atomic_load_explicit(&worker->pool->must_stop, memory_order_relaxed)) {
		result = worker_claim(worker);
		if (result == -ENODATA)
			return 0;
		if (result > 0)
			result = worker_places(worker);
		if (result < 0)
			return 0; /* told by aion__chunk_worker_fail(); it stays busy */
		if (worker->is_busy)
			worker_release(worker);
	}
	return 0;
}

/* ---- on the loop's thread */

static int64_t worker_task(void *arg)
{
	struct aion__chunk_worker *worker = arg;
	struct aion__chunk_pool *pool = worker->pool;

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

static void pool_set_resume(struct aion__chunk_pool *pool)
{
	struct aion__chunk_run *run = pool->run;
	const struct aion__chunk_worker *worker;
	const struct aion__chunk_entry *entry;
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
static void pool_look(struct aion__chunk_pool *pool)
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

static AION_SUSPENDS int64_t pool_tell(struct aion__chunk_pool *pool)
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

static AION_SUSPENDS int64_t pool_wait(struct aion__chunk_pool *pool)
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
static AION_SUSPENDS int64_t pool_read_left(struct aion__chunk_pool *pool)
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
static int64_t pool_result(const struct aion__chunk_pool *pool, int64_t result)
{
	unsigned i;

	if (result < 0 || pool->run->failure.error)
		return result < 0 ? result : pool->run->failure.error;
	for (i = 0; i < pool->entry_nr; i++)
		if (pool->workers[i].result >= 0)
			return 0;
	return pool->workers[0].result;
}

static AION_SUSPENDS int64_t pool_run(struct aion__chunk_pool *pool)
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
	/* A task that could not be begun cancels the wait for the others; why is what the group says. */
	if (left < 0 && (result >= 0 || (result == -ECANCELED && !aion_cancelled())))
		result = left;
	pool_look(pool);
	return pool_result(pool, result);
}

/* Everything in an open source before this has been seen. */
static int64_t pool_seen_off(const struct aion__chunk_pool *pool, const struct aion__chunk_entry *entry)
{
	const struct aion__chunk_worker *worker;
	int64_t off = entry->next_off < entry->ended_off ? entry->next_off : entry->ended_off;

	for (worker = pool->workers; worker < pool->workers + pool->entry_nr; worker++)
		if (worker->is_busy && worker->entry == entry && worker->off < off)
			off = worker->off;
	return off > entry->file.data_off ? off : entry->file.data_off;
}

static void pool_destroy(struct aion__chunk_pool *pool)
{
	unsigned i;

	for (i = 0; i < pool->entry_nr; i++) {
		aion__chunk_unmap(pool->workers[i].buf, pool->workers[i].buf_size);
		/* Left open by a run that did not come to its end. */
		if (pool->entries[i].is_open)
			aion__chunk_close_blocking(&pool->entries[i].file, pool_seen_off(pool, &pool->entries[i]));
	}
	pthread_mutex_destroy(&pool->lock);
	aion__free(pool);
}

static struct aion__chunk_pool *pool_create(struct aion__chunk_run *run)
{
	unsigned i, nr = (unsigned)run->options.worker_nr;
	size_t size = sizeof(struct aion__chunk_pool) + nr * sizeof(struct aion__chunk_worker);
	struct aion__chunk_pool *pool = aion__alloc_zeroed(size + nr * sizeof(struct aion__chunk_entry) + run->nr);
	struct aion__chunk_worker *worker;

	if (!pool)
		return NULL;
	pool->run = run;
	pool->entries = (struct aion__chunk_entry *)((char *)pool + size);
	pool->is_left = (uint8_t *)(pool->entries + nr);
	pool->next_source_idx = run->options.resume_source_idx;
	pthread_mutex_init(&pool->lock, NULL);
	for (i = 0; i < nr; i++) {
		worker = &pool->workers[pool->entry_nr++];
		worker->pool = pool;
		worker->idx = i;
		worker->buf_size = run->options.chunk_size;
		if (run->options.records)
			worker->buf_size += aion__chunk_round_up(run->options.record_size_max) + AION__CHUNK_REACH;
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
	struct aion__chunk_pool *pool = pool_create(run);
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
