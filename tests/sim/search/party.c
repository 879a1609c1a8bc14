/* SPDX-License-Identifier: MIT */
/* Groups and their tasks: how they are started, and what a group has to say in the end. */
#include "actor.h"

/* ---- groups */

void party_enter(struct actor *self, struct party *party)
{
	memset(party, 0xa5, sizeof(*party));
	aion_group_enter(&party->group);
	party->spawned_nr = party->ended_nr = 0;
	party->error_nr = 0;
	party->first_error = 0;
	party->cancel_seen = false;
	party->is_left = false;
	shade_push(self, &party->shade, &party->group.scope);
	target_add(self->run, &party->shade.target, TARGET_SCOPE);
}

void party_cancel(struct run *run, struct party *party)
{
	party->shade.is_cancelled = true;
	if (party->shade.cancelled_ns == AION_NEVER)
		party->shade.cancelled_ns = run_now(run);
	aion_group_cancel(&party->group);
}

void party_fail(struct run *run, struct party *party, int error)
{
	run_tell(run, "a member fails: %d", error);
	party->shade.has_failed = true;
	if (party->shade.cancelled_ns == AION_NEVER)
		party->shade.cancelled_ns = run_now(run);
	if (!party->error_nr++)
		party->first_error = error;
}

/* A member's result: `is_cancelled` says whether its task is. */
static void party_note(struct run *run, struct party *party, int64_t result, bool is_cancelled)
{
	if (result >= 0)
		return;
	if (result != -ECANCELED || !is_cancelled)
		party_fail(run, party, (int)result);
	else if (aion_scope_reason(&party->group.scope) != AION_REASON_NONE)
		party->cancel_seen = true;
}

static void actor_forget(struct actor *actor)
{
	if (actor->ward) {
		target_remove(actor->run, &actor->ward->target);
		actor->ward->actor = NULL;
	}
	actor->run->alive_nr--;
	memset(actor, 0xdd, sizeof(*actor));
	free(actor);
}

static void party_check_errors(const struct run *run, const struct party *party)
{
	const struct aion_group_error *errors;
	size_t error_nr = aion_group_errors(&party->group, &errors);

	if (error_nr != party->error_nr)
		run_fail(run, "a group counts %zu errors, there were %u", error_nr, party->error_nr);
	if (error_nr && errors[0].code != party->first_error)
		run_fail(run, "a group's first error is %d, it was %d", errors[0].code, party->first_error);
}

/* What the group has said, against what its members did. */
static void party_check(struct actor *self, const struct party *party, int64_t result)
{
	const struct run *run = self->run;
	bool outer_cancelled = aion_cancelled();

	if (party->spawned_nr != party->ended_nr)
		run_fail(run, "a group is left with %u of %u tasks ended", party->ended_nr, party->spawned_nr);
	party_check_errors(run, party);
	if (party->error_nr) {
		if (result != party->first_error)
			run_fail(run, "a group says %lld, its first error was %d", (long long)result,
				 party->first_error);
		return;
	}
	if (result != 0 && result != -ETIME && result != -ECANCELED)
		run_fail(run, "a group says %lld, and nobody failed", (long long)result);
	shade_check_time(run, &party->shade, result == -ETIME);
	if (result == -ETIME)
		return;
	if ((result == -ECANCELED) != (party->cancel_seen && outer_cancelled))
		run_fail(run, "a group says %lld; cancelled from outside: %d, seen: %d", (long long)result,
			 outer_cancelled, party->cancel_seen);
}

int64_t party_leave(struct actor *self, struct party *party, int64_t body_result)
{
	struct run *run = self->run;
	int64_t result;

	shade_judge(run, &party->shade);
	if (body_result < 0 && (body_result != -ECANCELED || !aion_cancelled()))
		party_fail(run, party, (int)body_result);
	else if (body_result < 0)
		party->cancel_seen = true;
	run_tell(run, "task %u: leaves a group with %lld", self->nr, (long long)body_result);
	result = aion_group_leave(&party->group, body_result);
	run_tell(run, "task %u: group left: %lld", self->nr, (long long)result);
	party_check(self, party, result);
	party->is_left = true;
	shade_pop(self, &party->shade);
	return result;
}

/* ---- tasks */

static void actor_end(struct actor *self, int64_t result)
{
	struct run *run = self->run;

	if (self->shade != &self->edge)
		run_fail(run, "task %u ends inside of a scope", self->nr);
	if (self->party && self->party->is_left)
		run_fail(run, "task %u has outlived its group", self->nr);
	run_tell(run, "task %u ends: %lld", self->nr, (long long)result);
	if (self->party) {
		self->party->ended_nr++;
		party_note(run, self->party, result, aion_cancelled());
	}
	if (self->ward) {
		self->ward->is_ended = true;
		self->ward->result = result;
	}
	actor_forget(self);
}

static int64_t actor_run(void *arg)
{
	struct actor *self = arg;
	int64_t result;

	run_tell(self->run, "task %u begins", self->nr);
	result = self->body(self, self->arg);
	actor_end(self, result);
	return result;
}

/* By aion_spawn_copy(): the argument is a copy of the pointer. */
static int64_t actor_run_copied(void *arg)
{
	return actor_run(*(struct actor **)arg);
}

