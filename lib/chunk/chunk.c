/* SPDX-License-Identifier: MIT */
/* A run of the chunk processor: its options, its sources one after the other, what is said about it. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include <aion/scope.h>

#include "assert_int.h"
#include "chunk_int.h"

#define PROGRESS_DEFAULT_NS (100 * AION_MILLISECOND)

static void failure_keep_first(struct aion_chunk_failure *failure, const struct aion_chunk_failure *other)
{
	if (!failure->error || other->source_idx < failure->source_idx ||
	    (other->source_idx == failure->source_idx && other->off < failure->off))
		*failure = *other;
}

int64_t aion__chunk_fail(struct aion__chunk_run *run, size_t source_idx, int64_t off, int64_t error, const char *what)
{
	const struct aion_chunk_failure failure = {source_idx, off, error, what};

	AION_ASSERT(error < 0);
	failure_keep_first(&run->failure, &failure);
	return error;
}

uint64_t aion__chunk_note_bad(struct aion__chunk_run *run, size_t source_idx, const struct aion__chunk_span *span)
{
	const struct aion_chunk_failure failure = {source_idx, span->bad_off, -EIO, "read"};

	if (span->gap || span->bad_size)
		failure_keep_first(&run->bad, &failure);
	return span->gap + span->bad_size;
}

struct aion_chunk aion__chunk_make(struct aion__chunk_run *run, const struct aion__chunk_file *file, char *data,
				   size_t size, int64_t off)
{
	int64_t end_off = off + (int64_t)size;
	bool has_size = file->hint_off > 0 || file->end_off < INT64_MAX;

	AION_ASSERT(size > 0);
	return (struct aion_chunk){
		.data = data,
		.size = size,
		.off = off,
		.idx = run->next_idx++,
		.source_idx = file->source_idx,
		.source = file->source,
		.is_last = has_size && (end_off >= file->end_off || (file->is_positioned && end_off >= file->hint_off)),
	};
}

int64_t aion__chunk_tell(struct aion__chunk_run *run)
{
	const struct aion_chunk_options *options = &run->options;
	struct aion_chunk_progress *progress = &run->progress;
	uint64_t done_size = progress->size + progress->bad_size;
	int64_t now_ns = aion_now();

	progress->elapsed_ns = now_ns - run->begin_ns;
	progress->remaining_ns = -1;
	if (done_size && done_size <= progress->total_size)
		progress->remaining_ns = (int64_t)((double)progress->elapsed_ns *
						   (double)(progress->total_size - done_size) / (double)done_size);
	if (!options->progress)
		return 0;
	run->progress_due_ns = now_ns + options->progress_ns;
	return options->progress(progress, options->progress_arg);
}

static AION_SUSPENDS int64_t tell_if_due(struct aion__chunk_run *run)
{
	if (!run->options.progress || aion_now() < run->progress_due_ns)
		return 0;
	return aion__chunk_tell(run);
}

int64_t aion__chunk_seen(struct aion__chunk_run *run, const struct aion_chunk *chunk, int64_t result)
{
	if (result >= 0) {
		run->progress.size += chunk->size;
		run->progress.chunk_nr++;
		result = tell_if_due(run);
	}
	return result < 0 ? aion__chunk_fail(run, chunk->source_idx, chunk->off, result, "callback") : 0;
}

static AION_SUSPENDS int64_t read_source(struct aion__chunk_run *run, struct aion__chunk_window *window,
					 size_t source_idx)
{
	struct aion__chunk_file file;
	int64_t seen_off, result;

	run->progress.resume_source_idx = source_idx;
	run->progress.resume_off = source_idx == run->options.resume_source_idx ? run->options.resume_off : 0;
	result = aion__chunk_open(run, source_idx, &file);
	if (result < 0)
		return result;
	seen_off = file.data_off;
	if (file.is_positioned)
		result = aion__chunk_window_read(window, &file, &seen_off);
	else
		result = aion__chunk_stream_read(run, &file);
	aion__chunk_close(&file, seen_off);
	if (result >= 0)
		run->progress.source_nr++;
	return result;
}

int64_t aion__chunk_read_in_order(struct aion__chunk_run *run)
{
	struct aion__chunk_window *window;
	int64_t result = aion__chunk_window_create(run, &window);
	size_t i;

	if (result < 0)
		return result;
	for (i = run->options.resume_source_idx; i < run->nr && result >= 0; i++)
		result = read_source(run, window, i);
	aion__chunk_window_destroy(window);
	return result;
}

static int processor_nr(void)
{
	int saved = errno, nr = 1;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		nr = CPU_COUNT(&allowed);
	errno = saved;
	return nr;
}

/* The defaults in the place of zeros. */
static void options_complete(struct aion_chunk_options *options)
{
	if (!options->chunk_size)
		options->chunk_size = AION_CHUNK_SIZE_DEFAULT;
	options->chunk_size = aion__chunk_round_up(options->chunk_size);
	if (!options->window_nr)
		options->window_nr = AION_CHUNK_WINDOW_DEFAULT;
	if (options->worker_nr < 0)
		options->worker_nr = processor_nr();
	if (options->worker_nr > AION__CHUNK_WORKER_MAX)
		options->worker_nr = AION__CHUNK_WORKER_MAX;
	if (!options->record_size_max)
		options->record_size_max = AION_CHUNK_RECORD_DEFAULT;
	/* A record within a chunk is not looked at, so at least such a one is allowed everywhere. */
	if (options->record_size_max < options->chunk_size)
		options->record_size_max = options->chunk_size;
	if (!options->progress_ns)
		options->progress_ns = PROGRESS_DEFAULT_NS;
}

