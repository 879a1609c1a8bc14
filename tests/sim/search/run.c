/* SPDX-License-Identifier: MIT */
/* A run from its beginning to its end. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actor.h"
#include "shared.h"

#define TASK_MIN 3
#define TASK_MAX 120
#define STEP_MAX 300
#define MEMORY_FAIL_ONE_OF 25 /* allocations */
#define LIFE_MAX 16           /* of the main task */
#define CALM_NS_MIN 100000
#define PATH_SEED UINT64_C(0x51e1d)

static const char *const profile_names[] = {
	[AION_SIM_CALM] = "calm",
	[AION_SIM_ROUGH] = "rough",
	[AION_SIM_HOSTILE] = "hostile",
};

static struct run *run_current; /* for who is told of an abort */

const char *profile_name(enum aion_sim_profile profile)
{
	return profile_names[profile];
}

int64_t run_now(const struct run *run)
{
	return run->sim ? aion_sim_now(run->sim) : aion_now();
}

void run_tell(const struct run *run, const char *format, ...)
{
	va_list args;

	if (!run->options->is_verbose)
		return;
	fprintf(stderr, "[%lld] ", (long long)run_now(run));
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void run_fail(const struct run *run, const char *format, ...)
{
	va_list args;

	fputs("FAILED: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	(void)run;
	abort();
}

/* ---- posts */

struct post {
	struct run *run;
	void (*fn)(void *arg);
	void *arg;
	unsigned nr;
};

static void post_run(void *arg)
{
	struct post post = *(struct post *)arg;

	free(arg);
	if (aion_task_current())
		run_fail(post.run, "a post runs inside of a task");
	/* On a machine all is one thread, and so the order is known. */
	if (__atomic_fetch_add(&post.run->post_run_nr, 1, __ATOMIC_RELAXED) != post.nr && post.run->sim)
		run_fail(post.run, "post %u runs as number %u", post.nr, post.run->post_run_nr - 1);
	post.fn(post.arg);
}

bool run_post(struct run *run, void (*fn)(void *arg), void *arg)
{
	struct post *post = malloc(sizeof(*post));
	int result;

	*post = (struct post){run, fn, arg, __atomic_fetch_add(&run->post_nr, 1, __ATOMIC_RELAXED)};
	result = aion_loop_post(run->loop, post_run, post);
	if (result == 0)
		return true;
	if ((result != -ESHUTDOWN || !run->is_stopping) && (result != -ENOMEM || !run->memory_is_scarce))
		run_fail(run, "a post is refused: %d", result);
	run->post_nr--;
	free(post);
	return false;
}

/* ---- content */

static uint64_t content_word(uint64_t id, uint64_t pos)
{
	uint64_t x = (id + 1) * UINT64_C(0x9e3779b97f4a7c15) + (pos >> 3) * UINT64_C(0xd1342543de82ef95);

	return x ^ x >> 29;
}

void content_fill(void *buf, size_t size, uint64_t id, uint64_t pos)
{
	unsigned char *to = buf;

	while (size) {
		uint64_t word = content_word(id, pos) >> (8 * (pos & 7));
		size_t part = 8 - (pos & 7);

		if (part > size)
			part = size;
		memcpy(to, &word, part);
		to += part;
		pos += part;
		size -= part;
	}
}

size_t content_differs(const void *buf, size_t size, uint64_t id, uint64_t pos)
{
	const unsigned char *from = buf;
	size_t done = 0;

	while (done < size) {
		uint64_t word = content_word(id, pos + done) >> (8 * ((pos + done) & 7));
		size_t part = 8 - ((pos + done) & 7);

		if (part > size - done)
			part = size - done;
		if (memcmp(from + done, &word, part) != 0) {
			while (from[done] == (unsigned char)word) {
				done++;
				word >>= 8;
			}
			return done;
		}
		done += part;
	}
	return size;
}

/* ---- what bystanders may find */

void target_add(struct run *run, struct target *target, enum target_kind kind)
{
	target->is_listed = false;
	if (run->target_nr == TARGET_MAX)
		return;
	target->kind = kind;
	target->place = run->target_nr;
	target->is_listed = true;
	run->targets[run->target_nr++] = target;
}

void target_remove(struct run *run, struct target *target)
{
	struct target *last;

	if (!target->is_listed)
		return;
	last = run->targets[--run->target_nr];
	run->targets[target->place] = last;
	last->place = target->place;
	target->is_listed = false;
}

/* ---- the main task */

/* Stops the faults at some time: from then on everything has to come to its end. */
static int64_t calm_down(struct actor *self, void *unused)
{
	struct run *run = self->run;
	int64_t result = aion_sleep_until(run->calm_ns);

	(void)unused;
	if (result < 0)
		return told(self, "the wait for calm", result, 0, 0);
	run_tell(run, "no fault from now on");
	if (run->sim) {
		aion_sim_calm_down(run->sim);
		run->calm_op_nr = aion_sim_op_nr(run->sim);
	}
	run->is_calm = true;
	return 0;
}

/* Whatever becomes of one of them, the next goes on; but the last says how it went. */
static int64_t main_lives(struct actor *self)
{
	unsigned nr = (unsigned)draw_magnitude(&self->draw, 1, LIFE_MAX);
	int64_t result = 0;

	while (nr-- && !aion_cancelled())
		result = actor_live(self, NULL);
	return result;
}

static int64_t be_there(void *unused)
{
	(void)unused;
	return aion_yield();
}

/* A task that gets no stack ends without having run, and nobody clears up what it was to own: so there are stacks for
 * all before memory becomes scarce. */
static void warm_up(struct run *run)
{
	const struct aion_spawn_options small = {.stack_size = SMALL_STACK_SIZE};
	struct aion_group group;

	aion_group_enter(&group);
	for (unsigned i = 0; i <= run->task_max; i++) {
		aion_spawn(&group, be_there, NULL);
		aion_spawn_with(&group, &small, be_there, NULL);
	}
	if (aion_group_leave(&group, 0) != 0)
		run_fail(run, "there is no memory for stacks");
}

int64_t run_main(void *arg)
{
	struct run *run = arg;
	struct actor self;
	struct party party;
	struct ward calm = {0};
	bool has_calm;
	int64_t result;

	actor_init(&self, run, PATH_SEED);
	if (aion_loop_current() != run->loop)
		run_fail(run, "the main task runs on another loop");
	if (run->memory_is_scarce) {
		warm_up(run);
		check_memory_fail(MEMORY_FAIL_ONE_OF, run->options->seed);
	}
	party_enter(&self, &party);
	has_calm = actor_spawn_ward(&self, &party, &calm, calm_down, NULL);
	result = main_lives(&self);
	if (has_calm)
		ward_cancel(run, &calm);
	result = party_leave(&self, &party, result);
	ward_fini(run, &calm);
	check_memory_fail(0, 0);
	if (self.shade != &self.edge)
		run_fail(run, "the main task ends inside of a scope");
	return result;
}

/* ---- the machine */

static void draw_machine(struct run *run, struct aion_sim_options *machine)
{
	*machine = (struct aion_sim_options){
		.seed = run->options->machine_seed ? run->options->machine_seed : run->options->seed,
		.profile = run->options->profile,
		.pipe_size = draw_magnitude(&run->draw, 512, 65536),
		.socket_size = draw_magnitude(&run->draw, 512, 65536),
		.trace_max = run->options->is_verbose ? 65536 : 64,
	};
	if (draw_percent(&run->draw, 10)) {
		run->fd_is_scarce = true;
		machine->fd_max = (unsigned)draw_between(&run->draw, 4, 24);
	}
	run->memory_is_scarce = run->options->profile == AION_SIM_HOSTILE && draw_percent(&run->draw, 20);
	if (draw_percent(&run->draw, 10)) {
		run->disk_is_scarce = true;
		machine->disk_size = SHARED_SIZE_ALL + draw_magnitude(&run->draw, 4096, 65536);
	}
}

static void draw_loop(struct run *run, struct aion_loop_options *loop)
{
	static const unsigned entry_nrs[] = {8, 8, 8, 16, 64, 1024};

	*loop = (struct aion_loop_options){
		.entry_nr = entry_nrs[draw_below(&run->draw, 6)],
		.stack_size = (size_t)128 << 10,
		.no_overflow_handler = true,
		.sim = run->sim,
	};
	if (draw_percent(&run->draw, 60))
		loop->completion_nr = loop->entry_nr;
	if (draw_percent(&run->draw, 20))
		loop->as_linux = "6.1";
}

static void machine_begin(struct run *run)
{
	struct aion_sim_options machine;

	draw_machine(run, &machine);
	if (run->options->is_kernel) {
		strcpy(run->root, "/tmp/sim_search.XXXXXX");
		if (!mkdtemp(run->root))
			run_fail(run, "no directory: %s", strerror(errno));
		run->fd_is_scarce = run->disk_is_scarce = run->memory_is_scarce = false;
	} else {
		if (aion_sim_create(&machine, &run->sim) != 0)
			run_fail(run, "no machine");
		aion_sim_fault_max(run->sim, run->options->fault_max);
		for (int i = 0; i < AION_SIM_KNOB_NR; i++)
			run->knobs[i] = aion_sim_knob_get(run->sim, (enum aion_sim_knob)i) > 0;
		run->calm_ns = run_now(run);
	}
	shared_create(run);
}

static void machine_end(struct run *run)
{
	if (run->options->is_kernel) {
		shared_remove(run);
		if (rmdir(run->root) != 0)
			run_fail(run, "files are left in %s", run->root);
		return;
	}
	run->report->op_nr = aion_sim_op_nr(run->sim);
	run->report->fault_nr = aion_sim_fault_nr(run->sim);
	run->report->time_ns = aion_sim_now(run->sim) - AION_SECOND;
	run->report->trace_hash = aion_sim_trace_hash(run->sim);
	aion_sim_destroy(run->sim);
}

static void print_line(const char *line, void *unused)
{
	(void)unused;
	fprintf(stderr, "%s\n", line);
}

static void print_trace(int unused)
{
	(void)unused;
	if (run_current && run_current->sim)
		aion_sim_trace_print(run_current->sim, STDERR_FILENO);
	run_current = NULL;
}

static int64_t run_guest(void *arg)
{
	struct run *run = arg;

	run_main(run);
	run->guest_has_ended = true;
	return 0;
}

/* As a guest of another event loop, which turns it when there is a reason to. */
static void run_hosted(struct run *run)
{
	if (aion_spawn(aion_loop_group(run->loop), run_guest, run) != 0)
		run_fail(run, "no task can be started from outside");
	while (!run->guest_has_ended) {
		int result = aion_loop_turn(run->loop);
		int64_t timeout_ns = aion_loop_timeout_ns(run->loop);

		if (result < 0)
			run_fail(run, "a turn says %d", result);
		if (run->guest_has_ended || timeout_ns == 0)
			continue;
		if (timeout_ns < 0)
			run_fail(run, "a loop with a task that waits has nothing to do");
		aion_sim_advance(run->sim, timeout_ns);
	}
}

static void run_loop(struct run *run)
{
	struct aion_loop_options options;
	int result;

	draw_loop(run, &options);
	result = aion_loop_create(&options, &run->loop);
	if (result != 0)
		run_fail(run, "no loop: %s", aion_loop_create_error());
	if (run->sim && draw_percent(&run->draw, 20))
		run_hosted(run);
	else
		aion_loop_run(run->loop, run_main, run);
	run_tell(run, "the main task has ended");
	if (draw_percent(&run->draw, 50))
		check_idle(run);
	run->is_stopping = true;
	aion_loop_destroy(run->loop);
}

void run_all(const struct run_options *options, struct run_report *report)
{
	struct run *run = calloc(1, sizeof(*run));

	run->options = options;
	run->report = report;
	run->draw.state = draw_mix(options->seed ^ PATH_SEED);
	run->task_max = (unsigned)draw_magnitude(&run->draw, TASK_MIN, TASK_MAX);
	if (options->task_max < run->task_max)
		run->task_max = options->task_max;
	run->step_max = STEP_MAX;
	aion_diag_set(print_line, NULL);
	if (options->is_verbose)
		signal(SIGABRT, print_trace);
	run_current = run;
	machine_begin(run);
	run->calm_ns += (int64_t)draw_magnitude(&run->draw, CALM_NS_MIN, 10 * (uint64_t)AION_SECOND);
	run_loop(run);
	check_end(run);
	if (options->is_verbose && run->sim)
		aion_sim_trace_print(run->sim, STDERR_FILENO);
	machine_end(run);
	check_memory(run);
	run_current = NULL;
	free(run);
}
