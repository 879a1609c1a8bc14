/* SPDX-License-Identifier: MIT */
/* Worker processes, and who looks after them. */
#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_EVERY 64 /* one of so many seeds runs twice, and must do the same both times */
#define STUCK_FACTOR 3 /* times the limit of CPU time: so long a process may sit idle before it is ended */

/* Of one worker; in shared memory. */
struct berth {
	struct run_report report;
	struct totals totals;
	uint64_t begun_nr; /* runs */
	bool is_running;
};

struct worker {
	pid_t pid; /* 0: none */
	int out;   /* what it prints */
	uint64_t seen_nr;
	unsigned stuck_nr;
};

struct crew {
	const struct search *search;
	struct berth *berths; /* shared: one a worker, one for single runs */
	uint64_t *next;       /* shared: the run that nobody has taken yet */
	struct worker *workers;
	int64_t end_ns;
	unsigned failure_nr;
};

static int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * AION_SECOND + now.tv_nsec;
}

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return memory;
}

/* ---- in a worker */

static void watch(unsigned limit_s)
{
	struct itimerval timer = {.it_value.tv_sec = limit_s};

	setitimer(ITIMER_PROF, &timer, NULL);
}

static void forget_output(void)
{
	if (lseek(STDERR_FILENO, 0, SEEK_CUR) > 0) {
		lseek(STDERR_FILENO, 0, SEEK_SET);
		if (ftruncate(STDERR_FILENO, 0) != 0)
			abort();
	}
}

static void work_once(const struct search *search, struct berth *berth, const struct run_options *options)
{
	watch(search->limit_s);
	berth->report = (struct run_report){.seed = options->seed, .profile = options->profile};
	berth->begun_nr++;
	run_all(options, &berth->report);
}

static void work_again(const struct search *search, struct berth *berth, const struct run_options *options)
{
	uint64_t hash = berth->report.trace_hash;

	work_once(search, berth, options);
	if (hash == berth->report.trace_hash)
		return;
	fprintf(stderr, "FAILED: two runs with the same seed differ\n");
	abort();
}

static void count(struct totals *totals, const struct run_report *report)
{
	totals->seed_nr++;
	totals->op_nr += report->op_nr;
	totals->fault_nr += report->fault_nr;
	totals->task_nr += report->task_nr;
	totals->time_ns += report->time_ns;
}

struct run_options crew_options(const struct search *search, uint64_t i)
{
	struct run_options options = search->options;

	options.seed = search->from + i;
	if (search->all_profiles)
		options.profile = (enum aion_sim_profile)(options.seed % 3);
	return options;
}

static void work(const struct crew *crew, struct berth *berth)
{
	const struct search *search = crew->search;
	uint64_t i;

	berth->is_running = true;
	while ((i = __atomic_fetch_add(crew->next, 1, __ATOMIC_RELAXED)) < search->seed_nr) {
		struct run_options options = crew_options(search, i);

		if (crew->end_ns && clock_ns() > crew->end_ns)
			break;
		forget_output();
		work_once(search, berth, &options);
		if (!options.is_kernel && i % AGAIN_EVERY == 0)
			work_again(search, berth, &options);
		count(&berth->totals, &berth->report);
	}
	berth->is_running = false;
	watch(0);
	exit(0);
}

/* ---- in the parent */

static int output_open(void)
{
	int fd = memfd_create("output", MFD_CLOEXEC);

	if (fd < 0) {
		perror("memfd_create");
		exit(2);
	}
	return fd;
}

/* A child does not outlive its parent. */
static pid_t child_start(int out)
{
	pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(out, STDERR_FILENO);
	return 0;
}

static void worker_start(struct crew *crew, unsigned i)
{
	struct worker *worker = &crew->workers[i];

	*worker = (struct worker){.out = output_open()};
	worker->pid = child_start(worker->out);
	if (!worker->pid)
		work(crew, &crew->berths[i]);
}

/* What it has printed, and how it has ended. */
static void read_end(int out, int status, unsigned limit_s, char text[TEXT_SIZE])
{
	ssize_t size = pread(out, text, TEXT_SIZE / 2, 0);
	size_t done = size > 0 ? (size_t)size : 0;

	close(out);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
		snprintf(text + done, TEXT_SIZE - done, "FAILED: more than %u s of CPU time\n", limit_s);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		snprintf(text + done, TEXT_SIZE - done, "FAILED: waits for ever\n");
	else if (WIFSIGNALED(status) && (WTERMSIG(status) != SIGABRT || !done))
		snprintf(text + done, TEXT_SIZE - done, "FAILED: %s\n", strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status))
		snprintf(text + done, TEXT_SIZE - done, "FAILED: exit status %d\n", WEXITSTATUS(status));
	else
		text[done] = 0;
}

static void print_without(const struct run_options *options)
{
	const char *before = " --without ";

	for (unsigned first = 0, end; first < WITHOUT_NR; first = end + 1) {
		for (end = first; run_options_without(options, end); end++)
			;
		if (end == first)
			continue;
		printf("%s%u", before, first);
		if (end - first > 1)
			printf("-%u", end - 1);
		before = ",";
	}
}

