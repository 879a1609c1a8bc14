/* SPDX-License-Identifier: MIT */
/*
 * The chunk processor, over files and pipes, in all its ways, under faults and cancellations. Every byte of what is
 * wanted comes once, in its place, in order where that is promised; what is missing is what is said to be bad; a run
 * that failed has seen what is before its resume place, and goes on there.
 */
#include <fcntl.h>

#include "shared.h"
#include "store.h"
#include "stream.h"

#define SOURCE_NR_MAX 3
#define RUN_NR_MAX 6 /* of one look: each goes on where the one before failed */
#define OWN_ERROR (-EDOM)

struct part {
	unsigned nr; /* of the shared file */
	size_t begin, end;
	uint8_t *times; /* that each byte was seen; a file's whole */
};

struct look {
	struct actor *self;
	struct part parts[SOURCE_NR_MAX];
	struct aion_source sources[SOURCE_NR_MAX];
	char paths[SOURCE_NR_MAX][SHARED_PATH_SIZE];
	size_t source_nr;
	struct aion_chunk_options options;
	struct aion_chunk_progress final;
	bool is_ordered;    /* each chunk behind the one before */
	bool is_on_workers; /* the callback */
	bool has_own_error; /* a callback has failed */
	unsigned pause_percent, fail_percent;
	size_t last_idx; /* of the source of the last chunk */
	int64_t next_off;
	uint64_t seen_size; /* by the run */
	uint64_t zero_nr;   /* bytes seen as zeros that are none */
};

/* ---- the callbacks */

static char byte_at(const struct part *part, int64_t off)
{
	char byte;

	content_fill(&byte, 1, shared_id(part->nr), (uint64_t)off);
	return byte;
}

/* What is given up is seen as zeros if that is wished. */
static void check_bytes(struct look *look, const struct part *part, const struct aion_chunk *chunk)
{
	size_t same = 0, nr;

	while (same < chunk->size) {
		nr = content_differs(chunk->data + same, chunk->size - same, shared_id(part->nr),
				     (uint64_t)chunk->off + same);
		same += nr;
		if (same == chunk->size)
			return;
		if (look->options.on_error != AION_CHUNK_SUBSTITUTE || chunk->data[same])
			run_fail(look->self->run, "a chunk of %zu at %lld has not what the file holds at %zu",
				 chunk->size, (long long)chunk->off, same);
		__atomic_fetch_add(&look->zero_nr, 1, __ATOMIC_RELAXED);
		same++;
	}
}

static void check_order(struct look *look, const struct aion_chunk *chunk)
{
	bool is_first = chunk->source_idx != look->last_idx;

	if (chunk->source_idx < look->last_idx || (!is_first && chunk->off < look->next_off))
		run_fail(look->self->run, "a chunk at %lld of source %zu comes after those before %lld of source %zu",
			 (long long)chunk->off, chunk->source_idx, (long long)look->next_off, look->last_idx);
	if (!is_first && chunk->off != look->next_off && look->options.on_error != AION_CHUNK_SKIP)
		run_fail(look->self->run, "between %lld and %lld nothing was seen", (long long)look->next_off,
			 (long long)chunk->off);
	look->last_idx = chunk->source_idx;
	look->next_off = chunk->off + (int64_t)chunk->size;
}

/* Before skipped bytes and behind them, records are cut. */
static void check_records(struct look *look, const struct part *part, const struct aion_chunk *chunk)
{
	int64_t end = chunk->off + (int64_t)chunk->size;

	if (look->options.on_error != AION_CHUNK_STOP)
		return;
	if (end != (int64_t)part->end && byte_at(part, end - 1) != look->options.delimiter)
		run_fail(look->self->run, "a chunk ends at %lld, which is no record's end", (long long)end);
	if (chunk->off != (int64_t)part->begin && byte_at(part, chunk->off - 1) != look->options.delimiter)
		run_fail(look->self->run, "a chunk begins at %lld, which is no record's beginning",
			 (long long)chunk->off);
}

