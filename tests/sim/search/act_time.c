/* SPDX-License-Identifier: MIT */
/* Sleeping, timers, scopes, deadlines, shields. */
#include <poll.h>
#include <unistd.h>

#include "effort.h"
#include "wire.h"

#define OVERSLEEP_NS_MAX (2 * AION_SECOND) /* by which a timer of the machine may be late */
#define SPIN_MAX 20000                     /* calls that are done at once */
#define STARVE_NS_MAX (60 * AION_SECOND)   /* by which a deadline may be late that ends an operation */

static void check_time(struct actor *self, const char *what, int64_t deadline_ns)
{
	int64_t now_ns = run_now(self->run);

	if (now_ns < deadline_ns)
		run_fail(self->run, "%s ends %lld ns before its time", what, (long long)(deadline_ns - now_ns));
	if (self->run->sim && deadline_ns > 0 && now_ns - deadline_ns > OVERSLEEP_NS_MAX)
		run_fail(self->run, "%s ends %lld ns after its time", what, (long long)(now_ns - deadline_ns));
}

int64_t act_sleep(struct actor *self)
{
	int64_t delay_ns = draw_delay(self);
	int64_t start_ns = run_now(self->run);
	int64_t result;

	if (draw_percent(&self->draw, 50))
		result = aion_sleep(delay_ns);
	else
		result = aion_sleep_until(start_ns + delay_ns);
	told_promptly(self, "sleep", result, 0, start_ns);
	if (result == 0 && delay_ns > 0)
		check_time(self, "a sleep", start_ns + delay_ns);
	return result;
}

int64_t act_yield(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, 20);
	int64_t result = 0;

	while (nr-- && result == 0)
		result = told(self, "yield", draw_percent(&self->draw, 50) ? aion_yield() : aion_checkpoint(), 0, 0);
	return result;
}

int64_t act_timer(struct actor *self)
{
	struct aion_timer timer;
	int64_t start_ns = run_now(self->run);
	int64_t deadline_ns = start_ns + draw_short_delay(self);
	int64_t result = 0;
	bool is_done;
	int was_armed;

	aion_timer_init(&timer);
	if (!actor_arm(self, &timer, deadline_ns))
		return 0;
	if (aion_timer_arm(&timer, deadline_ns) != -EALREADY)
		run_fail(self->run, "a timer is armed twice");
	if (draw_percent(&self->draw, 30))
		result = actor_pause(self);
	else
		result = told_promptly(self, "timer", aion_await(&timer.future), 0, start_ns);
	is_done = aion_future_is_done(&timer.future);
	if (is_done)
		check_time(self, "a timer", deadline_ns);
	was_armed = aion_timer_cancel(&timer);
	if (was_armed == is_done)
		run_fail(self->run, "a timer is armed (%d) and done (%d)", was_armed, is_done);
	return result;
}

/* ---- scopes */

/* What is left of a result when the scope that it came from is left. */
static int64_t result_outside(int64_t result)
{
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

static int64_t scoped_steps(struct actor *self, bool is_shield)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	shade_enter(self, &shade, &scope, draw_deadline(self), is_shield);
	if (draw_percent(&self->draw, 10))
		shade_cancel(self->run, &shade);
	result = actor_steps(self, 3);
	if (draw_percent(&self->draw, 10))
		shade_set_deadline(self->run, &shade, draw_deadline(self));
	if (draw_percent(&self->draw, 30))
		result = actor_steps(self, 2);
	if (draw_percent(&self->draw, 15)) {
		aion_scope_fini(&scope);
		shade_pop(self, &shade);
		aion_scope_fini(&scope);
	} else {
		shade_leave(self, &shade);
	}
	return result_outside(result);
}

/* A deadline that has passed is delivered at the first checkpoint, and nothing is begun. */
static int64_t scope_in_the_past(struct actor *self)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t deadline_ns = aion_now() - (int64_t)draw_below(&self->draw, 1000);
	char byte = 'x';
	int64_t result;
	int fds[2];

	if (wire_pipe(self, fds, 0) < 0)
		return 0;
	shade_enter(self, &shade, &scope, deadline_ns, draw_percent(&self->draw, 30));
	result = told(self, "write too late", aion_write(fds[1], &byte, 1), 1, 0);
	if (result != -ECANCELED)
		run_fail(self->run, "a write after the deadline says %lld", (long long)result);
	shade_leave(self, &shade);
	wire_close(self, fds[0]);
	wire_close(self, fds[1]);
	return result_outside(result);
}

