/* SPDX-License-Identifier: MIT */
/* The life of a pool's job: an attempt, what comes of it, how it ends. */
#include <errno.h>

#include "alloc_int.h"
#include "pool_int.h"
#include "retry_int.h"

#define SLAB_NR 32
#define VOID_MIN 64 /* void records that the queue may hold in any case */

struct aion__pool_slab {
	struct aion__pool_slab *next;
	struct aion__pool_record records[SLAB_NR];
};

static struct aion__pool_record *record_of(struct aion__link *link)
{
	return aion__container_of(link, struct aion__pool_record, running);
}

static int slab_add(struct aion__pool *pool)
{
	struct aion__pool_slab *slab = aion__alloc(sizeof(*slab));

	if (!slab)
		return -ENOMEM;
	slab->next = pool->slabs;
	pool->slabs = slab;
	for (int i = SLAB_NR - 1; i >= 0; i--) {
		slab->records[i].pool = pool;
		aion__pool_record_put(&slab->records[i]);
	}
	return 0;
}

struct aion__pool_record *aion__pool_record_take(struct aion__pool *pool)
{
	struct aion__link *link;

	if (!pool->free && slab_add(pool) < 0)
		return NULL;
	link = pool->free;
	pool->free = link->next;
	return record_of(link);
}

void aion__pool_record_put(struct aion__pool_record *record)
{
	record->running.next = record->pool->free;
	record->pool->free = &record->running;
}

void aion__pool_records_free(struct aion__pool *pool)
{
	while (pool->slabs) {
		struct aion__pool_slab *slab = pool->slabs;

		pool->slabs = slab->next;
		aion__free(slab);
	}
}

void aion__pool_hold(struct aion__pool *pool)
{
	if (!pool->pending_nr++)
		aion_event_clear(&pool->idle);
}

void aion__pool_let_go(struct aion__pool *pool)
{
	AION_ASSERT(pool->pending_nr);
	if (!--pool->pending_nr)
		aion_event_set(&pool->idle);
}

/* Who ended it: itself, or somebody else. */
enum end {
	BY_ITSELF,
	BY_CANCEL,
};

/* The job is over; its record is not the job's any more. */
static void job_end(struct aion__pool_record *record, int64_t result, enum end by)
{
	struct aion__pool *pool = record->pool;
	struct aion_job *job = record->job;

	if (by == BY_CANCEL)
		pool->stats->cancel_nr++;
	else if (result < 0)
		pool->stats->fail_nr++;
	else
		pool->stats->succeed_nr++;
	if (job) {
		job->record = NULL;
		aion_future_complete(&job->future, result);
	} else if (result < 0 && by == BY_ITSELF && !pool->first_error) {
		pool->first_error = result;
	}
	aion__pool_let_go(pool);
}

static void record_end(struct aion__pool_record *record, int64_t result, enum end by)
{
	job_end(record, result, by);
	aion__pool_record_put(record);
}

/* It does not wait for a worker any more. */
static void record_dequeue(struct aion__pool_record *record)
{
	AION_ASSERT(record->state == AION__POOL_QUEUED);
	record->pool->stats->queued_nr--;
	if (record->has_room)
		aion_semaphore_release(&record->pool->rooms);
	record->has_room = false;
}

void aion__pool_requeue(struct aion__pool_record *record)
{
	int result;

	record->state = AION__POOL_QUEUED;
	result = aion_queue_try_put_priority(&record->pool->queue, record, record->options.priority);
	if (result < 0)
		record_end(record, result, result == -ESHUTDOWN ? BY_CANCEL : BY_ITSELF);
	else
		record->pool->stats->queued_nr++;
}

/* The function, in a scope by which it can be cancelled, and under its time limit. */
static int64_t record_attempt(struct aion__pool_record *record, bool *ret_is_cancelled)
{
	struct aion__pool *pool = record->pool;
	struct aion__link *link = &record->running;
	struct aion_scope scope;
	int64_t result;

	link->prev = &pool->running;
	link->next = pool->running.next;
	link->next->prev = link->prev->next = link;
	record->state = AION__POOL_RUNNING;
	record->scope = &scope;
	record->attempt_nr++;
	pool->stats->attempt_nr++;
	pool->stats->running_nr++;
	aion_scope_enter(&scope, record->options.limit_ns ? aion_after(record->options.limit_ns) : AION_NEVER);
	result = record->fn(record->arg);
	*ret_is_cancelled = result == -ECANCELED && aion_cancelled();
	if (aion_scope_leave(&scope) == -ETIME && *ret_is_cancelled) {
		*ret_is_cancelled = false;
		result = -ETIME;
	}
	pool->stats->running_nr--;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	record->scope = NULL;
	return result;
}

