/* SPDX-License-Identifier: MIT */
/* Waiting for futures: for one, for several, with a deadline. */
#include "bunch.h"

int64_t act_future(struct actor *self)
{
	struct party party;
	struct slot *slot;
	int64_t start_ns;
	int64_t result;

	party_enter(self, &party);
	slot = slot_create(self, &party);
	if (draw_percent(&self->draw, 20))
		slot_complete(slot);
	start_ns = run_now(self->run);
	result = aion_await(&slot->future);
	if (result == slot->value && aion_future_is_done(&slot->future))
		told(self, "future", result, INT64_MAX, MAY_ANY);
	else
		told_promptly(self, "future", result, 0, start_ns);
	slot_check(slot);
	slot_leave(slot);
	return party_leave(self, &party, result == -ECANCELED ? result : 0);
}

/* ---- aion_wait() */

static void check_wait(struct actor *self, const struct bunch *bunch, enum aion_wait_mode mode, int64_t result)
{
	bool has_error = false;
	int64_t done = 0;

	for (unsigned i = 0; i < bunch->nr; i++) {
		if (!aion_future_is_done(bunch->futures[i]))
			continue;
		done++;
		has_error |= bunch->futures[i]->result < 0;
	}
	if (result != done)
		run_fail(self->run, "a wait says that %lld are done, and %lld are", (long long)result, (long long)done);
	if (done == bunch->nr)
		return;
	if (mode == AION_WAIT_ALL || (mode == AION_WAIT_FIRST_COMPLETED && !done) ||
	    (mode == AION_WAIT_FIRST_ERROR && !has_error))
		run_fail(self->run, "a wait (mode %d) ends with %lld of %u done", (int)mode, (long long)done,
			 bunch->nr);
}

/* Reads of nothing never end: somebody has to end them before all can be done, or the first if there is no other. */
static void end_reads(struct bunch *bunch, enum aion_wait_mode mode)
{
	if (mode == AION_WAIT_FIRST_COMPLETED)
		for (unsigned i = 0; i < bunch->nr; i++)
			if (bunch->items[i].kind != BUNCH_EFFORT || bunch->items[i].effort.max >= 0)
				return;
	for (unsigned i = 0; i < bunch->nr; i++)
		if (bunch->items[i].kind == BUNCH_EFFORT && bunch->items[i].effort.max < 0)
			effort_cancel(&bunch->items[i].effort);
}

static int64_t wait_once(struct actor *self, struct bunch *bunch, enum aion_wait_mode mode)
{
	int64_t result;

	end_reads(bunch, mode);
	result = aion_wait(bunch->futures, bunch->nr, mode);
	told(self, "wait", result, bunch->nr, 0);
	if (result >= 0)
		check_wait(self, bunch, mode, result);
	return result;
}

int64_t act_wait(struct actor *self)
{
	enum aion_wait_mode mode = (enum aion_wait_mode)draw_below(&self->draw, 3);
	struct bunch *bunch = malloc(sizeof(*bunch));
	int64_t result = 0;

	if (bunch_begin(self, bunch, (unsigned)draw_between(&self->draw, 1, BUNCH_NR_MAX))) {
		result = wait_once(self, bunch, mode);
		if (result >= 0 && draw_percent(&self->draw, 30))
			result = wait_once(self, bunch, AION_WAIT_ALL);
		result = bunch_end(self, bunch, result);
	}
	free(bunch);
	return result;
}

/* ---- aion_gather() */

/* Told that it was broken off, the caller has no results; operations have ended all the same. */
static int64_t gather(struct actor *self, struct bunch *bunch)
{
	int64_t results[BUNCH_NR_MAX];
	int64_t first_error = 0;
	int64_t result;
	bool was_cancelled;

	memset(results, 0x77, sizeof(results));
	result = aion_gather(bunch->futures, bunch->nr, results);
	was_cancelled = aion_cancelled();
	told(self, "gather", result, 0, MAY_ANY | NOT_REFUSED);
	for (unsigned i = 0; i < bunch->nr; i++) {
		struct bunch_item *item = &bunch->items[i];

		if (was_cancelled && item->kind == BUNCH_EFFORT)
			item->effort.is_asked = true;
		if (item->kind == BUNCH_EFFORT && aion_op_is_in_flight(&item->effort.op))
			run_fail(self->run, "an operation is in flight after it has been gathered");
		if (aion_future_is_done(item->future) && item->future->result < 0 && first_error == 0)
			first_error = item->future->result;
		if (results[0] != INT64_C(0x7777777777777777) &&
		    (!aion_future_is_done(item->future) || results[i] != item->future->result))
			run_fail(self->run, "gather says that result %u is %lld", i, (long long)results[i]);
	}
	if (results[0] != INT64_C(0x7777777777777777) ? result != first_error : result != -ECANCELED || !was_cancelled)
		run_fail(self->run, "gather says %lld, its first error is %lld (cancelled: %d)", (long long)result,
			 (long long)first_error, was_cancelled);
	return result;
}

