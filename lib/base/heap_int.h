/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_HEAP_INT_H
#define AION_BASE_HEAP_INT_H
/*
 * A 4-ary heap: the smallest key first, equal keys in the order in which they came. Items are not touched but for one
 * word each, their place, by which they can be removed. The owner provides the memory.
 */
#include <stdbool.h>

#include "assert_int.h"

struct aion__heap_entry {
	int64_t key;
	uint64_t order;
	uintptr_t *place;
};

struct aion__heap {
	struct aion__heap_entry *entries;
	size_t nr;
	size_t capacity;
	uint64_t order; /* how many ever came */
};

/* An item's place: odd, so that it can share its word with aligned addresses. */
#define AION__HEAP_PLACE(idx) ((uintptr_t)(idx) << 1 | 1)
#define AION__HEAP_IDX(place) ((size_t)((place) >> 1))

static inline bool aion__heap_precedes(const struct aion__heap_entry *a, const struct aion__heap_entry *b)
{
	return a->key < b->key || (a->key == b->key && a->order < b->order);
}

static inline void aion__heap_put(struct aion__heap *heap, size_t idx, const struct aion__heap_entry *entry)
{
	heap->entries[idx] = *entry;
	*entry->place = AION__HEAP_PLACE(idx);
}

/* Put the entry at idx, or above, as far as it is smaller than what is there. */
static inline void aion__heap_rise(struct aion__heap *heap, size_t idx, const struct aion__heap_entry *entry)
{
	while (idx) {
		size_t parent = (idx - 1) / 4;

		if (!aion__heap_precedes(entry, &heap->entries[parent]))
			break;
		aion__heap_put(heap, idx, &heap->entries[parent]);
		idx = parent;
	}
	aion__heap_put(heap, idx, entry);
}

/* Put the entry at idx, or below, as far as something there is smaller. */
static inline void aion__heap_sink(struct aion__heap *heap, size_t idx, const struct aion__heap_entry *entry)
{
	for (;;) {
		size_t child = 4 * idx + 1, least = child, end = child + 4 < heap->nr ? child + 4 : heap->nr;

		if (child >= heap->nr)
			break;
		while (++child < end)
			if (aion__heap_precedes(&heap->entries[child], &heap->entries[least]))
				least = child;
		if (!aion__heap_precedes(&heap->entries[least], entry))
			break;
		aion__heap_put(heap, idx, &heap->entries[least]);
		idx = least;
	}
	aion__heap_put(heap, idx, entry);
}

/* There is room for one more. */
static inline void aion__heap_push(struct aion__heap *heap, int64_t key, uintptr_t *place)
{
	struct aion__heap_entry entry = {key, heap->order++, place};

	AION_ASSERT(heap->nr < heap->capacity);
	aion__heap_rise(heap, heap->nr++, &entry);
}

/* Takes out the item with this place; the item's word is left as it is. */
static inline void aion__heap_remove(struct aion__heap *heap, uintptr_t place)
{
	size_t idx = AION__HEAP_IDX(place);
	struct aion__heap_entry last;

	AION_ASSERT(idx < heap->nr);
	last = heap->entries[--heap->nr];
	if (idx == heap->nr)
		return;
	if (aion__heap_precedes(&last, &heap->entries[idx]))
		aion__heap_rise(heap, idx, &last);
	else
		aion__heap_sink(heap, idx, &last);
}

#endif