static int64_t look_see(struct aion_chunk *chunk, void *arg)
{
	struct look *look = arg;
	struct actor *self = look->self;
	const struct part *part = &look->parts[chunk->source_idx];

	if (chunk->source_idx >= look->source_nr || !chunk->size || chunk->off < (int64_t)part->begin ||
	    chunk->off + (int64_t)chunk->size > (int64_t)part->end)
		run_fail(self->run, "a chunk of %zu at %lld of source %zu, which is [%zu, %zu)", chunk->size,
			 (long long)chunk->off, chunk->source_idx, part->begin, part->end);
	check_bytes(look, part, chunk);
	if (look->is_ordered)
		check_order(look, chunk);
	if (look->options.records)
		check_records(look, part, chunk);
	for (int64_t i = chunk->off; i < chunk->off + (int64_t)chunk->size; i++)
		part->times[i]++;
	memset(chunk->data, 0xee, chunk->size); /* it may */
	__atomic_fetch_add(&look->seen_size, chunk->size, __ATOMIC_RELAXED);
	if (look->is_on_workers)
		return 0;
	if (draw_percent(&self->draw, look->fail_percent)) {
		look->has_own_error = true;
		for (int64_t i = chunk->off; i < chunk->off + (int64_t)chunk->size; i++)
			part->times[i]--; /* it has not been seen */
		look->next_off = chunk->off;
		return OWN_ERROR;
	}
	if (draw_percent(&self->draw, look->pause_percent))
		actor_pause(self);
	return 0;
}

static int64_t look_progress(const struct aion_chunk_progress *progress, void *arg)
{
	struct look *look = arg;
	int64_t begin_off = (int64_t)look->parts[look->last_idx].begin;
	int64_t off = progress->resume_off > begin_off ? progress->resume_off : begin_off;

	if (progress->size > __atomic_load_n(&look->seen_size, __ATOMIC_RELAXED))
		run_fail(look->self->run, "the progress is %llu bytes, and %llu have been seen",
			 (unsigned long long)progress->size, (unsigned long long)look->seen_size);
	/* In order, nothing behind the resume place has been seen: it and the caller's state are a checkpoint. */
	if (look->is_ordered && progress->resume_source_idx == look->last_idx && off != look->next_off &&
	    look->seen_size && look->options.on_error == AION_CHUNK_STOP)
		run_fail(look->self->run,
			 "the resume place is %lld of source %zu, and bytes before %lld have been seen", (long long)off,
			 look->last_idx, (long long)look->next_off);
	if (!draw_percent(&look->self->draw, look->fail_percent))
		return 0;
	look->has_own_error = true;
	return OWN_ERROR;
}

/* ---- what there is to be seen */

static bool look_add_source(struct actor *self, struct look *look, bool by_path)
{
	struct aion_source *source = &look->sources[look->source_nr];
	struct part *part = &look->parts[look->source_nr];
	size_t size;
	int64_t fd;

	part->nr = (unsigned)draw_below(&self->draw, SHARED_NR);
	size = shared_size(part->nr);
	shared_path(self->run, part->nr, look->paths[look->source_nr]);
	source->path = look->paths[look->source_nr];
	if (!by_path) {
		fd = store_open(self, source->path, O_RDONLY | O_CLOEXEC, 0);
		if (fd < 0)
			return false;
		source->path = NULL;
		source->fd = (int)fd;
	}
	if (draw_percent(&self->draw, 40))
		source->off = (int64_t)draw_below(&self->draw, size + 100);
	if (draw_percent(&self->draw, 40))
		source->size = (int64_t)draw_magnitude(&self->draw, 1, size + 1);
	part->begin = (size_t)source->off;
	part->end = source->size ? part->begin + (size_t)source->size : size;
	if (part->end > size)
		part->end = size;
	if (part->begin > part->end)
		part->end = part->begin;
	part->times = calloc(1, part->end + 1);
	look->source_nr++;
	return true;
}

