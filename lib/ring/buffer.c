/* SPDX-License-Identifier: MIT */
#include "buffer_int.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc_int.h"
#include "annotate_int.h"

#define CACHE_LINE_SIZE 64               /* bytes */
#define ARENA_SIZE_MAX ((size_t)1 << 30) /* bytes: the kernel's limit of one registered buffer */

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

void *aion__buffer_pages_map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void aion__buffer_pages_unmap(void *memory, size_t size)
{
	aion__annotate_open(memory, size);
	munmap(memory, size);
}

/* In a forked child the ring belongs to the parent. */
static int ring_register(struct aion__ring *ring, unsigned opcode, const void *arg, unsigned nr)
{
	if (!aion__ring_is_alive(ring))
		return -ECHILD;
	return aion__ring_register(ring, opcode, arg, nr);
}

/* ---- file table */

int aion__file_table_open(struct aion__file_table *table, struct aion__ring *ring, unsigned slot_nr)
{
	const struct io_uring_rsrc_register sparse = {.nr = slot_nr, .flags = IORING_RSRC_REGISTER_SPARSE};
	int result = ring_register(ring, IORING_REGISTER_FILES2, &sparse, sizeof(sparse));

	if (result < 0)
		return result;
	table->ring = ring;
	table->slot_nr = slot_nr;
	return 0;
}

int aion__file_table_set(struct aion__file_table *table, unsigned slot, int fd)
{
	const struct io_uring_rsrc_update update = {.offset = slot, .data = (uintptr_t)&fd};
	int result;

	AION_ASSERT(table->ring);
	if (slot >= table->slot_nr)
		return -EINVAL;
	if (fd < -1) /* the kernel would take some of these for commands */
		return -EBADF;
	result = ring_register(table->ring, IORING_REGISTER_FILES_UPDATE, &update, 1);
	return result < 0 ? result : 0;
}

void aion__file_table_close(struct aion__file_table *table)
{
	if (!table->ring)
		return;
	ring_register(table->ring, IORING_UNREGISTER_FILES, NULL, 0);
	table->ring = NULL;
}

/* ---- arena */

static size_t arena_size(const struct aion__arena *arena)
{
	return arena->buffer_nr * arena->buffer_size;
}

static int arena_register(struct aion__arena *arena, struct aion__ring *ring)
{
	const struct iovec whole = {.iov_base = arena->memory, .iov_len = arena_size(arena)};
	int result = ring_register(ring, IORING_REGISTER_BUFFERS, &whole, 1);

	return result < 0 ? result : 0;
}

static void arena_free(struct aion__arena *arena)
{
	if (arena->memory)
		aion__buffer_pages_unmap(arena->memory, arena_size(arena));
	aion__free(arena->free_stack);
	arena->ring = NULL;
}

int aion__arena_open(struct aion__arena *arena, struct aion__ring *ring, unsigned buffer_nr, size_t buffer_size)
{
	int result = -ENOMEM;

	memset(arena, 0, sizeof(*arena));
	if (!buffer_nr || !buffer_size || buffer_size > ARENA_SIZE_MAX / buffer_nr)
		return -EINVAL;
	arena->buffer_size = round_up(buffer_size, (size_t)sysconf(_SC_PAGESIZE));
	arena->buffer_nr = buffer_nr;
	if (arena_size(arena) > ARENA_SIZE_MAX)
		return -EINVAL;
	arena->memory = aion__buffer_pages_map(arena_size(arena));
	arena->free_stack = aion__alloc_zeroed(buffer_nr * (sizeof(arena->free_stack[0]) + sizeof(arena->is_taken[0])));
	if (arena->memory && arena->free_stack)
		result = arena_register(arena, ring);
	if (result < 0) {
		arena_free(arena);
		return result;
	}
	arena->ring = ring;
	arena->is_taken = (bool *)(arena->free_stack + buffer_nr);
	while (arena->free_nr < buffer_nr) {
		arena->free_stack[arena->free_nr] = buffer_nr - 1 - arena->free_nr;
		arena->free_nr++;
	}
	aion__annotate_closed(arena->memory, arena_size(arena));
	return 0;
}

void *aion__arena_take(struct aion__arena *arena)
{
	char *buffer;
	uint32_t id;

	AION_ASSERT(arena->ring);
	if (!arena->free_nr)
		return NULL;
	id = arena->free_stack[--arena->free_nr];
	arena->is_taken[id] = true;
	buffer = arena->memory + id * arena->buffer_size;
	aion__annotate_open(buffer, arena->buffer_size);
	return buffer;
}

void aion__arena_put(struct aion__arena *arena, void *buffer)
{
	size_t offset = (size_t)((char *)buffer - arena->memory);
	uint32_t id = (uint32_t)(offset / arena->buffer_size);

	AION_BUG_ON(offset >= arena_size(arena) || offset % arena->buffer_size, "not a buffer of this arena");
	AION_BUG_ON(!arena->is_taken[id], "buffer %u of the arena given back twice", id);
	aion__annotate_closed(buffer, arena->buffer_size);
	arena->is_taken[id] = false;
	arena->free_stack[arena->free_nr++] = id;
}

