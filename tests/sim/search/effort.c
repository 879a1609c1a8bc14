/* SPDX-License-Identifier: MIT */
/* Operations with what is expected of them, and futures that somebody will complete. */
#include "effort.h"

/* ---- operations */

void effort_begin(struct actor *self, struct effort *effort, const char *name, int64_t max, unsigned flags,
		  bool is_open)
{
	effort->run = self->run;
	effort->name = name;
	effort->max = max;
	effort->flags = flags;
	effort->is_asked = false;
	effort->is_started = true;
	if (is_open && !effort->target.is_listed)
		target_add(self->run, &effort->target, TARGET_EFFORT);
}

static void effort_end(struct effort *effort)
{
	if (effort->target.is_listed) /* else it may not even have begun */
		target_remove(effort->run, &effort->target);
}

int64_t effort_result(struct actor *self, struct effort *effort)
{
	int64_t result = effort->op.future.result;

	if (aion_op_is_in_flight(&effort->op) || !aion_future_is_done(&effort->op.future))
		run_fail(self->run, "%s is not done", effort->name);
	effort_end(effort);
	return told(self, effort->name, result, effort->max,
		    effort->flags | NOT_REFUSED | (effort->is_asked ? MAY_CANCELED : 0));
}

int64_t effort_await(struct actor *self, struct effort *effort)
{
	int64_t result = aion_await(&effort->op.future);

	if (aion_op_is_in_flight(&effort->op))
		run_fail(self->run, "%s is in flight after it has been awaited", effort->name);
	if (result != effort->op.future.result)
		run_fail(self->run, "awaiting %s says %lld, its future %lld", effort->name, (long long)result,
			 (long long)effort->op.future.result);
	effort_end(effort);
	return told(self, effort->name, result, effort->max, effort->flags | (effort->is_asked ? MAY_CANCELED : 0));
}

void effort_cancel(struct effort *effort)
{
	if (aion_op_is_in_flight(&effort->op)) {
		run_tell(effort->run, "cancels %s", effort->name);
		effort->is_asked = true;
	}
	aion_op_cancel(&effort->op);
}

void effort_reap(struct effort *effort)
{
	efforts_reap(effort, 1);
}

/* The library's own takes an array of operations; these are parts of something larger. */
void efforts_reap(struct effort *efforts, unsigned nr)
{
	efforts_asked(efforts, nr);
	for (unsigned i = 0; i < nr; i++)
		aion_op_cancel(&efforts[i].op);
	for (unsigned i = 0; i < nr; i++) {
		aion_op_reap(&efforts[i].op);
		if (aion_op_is_in_flight(&efforts[i].op))
			run_fail(efforts[i].run, "%s is in flight after it has been reaped", efforts[i].name);
		effort_end(&efforts[i]);
	}
}

void efforts_asked(struct effort *efforts, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		efforts[i].is_asked = true;
}

/* ---- futures */

static void slot_free(struct slot *slot)
{
	if (slot->owner_is_there || slot->completer_is_there)
		return;
	target_remove(slot->run, &slot->target);
	slot->run->slot_nr--;
	memset(slot, 0xdd, sizeof(*slot));
	free(slot);
}

void slot_complete(struct slot *slot)
{
	if (aion_future_is_done(&slot->future))
		return;
	run_tell(slot->run, "completes a future: %lld", (long long)slot->value);
	aion_future_complete(&slot->future, slot->value);
}

static void slot_completer_leave(struct slot *slot)
{
	slot_complete(slot);
	slot->completer_is_there = false;
	slot_free(slot);
}

/* Completes it in any case: else somebody would wait for ever. */
static int64_t slot_task(struct actor *self, void *arg)
{
	struct slot *slot = arg;
	int64_t result = actor_pause(self);

	slot_completer_leave(slot);
	return result == -ECANCELED ? result : 0;
}

/* The post of a post: it comes when the loop may be about to sleep. */
static void slot_post(void *arg)
{
	struct slot *slot = arg;

	if (slot->post_nr-- > 1 && run_post(slot->run, slot_post, slot))
		return;
	slot_completer_leave(slot);
}

/* From where another thread would do it. */
static int64_t slot_job(void *arg)
{
	struct slot *slot = arg;

	return run_post(slot->run, slot_post, slot) ? 0 : -ENOMEM;
}

static int64_t slot_offload_task(struct actor *self, void *arg)
{
	struct slot *slot = arg;
	int64_t result;

	slot->post_nr = (unsigned)draw_between(&self->draw, 1, 2);
	result = aion_offload(AION_OFFLOAD_FAST, slot_job, slot);
	if (result < 0)
		slot_completer_leave(slot);
	return told(self, "offload", result, 0, MAY_MEMORY) == -ECANCELED ? result : 0;
}

struct slot *slot_create(struct actor *self, struct party *party)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	slot->run = self->run;
	slot->run->slot_nr++;
	slot->value = draw_percent(&self->draw, 80) ? (int64_t)draw_below(&self->draw, 1000) : -ERANGE;
	slot->owner_is_there = true;
	slot->completer_is_there = true;
	aion_future_init(&slot->future);
	target_add(self->run, &slot->target, TARGET_SLOT);
	if (draw_percent(&self->draw, 60) &&
	    actor_spawn(self, party, draw_percent(&self->draw, 75) ? slot_task : slot_offload_task, slot))
		return slot;
	slot->post_nr = (unsigned)draw_between(&self->draw, 1, 3);
	if (!run_post(self->run, slot_post, slot))
		slot_completer_leave(slot);
	return slot;
}

void slot_leave(struct slot *slot)
{
	aion_future_fini(&slot->future);
	slot->owner_is_there = false;
	target_remove(slot->run, &slot->target);
	slot_free(slot);
}

void slot_check(const struct slot *slot)
{
	if (aion_future_is_done(&slot->future) && slot->future.result != slot->value)
		run_fail(slot->run, "a future was completed with %lld and says %lld", (long long)slot->value,
			 (long long)slot->future.result);
}
