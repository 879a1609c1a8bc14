/* SPDX-License-Identifier: MIT */
/*
 * The window: places of a positioned source that are being read at once. While the page cache has everything there is
 * one slot in use, the warmest, and no operation. As soon as a place has to wait for the device, further ones are begun
 * behind it, as far as the file is said to reach; from there on it is one at a time, for only a read of nothing is its
 * end.
 */
#include <errno.h>
#include <string.h>

#include <aion/scope.h>
#include <aion/task.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "chunk_int.h"

struct slot {
	struct aion__chunk_span span;
	char *buf;
	struct iovec iov;
	int rw_flags; /* RWF_* that its read was started with; the file's may have been given up since */
	struct aion_op op;
};

struct aion__chunk_window {
	struct aion__chunk_sink sink; /* first: put() gets it */
	char *memory;
	size_t memory_size;
	int64_t next_off;   /* of the place to be begun next */
	unsigned flight_nr; /* slots being read, the oldest first */
	unsigned free_nr;   /* slots without a place, the warmest last */
	struct slot **flight;
	struct slot **free;
	struct aion_future **futures;
	struct slot slots[];
};

static bool is_in_order(const struct aion__chunk_run *run)
{
	return !run->options.unordered || run->options.records;
}

static AION_SUSPENDS int64_t window_put(struct aion__chunk_sink *sink, char *data, size_t size, int64_t off,
					bool may_stay)
{
	struct aion_chunk chunk = aion__chunk_make(sink->run, sink->file, data, size, off);
	int64_t result = sink->run->fn(&chunk, sink->run->arg);

	(void)may_stay;
	/* Before it is told: who saves this place in the progress callback has the state that belongs to it. */
	if (result >= 0 && is_in_order(sink->run))
		sink->run->progress.resume_off = off + (int64_t)size;
	return aion__chunk_seen(sink->run, &chunk, result);
}

int64_t aion__chunk_window_create(struct aion__chunk_run *run, struct aion__chunk_window **ret_window)
{
	unsigned i, nr = run->options.window_nr;
	size_t stride = aion__chunk_stride(run), size = sizeof(struct aion__chunk_window) + nr * sizeof(struct slot);
	struct aion__chunk_window *window = aion__alloc_zeroed(size + 3 * nr * sizeof(void *));

	if (!window)
		return -ENOMEM;
	window->sink.run = run;
	window->sink.put = window_put;
	window->flight = (struct slot **)((char *)window + size);
	window->free = window->flight + nr;
	window->futures = (struct aion_future **)(window->free + nr);
	window->memory_size = nr * stride;
	window->memory = aion__chunk_map(window->memory_size);
	if (!window->memory || aion__chunk_sink_init(&window->sink, run) < 0) {
		aion__chunk_window_destroy(window);
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		window->slots[i].buf = window->memory + (i + 1) * stride - run->options.chunk_size;
		aion_op_init(&window->slots[i].op);
		window->free[window->free_nr++] = &window->slots[i];
	}
	*ret_window = window;
	return 0;
}

void aion__chunk_window_destroy(struct aion__chunk_window *window)
{
	if (!window)
		return;
	AION_ASSERT(!window->flight_nr);
	aion__chunk_sink_fini(&window->sink);
	aion__chunk_unmap(window->memory, window->memory_size);
	aion__free(window);
}

/* The next place, in a slot of its own. */
static struct slot *window_begin(struct aion__chunk_window *window)
{
	const struct aion__chunk_file *file = window->sink.file;
	size_t want = window->sink.run->options.chunk_size;
	struct slot *slot = window->free[--window->free_nr];

	if ((int64_t)want > file->end_off - window->next_off)
		want = (size_t)(file->end_off - window->next_off);
	slot->span = (struct aion__chunk_span){.buf = slot->buf, .off = window->next_off, .want = want};
	window->next_off += (int64_t)want;
	return slot;
}

static void window_release(struct aion__chunk_window *window, struct slot *slot)
{
	window->free[window->free_nr++] = slot;
}

