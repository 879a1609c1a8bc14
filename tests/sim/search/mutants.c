/* SPDX-License-Identifier: MIT */
/* The proof that the search can find: each deliberate fault of the engine, by how many seeds. */
#include <stdio.h>
#include <string.h>

#include "crew.h"
#include "mutant_int.h"

#ifdef AION_FAULTS
static const char *const mutant_names[AION__MUTANT_NR] = {
	[AION__MUTANT_END_AT_CANCEL] = "an operation is finished by the completion of its cancel",
	[AION__MUTANT_DROP_CANCEL] = "a cancel is dropped when the submission queue is full",
	[AION__MUTANT_FORGET_WAITER] = "a task that waits is not woken when its group is cancelled",
	[AION__MUTANT_EARLY_STACK] = "a stack is handed out again a turn early",
	[AION__MUTANT_LOSE_BYTES] = "the bytes of a cancelled short read are lost",
	[AION__MUTANT_LEAK_FD] = "a descriptor that arrives after its task gave up stays open",
	[AION__MUTANT_TIME_OVER_RESULT] = "a deadline hides the result that came with it",
	[AION__MUTANT_NO_REARM] = "a multishot request that has ended is not made anew",
	[AION__MUTANT_FREE_BUFFER] = "an owned buffer is freed at the cancel",
	[AION__MUTANT_LOSE_POST] = "a post that arrives while the loop goes to sleep is lost",
	[AION__MUTANT_LEAVE_TIMER] = "a timer stays armed after its scope",
	[AION__MUTANT_BELIEVE_EAGAIN] = "-EAGAIN of a completion is the result",
};

/* Whether the seed fails with the fault, and not without it. */
static bool seed_finds(const struct search *search, uint64_t i, enum aion__mutant mutant, struct failure *ret_failure)
{
	struct run_options options = crew_options(search, i);
	struct failure without;
	bool is_found;

	aion__mutant = mutant;
	is_found = crew_try(search, &options, ret_failure);
	aion__mutant = AION__MUTANT_NONE;
	return is_found && !crew_try(search, &options, &without);
}

static bool mutant_find(const struct search *search, enum aion__mutant mutant)
{
	struct failure failure;

	for (uint64_t i = 0; i < search->seed_nr; i++) {
		if (!seed_finds(search, i, mutant, &failure))
			continue;
		printf("%2d: %s: found after %llu seed%s:\n    %.*s\n", mutant, mutant_names[mutant],
		       (unsigned long long)i + 1, i ? "s" : "", (int)strcspn(failure_finding(&failure), "\n"),
		       failure_finding(&failure));
		fflush(stdout);
		return true;
	}
	printf("%2d: %s: NOT FOUND\n", mutant, mutant_names[mutant]);
	return false;
}

unsigned mutants_find(const struct search *search)
{
	unsigned missed_nr = 0;

	for (int mutant = AION__MUTANT_NONE + 1; mutant < AION__MUTANT_NR; mutant++)
		missed_nr += !mutant_find(search, (enum aion__mutant)mutant);
	return missed_nr;
}
#else
unsigned mutants_find(const struct search *search)
{
	(void)search;
	fputs("sim_search: built without faults\n", stderr);
	return 1;
}
#endif
