/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "aio_cat.h"

static void print_text(const struct cat *cat, double seconds)
{
	const struct aion_loop_stats *loop = &cat->loop_stats;

	fprintf(stderr,
		"aio-cat: %" PRIu64 " bytes, %" PRIu64 " files, %.6f s, %.3f GB/s\n"
		"aio-cat: %" PRIu64 " operations, %" PRIu64 " kernel entries, %.1f operations per entry; "
		"%" PRIu64 " done without the ring\n",
		cat->writer.done_size, cat->file_nr, seconds,
		seconds > 0 ? (double)cat->writer.done_size / seconds / 1e9 : 0.0, loop->submit_nr, loop->enter_nr,
		loop->enter_nr ? (double)loop->submit_nr / (double)loop->enter_nr : 0.0, loop->inline_nr);
}

static void print_json(const struct cat *cat, double seconds)
{
	const struct aion_loop_stats *loop = &cat->loop_stats;

	fprintf(stderr,
		"{\"bytes\": %" PRIu64 ", \"files\": %" PRIu64 ", \"seconds\": %.6f, \"operations\": %" PRIu64
		", \"kernel_entries\": %" PRIu64 ", \"done_without_ring\": %" PRIu64 ", \"failed\": %s}\n",
		cat->writer.done_size, cat->file_nr, seconds, loop->submit_nr, loop->enter_nr, loop->inline_nr,
		cat->has_failed || cat->writer.error ? "true" : "false");
}

void stats_print(const struct cat *cat)
{
	double seconds = (double)(aion_now() - cat->begin_ns) / (double)AION_SECOND;

	if (cat->options.stats == STATS_JSON)
		print_json(cat, seconds);
	else if (cat->options.stats == STATS_TEXT)
		print_text(cat, seconds);
	fflush(stderr);
}
