/* SPDX-License-Identifier: MIT */
/*
 * The capacity limiter. Borrowers, and those who wait to be, are noted in one hash table (open addressing, half full at
 * most). Room is made when one comes, so that a token can be handed over without fail.
 */
#include <errno.h>

#include <aion/limiter.h>

#include "alloc_int.h"
#include "waits_int.h"

#define ENTRY_NR_MIN ((size_t)8)

struct aion__limiter_entry {
	const void *borrower; /* NULL: a free place */
	bool has_token;
};

void aion_limiter_init(struct aion_limiter *limiter, size_t total_nr)
{
	*limiter = (struct aion_limiter){.total_nr = total_nr};
}

void aion_limiter_fini(struct aion_limiter *limiter)
{
	AION_BUG_ON(!aion__waits_is_empty(&limiter->waits), "limiter finished while a task waits for it");
	aion__free(limiter->entries);
	limiter->entries = NULL;
}

/* ---- the table */

static size_t entry_home(const struct aion_limiter *limiter, const void *borrower)
{
	return (size_t)((uint64_t)(uintptr_t)borrower * UINT64_C(0x9e3779b97f4a7c15) >> 32) & limiter->mask;
}

/* The borrower's entry, or the free place where it would be. */
static struct aion__limiter_entry *entry_at(const struct aion_limiter *limiter, const void *borrower)
{
	size_t idx = entry_home(limiter, borrower);

	while (limiter->entries[idx].borrower && limiter->entries[idx].borrower != borrower)
		idx = (idx + 1) & limiter->mask;
	return &limiter->entries[idx];
}

static struct aion__limiter_entry *entry_find(const struct aion_limiter *limiter, const void *borrower)
{
	struct aion__limiter_entry *entry = limiter->entries ? entry_at(limiter, borrower) : NULL;

	return entry && entry->borrower ? entry : NULL;
}

/* Room for one more. */
static bool entries_reserve(struct aion_limiter *limiter)
{
	size_t place_nr = limiter->entries ? limiter->mask + 1 : 0;
	struct aion_limiter grown = *limiter;

	if (limiter->entry_nr + 1 <= place_nr / 2)
		return true;
	grown.mask = (place_nr ? 2 * place_nr : ENTRY_NR_MIN) - 1;
	grown.entries = aion__alloc_zeroed((grown.mask + 1) * sizeof(*grown.entries));
	if (!grown.entries)
		return false;
	for (size_t i = 0; i < place_nr; i++)
		if (limiter->entries[i].borrower)
			*entry_at(&grown, limiter->entries[i].borrower) = limiter->entries[i];
	aion__free(limiter->entries);
	*limiter = grown;
	return true;
}

static void entry_insert(struct aion_limiter *limiter, const void *borrower, bool has_token)
{
	AION_ASSERT(limiter->entry_nr < (limiter->mask + 1) / 2);
	*entry_at(limiter, borrower) = (struct aion__limiter_entry){borrower, has_token};
	limiter->entry_nr++;
}

/* What stands behind it, and could not be nearer to its home, moves up: no search ends too early. */
static void entry_remove(struct aion_limiter *limiter, struct aion__limiter_entry *entry)
{
	size_t gap = (size_t)(entry - limiter->entries);
	size_t idx = gap;

	while (idx = (idx + 1) & limiter->mask, limiter->entries[idx].borrower) {
		size_t home = entry_home(limiter, limiter->entries[idx].borrower);

		if (((idx - home) & limiter->mask) < ((idx - gap) & limiter->mask))
			continue;
		limiter->entries[gap] = limiter->entries[idx];
		gap = idx;
	}
	limiter->entries[gap].borrower = NULL;
	limiter->entry_nr--;
}

/* ---- tokens */

/* Who waits gets what is free. While one waits all tokens are borrowed. */
static void limiter_serve(struct aion_limiter *limiter)
{
	while (limiter->borrowed_nr < limiter->total_nr && !aion__waits_is_empty(&limiter->waits)) {
		struct aion__limiter_entry *entry = entry_find(limiter, limiter->waits.first->borrower);

		AION_ASSERT(entry && !entry->has_token);
		entry->has_token = true;
		limiter->borrowed_nr++;
		aion__waits_wake_first(&limiter->waits, 0);
	}
}

int aion_limiter_try_acquire_on_behalf(struct aion_limiter *limiter, const void *borrower)
{
	if (!borrower)
		return -EINVAL;
	if (entry_find(limiter, borrower))
		return -EDEADLK;
	if (!entries_reserve(limiter))
		return -ENOMEM;
	if (limiter->borrowed_nr >= limiter->total_nr)
		return -EAGAIN;
	AION_ASSERT(aion__waits_is_empty(&limiter->waits));
	entry_insert(limiter, borrower, true);
	limiter->borrowed_nr++;
	return 0;
}

int aion_limiter_acquire_on_behalf(struct aion_limiter *limiter, const void *borrower)
{
	struct aion__wait wait;
	int64_t result = aion__checkpoint();

	if (result == 0)
		result = aion_limiter_try_acquire_on_behalf(limiter, borrower);
	if (result != -EAGAIN)
		return (int)result;
	entry_insert(limiter, borrower, false);
	wait.noun = "limiter";
	wait.object = limiter;
	wait.borrower = borrower;
	result = aion__waits_await(&limiter->waits, &wait);
	if (result < 0)
		entry_remove(limiter, entry_find(limiter, borrower));
	return (int)result;
}

int aion_limiter_release_on_behalf(struct aion_limiter *limiter, const void *borrower)
{
	struct aion__limiter_entry *entry = entry_find(limiter, borrower);

	if (!borrower || !entry || !entry->has_token)
		return -EPERM;
	entry_remove(limiter, entry);
	limiter->borrowed_nr--;
	limiter_serve(limiter);
	return 0;
}

/* ---- for the calling task */

int aion_limiter_acquire(struct aion_limiter *limiter)
{
	struct aion_task *task = aion__task_current();

	return task ? aion_limiter_acquire_on_behalf(limiter, task) : aion__loop_refuses(aion__loop());
}

int aion_limiter_try_acquire(struct aion_limiter *limiter)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	return task ? aion_limiter_try_acquire_on_behalf(limiter, task) : aion__loop_refuses(loop);
}

int aion_limiter_release(struct aion_limiter *limiter)
{
	return aion_limiter_release_on_behalf(limiter, aion__task_current());
}

/* ---- how many there are */

void aion_limiter_set_total(struct aion_limiter *limiter, size_t total_nr)
{
	limiter->total_nr = total_nr;
	limiter_serve(limiter);
}

void aion_limiter_stats(const struct aion_limiter *limiter, struct aion_limiter_stats *ret_stats)
{
	*ret_stats = (struct aion_limiter_stats){
		.total_nr = limiter->total_nr,
		.borrowed_nr = limiter->borrowed_nr,
		.waiting_nr = limiter->entry_nr - limiter->borrowed_nr,
	};
}
