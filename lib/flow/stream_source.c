/* SPDX-License-Identifier: MIT */
/* Streams of what is there already: arrays, ranges, queues. */
#include <errno.h>

#include <aion/queue.h>
#include <aion/stream_source.h>

static int64_t array_next(struct aion_stream *stream, void **ret_value)
{
	struct aion_stream_array *array = (struct aion_stream_array *)stream;

	if (array->next_idx == array->nr)
		return 0;
	*ret_value = array->values[array->next_idx++];
	return 1;
}

/* What nobody has asked for is destroyed, too. */
static void array_close(struct aion_stream *stream)
{
	struct aion_stream_array *array = (struct aion_stream_array *)stream;

	while (stream->destroy && array->next_idx < array->nr)
		stream->destroy(array->values[array->next_idx++]);
}

struct aion_stream *aion_stream_array_init(struct aion_stream_array *array, void *const *values, size_t nr)
{
	*array = (struct aion_stream_array){.values = values, .nr = nr};
	aion_stream_init(&array->stream, array_next, array_close);
	return &array->stream;
}

static int64_t range_next(struct aion_stream *stream, void **ret_value)
{
	struct aion_stream_range *range = (struct aion_stream_range *)stream;

	if (!range->step)
		return -EINVAL;
	if (!range->left_nr)
		return 0;
	*ret_value = aion_stream_value(range->number);
	/* Unsigned: the number after the last may not exist. */
	range->number = (int64_t)((uint64_t)range->number + (uint64_t)range->step);
	range->left_nr--;
	return 1;
}

/* How many numbers there are from first, in steps, before end. */
static uint64_t range_count(int64_t first, int64_t end, int64_t step)
{
	uint64_t distance = step > 0 ? (uint64_t)end - (uint64_t)first : (uint64_t)first - (uint64_t)end;
	uint64_t size = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;

	if (!step || (step > 0 ? first >= end : first <= end))
		return 0;
	return (distance - 1) / size + 1;
}

struct aion_stream *aion_stream_range_init(struct aion_stream_range *range, int64_t first, int64_t end, int64_t step)
{
	*range = (struct aion_stream_range){.number = first, .step = step, .left_nr = range_count(first, end, step)};
	aion_stream_init(&range->stream, range_next, NULL);
	return &range->stream;
}

static int64_t queue_next(struct aion_stream *stream, void **ret_value)
{
	struct aion_stream_queue *source = (struct aion_stream_queue *)stream;
	int result = aion_queue_get(source->queue, ret_value);

	if (result == -ESHUTDOWN)
		return 0;
	return result < 0 ? result : 1;
}

struct aion_stream *aion_stream_queue_init(struct aion_stream_queue *source, struct aion_queue *queue)
{
	*source = (struct aion_stream_queue){.queue = queue};
	aion_stream_init(&source->stream, queue_next, NULL);
	return &source->stream;
}
