/* SPDX-License-Identifier: MIT */
/*
 * The token bucket. Levels are counted in parts: token_nr of them fall in a nanosecond, and period_ns are a token. One
 * timer stands for the first who waits; whoever changes who that is arms it anew.
 */
#include <errno.h>

#include <aion/rate.h>

#include "clock_int.h"
#include "waits_int.h"

static uint64_t rate_parts(const struct aion_rate *rate, size_t token_nr)
{
	return token_nr * rate->period_ns;
}

/* What has fallen in since the last look. */
static void rate_fill(struct aion_rate *rate)
{
	int64_t now_ns = aion_now();
	uint64_t missing = rate->full - rate->level;
	uint64_t elapsed_ns = now_ns > rate->time_ns ? (uint64_t)(now_ns - rate->time_ns) : 0;

	/* One more than the quotient is more than enough, and no more than that can overflow. */
	rate->level += elapsed_ns > missing / rate->token_nr ? missing : elapsed_ns * rate->token_nr;
	rate->time_ns += (int64_t)elapsed_ns;
}

static bool rate_take(struct aion_rate *rate, uint64_t parts)
{
	if (rate->level < parts)
		return false;
	rate->level -= parts;
	return true;
}

/* Call me when so many parts will be there. The bucket has just been filled up, and they are not. */
static int rate_arm(struct aion_rate *rate, uint64_t parts)
{
	uint64_t missing = parts - rate->level;
	uint64_t wait_ns = missing / rate->token_nr + (missing % rate->token_nr != 0);

	AION_ASSERT(missing && wait_ns <= INT64_MAX);
	aion_timer_cancel(&rate->timer);
	return aion_timer_arm(&rate->timer, aion__deadline(rate->time_ns, (int64_t)wait_ns));
}

/* Hand over as long as there is enough for the first who waits; the timer is for the one for whom there is not. Where
 * there is no memory for it that one is told so, rather than wait for ever. */
static void rate_serve(struct aion_rate *rate)
{
	aion_timer_cancel(&rate->timer);
	rate_fill(rate);
	while (!aion__waits_is_empty(&rate->waits)) {
		uint64_t parts = rate_parts(rate, rate->waits.first->nr);
		int result = 0;

		if (!rate_take(rate, parts)) {
			result = rate_arm(rate, parts);
			if (result == 0)
				return;
		}
		aion__waits_wake_first(&rate->waits, result);
	}
}

static void rate_expire(struct aion_timer *timer)
{
	rate_serve(timer->owner);
}

int aion_rate_init(struct aion_rate *rate, uint64_t token_nr, int64_t period_ns, size_t burst_nr)
{
	if (!token_nr || period_ns <= 0 || !burst_nr || burst_nr > (uint64_t)INT64_MAX / (uint64_t)period_ns)
		return -EINVAL;
	*rate = (struct aion_rate){.token_nr = token_nr, .period_ns = (uint64_t)period_ns};
	rate->full = rate->level = rate_parts(rate, burst_nr);
	rate->time_ns = aion_now();
	aion_timer_init(&rate->timer);
	rate->timer.expire = rate_expire;
	rate->timer.owner = rate;
	return 0;
}

void aion_rate_fini(struct aion_rate *rate)
{
	AION_BUG_ON(!aion__waits_is_empty(&rate->waits), "rate limiter finished while a task waits for it");
	AION_ASSERT(!rate->timer.place);
}

static int rate_wait(struct aion_rate *rate, size_t token_nr)
{
	struct aion__wait wait;
	int64_t result;

	if (aion__waits_is_empty(&rate->waits) && rate_arm(rate, rate_parts(rate, token_nr)) < 0)
		return -ENOMEM;
	wait.noun = "rate limiter";
	wait.object = rate;
	wait.nr = token_nr;
	result = aion__waits_await(&rate->waits, &wait);
	/* One that wanted many and has left may have kept few from those behind it. */
	if (result == -ECANCELED)
		rate_serve(rate);
	return (int)result;
}

int aion_rate_acquire(struct aion_rate *rate, size_t token_nr)
{
	int result = aion__checkpoint();

	if (result == 0)
		result = aion_rate_try_acquire(rate, token_nr);
	return result == -EAGAIN ? rate_wait(rate, token_nr) : result;
}

int aion_rate_try_acquire(struct aion_rate *rate, size_t token_nr)
{
	if (token_nr > rate->full / rate->period_ns)
		return -EINVAL;
	if (!aion__waits_is_empty(&rate->waits))
		return -EAGAIN;
	rate_fill(rate);
	return rate_take(rate, rate_parts(rate, token_nr)) ? 0 : -EAGAIN;
}