static bool options_are_valid(const struct aion_chunk_options *options)
{
	return options->chunk_size <= AION_CHUNK_SIZE_MAX && options->window_nr <= AION_CHUNK_WINDOW_MAX &&
	       options->worker_nr >= -1 && options->record_size_max <= AION_CHUNK_RECORD_MAX &&
	       (unsigned)options->on_error <= AION_CHUNK_SUBSTITUTE && options->resume_off >= 0 &&
	       options->progress_ns >= 0;
}

static bool source_is_valid(const struct aion_source *source)
{
	return source->size >= 0 && source->off >= (source->path ? 0 : -1);
}

int64_t aion__chunk_run_init(struct aion__chunk_run *run, const struct aion_source *sources, size_t nr,
			     aion_chunk_fn *fn, void *arg, const struct aion_chunk_options *options)
{
	size_t i;

	*run = (struct aion__chunk_run){.sources = sources, .nr = nr, .fn = fn, .arg = arg};
	if (options)
		run->options = *options;
	if (!options_are_valid(&run->options))
		return -EINVAL;
	for (i = 0; i < nr; i++)
		if (!source_is_valid(&sources[i]))
			return -EINVAL;
	options_complete(&run->options);
	return 0;
}

/* Sizes are asked for only if there is somebody to tell them to. */
void aion__chunk_run_begin(struct aion__chunk_run *run)
{
	size_t i, first = run->options.resume_source_idx;

	run->begin_ns = aion_now();
	run->progress_due_ns = run->begin_ns + run->options.progress_ns;
	run->progress.resume_source_idx = first;
	run->progress.resume_off = run->options.resume_off;
	if (!run->options.progress && !run->options.ret_final)
		return;
	for (i = first; i < run->nr; i++)
		run->progress.total_size += aion__chunk_size_of(&run->sources[i]);
	if (run->progress.total_size >= (uint64_t)run->options.resume_off)
		run->progress.total_size -= (uint64_t)run->options.resume_off;
}

int64_t aion__chunk_run_end(struct aion__chunk_run *run, int64_t result)
{
	struct aion_chunk_progress *progress = &run->progress;
	int64_t told;

	if (result >= 0) {
		progress->resume_source_idx = run->nr;
		progress->resume_off = 0;
	} else if (!run->failure.error) {
		aion__chunk_fail(run, progress->resume_source_idx, progress->resume_off, result, "read");
	}
	told = aion__chunk_tell(run);
	if (result >= 0 && told < 0)
		result = aion__chunk_fail(run, run->nr, 0, told, "callback");
	if (run->options.ret_final)
		*run->options.ret_final = *progress;
	if (run->options.ret_failure && (run->failure.error || run->bad.error))
		*run->options.ret_failure = run->failure.error ? run->failure : run->bad;
	return result < 0 ? run->failure.error : (int64_t)progress->size;
}

int64_t aion_chunk_process(const struct aion_source *sources, size_t nr, aion_chunk_fn *fn, void *arg,
			   const struct aion_chunk_options *options)
{
	struct aion__chunk_run run;
	int64_t result = aion_checkpoint();

	if (result >= 0)
		result = aion__chunk_run_init(&run, sources, nr, fn, arg, options);
	if (result < 0)
		return result;
	aion__chunk_run_begin(&run);
	if (run.options.resume_source_idx < nr)
		result = aion__chunk_is_offloaded(&run) ? aion__chunk_workers_run(&run)
							: aion__chunk_read_in_order(&run);
	return aion__chunk_run_end(&run, result);
}

int64_t aion_chunk_path(const char *path, aion_chunk_fn *fn, void *arg, const struct aion_chunk_options *options)
{
	const struct aion_source source = {.path = path};

	return aion_chunk_process(&source, 1, fn, arg, options);
}

int64_t aion_chunk_fd(int fd, aion_chunk_fn *fn, void *arg, const struct aion_chunk_options *options)
{
	const struct aion_source source = {.fd = fd, .off = -1};

	return aion_chunk_process(&source, 1, fn, arg, options);
}
