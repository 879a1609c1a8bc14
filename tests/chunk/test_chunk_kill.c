/* SPDX-License-Identifier: MIT */
/* Runs that are killed, anywhere, and gone on with from their last checkpoint: what comes of them is what comes of one
 * that nobody disturbed. */
#include <signal.h>
#include <sys/wait.h>

#include "test_transform.h"

#define CHUNK ((size_t)4096)
#define FIRST_SIZE (30 * CHUNK + 77)
#define SECOND_SIZE (17 * CHUNK + 1)
#define ALL_SIZE (FIRST_SIZE + SECOND_SIZE)
#define KILL_NR 30     /* of one job at most; then it may come to its end */
#define KILL_AT_MAX 16 /* calls of the callback that a run sees at most before it is killed */

/* Where a run was, and what it knew there. */
struct checkpoint {
	size_t source_idx;
	int64_t off;
	int64_t target_off;
	uint64_t line_nr;
	uint64_t hash;
};

/* What is left of a process that was killed. */
struct left {
	atomic_uint which; /* of the two is whole */
	struct checkpoint checkpoints[2];
	atomic_uint call_nr; /* of all runs */
	char bytes[ALL_SIZE];
	uint8_t times[ALL_SIZE];
};

enum how {
	IN_ORDER,
	IN_RECORDS,
	ON_WORKERS,
	RECORDS_ON_WORKERS,
	HOW_NR,
};

struct kill_run {
	struct left *left;
	enum how how;
	unsigned kill_at; /* the call of the callback that does not return; 0: none */
	unsigned kill_at_max;
	unsigned call_nr;
	unsigned killed_nr;
	struct checkpoint now;
	/* A transform's: what it knew at the end of each chunk. */
	struct checkpoint *history;
	unsigned history_nr;
	int64_t target_off;
	aion_transform_fn *fn;
};

static struct left *left_make(void)
{
	struct left *left = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(left, MAP_FAILED);
	return left;
}

/* Whenever the process dies, one of the two is whole. */
static void checkpoint_save(struct left *left, const struct checkpoint *checkpoint)
{
	unsigned other = !atomic_load(&left->which);

	left->checkpoints[other] = *checkpoint;
	atomic_store(&left->which, other);
}

static struct checkpoint checkpoint_last(struct left *left)
{
	return left->checkpoints[atomic_load(&left->which)];
}

static void die_if_due(struct kill_run *run)
{
	atomic_fetch_add(&run->left->call_nr, 1);
	if (++run->call_nr == run->kill_at)
		kill(getpid(), SIGKILL);
}

static const struct aion_source sources[] = {{.path = "a"}, {.path = "b"}};

static void content_put(const char *content)
{
	test_file_put("a", content, FIRST_SIZE);
	test_file_put("b", content + FIRST_SIZE, SECOND_SIZE);
}

static struct aion_chunk_options options_of(struct kill_run *run)
{
	const struct checkpoint last = checkpoint_last(run->left);

	test_machine_spare();
	run->now = last;
	run->call_nr = 0;
	return (struct aion_chunk_options){
		.chunk_size = CHUNK,
		.window_nr = 3,
		.worker_nr = run->how >= ON_WORKERS ? 2 : 0,
		.records = run->how == IN_RECORDS || run->how == RECORDS_ON_WORKERS,
		.delimiter = '\n',
		.record_size_max = 3 * CHUNK,
		.progress_arg = run,
		.progress_ns = 1,
		.resume_source_idx = last.source_idx,
		.resume_off = last.off,
	};
}

/* Kills processes, by turns at a call of the callback and at a time that are drawn, until one has come to its end. */
static void run_to_the_end(struct kill_run *run, aion_fn *fn, uint64_t *random)
{
	int status = 0;
	pid_t pid;

	for (unsigned kill_nr = 0; kill_nr == 0 || !WIFEXITED(status); kill_nr++) {
		bool is_timed = kill_nr < KILL_NR && kill_nr % 4 == 3;

		cr_assert_leq(kill_nr, KILL_NR);
		run->kill_at =
			kill_nr < KILL_NR && !is_timed ? 1 + (unsigned)test_random(random) % run->kill_at_max : 0;
		pid = fork();
		cr_assert_geq(pid, 0);
		if (pid == 0)
			_exit(aion_run(fn, run, NULL) == 4711 ? 0 : 1);
		if (is_timed) {
			usleep((useconds_t)(test_random(random) % 4000));
			kill(pid, SIGKILL);
		}
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL, "status %#x",
			  (unsigned)status);
		run->killed_nr += WIFSIGNALED(status);
	}
}

