/* SPDX-License-Identifier: MIT */
/* What a run has shown. */
#include <inttypes.h>
#include <stdio.h>

#include "aio_echo.h"

static const struct {
	double percent;
	const char *name;
	const char *key;
} lines[] = {
	{50, "50 %", "p50_us"},
	{90, "90 %", "p90_us"},
	{99, "99 %", "p99_us"},
	{99.9, "99.9 %", "p999_us"},
};

#define LINE_NR (sizeof(lines) / sizeof(lines[0]))

static double seconds(const struct load *load)
{
	int64_t spent_ns = load->last_ns - load->count_ns;

	return spent_ns > 0 ? (double)spent_ns / 1e9 : 0;
}

static double a_second(const struct load *load)
{
	return seconds(load) > 0 ? (double)load->done_nr / seconds(load) : 0;
}

static double percentile_us(const struct load *load, size_t line)
{
	return (double)histogram_percentile(&load->latency_ns, lines[line].percent) / 1000;
}

static void print_text(const struct load *load)
{
	const struct options *options = load->options;
	size_t i;

	printf("%u connections, messages of %zu bytes, %u at a time", options->connection_nr, options->size,
	       options->depth);
	if (options->rate > 0)
		printf(", %.0f a second", options->rate);
	printf("\n%12" PRIu64 "  messages in %.2f s, %.0f a second, %.2f MB/s each way\n", load->done_nr, seconds(load),
	       a_second(load), a_second(load) * (double)options->size / 1e6);
	if (options->datagrams)
		printf("%12" PRIu64 "  lost\n", load->lost_nr);
	printf("Round trips:\n");
	for (i = 0; i < LINE_NR; i++)
		printf("%12.1f us  %s\n", percentile_us(load, i), lines[i].name);
	printf("%12.1f us  the longest\n", (double)load->latency_ns.max / 1000);
	printf("%12.1f us  mean\n", histogram_mean(&load->latency_ns) / 1000);
}

static void print_json(const struct load *load)
{
	const struct options *options = load->options;
	size_t i;

	printf("{\"connections\":%u,\"bytes\":%zu,\"depth\":%u,\"target_rate\":%.1f", options->connection_nr,
	       options->size, options->depth, options->rate);
	printf(",\"messages\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"seconds\":%.6f,\"rate\":%.1f", load->done_nr,
	       load->lost_nr, seconds(load), a_second(load));
	for (i = 0; i < LINE_NR; i++)
		printf(",\"%s\":%.3f", lines[i].key, percentile_us(load, i));
	printf(",\"min_us\":%.3f,\"max_us\":%.3f,\"mean_us\":%.3f}\n", (double)load->latency_ns.min / 1000,
	       (double)load->latency_ns.max / 1000, histogram_mean(&load->latency_ns) / 1000);
}

void report_print(const struct load *load)
{
	if (load->options->json)
		print_json(load);
	else
		print_text(load);
}
