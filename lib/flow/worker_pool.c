/* SPDX-License-Identifier: MIT */
/* The worker pool as its users see it: entering, handing in, ending. */
#include <errno.h>

#include <aion/scope.h>

#include "alloc_int.h"
#include "pool_int.h"
#include "retry_int.h"

#define WORKER_NR 4
#define STACK_SIZE_MAX ((size_t)64 << 20)

static struct aion__pool *pool_of(const struct aion_worker_pool *face)
{
	AION_BUG_ON(!face->inside, "worker pool used that is not entered, or has been left");
	return face->inside;
}

static int64_t pool_work(void *arg)
{
	struct aion__pool *pool = arg;
	void *record;
	int64_t result;

	while ((result = aion_queue_get(&pool->queue, &record)) >= 0)
		aion__pool_run(record);
	return result == -ESHUTDOWN ? 0 : result;
}

static struct aion__pool *pool_create(struct aion_worker_pool *face, size_t capacity)
{
	struct aion__pool *pool = aion__alloc_zeroed(sizeof(*pool));

	if (!pool)
		return NULL;
	if (aion_queue_init(&pool->queue, AION_QUEUE_PRIORITY, AION_QUEUE_UNBOUNDED) < 0) {
		aion__free(pool);
		return NULL;
	}
	aion_semaphore_init(&pool->rooms, capacity);
	pool->is_bounded = capacity;
	aion_event_init(&pool->idle);
	aion_event_set(&pool->idle);
	aion_timer_init(&pool->timer);
	pool->running.next = pool->running.prev = &pool->running;
	pool->stats = &face->stats;
	return pool;
}

static void pool_destroy(struct aion__pool *pool)
{
	AION_ASSERT(!pool->pending_nr && !pool->delayed.nr);
	aion_timer_cancel(&pool->timer);
	aion_queue_fini(&pool->queue);
	aion_semaphore_fini(&pool->rooms);
	aion_event_fini(&pool->idle);
	aion__pool_records_free(pool);
	aion__free(pool->delayed.entries);
	aion__free(pool);
}

int aion_worker_pool_enter(struct aion_worker_pool *face, const struct aion_worker_pool_options *options)
{
	const struct aion_worker_pool_options chosen = options ? *options : (struct aion_worker_pool_options){0};
	const struct aion_spawn_options worker = {.name = "pool worker", .stack_size = chosen.stack_size};
	const struct aion_spawn_options delayer = {.name = "pool delayer"};
	unsigned worker_nr = chosen.worker_nr ? chosen.worker_nr : WORKER_NR;

	if (worker_nr > AION_WORKER_MAX || chosen.stack_size > STACK_SIZE_MAX)
		return -EINVAL;
	face->stats = (struct aion_worker_pool_stats){0};
	face->inside = pool_create(face, chosen.capacity);
	if (!face->inside)
		return -ENOMEM;
	aion_group_enter(&face->group);
	aion_spawn_into(&face->group, &face->inside->delayer, &delayer, aion__pool_delayer, face->inside);
	for (unsigned i = 0; i < worker_nr; i++)
		if (aion_spawn_with(&face->group, &worker, pool_work, face->inside) < 0)
			break;
	return 0;
}

/* Wait until nothing is left to do, also for what comes in meanwhile. */
static int pool_drain(struct aion__pool *pool)
{
	int result = 0;

	while (pool->pending_nr && result >= 0)
		result = aion_event_wait(&pool->idle);
	return result;
}

int64_t aion_worker_pool_leave(struct aion_worker_pool *face, int64_t body_result)
{
	struct aion__pool *pool = pool_of(face);
	bool has_failed = body_result < 0 && !(body_result == -ECANCELED && aion_cancelled());
	struct aion_scope shield;
	int64_t result = body_result;

	if (body_result >= 0)
		result = pool_drain(pool);
	aion__pool_stop(pool);
	aion_handle_cancel(&pool->delayer);
	result = aion_group_leave(&face->group, result);
	/* A forked child has joined nobody. */
	if (result == -ECHILD && aion_checkpoint() == -ECHILD)
		return result;
	/* Who waited to submit has been refused, and has to be out. */
	aion_scope_enter_shield(&shield, AION_NEVER);
	pool_drain(pool);
	aion_scope_leave(&shield);
	if (!has_failed && pool->first_error && (result == 0 || result == -ETIME || result == -ECANCELED))
		result = pool->first_error;
	pool_destroy(pool);
	face->inside = NULL;
	return result;
}

