/* SPDX-License-Identifier: MIT */
/*
 * A transform. The callback of a run in order makes a job of each chunk: a task that lets a worker see a copy of it, if
 * there are workers, and writes what came of it. Jobs stand in a ring, whose length bounds the memory. The turn goes
 * from job to job in the order of the chunks: who has it knows where his output begins, and in a file may pass it on
 * before he writes. A job that fails cuts the output: those behind it write nothing, those before it finish.
 */
#include <errno.h>
#include <string.h>

#include <aion/offload.h>
#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "transform_int.h"

struct transform;

/* A chunk on its way. */
struct job {
	struct transform *transform;
	uint64_t idx;
	struct aion_chunk chunk;
	struct aion_output output;
	char *input; /* a copy of the chunk's data, for a worker */
	size_t input_room;
	unsigned worker_idx;
	bool has_run;
	bool is_waiting; /* for its turn */
	bool is_written;
	int64_t end_off; /* in the target, of its output */
	struct aion_future turn;
};

struct transform {
	struct aion__chunk_run run;
	aion_transform_fn *fn;
	void *arg;
	struct aion__target target;
	const struct aion_chunk_options *options; /* the caller's; NULL: none */
	struct aion_group group;                  /* of the jobs */
	struct aion_scope reading;
	struct aion_future *waiter; /* the run, for something to be free */
	unsigned worker_nr;
	uint64_t next_idx; /* of the next chunk */
	uint64_t turn_idx; /* whose turn it is */
	uint64_t done_idx; /* all before are written, and free */
	uint64_t cut_idx;  /* this one failed, so what follows is dropped; UINT64_MAX: none */
	int64_t next_off;  /* in the target, where the job whose turn it is begins */
	/* What is written, without a hole: */
	int64_t done_off;
	size_t resume_source_idx;
	int64_t resume_off;
	bool is_copying; /* in the kernel: the run itself knows how far */
	unsigned id_nr;  /* workers that are free */
	unsigned *ids;
	unsigned job_nr;
	struct job jobs[];
};

static struct job *job_at(struct transform *transform, uint64_t idx)
{
	return &transform->jobs[idx % transform->job_nr];
}

static void transform_wake(struct transform *transform)
{
	struct aion_future *waiter = transform->waiter;

	transform->waiter = NULL;
	if (waiter)
		aion_future_complete(waiter, 0);
}

static AION_SUSPENDS int64_t transform_wait(struct transform *transform)
{
	struct aion_future future;
	int64_t result;

	aion_future_init(&future);
	transform->waiter = &future;
	result = aion_await(&future);
	transform->waiter = NULL;
	return result;
}

/* ---- jobs */

/* What the callback says of it. */
static int64_t job_call(void *arg)
{
	struct job *job = arg;
	struct transform *transform = job->transform;
	int64_t result = 0;

	job->has_run = true;
	if (transform->fn)
		result = transform->fn(&job->chunk, &job->output, transform->arg);
	else
		aion_output_take_chunk(&job->output);
	AION_BUG_ON(job->output.size > job->output.room, "a callback wrote more than there is room for");
	AION_BUG_ON(job->output.takes_chunk && job->output.size, "a callback took the chunk and wrote, too");
	return result;
}

/* On a worker. Its copy of the chunk becomes the output if that is wanted, and the output's memory the next copy's. */
static AION_SUSPENDS int64_t job_offload(struct job *job)
{
	struct transform *transform = job->transform;
	const struct aion_chunk *chunk = &job->chunk;
	size_t room = job->output.room;
	int64_t result;

	job->has_run = false;
	result = aion_offload(AION_OFFLOAD_FAST, job_call, job);
	transform->ids[transform->id_nr++] = chunk->worker_idx;
	transform_wake(transform);
	if (job->output.takes_chunk) {
		room = job->output.room;
		job->input = job->output.data;
		job->output = (struct aion_output){.data = chunk->data, .size = chunk->size, .room = job->input_room};
		job->input_room = room;
	}
	if (result >= 0)
		return 0;
	if (job->has_run || result != -ECANCELED)
		aion__chunk_fail(&transform->run, chunk->source_idx, chunk->off, result,
				 job->has_run ? "callback" : "read");
	return result;
}

