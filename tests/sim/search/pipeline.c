/* SPDX-License-Identifier: MIT */
/* How pipelines grow: sources with their producers, operators with their functions. */
#include "pipeline.h"

#define DEPTH_OF_NODES_MAX 3
#define PAUSE_NS_MAX 300000

static void item_drop(void *value)
{
	struct item *item = value;

	if (item->state != ITEM_MADE)
		run_fail(item->leaf->pipeline->run, "item %u of source %u is destroyed in state %d", item->seq,
			 item->leaf->nr, item->state);
	item->state = ITEM_DROPPED;
}

/* Some time, or none, or another turn. No model: who calls it need not be one of the workload's tasks. */
static int64_t perhaps_pause(struct draw *draw, unsigned percent)
{
	if (!draw_percent(draw, percent))
		return 0;
	if (draw_percent(draw, 40))
		return aion_yield();
	return aion_sleep((int64_t)draw_magnitude(draw, 100, PAUSE_NS_MAX));
}

/* ---- sources */

/* Some producers hand over from behind a shield: then the cancelled go on by demand, too, until they are closed. */
static int64_t leaf_yield(struct leaf *leaf, struct aion_generator *generator, struct item *item)
{
	struct aion_scope shield;
	int64_t result;

	if (!leaf->is_stubborn)
		return aion_yield_value(generator, item);
	aion_scope_enter_shield(&shield, AION_NEVER);
	result = aion_yield_value(generator, item);
	aion_scope_leave(&shield);
	return result;
}

static int64_t leaf_produce(struct aion_generator *generator, void *arg)
{
	struct leaf *leaf = arg;
	int64_t result = 0;

	leaf->is_producing = true;
	for (unsigned i = 0; i < leaf->item_nr && result == 0; i++) {
		result = perhaps_pause(&leaf->draw, leaf->pause_percent);
		if (result < 0)
			break;
		leaf->items[i].state = ITEM_MADE;
		result = leaf_yield(leaf, generator, &leaf->items[i]);
		if (result == 0)
			continue;
		if (leaf->items[i].state != ITEM_MADE)
			run_fail(leaf->pipeline->run, "a yield says %lld, and its item is gone", (long long)result);
		leaf->items[i].state = ITEM_NONE;
	}
	leaf->is_producing = false;
	return result < 0 ? result : leaf->error;
}

static int64_t leaf_put(struct actor *self, void *arg)
{
	struct leaf *leaf = arg;
	int64_t result = 0;

	leaf->is_producing = leaf->is_actor = true;
	for (unsigned i = 0; i < leaf->item_nr && result == 0; i++) {
		if (draw_percent(&self->draw, leaf->pause_percent))
			result = actor_pause(self);
		if (result < 0)
			break;
		leaf->items[i].state = ITEM_MADE;
		result = told(self, "put", aion_queue_put(&leaf->queue, &leaf->items[i]), 0, MAY_ANY);
		if (result < 0)
			leaf->items[i].state = ITEM_NONE;
	}
	/* Whoever was cancelled has not put all: that is no end like others. */
	leaf->pipeline->is_partial |= result < 0;
	aion_queue_shutdown(&leaf->queue);
	leaf->is_producing = false;
	return result == -ECANCELED ? result : 0;
}

static bool leaf_init_queue(struct actor *self, struct leaf *leaf)
{
	/* Where spawns fail, tasks of the workload's would have to know of the library's. */
	if (self->run->memory_is_scarce ||
	    aion_queue_init(&leaf->queue, AION_QUEUE_FIFO, (size_t)draw_between(&self->draw, 1, 4)) < 0)
		return false;
	if (!actor_spawn(self, &leaf->pipeline->party, leaf_put, leaf)) {
		leaf->item_nr = 0;
		aion_queue_shutdown(&leaf->queue);
	}
	aion_iter_queue_init(&leaf->source, &leaf->queue);
	return true;
}

static struct aion_iter *leaf_grow(struct actor *self, struct pipeline *pipeline)
{
	struct leaf *leaf = &pipeline->leaves[pipeline->leaf_nr];
	unsigned kind = (unsigned)draw_below(&self->draw, 10);

	leaf->pipeline = pipeline;
	leaf->nr = pipeline->leaf_nr++;
	leaf->draw.state = draw_next(&self->draw);
	leaf->pause_percent = draw_percent(&self->draw, 50) ? 0 : (unsigned)draw_below(&self->draw, 100);
	leaf->item_nr = (unsigned)draw_below(&self->draw, ITEM_NR_MAX + 1);
	for (unsigned i = 0; i < leaf->item_nr; i++)
		leaf->items[i] = (struct item){.leaf = leaf, .seq = i};
	if (kind < 2 && leaf_init_queue(self, leaf)) {
		leaf->kind = LEAF_QUEUE;
		return aion_iter_set_destroy(&leaf->source.iter, item_drop);
	}
	if (kind < 4) {
		leaf->kind = LEAF_ARRAY;
		for (unsigned i = 0; i < leaf->item_nr; i++) {
			leaf->items[i].state = ITEM_MADE;
			leaf->values[i] = &leaf->items[i];
		}
		return aion_iter_set_destroy(aion_iter_array_init(&leaf->array, leaf->values, leaf->item_nr),
					     item_drop);
	}
	leaf->kind = LEAF_GENERATOR;
	if (draw_percent(&self->draw, 10))
		leaf->error = -ENOTNAM;
	leaf->is_stubborn = draw_percent(&self->draw, 15);
	aion_generator_init(&leaf->generator, &pipeline->party.group, leaf_produce, leaf);
	return aion_iter_set_destroy(&leaf->generator.iter, item_drop);
}

