/* SPDX-License-Identifier: MIT */
/* Iterators of what is there already: arrays, ranges, queues. */
#include <errno.h>

#include <aion/queue.h>
#include <aion/iter_source.h>

static int64_t array_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_array *array = (struct aion_iter_array *)iter;

	if (array->next_idx == array->nr)
		return 0;
	*ret_value = array->values[array->next_idx++];
	return 1;
}

/* What nobody has asked for is destroyed, too. */
static void array_close(struct aion_iter *iter)
{
	struct aion_iter_array *array = (struct aion_iter_array *)iter;

	while (iter->destroy && array->next_idx < array->nr)
		iter->destroy(array->values[array->next_idx++]);
}

struct aion_iter *aion_iter_array_init(struct aion_iter_array *array, void *const *values, size_t nr)
{
	*array = (struct aion_iter_array){.values = values, .nr = nr};
	aion_iter_init(&array->iter, array_next, array_close);
	return &array->iter;
}

static int64_t range_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_range *range = (struct aion_iter_range *)iter;

	if (!range->step)
		return -EINVAL;
	if (!range->left_nr)
		return 0;
	*ret_value = aion_iter_value(range->number);
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

struct aion_iter *aion_iter_range_init(struct aion_iter_range *range, int64_t first, int64_t end, int64_t step)
{
	*range = (struct aion_iter_range){.number = first, .step = step, .left_nr = range_count(first, end, step)};
	aion_iter_init(&range->iter, range_next, NULL);
	return &range->iter;
}

static int64_t queue_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_queue *source = (struct aion_iter_queue *)iter;
	int result = aion_queue_get(source->queue, ret_value);

	if (result == -ESHUTDOWN)
		return 0;
	return result < 0 ? result : 1;
}

struct aion_iter *aion_iter_queue_init(struct aion_iter_queue *source, struct aion_queue *queue)
{
	*source = (struct aion_iter_queue){.queue = queue};
	aion_iter_init(&source->iter, queue_next, NULL);
	return &source->iter;
}