static void turn_pass(struct transform *transform)
{
	struct job *job = job_at(transform, ++transform->turn_idx);

	if (job->is_waiting && job->idx == transform->turn_idx) {
		job->is_waiting = false;
		aion_future_complete(&job->turn, 0);
	}
}

/* 1: it is; 0: it will never be; or cancelled. */
static AION_SUSPENDS int64_t job_await_turn(struct job *job)
{
	struct transform *transform = job->transform;
	int64_t result = 0;

	if (transform->turn_idx != job->idx && job->idx < transform->cut_idx) {
		aion_future_init(&job->turn);
		job->is_waiting = true;
		result = aion_await(&job->turn);
		job->is_waiting = false;
	}
	if (result < 0)
		return result;
	AION_ASSERT(transform->turn_idx == job->idx || job->idx > transform->cut_idx);
	return job->idx < transform->cut_idx;
}

/* 1: it is written; 0: dropped. */
static AION_SUSPENDS int64_t job_write(struct job *job)
{
	struct transform *transform = job->transform;
	const struct aion__target *target = &transform->target;
	const struct aion_output *output = &job->output;
	int64_t off, result = job_await_turn(job);

	if (result <= 0)
		return result;
	off = transform->next_off;
	transform->next_off = job->end_off = off + (int64_t)output->size;
	if (target->is_regular)
		turn_pass(transform);
	result = 0;
	if (output->size && target->is_regular)
		result = aion_pwrite_all(target->fd, output->data, output->size, off, NULL);
	else if (output->size)
		result = aion_write_all(target->fd, output->data, output->size, NULL);
	if (result < 0 && result != -ECANCELED)
		aion__chunk_fail(&transform->run, job->chunk.source_idx, job->chunk.off, result, "write");
	if (result >= 0 && !target->is_regular)
		turn_pass(transform);
	return result < 0 ? result : 1;
}

/* What all jobs up to here have written is there. */
static void transform_advance(struct transform *transform)
{
	struct job *job = job_at(transform, transform->done_idx);

	for (; transform->done_idx < transform->next_idx && job->is_written;
	     job = job_at(transform, transform->done_idx)) {
		job->is_written = false;
		transform->done_idx++;
		transform->done_off = job->end_off;
		transform->resume_source_idx = job->chunk.source_idx;
		transform->resume_off = job->chunk.off + (int64_t)job->chunk.size;
	}
}

/* Nothing is read any more, and nothing behind this is written. */
static void transform_cut(struct transform *transform, uint64_t idx)
{
	struct job *job;

	if (idx < transform->cut_idx)
		transform->cut_idx = idx;
	for (job = transform->jobs; job < transform->jobs + transform->job_nr; job++) {
		if (!job->is_waiting || job->idx < transform->cut_idx)
			continue;
		job->is_waiting = false;
		aion_future_complete(&job->turn, 0);
	}
	aion_scope_cancel(&transform->reading);
}

/* Its own failure is in the run's; the group hears of a cancellation only. */
static int64_t job_task(void *arg)
{
	struct job *job = arg;
	struct transform *transform = job->transform;
	int64_t result = transform->worker_nr ? job_offload(job) : 0;

	if (result >= 0)
		result = job_write(job);
	if (result < 0) {
		transform_cut(transform, job->idx);
	} else if (result > 0) {
		job->is_written = true;
		transform_advance(transform);
	}
	transform_wake(transform);
	return result < 0 && !transform->run.failure.error ? result : 0;
}

/* ---- the run's callback */

/* Room for a copy of the chunk, and for an output of its size. */
static int64_t job_prepare(struct job *job, const struct aion_chunk *chunk)
{
	struct transform *transform = job->transform;

	job->chunk = *chunk;
	job->output.size = 0;
	job->output.takes_chunk = false;
	if (transform->fn && aion_output_reserve(&job->output, chunk->size) < 0)
		return -ENOMEM;
	if (!transform->worker_nr)
		return 0;
	if (job->input_room < chunk->size) {
		aion__free(job->input);
		job->input_room = 0;
		job->input = aion__alloc(chunk->size);
		if (!job->input)
			return -ENOMEM;
		job->input_room = chunk->size;
	}
	job->chunk.data = memcpy(job->input, chunk->data, chunk->size);
	job->chunk.worker_idx = transform->ids[--transform->id_nr];
	return 0;
}

