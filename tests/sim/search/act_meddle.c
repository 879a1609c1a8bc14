/* SPDX-License-Identifier: MIT */
/* A bystander cancels or completes what others have under way. */
#include "effort.h"

#define CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static void meddle(struct run *run, struct target *target)
{
	switch (target->kind) {
	case TARGET_SCOPE:
		shade_cancel(run, CONTAINER(target, struct shade, target));
		break;
	case TARGET_WARD:
		ward_cancel(run, CONTAINER(target, struct ward, target));
		break;
	case TARGET_EFFORT:
		effort_cancel(CONTAINER(target, struct effort, target));
		break;
	case TARGET_SLOT:
		slot_complete(CONTAINER(target, struct slot, target));
		break;
	default:
		run_fail(run, "the workload's list is broken");
	}
}

/* The oldest ones are the outermost: to cancel those would soon be the end of it all. */
int64_t act_meddle(struct actor *self)
{
	struct run *run = self->run;
	uint64_t choice = draw_next(&self->draw);
	unsigned from = run->target_nr < 8 || choice % 16 == 0 ? 0 : 4;

	if (run->target_nr > from + 1)
		meddle(run, run->targets[from + (choice >> 8) % (run->target_nr - from)]);
	return draw_percent(&self->draw, 50) ? actor_pause(self) : 0;
}
