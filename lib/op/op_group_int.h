/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_OP_GROUP_INT_H
#define AION_OP_OP_GROUP_INT_H
/*
 * The loop's buffers for receiving: two groups, of small and of large ones, that all inlets share. A buffer is
 *	spare		in a stack: what was touched last is used first
 *	lent		to the kernel, in the group's queue
 *	taken		the program has it: it waits in its inlet's queue, or the caller has it
 * As many are lent as the busiest moment so far has needed: so the few that little traffic needs stay in the cache.
 * Memory is mapped piece by piece as there is need for it, and kept. Whoever finds none at all, and holds none, gets a
 * *single* one from the allocator.
 */
#include <aion/inlet.h>

#include "buffer_int.h"
#include "engine_int.h"

enum aion__group_size {
	AION__GROUP_SMALL,
	AION__GROUP_LARGE,
	AION__GROUP_NR,
};

#define AION__GROUP_SHARE 8       /* of the buffers that are left, one inlet may hold a part of so many */
#define AION__GROUP_SLAB_MAX 128U /* pieces of memory of a group */

#define AION__GROUP_SINGLE 0x80U /* in a buffer's future.flags: it is one of the singles */

struct aion__buffer_single;

struct aion__buffer_group {
	struct aion__buffer_queue queue;
	struct aion_buffer *spare; /* the one given back last */
	size_t buffer_size;        /* bytes */
	size_t stride;             /* bytes from one buffer to the next in a slab */
	unsigned slab_shift;       /* buffers of a slab, as a power of two */
	unsigned buffer_nr;        /* made so far */
	unsigned buffer_max;
	unsigned lent_nr;
	unsigned lent_target; /* so many are to be lent, if there are so many */
	unsigned taken_nr;
	unsigned plenty_nr; /* as long as no more are taken, held_max is what one inlet may have on its account */
	unsigned held_max;
	uint8_t size;                        /* enum aion__group_size: its place among the loop's groups */
	struct aion__buffer_single *singles; /* buffers beyond the bound, each its own */
	char *slabs[AION__GROUP_SLAB_MAX];
};

/* For tests: buffers of a group at most; 0: the default. Looked at when the loop's first inlet is opened. */
extern unsigned aion__group_buffer_max[AION__GROUP_NR];

/* Make the loop's groups, if there are none. 0, or -errno. */
int aion__groups_open(struct aion__engine *engine);
/* The ring ends. Who still holds a buffer has lost it. */
void aion__groups_close(struct aion__engine *engine);
/* Lend what there is, up to the target. */
void aion__group_fill(struct aion__buffer_group *group);
/* The kernel has found the queue empty: lend more from now on. */
void aion__group_grow(struct aion__buffer_group *group);
void aion__group_wrong_buffer(const struct aion__buffer_group *group, unsigned id);
/* The program gives a buffer back that is on nobody's account. */
void aion__group_put(struct aion__buffer_group *group, struct aion_buffer *buffer);
/* One of the size of a group's, from the allocator and in no group; its size is the room. NULL: no memory. */
struct aion_buffer *aion__group_make_single(struct aion__buffer_group *group);
void aion__group_free_single(struct aion_buffer *buffer);
/* The single buffer whose data that is. */
struct aion_buffer *aion__group_single_of(void *data);
/* aion_buffer_release() of a received one. */
void aion__group_buffer_release(struct aion_buffer *buffer);
/* Whoever goes, no buffer is on his account any more. */
void aion__group_forget(struct aion__buffer_group *group, struct aion_inlet *owner);

/* A buffer's group and number there are kept in its future, which is done for good. */
enum aion__buffer_state {
	AION__BUFFER_SPARE,
	AION__BUFFER_LENT,
	AION__BUFFER_TAKEN,
};

static inline struct aion_buffer *aion__group_buffer(const struct aion__buffer_group *group, unsigned id)
{
	char *slab = group->slabs[id >> group->slab_shift];

	return (struct aion_buffer *)(slab + (id & ((1U << group->slab_shift) - 1)) * group->stride);
}

static inline struct aion__buffer_group *aion__group_of(const struct aion_buffer *buffer)
{
	return &((struct aion__engine *)buffer->future.loop)
			->buffer_groups[buffer->future.flags & (AION__GROUP_SINGLE - 1)];
}

/* Take the buffer that a completion names; size bytes of it are filled. */
static inline struct aion_buffer *aion__group_take(struct aion__buffer_group *group, uint32_t cqe_flags, size_t size)
{
	unsigned id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
	struct aion_buffer *buffer;

	if (aion__unlikely(id >= group->buffer_nr))
		aion__group_wrong_buffer(group, id);
	buffer = aion__group_buffer(group, id);
	if (aion__unlikely(buffer->future.state != AION__BUFFER_LENT))
		aion__group_wrong_buffer(group, id);
	buffer->future.state = AION__BUFFER_TAKEN;
	buffer->size = size;
	aion__annotate_open(buffer->data, group->buffer_size);
	aion__annotate_written(buffer->data, size);
	group->taken_nr++;
	/* Not at every one: who gives them back lends them again. */
	if (aion__unlikely(--group->lent_nr < group->lent_target / 2))
		aion__group_fill(group);
	return buffer;
}

#endif