/* On the loop's thread. The chunk is gone when the run goes on. */
static AION_SUSPENDS int64_t job_call_here(struct job *job)
{
	int64_t result = job_call(job);

	if (result < 0 || !job->output.takes_chunk)
		return result;
	return aion_output_write(&job->output, job->chunk.data, job->chunk.size);
}

/* A job that is free, and with workers one of them, too. */
static AION_SUSPENDS int64_t transform_await_job(struct transform *transform)
{
	int64_t result;

	while (transform->next_idx - transform->done_idx == transform->job_nr ||
	       (transform->worker_nr && !transform->id_nr)) {
		result = transform_wait(transform);
		if (result < 0)
			return result;
	}
	return transform->cut_idx == UINT64_MAX ? 0 : -ECANCELED;
}

static int64_t job_start(struct job *job)
{
	struct transform *transform = job->transform;

	transform->next_idx++;
	return aion_spawn_now(&transform->group, job_task, job);
}

static int64_t transform_chunk(struct aion_chunk *chunk, void *arg)
{
	struct transform *transform = arg;
	int64_t result = transform_await_job(transform);
	struct job *job = job_at(transform, transform->next_idx);

	if (result >= 0) {
		job->idx = transform->next_idx;
		result = job_prepare(job, chunk);
	}
	if (result >= 0 && !transform->worker_nr) {
		result = job_call_here(job);
		if (result < 0)
			return result; /* told by who called */
	}
	if (result >= 0)
		result = job_start(job);
	if (result < 0)
		aion__chunk_fail(&transform->run, chunk->source_idx, chunk->off, result, "read");
	return result;
}

/* What has been handed to the callback may not have been written yet. */
static int64_t transform_progress(const struct aion_chunk_progress *progress, void *arg)
{
	struct transform *transform = arg;
	struct aion_chunk_progress own = *progress;

	if (!transform->is_copying) {
		own.resume_source_idx = transform->resume_source_idx;
		own.resume_off = transform->resume_off;
	}
	if (transform->target.spec->ret_resume_off)
		*transform->target.spec->ret_resume_off =
			transform->is_copying ? transform->next_off : transform->done_off;
	return transform->options->progress(&own, transform->options->progress_arg);
}

/* ---- from beginning to end */

static AION_SUSPENDS int64_t transform_allocate(struct transform *transform)
{
	const struct aion__chunk_run *run = &transform->run;
	uint64_t size = 0;
	size_t i;

	if (!transform->target.spec->allocate)
		return 0;
	for (i = run->options.resume_source_idx; i < run->nr; i++)
		size += aion__chunk_size_of(&run->sources[i]);
	if (size > (uint64_t)run->options.resume_off)
		size -= (uint64_t)run->options.resume_off;
	return aion__target_allocate(&transform->target, size);
}

static AION_SUSPENDS int64_t transform_copy(struct transform *transform)
{
	struct aion__chunk_run *run = &transform->run;
	int64_t result;

	if (transform->fn)
		return 0;
	transform->is_copying = true;
	result = aion__transform_copy(run, &transform->target, &transform->next_off);
	transform->is_copying = false;
	transform->done_off = transform->next_off;
	transform->resume_source_idx = run->progress.resume_source_idx;
	transform->resume_off = run->progress.resume_off;
	return result;
}

/* A job without a task, for want of memory, is in the group's result. */
static AION_SUSPENDS int64_t transform_read(struct transform *transform)
{
	int64_t result, joined;

	aion_group_enter(&transform->group);
	aion_scope_enter(&transform->reading, AION_NEVER);
	result = transform_copy(transform);
	if (result >= 0)
		result = aion__chunk_read_in_order(&transform->run);
	aion_scope_leave(&transform->reading);
	joined = aion_group_leave(&transform->group, 0); /* what was read before an error is still written */
	AION_ASSERT(result < 0 || joined < 0 || transform->cut_idx < UINT64_MAX ||
		    transform->done_idx == transform->next_idx);
	if (transform->run.failure.error)
		return transform->run.failure.error;
	return joined < 0 ? joined : result;
}

