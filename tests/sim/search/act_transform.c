/* SPDX-License-Identifier: MIT */
/*
 * Transforms of files into a file, and lines, under faults and cancellations. The output is what the callback makes of
 * the input, in its order; after an error it is so up to where it says, and a later run goes on there. Every line comes
 * once, whatever fails in between.
 */
#include <fcntl.h>

#include "effort.h"
#include "shared.h"
#include "store.h"
#include "stream.h"

#define SOURCE_NR_MAX 2
#define RUN_NR_MAX 8
#define PAUSE_NS_MAX 300000
#define OWN_ERROR (-EDOM)

/* ---- transforms */

enum made {
	MADE_COPY,    /* without a callback */
	MADE_FLIPPED, /* in place */
	MADE_CHOSEN,  /* some bytes twice, some not at all */
	MADE_NR,
};

struct make {
	struct actor *self;
	enum made made;
	struct aion_source sources[SOURCE_NR_MAX];
	char paths[SOURCE_NR_MAX][SHARED_PATH_SIZE];
	size_t source_nr;
	char *expected;
	size_t size;
	char path[STORE_PATH_SIZE];
	struct aion_target target;
	struct aion_chunk_options options;
	struct aion_chunk_progress final;
	int64_t resume_off; /* as the transform says */
	bool has_own_error;
	unsigned pause_percent, fail_percent;
	struct draw draw; /* of callbacks: they run in scopes that the model does not know */
};

static size_t choose_byte(char byte, char out[2])
{
	out[0] = out[1] = (char)(byte + 1);
	return (unsigned char)byte % 3;
}

static int64_t make_some(const struct aion_chunk *chunk, struct aion_output *output, void *arg)
{
	struct make *make = arg;
	int64_t result = 0;
	char out[2];

	for (size_t i = 0; i < chunk->size; i++) {
		if (make->made == MADE_FLIPPED)
			chunk->data[i] = (char)~chunk->data[i];
		else if (aion_output_write(output, out, choose_byte(chunk->data[i], out)) < 0)
			return -ENOMEM;
	}
	if (make->made == MADE_FLIPPED)
		aion_output_take_chunk(output);
	if (make->options.worker_nr)
		return 0;
	if (draw_percent(&make->draw, make->pause_percent))
		result = draw_percent(&make->draw, 50)
				 ? aion_yield()
				 : aion_sleep((int64_t)draw_magnitude(&make->draw, 100, PAUSE_NS_MAX));
	if (result < 0 || !draw_percent(&make->draw, make->fail_percent))
		return result;
	make->has_own_error = true;
	return OWN_ERROR;
}

static int64_t make_progress(const struct aion_chunk_progress *progress, void *arg)
{
	struct make *make = arg;

	if (progress->resume_source_idx > make->source_nr || make->resume_off < 0 ||
	    make->resume_off > (int64_t)make->size)
		run_fail(make->self->run, "the target is to be gone on with at %lld, and all is %zu",
			 (long long)make->resume_off, make->size);
	return 0;
}

/* What will have been written in the end. */
static void make_expect(struct make *make, unsigned nr, size_t begin, size_t end)
{
	char *content = malloc(end - begin + 1), out[2];

	content_fill(content, end - begin, shared_id(nr), begin);
	for (size_t i = 0; i < end - begin; i++) {
		size_t out_nr = make->made == MADE_CHOSEN ? choose_byte(content[i], out) : 1;

		if (make->made != MADE_CHOSEN)
			out[0] = make->made == MADE_COPY ? content[i] : (char)~content[i];
		memcpy(make->expected + make->size, out, out_nr);
		make->size += out_nr;
	}
	free(content);
}

static void make_add_source(struct actor *self, struct make *make)
{
	struct aion_source *source = &make->sources[make->source_nr];
	unsigned nr = (unsigned)draw_below(&self->draw, SHARED_NR);
	size_t begin, end = shared_size(nr);

	shared_path(self->run, nr, make->paths[make->source_nr]);
	source->path = make->paths[make->source_nr];
	if (draw_percent(&self->draw, 30))
		source->off = (int64_t)draw_below(&self->draw, end + 100);
	if (draw_percent(&self->draw, 30))
		source->size = (int64_t)draw_magnitude(&self->draw, 1, end + 1);
	begin = (size_t)source->off < end ? (size_t)source->off : end;
	if (source->size && begin + (size_t)source->size < end)
		end = begin + (size_t)source->size;
	make_expect(make, nr, begin, end);
	make->source_nr++;
}

