/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "waits_int.h"

static void waits_append(struct aion__waits *waits, struct aion__wait *wait)
{
	wait->waits = waits;
	wait->next = NULL;
	wait->prev = waits->last;
	if (waits->last)
		waits->last->next = wait;
	else
		waits->first = wait;
	waits->last = wait;
}

void aion__waits_remove(struct aion__wait *wait)
{
	struct aion__waits *waits = wait->waits;

	AION_ASSERT(waits);
	if (wait->prev)
		wait->prev->next = wait->next;
	else
		waits->first = wait->next;
	if (wait->next)
		wait->next->prev = wait->prev;
	else
		waits->last = wait->prev;
	wait->waits = NULL;
}

struct aion__wait *aion__waits_take(struct aion__waits *waits)
{
	struct aion__wait *wait = waits->first;

	if (wait)
		aion__waits_remove(wait);
	return wait;
}

size_t aion__waits_wake_all(struct aion__waits *waits, int64_t result)
{
	size_t nr = 0;

	while (aion__waits_wake_first(waits, result))
		nr++;
	return nr;
}

int64_t aion__waits_await(struct aion__waits *waits, struct aion__wait *wait)
{
	int64_t result;

	wait->future = (struct aion_future){.loop = aion__loop(), .kind = AION__FUTURE_WAIT, .fd = -1};
	waits_append(waits, wait);
	result = aion_await(&wait->future);
	if (wait->waits)
		aion__waits_remove(wait);
	return result;
}

int64_t aion__waits_await_shielded(struct aion__waits *waits, struct aion__wait *wait)
{
	struct aion_scope shield;
	int64_t result;

	aion_scope_enter_shield(&shield, AION_NEVER);
	result = aion__waits_await(waits, wait);
	aion_scope_leave(&shield);
	return result;
}