int64_t act_gather(struct actor *self)
{
	struct bunch *bunch = malloc(sizeof(*bunch));
	int64_t result = 0;

	if (bunch_begin(self, bunch, (unsigned)draw_between(&self->draw, 1, BUNCH_NR_MAX))) {
		end_reads(bunch, AION_WAIT_ALL);
		result = gather(self, bunch);
		result = bunch_end(self, bunch, result);
	}
	free(bunch);
	return result;
}

/* ---- aion_wait_for() */

static void check_wait_for(struct actor *self, struct bunch_item *item, int64_t result, int64_t deadline_ns)
{
	bool is_done = aion_future_is_done(item->future);
	bool is_plain = item->kind == BUNCH_SLOT || item->kind == BUNCH_TIMER;

	if (item->kind == BUNCH_EFFORT && !is_done)
		run_fail(self->run, "an operation is in flight after wait_for has ended");
	if (is_plain && is_done != (result == item->future->result))
		run_fail(self->run, "wait_for says %lld, and the future is done: %d", (long long)result, is_done);
	if (is_done && result != item->future->result && !(result == -ETIME && item->future->result == -ECANCELED))
		run_fail(self->run, "wait_for says %lld instead of %lld", (long long)result,
			 (long long)item->future->result);
	if (!is_done && result != -ETIME && result != -ECANCELED)
		run_fail(self->run, "wait_for says %lld of a future that is not done", (long long)result);
	if (result == -ETIME && !(is_done && item->future->result == -ETIME) && run_now(self->run) < deadline_ns &&
	    !self->run->memory_is_scarce)
		run_fail(self->run, "wait_for says -ETIME %lld ns too early",
			 (long long)(deadline_ns - run_now(self->run)));
}

static int64_t wait_for(struct actor *self, struct bunch_item *item)
{
	int64_t deadline_ns = draw_deadline(self);
	int64_t result;

	/* Both at the same time: the result is kept. */
	if (item->kind == BUNCH_TIMER && draw_percent(&self->draw, 30))
		deadline_ns = item->deadline_ns;
	/* Nothing else would end it. */
	if (item->kind == BUNCH_EFFORT && item->effort.max < 0 && deadline_ns == AION_NEVER)
		deadline_ns = run_now(self->run) + draw_short_delay(self);
	if (item->kind == BUNCH_EFFORT)
		item->effort.is_asked = true;
	if (item->kind == BUNCH_WARD && item->ward.actor)
		item->ward.actor->edge.is_perhaps_cancelled = true;
	result = aion_wait_for(item->future, deadline_ns);
	told(self, "wait_for", result, INT64_MAX, MAY_ANY | PERHAPS_REFUSED);
	check_wait_for(self, item, result, deadline_ns);
	return result == -ECANCELED ? result : 0;
}

int64_t act_wait_for(struct actor *self)
{
	struct bunch *bunch = malloc(sizeof(*bunch));
	int64_t result = 0;

	if (bunch_begin(self, bunch, 1)) {
		result = wait_for(self, &bunch->items[0]);
		result = bunch_end(self, bunch, result);
	}
	free(bunch);
	return result;
}

/* ---- one after the other */

static int64_t mixed_step(struct actor *self, struct bunch *bunch)
{
	struct bunch_item *item = &bunch->items[draw_below(&self->draw, bunch->nr)];

	switch (draw_below(&self->draw, 4)) {
	case 0:
		if (item->kind == BUNCH_EFFORT)
			effort_cancel(&item->effort);
		else if (item->kind == BUNCH_WARD)
			ward_cancel(self->run, &item->ward);
		return 0;
	case 1:
		return actor_pause(self);
	case 2:
		return wait_once(self, bunch, AION_WAIT_FIRST_COMPLETED);
	default:
		return wait_for(self, item);
	}
}

int64_t act_mixed(struct actor *self)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 1, 6);
	struct bunch *bunch = malloc(sizeof(*bunch));
	int64_t result = 0;

	if (bunch_begin(self, bunch, (unsigned)draw_between(&self->draw, 1, BUNCH_NR_MAX))) {
		while (step_nr-- && actor_goes_on(self, result))
			result = mixed_step(self, bunch);
		result = bunch_end(self, bunch, result);
	}
	free(bunch);
	return result;
}
