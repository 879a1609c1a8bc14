/* SPDX-License-Identifier: MIT */
/* What the workload knows about scopes, against what the library says. */
#include "actor.h"

#define LATE_NS_MAX (2 * AION_SECOND) /* from a cancellation to the end of a wait that it interrupts */
#define CALM_OP_MAX 200000            /* operations from the last fault to the end of everything */

/* ---- scopes */

void shade_push(struct actor *self, struct shade *shade, struct aion_scope *scope)
{
	*shade = (struct shade){
		.outer = self->shade,
		.scope = scope,
		.deadline_ns = AION_NEVER,
		.deadline_min_ns = AION_NEVER,
		.cancelled_ns = AION_NEVER,
	};
	self->shade = shade;
}

void shade_pop(struct actor *self, struct shade *shade)
{
	if (self->shade != shade)
		run_fail(self->run, "the workload leaves a scope that is not the innermost");
	target_remove(self->run, &shade->target);
	self->shade = shade->outer;
}

void shade_enter(struct actor *self, struct shade *shade, struct aion_scope *scope, int64_t deadline_ns, bool is_shield)
{
	if (is_shield)
		aion_scope_enter_shield(scope, deadline_ns);
	else
		aion_scope_enter(scope, deadline_ns);
	shade_push(self, shade, scope);
	shade->deadline_ns = shade->deadline_min_ns = deadline_ns;
	/* Without memory for the deadline it has come. */
	if (self->run->memory_is_scarce && aion_scope_reason(scope) == AION_REASON_DEADLINE)
		shade->deadline_ns = shade->deadline_min_ns = 0;
	shade->is_shield = is_shield;
	target_add(self->run, &shade->target, TARGET_SCOPE);
}

void shade_enter_refuge(struct actor *self, struct shade *shade, struct aion_scope *scope)
{
	shade_enter(self, shade, scope, AION_NEVER, true);
	target_remove(self->run, &shade->target);
}

void shade_check_time(const struct run *run, const struct shade *shade, bool says_time)
{
	enum aion_reason reason = aion_scope_reason(shade->scope);

	if (says_time && reason != AION_REASON_DEADLINE)
		run_fail(run, "-ETIME from a scope that was not cancelled by its deadline (reason %d)", reason);
	if (says_time && !shade->is_refused && !shade->is_perhaps_refused)
		run_fail(run, "-ETIME from a scope whose deadline has cut nothing short");
	if (!says_time && reason == AION_REASON_DEADLINE && shade->is_refused)
		run_fail(run, "no -ETIME from a scope whose deadline has cut something short");
}

int shade_leave(struct actor *self, struct shade *shade)
{
	int result;

	shade_judge(self->run, shade);
	result = aion_scope_leave(shade->scope);
	if (result != 0 && result != -ETIME)
		run_fail(self->run, "leaving a scope says %d", result);
	shade_check_time(self->run, shade, result == -ETIME);
	shade_pop(self, shade);
	return result;
}

static void shade_note_cancel(const struct run *run, struct shade *shade)
{
	shade->is_cancelled = true;
	if (shade->cancelled_ns == AION_NEVER)
		shade->cancelled_ns = run_now(run);
}

void shade_cancel(struct run *run, struct shade *shade)
{
	run_tell(run, "cancels a scope");
	shade_note_cancel(run, shade);
	aion_scope_cancel(shade->scope);
}

void shade_set_deadline(struct run *run, struct shade *shade, int64_t deadline_ns)
{
	int result;

	if (deadline_ns < shade->deadline_min_ns)
		shade->deadline_min_ns = deadline_ns;
	if (aion_scope_reason(shade->scope) != AION_REASON_DEADLINE)
		shade->deadline_ns = deadline_ns;
	result = aion_scope_set_deadline(shade->scope, deadline_ns);
	if (result == -ENOMEM && run->memory_is_scarce)
		shade->deadline_ns = AION_NEVER;
	else if (result != 0)
		run_fail(run, "a deadline could not be set: %d", result);
}

