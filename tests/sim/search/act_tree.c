/* SPDX-License-Identifier: MIT */
/* Tasks inside of tasks. */
#include "actor.h"

#define CHILD_NR_MAX 5
#define STACK_SIZE_TOO_LARGE ((size_t)1 << 40)

int64_t act_family(struct actor *self)
{
	unsigned child_nr = (unsigned)draw_between(&self->draw, 1, CHILD_NR_MAX);
	struct party party;
	int64_t result = 0;

	if (self->depth >= DEPTH_MAX)
		return actor_pause(self);
	party_enter(self, &party);
	if (draw_percent(&self->draw, 25))
		shade_set_deadline(self->run, &party.shade, draw_deadline(self));
	for (unsigned i = 0; i < child_nr; i++) {
		actor_spawn(self, &party, actor_live, NULL);
		if (draw_percent(&self->draw, 20) && result >= 0)
			result = actor_pause(self);
	}
	if (result >= 0 && draw_percent(&self->draw, 50))
		result = actor_steps(self, 2);
	if (draw_percent(&self->draw, 8))
		party_cancel(self->run, &party);
	return party_leave(self, &party, result);
}

/* A task starts others beside itself. */
int64_t act_siblings(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, 3);

	if (self->depth >= DEPTH_MAX || !self->party)
		return actor_pause(self);
	while (nr--)
		actor_spawn(self, self->party, actor_live, NULL);
	return 0;
}

/* ---- handles */

static int64_t ward_await(struct actor *self, struct ward *ward)
{
	int64_t result = aion_await(&ward->handle.future);

	told(self, "a handle", result, INT64_MAX, MAY_ANY | PERHAPS_REFUSED);
	ward_check(self->run, ward);
	if (!ward->is_ended && (result != -ECANCELED || !aion_cancelled()))
		run_fail(self->run, "awaiting a handle ends with %lld, and the task lives", (long long)result);
	if (ward->is_ended && result != ward->result)
		run_fail(self->run, "awaiting a handle says %lld, its task %lld", (long long)result,
			 (long long)ward->result);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

static int64_t use_handles(struct actor *self, struct ward *wards, unsigned nr)
{
	unsigned use_nr = (unsigned)draw_between(&self->draw, 1, 4);
	int64_t result = 0;

	while (use_nr-- && result >= 0) {
		struct ward *ward = &wards[draw_below(&self->draw, nr)];

		if (!ward->is_started)
			continue;
		switch (draw_below(&self->draw, 3)) {
		case 0:
			ward_cancel(self->run, ward);
			break;
		case 1:
			result = actor_pause(self);
			break;
		default:
			result = ward_await(self, ward);
		}
	}
	return result;
}

int64_t act_handles(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, CHILD_NR_MAX);
	struct ward wards[CHILD_NR_MAX];
	struct party party;
	int64_t result;

	if (self->depth >= DEPTH_MAX)
		return actor_pause(self);
	party_enter(self, &party);
	for (unsigned i = 0; i < nr; i++)
		actor_spawn_ward(self, &party, &wards[i], actor_live, NULL);
	result = use_handles(self, wards, nr);
	result = party_leave(self, &party, result);
	for (unsigned i = 0; i < nr; i++)
		ward_fini(self->run, &wards[i]);
	return result;
}

/* ---- odd ones */

/* Waits for the end of the loop, and then takes its time. */
static int64_t daemon_body(struct actor *self, void *unused)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result = aion_sleep_until(AION_NEVER);

	(void)unused;
	if (result != -ECANCELED || !self->run->is_stopping)
		run_fail(self->run, "a task that waits for the loop's end goes on with %lld", (long long)result);
	told(self, "the loop's end", result, 0, PERHAPS_REFUSED);
	shade_enter_refuge(self, &shade, &scope);
	actor_pause(self);
	told(self, "nop", aion_nop(), 0, MAY_MEMORY);
	shade_leave(self, &shade);
	return result;
}

int64_t act_daemon(struct actor *self)
{
	actor_spawn_daemon(self, daemon_body, NULL);
	return 0;
}

static int64_t never_runs(void *arg)
{
	run_fail(arg, "a task that could not be started runs");
}

/* A task that cannot be started is an error of its group. */
int64_t act_spawn_fails(struct actor *self)
{
	static const char large[AION_SPAWN_COPY_MAX + 1];
	const struct aion_spawn_options options = {.stack_size = STACK_SIZE_TOO_LARGE};
	struct aion_handle handle;
	struct party party;
	int64_t result;
	int error;

	party_enter(self, &party);
	actor_spawn(self, &party, actor_live, NULL);
	switch (draw_below(&self->draw, 3)) {
	case 0:
		error = aion_spawn_copy(&party.group, never_runs, large, sizeof(large));
		break;
	case 1:
		error = aion_spawn_into(&party.group, &handle, &options, never_runs, self->run);
		if (!aion_future_is_done(&handle.future) || handle.future.result != error)
			run_fail(self->run, "the handle of a task that could not be started says %lld",
				 (long long)handle.future.result);
		break;
	default:
		error = aion_spawn_with(&party.group, &options, never_runs, self->run);
	}
	if (error != -E2BIG && error != -EINVAL && !(error == -ENOMEM && self->run->memory_is_scarce))
		run_fail(self->run, "a spawn that must fail says %d", error);
	party_fail(self->run, &party, error);
	result = actor_pause(self);
	result = party_leave(self, &party, result);
	return result == error ? 0 : result;
}