void leaf_end(struct leaf *leaf)
{
	if (leaf->kind == LEAF_QUEUE)
		aion_queue_shutdown(&leaf->queue);
}

/* In a queue that its iterator has left as it was. */
static void item_left(void *item, void *unused)
{
	(void)unused;
	item_drop(item);
}

void leaves_fini(struct pipeline *pipeline)
{
	for (unsigned i = 0; i < pipeline->leaf_nr; i++) {
		struct leaf *leaf = &pipeline->leaves[i];

		if (leaf->kind != LEAF_QUEUE)
			continue;
		aion_queue_shutdown_now(&leaf->queue, item_left, NULL);
		aion_queue_fini(&leaf->queue);
	}
}

/* ---- operators */

/* A function of a node's: begins, takes its time, and may be cut short. */
static int64_t node_work(struct node *node, const struct item *item)
{
	int64_t result;

	if (item->state != ITEM_MADE)
		run_fail(node->pipeline->run, "a function gets item %u of source %u in state %d", item->seq,
			 item->leaf->nr, item->state);
	node->pipeline->working_nr++;
	result = perhaps_pause(&node->draw, node->pause_percent);
	node->pipeline->working_nr--;
	return result;
}

static int64_t node_map(void *value, void *arg, void **ret_value)
{
	int64_t result = node_work(arg, value);

	if (result < 0 && result != -ECANCELED)
		item_drop(value); /* it was taken */
	if (result == 0)
		*ret_value = value;
	return result;
}

static int64_t node_filter(void *value, void *arg)
{
	struct item *item = value;
	int64_t result = node_work(arg, item);

	if (result == 0 && item->seq % 3 == 1)
		item->is_rejected = true;
	return result < 0 ? result : !item->is_rejected;
}

static struct node *node_create(struct actor *self, struct pipeline *pipeline)
{
	struct node *node = &pipeline->nodes[pipeline->node_nr++];

	node->pipeline = pipeline;
	node->draw.state = draw_next(&self->draw);
	node->pause_percent = draw_percent(&self->draw, 50) ? 0 : (unsigned)draw_below(&self->draw, 80);
	return node;
}

static struct aion_iter *iter_grow(struct actor *self, struct pipeline *pipeline, unsigned depth);

/* At least one; as many as there are leaves for. */
static unsigned node_grow_sources(struct actor *self, struct node *node, unsigned depth)
{
	unsigned wanted_nr = (unsigned)draw_between(&self->draw, 1, SOURCE_NR_MAX);
	unsigned nr = 0;

	do {
		node->sources[nr++] = iter_grow(self, node->pipeline, depth);
	} while (nr < wanted_nr && node->pipeline->leaf_nr < LEAF_NR_MAX);
	return nr;
}

static struct aion_iter *node_grow(struct actor *self, struct pipeline *pipeline, unsigned depth)
{
	struct node *node = node_create(self, pipeline);
	unsigned kind = (unsigned)draw_below(&self->draw, 10);
	struct aion_iter *source;
	unsigned nr;

	if (kind < 4) {
		nr = node_grow_sources(self, node, depth);
		if (kind < 3)
			return aion_iter_merge_init(&node->merge, &pipeline->party.group, node->feeders, node->sources,
						    nr);
		return aion_iter_chain_init(&node->chain, node->sources, nr);
	}
	source = iter_grow(self, pipeline, depth);
	if (kind < 7)
		return aion_iter_set_destroy(aion_iter_map_init(&node->map, source, node_map, node), item_drop);
	if (kind < 9)
		return aion_iter_filter_init(&node->filter, source, node_filter, node);
	pipeline->is_partial = true;
	return aion_iter_take_init(&node->take, source, draw_below(&self->draw, 2 * ITEM_NR_MAX));
}

static struct aion_iter *iter_grow(struct actor *self, struct pipeline *pipeline, unsigned depth)
{
	/* Each place above may still have to draw a leaf of its own. */
	if (depth == DEPTH_OF_NODES_MAX || pipeline->leaf_nr + 1 >= LEAF_NR_MAX ||
	    pipeline->node_nr + 1 >= NODE_NR_MAX || draw_percent(&self->draw, 25))
		return leaf_grow(self, pipeline);
	return node_grow(self, pipeline, depth + 1);
}

void pipeline_grow(struct actor *self, struct pipeline *pipeline)
{
	unsigned kind = (unsigned)draw_below(&self->draw, 10);
	struct node *node;
	int64_t wait_ns;

	if (kind < 5) {
		pipeline->iter = iter_grow(self, pipeline, 0);
		return;
	}
	node = node_create(self, pipeline);
	if (kind < 7) {
		pipeline->top = TOP_ZIP;
		pipeline->is_partial = true;
		pipeline->zip_nr = node_grow_sources(self, node, 1);
		pipeline->iter = aion_iter_zip_init(&node->zip, node->sources, pipeline->values, pipeline->zip_nr);
		return;
	}
	pipeline->top = TOP_BATCH;
	pipeline->batch_max = (unsigned)draw_between(&self->draw, 1, ITEM_NR_MAX);
	wait_ns = draw_percent(&self->draw, 30) ? AION_NEVER : draw_short_delay(self);
	pipeline->iter = aion_iter_batch_init(&node->batch, iter_grow(self, pipeline, 1), pipeline->values,
					      pipeline->batch_max, wait_ns);
}
