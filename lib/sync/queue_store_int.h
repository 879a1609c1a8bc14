/* SPDX-License-Identifier: MIT */
#ifndef AION_SYNC_QUEUE_STORE_INT_H
#define AION_SYNC_QUEUE_STORE_INT_H
/* Where a queue's items lie: a ring, a stack or a heap. Knows nothing of waiting. */
#include <aion/queue.h>

#include "assert_int.h"

struct aion__queue_entry {
	int64_t priority;
	uint64_t order;
	void *item;
};

/* Memory for so many, at least, where there is none yet. -ENOMEM: all is as before. */
int aion__queue_reserve(struct aion_queue *queue, size_t room_nr);
/* Memory for one more than there are. -ENOMEM: all is as before. */
int aion__queue_grow(struct aion_queue *queue);

/* Of a queue by priority. */
void aion__queue_store_entry(struct aion_queue *queue, void *item, int64_t priority);
void *aion__queue_fetch_entry(struct aion_queue *queue);

/* There is room. */
static inline void aion__queue_store(struct aion_queue *queue, void *item, int64_t priority)
{
	size_t idx = queue->first + queue->nr; /* a stack's first is 0 */

	AION_ASSERT(queue->nr < queue->room_nr);
	if (aion__unlikely(queue->kind == AION_QUEUE_PRIORITY)) {
		aion__queue_store_entry(queue, item, priority);
		return;
	}
	queue->nr++;
	queue->items[idx < queue->room_nr ? idx : idx - queue->room_nr] = item;
}

/* The item that is next; there is one. */
static inline void *aion__queue_fetch(struct aion_queue *queue)
{
	size_t idx = queue->first;

	AION_ASSERT(queue->nr);
	if (aion__unlikely(queue->kind == AION_QUEUE_PRIORITY))
		return aion__queue_fetch_entry(queue);
	queue->nr--;
	if (aion__unlikely(queue->kind == AION_QUEUE_LIFO))
		return queue->items[queue->nr];
	queue->first = idx + 1 == queue->room_nr ? 0 : idx + 1;
	return queue->items[idx];
}

#endif
