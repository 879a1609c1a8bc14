/* SPDX-License-Identifier: MIT */
/*
 * A hall with locks, and tasks that go through it: they lock, acquire, wait, notify, meet. Who has to get what, and in
 * which order, follows from a model: whoever comes stands in a queue of the model's while the library lets him wait,
 * and what the library says at last has to be what has become of his stand.
 */
#include "gate.h"

#define MEMBER_NR_MAX 6
#define STEP_NR_MAX 8

struct hall {
	struct aion_mutex mutex;
	struct aion_semaphore semaphore;
	struct aion_limiter limiter;
	struct aion_event event;
	struct aion_barrier barrier;
	struct aion_condition condition;
	struct aion_mutex condition_mutex;
	struct aion_rate rate;
	struct gate mutex_gate, semaphore_gate, limiter_gate, event_gate, barrier_gate;
	size_t permit_nr, limiter_total_nr, party_nr;
	unsigned inside_nr;           /* who have the mutex */
	unsigned condition_inside_nr; /* who have the condition's */
	unsigned waiting_nr;          /* for the condition */
	size_t notified_nr, woken_nr;
	int64_t rate_start_ns;
	int64_t rate_period_ns;
	int64_t rate_burst_nr;
	int64_t rate_taken_nr;
};

/* ---- coming */

/* Where the task is cancelled nothing can be had, also if it is there. */
static int64_t refused(struct actor *self, struct hall *hall)
{
	switch (draw_below(&self->draw, 6)) {
	case 0:
		return aion_mutex_lock(&hall->mutex);
	case 1:
		return aion_semaphore_acquire(&hall->semaphore);
	case 2:
		return aion_limiter_acquire(&hall->limiter);
	case 3:
		return aion_event_wait(&hall->event);
	case 4:
		return aion_barrier_wait(&hall->barrier);
	default:
		return aion_rate_acquire(&hall->rate, 1);
	}
}

/*
 * With a fresh budget the next call does not let others run before it has queued up: so the model's order is the
 * library's. Nor is the task cancelled then.
 */
static int64_t line_up(struct actor *self, struct hall *hall)
{
	int64_t result = told(self, "yield in the hall", aion_yield(), 0, 0);

	if (result < 0 || !aion_cancelled())
		return result;
	return told(self, "a lock in a cancelled scope", refused(self, hall), -1, 0);
}

/* ---- with something in hand */

static int64_t hold(struct actor *self)
{
	unsigned kind = (unsigned)draw_below(&self->draw, 10);

	if (kind == 0)
		return actor_steps(self, 1);
	if (kind < 6)
		return actor_pause(self);
	return told(self, "yield with a lock", aion_yield(), 0, 0);
}

static int64_t use_mutex(struct actor *self, struct hall *hall)
{
	struct gate *gate = &hall->mutex_gate;
	int64_t start_ns = run_now(self->run);
	bool tries = draw_percent(&self->draw, 20);
	struct stand stand;
	int64_t result;

	gate_arrive(gate, &stand, 1);
	result = tries ? aion_mutex_try_lock(&hall->mutex) : aion_mutex_lock(&hall->mutex);
	if (tries && result == -EAGAIN && stand.state == STANDS) {
		gate_remove(gate, &stand);
		return 0;
	}
	result = gate_told(self, gate, &stand, result, -ESHUTDOWN, start_ns);
	if (result < 0)
		return result;
	if (hall->inside_nr++ || aion_mutex_try_lock(&hall->mutex) != -EDEADLK)
		run_fail(self->run, "%u tasks have the mutex", hall->inside_nr);
	result = hold(self);
	hall->inside_nr--;
	if (aion_mutex_unlock(&hall->mutex) != 0 || aion_mutex_unlock(&hall->mutex) != -EPERM)
		run_fail(self->run, "a mutex is not unlocked by its owner, or twice");
	gate_give(gate, 1);
	return result;
}