/* ---- what a checkpoint has to say */

static const char *const reason_names[] = {"none", "user", "deadline", "sibling", "parent", "shutdown"};

/* Whether the scope itself is cancelled, and why it may be. */
static bool shade_is_cancelled(const struct run *run, const struct shade *shade)
{
	enum aion_reason reason = aion_scope_reason(shade->scope);
	bool is_right = true;

	switch (reason) {
	case AION_REASON_NONE:
	case AION_REASON_PARENT:
		is_right = !shade->is_cancelled && !shade->has_failed;
		break;
	case AION_REASON_USER:
		is_right = shade->is_cancelled;
		break;
	case AION_REASON_DEADLINE:
		is_right = shade->deadline_min_ns <= run_now(run);
		break;
	case AION_REASON_SIBLING:
		is_right = shade->has_failed;
		break;
	case AION_REASON_SHUTDOWN:
		is_right = run->is_stopping;
		break;
	}
	if (!is_right)
		run_fail(run,
			 "a scope's reason is '%s', which cannot be (cancelled %d, failed %d, deadline %lld, now %lld)",
			 reason_names[reason], shade->is_cancelled, shade->has_failed,
			 (long long)shade->deadline_min_ns, (long long)run_now(run));
	return reason != AION_REASON_NONE && reason != AION_REASON_PARENT;
}

static int64_t shade_since(const struct shade *shade)
{
	if (aion_scope_reason(shade->scope) == AION_REASON_DEADLINE)
		return shade->deadline_ns;
	return shade->cancelled_ns;
}

struct verdict shade_judge(const struct run *run, const struct shade *innermost)
{
	struct verdict verdict = {.since_ns = AION_NEVER};

	for (const struct shade *shade = innermost; shade; shade = shade->outer) {
		int64_t since_ns = AION_NEVER;

		if (!shade->scope) {
			verdict.is_perhaps |= shade->is_perhaps_cancelled;
			if (!shade->is_cancelled)
				continue;
			verdict.account = NULL;
			since_ns = shade->cancelled_ns;
			verdict.is_cancelled = true;
		} else if (shade_is_cancelled(run, shade)) {
			verdict.account = (struct shade *)shade;
			since_ns = shade_since(shade);
			verdict.is_cancelled = true;
		}
		if (since_ns < verdict.since_ns)
			verdict.since_ns = since_ns;
		if (shade->is_shield)
			break;
	}
	return verdict;
}

/* A checkpoint may have said -ECANCELED on account of any of those that are cancelled. */
static void shades_note_perhaps(const struct run *run, struct shade *shade)
{
	for (; shade; shade = shade->outer) {
		if (shade->scope && shade_is_cancelled(run, shade))
			shade->is_perhaps_refused = true;
		if (shade->is_shield)
			return;
	}
}

/* ---- results */

struct legal {
	int error;
	unsigned flag;
	int knob; /* that has to be on, or -1 */
};

static const struct legal legal_errors[] = {
	{ENOMEM, MAY_MEMORY, AION_SIM_ERROR_ENOMEM},
	{EINTR, MAY_INTR, AION_SIM_ERROR_EINTR},
	{EIO, MAY_IO, AION_SIM_ERROR_EIO},
	{ENOSPC, MAY_SPACE, AION_SIM_ERROR_ENOSPC},
	{EMFILE, MAY_FD, AION_SIM_ERROR_EMFILE},
	{ENFILE, MAY_FD, AION_SIM_ERROR_ENFILE},
	{ECONNRESET, MAY_RESET, AION_SIM_ERROR_ECONNRESET},
	{ECONNRESET, MAY_GONE, -1},
	{EPIPE, MAY_GONE, -1},
	{ENOTCONN, MAY_GONE, -1},
	{ECONNREFUSED, MAY_GONE, -1},
	{EBADF, MAY_CLOSED, -1},
	{ENODATA, MAY_END, -1},
	{ETIME, MAY_TIME, -1},
	{EAGAIN, MAY_WAIT, -1},
};