static AION_SUSPENDS int64_t transform_write(struct transform *transform, const struct aion_target *spec)
{
	struct aion__chunk_run *run = &transform->run;
	int64_t result = aion__target_open(&transform->target, spec, run);

	transform->next_off = transform->done_off = transform->target.begin_off;
	if (result >= 0)
		result = transform_allocate(transform);
	if (result < 0)
		return aion__chunk_fail(run, run->nr, 0, result, "write");
	return transform_read(transform);
}

/* What has been told of the run is corrected: it goes on where writing ended. */
static AION_SUSPENDS int64_t transform_end(struct transform *transform, int64_t result)
{
	struct aion__chunk_run *run = &transform->run;
	int64_t closed;
	bool has_read;

	if (result >= 0) {
		transform->resume_source_idx = run->nr;
		transform->resume_off = 0;
	}
	run->progress.resume_source_idx = transform->resume_source_idx;
	run->progress.resume_off = transform->resume_off;
	result = aion__chunk_run_end(run, result);
	has_read = result >= 0;
	if (has_read)
		result = aion__target_commit(&transform->target, transform->next_off);
	closed = aion__target_close(&transform->target, transform->done_off);
	if (result >= 0 && closed < 0)
		result = closed;
	if (has_read && result < 0 && run->options.ret_failure)
		*run->options.ret_failure = (struct aion_chunk_failure){run->nr, 0, result, "write"};
	if (transform->target.spec->ret_resume_off)
		*transform->target.spec->ret_resume_off = transform->done_off;
	return result < 0 ? result : transform->next_off - transform->target.begin_off;
}

static struct transform *transform_create(const struct aion__chunk_run *run)
{
	unsigned i, worker_nr = (unsigned)run->options.worker_nr, job_nr = run->options.window_nr + worker_nr;
	size_t size = sizeof(struct transform) + job_nr * sizeof(struct job);
	struct transform *transform = aion__alloc_zeroed(size + worker_nr * sizeof(unsigned));

	if (!transform)
		return NULL;
	transform->run = *run;
	transform->run.fn = transform_chunk;
	transform->run.arg = transform;
	transform->run.options.worker_nr = 0; /* the run's own callback */
	transform->resume_source_idx = run->options.resume_source_idx;
	transform->resume_off = run->options.resume_off;
	if (run->options.progress) {
		transform->run.options.progress = transform_progress;
		transform->run.options.progress_arg = transform;
	}
	transform->cut_idx = UINT64_MAX;
	transform->worker_nr = worker_nr;
	transform->job_nr = job_nr;
	transform->ids = (unsigned *)(transform->jobs + job_nr);
	for (i = 0; i < job_nr; i++)
		transform->jobs[i].transform = transform;
	for (i = 0; i < worker_nr; i++)
		transform->ids[transform->id_nr++] = worker_nr - 1 - i;
	return transform;
}

/* Without memory the run ends where it would have begun, and says so as any other. */
static AION_SUSPENDS int64_t transform_none(struct aion__chunk_run *run, const struct aion_target *target)
{
	if (target->ret_resume_off)
		*target->ret_resume_off = target->resume_off;
	aion__chunk_run_begin(run);
	return aion__chunk_run_end(run, -ENOMEM);
}

static void transform_destroy(struct transform *transform)
{
	unsigned i;

	for (i = 0; i < transform->job_nr; i++) {
		aion__free(transform->jobs[i].input);
		aion__free(transform->jobs[i].output.data);
	}
	aion__free(transform);
}

int64_t aion_transform(const struct aion_source *sources, size_t nr, aion_transform_fn *fn, void *arg,
		       const struct aion_target *target, const struct aion_chunk_options *options)
{
	struct transform *transform;
	struct aion__chunk_run run;
	int64_t result = aion_checkpoint();

	if (result >= 0)
		result = aion__chunk_run_init(&run, sources, nr, NULL, NULL, options);
	if (result < 0)
		return result;
	if (run.options.unordered)
		return -EINVAL;
	if (!fn) /* there is nothing to be done by them */
		run.options.worker_nr = 0;
	transform = transform_create(&run);
	if (!transform)
		return transform_none(&run, target);
	transform->fn = fn;
	transform->arg = arg;
	transform->options = options;
	aion__chunk_run_begin(&transform->run);
	result = transform_end(transform, transform_write(transform, target));
	transform_destroy(transform);
	return result;
}
