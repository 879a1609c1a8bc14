/* SPDX-License-Identifier: MIT */
#ifndef AION_MAP_H
#define AION_MAP_H
/*
 * A function run over an array, some items at a time: asyncio's gather() with a semaphore, in one call. Nothing
 * outlives it.
 */
#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum aion_map_mode {
	AION_MAP_FIRST_ERROR, /* an item that fails cancels those under way; no further ones are begun */
	AION_MAP_ALL,         /* every item is tried, whatever the others come to */
};

/**
 * aion_map - run fn over the items of an array.
 * @fn: gets the address of an item.
 * @items: nr items of item_size bytes each.
 * @item_size: bytes.
 * @nr: 0 returns 0 at once.
 * @limit: items under way at once, at most; 0 = all. It takes so many tasks.
 * @mode: see above.
 * @results: nr results in the order of the items, or NULL. Written in any case: an item that was never begun has
 *   -ECANCELED.
 *
 * Items are begun in their order. A cancelled caller begins no further ones, and waits for those under way.
 * Result: 0 if no item failed. Else, FIRST_ERROR: the error that came first in time; ALL: the first in the order of the
 * items. An error wins over -ECANCELED.
 * Errors: those of fn, and: -ECANCELED (a scope around the caller is cancelled and has kept items from being begun or
 *   cut them short); -EINVAL (mode; nr items without an address; nothing is written); -ENOMEM (no memory for a task;
 *   the rest is cancelled); -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_map(aion_fn *fn, void *items, size_t item_size, size_t nr, size_t limit,
					enum aion_map_mode mode, int64_t *results);

#ifdef __cplusplus
}
#endif
#endif