/* Hand it to a worker, or to the queue. */
static int pool_add(struct aion__pool *pool, const struct aion_job_options *options, aion_fn *fn, void *arg,
		    struct aion_job *job)
{
	struct aion__pool_record *record;
	int result;

	if (pool->is_closed)
		return -ESHUTDOWN;
	record = aion__pool_record_take(pool);
	if (!record)
		return -ENOMEM;
	record->fn = fn;
	record->arg = arg;
	record->job = job;
	record->options = *options;
	record->attempt_nr = 0;
	record->state = AION__POOL_QUEUED;
	record->has_room = pool->is_bounded;
	record->is_cancelled = false;
	result = aion_queue_try_put_priority(&pool->queue, record, options->priority);
	if (result < 0) {
		aion__pool_record_put(record);
		return result;
	}
	if (job) {
		aion_future_init(&job->future);
		job->record = record;
	}
	pool->stats->submit_nr++;
	pool->stats->queued_nr++;
	aion__pool_hold(pool);
	return 0;
}

static int pool_check(const struct aion__pool *pool, const struct aion_job_options *options)
{
	if (options->limit_ns < 0 || (options->retry && !aion__retry_is_valid(options->retry)))
		return -EINVAL;
	return pool->is_closed ? -ESHUTDOWN : 0;
}

/* The submitter counts as something to be done, so that the pool does not go while he waits. */
static int pool_add_bounded(struct aion__pool *pool, const struct aion_job_options *options, aion_fn *fn, void *arg,
			    struct aion_job *job)
{
	int result;

	aion__pool_hold(pool);
	result = aion_semaphore_acquire(&pool->rooms);
	if (result >= 0) {
		result = pool_add(pool, options, fn, arg, job);
		if (result < 0)
			aion_semaphore_release(&pool->rooms);
	}
	aion__pool_let_go(pool);
	return result;
}

static const struct aion_job_options job_defaults;

int aion_worker_pool_submit_with(struct aion_worker_pool *face, const struct aion_job_options *options, aion_fn *fn,
				 void *arg, struct aion_job *job)
{
	struct aion__pool *pool = pool_of(face);
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	if (!options)
		options = &job_defaults;
	result = pool_check(pool, options);
	if (result < 0)
		return result;
	return pool->is_bounded ? pool_add_bounded(pool, options, fn, arg, job) : pool_add(pool, options, fn, arg, job);
}

int aion_worker_pool_submit(struct aion_worker_pool *face, int64_t priority, aion_fn *fn, void *arg,
			    struct aion_job *job)
{
	const struct aion_job_options options = {.priority = priority};

	return aion_worker_pool_submit_with(face, &options, fn, arg, job);
}

int aion_worker_pool_try_submit(struct aion_worker_pool *face, const struct aion_job_options *options, aion_fn *fn,
				void *arg, struct aion_job *job)
{
	struct aion__pool *pool = pool_of(face);
	int result;

	if (!options)
		options = &job_defaults;
	result = pool_check(pool, options);
	if (result < 0)
		return result;
	if (pool->is_bounded && (result = aion_semaphore_try_acquire(&pool->rooms)) < 0)
		return result;
	result = pool_add(pool, options, fn, arg, job);
	if (result < 0 && pool->is_bounded)
		aion_semaphore_release(&pool->rooms);
	return result;
}

void aion_job_cancel(struct aion_job *job)
{
	if (job->record)
		aion__pool_cancel(job->record);
}

int64_t aion_worker_pool_join(struct aion_worker_pool *face)
{
	return aion_event_wait(&pool_of(face)->idle);
}

void aion_worker_pool_shutdown(struct aion_worker_pool *face)
{
	struct aion__pool *pool = pool_of(face);

	pool->is_closed = true;
	aion_semaphore_close(&pool->rooms);
}

size_t aion_worker_pool_shutdown_now(struct aion_worker_pool *face)
{
	size_t dropped_nr = face->stats.queued_nr + face->stats.delayed_nr;

	aion__pool_stop(pool_of(face));
	return dropped_nr;
}

void aion_worker_pool_stats(const struct aion_worker_pool *face, struct aion_worker_pool_stats *ret_stats)
{
	*ret_stats = face->stats;
}