void actor_init(struct actor *self, struct run *run, uint64_t path)
{
	*self = (struct actor){.run = run, .path = path, .nr = ++run->task_nr};
	self->draw.state = draw_mix(path ^ draw_mix(run->options->seed));
	self->edge.cancelled_ns = AION_NEVER;
	self->shade = &self->edge;
	if (draw_percent(&self->draw, 20))
		self->patience = (unsigned)draw_below(&self->draw, 20);
	run->report->task_nr = run->task_nr;
}

/* NULL: enough of them. The path is drawn in any case: what the others draw shall not depend on it. */
struct actor *actor_create(struct actor *parent, struct party *party, actor_body *body, void *arg)
{
	uint64_t path = draw_mix(parent->path + ++parent->child_nr);
	struct actor *self;

	if (parent->run->task_nr >= parent->run->task_max)
		return NULL;
	if (run_options_without(parent->run->options, parent->run->task_nr + 1)) {
		parent->run->task_nr++;
		return NULL;
	}
	self = malloc(sizeof(*self));
	actor_init(self, parent->run, path);
	self->depth = parent->depth + 1;
	self->party = party;
	self->edge.outer = party ? &party->shade : NULL;
	self->body = body;
	self->arg = arg;
	self->run->alive_nr++;
	if (party)
		party->spawned_nr++;
	return self;
}

int actor_start_outside(struct party *party, struct actor *child)
{
	int result = aion_spawn(&party->group, actor_run, child);

	if (result == -ENOMEM)
		party_fail(child->run, party, result);
	return result;
}

void actor_discard(struct actor *child)
{
	if (child->party)
		child->party->spawned_nr--;
	actor_forget(child);
}

/* Whether a spawn went well. Where there is no memory for it that is an error of the group. */
static bool spawn_worked(struct actor *child, struct party *party, int result)
{
	struct run *run;

	if (result == 0)
		return true; /* the child may have come to its end, and be gone */
	run = child->run;
	if (result != -ENOMEM || !run->memory_is_scarce)
		run_fail(run, "a spawn says %d", result);
	if (party)
		party_fail(run, party, result);
	actor_discard(child);
	return false;
}

bool actor_spawn(struct actor *self, struct party *party, actor_body *body, void *arg)
{
	unsigned form = (unsigned)draw_below(&self->draw, 8);
	struct aion_spawn_options options = {.name = "small", .stack_size = SMALL_STACK_SIZE};
	struct actor *child = actor_create(self, party, body, arg);
	int result;

	if (!child)
		return false;
	if (form == 0)
		result = aion_spawn_now(&party->group, actor_run, child);
	else if (form == 1)
		result = aion_spawn_copy(&party->group, actor_run_copied, &child, sizeof(child));
	else if (form == 2)
		result = aion_spawn_with(&party->group, &options, actor_run, child);
	else
		result = aion_spawn(&party->group, actor_run, child);
	return spawn_worked(child, party, result);
}

bool actor_spawn_queued(struct actor *parent, struct party *party, actor_body *body, void *arg)
{
	struct actor *child = actor_create(parent, party, body, arg);

	return child && spawn_worked(child, party, aion_spawn(&party->group, actor_run, child));
}

bool actor_spawn_ward(struct actor *self, struct party *party, struct ward *ward, actor_body *body, void *arg)
{
	struct actor *child = actor_create(self, party, body, arg);
	int result;

	memset(ward, 0, sizeof(*ward));
	if (!child)
		return false;
	child->ward = ward;
	ward->actor = child;
	ward->is_started = true;
	target_add(self->run, &ward->target, TARGET_WARD);
	result = aion_spawn_into(&party->group, &ward->handle, NULL, actor_run, child);
	if (spawn_worked(child, party, result))
		return true;
	if (!aion_future_is_done(&ward->handle.future) || ward->handle.future.result != result)
		run_fail(self->run, "the handle of a task that could not be started says %lld",
			 (long long)ward->handle.future.result);
	ward->is_started = false;
	return false;
}

/* Their end comes with the loop's: there is no shade for what is around them. */
bool actor_spawn_daemon(struct actor *self, actor_body *body, void *arg)
{
	struct actor *child = actor_create(self, NULL, body, arg);

	if (!child)
		return false;
	child->edge.is_perhaps_cancelled = true;
	return spawn_worked(child, NULL, aion_spawn(aion_loop_group(self->run->loop), actor_run, child));
}

void ward_cancel(struct run *run, struct ward *ward)
{
	if (ward->actor) {
		run_tell(run, "cancels task %u", ward->actor->nr);
		ward->actor->edge.is_cancelled = true;
		if (ward->actor->edge.cancelled_ns == AION_NEVER)
			ward->actor->edge.cancelled_ns = run_now(run);
	}
	aion_handle_cancel(&ward->handle);
}

void ward_check(const struct run *run, const struct ward *ward)
{
	if (!aion_future_is_done(&ward->handle.future))
		return;
	if (!ward->is_ended || ward->handle.future.result != ward->result)
		run_fail(run, "a handle says %lld, its task %lld (ended: %d)", (long long)ward->handle.future.result,
			 (long long)ward->result, ward->is_ended);
}

void ward_fini(struct run *run, struct ward *ward)
{
	if (!ward->is_started)
		return;
	if (!aion_future_is_done(&ward->handle.future))
		run_fail(run, "a handle is not done after its group was left");
	ward_check(run, ward);
}
