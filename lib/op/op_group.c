/* SPDX-License-Identifier: MIT */
/* The loop's buffers for receiving: made, lent to the kernel, given back. */
#include "op_group_int.h"

#include <errno.h>

#include "alloc_int.h"
#include "future_int.h"
#include "op_inlet_int.h"

#define GROUP_ID_FIRST 0xa100         /* of the ring's groups: the application may have its own */
#define SMALL_SIZE ((size_t)4 << 10)  /* bytes */
#define LARGE_SIZE ((size_t)64 << 10) /* bytes */
#define COLOUR_SIZE 64                /* bytes: a cache line */

/*
 * The large ones are there for messages of 16 KiB and more, which cost twice the processor time if they come in pieces
 * of 4 KiB; the small ones for memory, for of a buffer that is waiting in a queue mostly little is in use.
 * lent_min and lent_max: buffers in the queue at first, and where the kernel has found it empty again and again. The
 * kernel does 20 pieces of work or so an enter, and may fill 32 buffers in one.
 */
static const struct {
	size_t buffer_size;
	unsigned buffer_max;
	unsigned slab_shift;
	unsigned lent_min;
	unsigned lent_max;
	unsigned held_max;
} sizes[AION__GROUP_NR] = {
	[AION__GROUP_SMALL] = {SMALL_SIZE, 8192, 6, 64, 1024, 16},
	[AION__GROUP_LARGE] = {LARGE_SIZE, 512, 4, 32, 256, 16},
};

unsigned aion__group_buffer_max[AION__GROUP_NR];

/* A buffer beyond the groups' bounds, from the allocator: this, then its memory. */
struct aion__buffer_single {
	struct aion__buffer_single *next;
	struct aion__buffer_single **pprev;
	struct aion_buffer buffer;
};

static size_t slab_size(const struct aion__buffer_group *group)
{
	return group->stride << group->slab_shift;
}

static int group_open(struct aion__engine *engine, struct aion__buffer_group *group, unsigned size)
{
	group->size = (uint8_t)size;
	group->buffer_size = sizes[size].buffer_size;
	/* The struct stands in front of its buffer, a line before the first bytes. So the buffers' beginnings, which are
	 * used most, are also spread over the cache's sets. */
	group->stride = group->buffer_size + COLOUR_SIZE;
	group->slab_shift = sizes[size].slab_shift;
	group->buffer_max = aion__group_buffer_max[size] ? aion__group_buffer_max[size] : sizes[size].buffer_max;
	group->lent_target = sizes[size].lent_min;
	group->held_max = sizes[size].held_max;
	if (group->buffer_max > group->held_max * AION__GROUP_SHARE)
		group->plenty_nr = group->buffer_max - group->held_max * AION__GROUP_SHARE;
	AION_ASSERT(group->buffer_max <= AION__GROUP_SLAB_MAX << group->slab_shift);
	return aion__buffer_queue_open(&group->queue, &engine->ring, (uint16_t)(GROUP_ID_FIRST + size),
				       sizes[size].lent_max);
}

int aion__groups_open(struct aion__engine *engine)
{
	int result = 0;

	_Static_assert(sizeof(struct aion_buffer) <= COLOUR_SIZE, "a buffer's struct has a line for itself");
	if (engine->buffer_groups)
		return 0;
	engine->buffer_groups = aion__alloc_zeroed(AION__GROUP_NR * sizeof(struct aion__buffer_group));
	if (!engine->buffer_groups)
		return -ENOMEM;
	for (unsigned i = 0; i < AION__GROUP_NR && result == 0; i++)
		result = group_open(engine, &engine->buffer_groups[i], i);
	/* A inlet must find at least one. */
	if (result == 0) {
		aion__group_fill(&engine->buffer_groups[AION__GROUP_SMALL]);
		if (!engine->buffer_groups[AION__GROUP_SMALL].lent_nr)
			result = -ENOMEM;
	}
	if (result < 0)
		aion__groups_close(engine);
	return result;
}

void aion__groups_close(struct aion__engine *engine)
{
	for (unsigned i = 0; engine->buffer_groups && i < AION__GROUP_NR; i++) {
		struct aion__buffer_group *group = &engine->buffer_groups[i];

		aion__buffer_queue_close(&group->queue);
		for (unsigned slab = 0; slab < AION__GROUP_SLAB_MAX && group->slabs[slab]; slab++)
			aion__buffer_pages_unmap(group->slabs[slab], slab_size(group));
		while (group->singles)
			aion__group_free_single(&group->singles->buffer);
	}
	aion__free(engine->buffer_groups);
	engine->buffer_groups = NULL;
}

void aion__group_wrong_buffer(const struct aion__buffer_group *group, unsigned id)
{
	AION_BUG_ON(true, "buffer %u of %zu bytes comes from the kernel and was not lent to it", id,
		    group->buffer_size);
}