static bool error_is_legal(const struct run *run, int error, unsigned flags)
{
	if (flags & MAY_ANY)
		return true;
	if ((error == ENOMEM && run->memory_is_scarce) || (error == EMFILE && run->fd_is_scarce && flags & MAY_FD) ||
	    (error == ENOSPC && run->disk_is_scarce && flags & MAY_SPACE))
		return true;
	for (size_t i = 0; i < sizeof(legal_errors) / sizeof(legal_errors[0]); i++) {
		const struct legal *legal = &legal_errors[i];

		if (legal->error == error && flags & legal->flag && (legal->knob < 0 || run->knobs[legal->knob]))
			return true;
	}
	return false;
}

static void check_alive(const struct actor *self)
{
	struct run *run = self->run;
	uint64_t op_nr;

	if (!run->sim)
		return;
	op_nr = aion_sim_op_nr(run->sim);
	run->report->fault_nr = aion_sim_fault_nr(run->sim);
	if (run->is_calm && op_nr - run->calm_op_nr > CALM_OP_MAX)
		run_fail(run, "%llu operations after the last fault, and still no end",
			 (unsigned long long)(op_nr - run->calm_op_nr));
}

static struct verdict check_cancelled(struct actor *self, const char *call)
{
	struct verdict verdict = shade_judge(self->run, self->shade);
	bool is_cancelled = aion_cancelled();

	if (is_cancelled != verdict.is_cancelled && !(verdict.is_perhaps && is_cancelled))
		run_fail(self->run, "after %s task %u is %scancelled, and should%s be", call, self->nr,
			 is_cancelled ? "" : "not ", is_cancelled ? " not" : "");
	verdict.is_cancelled = is_cancelled;
	return verdict;
}

int64_t told(struct actor *self, const char *call, int64_t result, int64_t max, unsigned flags)
{
	struct run *run = self->run;
	struct verdict verdict = check_cancelled(self, call);

	run_tell(run, "task %u: %s: %lld%s", self->nr, call, (long long)result,
		 verdict.is_cancelled ? " (cancelled)" : "");
	check_alive(self);
	if (result > max)
		run_fail(run, "%s says %lld, which is more than %lld", call, (long long)result, (long long)max);
	if (result == -ECANCELED && !verdict.is_cancelled && !(flags & (MAY_CANCELED | MAY_ANY)))
		run_fail(run, "%s says -ECANCELED in task %u, where nothing is cancelled", call, self->nr);
	if (result < 0 && result != -ECANCELED && !error_is_legal(run, (int)-result, flags))
		run_fail(run, "%s says %lld (%s), which it should not", call, (long long)result,
			 strerror((int)-result));
	if (!verdict.is_cancelled)
		return result;
	if (flags & (PERHAPS_REFUSED | NOT_REFUSED) || verdict.is_perhaps)
		shades_note_perhaps(run, self->shade);
	else if (result == -ECANCELED && verdict.account)
		verdict.account->is_refused = true;
	return result;
}

int64_t told_promptly(struct actor *self, const char *call, int64_t result, unsigned flags, int64_t start_ns)
{
	struct verdict verdict = shade_judge(self->run, self->shade);
	int64_t from_ns = verdict.since_ns > start_ns ? verdict.since_ns : start_ns;

	if (self->run->sim && verdict.is_cancelled && verdict.since_ns != AION_NEVER &&
	    run_now(self->run) - from_ns > LATE_NS_MAX)
		run_fail(self->run, "%s of task %u went on for %lld ns after it was cancelled (result %lld)", call,
			 self->nr, (long long)(run_now(self->run) - from_ns), (long long)result);
	return told(self, call, result, 0, flags);
}