static int64_t use_semaphore(struct actor *self, struct hall *hall)
{
	struct gate *gate = &hall->semaphore_gate;
	size_t nr = draw_between(&self->draw, 1, hall->permit_nr);
	int64_t start_ns = run_now(self->run);
	struct stand stand;
	int64_t result;

	if (draw_percent(&self->draw, 40))
		nr = 1;
	gate_arrive(gate, &stand, nr);
	result = nr == 1 ? aion_semaphore_acquire(&hall->semaphore) : aion_semaphore_acquire_nr(&hall->semaphore, nr);
	result = gate_told(self, gate, &stand, result, -ESHUTDOWN, start_ns);
	if (result < 0)
		return result == -ESHUTDOWN ? 0 : result;
	result = hold(self);
	if (aion_semaphore_release_nr(&hall->semaphore, nr) != 0)
		run_fail(self->run, "a permit cannot be given back");
	gate_give(gate, nr);
	if (aion_semaphore_value(&hall->semaphore) != gate->free_nr)
		run_fail(self->run, "a semaphore has %zu permits and not %zu", aion_semaphore_value(&hall->semaphore),
			 gate->free_nr);
	return result;
}

static int64_t use_limiter(struct actor *self, struct hall *hall)
{
	struct gate *gate = &hall->limiter_gate;
	int64_t start_ns = run_now(self->run);
	struct stand stand;
	int64_t result;

	gate_arrive(gate, &stand, 1);
	result = gate_told(self, gate, &stand, aion_limiter_acquire(&hall->limiter), -ESHUTDOWN, start_ns);
	if (result < 0)
		return result == -ENOMEM ? 0 : result;
	result = hold(self);
	if (aion_limiter_release(&hall->limiter) != 0)
		run_fail(self->run, "a token cannot be given back");
	gate_give(gate, 1);
	return result;
}

/* ---- waiting for what others do, until a deadline: they may have gone */

typedef int64_t hall_step(struct actor *self, struct hall *hall);

static int64_t until_deadline(struct actor *self, struct hall *hall, hall_step *step)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	shade_enter(self, &shade, &scope, run_now(self->run) + draw_short_delay(self), false);
	/* Again: without memory for the deadline it has come. */
	result = line_up(self, hall);
	if (result == 0)
		result = step(self, hall);
	shade_leave(self, &shade);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

static int64_t wait_event(struct actor *self, struct hall *hall)
{
	struct gate *gate = &hall->event_gate;
	int64_t start_ns = run_now(self->run);
	struct stand stand = {.state = GRANTED};

	if (!gate->free_nr)
		gate_arrive(gate, &stand, 1);
	return gate_told(self, gate, &stand, aion_event_wait(&hall->event), -ESHUTDOWN, start_ns);
}

/* Set, and perhaps cleared before anybody has run. */
static int64_t set_event(struct actor *self, struct hall *hall)
{
	struct gate *gate = &hall->event_gate;

	aion_event_set(&hall->event);
	for (; gate->first; gate->first = gate->first->next)
		gate->first->state = GRANTED;
	gate->free_nr = 1;
	if (draw_percent(&self->draw, 70)) {
		aion_event_clear(&hall->event);
		gate->free_nr = 0;
	}
	return 0;
}

static int64_t wait_barrier(struct actor *self, struct hall *hall)
{
	struct gate *gate = &hall->barrier_gate;
	int64_t start_ns = run_now(self->run);
	struct stand stand;
	int64_t result;

	if (!gate->is_closed && gate_count(gate) + 1 == hall->party_nr)
		gate_fill(gate, &stand);
	else
		gate_arrive(gate, &stand, SIZE_MAX);
	result = aion_barrier_wait(&hall->barrier);
	if (result >= 0 && (size_t)result != stand.nr)
		run_fail(self->run, "a barrier says %lld instead of %zu", (long long)result, stand.nr);
	result = gate_told(self, gate, &stand, result, -EPIPE, start_ns);
	return result == -EPIPE ? 0 : result;
}

/* ---- the condition */

static void condition_enter(struct actor *self, struct hall *hall)
{
	if (hall->condition_inside_nr++)
		run_fail(self->run, "%u tasks have the condition's mutex", hall->condition_inside_nr);
}