/* One that was never used before. NULL: there may be no more, or there is no memory. */
static struct aion_buffer *group_make(struct aion__buffer_group *group)
{
	unsigned slab = group->buffer_nr >> group->slab_shift;
	struct aion_buffer *buffer;

	if (group->buffer_nr == group->buffer_max)
		return NULL;
	if (!group->slabs[slab]) {
		group->slabs[slab] = aion__buffer_pages_map(slab_size(group));
		if (!group->slabs[slab])
			return NULL;
	}
	buffer = aion__group_buffer(group, group->buffer_nr);
	buffer->future.loop = (struct aion_loop *)aion__engine;
	buffer->future.waiters = AION__WAITERS_DONE;
	buffer->future.kind = AION__FUTURE_PLAIN;
	buffer->future.flags = group->size;
	buffer->future.fd = (int32_t)group->buffer_nr++;
	return buffer;
}

static void group_lend(struct aion__buffer_group *group, struct aion_buffer *buffer)
{
	buffer->future.state = AION__BUFFER_LENT;
	/* A caller may have moved it. */
	buffer->data = (char *)buffer + COLOUR_SIZE;
	aion__buffer_queue_lend(&group->queue, buffer->data, group->buffer_size, (unsigned)buffer->future.fd);
	group->lent_nr++;
}

void aion__group_fill(struct aion__buffer_group *group)
{
	while (group->lent_nr < group->lent_target) {
		struct aion_buffer *buffer = group->spare;

		if (buffer)
			group->spare = buffer->next;
		else
			buffer = group_make(group);
		if (!buffer)
			break;
		group_lend(group, buffer);
	}
	aion__buffer_queue_show(&group->queue);
}

void aion__group_grow(struct aion__buffer_group *group)
{
	if (group->lent_nr < group->lent_target && group->lent_target < group->queue.entry_nr)
		group->lent_target *= 2;
	aion__group_fill(group);
}

static inline void group_put(struct aion__buffer_group *group, struct aion_buffer *buffer)
{
	AION_BUG_ON(buffer->future.state != AION__BUFFER_TAKEN, "a received buffer is given back twice");
	group->taken_nr--;
	if (group->lent_nr < group->lent_target) {
		group_lend(group, buffer);
		aion__buffer_queue_show(&group->queue);
	} else {
		buffer->future.state = AION__BUFFER_SPARE;
		buffer->next = group->spare;
		group->spare = buffer;
		aion__annotate_closed((char *)buffer + COLOUR_SIZE, group->buffer_size);
	}
}

void aion__group_put(struct aion__buffer_group *group, struct aion_buffer *buffer)
{
	group_put(group, buffer);
}

struct aion_buffer *aion__group_make_single(struct aion__buffer_group *group)
{
	struct aion__buffer_single *single = aion__alloc(sizeof(*single) + group->buffer_size);

	if (!single)
		return NULL;
	single->buffer = (struct aion_buffer){.data = single + 1, .size = group->buffer_size};
	single->buffer.future.loop = (struct aion_loop *)aion__engine;
	single->buffer.future.waiters = AION__WAITERS_DONE;
	single->buffer.future.flags = AION__GROUP_SINGLE | group->size;
	single->next = group->singles;
	single->pprev = &group->singles;
	if (single->next)
		single->next->pprev = &single->next;
	group->singles = single;
	return &single->buffer;
}

struct aion_buffer *aion__group_single_of(void *data)
{
	return &((struct aion__buffer_single *)data - 1)->buffer;
}

void aion__group_free_single(struct aion_buffer *buffer)
{
	struct aion__buffer_single *single = aion__container_of(buffer, struct aion__buffer_single, buffer);

	*single->pprev = single->next;
	if (single->next)
		single->next->pprev = single->pprev;
	aion__free(single);
}

void aion__group_buffer_release(struct aion_buffer *buffer)
{
	struct aion_inlet *owner = buffer->owner;

	AION_BUG_ON((struct aion__engine *)buffer->future.loop != aion__engine,
		    "received buffer given back on another thread than its loop's");
	if (owner)
		owner->held_nr--;
	if (aion__likely(!(buffer->future.flags & AION__GROUP_SINGLE)))
		group_put(aion__group_of(buffer), buffer);
	else
		aion__group_free_single(buffer);
	if (owner && aion__unlikely(owner->flags & AION__INLET_PAUSED))
		aion__inlet_resume(owner);
}

void aion__group_forget(struct aion__buffer_group *group, struct aion_inlet *owner)
{
	for (struct aion__buffer_single *single = group->singles; single && owner->held_nr; single = single->next)
		if (single->buffer.owner == owner) {
			single->buffer.owner = NULL;
			owner->held_nr--;
		}
	for (unsigned id = 0; id < group->buffer_nr && owner->held_nr; id++) {
		struct aion_buffer *buffer = aion__group_buffer(group, id);

		if (buffer->future.state == AION__BUFFER_TAKEN && buffer->owner == owner) {
			buffer->owner = NULL;
			owner->held_nr--;
		}
	}
}
