/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_CLOCK_INT_H
#define AION_BASE_CLOCK_INT_H
/* Arithmetic on times that cannot overflow, and the system's monotonic clock. */
#include <time.h>

#include <aion/base.h>

/* CLOCK_MONOTONIC, nanoseconds. */
static inline int64_t aion__clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * AION_SECOND + now.tv_nsec;
}

/* now + delta, saturated at AION_NEVER; a negative delta counts as 0. */
static inline int64_t aion__deadline(int64_t now_ns, int64_t delta_ns)
{
	if (delta_ns <= 0)
		return now_ns;
	return delta_ns > AION_NEVER - now_ns ? AION_NEVER : now_ns + delta_ns;
}

#endif
