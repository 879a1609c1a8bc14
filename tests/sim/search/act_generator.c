/* SPDX-License-Identifier: MIT */
/*
 * Pipelines of iterators, grown at random, under whatever is cancelled. Every item has an account: made once, comes
 * to the consumer or is destroyed, once, and in the order of its source; after the close none is on its way, and no
 * task is left.
 */
#include "pipeline.h"

/* ---- what may be said */

/* Tasks that the library could not start are errors of the group. */
static void sync_group_errors(struct pipeline *pipeline)
{
	const struct aion_group_error *errors;
	struct party *party = &pipeline->party;
	size_t nr = aion_group_errors(&party->group, &errors);

	while (party->error_nr < nr) {
		int code = party->error_nr < AION_GROUP_ERROR_MAX ? errors[party->error_nr].code : -ENOMEM;

		if (code != -ENOMEM || !pipeline->run->memory_is_scarce)
			run_fail(pipeline->run, "a pipeline's task is an error of its group: %d", code);
		party_fail(pipeline->run, party, code);
	}
}

static bool error_is_legal(const struct pipeline *pipeline, int64_t result)
{
	/* Of a consumer behind a shield: the others are cancelled. */
	if (result == -ECANCELED)
		return aion_cancelled() || pipeline->party.group.scope.effective;
	if (result == -ENOMEM)
		return pipeline->run->memory_is_scarce;
	for (unsigned i = 0; i < pipeline->leaf_nr; i++)
		if (result == pipeline->leaves[i].error)
			return true;
	return false;
}

static void item_see(struct pipeline *pipeline, struct item *item)
{
	struct leaf *leaf = item->leaf;

	if (item->state != ITEM_MADE)
		run_fail(pipeline->run, "item %u of source %u comes to the consumer in state %d", item->seq, leaf->nr,
			 item->state);
	if (item->is_rejected)
		run_fail(pipeline->run, "item %u of source %u has passed a filter that rejects it", item->seq,
			 leaf->nr);
	if (item->seq < leaf->seen_nr)
		run_fail(pipeline->run, "item %u of source %u comes after item %u", item->seq, leaf->nr,
			 leaf->seen_nr - 1);
	item->state = ITEM_SEEN;
	leaf->seen_nr = item->seq + 1;
}

static void value_see(struct pipeline *pipeline, void *value)
{
	const struct aion_batch *batch = value;

	switch (pipeline->top) {
	case TOP_PLAIN:
		item_see(pipeline, value);
		return;
	case TOP_ZIP:
		for (unsigned i = 0; i < pipeline->zip_nr; i++)
			item_see(pipeline, ((void **)value)[i]);
		return;
	case TOP_BATCH:
		if (batch->nr < 1 || batch->nr > pipeline->batch_max)
			run_fail(pipeline->run, "a batch has %zu values", batch->nr);
		for (size_t i = 0; i < batch->nr; i++)
			item_see(pipeline, batch->values[i]);
	}
}

/* The end: nothing that should have come is missing. */
static void check_complete(const struct pipeline *pipeline)
{
	for (unsigned i = 0; i < pipeline->leaf_nr; i++) {
		const struct leaf *leaf = &pipeline->leaves[i];

		for (unsigned k = 0; k < leaf->item_nr && !pipeline->is_partial; k++)
			if (leaf->items[k].state != ITEM_SEEN && !leaf->items[k].is_rejected)
				run_fail(pipeline->run, "a pipeline has ended without item %u of source %u (state %d)",
					 k, i, leaf->items[k].state);
	}
}

/* ---- the consumer */

static int64_t pipeline_next(struct actor *self, struct pipeline *pipeline)
{
	void *value = NULL;
	int64_t result = aion_iter_next(pipeline->iter, &value);

	sync_group_errors(pipeline);
	told(self, "next", result, 1, MAY_ANY | PERHAPS_REFUSED);
	if (result > 0)
		value_see(pipeline, value);
	else if (result == 0)
		check_complete(pipeline);
	else if (!error_is_legal(pipeline, result))
		run_fail(self->run, "a pipeline says %lld", (long long)result);
	pipeline->has_ended = result == 0 || (result < 0 && !(result == -ECANCELED && aion_cancelled()));
	return result;
}

/* In a scope of its own, which may be a shield. */
static int64_t pipeline_next_scoped(struct actor *self, struct pipeline *pipeline)
{
	int64_t deadline_ns = run_now(self->run) + draw_short_delay(self);
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	shade_enter(self, &shade, &scope, deadline_ns, draw_percent(&self->draw, 20));
	result = pipeline_next(self, pipeline);
	shade_leave(self, &shade);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

static int64_t consume(struct actor *self, struct pipeline *pipeline)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 0, 60);
	int64_t result = 0;

	while (step_nr-- && !pipeline->has_ended && actor_goes_on(self, result)) {
		unsigned kind = (unsigned)draw_below(&self->draw, 20);

		if (kind < 12)
			result = pipeline_next(self, pipeline);
		else if (kind < 18)
			result = pipeline_next_scoped(self, pipeline);
		else
			result = actor_pause(self);
	}
	return result == -ECANCELED ? result : 0;
}

/* ---- the end */

static void pipeline_close(struct actor *self, struct pipeline *pipeline)
{
	int64_t result = aion_iter_close(pipeline->iter);

	sync_group_errors(pipeline);
	told(self, "close", result, 0, PERHAPS_REFUSED);
	for (unsigned i = 0; i < pipeline->leaf_nr; i++)
		if (pipeline->leaves[i].is_producing && !pipeline->leaves[i].is_actor)
			run_fail(self->run, "a producer lives after its pipeline was closed");
	if (pipeline->working_nr)
		run_fail(self->run, "%u functions of a pipeline run after it was closed", pipeline->working_nr);
	for (unsigned i = 0; i < pipeline->leaf_nr; i++)
		leaf_end(&pipeline->leaves[i]);
	if (aion_iter_close(pipeline->iter) != 0)
		run_fail(self->run, "a pipeline cannot be closed twice");
}

static void check_accounts(const struct pipeline *pipeline)
{
	for (unsigned i = 0; i < pipeline->leaf_nr; i++)
		for (unsigned k = 0; k < pipeline->leaves[i].item_nr; k++)
			if (pipeline->leaves[i].items[k].state == ITEM_MADE)
				run_fail(pipeline->run, "item %u of source %u is lost", k, i);
}

int64_t act_generator(struct actor *self)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	int64_t result;

	pipeline->run = self->run;
	party_enter(self, &pipeline->party);
	if (draw_percent(&self->draw, 20))
		shade_set_deadline(self->run, &pipeline->party.shade, draw_deadline(self));
	pipeline_grow(self, pipeline);
	result = consume(self, pipeline);
	if (draw_percent(&self->draw, 10))
		party_cancel(self->run, &pipeline->party);
	pipeline_close(self, pipeline);
	result = party_leave(self, &pipeline->party, result);
	leaves_fini(pipeline);
	check_accounts(pipeline);
	free(pipeline);
	return result;
}
