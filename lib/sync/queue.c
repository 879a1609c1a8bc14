/* SPDX-License-Identifier: MIT */
/*
 * The queue. Items and waiting getters are never there at the same time, nor room and waiting putters: whoever puts
 * hands the item to the first who waits, whoever gets lets the first putter's item in. So nobody can overtake.
 */
#include <errno.h>

#include "alloc_int.h"
#include "queue_store_int.h"
#include "waits_int.h"

/* A task that waits with an item for room. */
struct queue_putter {
	struct aion__wait wait;
	int64_t priority;
};

int aion_queue_init(struct aion_queue *queue, enum aion_queue_kind kind, size_t capacity)
{
	if (kind > AION_QUEUE_PRIORITY || !capacity)
		return -EINVAL;
	*queue = (struct aion_queue){.kind = (uint8_t)kind, .capacity = capacity};
	return capacity == AION_QUEUE_UNBOUNDED ? 0 : aion__queue_reserve(queue, capacity);
}

void aion_queue_fini(struct aion_queue *queue)
{
	AION_BUG_ON(!aion__waits_is_empty(&queue->getters) || !aion__waits_is_empty(&queue->putters) ||
			    !aion__waits_is_empty(&queue->joiners),
		    "queue finished while a task waits in it");
	aion__free(queue->items);
	*queue = (struct aion_queue){0};
}

/* 0; -EAGAIN: it is full, the caller may wait; -ESHUTDOWN; -ENOMEM. */
static inline int queue_add(struct aion_queue *queue, void *item, int64_t priority)
{
	struct aion__wait *getter;

	if (aion__unlikely(queue->is_shut_down))
		return -ESHUTDOWN;
	getter = aion__waits_take(&queue->getters);
	if (getter) {
		AION_ASSERT(!queue->nr);
		*(void **)getter->item = item;
		aion__wait_end(getter, 0);
	} else {
		if (queue->nr >= queue->capacity)
			return -EAGAIN;
		if (aion__unlikely(queue->nr == queue->room_nr) && aion__queue_grow(queue) < 0)
			return -ENOMEM;
		aion__queue_store(queue, item, priority);
	}
	queue->unfinished_nr++;
	return 0;
}

/* 0; -EAGAIN: it is empty, the caller may wait; -ESHUTDOWN. */
static inline int queue_remove(struct aion_queue *queue, void **ret_item)
{
	struct aion__wait *putter;

	if (!queue->nr)
		return queue->is_shut_down ? -ESHUTDOWN : -EAGAIN;
	*ret_item = aion__queue_fetch(queue);
	putter = aion__waits_take(&queue->putters);
	if (putter) {
		aion__queue_store(queue, putter->item, aion__container_of(putter, struct queue_putter, wait)->priority);
		queue->unfinished_nr++;
		aion__wait_end(putter, 0);
	}
	return 0;
}

static __attribute__((noinline)) int queue_wait_put(struct aion_queue *queue, void *item, int64_t priority)
{
	struct queue_putter putter;

	AION_BUG_ON(!queue->capacity, "queue used before aion_queue_init()");
	putter.wait.noun = "room in a queue";
	putter.wait.object = queue;
	putter.wait.item = item;
	putter.priority = priority;
	return (int)aion__waits_await(&queue->putters, &putter.wait);
}

static __attribute__((noinline)) int queue_wait_get(struct aion_queue *queue, void **ret_item)
{
	struct aion__wait getter;

	AION_BUG_ON(!queue->capacity, "queue used before aion_queue_init()");
	getter.noun = "queue item";
	getter.object = queue;
	getter.item = ret_item;
	return (int)aion__waits_await(&queue->getters, &getter);
}

static inline int queue_put(struct aion_queue *queue, void *item, int64_t priority)
{
	int result = aion__checkpoint();

	if (aion__unlikely(result < 0))
		return result;
	result = queue_add(queue, item, priority);
	return result == -EAGAIN ? queue_wait_put(queue, item, priority) : result;
}

int aion_queue_put(struct aion_queue *queue, void *item)
{
	return queue_put(queue, item, 0);
}

int aion_queue_put_priority(struct aion_queue *queue, void *item, int64_t priority)
{
	return queue->kind == AION_QUEUE_PRIORITY ? queue_put(queue, item, priority) : -EINVAL;
}

int aion_queue_get(struct aion_queue *queue, void **ret_item)
{
	int result = aion__checkpoint();

	if (aion__unlikely(result < 0))
		return result;
	result = queue_remove(queue, ret_item);
	return result == -EAGAIN ? queue_wait_get(queue, ret_item) : result;
}

int aion_queue_try_put(struct aion_queue *queue, void *item)
{
	return queue_add(queue, item, 0);
}

int aion_queue_try_put_priority(struct aion_queue *queue, void *item, int64_t priority)
{
	return queue->kind == AION_QUEUE_PRIORITY ? queue_add(queue, item, priority) : -EINVAL;
}

int aion_queue_try_get(struct aion_queue *queue, void **ret_item)
{
	return queue_remove(queue, ret_item);
}

static void queue_finish(struct aion_queue *queue, size_t nr)
{
	queue->unfinished_nr -= nr;
	if (!queue->unfinished_nr)
		aion__waits_wake_all(&queue->joiners, 0);
}

int aion_queue_task_done(struct aion_queue *queue)
{
	if (!queue->unfinished_nr)
		return -EINVAL;
	queue_finish(queue, 1);
	return 0;
}

int aion_queue_join(struct aion_queue *queue)
{
	struct aion__wait wait;
	int result = aion__checkpoint();

	if (result < 0 || !queue->unfinished_nr)
		return result;
	wait.noun = "a queue's items";
	wait.object = queue;
	return (int)aion__waits_await(&queue->joiners, &wait);
}

void aion_queue_shutdown(struct aion_queue *queue)
{
	queue->is_shut_down = true;
	aion__waits_wake_all(&queue->putters, -ESHUTDOWN);
	aion__waits_wake_all(&queue->getters, -ESHUTDOWN);
}

size_t aion_queue_shutdown_now(struct aion_queue *queue, void (*destroy)(void *item, void *arg), void *arg)
{
	size_t nr = 0, finished_nr;
	void *item;

	aion_queue_shutdown(queue);
	for (; queue->nr; nr++) {
		item = aion__queue_fetch(queue);
		if (destroy)
			destroy(item, arg);
	}
	/* A task that says task_done() for what it did not get may have counted some of these. */
	finished_nr = nr < queue->unfinished_nr ? nr : queue->unfinished_nr;
	queue_finish(queue, finished_nr);
	return nr;
}

size_t aion_queue_size(const struct aion_queue *queue)
{
	return queue->nr;
}

size_t aion_queue_capacity(const struct aion_queue *queue)
{
	return queue->capacity;
}

bool aion_queue_is_shut_down(const struct aion_queue *queue)
{
	return queue->is_shut_down;
}