/* Starts to read what is missing. */
static void slot_start(struct aion__chunk_window *window, struct slot *slot)
{
	const struct aion__chunk_file *file = window->sink.file;
	struct aion__chunk_span *span = &slot->span;
	size_t size = span->want - span->got;
	int64_t off = span->off + (int64_t)span->got;

	AION_ASSERT(!file->is_direct || span->got == 0);
	if (file->is_direct)
		size = aion__chunk_round_up(size);
	window->flight[window->flight_nr++] = slot;
	slot->rw_flags = file->rw_flags;
	if (slot->rw_flags) {
		slot->iov = (struct iovec){span->buf + span->got, size};
		aion_op_preadv2(&slot->op, file->fd, &slot->iov, 1, off, slot->rw_flags);
	} else {
		aion_op_pread(&slot->op, file->fd, span->buf + span->got, size, off);
	}
}

/* Takes what the page cache has. false: something is missing. */
static bool slot_try(struct aion__chunk_window *window, struct slot *slot)
{
	const struct aion__chunk_file *file = window->sink.file;
	struct aion__chunk_span *span = &slot->span;
	struct iovec iov;
	int64_t n;

	if (file->is_direct)
		return false;
	while (span->got < span->want) {
		iov = (struct iovec){span->buf + span->got, span->want - span->got};
		n = aion_try_preadv2(file->fd, &iov, 1, span->off + (int64_t)span->got, file->rw_flags);
		span->is_end = n == 0;
		if (n <= 0)
			return n == 0;
		span->got += (size_t)n;
	}
	return true;
}

/* How many places were begun. */
static unsigned window_fill(struct aion__chunk_window *window)
{
	const struct aion__chunk_file *file = window->sink.file;
	unsigned nr = 0;

	for (; window->free_nr && window->next_off < file->hint_off && window->next_off < file->end_off; nr++)
		slot_start(window, window_begin(window));
	return nr;
}

/* Which of those in flight has its turn; or an error. */
static AION_SUSPENDS int64_t window_choose(struct aion__chunk_window *window)
{
	unsigned i;
	int64_t result;

	if (is_in_order(window->sink.run))
		return 0;
	for (i = 0; i < window->flight_nr; i++)
		window->futures[i] = &window->flight[i]->op.future;
	result = aion_wait(window->futures, window->flight_nr, AION_WAIT_FIRST_COMPLETED);
	if (result < 0)
		return result;
	for (i = 0; !aion_future_is_done(window->futures[i]); i++)
		;
	return i;
}

/* A slot that has been read, and how it went. */
static AION_SUSPENDS int64_t window_take(struct aion__chunk_window *window, struct slot **ret_slot, int64_t *ret_read)
{
	struct aion__chunk_file *file = window->sink.file;
	int64_t idx = window_choose(window);
	struct slot *slot;

	if (idx < 0)
		return idx;
	slot = window->flight[idx];
	*ret_read = aion_await(&slot->op.future);
	if (*ret_read > (int64_t)(slot->span.want - slot->span.got))
		*ret_read = (int64_t)(slot->span.want - slot->span.got);
	if (*ret_read == -EOPNOTSUPP && slot->rw_flags) {
		file->rw_flags = 0;
		*ret_read = AION__CHUNK_NO_READ;
	}
	window->flight_nr--;
	memmove(window->flight + idx, window->flight + idx + 1, (window->flight_nr - (size_t)idx) * sizeof(slot));
	*ret_slot = slot;
	return 0;
}

/* The next place to be seen: from the cache if nothing is in flight. */
static AION_SUSPENDS int64_t window_next(struct aion__chunk_window *window, struct slot **ret_slot, int64_t *ret_read)
{
	int64_t result = aion_checkpoint();
	struct slot *slot;

	if (result < 0)
		return result;
	if (!window->flight_nr) {
		slot = window_begin(window);
		if (slot_try(window, slot)) {
			*ret_slot = slot;
			*ret_read = AION__CHUNK_NO_READ;
			return 0;
		}
		slot_start(window, slot);
	}
	window_fill(window);
	result = window_take(window, ret_slot, ret_read);
	/* Entries leave when a task suspends; the callback may not do so for long. */
	if (result == 0 && window_fill(window))
		aion_yield();
	return result;
}

/* What was got, less what stands before the range. */
static AION_SUSPENDS int64_t window_add(struct aion__chunk_window *window, const struct aion__chunk_span *span)
{
	const struct aion__chunk_file *file = window->sink.file;
	size_t skip = span->off < file->data_off ? (size_t)(file->data_off - span->off) : 0;
	bool is_end = span->is_end || span->gap || span->off + (int64_t)span->got == file->end_off;

	if (skip > span->got)
		skip = span->got;
	return aion__chunk_sink_add(&window->sink, span->buf + skip, span->got - skip, span->off + (int64_t)skip,
				    is_end);
}

