/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_WHEEL_INT_H
#define AION_TASK_WHEEL_INT_H
/*
 * The loop's armed timers, by deadline. Three parts, each later than the one before:
 *
 *   heap   what was armed at or before edge_ns: in the past, or within the slot that is open
 *   run    the timers of the slot opened last, sorted
 *   wheel  everything after edge_ns: nine levels of slots, each slot a chain of pieces, each piece an array of entries
 *
 * A deadline's level is the highest digit in which it differs from pos_ns, its slot that digit. Therefore slots are
 * numbered in the order of time, through all levels: the earliest is the lowest bit set. Time passes by opening the
 * earliest slot: a tick (2^18 ns) goes into the run, a longer slot is spread over the levels below. Ticks too full for
 * the run are spread over levels of 2^12, 2^6 and 1 ns, so the run has a fixed size.
 *
 * Cancelling overwrites an entry and reads no other. A piece of which nothing lives is released, two adjacent ones that
 * fit into one are merged: the memory follows the number of timers that are armed.
 */
#include <stdbool.h>

#include <aion/timer.h>

#include "assert_int.h"
#include "heap_int.h"

enum {
	AION__WHEEL_TICK_SHIFT = 18,
	AION__WHEEL_SLOT_NR = 3 * 64 + 5 * 256 + 32, /* levels below, from and at the top above a tick */
	AION__WHEEL_WORD_NR = (AION__WHEEL_SLOT_NR + 63) / 64,
	AION__WHEEL_PIECE_SIZE = 2048,
	AION__WHEEL_CHECK_NR = 16, /* cancels of a piece between two looks at its neighbours */
	AION__WHEEL_RUN_NR = 1024,
};

/* timer->place: 0, the address of an entry of a piece, or one of these. */
#define AION__PLACE_HEAP ((uintptr_t)1) /* AION__HEAP_PLACE() */
#define AION__PLACE_RUN ((uintptr_t)2)  /* with the address of an entry of the run */
#define AION__PLACE_TAGS (AION__PLACE_HEAP | AION__PLACE_RUN)

#define AION__WHEEL_UNKNOWN INT64_MIN

struct aion__wheel_entry {
	int64_t deadline_ns;
	struct aion_timer *timer; /* NULL: cancelled */
};

/* Aligned to its size, so that an entry's address tells its piece, and an end on the border that it is full. */
struct aion__wheel_piece {
	struct aion__wheel_piece *next; /* in a ring: the last one's next is the first */
	struct aion__wheel_piece *prev;
	uint32_t slot;
	uint16_t nr;   /* entries written; of a slot's last piece the slot's end says it */
	uint16_t left; /* live entries less one; 0 in a slot's last piece */
	uint16_t dead; /* cancelled entries, in a slot's last piece */
	struct aion__wheel_entry entries[];
};

struct aion__wheel_slab;

struct aion__wheel {
	int64_t pos_ns;  /* the start of the slot opened last */
	int64_t edge_ns; /* what is due by then is in the heap or in the run; all else in the wheel */
	int64_t next_ns; /* nothing is due before; or AION__WHEEL_UNKNOWN */
	size_t nr;
	struct aion__heap heap;
	struct aion__wheel_entry *run; /* two arrays: the second one is for sorting */
	struct aion__wheel_entry *run_head;
	struct aion__wheel_entry *run_end;
	struct aion__wheel_piece *free;
	struct aion__wheel_slab *slabs;
	char *slab_left; /* pieces of the newest slab that were never used */
	size_t slab_nr;
	uint64_t word_bits; /* which words of slot_bits are not 0 */
	uint64_t slot_bits[AION__WHEEL_WORD_NR];
	struct aion__wheel_entry *ends[AION__WHEEL_SLOT_NR]; /* behind a slot's last entry; NULL = empty */
};

struct aion__wheel_digit {
	uint16_t first; /* slot of the level */
	uint16_t mask;
	uint8_t shift;
};
/* The level of a deadline, by the highest bit in which it differs from pos_ns. */
extern const struct aion__wheel_digit aion__wheel_digits[64];