static void look_draw_options(struct actor *self, struct look *look)
{
	struct draw *draw = &self->draw;

	look->options = (struct aion_chunk_options){
		.chunk_size = draw_between(draw, 1, 5) * 4096,
		.window_nr = (unsigned)draw_between(draw, 1, 6),
		.worker_nr = draw_percent(draw, 30) ? (int)draw_between(draw, 1, 3) : 0,
		.unordered = draw_percent(draw, 30),
		.records = draw_percent(draw, 40),
		.delimiter = '\n',
		.dontcache = draw_percent(draw, 20),
		.on_error = (enum aion_chunk_on_error)draw_below(draw, 3),
		.retry_nr = (unsigned)draw_below(draw, 3),
		.progress = draw_percent(draw, 40) ? look_progress : NULL,
		.progress_arg = look,
		.progress_ns = 1,
		.ret_final = &look->final,
	};
	look->is_on_workers = look->options.worker_nr != 0;
	look->is_ordered = !look->is_on_workers && (!look->options.unordered || look->options.records);
	look->pause_percent = draw_percent(draw, 50) ? 0 : (unsigned)draw_below(draw, 40);
	look->fail_percent = draw_percent(draw, 60) ? 0 : (unsigned)draw_below(draw, 10);
}

/* ---- what has been seen */

static void check_part(const struct look *look, const struct part *part, size_t end, bool is_all, uint64_t *missing)
{
	bool is_once = look->is_ordered || is_all;

	for (size_t i = part->begin; i < end; i++) {
		*missing += !part->times[i];
		if (part->times[i] > 1 && is_once)
			run_fail(look->self->run, "byte %zu of shared file %u was seen %u times", i, part->nr,
				 part->times[i]);
	}
}

/* Of a run that may have been gone on with. */
static void look_check(const struct look *look, int64_t result, unsigned run_nr)
{
	const struct aion_chunk_progress *final = &look->final;
	uint64_t missing = 0;

	for (size_t i = 0; i < look->source_nr && i <= final->resume_source_idx; i++) {
		const struct part *part = &look->parts[i];
		size_t end = part->end;

		if (i == final->resume_source_idx && (size_t) final->resume_off < end)
			end = (size_t) final->resume_off > part->begin ? (size_t) final->resume_off : part->begin;
		check_part(look, part, end, run_nr == 0, &missing);
		for (size_t k = end; look->is_ordered && k < part->end; k++)
			if (part->times[k])
				run_fail(look->self->run, "byte %zu was seen, behind the resume place", k);
	}
	if (result >= 0 && (final->resume_source_idx != look->source_nr || result != (int64_t)look->seen_size ||
			    final->size != look->seen_size))
		run_fail(look->self->run, "%lld bytes, %llu in the end, and %llu were seen", (long long)result,
			 (unsigned long long) final->size, (unsigned long long)look->seen_size);
	if (look->zero_nr > final->bad_size)
		run_fail(look->self->run, "%llu zeros in the place of %llu bytes", (unsigned long long)look->zero_nr,
			 (unsigned long long) final->bad_size);
	if (look->options.on_error != AION_CHUNK_SKIP ? missing != 0
	    : result >= 0                             ? missing != final->bad_size
						      : missing > final->bad_size)
		run_fail(look->self->run, "%llu bytes were not seen, %llu are said to be bad (%lld)",
			 (unsigned long long)missing, (unsigned long long) final->bad_size, (long long)result);
}

static int64_t look_run(struct actor *self, struct look *look)
{
	unsigned flags = MAY_FILE | MAY_FD | PERHAPS_REFUSED;
	int64_t result;

	look->final = (struct aion_chunk_progress){.resume_source_idx = look->options.resume_source_idx,
						   .resume_off = look->options.resume_off};
	look->seen_size = look->zero_nr = 0;
	look->has_own_error = false;
	look->last_idx = 0;
	look->next_off = look->options.resume_source_idx ? 0 : look->options.resume_off;
	if (look->next_off < (int64_t)look->parts[0].begin)
		look->next_off = (int64_t)look->parts[0].begin;
	result = aion_chunk_process(look->sources, look->source_nr, look_see, look, &look->options);
	if (look->has_own_error && result == OWN_ERROR)
		flags |= MAY_ANY;
	told(self, "chunk_process", result, INT64_MAX, flags);
	return result;
}

/* Runs, until one comes to its end or there have been enough. Skipped and substituted bytes are counted by the run. */
static int64_t look_runs(struct actor *self, struct look *look)
{
	unsigned run_max = look->options.on_error == AION_CHUNK_STOP ? RUN_NR_MAX : 1;
	int64_t result = -1;

	for (unsigned i = 0; i < run_max && result < 0; i++) {
		struct aion_scope scope;
		struct shade shade;

		shade_enter(self, &shade, &scope, draw_percent(&self->draw, 30) ? draw_deadline(self) : AION_NEVER,
			    draw_percent(&self->draw, 10));
		result = look_run(self, look);
		shade_leave(self, &shade);
		look_check(look, result, i);
		look->options.resume_source_idx = look->final.resume_source_idx;
		look->options.resume_off = look->final.resume_off;
		if (result == -ECANCELED && aion_cancelled())
			return result;
	}
	return result == -ECANCELED || result == OWN_ERROR ? 0 : result;
}