void aion__arena_close(struct aion__arena *arena)
{
	if (!arena->ring)
		return;
	ring_register(arena->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	arena_free(arena);
}

/* ---- buffer queue */

int aion__buffer_queue_open(struct aion__buffer_queue *queue, struct aion__ring *ring, uint16_t group_id,
			    unsigned entry_nr)
{
	struct io_uring_buf_reg registration = {.bgid = group_id};
	int result;

	memset(queue, 0, sizeof(*queue));
	if (!entry_nr || entry_nr > AION__BUFFER_RING_MAX)
		return -EINVAL;
	queue->group_id = group_id;
	for (queue->entry_nr = 1; queue->entry_nr < entry_nr;)
		queue->entry_nr *= 2;
	/* It must begin a page. */
	queue->map_size = round_up(queue->entry_nr * sizeof(struct io_uring_buf), (size_t)sysconf(_SC_PAGESIZE));
	queue->entries = aion__buffer_pages_map(queue->map_size);
	if (!queue->entries)
		return -ENOMEM;
	registration.ring_addr = (uintptr_t)queue->entries;
	registration.ring_entries = queue->entry_nr;
	result = ring_register(ring, IORING_REGISTER_PBUF_RING, &registration, 1);
	if (result < 0)
		aion__buffer_pages_unmap(queue->entries, queue->map_size);
	else
		queue->ring = ring;
	return result;
}

void aion__buffer_queue_close(struct aion__buffer_queue *queue)
{
	const struct io_uring_buf_reg registration = {.bgid = queue->group_id};

	if (!queue->ring)
		return;
	ring_register(queue->ring, IORING_UNREGISTER_PBUF_RING, &registration, 1);
	aion__buffer_pages_unmap(queue->entries, queue->map_size);
	queue->ring = NULL;
}

/* ---- buffer ring */

static uint64_t taken_bit(unsigned id)
{
	return UINT64_C(1) << (id % 64);
}

/* One mapping: the bits; the buffers, from a page on. */
static int buffers_map(struct aion__buffer_ring *buffers)
{
	size_t head_size = round_up(round_up(buffers->buffer_nr, 64) / 8, (size_t)sysconf(_SC_PAGESIZE));

	buffers->map_size = head_size + buffers->buffer_nr * buffers->buffer_size;
	buffers->taken = aion__buffer_pages_map(buffers->map_size);
	if (!buffers->taken)
		return -ENOMEM;
	buffers->memory = (char *)buffers->taken + head_size;
	return 0;
}

/* Lend a buffer to the kernel; it sees it after the next advance. */
static void buffers_lend(struct aion__buffer_ring *buffers, unsigned id)
{
	aion__buffer_queue_lend(&buffers->queue, buffers->memory + id * buffers->buffer_size, buffers->buffer_size, id);
}

static bool buffers_fit(unsigned buffer_nr, size_t buffer_size)
{
	return buffer_nr && buffer_nr <= AION__BUFFER_RING_MAX && buffer_size &&
	       buffer_size <= UINT32_MAX - CACHE_LINE_SIZE &&
	       buffer_size <= SIZE_MAX / AION__BUFFER_RING_MAX - CACHE_LINE_SIZE;
}

int aion__buffer_ring_open(struct aion__buffer_ring *buffers, struct aion__ring *ring, uint16_t group_id,
			   unsigned buffer_nr, size_t buffer_size)
{
	int result;

	memset(buffers, 0, sizeof(*buffers));
	if (!buffers_fit(buffer_nr, buffer_size))
		return -EINVAL;
	buffers->buffer_size = round_up(buffer_size, CACHE_LINE_SIZE);
	for (buffers->buffer_nr = 1; buffers->buffer_nr < buffer_nr;)
		buffers->buffer_nr *= 2;
	result = buffers_map(buffers);
	if (result < 0)
		return result;
	result = aion__buffer_queue_open(&buffers->queue, ring, group_id, buffers->buffer_nr);
	if (result < 0) {
		aion__buffer_pages_unmap(buffers->taken, buffers->map_size);
		return result;
	}
	for (unsigned id = 0; id < buffers->buffer_nr; id++)
		buffers_lend(buffers, id);
	aion__buffer_ring_advance(buffers);
	return 0;
}

void *aion__buffer_ring_take(struct aion__buffer_ring *buffers, int32_t result, uint32_t cqe_flags)
{
	unsigned id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
	char *buffer;

	if (!(cqe_flags & IORING_CQE_F_BUFFER))
		return NULL;
	AION_BUG_ON(id >= buffers->buffer_nr || buffers->taken[id / 64] & taken_bit(id),
		    "buffer %u of group %u comes from the kernel twice", id, buffers->queue.group_id);
	buffers->taken[id / 64] |= taken_bit(id);
	buffers->taken_nr++;
	buffer = buffers->memory + id * buffers->buffer_size;
	aion__annotate_open(buffer, buffers->buffer_size);
	if (result > 0)
		aion__annotate_written(buffer, (size_t)result);
	return buffer;
}

void aion__buffer_ring_add(struct aion__buffer_ring *buffers, void *buffer)
{
	size_t offset = (size_t)((char *)buffer - buffers->memory);
	unsigned id = (unsigned)(offset / buffers->buffer_size);

	AION_BUG_ON(offset % buffers->buffer_size || id >= buffers->buffer_nr, "not a buffer of group %u",
		    buffers->queue.group_id);
	AION_BUG_ON(!(buffers->taken[id / 64] & taken_bit(id)), "buffer %u of group %u given back twice", id,
		    buffers->queue.group_id);
	buffers->taken[id / 64] &= ~taken_bit(id);
	buffers->taken_nr--;
	buffers_lend(buffers, id);
}

void aion__buffer_ring_advance(struct aion__buffer_ring *buffers)
{
	aion__buffer_queue_show(&buffers->queue);
}

void aion__buffer_ring_recycle(struct aion__buffer_ring *buffers, void *buffer)
{
	aion__buffer_ring_add(buffers, buffer);
	aion__buffer_ring_advance(buffers);
}

void aion__buffer_ring_close(struct aion__buffer_ring *buffers)
{
	if (!buffers->queue.ring)
		return;
	aion__buffer_queue_close(&buffers->queue);
	aion__buffer_pages_unmap(buffers->taken, buffers->map_size);
}
