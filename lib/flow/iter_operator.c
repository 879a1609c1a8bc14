/* SPDX-License-Identifier: MIT */
/* Operators without tasks of their own. What they have taken and could not give stays in them until the next call. */
#include <errno.h>

#include <aion/scope.h>
#include <aion/iter_operator.h>
#include <aion/timer.h>

/* A value that nobody gets is its iterator's to destroy. */
static void value_drop(const struct aion_iter *iter, void *value)
{
	if (iter->destroy)
		iter->destroy(value);
}

/* What a function of the user's has said because its task is cancelled: it will be called again. */
static bool result_is_put_off(int64_t result)
{
	return result == -ECANCELED && aion_cancelled();
}

/* ---- map, filter */

static int64_t map_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_map *map = (struct aion_iter_map *)iter;
	int64_t result;

	if (!map->has_value) {
		result = aion_iter_next(map->source, &map->value);
		if (result <= 0)
			return result;
		map->has_value = true;
	}
	result = map->fn(map->value, map->arg, ret_value);
	map->has_value = result_is_put_off(result);
	return result < 0 ? result : 1;
}

static void map_close(struct aion_iter *iter)
{
	struct aion_iter_map *map = (struct aion_iter_map *)iter;

	if (map->has_value)
		value_drop(map->source, map->value);
	aion_iter_close(map->source);
}

struct aion_iter *aion_iter_map_init(struct aion_iter_map *map, struct aion_iter *source, aion_iter_map_fn *fn,
				     void *arg)
{
	*map = (struct aion_iter_map){.source = source, .fn = fn, .arg = arg};
	aion_iter_init(&map->iter, map_next, map_close);
	return &map->iter;
}

/* Ask fn about the value that was taken: 1 and the value, 0 if it is dropped. */
static int64_t filter_ask(struct aion_iter_filter *filter, void **ret_value)
{
	int64_t result = filter->fn(filter->value, filter->arg);

	if (result_is_put_off(result))
		return result;
	filter->has_value = false;
	if (result <= 0) {
		value_drop(filter->source, filter->value);
		return result;
	}
	*ret_value = filter->value;
	return 1;
}

static int64_t filter_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_filter *filter = (struct aion_iter_filter *)iter;
	int64_t result;

	do {
		if (!filter->has_value) {
			result = aion_iter_next(filter->source, &filter->value);
			if (result <= 0)
				return result;
			filter->has_value = true;
		}
		result = filter_ask(filter, ret_value);
	} while (result == 0);
	return result;
}

static void filter_close(struct aion_iter *iter)
{
	struct aion_iter_filter *filter = (struct aion_iter_filter *)iter;

	if (filter->has_value)
		value_drop(filter->source, filter->value);
	aion_iter_close(filter->source);
}

struct aion_iter *aion_iter_filter_init(struct aion_iter_filter *filter, struct aion_iter *source, aion_iter_fn *fn,
					void *arg)
{
	*filter = (struct aion_iter_filter){.source = source, .fn = fn, .arg = arg};
	aion_iter_init(&filter->iter, filter_next, filter_close);
	return aion_iter_set_destroy(&filter->iter, source->destroy);
}

/* ---- take, chain */

static int64_t take_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_take *take = (struct aion_iter_take *)iter;
	int64_t result = take->left_nr ? aion_iter_next(take->source, ret_value) : 0;

	take->left_nr -= result > 0;
	return result;
}

static void take_close(struct aion_iter *iter)
{
	aion_iter_close(((struct aion_iter_take *)iter)->source);
}

struct aion_iter *aion_iter_take_init(struct aion_iter_take *take, struct aion_iter *source, uint64_t nr)
{
	*take = (struct aion_iter_take){.source = source, .left_nr = nr};
	aion_iter_init(&take->iter, take_next, take_close);
	return aion_iter_set_destroy(&take->iter, source->destroy);
}

static int64_t chain_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_chain *chain = (struct aion_iter_chain *)iter;
	int64_t result = 0;

	for (; chain->idx < chain->nr; chain->idx++) {
		result = aion_iter_next(chain->sources[chain->idx], ret_value);
		if (result != 0)
			break;
	}
	return result;
}

