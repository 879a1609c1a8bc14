/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_BUFFER_INT_H
#define AION_RING_BUFFER_INT_H
/*
 * What is registered with a ring beforehand, so that operations need not look it up each time: descriptors, buffers,
 * and buffers that the kernel picks by itself when data comes.
 *
 * Buffer memory is mapped here and never comes from an allocator: one that returns pages to the kernel behind our back
 * would leave the kernel writing into pages that nobody sees any more.
 *
 * Everything here is for the loop's thread, between the ring's init and its fini. The close functions do nothing on
 * what is not open (all zero), and in a forked child give back the memory only.
 */
#include <stddef.h>

#include "annotate_int.h"
#include "ring_int.h"

/*
 * The file table: slot_nr descriptors that entries name by slot with IOSQE_FIXED_FILE. One a ring.
 */
struct aion__file_table {
	struct aion__ring *ring; /* NULL = closed */
	unsigned slot_nr;
};

/* All slots empty. -EBUSY (the ring has one), -EMFILE (slot_nr is above RLIMIT_NOFILE), -EINVAL (0 slots), -ENOMEM. */
int aion__file_table_open(struct aion__file_table *table, struct aion__ring *ring, unsigned slot_nr);
/* Put a descriptor into a slot in place of what is there; -1 empties it. The table holds the file open by itself.
 * -EINVAL (slot), -EBADF, -ENOMEM. */
int aion__file_table_set(struct aion__file_table *table, unsigned slot, int fd);
void aion__file_table_close(struct aion__file_table *table);

/*
 * The arena: equal buffers in one mapping, registered as one, for READ_FIXED and WRITE_FIXED. One a ring: the kernel
 * takes one table of buffers. Any part of the arena may be named in an entry, with buf_index AION__ARENA_INDEX.
 */
#define AION__ARENA_INDEX 0

struct aion__arena {
	struct aion__ring *ring; /* NULL = closed */
	char *memory;
	size_t buffer_size; /* bytes */
	unsigned buffer_nr;
	unsigned free_nr;
	uint32_t *free_stack; /* the last given back is the first taken: it is warm */
	bool *is_taken;       /* a flag a buffer, in the same memory */
};

/* buffer_size: rounded up to whole pages. -EINVAL (0, or above 1 GiB in all), -EBUSY (the ring has one), -ENOMEM (also:
 * RLIMIT_MEMLOCK). */
int aion__arena_open(struct aion__arena *arena, struct aion__ring *ring, unsigned buffer_nr, size_t buffer_size);
/* A buffer of buffer_size bytes, or NULL when all are taken. */
void *aion__arena_take(struct aion__arena *arena);
void aion__arena_put(struct aion__arena *arena, void *buffer);
/* No operation names the arena any more. */
void aion__arena_close(struct aion__arena *arena);

/* Zeroed pages of our own, or NULL. */
void *aion__buffer_pages_map(size_t size);
/* Open to everybody again, and gone. */
void aion__buffer_pages_unmap(void *memory, size_t size);

/*
 * The queue in which buffers of a group are lent to the kernel, which takes the first when data comes (IOSQE_BUFFER_SELECT
 * with buf_group = group_id) and says in the completion which. Whose memory that is the queue does not know.
 */
struct aion__buffer_queue {
	struct aion__ring *ring; /* NULL = closed */
	struct io_uring_buf_ring *entries;
	size_t map_size;   /* bytes */
	unsigned entry_nr; /* a power of two: as many may be lent at a time */
	uint16_t tail;     /* lent so far; the kernel has been shown entries->tail of them */
	uint16_t group_id;
};

#define AION__BUFFER_RING_MAX 32768 /* buffers of one group lent at a time */

/* entry_nr: rounded up to a power of two. -EINVAL (0, or above the maximum, or the kernel has no buffer rings), -EEXIST
 * (the group is taken), -ENOMEM, -ECHILD. */
int aion__buffer_queue_open(struct aion__buffer_queue *queue, struct aion__ring *ring, uint16_t group_id,
			    unsigned entry_nr);
/* No operation selects from the group any more. */
void aion__buffer_queue_close(struct aion__buffer_queue *queue);

/* Lend a buffer; the kernel sees it after aion__buffer_queue_show(). */
static inline void aion__buffer_queue_lend(struct aion__buffer_queue *queue, void *buffer, size_t size, unsigned id)
{
	struct io_uring_buf *entry = &queue->entries->bufs[queue->tail++ & (queue->entry_nr - 1)];

	/* Not as a struct: the first entry's last two bytes are the tail. */
	entry->addr = (uintptr_t)buffer;
	entry->len = (uint32_t)size;
	entry->bid = (uint16_t)id;
	aion__annotate_closed(buffer, size);
}

/* Show the kernel everything lent. */
static inline void aion__buffer_queue_show(struct aion__buffer_queue *queue)
{
	__atomic_store_n(&queue->entries->tail, queue->tail, __ATOMIC_RELEASE);
}

/*
 * The buffer ring: such a queue with a group of equal buffers in one piece of memory. take() gives a buffer to the
 * program, recycle() lends it to the kernel again. When the program holds all of them, operations of the group end with
 * -ENOBUFS.
 */
struct aion__buffer_ring {
	struct aion__buffer_queue queue;
	char *memory;
	uint64_t *taken;    /* a bit a buffer: the program has it */
	size_t map_size;    /* bytes of the mapping of bits and buffers */
	size_t buffer_size; /* bytes */
	unsigned buffer_nr; /* a power of two */
	unsigned taken_nr;
};

/*
 * buffer_nr: rounded up to a power of two. buffer_size: rounded up to 64 bytes.
 * -EINVAL (0, or above the maximum, or the kernel has no buffer rings), -EEXIST (the group is taken), -ENOMEM.
 */
int aion__buffer_ring_open(struct aion__buffer_ring *buffers, struct aion__ring *ring, uint16_t group_id,
			   unsigned buffer_nr, size_t buffer_size);
/* The buffer that a completion names, NULL if it names none; result bytes of it are valid. */
void *aion__buffer_ring_take(struct aion__buffer_ring *buffers, int32_t result, uint32_t cqe_flags);
/* Put one back; the kernel sees it after aion__buffer_ring_advance(). */
void aion__buffer_ring_add(struct aion__buffer_ring *buffers, void *buffer);
/* Show the kernel everything put back. */
void aion__buffer_ring_advance(struct aion__buffer_ring *buffers);
/* Both. */
void aion__buffer_ring_recycle(struct aion__buffer_ring *buffers, void *buffer);
/* No operation selects from the group any more. Taken buffers are gone with it. */
void aion__buffer_ring_close(struct aion__buffer_ring *buffers);

static inline bool aion__buffer_ring_is_empty(const struct aion__buffer_ring *buffers)
{
	return buffers->taken_nr == buffers->buffer_nr;
}

#endif
