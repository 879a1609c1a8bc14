/* SPDX-License-Identifier: MIT */
/* Trying again, with delays that grow and are drawn at random. */
#include <errno.h>

#include <aion/scope.h>
#include <aion/task.h>

#include "retry_int.h"

#define ATTEMPT_MAX 5
#define FIRST_DELAY_NS (100 * AION_MILLISECOND)
#define MAX_DELAY_NS (30 * AION_SECOND)
#define FACTOR 2.0

static const struct aion_retry_options defaults;

/* A splitmix64 generator: every state is a good one, so any number is a seed. */
static uint64_t random_draw(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* The thread's own generator begins with the time and the place of its state, which differ by process and by thread. */
static uint64_t *random_of_thread(void)
{
	static __thread uint64_t state;

	if (!state)
		state = (uint64_t)aion_now() ^ (uintptr_t)&state;
	return &state;
}

/* Evenly spread over [0, bound]. */
static int64_t random_upto(uint64_t *state, int64_t bound)
{
	return (int64_t)((unsigned __int128)random_draw(state) * ((uint64_t)bound + 1) >> 64);
}

/* Written so that a factor which is no number is refused. */
bool aion__retry_is_valid(const struct aion_retry_options *options)
{
	return options->first_delay_ns >= 0 && options->max_delay_ns >= 0 && options->attempt_limit_ns >= 0 &&
	       (options->factor == 0 || options->factor >= 1) && (unsigned)options->jitter <= AION_JITTER_NONE;
}

/* Without the jitter. */
static int64_t delay_compute(const struct aion_retry_options *options, unsigned attempt_nr)
{
	int64_t max_ns = options->max_delay_ns ? options->max_delay_ns : MAX_DELAY_NS;
	double delay = (double)(options->first_delay_ns ? options->first_delay_ns : FIRST_DELAY_NS);
	double factor = options->factor != 0 ? options->factor : FACTOR;

	/* By squaring: attempts may be billions. */
	for (unsigned exponent = attempt_nr - 1; exponent && delay < (double)max_ns; exponent >>= 1) {
		if (exponent & 1)
			delay *= factor;
		factor *= factor;
	}
	return delay < (double)max_ns ? (int64_t)delay : max_ns;
}

int64_t aion_retry_delay(const struct aion_retry_options *options, unsigned attempt_nr)
{
	uint64_t *random;
	int64_t delay_ns;

	if (!options)
		options = &defaults;
	if (!attempt_nr || !aion__retry_is_valid(options))
		return -EINVAL;
	random = options->random ? options->random : random_of_thread();
	delay_ns = delay_compute(options, attempt_nr);
	switch (options->jitter) {
	case AION_JITTER_HALF:
		return delay_ns - random_upto(random, delay_ns / 2);
	case AION_JITTER_FULL:
		return random_upto(random, delay_ns);
	case AION_JITTER_NONE:
		break;
	}
	return delay_ns;
}

/* One attempt, under its own time limit. */
static int64_t retry_attempt(const struct aion_retry_options *options, aion_fn *fn, void *arg)
{
	struct aion_scope scope;
	int64_t result;

	if (!options->attempt_limit_ns)
		return fn(arg);
	aion_scope_enter(&scope, aion_after(options->attempt_limit_ns));
	result = fn(arg);
	if (aion_scope_leave(&scope) == -ETIME && result == -ECANCELED)
		result = -ETIME;
	return result;
}

bool aion__retry_goes_on(const struct aion_retry_options *options, int64_t result, unsigned attempt_nr)
{
	unsigned attempt_max = options->attempt_max ? options->attempt_max : ATTEMPT_MAX;

	if (result >= 0 || (result == -ECANCELED && aion_cancelled()))
		return false;
	if (attempt_nr >= attempt_max && attempt_max != AION_RETRY_FOR_EVER)
		return false;
	return !options->should_retry || options->should_retry(result, attempt_nr, options->arg);
}

int64_t aion_retry(const struct aion_retry_options *options, aion_fn *fn, void *arg)
{
	struct aion_retry_stats unused, *stats;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (!options)
		options = &defaults;
	if (!aion__retry_is_valid(options))
		return -EINVAL;
	stats = options->stats ? options->stats : &unused;
	*stats = (struct aion_retry_stats){0};
	for (;;) {
		int64_t delay_ns;

		result = retry_attempt(options, fn, arg);
		stats->last_result = result;
		if (stats->attempt_nr < UINT_MAX)
			stats->attempt_nr++;
		if (!aion__retry_goes_on(options, result, stats->attempt_nr))
			return result;
		delay_ns = aion_retry_delay(options, stats->attempt_nr);
		result = aion_sleep(delay_ns);
		if (result < 0)
			return result;
		stats->waited_ns += delay_ns;
	}
}