/* No allocation; now_ns >= 0. 0. */
int aion__wheel_init(struct aion__wheel *wheel, int64_t now_ns);
/* Frees; timers still armed are forgotten. */
void aion__wheel_fini(struct aion__wheel *wheel);

int aion__wheel_arm_slow(struct aion__wheel *wheel, struct aion_timer *timer, int64_t deadline_ns);
void aion__wheel_cancel_slow(struct aion__wheel *wheel, uintptr_t place);
int64_t aion__wheel_find_next(struct aion__wheel *wheel);

/*
 * The next timer that is due at now_ns, disarmed, in the order of deadlines and then of arming; NULL when there is no
 * other. Any timer may be armed and cancelled between two calls. Costs little when nothing is due: call it with every
 * reading of the clock, so that the wheel keeps up with the time and timers need not be moved.
 */
struct aion_timer *aion__wheel_expire(struct aion__wheel *wheel, int64_t now_ns);

static inline size_t aion__wheel_nr(const struct aion__wheel *wheel)
{
	return wheel->nr;
}

static inline unsigned aion__wheel_slot(const struct aion__wheel *wheel, int64_t deadline_ns)
{
	uint64_t differ = (uint64_t)(deadline_ns ^ wheel->pos_ns);
	const struct aion__wheel_digit *digit = &aion__wheel_digits[63 - __builtin_clzll(differ | 1)];

	return digit->first + ((uint64_t)deadline_ns >> digit->shift & digit->mask);
}

/* timer->place is 0, deadline_ns is not AION_NEVER. 0, or -ENOMEM and nothing has changed. */
static inline int aion__wheel_arm(struct aion__wheel *wheel, struct aion_timer *timer, int64_t deadline_ns)
{
	struct aion__wheel_entry **end, *entry;

	AION_ASSERT(!timer->place && deadline_ns != AION_NEVER);
	if (aion__unlikely(deadline_ns <= wheel->edge_ns))
		return aion__wheel_arm_slow(wheel, timer, deadline_ns);
	end = &wheel->ends[aion__wheel_slot(wheel, deadline_ns)];
	entry = *end;
	if (aion__unlikely(!((uintptr_t)entry % AION__WHEEL_PIECE_SIZE)))
		return aion__wheel_arm_slow(wheel, timer, deadline_ns);
	*end = entry + 1;
	entry->deadline_ns = deadline_ns;
	entry->timer = timer;
	timer->deadline_ns = deadline_ns;
	timer->place = (uintptr_t)entry;
	wheel->nr++;
	if (deadline_ns < wheel->next_ns)
		wheel->next_ns = deadline_ns;
	return 0;
}

/* The timer is armed. */
static inline void aion__wheel_cancel(struct aion__wheel *wheel, struct aion_timer *timer)
{
	uintptr_t place = timer->place;
	struct aion__wheel_piece *piece =
		(struct aion__wheel_piece *)(place & ~(uintptr_t)(AION__WHEEL_PIECE_SIZE - 1));

	AION_ASSERT(place && wheel->nr);
	timer->place = 0;
	if (!--wheel->nr)
		wheel->next_ns = AION_NEVER;
	else if (timer->deadline_ns == wheel->next_ns)
		wheel->next_ns = AION__WHEEL_UNKNOWN;
	if (aion__unlikely(place & AION__PLACE_TAGS || !(piece->left % AION__WHEEL_CHECK_NR))) {
		aion__wheel_cancel_slow(wheel, place);
		return;
	}
	piece->left--;
	((struct aion__wheel_entry *)place)->timer = NULL;
}

/*
 * When to call aion__wheel_expire(): not later than the earliest deadline, AION_NEVER if nothing is armed. It is the
 * earliest deadline unless that lies in a crowd; then it may be up to a slot early, and expiring sorts the crowd.
 */
static inline int64_t aion__wheel_next_ns(struct aion__wheel *wheel)
{
	return aion__likely(wheel->next_ns != AION__WHEEL_UNKNOWN) ? wheel->next_ns : aion__wheel_find_next(wheel);
}

#endif
