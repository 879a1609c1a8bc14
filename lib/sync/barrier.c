/* SPDX-License-Identifier: MIT */
/* The barrier. The last who comes takes all the others off the queue: so the next round begins at once. */
#include <errno.h>

#include <aion/barrier.h>

#include "waits_int.h"

int aion_barrier_init(struct aion_barrier *barrier, size_t party_nr)
{
	if (!party_nr)
		return -EINVAL;
	*barrier = (struct aion_barrier){.party_nr = party_nr};
	return 0;
}

void aion_barrier_fini(struct aion_barrier *barrier)
{
	AION_BUG_ON(!aion__waits_is_empty(&barrier->waits), "barrier finished while a task waits there");
}

/* The last has come. */
static int64_t barrier_open(struct aion_barrier *barrier)
{
	int64_t place = 0;

	while (aion__waits_wake_first(&barrier->waits, place))
		place++;
	AION_ASSERT((size_t)place + 1 == barrier->party_nr);
	barrier->waiting_nr = 0;
	return place;
}

int64_t aion_barrier_wait(struct aion_barrier *barrier)
{
	struct aion__wait wait;
	int64_t result = aion__checkpoint();

	if (result < 0)
		return result;
	if (barrier->is_broken)
		return -EPIPE;
	if (barrier->waiting_nr + 1 == barrier->party_nr)
		return barrier_open(barrier);
	wait.noun = "barrier";
	wait.object = barrier;
	barrier->waiting_nr++;
	result = aion__waits_await(&barrier->waits, &wait);
	if (result == -ECANCELED)
		barrier->waiting_nr--;
	return result;
}

void aion_barrier_abort(struct aion_barrier *barrier)
{
	aion_barrier_reset(barrier);
	barrier->is_broken = true;
}

void aion_barrier_reset(struct aion_barrier *barrier)
{
	aion__waits_wake_all(&barrier->waits, -EPIPE);
	barrier->waiting_nr = 0;
	barrier->is_broken = false;
}

size_t aion_barrier_waiting_nr(const struct aion_barrier *barrier)
{
	return barrier->waiting_nr;
}

bool aion_barrier_is_broken(const struct aion_barrier *barrier)
{
	return barrier->is_broken;
}