int64_t act_scope(struct actor *self)
{
	if (draw_percent(&self->draw, 10))
		return scope_in_the_past(self);
	return scoped_steps(self, false);
}

int64_t act_shield(struct actor *self)
{
	return scoped_steps(self, true);
}

/* ---- keeping busy */

struct spin {
	bool has_run;
};

static int64_t spin_task(struct actor *self, void *arg)
{
	struct spin *spin = arg;

	spin->has_run = true;
	return told(self, "yield", aion_yield(), 0, 0) == 0 ? 0 : -ECANCELED;
}

static int64_t spin_once(unsigned kind, struct aion_future *done)
{
	switch (kind) {
	case 0:
		return aion_checkpoint();
	case 1:
		return aion_await(done);
	default:
		return aion_wait(&done, 1, AION_WAIT_ALL);
	}
}

/* Nothing that has to be waited for, and still the others get their turn. */
int64_t act_spin(struct actor *self)
{
	struct spin spin = {.has_run = false};
	struct aion_future done;
	struct party party;
	unsigned kind = (unsigned)draw_below(&self->draw, 3);
	unsigned nr = 0;
	int64_t result = 0;

	aion_future_init(&done);
	aion_future_complete(&done, 0);
	party_enter(self, &party);
	if (!actor_spawn(self, &party, spin_task, &spin))
		spin.has_run = true;
	while (!spin.has_run && result >= 0 && nr++ < SPIN_MAX)
		result = spin_once(kind, &done);
	if (result >= 0 && !spin.has_run)
		run_fail(self->run, "a task that only does what is done at once keeps the others from running");
	if (result < 0)
		told(self, "spin", result, 0, 0);
	return party_leave(self, &party, result < 0 ? result : 0);
}

/* ---- waiting for what does not come */

static int64_t starve_by_future(struct actor *self)
{
	struct aion_future *futures[1];
	struct aion_future future;
	int64_t start_ns = run_now(self->run);
	int64_t result;

	aion_future_init(&future);
	futures[0] = &future;
	if (draw_percent(&self->draw, 50))
		result = aion_await(&future);
	else
		result = aion_wait(futures, 1, AION_WAIT_FIRST_ERROR);
	told_promptly(self, "a wait for nothing", result, 0, start_ns);
	aion_future_fini(&future);
	return result;
}

static int64_t starve_by_pipe(struct actor *self)
{
	char buf[16];
	int64_t result;
	int fds[2];

	if (wire_pipe(self, fds, 0) < 0)
		return 0;
	if (draw_percent(&self->draw, 50))
		result =
			told(self, "a read of nothing", aion_read(fds[0], buf, sizeof(buf)), -1, MAY_MEMORY | MAY_INTR);
	else
		result = told(self, "a poll of nothing", aion_poll(fds[0], POLLIN), -1, MAY_MEMORY);
	wire_close(self, fds[0]);
	wire_close(self, fds[1]);
	return result;
}

/* Only its deadline ends it, or somebody who cancels it. */
int64_t act_starve(struct actor *self)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t deadline_ns = run_now(self->run) + draw_short_delay(self);
	int64_t result;

	shade_enter(self, &shade, &scope, deadline_ns, draw_percent(&self->draw, 20));
	switch (draw_below(&self->draw, 3)) {
	case 0:
		result = starve_by_future(self);
		break;
	case 1:
		result = told_promptly(self, "a sleep for ever", aion_sleep_until(AION_NEVER), 0, run_now(self->run));
		break;
	default:
		result = starve_by_pipe(self);
	}
	if (self->run->sim && result == -ECANCELED && run_now(self->run) - deadline_ns > STARVE_NS_MAX)
		run_fail(self->run, "a deadline ends a wait %lld ns too late",
			 (long long)(run_now(self->run) - deadline_ns));
	shade_leave(self, &shade);
	return result_outside(result);
}
