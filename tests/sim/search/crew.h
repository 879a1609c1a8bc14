/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_CREW_H
#define SEARCH_CREW_H
/* Processes in which runs happen, so that one that crashes is a finding and not the end. */
#include "run.h"

#define TEXT_SIZE 4096 /* bytes that are kept of what a run has printed */

struct search {
	struct run_options options; /* of all runs; seed and profile are each one's own */
	uint64_t from;
	uint64_t seed_nr;
	bool all_profiles; /* in turn, else the one of options */
	bool finds_mutants;
	unsigned worker_nr;
	unsigned failure_max; /* failing seeds after which the search ends */
	unsigned limit_s;     /* seconds of CPU time that a run may take */
	int64_t time_s;       /* seconds for the whole search, 0: as long as it takes */
};

struct totals {
	uint64_t seed_nr;
	uint64_t op_nr;
	uint64_t fault_nr;
	uint64_t task_nr;
	int64_t time_ns;
};

/* A run that has failed. */
struct failure {
	struct run_options options;
	uint64_t task_nr; /* that it had */
	uint64_t fault_nr;
	char text[TEXT_SIZE]; /* what it has printed, and how it ended */
};

/* What the i-th run of a search is. */
struct run_options crew_options(const struct search *search, uint64_t i);
/* The line that says what has happened, and what follows it. */
const char *failure_finding(const struct failure *failure);
/* Search; returns how many have failed. */
unsigned crew_search(const struct search *search, struct totals *ret_totals);
/* One run in a process of its own. False: it has not failed. */
bool crew_try(const struct search *search, const struct run_options *options, struct failure *ret_failure);
/* Run less and less as long as it fails in the same way. */
void shrink(const struct search *search, struct failure *failure);
/* Search for each deliberate fault of the engine; returns how many are not found. */
unsigned mutants_find(const struct search *search);

#endif
