/* SPDX-License-Identifier: MIT */
/*
 * Pieces in the order of the source become pieces that end with a delimiter. What follows the last delimiter of one is
 * kept, and goes in front of the next, for which there is room before it. Only a record that does not fit there is put
 * together as a whole, and is a piece by itself.
 */
#include <errno.h>
#include <string.h>

#include "assert_int.h"
#include "chunk_int.h"

int64_t aion__chunk_sink_init(struct aion__chunk_sink *sink, struct aion__chunk_run *run)
{
	sink->run = run;
	if (!run->options.records)
		return 0;
	sink->carry = aion__chunk_map(run->options.record_size_max);
	return sink->carry ? 0 : -ENOMEM;
}

void aion__chunk_sink_fini(struct aion__chunk_sink *sink)
{
	aion__chunk_unmap(sink->carry, sink->run->options.record_size_max);
	sink->carry = NULL;
}

static int64_t carry_add(struct aion__chunk_sink *sink, const char *data, size_t size, int64_t off)
{
	if (!size)
		return 0;
	if (!sink->carry_size)
		sink->carry_off = off;
	if (size > sink->run->options.record_size_max - sink->carry_size)
		return aion__chunk_fail(sink->run, sink->file->source_idx, sink->carry_off, -EMSGSIZE, "read");
	memcpy(sink->carry + sink->carry_size, data, size);
	sink->carry_size += size;
	return 0;
}

int64_t aion__chunk_sink_flush(struct aion__chunk_sink *sink)
{
	size_t size = sink->carry_size;

	if (!size)
		return 0;
	sink->carry_size = 0;
	return sink->put(sink, sink->carry, size, sink->carry_off, false);
}

/* What an earlier run has seen is left out. How many bytes that are. */
static size_t sink_sync(struct aion__chunk_sink *sink, const char *data, size_t size)
{
	const char *end = memchr(data, sink->run->options.delimiter, size);

	if (!end)
		return size;
	sink->is_syncing = false;
	return (size_t)(end - data) + 1;
}

/* The record that has begun ends in data. How many bytes of it were taken, as a piece of their own; 0 if they can stand
 * in front of the others. */
static AION_SUSPENDS int64_t carry_end(struct aion__chunk_sink *sink, const char *data, size_t size)
{
	const char *end = memchr(data, sink->run->options.delimiter, size);
	size_t rest = (size_t)(end - data) + 1;
	int64_t result;

	if (sink->carry_size <= AION__CHUNK_HEADROOM && sink->carry_size + rest <= sink->run->options.record_size_max)
		return 0;
	result = carry_add(sink, data, rest, 0);
	if (result >= 0)
		result = aion__chunk_sink_flush(sink);
	return result < 0 ? result : (int64_t)rest;
}

/* As much as ends with the delimiter at `last`. */
static AION_SUSPENDS int64_t sink_add_ended(struct aion__chunk_sink *sink, char *data, size_t size, int64_t off,
					    const char *last)
{
	const char *end = data + size;
	size_t front;
	int64_t taken;

	if (sink->carry_size) {
		taken = carry_end(sink, data, size);
		if (taken < 0)
			return taken;
		data += taken;
		off += taken;
	}
	front = sink->carry_size;
	memcpy(data - front, sink->carry, front);
	sink->carry_size = 0;
	taken = carry_add(sink, last + 1, (size_t)(end - last) - 1, off + (last + 1 - data));
	if (taken < 0 || last + 1 == data)
		return taken;
	return sink->put(sink, data - front, (size_t)(last + 1 - data) + front, off - (int64_t)front, true);
}

int64_t aion__chunk_sink_add(struct aion__chunk_sink *sink, char *data, size_t size, int64_t off, bool is_end)
{
	const char *last;
	int64_t result;
	size_t skipped;

	if (!sink->run->options.records)
		return size ? sink->put(sink, data, size, off, true) : 0;
	if (sink->is_syncing) {
		skipped = sink_sync(sink, data, size);
		data += skipped;
		size -= skipped;
		off += (int64_t)skipped;
	}
	last = size ? memrchr(data, sink->run->options.delimiter, size) : NULL;
	if (last)
		result = sink_add_ended(sink, data, size, off, last);
	else
		result = carry_add(sink, data, size, off);
	if (result < 0 || !is_end)
		return result;
	return aion__chunk_sink_flush(sink);
}
