/* SPDX-License-Identifier: MIT */
/*
 * The semaphore is quick or slow. Quick: it is open and nobody waits; its permits are in free_nr, and limit_nr is
 * max_nr. Slow: it is closed, or somebody waits; its permits are in kept_nr, free_nr and limit_nr are 0. So that a
 * permit is there for the taking, and that a release need only count, is one comparison each.
 */
#include <errno.h>

#include <aion/semaphore.h>

#include "waits_int.h"

void aion_semaphore_init(struct aion_semaphore *semaphore, size_t value)
{
	*semaphore = (struct aion_semaphore){.free_nr = value, .limit_nr = SIZE_MAX, .max_nr = SIZE_MAX};
}

int aion_semaphore_init_bounded(struct aion_semaphore *semaphore, size_t value, size_t max)
{
	if (!max || value > max)
		return -EINVAL;
	*semaphore = (struct aion_semaphore){.free_nr = value, .limit_nr = max, .max_nr = max};
	return 0;
}

void aion_semaphore_fini(struct aion_semaphore *semaphore)
{
	AION_BUG_ON(!aion__waits_is_empty(&semaphore->waits), "semaphore finished while a task waits for it");
}

static void semaphore_be_slow(struct aion_semaphore *semaphore)
{
	semaphore->kept_nr += semaphore->free_nr;
	semaphore->free_nr = 0;
	semaphore->limit_nr = 0;
}

/* Slow: hand over what is there, as long as it is enough for the first who waits; be quick if nobody does. */
static void semaphore_serve(struct aion_semaphore *semaphore)
{
	struct aion__wait *first;

	AION_ASSERT(!semaphore->free_nr);
	if (semaphore->is_closed)
		return;
	while ((first = semaphore->waits.first) && first->nr <= semaphore->kept_nr) {
		semaphore->kept_nr -= first->nr;
		aion__waits_wake_first(&semaphore->waits, 0);
	}
	if (first)
		return;
	semaphore->free_nr = semaphore->kept_nr;
	semaphore->limit_nr = semaphore->max_nr;
	semaphore->kept_nr = 0;
}

static int semaphore_wait(struct aion_semaphore *semaphore, size_t nr)
{
	struct aion__wait wait;
	int64_t result;

	wait.noun = "semaphore";
	wait.object = semaphore;
	wait.nr = nr;
	semaphore_be_slow(semaphore);
	result = aion__waits_await(&semaphore->waits, &wait);
	/* One that wanted many and has left may have kept few from those behind it. */
	if (result == -ECANCELED)
		semaphore_serve(semaphore);
	return (int)result;
}

/* It is this task's turn, and there is enough. */
static bool semaphore_take(struct aion_semaphore *semaphore, size_t nr)
{
	if (!aion__waits_is_empty(&semaphore->waits) || semaphore->free_nr < nr)
		return false;
	semaphore->free_nr -= nr;
	return true;
}

int aion_semaphore_acquire_nr(struct aion_semaphore *semaphore, size_t nr)
{
	int result = aion__checkpoint();

	if (result < 0)
		return result;
	if (nr > semaphore->max_nr)
		return -EINVAL;
	if (semaphore->is_closed)
		return -ESHUTDOWN;
	return semaphore_take(semaphore, nr) ? 0 : semaphore_wait(semaphore, nr);
}

static __attribute__((noinline)) int acquire_slowly(struct aion_semaphore *semaphore)
{
	return aion_semaphore_acquire_nr(semaphore, 1);
}

/* The slow way is called last, so that the usual one saves no register. */
int aion_semaphore_acquire(struct aion_semaphore *semaphore)
{
	if (aion__unlikely(!aion__task_unhindered() || !semaphore->free_nr))
		return acquire_slowly(semaphore);
	aion__loop()->budget.left_nr--;
	semaphore->free_nr--;
	return 0;
}

int aion_semaphore_try_acquire(struct aion_semaphore *semaphore)
{
	if (semaphore->free_nr) {
		semaphore->free_nr--;
		return 0;
	}
	return semaphore->is_closed ? -ESHUTDOWN : -EAGAIN;
}

int aion_semaphore_release_nr(struct aion_semaphore *semaphore, size_t nr)
{
	if (nr > semaphore->max_nr - aion_semaphore_value(semaphore))
		return -EOVERFLOW;
	semaphore_be_slow(semaphore);
	semaphore->kept_nr += nr;
	semaphore_serve(semaphore);
	return 0;
}

static __attribute__((noinline)) int release_slowly(struct aion_semaphore *semaphore)
{
	return aion_semaphore_release_nr(semaphore, 1);
}

int aion_semaphore_release(struct aion_semaphore *semaphore)
{
	if (aion__unlikely(semaphore->free_nr >= semaphore->limit_nr))
		return release_slowly(semaphore);
	semaphore->free_nr++;
	return 0;
}

void aion_semaphore_close(struct aion_semaphore *semaphore)
{
	semaphore_be_slow(semaphore);
	semaphore->is_closed = true;
	aion__waits_wake_all(&semaphore->waits, -ESHUTDOWN);
}

size_t aion_semaphore_value(const struct aion_semaphore *semaphore)
{
	return semaphore->free_nr + semaphore->kept_nr;
}
