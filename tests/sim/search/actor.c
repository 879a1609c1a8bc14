/* SPDX-License-Identifier: MIT */
/* What actors do, one step after the other. */
#include "actor.h"

#define STEP_NR_MAX 10          /* of one actor */
#define NESTING_MAX 3           /* steps inside of steps */
#define PAD_SIZE 192            /* bytes on each actor's stack that nobody but it may change */
#define KERNEL_DELAY_MAX 200000 /* ns; where time is real */

struct choice {
	act *act;
	unsigned weight;
};

static const struct choice choices[] = {
	{act_sleep, 6},      {act_yield, 3},        {act_timer, 4},        {act_scope, 10},
	{act_shield, 4},     {act_starve, 4},       {act_family, 14},      {act_siblings, 3},
	{act_handles, 6},    {act_daemon, 1},       {act_spawn_fails, 1},  {act_future, 5},
	{act_wait, 5},       {act_gather, 4},       {act_wait_for, 6},     {act_mixed, 5},
	{act_offload, 4},    {act_detached, 4},     {act_post, 3},         {act_promise, 4},
	{act_file, 8},       {act_owned, 5},        {act_shared, 5},       {act_names, 4},
	{act_attributes, 2}, {act_pipe, 10},        {act_relay, 3},        {act_socketpair, 6},
	{act_tcp, 4},        {act_close_reader, 4}, {act_poll, 4},         {act_poll_again, 5},
	{act_nops, 3},       {act_many, 5},         {act_leave_early, 5},  {act_open_and_leave, 3},
	{act_meddle, 12},    {act_crowd, 4},        {act_timers, 2},       {act_outside, 3},
	{act_local, 3},      {act_spin, 1},         {act_gather_opens, 3}, {act_poll_closed, 2},
	{act_messages, 4},   {act_queue, 6},        {act_messages, 4},     {act_lock, 6},
	{act_messages, 4},   {act_queue, 6},        {act_generator, 8},    {act_chunk, 4},
	{act_transform, 4},  {act_lines, 4},        {act_conn, 8},         {act_serve, 4},
	{act_datagrams, 4},
};

#define CHOICE_NR (sizeof(choices) / sizeof(choices[0]))

static act *choose(struct draw *draw)
{
	unsigned sum = 0;
	unsigned left;

	for (size_t i = 0; i < CHOICE_NR; i++)
		sum += choices[i].weight;
	left = (unsigned)draw_below(draw, sum);
	for (size_t i = 0; i < CHOICE_NR; i++) {
		if (left < choices[i].weight)
			return choices[i].act;
		left -= choices[i].weight;
	}
	return act_yield;
}

bool actor_goes_on(struct actor *self, int64_t result)
{
	if (result >= 0)
		return true;
	if (result != -ECANCELED)
		return draw_percent(&self->draw, 80);
	if (!self->patience)
		return false;
	self->patience--;
	return true;
}

int64_t actor_steps(struct actor *self, unsigned nr_max)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, nr_max);
	int64_t result = 0;

	if (self->nesting == NESTING_MAX)
		return actor_pause(self);
	self->nesting++;
	while (nr-- && self->run->step_nr < self->run->step_max) {
		self->run->step_nr++;
		result = choose(&self->draw)(self);
		if (!actor_goes_on(self, result))
			break;
	}
	self->nesting--;
	return result;
}

int64_t actor_live(struct actor *self, void *unused)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 1, STEP_NR_MAX);
	unsigned char pad[PAD_SIZE];
	int64_t result = 0;

	(void)unused;
	content_fill(pad, sizeof(pad), self->path, 0);
	for (unsigned i = 0; i < step_nr && self->run->step_nr < self->run->step_max; i++) {
		self->run->step_nr++;
		result = choose(&self->draw)(self);
		if (content_differs(pad, sizeof(pad), self->path, 0) != sizeof(pad))
			run_fail(self->run, "the stack of task %u has changed", self->nr);
		if (!actor_goes_on(self, result))
			return result;
	}
	if (draw_percent(&self->draw, 2))
		return -EDOM; /* an error of its own */
	/* Also what would be stale: nothing is cancelled, and yet. */
	if (result == -ECANCELED && draw_percent(&self->draw, 90) && !aion_cancelled())
		result = 0;
	return result < 0 ? result : (int64_t)draw_below(&self->draw, 100);
}

/* ---- time */

static int64_t delay_cut(const struct actor *self, int64_t delay_ns)
{
	if (!self->run->sim && delay_ns > KERNEL_DELAY_MAX)
		return KERNEL_DELAY_MAX;
	return delay_ns;
}

int64_t draw_short_delay(struct actor *self)
{
	return delay_cut(self, (int64_t)draw_magnitude(&self->draw, 100, 2000000));
}

int64_t draw_delay(struct actor *self)
{
	unsigned kind = (unsigned)draw_below(&self->draw, 20);

	if (kind == 0)
		return 0;
	if (kind == 1)
		return -(int64_t)draw_below(&self->draw, 1000000);
	if (kind < 15)
		return draw_short_delay(self);
	if (kind < 19)
		return delay_cut(self, (int64_t)draw_magnitude(&self->draw, 1000000, (uint64_t)AION_SECOND));
	return delay_cut(self,
			 (int64_t)draw_magnitude(&self->draw, (uint64_t)AION_SECOND, 3600 * (uint64_t)AION_SECOND));
}

int64_t draw_deadline(struct actor *self)
{
	int64_t delay_ns = draw_delay(self);
	int64_t now_ns = run_now(self->run);

	if (draw_percent(&self->draw, 10))
		return AION_NEVER;
	if (draw_percent(&self->draw, 5))
		return 0;
	return delay_ns < 0 && now_ns < -delay_ns ? 0 : now_ns + delay_ns;
}

bool actor_arm(struct actor *self, struct aion_timer *timer, int64_t deadline_ns)
{
	int result = aion_timer_arm(timer, deadline_ns);

	if (result != 0 && (result != -ENOMEM || !self->run->memory_is_scarce))
		run_fail(self->run, "a timer cannot be armed: %d", result);
	return result == 0;
}

int64_t actor_pause(struct actor *self)
{
	int64_t delay_ns = draw_short_delay(self);
	int64_t start_ns = run_now(self->run);

	return told_promptly(self, "pause", aion_sleep(delay_ns), 0, start_ns);
}