static void report(const struct search *search, const struct failure *failure)
{
	const struct run_options *options = &failure->options;

	printf("seed %llu, profile %s:\n%s", (unsigned long long)options->seed, profile_name(options->profile),
	       failure->text);
	printf("%llu tasks, %llu faults; replay: sim_search --from %llu --seeds 1 --profile %s --tasks %u",
	       (unsigned long long)failure->task_nr, (unsigned long long)failure->fault_nr,
	       (unsigned long long)options->seed, profile_name(options->profile), options->task_max);
	print_without(options);
	if (options->fault_max != UINT64_MAX)
		printf(" --faults %llu", (unsigned long long)options->fault_max);
	if (options->machine_seed)
		printf(" --machine %llu", (unsigned long long)options->machine_seed);
	printf("%s -v\n\n", search->options.is_kernel ? " --kernel" : "");
	fflush(stdout);
}

static void worker_ended(struct crew *crew, unsigned i, int status)
{
	const struct search *search = crew->search;
	const struct run_report *last = &crew->berths[i].report;
	struct failure failure = {.options = search->options, .task_nr = last->task_nr, .fault_nr = last->fault_nr};

	crew->workers[i].pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		close(crew->workers[i].out);
		return;
	}
	failure.options.seed = last->seed;
	failure.options.profile = last->profile;
	read_end(crew->workers[i].out, status, search->limit_s, failure.text);
	if (++crew->failure_nr < search->failure_max)
		worker_start(crew, i);
	else
		__atomic_store_n(crew->next, search->seed_nr, __ATOMIC_RELAXED);
	if (crew->berths[i].is_running)
		shrink(search, &failure);
	report(search, &failure);
}

/* One that does nothing, not even use the processor, waits for what does not come. */
static void worker_look(struct crew *crew, unsigned i)
{
	struct worker *worker = &crew->workers[i];

	if (worker->seen_nr != crew->berths[i].begun_nr)
		worker->stuck_nr = 0;
	worker->seen_nr = crew->berths[i].begun_nr;
	if (++worker->stuck_nr == STUCK_FACTOR * crew->search->limit_s)
		kill(worker->pid, SIGKILL);
}

static void nothing(int unused)
{
	(void)unused;
}

/* The signal of a child's end is waited for, and does not get lost before: what nobody handles may be dropped. */
static void expect_children(void)
{
	sigset_t signals;

	signal(SIGCHLD, nothing);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* Until some child has ended, or a second has passed: false. */
static bool wait_second(void)
{
	const struct timespec second = {.tv_sec = 1};
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	return sigtimedwait(&signals, NULL, &second) >= 0 || errno != EAGAIN;
}

static bool crew_wait(struct crew *crew)
{
	bool is_working = false;
	bool has_ended = false;

	for (unsigned i = 0; i < crew->search->worker_nr; i++) {
		int status;

		if (crew->workers[i].pid && waitpid(crew->workers[i].pid, &status, WNOHANG) > 0) {
			worker_ended(crew, i, status);
			has_ended = true;
		}
		is_working |= crew->workers[i].pid != 0;
	}
	if (!is_working || has_ended)
		return is_working;
	if (wait_second())
		return true;
	for (unsigned i = 0; i < crew->search->worker_nr; i++)
		if (crew->workers[i].pid)
			worker_look(crew, i);
	return true;
}

unsigned crew_search(const struct search *search, struct totals *ret_totals)
{
	struct crew crew = {.search = search};

	crew.berths = share(search->worker_nr * sizeof(struct berth));
	crew.next = share(sizeof(uint64_t));
	crew.workers = calloc(search->worker_nr, sizeof(struct worker));
	crew.end_ns = search->time_s ? clock_ns() + search->time_s * AION_SECOND : 0;
	expect_children();
	for (unsigned i = 0; i < search->worker_nr; i++)
		worker_start(&crew, i);
	while (crew_wait(&crew))
		;
	for (unsigned i = 0; i < search->worker_nr; i++) {
		const struct totals *totals = &crew.berths[i].totals;

		ret_totals->seed_nr += totals->seed_nr;
		ret_totals->op_nr += totals->op_nr;
		ret_totals->fault_nr += totals->fault_nr;
		ret_totals->task_nr += totals->task_nr;
		ret_totals->time_ns += totals->time_ns;
	}
	ret_totals->seed_nr += crew.failure_nr;
	free(crew.workers);
	return crew.failure_nr;
}

static int wait_for(pid_t pid, unsigned seconds)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0)
		if (!wait_second() && seconds-- == 1)
			kill(pid, SIGKILL);
	return status;
}

bool crew_try(const struct search *search, const struct run_options *options, struct failure *ret_failure)
{
	static struct berth *berth;
	int out = output_open();
	int status;
	pid_t pid;

	expect_children();
	if (!berth)
		berth = share(sizeof(*berth));
	pid = child_start(out);
	if (!pid) {
		work_once(search, berth, options);
		_exit(0);
	}
	status = wait_for(pid, STUCK_FACTOR * search->limit_s);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		close(out);
		return false;
	}
	*ret_failure = (struct failure){
		.options = *options,
		.task_nr = berth->report.task_nr,
		.fault_nr = berth->report.fault_nr,
	};
	read_end(out, status, search->limit_s, ret_failure->text);
	return true;
}