static void chain_close(struct aion_iter *iter)
{
	struct aion_iter_chain *chain = (struct aion_iter_chain *)iter;

	for (size_t i = 0; i < chain->nr; i++)
		aion_iter_close(chain->sources[i]);
}

struct aion_iter *aion_iter_chain_init(struct aion_iter_chain *chain, struct aion_iter *const *sources, size_t nr)
{
	*chain = (struct aion_iter_chain){.sources = sources, .nr = nr};
	aion_iter_init(&chain->iter, chain_next, chain_close);
	return aion_iter_set_destroy(&chain->iter, nr ? sources[0]->destroy : NULL);
}

/* ---- zip */

static int64_t zip_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_zip *zip = (struct aion_iter_zip *)iter;
	int64_t result;

	if (!zip->nr)
		return 0;
	while (zip->taken_nr < zip->nr) {
		result = aion_iter_next(zip->sources[zip->taken_nr], &zip->values[zip->taken_nr]);
		if (result <= 0)
			return result;
		zip->taken_nr++;
	}
	zip->taken_nr = 0;
	*ret_value = zip->values;
	return 1;
}

static void zip_close(struct aion_iter *iter)
{
	struct aion_iter_zip *zip = (struct aion_iter_zip *)iter;

	for (size_t i = 0; i < zip->taken_nr; i++)
		value_drop(zip->sources[i], zip->values[i]);
	for (size_t i = 0; i < zip->nr; i++)
		aion_iter_close(zip->sources[i]);
}

struct aion_iter *aion_iter_zip_init(struct aion_iter_zip *zip, struct aion_iter *const *sources, void **values,
				     size_t nr)
{
	*zip = (struct aion_iter_zip){.sources = sources, .values = values, .nr = nr};
	aion_iter_init(&zip->iter, zip_next, zip_close);
	return &zip->iter;
}

/* ---- batch */

/* One more value, until the batch's time is up: then 0, as if the source had ended. */
static int64_t batch_add(struct aion_iter_batch *batch)
{
	void **place = &batch->batch.values[batch->batch.nr];
	struct aion_scope scope;
	int64_t result;

	if (batch->batch.nr == 0 || batch->wait_ns == AION_NEVER) {
		result = aion_iter_next(batch->source, place);
	} else {
		aion_scope_enter(&scope, batch->due_ns);
		result = aion_iter_next(batch->source, place);
		/* With its time came a value, or an end: that counts. */
		if (aion_scope_leave(&scope) == -ETIME && result == -ECANCELED)
			result = 0;
	}
	if (result > 0 && batch->batch.nr++ == 0)
		batch->due_ns = aion_after(batch->wait_ns);
	return result;
}

static int64_t batch_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_batch *batch = (struct aion_iter_batch *)iter;
	int64_t result = batch->max_nr ? 1 : -EINVAL;

	if (batch->is_given)
		batch->batch.nr = 0;
	batch->is_given = false;
	while (result > 0 && batch->batch.nr < batch->max_nr)
		result = batch_add(batch);
	/* An end is for the next call to see: the source says it again. */
	if (result_is_put_off(result) || batch->batch.nr == 0)
		return result;
	batch->is_given = true;
	*ret_value = &batch->batch;
	return 1;
}

static void batch_close(struct aion_iter *iter)
{
	struct aion_iter_batch *batch = (struct aion_iter_batch *)iter;

	for (size_t i = 0; i < batch->batch.nr && !batch->is_given; i++)
		value_drop(batch->source, batch->batch.values[i]);
	aion_iter_close(batch->source);
}

struct aion_iter *aion_iter_batch_init(struct aion_iter_batch *batch, struct aion_iter *source, void **values,
				       size_t max_nr, int64_t wait_ns)
{
	*batch = (struct aion_iter_batch){
		.source = source,
		.batch.values = values,
		.max_nr = max_nr,
		.wait_ns = wait_ns,
	};
	aion_iter_init(&batch->iter, batch_next, batch_close);
	return &batch->iter;
}
