/* SPDX-License-Identifier: MIT */
/*
 * Search for seeds whose program fails on a simulated machine. Each seed is a program of random tasks, groups, scopes,
 * futures, operations, files, pipes and connections, and a machine with faults; what must hold is checked all along.
 * A failing one is made smaller, and the line that repeats it is printed.
 *
 * Status: 0 none has failed, 1 some have, 2 wrong usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "mutant_int.h"

#define SEED_NR 20000
#define FAILURE_MAX 10
#define LIMIT_S 20

static const char usage_text[] =
	"usage: sim_search [OPTION]...\n"
	"  --seeds N          programs to run (20000)\n"
	"  --from S           the first seed (1)\n"
	"  --profile P        calm, rough, hostile, or all in turn (all)\n"
	"  --tasks MAX        tasks that a program may start\n"
	"  --without LIST     tasks that are left out: 3,7-9\n"
	"  --faults MAX       faults that may strike\n"
	"  --machine S        the machine's seed (that of the program)\n"
	"  --jobs J           processes (one a processor)\n"
	"  --time SECONDS     stop after so long\n"
	"  --failures MAX     stop after so many failing seeds (10)\n"
	"  --limit SECONDS    of CPU time for one program (20)\n"
	"  --mutant N         with the engine's N-th deliberate fault, see mutant_int.h\n"
	"  --mutants          how many seeds it takes to find each of those faults; N at most\n"
	"  --kernel           on the real kernel, without faults\n"
	"  -v                 tell what happens; one process, no shrinking\n";

enum option_nr {
	OPTION_SEEDS = 256,
	OPTION_FROM,
	OPTION_PROFILE,
	OPTION_TASKS,
	OPTION_WITHOUT,
	OPTION_FAULTS,
	OPTION_MACHINE,
	OPTION_JOBS,
	OPTION_TIME,
	OPTION_FAILURES,
	OPTION_LIMIT,
	OPTION_MUTANT,
	OPTION_MUTANTS,
	OPTION_KERNEL,
};

static const struct option option_list[] = {
	{"seeds", required_argument, NULL, OPTION_SEEDS},
	{"from", required_argument, NULL, OPTION_FROM},
	{"profile", required_argument, NULL, OPTION_PROFILE},
	{"tasks", required_argument, NULL, OPTION_TASKS},
	{"without", required_argument, NULL, OPTION_WITHOUT},
	{"faults", required_argument, NULL, OPTION_FAULTS},
	{"machine", required_argument, NULL, OPTION_MACHINE},
	{"jobs", required_argument, NULL, OPTION_JOBS},
	{"time", required_argument, NULL, OPTION_TIME},
	{"failures", required_argument, NULL, OPTION_FAILURES},
	{"limit", required_argument, NULL, OPTION_LIMIT},
	{"mutant", required_argument, NULL, OPTION_MUTANT},
	{"mutants", no_argument, NULL, OPTION_MUTANTS},
	{"kernel", no_argument, NULL, OPTION_KERNEL},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static _Noreturn void usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t x = strtoull(text, &end, 10);

	if (!*text || *end || *text == '-')
		usage();
	return x;
}

static void set_profile(struct search *search, const char *name)
{
	search->all_profiles = strcmp(name, "all") == 0;
	if (search->all_profiles)
		return;
	for (int i = AION_SIM_CALM; i <= AION_SIM_HOSTILE; i++)
		if (strcmp(name, profile_name((enum aion_sim_profile)i)) == 0) {
			search->options.profile = (enum aion_sim_profile)i;
			return;
		}
	usage();
}

static void set_without(struct run_options *options, const char *list)
{
	do {
		char *end;
		unsigned long first = strtoul(list, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

		if (end == list || (*end && *end != ',') || last >= WITHOUT_NR)
			usage();
		for (; first <= last; first++)
			options->without[first / 8] |= (uint8_t)(1 << first % 8);
		list = *end ? end + 1 : end;
	} while (*list);
}

static void set_mutant(uint64_t nr)
{
#ifdef AION_FAULTS
	if (nr < AION__MUTANT_NR) {
		aion__mutant = (enum aion__mutant)nr;
		return;
	}
#else
	(void)nr;
	fputs("sim_search: built without faults\n", stderr);
#endif
	usage();
}

static void set_option(struct search *search, int option)
{
	switch (option) {
	case OPTION_SEEDS:
		search->seed_nr = number(optarg);
		break;
	case OPTION_FROM:
		search->from = number(optarg);
		break;
	case OPTION_PROFILE:
		set_profile(search, optarg);
		break;
	case OPTION_TASKS:
		search->options.task_max = (unsigned)number(optarg);
		break;
	case OPTION_WITHOUT:
		set_without(&search->options, optarg);
		break;
	case OPTION_FAULTS:
		search->options.fault_max = number(optarg);
		break;
	case OPTION_MACHINE:
		search->options.machine_seed = number(optarg);
		break;
	case OPTION_JOBS:
		search->worker_nr = (unsigned)number(optarg);
		break;
	case OPTION_TIME:
		search->time_s = (int64_t)number(optarg);
		break;
	case OPTION_FAILURES:
		search->failure_max = (unsigned)number(optarg);
		break;
	case OPTION_LIMIT:
		search->limit_s = (unsigned)number(optarg);
		break;
	case OPTION_MUTANT:
		set_mutant(number(optarg));
		break;
	case OPTION_MUTANTS:
		search->finds_mutants = true;
		break;
	case OPTION_KERNEL:
		search->options.is_kernel = true;
		break;
	case 'v':
		search->options.is_verbose = true;
		break;
	case 'h':
		fputs(usage_text, stdout);
		exit(0);
	default:
		usage();
	}
}

static void tell(const struct search *search)
{
	for (uint64_t i = 0; i < search->seed_nr; i++) {
		struct run_options run = search->options;
		struct run_report report = {0};

		run.seed = search->from + i;
		if (search->all_profiles)
			run.profile = (enum aion_sim_profile)(run.seed % 3);
		run_all(&run, &report);
		fprintf(stderr, "seed %llu, profile %s: %llu tasks, %llu operations, %llu faults, trace %016llx\n",
			(unsigned long long)run.seed, profile_name(run.profile), (unsigned long long)report.task_nr,
			(unsigned long long)report.op_nr, (unsigned long long)report.fault_nr,
			(unsigned long long)report.trace_hash);
	}
}

static unsigned search_all(const struct search *search)
{
	struct totals totals = {0};
	struct timespec begin;
	struct timespec end;
	unsigned failure_nr;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	failure_nr = crew_search(search, &totals);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("%llu seeds, %llu tasks, %llu operations, %llu faults, %.1f h of virtual time in %.1f s: %.0f seeds/s; "
	       "%u failed\n",
	       (unsigned long long)totals.seed_nr, (unsigned long long)totals.task_nr, (unsigned long long)totals.op_nr,
	       (unsigned long long)totals.fault_nr, (double)totals.time_ns / 3.6e12, seconds,
	       (double)totals.seed_nr / seconds, failure_nr);
	return failure_nr;
}

int main(int argc, char **argv)
{
	struct search search = {
		.options = {.task_max = 100000, .fault_max = UINT64_MAX},
		.from = 1,
		.seed_nr = SEED_NR,
		.all_profiles = true,
		.worker_nr = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
		.failure_max = FAILURE_MAX,
		.limit_s = LIMIT_S,
	};
	int option;

	while ((option = getopt_long(argc, argv, "vh", option_list, NULL)) != -1)
		set_option(&search, option);
	if (optind != argc || !search.worker_nr || !search.failure_max)
		usage();
	check_memory_init();
	if (search.options.is_verbose) {
		tell(&search);
		return 0;
	}
	return (search.finds_mutants ? mutants_find(&search) : search_all(&search)) != 0;
}
