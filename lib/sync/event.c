/* SPDX-License-Identifier: MIT */
/* The event: while it is set nobody waits. */
#include <errno.h>

#include <aion/event.h>

#include "waits_int.h"

void aion_event_init(struct aion_event *event)
{
	*event = (struct aion_event){.is_set = false};
}

void aion_event_fini(struct aion_event *event)
{
	AION_BUG_ON(!aion__waits_is_empty(&event->waits), "event finished while a task waits for it");
}

void aion_event_set(struct aion_event *event)
{
	event->is_set = true;
	aion__waits_wake_all(&event->waits, 0);
}

void aion_event_clear(struct aion_event *event)
{
	event->is_set = false;
}

bool aion_event_is_set(const struct aion_event *event)
{
	return event->is_set;
}

int aion_event_wait(struct aion_event *event)
{
	struct aion__wait wait;
	int result = aion__checkpoint();

	if (result < 0 || event->is_set)
		return result;
	wait.noun = "event";
	wait.object = event;
	return (int)aion__waits_await(&event->waits, &wait);
}
