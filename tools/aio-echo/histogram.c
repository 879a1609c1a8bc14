/* SPDX-License-Identifier: MIT */
/*
 * Counts of values, log-linear: a power of two is cut into 128 buckets of the same width. (Debian 12 has no library for
 * it in C.)
 */
#include "aio_echo.h"

#define PART_NR (UINT64_C(1) << HISTOGRAM_PART_BITS)

/* By how many bits values of this size are rounded: below 256 by none. */
static unsigned value_shift(uint64_t value)
{
	unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 0;

	return bits > HISTOGRAM_PART_BITS + 1 ? bits - HISTOGRAM_PART_BITS - 1 : 0;
}

static size_t bucket_of(uint64_t value)
{
	unsigned shift = value_shift(value);

	return ((size_t)shift << HISTOGRAM_PART_BITS) + (size_t)(value >> shift);
}

/* The greatest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
	unsigned shift = bucket < 2 * PART_NR ? 0 : (unsigned)(bucket >> HISTOGRAM_PART_BITS) - 1;
	uint64_t part = bucket - ((uint64_t)shift << HISTOGRAM_PART_BITS);

	return (part << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	if (!histogram->nr || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->sum += value;
	histogram->counts[bucket_of(value)]++;
	histogram->nr++;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	double wanted = (double)histogram->nr * percent / 100;
	uint64_t seen_nr = 0, value;
	size_t bucket;

	for (bucket = 0; bucket < HISTOGRAM_BUCKET_NR; bucket++) {
		seen_nr += histogram->counts[bucket];
		if (seen_nr && (double)seen_nr >= wanted)
			break;
	}
	if (bucket == HISTOGRAM_BUCKET_NR)
		return histogram->max;
	value = bucket_end(bucket);
	return value < histogram->max ? value : histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->nr ? (double)histogram->sum / (double)histogram->nr : 0;
}