static void condition_leave(struct actor *self, struct hall *hall)
{
	hall->condition_inside_nr--;
	if (aion_mutex_unlock(&hall->condition_mutex) != 0)
		run_fail(self->run, "who has waited for a condition does not have its mutex");
}

static int64_t condition_lock(struct actor *self, struct hall *hall)
{
	int64_t result = told(self, "mutex of a condition", aion_mutex_lock(&hall->condition_mutex), 0, 0);

	if (result == 0)
		condition_enter(self, hall);
	return result;
}

static int64_t wait_condition(struct actor *self, struct hall *hall)
{
	int64_t result = condition_lock(self, hall);

	if (result < 0)
		return result;
	hall->condition_inside_nr--;
	hall->waiting_nr++;
	/* Between the -ECANCELED inside and the mutex there may be another cancellation, from further out. */
	result = told(self, "condition", aion_condition_wait(&hall->condition, &hall->condition_mutex), 0,
		      PERHAPS_REFUSED);
	hall->waiting_nr--;
	condition_enter(self, hall);
	hall->woken_nr += result == 0;
	if (draw_percent(&self->draw, 30))
		told(self, "yield with a condition's mutex", aion_yield(), 0, 0);
	condition_leave(self, hall);
	return result;
}

static int64_t notify(struct actor *self, struct hall *hall)
{
	size_t nr = draw_percent(&self->draw, 20) ? SIZE_MAX : draw_below(&self->draw, 3);
	bool has_mutex = draw_percent(&self->draw, 60);
	size_t notified_nr;
	int64_t result = 0;

	if (has_mutex) {
		result = condition_lock(self, hall);
		if (result < 0)
			return result;
	}
	notified_nr = aion_condition_notify(&hall->condition, nr);
	hall->notified_nr += notified_nr;
	if (notified_nr > nr || notified_nr > hall->waiting_nr)
		run_fail(self->run, "%zu tasks of %u that wait for a condition are notified", notified_nr,
			 hall->waiting_nr);
	if (has_mutex) {
		result = hold(self);
		condition_leave(self, hall);
	}
	return result;
}

/* ---- the rate */

static int64_t use_rate(struct actor *self, struct hall *hall)
{
	int64_t nr = (int64_t)draw_between(&self->draw, 1, (uint64_t)hall->rate_burst_nr);
	int64_t start_ns = run_now(self->run);
	int64_t result = told_promptly(self, "rate", aion_rate_acquire(&hall->rate, (size_t)nr), 0, start_ns);

	if (result < 0)
		return result == -ENOMEM ? 0 : result;
	hall->rate_taken_nr += nr;
	if ((hall->rate_taken_nr - hall->rate_burst_nr) * hall->rate_period_ns >
	    run_now(self->run) - hall->rate_start_ns)
		run_fail(self->run, "%lld tokens were taken, more than have fallen in", (long long)hall->rate_taken_nr);
	return 0;
}

/* ---- what changes the rules */

static int64_t tamper(struct actor *self, struct hall *hall)
{
	switch (draw_below(&self->draw, 8)) {
	case 0:
		aion_semaphore_close(&hall->semaphore);
		hall->semaphore_gate.is_closed = true;
		gate_send_away(&hall->semaphore_gate);
		break;
	case 1:
		aion_barrier_abort(&hall->barrier);
		hall->barrier_gate.is_closed = true;
		gate_send_away(&hall->barrier_gate);
		break;
	case 2:
	case 3:
		aion_barrier_reset(&hall->barrier);
		hall->barrier_gate.is_closed = false;
		gate_send_away(&hall->barrier_gate);
		break;
	default:
		hall->limiter_total_nr++;
		aion_limiter_set_total(&hall->limiter, hall->limiter_total_nr);
		gate_give(&hall->limiter_gate, 1);
		break;
	}
	return 0;
}

/* ---- the hall */

