/* SPDX-License-Identifier: MIT */
/* Many of one kind: waiters of one future, timers; tasks started from outside; what belongs to one task alone. */
#include "effort.h"

#define WAITER_NR_MAX 8
#define TIMER_NR_MAX 1500
#define LOCAL_NR_MAX 3

/* ---- several wait for one future */

static int64_t crowd_task(struct actor *self, void *arg)
{
	struct slot *slot = arg;
	struct aion_future *twice[] = {&slot->future, &slot->future};
	int64_t start_ns = run_now(self->run);
	int64_t result;

	if (draw_percent(&self->draw, 60))
		result = aion_await(&slot->future);
	else
		result = aion_wait(twice, 2, AION_WAIT_ALL);
	if (aion_future_is_done(&slot->future) && result != -ECANCELED)
		told(self, "future of many", result, INT64_MAX, MAY_ANY);
	else
		told_promptly(self, "future of many", result, 0, start_ns);
	slot_check(slot);
	return result == -ECANCELED ? result : 0;
}

int64_t act_crowd(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, WAITER_NR_MAX);
	struct party inner, outer;
	struct slot *slot;
	int64_t result;

	party_enter(self, &outer);
	slot = slot_create(self, &outer);
	party_enter(self, &inner);
	while (nr--)
		actor_spawn(self, &inner, crowd_task, slot);
	result = crowd_task(self, slot);
	if (draw_percent(&self->draw, 20))
		party_cancel(self->run, &inner);
	result = party_leave(self, &inner, result);
	slot_leave(slot);
	return party_leave(self, &outer, result == -ECANCELED ? result : 0);
}

/* ---- many timers */

static void check_timer(struct actor *self, const struct aion_timer *timer, int64_t deadline_ns)
{
	if (!aion_future_is_done(&timer->future))
		return;
	if (timer->future.result != 0 || run_now(self->run) < deadline_ns)
		run_fail(self->run, "a timer of many says %lld, %lld ns before its time",
			 (long long)timer->future.result, (long long)(deadline_ns - run_now(self->run)));
}

static int64_t wait_timers(struct actor *self, struct aion_timer *timers, const int64_t *deadlines, unsigned nr)
{
	int64_t result = 0;

	for (unsigned i = 0; i < nr && result == 0; i++) {
		unsigned which = (unsigned)draw_below(&self->draw, nr);
		int64_t start_ns = run_now(self->run);

		if (draw_percent(&self->draw, 80))
			aion_timer_cancel(&timers[which]);
		else if (timers[which].place || aion_future_is_done(&timers[which].future))
			result = told_promptly(self, "timer of many", aion_await(&timers[which].future), 0, start_ns);
		check_timer(self, &timers[which], deadlines[which]);
	}
	return result;
}

int64_t act_timers(struct actor *self)
{
	unsigned nr = (unsigned)draw_magnitude(&self->draw, 1, TIMER_NR_MAX);
	struct aion_timer *timers = malloc(nr * sizeof(*timers));
	int64_t *deadlines = malloc(nr * sizeof(*deadlines));
	int64_t spread_ns = draw_short_delay(self);
	int64_t result;

	for (unsigned i = 0; i < nr; i++) {
		deadlines[i] = run_now(self->run) + (int64_t)draw_below(&self->draw, (uint64_t)spread_ns + 1);
		aion_timer_init(&timers[i]);
		actor_arm(self, &timers[i], deadlines[i]);
	}
	result = wait_timers(self, timers, deadlines, nr);
	for (unsigned i = 0; i < nr; i++) {
		check_timer(self, &timers[i], deadlines[i]);
		aion_timer_cancel(&timers[i]);
	}
	memset(timers, 0xdd, nr * sizeof(*timers));
	free(timers);
	free(deadlines);
	return result;
}

/* ---- a task started by another thread */

struct outside {
	struct party *party;
	struct actor *child;
	struct aion_future begun;
};

static int64_t outside_task(struct actor *self, void *arg)
{
	struct outside *outside = arg;

	aion_future_complete(&outside->begun, 0);
	return actor_pause(self);
}

static int64_t outside_job(void *arg)
{
	const struct outside *outside = arg;

	return actor_start_outside(outside->party, outside->child);
}

int64_t act_outside(struct actor *self)
{
	struct party party;
	struct outside outside = {.party = &party};
	struct aion_scope scope;
	struct shade shade;
	int64_t result = 0;

	party_enter(self, &party);
	aion_future_init(&outside.begun);
	outside.child = actor_create(self, &party, outside_task, &outside);
	if (outside.child) {
		result = told(self, "offloaded spawn", aion_offload(AION_OFFLOAD_SLOW, outside_job, &outside), 0,
			      MAY_MEMORY);
		/* Its post is on its way: the group has to wait for it. */
		if (result == 0) {
			shade_enter_refuge(self, &shade, &scope);
			told(self, "a task from outside", aion_await(&outside.begun), 0, 0);
			shade_leave(self, &shade);
		} else {
			actor_discard(outside.child);
		}
	}
	return party_leave(self, &party, result);
}

/* ---- variables of a task's own */

struct local {
	struct run *run;
	uint64_t mark;
};

static void local_destroy(void *value)
{
	struct local *local = value;

	local->run->local_nr--;
	free(local);
}

static unsigned local_key(unsigned i)
{
	static unsigned keys[LOCAL_NR_MAX];
	static bool is_made;

	for (unsigned k = 0; !is_made && k < LOCAL_NR_MAX; k++)
		if (aion_local_create(local_destroy, &keys[k]) != 0)
			abort();
	is_made = true;
	return keys[i];
}

int64_t act_local(struct actor *self)
{
	unsigned key = local_key((unsigned)draw_below(&self->draw, LOCAL_NR_MAX));
	struct local *local = aion_local_get(key);

	if (local && local->mark != self->path)
		run_fail(self->run, "a task finds another's variable");
	if (!local) {
		local = malloc(sizeof(*local));
		*local = (struct local){self->run, self->path};
		self->run->local_nr++;
		if (told(self, "local_set", aion_local_set(key, local), 0, NOT_REFUSED) != 0)
			local_destroy(local);
	}
	return actor_pause(self);
}
