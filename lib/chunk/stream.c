/* SPDX-License-Identifier: MIT */
/*
 * What has no positions: read one piece after the other, as it comes. If the callback runs on workers, each piece is
 * handed to one of them by a task of its own while the next piece is read.
 */
#include <errno.h>

#include <aion/offload.h>
#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "chunk_int.h"

/* A buffer, and the call that its content is for. */
struct hand {
	struct stream *stream;
	char *buf;
	struct aion_chunk chunk;
	bool has_run;
};

struct stream {
	struct aion__chunk_sink sink; /* first: put() gets it */
	struct aion_group group;      /* of the tasks that wait for a worker */
	struct aion_future *waiter;   /* somebody waits for one of them to end */
	char *memory;
	size_t memory_size;
	struct hand carry_hand; /* for a record that is a piece by itself */
	struct hand *hand;      /* the one that is being read into; NULL: its content is on a worker */
	unsigned free_nr;       /* hands that are free */
	unsigned id_nr;         /* workers that are free */
	struct hand **free;
	unsigned *ids;
	struct hand hands[];
};

static int64_t hand_call(void *arg)
{
	struct hand *hand = arg;
	const struct aion__chunk_run *run = hand->stream->sink.run;

	hand->has_run = true;
	return run->fn(&hand->chunk, run->arg);
}

/* One of them has ended. */
static void stream_wake(struct stream *stream)
{
	struct aion_future *waiter = stream->waiter;

	stream->waiter = NULL;
	if (waiter)
		aion_future_complete(waiter, 0);
}

static AION_SUSPENDS int64_t stream_wait(struct stream *stream)
{
	struct aion_future future;
	int64_t result;

	aion_future_init(&future);
	stream->waiter = &future;
	result = aion_await(&future);
	stream->waiter = NULL;
	return result;
}

/* Lets a worker see the chunk. */
static AION_SUSPENDS int64_t hand_offload(struct hand *hand)
{
	struct stream *stream = hand->stream;
	int64_t result;

	hand->has_run = false;
	result = aion_offload(AION_OFFLOAD_FAST, hand_call, hand);
	stream->ids[stream->id_nr++] = hand->chunk.worker_idx;
	if (hand->has_run)
		result = aion__chunk_seen(stream->sink.run, &hand->chunk, result);
	return result;
}

static int64_t hand_task(void *arg)
{
	struct hand *hand = arg;
	struct stream *stream = hand->stream;
	int64_t result = hand_offload(hand);

	stream->free[stream->free_nr++] = hand;
	stream_wake(stream);
	return result < 0 ? result : 0;
}

static AION_SUSPENDS int64_t stream_put(struct aion__chunk_sink *sink, char *data, size_t size, int64_t off,
					bool may_stay)
{
	struct stream *stream = (struct stream *)sink;
	struct hand *hand = may_stay ? stream->hand : &stream->carry_hand;
	int64_t result;

	hand->chunk = aion__chunk_make(sink->run, sink->file, data, size, off);
	if (!aion__chunk_is_offloaded(sink->run))
		return aion__chunk_seen(sink->run, &hand->chunk, sink->run->fn(&hand->chunk, sink->run->arg));
	while (!stream->id_nr) {
		result = stream_wait(stream);
		if (result < 0)
			return result;
	}
	hand->chunk.worker_idx = stream->ids[--stream->id_nr];
	if (!may_stay)
		return hand_offload(hand);
	stream->hand = NULL;
	return aion_spawn(&stream->group, hand_task, hand);
}

static void stream_destroy(struct stream *stream)
{
	aion__chunk_sink_fini(&stream->sink);
	aion__chunk_unmap(stream->memory, stream->memory_size);
	aion__free(stream);
}

static struct stream *stream_create(struct aion__chunk_run *run)
{
	unsigned i, worker_nr = (unsigned)run->options.worker_nr, nr = worker_nr + 1;
	size_t stride = aion__chunk_stride(run), size = sizeof(struct stream) + nr * sizeof(struct hand);
	struct stream *stream = aion__alloc_zeroed(size + nr * (sizeof(struct hand *) + sizeof(unsigned)));

	if (!stream)
		return NULL;
	stream->sink.run = run;
	stream->sink.put = stream_put;
	stream->free = (struct hand **)((char *)stream + size);
	stream->ids = (unsigned *)(stream->free + nr);
	stream->memory_size = nr * stride;
	stream->memory = aion__chunk_map(stream->memory_size);
	if (!stream->memory || aion__chunk_sink_init(&stream->sink, run) < 0) {
		stream_destroy(stream);
		return NULL;
	}
	stream->carry_hand.stream = stream;
	for (i = 0; i < nr; i++) {
		stream->hands[i].stream = stream;
		stream->hands[i].buf = stream->memory + (i + 1) * stride - run->options.chunk_size;
		stream->free[stream->free_nr++] = &stream->hands[i];
	}
	for (i = 0; i < worker_nr; i++)
		stream->ids[stream->id_nr++] = i;
	return stream;
}

/* The next piece, of at most size bytes. */
static AION_SUSPENDS int64_t stream_read_once(struct stream *stream, size_t size, int64_t off)
{
	struct aion__chunk_file *file = stream->sink.file;
	int64_t n;

	while (!stream->hand) {
		if (stream->free_nr) {
			stream->hand = stream->free[--stream->free_nr];
			break;
		}
		n = stream_wait(stream);
		if (n < 0)
			return n;
	}
	do
		n = file->is_positioned ? aion__chunk_read(file, stream->hand->buf, size, off)
					: aion_read(file->fd, stream->hand->buf, size);
	while (n == -EINTR);
	return n;
}

static AION_SUSPENDS int64_t stream_read_all(struct stream *stream)
{
	struct aion__chunk_run *run = stream->sink.run;
	struct aion__chunk_file *file = stream->sink.file;
	int64_t off = file->data_off, n, result = 0;
	size_t size;

	while (result >= 0 && off < file->end_off) {
		size = run->options.chunk_size;
		if ((int64_t)size > file->end_off - off)
			size = (size_t)(file->end_off - off);
		n = stream_read_once(stream, size, off);
		if (n < 0)
			return n == -ECANCELED ? n : aion__chunk_fail(run, file->source_idx, off, n, "read");
		if (n == 0)
			break;
		result = aion__chunk_sink_add(&stream->sink, stream->hand->buf, (size_t)n, off, false);
		off += n;
		if (!aion__chunk_is_offloaded(run))
			run->progress.resume_off = stream->sink.carry_size ? stream->sink.carry_off : off;
	}
	return result < 0 ? result : aion__chunk_sink_flush(&stream->sink);
}

int64_t aion__chunk_stream_read(struct aion__chunk_run *run, struct aion__chunk_file *file)
{
	struct stream *stream = stream_create(run);
	int64_t result;

	if (!stream)
		return -ENOMEM;
	stream->sink.file = file;
	aion_group_enter(&stream->group);
	result = aion_group_leave(&stream->group, stream_read_all(stream));
	stream_destroy(stream);
	return result;
}
