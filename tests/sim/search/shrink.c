/* SPDX-License-Identifier: MIT */
/* A failing run made smaller: fewer tasks, fewer faults, as long as it fails in the same way. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crew.h"

#define TRY_MAX 5000
#define TIME_MAX 20      /* seconds */
#define TRY_LIMIT_PART 8 /* of the CPU time that a run may take, for a smaller one */
#define MACHINE_NR 30    /* other machines on which a smaller program is tried */

struct shrinking {
	const struct search *search;
	struct failure *failure; /* the smallest so far */
	unsigned try_nr;
	time_t end;
};

/* The line that says what has happened. */
static const char *finding(const char *text)
{
	const char *failed = strstr(text, "FAILED: ");
	const char *bug = strstr(text, "BUG: ");

	if (bug && (!failed || bug < failed))
		return bug;
	return failed ? failed : text;
}

const char *failure_finding(const struct failure *failure)
{
	return finding(failure->text);
}

/* Numbers differ from run to run. */
static bool is_same(const char *a, const char *b)
{
	a = finding(a);
	b = finding(b);
	while (*a && *b && *a != '\n' && *b != '\n') {
		if (isdigit((unsigned char)*a) || *a == '-') {
			a++;
		} else if (isdigit((unsigned char)*b) || *b == '-') {
			b++;
		} else if (*a == *b) {
			a++;
			b++;
		} else {
			return false;
		}
	}
	return true;
}

static bool try(struct shrinking *shrinking, const struct run_options *options)
{
	struct failure failure;

	if (shrinking->try_nr++ >= TRY_MAX || time(NULL) > shrinking->end)
		return false;
	if (!crew_try(shrinking->search, options, &failure) || !is_same(failure.text, shrinking->failure->text))
		return false;
	*shrinking->failure = failure;
	return true;
}

/* What a smaller program does comes at other times, and other faults strike it: so it gets other machines, too. */
static bool try_machines(struct shrinking *shrinking, struct run_options *options)
{
	if (try(shrinking, options))
		return true;
	for (unsigned i = 1; i <= MACHINE_NR; i++) {
		options->machine_seed = options->seed * MACHINE_NR + i;
		options->fault_max = UINT64_MAX;
		if (try(shrinking, options))
			return true;
	}
	return false;
}

static bool try_tasks(struct shrinking *shrinking, unsigned task_max)
{
	struct run_options options = shrinking->failure->options;

	options.task_max = task_max;
	return try_machines(shrinking, &options);
}

/* One after the other is left out, the last one first. */
static void shrink_without(struct shrinking *shrinking)
{
	struct failure *failure = shrinking->failure;

	for (unsigned nr = failure->options.task_max; nr > 1; nr--) {
		struct run_options options = failure->options;

		if (nr >= WITHOUT_NR)
			continue;
		options.without[nr / 8] |= (uint8_t)(1 << nr % 8);
		try_machines(shrinking, &options);
	}
}

static bool try_faults(struct shrinking *shrinking, uint64_t fault_max)
{
	struct run_options options = shrinking->failure->options;

	options.fault_max = fault_max;
	return try(shrinking, &options);
}

/* Halve it, then take away less and less. */
static bool shrink_tasks(struct shrinking *shrinking)
{
	struct failure *failure = shrinking->failure;
	uint64_t step = failure->task_nr / 2;
	bool any = false;

	if (failure->options.task_max > failure->task_nr)
		failure->options.task_max = (unsigned)failure->task_nr;
	while (step) {
		unsigned less = failure->options.task_max - (unsigned)step;

		if (failure->options.task_max > step && try_tasks(shrinking, less))
			any = true;
		else
			step /= 2;
	}
	return any;
}

static void shrink_faults(struct shrinking *shrinking)
{
	struct failure *failure = shrinking->failure;
	uint64_t max = failure->options.fault_max < failure->fault_nr ? failure->options.fault_max : failure->fault_nr;
	uint64_t step = (max + 1) / 2;

	while (step && max) {
		if (max >= step && try_faults(shrinking, max - step)) {
			max -= step;
		} else {
			step /= 2;
		}
	}
}

/* Tasks first: they are what one has to understand. */
void shrink(const struct search *search, struct failure *failure)
{
	struct search limited = *search;
	struct shrinking shrinking = {.search = &limited, .failure = failure, .end = time(NULL) + TIME_MAX};

	limited.limit_s = search->limit_s / TRY_LIMIT_PART + 1;
	while (shrink_tasks(&shrinking))
		;
	shrink_without(&shrinking);
	shrink_faults(&shrinking);
}