static int64_t chunk_files(struct actor *self)
{
	struct look *look = calloc(1, sizeof(*look));
	bool by_path, is_whole = true;
	int64_t result = 0;
	unsigned nr;

	look->self = self;
	look_draw_options(self, look);
	/* Workers open paths by themselves, which a machine cannot see. */
	by_path = (!look->is_on_workers || !self->run->sim) && draw_percent(&self->draw, 70);
	/* A descriptor would be opened anew, by a name that a machine has not. The real disk need not have it. */
	look->options.direct = by_path && self->run->sim && draw_percent(&self->draw, 25);
	for (nr = (unsigned)draw_between(&self->draw, 1, SOURCE_NR_MAX); nr && is_whole; nr--)
		is_whole = look_add_source(self, look, by_path);
	if (is_whole)
		result = look_runs(self, look);
	for (size_t i = 0; i < look->source_nr; i++) {
		if (!by_path)
			wire_close(self, look->sources[i].fd);
		free(look->parts[i].times);
	}
	free(look);
	return result;
}

/* ---- pipes */

struct pour {
	struct actor *self;
	struct wire *wire;
	uint64_t sum;
	bool is_on_workers;
};

static int64_t pour_see(struct aion_chunk *chunk, void *arg)
{
	struct pour *pour = arg;
	uint64_t before;

	if (content_differs(chunk->data, chunk->size, pour->wire->id, (uint64_t)chunk->off) != chunk->size)
		run_fail(pour->self->run, "a chunk of a pipe at %lld has not what was written", (long long)chunk->off);
	before = __atomic_fetch_add(&pour->sum, chunk->size, __ATOMIC_RELAXED);
	if (pour->is_on_workers)
		return 0;
	if (before != (uint64_t)chunk->off)
		run_fail(pour->self->run, "a chunk of a pipe at %lld comes after %llu bytes", (long long)chunk->off,
			 (unsigned long long)before);
	return draw_percent(&pour->self->draw, 20) ? actor_pause(pour->self) : 0;
}

static int64_t chunk_pipe(struct actor *self)
{
	const struct aion_chunk_options options = {
		.chunk_size = draw_between(&self->draw, 1, 3) * 4096,
		.worker_nr = draw_percent(&self->draw, 50) ? 0 : (int)draw_between(&self->draw, 1, 3),
		.records = draw_percent(&self->draw, 50),
		.delimiter = '\n',
	};
	struct wire wire;
	struct pour pour = {.self = self, .wire = &wire, .is_on_workers = options.worker_nr != 0};
	struct stream_end out = {&wire, -1, true};
	struct aion_source source = {0};
	struct party party;
	int64_t result;
	int fds[2];

	if (wire_open(self, &wire, fds, 0) < 0)
		return 0;
	source.fd = fds[0];
	out.fd = fds[1];
	party_enter(self, &party);
	stream_spawn(self, &party, stream_writer, &out);
	result = aion_chunk_process(&source, 1, pour_see, &pour, &options);
	told(self, "chunk_process", result, INT64_MAX, wire_read_flags(&wire) | PERHAPS_REFUSED);
	wire.got = pour.sum;
	if (result >= 0 && result != (int64_t)pour.sum)
		run_fail(self->run, "%lld bytes of a pipe, and %llu were seen", (long long)result,
			 (unsigned long long)pour.sum);
	if (result >= 0)
		wire_note_got(&wire, NULL, 0);
	wire.reader_left_early = result < 0;
	wire.reader_has_left = true;
	wire_close(self, fds[0]);
	result = party_leave(self, &party, result == -ECANCELED ? result : 0);
	wire_settle(&wire);
	return result;
}

int64_t act_chunk(struct actor *self)
{
	return draw_percent(&self->draw, 75) ? chunk_files(self) : chunk_pipe(self);
}
