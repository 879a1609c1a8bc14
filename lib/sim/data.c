/* SPDX-License-Identifier: MIT */
/* The bytes of a plain file: blocks where something was written, holes between them. */
#include <errno.h>
#include <string.h>

#include "sim_node_int.h"

static inline int64_t block_of(int64_t off)
{
	return off / AION__SIM_BLOCK_SIZE;
}

static inline size_t place_in(int64_t off)
{
	return (size_t)(off % AION__SIM_BLOCK_SIZE);
}

/* The place of the first block that is not before idx. Files are mostly read and written from front to back. */
static size_t data_find(struct aion__sim_data *data, int64_t idx)
{
	size_t low = 0, high = data->nr;

	if (!high || data->blocks[high - 1].idx < idx)
		return high;
	if (data->hint < high && data->blocks[data->hint].idx <= idx) {
		low = data->hint;
		if (data->blocks[low].idx < idx && data->blocks[low + 1].idx >= idx)
			low++;
		if (data->blocks[low].idx >= idx)
			high = low;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (data->blocks[middle].idx < idx)
			low = middle + 1;
		else
			high = middle;
	}
	data->hint = low;
	return low;
}

static struct aion__sim_block *data_insert(struct aion__sim_data *data, size_t place, int64_t idx)
{
	struct aion__sim_block *block;

	if (data->nr == data->room) {
		data->room = data->room ? 2 * data->room : 4;
		data->blocks = aion__sim_realloc(data->blocks, data->room * sizeof(*data->blocks));
	}
	block = &data->blocks[place];
	memmove(block + 1, block, (data->nr - place) * sizeof(*block));
	data->nr++;
	*block = (struct aion__sim_block){.idx = idx};
	return block;
}

static void data_changed(struct aion__sim_data *data)
{
	if (data->flat) {
		aion__sim_free(data->flat);
		data->flat = NULL;
	}
}

void aion__sim_data_read(struct aion__sim_data *data, int64_t off, void *to, size_t size)
{
	size_t place = data_find(data, block_of(off));
	char *at = to;

	while (size) {
		const struct aion__sim_block *block = place < data->nr ? &data->blocks[place] : NULL;
		size_t begin = place_in(off), part = AION__SIM_BLOCK_SIZE - begin;

		if (part > size)
			part = size;
		if (block && block->idx == block_of(off)) {
			place++;
			if (block->memory)
				memcpy(at, block->memory + begin, part);
			else
				memset(at, 0, part);
		} else {
			memset(at, 0, part);
		}
		at += part;
		off += (int64_t)part;
		size -= part;
	}
	data->hint = place;
}

/* How far the block may reach, if it shall reach to `end`. */
static size_t quota_take(struct aion_sim *sim, struct aion__sim_block *block, size_t end)
{
	uint64_t left = sim->options.disk_size > sim->disk_used ? sim->options.disk_size - sim->disk_used : 0;

	if (end <= block->used)
		return end;
	if (end - block->used > left)
		end = block->used + (size_t)left;
	sim->disk_used += end - block->used;
	block->used = end;
	return end;
}

static void quota_give(struct aion_sim *sim, struct aion__sim_block *block, size_t used)
{
	if (used >= block->used)
		return;
	sim->disk_used -= block->used - used;
	block->used = used;
}

/* Put bytes into one block, at `place`, as far as they go. Returns how many. */
static size_t write_block(struct aion_sim *sim, struct aion__sim_data *data, size_t place, int64_t off,
			  const char *from, size_t size)
{
	struct aion__sim_block none = {.idx = block_of(off)};
	struct aion__sim_block *block = &none;
	size_t begin = place_in(off);
	size_t used, end;

	if (place < data->nr && data->blocks[place].idx == none.idx)
		block = &data->blocks[place];
	used = block->used;
	end = quota_take(sim, block, begin + size);
	if (end <= begin) {
		/* There is room for some of what lies before it, which nobody needs. */
		quota_give(sim, block, used);
		return 0;
	}
	if (block == &none) {
		block = data_insert(data, place, none.idx);
		block->used = none.used;
	}
	if (!block->memory)
		block->memory = aion__sim_alloc(AION__SIM_BLOCK_SIZE);
	memcpy(block->memory + begin, from, end - begin);
	return end - begin;
}