static int64_t hall_visit(struct actor *self, struct hall *hall)
{
	int64_t result = line_up(self, hall);
	unsigned kind = (unsigned)draw_below(&self->draw, 40);

	if (result < 0)
		return result;
	if (kind < 7)
		return use_mutex(self, hall);
	if (kind < 14)
		return use_semaphore(self, hall);
	if (kind < 19)
		return use_limiter(self, hall);
	if (kind < 22)
		return until_deadline(self, hall, wait_event);
	if (kind < 24)
		return set_event(self, hall);
	if (kind < 28)
		return until_deadline(self, hall, wait_barrier);
	if (kind < 32)
		return until_deadline(self, hall, wait_condition);
	if (kind < 36)
		return notify(self, hall);
	return kind < 39 ? use_rate(self, hall) : tamper(self, hall);
}

static int64_t member(struct actor *self, void *arg)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 1, STEP_NR_MAX);
	int64_t result = 0;

	while (step_nr-- && actor_goes_on(self, result))
		result = draw_percent(&self->draw, 35) ? until_deadline(self, arg, hall_visit) : hall_visit(self, arg);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

static void hall_open(struct actor *self, struct hall *hall)
{
	memset(hall, 0, sizeof(*hall));
	hall->permit_nr = draw_between(&self->draw, 1, 4);
	hall->limiter_total_nr = draw_between(&self->draw, 1, 2);
	hall->party_nr = draw_between(&self->draw, 1, 3);
	hall->rate_burst_nr = (int64_t)draw_between(&self->draw, 1, 4);
	hall->rate_period_ns = draw_short_delay(self) / 10 + 1;
	hall->rate_start_ns = run_now(self->run);
	hall->mutex_gate = (struct gate){.name = "mutex", .free_nr = 1};
	hall->semaphore_gate = (struct gate){.name = "semaphore", .free_nr = hall->permit_nr};
	hall->limiter_gate = (struct gate){.name = "limiter", .free_nr = hall->limiter_total_nr};
	hall->event_gate = (struct gate){.name = "event"};
	hall->barrier_gate = (struct gate){.name = "barrier"};
	aion_mutex_init(&hall->mutex);
	aion_limiter_init(&hall->limiter, hall->limiter_total_nr);
	aion_event_init(&hall->event);
	aion_condition_init(&hall->condition);
	aion_mutex_init(&hall->condition_mutex);
	if (aion_semaphore_init_bounded(&hall->semaphore, hall->permit_nr, hall->permit_nr) != 0 ||
	    aion_barrier_init(&hall->barrier, hall->party_nr) != 0 ||
	    aion_rate_init(&hall->rate, 1, hall->rate_period_ns, (size_t)hall->rate_burst_nr) != 0)
		run_fail(self->run, "a lock cannot be made");
}

/* All have gone: nobody waits, and all is given back. */
static void hall_close(struct actor *self, struct hall *hall)
{
	struct aion_limiter_stats stats;

	aion_limiter_stats(&hall->limiter, &stats);
	if (aion_mutex_is_locked(&hall->mutex) || aion_mutex_is_locked(&hall->condition_mutex) || stats.borrowed_nr ||
	    stats.waiting_nr || aion_barrier_waiting_nr(&hall->barrier) ||
	    aion_semaphore_value(&hall->semaphore) != hall->permit_nr)
		run_fail(self->run, "a lock is not as it was, or somebody waits, and nobody is there");
	if (hall->woken_nr != hall->notified_nr)
		run_fail(self->run, "%zu tasks were notified, and %zu woken", hall->notified_nr, hall->woken_nr);
	aion_mutex_fini(&hall->mutex);
	aion_mutex_fini(&hall->condition_mutex);
	aion_condition_fini(&hall->condition);
	aion_semaphore_fini(&hall->semaphore);
	aion_limiter_fini(&hall->limiter);
	aion_event_fini(&hall->event);
	aion_barrier_fini(&hall->barrier);
	aion_rate_fini(&hall->rate);
}

int64_t act_lock(struct actor *self)
{
	unsigned member_nr = (unsigned)draw_between(&self->draw, 2, MEMBER_NR_MAX);
	struct party party;
	struct hall hall;
	int64_t result;

	hall_open(self, &hall);
	party_enter(self, &party);
	while (member_nr-- && actor_spawn(self, &party, member, &hall))
		;
	result = party_leave(self, &party, member(self, &hall));
	hall_close(self, &hall);
	return result;
}