static bool record_may_go_on(const struct aion__pool_record *record)
{
	return !record->is_cancelled && !record->pool->is_stopped;
}

/* The predicate may cancel the job and stop the pool. */
static bool record_goes_on(struct aion__pool_record *record, int64_t result)
{
	const struct aion_retry_options *retry = record->options.retry;

	return retry && record_may_go_on(record) && aion__retry_goes_on(retry, result, record->attempt_nr) &&
	       record_may_go_on(record) && aion__pool_delay(record, aion_retry_delay(retry, record->attempt_nr)) == 0;
}

void aion__pool_run(struct aion__pool_record *record)
{
	struct aion__pool *pool = record->pool;
	bool is_cancelled;
	int64_t result;

	if (record->state == AION__POOL_VOID) {
		pool->void_nr--;
		aion__pool_record_put(record);
		return;
	}
	record_dequeue(record);
	/* Handed over just before the end. */
	if (pool->is_stopped || aion_cancelled()) {
		record_end(record, -ESHUTDOWN, BY_CANCEL);
		return;
	}
	result = record_attempt(record, &is_cancelled);
	if (!is_cancelled && record_goes_on(record, result))
		return;
	record_end(record, result, is_cancelled ? BY_CANCEL : BY_ITSELF);
}

/* Void records neither hold up who submits nor pile up: when they are most of the queue, they are taken out. */
static void queue_sift(struct aion__pool *pool)
{
	struct aion__link *kept = NULL, **last = &kept;
	void *item;

	if (pool->void_nr < VOID_MIN || pool->void_nr < aion_queue_size(&pool->queue) / 2)
		return;
	while (aion_queue_try_get(&pool->queue, &item) == 0) {
		struct aion__pool_record *record = item;

		if (record->state == AION__POOL_VOID) {
			pool->void_nr--;
			aion__pool_record_put(record);
		} else {
			*last = &record->running;
			last = &record->running.next;
		}
	}
	*last = NULL;
	while (kept) {
		struct aion__pool_record *record = record_of(kept);

		kept = kept->next;
		pool->stats->queued_nr--;
		aion__pool_requeue(record);
	}
}

void aion__pool_cancel(struct aion__pool_record *record)
{
	struct aion__pool *pool = record->pool;

	switch ((enum aion__pool_state)record->state) {
	case AION__POOL_QUEUED:
		record_dequeue(record);
		record->state = AION__POOL_VOID;
		pool->void_nr++;
		job_end(record, -ECANCELED, BY_CANCEL);
		queue_sift(pool);
		break;
	case AION__POOL_DELAYED:
		aion__pool_undelay(record);
		record_end(record, -ECANCELED, BY_CANCEL);
		break;
	case AION__POOL_RUNNING:
		record->is_cancelled = true;
		if (record->scope)
			aion_scope_cancel(record->scope);
		break;
	case AION__POOL_VOID:
		break;
	}
}

/* Comes out of a queue that is shut down. */
static void queued_drop(void *item, void *arg)
{
	struct aion__pool_record *record = item;
	struct aion__pool *pool = arg;

	if (record->state == AION__POOL_VOID) {
		pool->void_nr--;
		aion__pool_record_put(record);
		return;
	}
	record_dequeue(record);
	record_end(record, -ESHUTDOWN, BY_CANCEL);
}

void aion__pool_stop(struct aion__pool *pool)
{
	pool->is_closed = true;
	pool->is_stopped = true;
	aion_semaphore_close(&pool->rooms);
	aion_queue_shutdown_now(&pool->queue, queued_drop, pool);
	while (pool->delayed.nr) {
		struct aion__pool_record *record =
			aion__container_of(pool->delayed.entries[0].place, struct aion__pool_record, place);

		aion__pool_undelay(record);
		record_end(record, -ESHUTDOWN, BY_CANCEL);
	}
	for (struct aion__link *link = pool->running.next; link != &pool->running; link = link->next)
		aion_scope_cancel(record_of(link)->scope);
}