size_t aion__sim_data_write(struct aion_sim *sim, struct aion__sim_data *data, int64_t off, const void *from,
			    size_t size)
{
	size_t place = data_find(data, block_of(off));
	size_t done = 0;

	data_changed(data);
	while (done < size) {
		size_t part = AION__SIM_BLOCK_SIZE - place_in(off);
		size_t moved;

		if (part > size - done)
			part = size - done;
		moved = write_block(sim, data, place, off, (const char *)from + done, part);
		done += moved;
		off += (int64_t)moved;
		if (moved < part)
			break;
		place++;
	}
	return done;
}

/* What a block holds from `begin` to `end` reads as zeros from now on. */
static void block_zero(struct aion__sim_block *block, size_t begin, size_t end)
{
	if (block->memory)
		memset(block->memory + begin, 0, end - begin);
}

static void data_remove(struct aion_sim *sim, struct aion__sim_data *data, size_t place, size_t nr)
{
	struct aion__sim_block *first;

	if (!nr)
		return; /* there may be no blocks at all */
	first = &data->blocks[place];
	for (size_t i = 0; i < nr; i++) {
		quota_give(sim, &first[i], 0);
		aion__sim_free(first[i].memory);
	}
	memmove(first, first + nr, (data->nr - place - nr) * sizeof(*first));
	data->nr -= nr;
}

void aion__sim_data_punch(struct aion_sim *sim, struct aion__sim_data *data, int64_t off, int64_t end)
{
	size_t place = data_find(data, block_of(off));
	size_t nr = 0;

	data_changed(data);
	if (place < data->nr && data->blocks[place].idx == block_of(off) && place_in(off)) {
		struct aion__sim_block *block = &data->blocks[place++];
		bool is_inside = block_of(end) == block->idx;

		block_zero(block, place_in(off), is_inside ? place_in(end) : AION__SIM_BLOCK_SIZE);
		if (!is_inside || place_in(end) >= block->used)
			quota_give(sim, block, place_in(off));
	}
	while (place + nr < data->nr && data->blocks[place + nr].idx < block_of(end))
		nr++;
	data_remove(sim, data, place, nr);
	if (place < data->nr && data->blocks[place].idx == block_of(end) && block_of(end) * AION__SIM_BLOCK_SIZE >= off)
		block_zero(&data->blocks[place], 0, place_in(end));
}

int aion__sim_data_reserve(struct aion_sim *sim, struct aion__sim_data *data, int64_t off, int64_t end)
{
	int64_t first = block_of(off), last = block_of(end - 1);
	uint64_t left = sim->options.disk_size > sim->disk_used ? sim->options.disk_size - sim->disk_used : 0;
	size_t place = data_find(data, first);

	/* Each block beyond those that are there takes a byte at least. */
	if ((uint64_t)(last - first) > left + data->nr)
		return -ENOSPC;
	for (int64_t idx = first; idx <= last; idx++, place++) {
		size_t reach = idx == last ? place_in(end - 1) + 1 : AION__SIM_BLOCK_SIZE;
		struct aion__sim_block none = {.idx = idx};
		bool is_there = place < data->nr && data->blocks[place].idx == idx;
		size_t got = quota_take(sim, is_there ? &data->blocks[place] : &none, reach);

		if (!is_there && none.used)
			data_insert(data, place, idx)->used = none.used;
		if (got < reach)
			return -ENOSPC;
	}
	return 0;
}

const char *aion__sim_data_flat(struct aion__sim_data *data, int64_t size)
{
	if (!data->flat) {
		data->flat = aion__sim_alloc((size_t)size + 1);
		/* Holes stay untouched: a file may be much larger than what is in it. */
		for (size_t i = 0; i < data->nr; i++) {
			int64_t off = data->blocks[i].idx * AION__SIM_BLOCK_SIZE;
			int64_t part = size - off < AION__SIM_BLOCK_SIZE ? size - off : AION__SIM_BLOCK_SIZE;

			if (part > 0 && data->blocks[i].memory)
				memcpy(data->flat + off, data->blocks[i].memory, (size_t)part);
		}
	}
	return data->flat;
}

void aion__sim_data_fini(struct aion_sim *sim, struct aion__sim_data *data)
{
	data_changed(data);
	data_remove(sim, data, 0, data->nr);
	aion__sim_free(data->blocks);
}
