/* SPDX-License-Identifier: MIT */
/*
 * The chunk processor with records, on files drawn from an input, in all its modes: no byte is lost, doubled or out of
 * place, no record is cut, and one that is too long is refused. The first bytes of an input say how; each further pair
 * of bytes is a run of equal ones in the file.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <aion.h>

#define FILE_SIZE_MAX ((size_t)192 << 10)
#define RUN_SIZE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	char *file; /* what it holds */
	char *seen;
	size_t size;
	int fd;
	struct aion_source source;
	struct aion_chunk_options options;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Where the range ends. */
static size_t range_end(const struct run *run)
{
	size_t off = (size_t)run->source.off;

	return run->source.size && off + (size_t)run->source.size < run->size ? off + (size_t)run->source.size
									      : run->size;
}

static int64_t see(struct aion_chunk *chunk, void *arg)
{
	struct run *run = arg;
	size_t off = (size_t)chunk->off, end = off + chunk->size;

	must(chunk->size > 0 && end <= range_end(run) && off >= (size_t)run->source.off);
	must(memcmp(chunk->data, run->file + off, chunk->size) == 0);
	for (size_t i = off; i < end; i++)
		must(!run->seen[i]);
	memset(run->seen + off, 1, chunk->size);
	if (run->options.records)
		must(end == range_end(run) || run->file[end - 1] == run->options.delimiter);
	return 0;
}

static size_t longest_record(const struct run *run)
{
	size_t longest = 0, begin = (size_t)run->source.off;

	for (size_t i = begin; i < range_end(run); i++) {
		size_t size = i + 1 - begin;

		longest = size > longest ? size : longest;
		if (run->file[i] == run->options.delimiter)
			begin = i + 1;
	}
	return longest;
}

static int64_t process(void *arg)
{
	struct run *run = arg;
	size_t off = (size_t)run->source.off, wanted = range_end(run) > off ? range_end(run) - off : 0;
	size_t limit = run->options.record_size_max;
	int64_t result = aion_chunk_process(&run->source, 1, see, run, &run->options);

	if (limit < run->options.chunk_size)
		limit = run->options.chunk_size;
	if (run->options.records && longest_record(run) > limit) {
		must(result == -EMSGSIZE);
		return 0;
	}
	must(result == (int64_t)wanted);
	for (size_t i = off; i < off + wanted; i++)
		must(run->seen[i]);
	return 0;
}

static void file_fill(struct run *run, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 1 < size && run->size < FILE_SIZE_MAX; i += 2) {
		size_t nr = 1 + (size_t)data[i + 1] * data[i + 1] / 16;

		memset(run->file + run->size, data[i] & 1 ? '\n' : data[i], nr);
		run->size += nr;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.fd = -1};

	if (size < 6)
		return 0;
	run.file = calloc(1, FILE_SIZE_MAX + RUN_SIZE_MAX);
	run.seen = calloc(1, FILE_SIZE_MAX + RUN_SIZE_MAX);
	file_fill(&run, data + 6, size - 6);
	run.fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(run.fd >= 0 && pwrite(run.fd, run.file, run.size, 0) == (ssize_t)run.size);
	run.source = (struct aion_source){.fd = run.fd, .off = data[0] * 64, .size = data[1] * 512};
	run.options = (struct aion_chunk_options){
		.chunk_size = (size_t)(1 + data[2] % 8) << 12,
		.window_nr = 1 + data[3] % 5,
		.worker_nr = data[4] % 4 == 3 ? 2 : 0,
		.unordered = data[4] & 16,
		.records = !(data[4] & 32),
		.delimiter = '\n',
		.record_size_max = (size_t)(1 + data[5]) << 8,
	};
	must(aion_run(process, &run, NULL) == 0);
	close(run.fd);
	free(run.seen);
	free(run.file);
	return 0;
}