static void make_draw(struct actor *self, struct make *make)
{
	struct draw *draw = &self->draw;

	make->self = self;
	make->made = (enum made)draw_below(draw, MADE_NR);
	make->expected = malloc(2 * SOURCE_NR_MAX * SHARED_SIZE_ALL);
	for (unsigned nr = (unsigned)draw_between(draw, 1, SOURCE_NR_MAX); nr; nr--)
		make_add_source(self, make);
	store_path(self, make->path);
	make->target = (struct aion_target){
		.path = make->path,
		.mode = 0600,
		.allocate = draw_percent(draw, 20),
		.sync = draw_percent(draw, 20),
		.ret_resume_off = &make->resume_off,
	};
	make->options = (struct aion_chunk_options){
		.chunk_size = draw_between(draw, 1, 5) * 4096,
		.window_nr = (unsigned)draw_between(draw, 1, 6),
		.worker_nr = draw_percent(draw, 30) ? (int)draw_between(draw, 1, 3) : 0,
		.records = draw_percent(draw, 30),
		.delimiter = '\n',
		.direct = self->run->sim && draw_percent(draw, 10),
		.progress = draw_percent(draw, 40) ? make_progress : NULL,
		.progress_arg = make,
		.progress_ns = 1,
		.ret_final = &make->final,
	};
	make->pause_percent = draw_percent(draw, 50) ? 0 : (unsigned)draw_below(draw, 40);
	make->fail_percent = draw_percent(draw, 60) ? 0 : (unsigned)draw_below(draw, 10);
	make->draw.state = draw_next(draw);
}

/* Up to where it says. What lies behind that could not always be cut off. */
static void make_check(const struct make *make, int64_t result)
{
	struct run *run = make->self->run;
	size_t size = 0, whole = result >= 0 ? make->size : (size_t)make->resume_off;
	const void *data = "";

	if (!run->sim)
		return;
	if (aion_sim_file_read(run->sim, make->path, &data, &size) != 0 && result >= 0)
		run_fail(run, "a transform has succeeded, and there is no file");
	if (size < whole || (result >= 0 && size != whole))
		run_fail(run, "a transform's output has %zu bytes and should have %zu (%lld)", size, whole,
			 (long long)result);
	for (size_t i = 0; i < whole; i++)
		if (((const char *)data)[i] != make->expected[i])
			run_fail(run, "byte %zu of a transform's output is %02x and should be %02x", i,
				 ((const unsigned char *)data)[i], (unsigned char)make->expected[i]);
}

static int64_t make_run(struct actor *self, struct make *make)
{
	unsigned flags = MAY_FILE | MAY_FD | MAY_SPACE | PERHAPS_REFUSED;
	int64_t result;

	make->resume_off = make->target.resume_off;
	make->final.resume_source_idx = make->options.resume_source_idx;
	make->final.resume_off = make->options.resume_off;
	make->has_own_error = false;
	result = aion_transform(make->sources, make->source_nr, make->made == MADE_COPY ? NULL : make_some, make,
				&make->target, &make->options);
	if (make->has_own_error && result == OWN_ERROR)
		flags |= MAY_ANY;
	told(self, "transform", result, INT64_MAX, flags);
	if (result >= 0 && result != (int64_t)make->size - make->target.resume_off)
		run_fail(self->run, "a transform has written %lld bytes behind %lld of %zu", (long long)result,
			 (long long)make->target.resume_off, make->size);
	return result;
}

int64_t act_transform(struct actor *self)
{
	struct make *make = calloc(1, sizeof(*make));
	int64_t result = -1;

	make_draw(self, make);
	for (unsigned i = 0; i < RUN_NR_MAX && result < 0; i++) {
		struct aion_scope scope;
		struct shade shade;

		shade_enter(self, &shade, &scope, draw_percent(&self->draw, 30) ? draw_deadline(self) : AION_NEVER,
			    draw_percent(&self->draw, 10));
		result = make_run(self, make);
		shade_leave(self, &shade);
		make_check(make, result);
		make->target.resume_off = make->resume_off;
		make->options.resume_source_idx = make->final.resume_source_idx;
		make->options.resume_off = make->final.resume_off;
		if (result == -ECANCELED && aion_cancelled())
			break;
	}
	store_remove(self, make->path);
	free(make->expected);
	free(make);
	return result == OWN_ERROR || (result == -ECANCELED && !aion_cancelled()) ? 0 : result;
}

/* ---- lines */

struct reading {
	struct aion_lines lines;
	struct wire *wire; /* NULL: a file */
	unsigned nr;
	size_t off; /* of the next line */
	size_t size_max;
	char delimiter;
	bool has_ended;
};

/* The line of a file that is to come: its bytes without the delimiter, from its beginning. */
static size_t line_size(const struct reading *reading, const char *content, size_t size)
{
	const char *end = memchr(content, reading->delimiter, size);

	return end ? (size_t)(end - content) : size;
}