/* A read has failed: what came before it is seen all the same. */
static AION_SUSPENDS int64_t window_see_part(struct aion__chunk_window *window, const struct aion__chunk_span *span,
					     int64_t error)
{
	struct aion__chunk_run *run = window->sink.run;
	size_t source_idx = window->sink.file->source_idx;
	int64_t result;

	if (span->got && error != -ECANCELED && is_in_order(run)) {
		run->progress.bad_size += aion__chunk_note_bad(run, source_idx, span);
		result = window_add(window, span);
		if (result < 0)
			return result;
	}
	return aion__chunk_fail(run, source_idx, span->off + (int64_t)span->got, error, "read");
}

/* Reads the rest of the place, lets it be seen; what follows a gap is seen by itself. */
static AION_SUSPENDS int64_t window_see(struct aion__chunk_window *window, struct slot *slot, int64_t read)
{
	struct aion__chunk_run *run = window->sink.run;
	struct aion__chunk_file *file = window->sink.file;
	struct aion__chunk_span *span = &slot->span;
	int64_t result;

	for (;;) {
		if (span->got < span->want && !span->is_end) {
			result = aion__chunk_fill(run, file, span, aion__chunk_read, read);
			if (result < 0)
				return window_see_part(window, span, result);
		}
		if (span->is_end && span->off + (int64_t)(span->got + span->gap) < file->end_off)
			file->end_off = span->off + (int64_t)(span->got + span->gap);
		run->progress.bad_size += aion__chunk_note_bad(run, file->source_idx, span);
		result = window_add(window, span);
		if (result < 0 || !span->gap || span->is_end)
			return result;
		window->sink.is_syncing = false;
		*span = (struct aion__chunk_span){.buf = span->buf,
						  .off = span->off + (int64_t)(span->got + span->gap),
						  .want = span->want - span->got - span->gap};
		read = AION__CHUNK_NO_READ;
	}
}

static AION_SUSPENDS void window_reap(struct aion__chunk_window *window)
{
	unsigned i;

	for (i = 0; i < window->flight_nr; i++)
		aion_op_cancel(&window->flight[i]->op);
	for (i = 0; i < window->flight_nr; i++) {
		aion_op_reap(&window->flight[i]->op);
		window_release(window, window->flight[i]);
	}
	window->flight_nr = 0;
}

/* Places behind the end, where there is nothing more to be seen. In their order they are the last ones. */
static AION_SUSPENDS void window_cut(struct aion__chunk_window *window)
{
	unsigned i, kept_nr = 0;

	for (i = 0; i < window->flight_nr; i++) {
		if (window->flight[i]->span.off < window->sink.file->end_off) {
			window->flight[kept_nr++] = window->flight[i];
			continue;
		}
		aion_op_reap(&window->flight[i]->op);
		window_release(window, window->flight[i]);
	}
	window->flight_nr = kept_nr;
}

static int64_t window_seen_off(const struct aion__chunk_window *window)
{
	int64_t off = window->flight_nr ? window->flight[0]->span.off : window->next_off;

	return off < window->sink.file->end_off ? off : window->sink.file->end_off;
}

int64_t aion__chunk_window_read(struct aion__chunk_window *window, struct aion__chunk_file *file, int64_t *ret_seen_off)
{
	struct aion__chunk_run *run = window->sink.run;
	struct slot *slot;
	int64_t result = 0, read;

	window->sink.file = file;
	window->sink.is_syncing = run->options.records && file->is_resumed;
	window->next_off = file->begin_off;
	while (result >= 0 && (window->flight_nr || window->next_off < file->end_off)) {
		result = window_next(window, &slot, &read);
		if (result < 0)
			break;
		result = window_see(window, slot, read);
		window_release(window, slot);
		if (slot->span.is_end)
			window_cut(window);
		if (result >= 0) {
			*ret_seen_off = window->sink.carry_size ? window->sink.carry_off : window_seen_off(window);
			run->progress.resume_off = *ret_seen_off;
		}
	}
	window_reap(window);
	window->sink.carry_size = 0;
	return result;
}