/* ---- the processor */

static void state_add(struct checkpoint *state, const struct aion_chunk *chunk)
{
	for (size_t i = 0; i < chunk->size; i++) {
		state->line_nr += chunk->data[i] == '\n';
		state->hash = (state->hash ^ (unsigned char)chunk->data[i]) * 0x100000001b3;
	}
}

static int64_t see(struct aion_chunk *chunk, void *arg)
{
	struct kill_run *run = arg;
	size_t begin = (size_t)chunk->off + (chunk->source_idx ? FIRST_SIZE : 0);

	memcpy(run->left->bytes + begin, chunk->data, chunk->size);
	for (size_t i = 0; i < chunk->size; i++)
		run->left->times[begin + i] = 1;
	if (run->how < ON_WORKERS)
		state_add(&run->now, chunk);
	if (run->how < ON_WORKERS)
		die_if_due(run);
	else if (atomic_fetch_add(&run->left->call_nr, 1) % KILL_AT_MAX + 1 == run->kill_at)
		kill(getpid(), SIGKILL);
	return 0;
}

static int64_t see_progress(const struct aion_chunk_progress *progress, void *arg)
{
	struct kill_run *run = arg;

	run->now.source_idx = progress->resume_source_idx;
	run->now.off = progress->resume_off;
	checkpoint_save(run->left, &run->now);
	return 0;
}

static int64_t process_task(void *arg)
{
	struct kill_run *run = arg;
	struct aion_chunk_options options = options_of(run);

	options.progress = see_progress;
	return aion_chunk_process(sources, 2, see, run, &options) < 0 ? 1 : 4711;
}

static void check_process(uint64_t seed, enum how how)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
	char *content = test_content(ALL_SIZE, '\n', how == IN_RECORDS || seed % 2 ? 300 : 0, &random);
	struct checkpoint whole = {0};
	struct kill_run run = {.left = left_make(), .how = how, .kill_at_max = KILL_AT_MAX};
	struct checkpoint last;

	content_put(content);
	state_add(&whole, &(struct aion_chunk){.data = content, .size = ALL_SIZE});
	run_to_the_end(&run, process_task, &random);
	cr_assert_geq(run.killed_nr, 2);
	last = checkpoint_last(run.left);
	cr_assert(last.source_idx == 2 && last.off == 0);
	cr_assert(memcmp(run.left->bytes, content, ALL_SIZE) == 0, "seed %llu", (unsigned long long)seed);
	for (size_t i = 0; i < ALL_SIZE; i++)
		cr_assert(run.left->times[i], "seed %llu: byte %zu was never seen", (unsigned long long)seed, i);
	if (how < ON_WORKERS) { /* nothing twice, nothing left out */
		cr_assert_eq(last.line_nr, whole.line_nr, "seed %llu: %llu lines, not %llu", (unsigned long long)seed,
			     (unsigned long long)last.line_nr, (unsigned long long)whole.line_nr);
		cr_assert_eq(last.hash, whole.hash, "seed %llu", (unsigned long long)seed);
	}
	munmap(run.left, sizeof(*run.left));
	free(content);
}

Test(chunk_kill, the_callers_state_goes_on_as_if_nothing_had_been)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 4; seed++)
		check_process(seed, IN_ORDER);
}

Test(chunk_kill, so_does_it_with_records)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 4; seed++)
		check_process(seed, IN_RECORDS);
}

Test(chunk_kill, workers_leave_nothing_out)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 4; seed++)
		check_process(seed, ON_WORKERS + seed % 2);
}

/* ---- the transform */

