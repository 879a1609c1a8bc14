/* SPDX-License-Identifier: MIT */
/* Jobs that wait for their next attempt: a heap, one timer, and a task that puts them back into the queue. */
#include <errno.h>

#include "alloc_int.h"
#include "pool_int.h"

#define DELAYED_MIN 16

static struct aion__pool_record *delayed_first(struct aion__pool *pool)
{
	return pool->delayed.nr ? aion__container_of(pool->delayed.entries[0].place, struct aion__pool_record, place)
				: NULL;
}

static int delayed_reserve(struct aion__heap *heap)
{
	size_t capacity = heap->capacity ? heap->capacity * 2 : DELAYED_MIN;
	struct aion__heap_entry *entries;

	if (heap->nr < heap->capacity)
		return 0;
	entries = aion__realloc(heap->entries, capacity * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	heap->entries = entries;
	heap->capacity = capacity;
	return 0;
}

void aion__pool_undelay(struct aion__pool_record *record)
{
	AION_ASSERT(record->state == AION__POOL_DELAYED);
	aion__heap_remove(&record->pool->delayed, record->place);
	record->pool->stats->delayed_nr--;
}

static void delayed_requeue_first(struct aion__pool *pool)
{
	struct aion__pool_record *record = delayed_first(pool);

	aion__pool_undelay(record);
	aion__pool_requeue(record);
}

/* Set the timer to the earliest. One for which there is no memory is not delayed any further. */
static void delayed_arm(struct aion__pool *pool)
{
	aion_timer_cancel(&pool->timer);
	while (pool->delayed.nr && aion_timer_arm(&pool->timer, pool->delayed.entries[0].key) < 0)
		delayed_requeue_first(pool);
	if (!pool->delayed.nr)
		aion_timer_arm(&pool->timer, AION_NEVER); /* that is, make it pending again */
}

int aion__pool_delay(struct aion__pool_record *record, int64_t delay_ns)
{
	struct aion__pool *pool = record->pool;

	if (delayed_reserve(&pool->delayed) < 0)
		return -ENOMEM;
	aion__heap_push(&pool->delayed, aion_after(delay_ns), &record->place);
	record->state = AION__POOL_DELAYED;
	pool->stats->delayed_nr++;
	if (delayed_first(pool) == record)
		delayed_arm(pool);
	return 0;
}

int64_t aion__pool_delayer(void *arg)
{
	struct aion__pool *pool = arg;
	int64_t result;

	while ((result = aion_await(&pool->timer.future)) >= 0) {
		int64_t now_ns = aion_now();

		while (pool->delayed.nr && pool->delayed.entries[0].key <= now_ns)
			delayed_requeue_first(pool);
		delayed_arm(pool);
	}
	return result;
}
