/* SPDX-License-Identifier: MIT */
/* Where a queue's items lie. */
#include <errno.h>
#include <string.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "queue_store_int.h"

#define ROOM_MIN_NR 16 /* of a queue that grows */

static size_t queue_entry_size(const struct aion_queue *queue)
{
	return queue->kind == AION_QUEUE_PRIORITY ? sizeof(struct aion__queue_entry) : sizeof(void *);
}

int aion__queue_reserve(struct aion_queue *queue, size_t room_nr)
{
	size_t entry_size = queue_entry_size(queue), tail_nr;
	void *memory;
	size_t size;

	if (__builtin_mul_overflow(room_nr, entry_size, &size) || size > PTRDIFF_MAX)
		return -ENOMEM;
	memory = aion__realloc(queue->items, size);
	if (!memory)
		return -ENOMEM;
	queue->items = memory;
	/* A ring that goes over the end: what lies up to the old end moves up to the new one. */
	if (queue->first + queue->nr > queue->room_nr) {
		tail_nr = queue->room_nr - queue->first;
		memmove(&queue->items[room_nr - tail_nr], &queue->items[queue->first], tail_nr * sizeof(void *));
		queue->first = room_nr - tail_nr;
	}
	queue->room_nr = room_nr;
	return 0;
}

int aion__queue_grow(struct aion_queue *queue)
{
	if (queue->nr < queue->room_nr)
		return 0;
	return aion__queue_reserve(queue, queue->room_nr ? queue->room_nr * 2 : ROOM_MIN_NR);
}

static bool entry_precedes(const struct aion__queue_entry *a, const struct aion__queue_entry *b)
{
	return a->priority < b->priority || (a->priority == b->priority && a->order < b->order);
}

/* Put the entry at idx, or above, as far as it comes before what is there. */
static void entries_rise(struct aion__queue_entry *entries, size_t idx, struct aion__queue_entry entry)
{
	while (idx && entry_precedes(&entry, &entries[(idx - 1) / 2])) {
		entries[idx] = entries[(idx - 1) / 2];
		idx = (idx - 1) / 2;
	}
	entries[idx] = entry;
}

/* Put the entry at the top, or below, as far as something there comes before it. */
static void entries_sink(struct aion__queue_entry *entries, size_t nr, struct aion__queue_entry entry)
{
	size_t idx = 0, child;

	for (;;) {
		child = 2 * idx + 1;
		if (child + 1 < nr && entry_precedes(&entries[child + 1], &entries[child]))
			child++;
		if (child >= nr || !entry_precedes(&entries[child], &entry))
			break;
		entries[idx] = entries[child];
		idx = child;
	}
	entries[idx] = entry;
}

void aion__queue_store_entry(struct aion_queue *queue, void *item, int64_t priority)
{
	entries_rise(queue->entries, queue->nr++, (struct aion__queue_entry){priority, queue->order++, item});
}

void *aion__queue_fetch_entry(struct aion_queue *queue)
{
	void *item = queue->entries[0].item;

	if (--queue->nr)
		entries_sink(queue->entries, queue->nr, queue->entries[queue->nr]);
	return item;
}