/* What a callback that numbers lines makes of them: its state is how many there have been. */
static int64_t number_lines(const struct aion_chunk *chunk, struct aion_output *output, void *arg)
{
	struct kill_run *run = arg;
	char line[32];
	int64_t result = 0;

	for (size_t i = 0; i < chunk->size && result >= 0; i++) {
		result = aion_output_write(output, chunk->data + i, 1);
		if (result < 0 || chunk->data[i] != '\n')
			continue;
		result = aion_output_write(
			output, line,
			(size_t)snprintf(line, sizeof(line), "%llu\t", (unsigned long long)++run->now.line_nr));
	}
	run->now.source_idx = chunk->source_idx;
	run->now.off = chunk->off + (int64_t)chunk->size;
	run->history[run->history_nr++] = run->now;
	die_if_due(run);
	return result;
}

/* Without state, on workers. */
static int64_t stretch(const struct aion_chunk *chunk, struct aion_output *output, void *arg)
{
	struct kill_run *run = arg;
	struct work none = WORK();

	if (atomic_fetch_add(&run->left->call_nr, 1) % KILL_AT_MAX + 1 == run->kill_at)
		kill(getpid(), SIGKILL);
	return work_stretch(chunk, output, &none);
}

/* The state as it was where the output is. */
static int64_t transform_progress(const struct aion_chunk_progress *progress, void *arg)
{
	struct kill_run *run = arg;
	struct checkpoint checkpoint = checkpoint_last(run->left);

	for (unsigned i = 0; i < run->history_nr; i++)
		if (run->history[i].source_idx == progress->resume_source_idx &&
		    run->history[i].off == progress->resume_off)
			checkpoint.line_nr = run->history[i].line_nr;
	checkpoint.source_idx = progress->resume_source_idx;
	checkpoint.off = progress->resume_off;
	checkpoint.target_off = run->target_off;
	checkpoint_save(run->left, &checkpoint);
	if (!run->fn && ++run->call_nr == run->kill_at)
		kill(getpid(), SIGKILL);
	return 0;
}

static int64_t transform_task(void *arg)
{
	struct kill_run *run = arg;
	struct aion_chunk_options options = options_of(run);
	const struct aion_target target = {
		.path = "out", .resume_off = run->now.target_off, .ret_resume_off = &run->target_off, .allocate = true};
	int64_t result;

	options.progress = transform_progress;
	run->history = calloc(ALL_SIZE / CHUNK + 1000, sizeof(*run->history));
	run->history_nr = 0;
	result = aion_transform(sources, 2, run->fn, run, &target, &options);
	free(run->history);
	return result < 0 ? 1 : 4711;
}

/* The output of a run that nobody disturbs, beside those of runs that are killed. */
static void check_transform(uint64_t seed, enum how how, aion_transform_fn *fn)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
	char *content = test_content(ALL_SIZE, '\n', 300, &random), *expected;
	struct kill_run run = {.how = how, .fn = fn};
	size_t size;

	/* The kernel's copy is told of twice, once a file. */
	run.kill_at_max = fn || how == IN_RECORDS ? KILL_AT_MAX : 2;
	content_put(content);
	run.left = left_make();
	cr_assert_eq(aion_run(transform_task, &run, NULL), 4711);
	expected = file_content("out", &size);
	if (!fn)
		cr_assert(size == ALL_SIZE && memcmp(expected, content, size) == 0);
	munmap(run.left, sizeof(*run.left));
	cr_assert_eq(unlink("out"), 0);

	run.left = left_make();
	run_to_the_end(&run, transform_task, &random);
	cr_assert_geq(run.killed_nr, run.kill_at_max == 2 ? 1 : 2);
	assert_file("out", expected, size);
	cr_assert_eq(checkpoint_last(run.left).source_idx, 2);
	munmap(run.left, sizeof(*run.left));
	free(expected);
	free(content);
}

Test(chunk_kill, a_transforms_output_is_the_same_with_the_state_where_it_was)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 4; seed++)
		check_transform(seed, seed % 2 ? IN_ORDER : IN_RECORDS, number_lines);
}

Test(chunk_kill, so_it_is_if_workers_made_it)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 4; seed++)
		check_transform(seed, seed % 2 ? ON_WORKERS : RECORDS_ON_WORKERS, stretch);
}

/* Records: not inside the kernel. */
Test(chunk_kill, so_it_is_of_a_copy)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 4; seed++)
		check_transform(seed, seed % 2 ? IN_ORDER : IN_RECORDS, NULL);
}
