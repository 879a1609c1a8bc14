/* SPDX-License-Identifier: MIT */
/* --progress: one line on the terminal, written over again and again, and taken away at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aio_cat.h"

#define PERIOD_NS (250 * AION_MILLISECOND)
#define BAR_WIDTH 20

struct amount {
	double number;
	const char *unit;
};

static struct amount amount_of(double size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t i = 0;

	for (; size >= 1024 && i < sizeof(units) / sizeof(units[0]) - 1; i++)
		size /= 1024;
	return (struct amount){size, units[i]};
}

/* What all operands are together; 0 if that is not known. */
static uint64_t total_size(const struct options *options)
{
	uint64_t total = 0;
	struct stat info;

	for (size_t i = 0; i < options->name_nr; i++) {
		bool is_stdin = strcmp(options->names[i], "-") == 0;
		int64_t size;

		if ((is_stdin ? fstat(STDIN_FILENO, &info) : stat(options->names[i], &info)) < 0)
			continue;
		if (!S_ISREG(info.st_mode))
			return 0;
		size = info.st_size - (options->has_range ? options->range_off : 0);
		if (options->has_range && size > options->range_size)
			size = options->range_size;
		total += size > 0 ? (uint64_t)size : 0;
	}
	return total;
}

static void progress_show(const struct cat *cat, uint64_t total)
{
	double seconds = (double)(aion_now() - cat->begin_ns) / (double)AION_SECOND;
	double done = (double)cat->writer.taken_size, rate = seconds > 0 ? done / seconds : 0;
	struct amount is = amount_of(done), a_second = amount_of(rate), in_all = amount_of((double)total);
	double part = total ? done / (double)total : 0;
	char bar[BAR_WIDTH + 1] = {0};

	fprintf(stderr, "\r%.1f %s", is.number, is.unit);
	if (total) {
		memset(bar, ' ', BAR_WIDTH);
		memset(bar, '#', (size_t)((part < 1 ? part : 1) * BAR_WIDTH));
		fprintf(stderr, " of %.1f %s [%s] %3.0f %%", in_all.number, in_all.unit, bar, 100 * part);
	}
	fprintf(stderr, ", %.1f %s/s", a_second.number, a_second.unit);
	if (total && rate > 0 && done < (double)total) {
		int64_t left = (int64_t)(((double)total - done) / rate);

		fprintf(stderr, ", %" PRId64 ":%02d left", left / 60, (int)(left % 60));
	}
	fputs("\033[K", stderr);
	fflush(stderr);
}

int64_t progress_run(void *arg)
{
	const struct cat *cat = arg;
	uint64_t total = total_size(&cat->options);

	while (aion_sleep(PERIOD_NS) == 0)
		progress_show(cat, total);
	fputs("\r\033[K", stderr);
	fflush(stderr);
	return 0;
}
