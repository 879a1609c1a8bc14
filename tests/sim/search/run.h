/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_RUN_H
#define SEARCH_RUN_H
/*
 * One run: a machine, a loop on it, and a program that grows from the seed.
 *
 *	search.c crew.c shrink.c   options, worker processes, making a failing run smaller
 *	mutants.c                  whether deliberate faults of the engine are found
 *	run.c check.c              a run from its beginning to its end, and what must hold afterwards
 *	shade.c                    the workload's own idea of scopes and cancellation: what the library has to say
 *	actor.c party.c            tasks, groups, handles
 *	effort.c bunch.c           operations with what is expected of them; futures of all kinds
 *	wire.c wire_form.c         pipes and connections: the account of their bytes, and all forms of I/O on them
 *	stream.c                   tasks at their ends
 *	talk.c talk_*.c            connections: the account of their ways, and all that is done at their ends
 *	store.c shared.c           files whose content is known
 *	gate.c                     locks: who has to get what
 *	pipeline.c                 pipelines of streams: how they grow, the account of their items
 *	act_*.c                    what an actor can do
 */
#include <signal.h>

#include <aion.h>
#include <aion/sim.h>

#include "draw.h"

struct effort;
struct slot;
struct ward;
struct shade;

#define WITHOUT_NR 256 /* numbers of tasks that can be left out */

struct run_options {
	uint64_t seed;         /* of the program, and of the machine if nothing else is said */
	uint64_t machine_seed; /* 0: the same */
	enum aion_sim_profile profile;
	unsigned task_max;               /* tasks that may be spawned */
	uint8_t without[WITHOUT_NR / 8]; /* tasks, by their numbers, that are left out: a set of bits */
	uint64_t fault_max;              /* faults that may strike */
	bool is_kernel;                  /* no machine: the real kernel */
	bool is_verbose;                 /* tell what happens */
};

static inline bool run_options_without(const struct run_options *options, unsigned nr)
{
	return nr < WITHOUT_NR && options->without[nr / 8] >> nr % 8 & 1;
}

/* Lies in memory that worker and parent share, so that it survives a crash. */
struct run_report {
	uint64_t seed;
	enum aion_sim_profile profile;
	uint64_t task_nr;
	uint64_t fault_nr;
	uint64_t op_nr;
	int64_t time_ns;
	uint64_t trace_hash;
};

/* What a bystander may cancel or complete. */
enum target_kind {
	TARGET_SCOPE,
	TARGET_WARD,
	TARGET_EFFORT,
	TARGET_SLOT,
	TARGET_KIND_NR,
};

struct target {
	enum target_kind kind;
	unsigned place; /* in the run's list */
	bool is_listed;
};

#define TARGET_MAX 512

struct run {
	const struct run_options *options;
	struct run_report *report;
	struct aion_sim *sim; /* NULL: the real kernel */
	struct aion_loop *loop;
	struct draw draw;
	char root[64];                /* what paths begin with */
	bool knobs[AION_SIM_KNOB_NR]; /* which faults may be seen */
	bool fd_is_scarce, disk_is_scarce, memory_is_scarce;

	unsigned task_max;
	unsigned task_nr; /* ever */
	unsigned alive_nr;
	unsigned step_nr;
	unsigned step_max;
	unsigned name_nr; /* files, streams, ports: whatever needs a name of its own */

	struct target *targets[TARGET_MAX];
	unsigned target_nr;

	/* Accounts that must be even in the end. Some are changed on other threads. */
	unsigned post_nr, post_run_nr;
	unsigned job_nr, job_end_nr;
	unsigned slot_nr;
	unsigned given_nr, taken_nr; /* pieces of memory given to connections, and given back */
	unsigned local_nr; /* variables of tasks */
	bool is_stopping;  /* the loop is being destroyed */
	bool guest_has_ended;

	int64_t calm_ns; /* when faults shall stop */
	bool is_calm;
	uint64_t calm_op_nr; /* operations done by then */
};

/* The machine's clock; looking at it does not change what the loop does. */
int64_t run_now(const struct run *run);
/* A line of the story, if somebody wants to hear it. */
void run_tell(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What must not be: says so, and how to come here again, and aborts. */
_Noreturn void run_fail(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* Post fn(arg). False: there is no memory for it, or the loop is being destroyed. */
bool run_post(struct run *run, void (*fn)(void *arg), void *arg);
/* The whole of it; aborts if something is wrong. */
void run_all(const struct run_options *options, struct run_report *report);
/* The main task's body. */
int64_t run_main(void *run);

/* After the loop has ended; with the loop after it is idle. */
void check_idle(struct run *run);
void check_end(struct run *run);
/* The library's memory, counted. */
void check_memory_init(void);
/* From now on one allocation of so many fails, 0: none does. */
void check_memory_fail(unsigned one_of, uint64_t seed);
void check_memory(const struct run *run);

void target_add(struct run *run, struct target *target, enum target_kind kind);
/* If it is there. */
void target_remove(struct run *run, struct target *target);

const char *profile_name(enum aion_sim_profile profile);

/* What streams and files hold: a function of who they are and of the position. */
void content_fill(void *buf, size_t size, uint64_t id, uint64_t pos);
/* Where it first differs, or size. */
size_t content_differs(const void *buf, size_t size, uint64_t id, uint64_t pos);

#endif
