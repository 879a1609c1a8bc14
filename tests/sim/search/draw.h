/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_DRAW_H
#define SEARCH_DRAW_H
/* The workload's own randomness. Each actor has a generator of its own, seeded by its place in the tree, so that
 * leaving some of them out does not change what the others draw. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct draw {
	uint64_t state;
};

static inline uint64_t draw_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline uint64_t draw_next(struct draw *draw)
{
	draw->state += UINT64_C(0x9e3779b97f4a7c15);
	return draw_mix(draw->state);
}

/* 0 … n - 1; n > 0. */
static inline uint64_t draw_below(struct draw *draw, uint64_t n)
{
	return (uint64_t)((unsigned __int128)draw_next(draw) * n >> 64);
}

static inline uint64_t draw_between(struct draw *draw, uint64_t low, uint64_t high)
{
	return low + draw_below(draw, high - low + 1);
}

static inline bool draw_percent(struct draw *draw, unsigned percent)
{
	return draw_below(draw, 100) < percent;
}

/* low … high, both included; small ones as likely as large ones of another magnitude. 0 < low <= high. */
static inline uint64_t draw_magnitude(struct draw *draw, uint64_t low, uint64_t high)
{
	unsigned bits_low = 63 - (unsigned)__builtin_clzll(low);
	unsigned bits_high = 63 - (unsigned)__builtin_clzll(high);
	unsigned bits = (unsigned)draw_between(draw, bits_low, bits_high);
	uint64_t x = (UINT64_C(1) << bits) + draw_below(draw, UINT64_C(1) << bits);

	return x < low ? low : x > high ? high : x;
}

#endif