static void file_line(struct actor *self, struct reading *reading, int64_t result, const struct aion_line *line)
{
	size_t left = shared_size(reading->nr) - reading->off, size;
	char *content = malloc(left + 1);
	bool is_delimited;

	content_fill(content, left, shared_id(reading->nr), reading->off);
	size = line_size(reading, content, left);
	is_delimited = size < left;
	if ((result == 0) != (left == 0))
		run_fail(self->run, "lines say %lld at %zu, before %zu bytes", (long long)result, reading->off, left);
	if (result != 0 && (result == -EMSGSIZE) != (size > reading->size_max))
		run_fail(self->run, "a line of %zu bytes, of which %zu are allowed: %lld", size, reading->size_max,
			 (long long)result);
	if (result > 0 &&
	    (line->size != size || line->is_delimited != is_delimited || line->off != (int64_t)reading->off ||
	     memcmp(line->data, content, size) != 0 || line->data[size] != (is_delimited ? reading->delimiter : 0)))
		run_fail(self->run, "the line at %zu is not the one of %zu bytes that the file has there", reading->off,
			 size);
	reading->off += size + is_delimited;
	free(content);
}

static int64_t lines_next(struct actor *self, struct reading *reading)
{
	struct aion_line line;
	int64_t result = aion_lines_next(&reading->lines, &line);

	told(self, "lines_next", result, 1,
	     result == -EMSGSIZE ? MAY_ANY | PERHAPS_REFUSED : MAY_FILE | PERHAPS_REFUSED);
	if (result == 0)
		reading->has_ended = true;
	if (reading->wire && result > 0)
		wire_note_got(reading->wire, line.data, (int64_t)(line.size + line.is_delimited));
	else if (reading->wire && result == 0)
		wire_note_got(reading->wire, NULL, 0);
	else if (!reading->wire && (result >= 0 || result == -EMSGSIZE))
		file_line(self, reading, result, &line);
	return result == -EMSGSIZE ? 1 : result;
}

static int64_t lines_all(struct actor *self, struct reading *reading)
{
	unsigned nr = (unsigned)draw_magnitude(&self->draw, 1, 200);
	int64_t result = 0;

	while (nr-- && !reading->has_ended) {
		if (draw_percent(&self->draw, 15)) {
			struct aion_scope scope;
			struct shade shade;

			shade_enter(self, &shade, &scope, run_now(self->run) + draw_short_delay(self),
				    draw_percent(&self->draw, 20));
			result = lines_next(self, reading);
			shade_leave(self, &shade);
			if (result == -ECANCELED && !aion_cancelled())
				result = 0;
		} else {
			result = lines_next(self, reading);
		}
		if (!actor_goes_on(self, result))
			break;
	}
	return result;
}

static struct aion_lines_options lines_draw_options(struct actor *self, struct reading *reading)
{
	struct draw *draw = &self->draw;
	struct aion_lines_options options = {
		.buf_size = draw_magnitude(draw, 100, 20000),
		.zero_delimiter = draw_percent(draw, 30),
	};

	/* A pipe's lines are not known beforehand. */
	if (!reading->wire && draw_percent(draw, 40))
		options.line_size_max = draw_magnitude(draw, 1, 1000);
	reading->size_max = options.line_size_max ? options.line_size_max : SIZE_MAX;
	reading->delimiter = options.zero_delimiter ? 0 : '\n';
	return options;
}

static int64_t lines_file(struct actor *self)
{
	struct reading reading = {.nr = (unsigned)draw_below(&self->draw, SHARED_NR)};
	struct aion_lines_options options = lines_draw_options(self, &reading);
	char path[SHARED_PATH_SIZE];
	int64_t result, fd = -1;

	shared_path(self->run, reading.nr, path);
	if (draw_percent(&self->draw, 60)) {
		result = told(self, "lines_open_path", aion_lines_open_path(&reading.lines, path, &options), 0,
			      MAY_MEMORY | MAY_INTR | MAY_FD);
	} else {
		fd = result = store_open(self, path, O_RDONLY | O_CLOEXEC, 0);
		if (fd >= 0)
			result = told(self, "lines_open", aion_lines_open(&reading.lines, (int)fd, &options), 0,
				      NOT_REFUSED);
	}
	if (result >= 0)
		result = lines_all(self, &reading);
	aion_lines_close(&reading.lines);
	if (fd >= 0)
		wire_close(self, (int)fd);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

static int64_t lines_pipe(struct actor *self)
{
	struct wire wire;
	struct reading reading = {.wire = &wire};
	struct aion_lines_options options = lines_draw_options(self, &reading);
	struct stream_end out = {&wire, -1, true};
	struct party party;
	int64_t result;
	int fds[2];

	if (wire_open(self, &wire, fds, 0) < 0)
		return 0;
	out.fd = fds[1];
	party_enter(self, &party);
	stream_spawn(self, &party, stream_writer, &out);
	result = told(self, "lines_open", aion_lines_open(&reading.lines, fds[0], &options), 0, NOT_REFUSED);
	if (result >= 0)
		result = lines_all(self, &reading);
	wire.reader_left_early = !wire.saw_end;
	wire.reader_has_left = true;
	aion_lines_close(&reading.lines);
	wire_close(self, fds[0]);
	result = party_leave(self, &party, result == -ECANCELED ? result : 0);
	wire_settle(&wire);
	return result;
}

int64_t act_lines(struct actor *self)
{
	return draw_percent(&self->draw, 60) ? lines_file(self) : lines_pipe(self);
}
