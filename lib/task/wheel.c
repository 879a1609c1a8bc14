/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "alloc_int.h"
#include "wheel_int.h"

#define PIECE_ENTRY_NR                                                                                                 \
	((AION__WHEEL_PIECE_SIZE - offsetof(struct aion__wheel_piece, entries)) / sizeof(struct aion__wheel_entry))
#define PREFETCH_AHEAD 12

enum {
	SLAB_SIZE = 64 * 1024,
	HEAP_FIRST_NR = 64,
	RUN_FULL_NR = AION__WHEEL_RUN_NR - PIECE_ENTRY_NR, /* with more in it, another piece may not fit */
	CROWD_PIECE_NR = 4, /* a slot of more pieces is not searched for its earliest deadline */
	SORT_SIMPLE_NR = 24,
	SORT_DIGIT_BITS = 6,
	SORT_DIGIT_NR = 1 << SORT_DIGIT_BITS,
	SORT_PASS_NR = 5,
	TICK_SLOT = 3 * 64, /* the first one */
	LONG_SLOT = TICK_SLOT + 256,
	LONGER_SLOT = LONG_SLOT + 256,
	LONG_RUN_NR = 128, /* a slot of 2^26 ns with no more goes into the run, arms within it to the heap */
};

_Static_assert(sizeof(struct aion_timer) == 64, "a timer is one cache line");
_Static_assert(AION__WHEEL_WORD_NR <= 64, "one word tells which words of bits are not 0");
_Static_assert(offsetof(struct aion__wheel_piece, entries) % sizeof(struct aion__wheel_entry) == 0,
	       "a full piece ends on its border");

struct aion__wheel_slab {
	struct aion__wheel_slab *next;
};

const struct aion__wheel_digit aion__wheel_digits[64] = {
	[0 ... 5] = {0, 63, 0},
	[6 ... 11] = {64, 63, 6},
	[12 ... 17] = {128, 63, 12},
	[18 ... 25] = {TICK_SLOT, 255, 18},
	[26 ... 33] = {TICK_SLOT + 256, 255, 26},
	[34 ... 41] = {TICK_SLOT + 512, 255, 34},
	[42 ... 49] = {TICK_SLOT + 768, 255, 42},
	[50 ... 57] = {TICK_SLOT + 1024, 255, 50},
	[58 ... 63] = {TICK_SLOT + 1280, 31, 58},
};

/* Time and slots. */

static const struct aion__wheel_digit *slot_digit(unsigned slot)
{
	if (slot < TICK_SLOT)
		return &aion__wheel_digits[slot / 64 * 6];
	return &aion__wheel_digits[AION__WHEEL_TICK_SHIFT + (slot - TICK_SLOT) / 256 * 8];
}

static int64_t slot_start_ns(const struct aion__wheel *wheel, unsigned slot)
{
	const struct aion__wheel_digit *digit = slot_digit(slot);
	uint64_t below = (((uint64_t)digit->mask + 1) << digit->shift) - 1;

	return (int64_t)(((uint64_t)wheel->pos_ns & ~below) | (uint64_t)(slot - digit->first) << digit->shift);
}

static int64_t slot_last_ns(const struct aion__wheel *wheel, unsigned slot)
{
	return (int64_t)((uint64_t)slot_start_ns(wheel, slot) + ((UINT64_C(1) << slot_digit(slot)->shift) - 1));
}

static void slot_mark(struct aion__wheel *wheel, unsigned slot)
{
	unsigned word = slot / 64;

	wheel->slot_bits[word] |= UINT64_C(1) << slot % 64;
	wheel->word_bits |= UINT64_C(1) << word;
}

static void slot_unmark(struct aion__wheel *wheel, unsigned slot)
{
	unsigned word = slot / 64;

	wheel->slot_bits[word] &= ~(UINT64_C(1) << slot % 64);
	if (!wheel->slot_bits[word])
		wheel->word_bits &= ~(UINT64_C(1) << word);
}

/* The earliest slot that is not empty, or -1. */
static int slot_first(const struct aion__wheel *wheel)
{
	unsigned word;

	if (!wheel->word_bits)
		return -1;
	word = (unsigned)__builtin_ctzll(wheel->word_bits);
	return (int)(word * 64 + (unsigned)__builtin_ctzll(wheel->slot_bits[word]));
}

/* Memory. */

/* Also gets the run, so that opening a slot needs no memory. */
static int slab_new(struct aion__wheel *wheel)
{
	struct aion__wheel_slab *slab;
	uintptr_t first;

	if (!wheel->run) {
		wheel->run = aion__alloc(2 * AION__WHEEL_RUN_NR * sizeof(*wheel->run));
		if (!wheel->run)
			return -ENOMEM;
	}
	slab = aion__alloc(SLAB_SIZE);
	if (!slab)
		return -ENOMEM;
	slab->next = wheel->slabs;
	wheel->slabs = slab;
	first = (uintptr_t)(slab + 1) + AION__WHEEL_PIECE_SIZE - 1;
	first -= first % AION__WHEEL_PIECE_SIZE;
	wheel->slab_left = (char *)first;
	wheel->slab_nr = ((uintptr_t)slab + SLAB_SIZE - first) / AION__WHEEL_PIECE_SIZE;
	return 0;
}

static struct aion__wheel_piece *piece_new(struct aion__wheel *wheel)
{
	struct aion__wheel_piece *piece = wheel->free;

	if (aion__likely(piece)) {
		wheel->free = piece->next;
		return piece;
	}
	if (!wheel->slab_nr && slab_new(wheel) < 0)
		return NULL;
	piece = (struct aion__wheel_piece *)wheel->slab_left;
	wheel->slab_left += AION__WHEEL_PIECE_SIZE;
	wheel->slab_nr--;
	return piece;
}

static void piece_free(struct aion__wheel *wheel, struct aion__wheel_piece *piece)
{
	piece->next = wheel->free;
	wheel->free = piece;
}

/* A slot's pieces. The last one is open: the slot's end tells how many entries it has, and its dead are counted. */

static struct aion__wheel_piece *piece_of(const struct aion__wheel_entry *entry)
{
	return (struct aion__wheel_piece *)((uintptr_t)entry & ~(uintptr_t)(AION__WHEEL_PIECE_SIZE - 1));
}

/* The slot is not empty. */
static struct aion__wheel_piece *slot_last_piece(const struct aion__wheel *wheel, unsigned slot)
{
	return piece_of(wheel->ends[slot] - 1);
}

static void piece_close(const struct aion__wheel *wheel, struct aion__wheel_piece *piece)
{
	piece->nr = (uint16_t)(wheel->ends[piece->slot] - piece->entries);
	piece->left = (uint16_t)(piece->nr - piece->dead - 1);
}

static void piece_unlink(struct aion__wheel *wheel, struct aion__wheel_piece *piece);

/* Drop the dead at the end of a slot, with the piece if nothing else is in it: a slot's last entry lives. */
static void slot_trim(struct aion__wheel *wheel, struct aion__wheel_piece *piece)
{
	struct aion__wheel_entry *end = wheel->ends[piece->slot];

	while (end > piece->entries && !end[-1].timer) {
		end--;
		piece->dead--;
	}
	wheel->ends[piece->slot] = end;
	if (end == piece->entries) {
		piece_unlink(wheel, piece);
		piece_free(wheel, piece);
	}
}

static void piece_open(struct aion__wheel *wheel, struct aion__wheel_piece *piece)
{
	wheel->ends[piece->slot] = piece->entries + piece->nr;
	piece->dead = (uint16_t)(piece->nr - piece->left - 1);
	piece->left = 0;
	slot_trim(wheel, piece);
}

/* Append an empty piece, or a closed one, which is then to be opened. */
static void piece_link(struct aion__wheel *wheel, struct aion__wheel_piece *piece, unsigned slot)
{
	struct aion__wheel_piece *last;

	piece->slot = slot;
	if (!wheel->ends[slot]) {
		piece->next = piece->prev = piece;
		slot_mark(wheel, slot);
		return;
	}
	last = slot_last_piece(wheel, slot);
	piece_close(wheel, last);
	piece->prev = last;
	piece->next = last->next;
	last->next->prev = piece;
	last->next = piece;
}

/* Take it out of its slot; the entries stay. */
static void piece_unlink(struct aion__wheel *wheel, struct aion__wheel_piece *piece)
{
	unsigned slot = piece->slot;
	bool is_last = piece == slot_last_piece(wheel, slot);

	if (piece->next == piece) {
		wheel->ends[slot] = NULL;
		slot_unmark(wheel, slot);
		return;
	}
	piece->prev->next = piece->next;
	piece->next->prev = piece->prev;
	if (is_last)
		piece_open(wheel, piece->prev);
}

/* Move the living to `to`, which lies before them or elsewhere; the place behind them. */
static struct aion__wheel_entry *piece_gather(struct aion__wheel_piece *piece, struct aion__wheel_entry *to)
{
	for (struct aion__wheel_entry *entry = piece->entries; entry < piece->entries + piece->nr; entry++) {
		if (!entry->timer)
			continue;
		if (entry != to) {
			*to = *entry;
			to->timer->place = (uintptr_t)to;
		}
		to++;
	}
	return to;
}

/* Two closed neighbours become one if they fit. */
static bool piece_merge(struct aion__wheel *wheel, struct aion__wheel_piece *piece, struct aion__wheel_piece *next)
{
	unsigned nr = piece->left + 1U + next->left + 1U;

	if (nr > PIECE_ENTRY_NR)
		return false;
	piece_gather(next, piece_gather(piece, piece->entries));
	piece->nr = (uint16_t)nr;
	piece->left = (uint16_t)(nr - 1);
	piece_unlink(wheel, next);
	piece_free(wheel, next);
	return true;
}

/* Where the slot's next entry goes, or NULL if there is no memory. */
static struct aion__wheel_entry *slot_room(struct aion__wheel *wheel, unsigned slot)
{
	struct aion__wheel_entry *end = wheel->ends[slot];
	struct aion__wheel_piece *piece;

	if (aion__likely((uintptr_t)end % AION__WHEEL_PIECE_SIZE))
		return end;
	piece = piece_new(wheel);
	if (!piece)
		return NULL;
	piece_link(wheel, piece, slot);
	piece->left = 0;
	piece->dead = 0;
	return wheel->ends[slot] = piece->entries;
}

/* Arming and cancelling. */

static int heap_arm(struct aion__wheel *wheel, struct aion_timer *timer, int64_t deadline_ns)
{
	struct aion__heap *heap = &wheel->heap;

	if (heap->nr == heap->capacity) {
		size_t capacity = heap->capacity ? 2 * heap->capacity : HEAP_FIRST_NR;
		void *entries = aion__realloc(heap->entries, capacity * sizeof(*heap->entries));

		if (!entries)
			return -ENOMEM;
		heap->entries = entries;
		heap->capacity = capacity;
	}
	aion__heap_push(heap, deadline_ns, &timer->place);
	return 0;
}

int aion__wheel_arm_slow(struct aion__wheel *wheel, struct aion_timer *timer, int64_t deadline_ns)
{
	if (deadline_ns <= wheel->edge_ns) {
		if (heap_arm(wheel, timer, deadline_ns) < 0)
			return -ENOMEM;
	} else {
		unsigned slot = aion__wheel_slot(wheel, deadline_ns);
		struct aion__wheel_entry *entry = slot_room(wheel, slot);

		if (!entry)
			return -ENOMEM;
		wheel->ends[slot] = entry + 1;
		entry->deadline_ns = deadline_ns;
		entry->timer = timer;
		timer->place = (uintptr_t)entry;
	}
	timer->deadline_ns = deadline_ns;
	wheel->nr++;
	if (deadline_ns < wheel->next_ns)
		wheel->next_ns = deadline_ns;
	return 0;
}

/* In an open piece, or in one that has a round number of living entries. */
static void entry_cancel(struct aion__wheel *wheel, struct aion__wheel_entry *entry)
{
	struct aion__wheel_piece *piece = piece_of(entry), *last;
	struct aion__wheel_entry *end = wheel->ends[piece->slot];

	entry->timer = NULL;
	last = piece_of(end - 1);
	if (piece == last) {
		piece->dead++;
		if (entry + 1 == end)
			slot_trim(wheel, piece);
	} else if (!piece->left) {
		piece_unlink(wheel, piece);
		piece_free(wheel, piece);
	} else {
		piece->left--;
		if (piece->next != last && piece_merge(wheel, piece, piece->next))
			return;
		if (piece->prev != last)
			piece_merge(wheel, piece->prev, piece);
	}
}

void aion__wheel_cancel_slow(struct aion__wheel *wheel, uintptr_t place)
{
	if (place & AION__PLACE_HEAP)
		aion__heap_remove(&wheel->heap, place);
	else if (place & AION__PLACE_RUN)
		((struct aion__wheel_entry *)(place - AION__PLACE_RUN))->timer = NULL;
	else
		entry_cancel(wheel, (struct aion__wheel_entry *)place);
}

/* Opening a slot. */

/* Stable, by the lowest digits, to and fro between the halves of the run's memory; where the result is. */
static struct aion__wheel_entry *run_sort(struct aion__wheel_entry *from, struct aion__wheel_entry *to, unsigned nr,
					  unsigned pass_nr)
{
	uint16_t count[SORT_PASS_NR][SORT_DIGIT_NR];

	memset(count, 0, pass_nr * sizeof(*count));
	for (unsigned i = 0; i < nr; i++)
		for (unsigned pass = 0; pass < pass_nr; pass++)
			count[pass][(uint64_t)from[i].deadline_ns >> pass * SORT_DIGIT_BITS & (SORT_DIGIT_NR - 1)]++;
	for (unsigned pass = 0; pass < pass_nr; pass++) {
		unsigned shift = pass * SORT_DIGIT_BITS, sum = 0;
		struct aion__wheel_entry *swap = from;

		if (count[pass][(uint64_t)from->deadline_ns >> shift & (SORT_DIGIT_NR - 1)] == nr)
			continue;
		for (unsigned digit = 0; digit < SORT_DIGIT_NR; digit++) {
			unsigned here = count[pass][digit];

			count[pass][digit] = (uint16_t)sum;
			sum += here;
		}
		for (unsigned i = 0; i < nr; i++)
			to[count[pass][(uint64_t)from[i].deadline_ns >> shift & (SORT_DIGIT_NR - 1)]++] = from[i];
		from = to;
		to = swap;
	}
	return from;
}

static void run_sort_few(struct aion__wheel_entry *run, unsigned nr)
{
	for (unsigned i = 1; i < nr; i++) {
		struct aion__wheel_entry entry = run[i];
		unsigned to = i;

		for (; to && run[to - 1].deadline_ns > entry.deadline_ns; to--)
			run[to] = run[to - 1];
		run[to] = entry;
	}
}

/* The run has been filled from the start of its memory to run_end, with deadlines that differ in bit_nr bits. */
static void run_start(struct aion__wheel *wheel, unsigned bit_nr)
{
	unsigned nr = (unsigned)(wheel->run_end - wheel->run);
	struct aion__wheel_entry *sorted = wheel->run;

	if (nr <= SORT_SIMPLE_NR)
		run_sort_few(wheel->run, nr);
	else
		sorted = run_sort(wheel->run, wheel->run + AION__WHEEL_RUN_NR, nr,
				  (bit_nr + SORT_DIGIT_BITS - 1) / SORT_DIGIT_BITS);
	wheel->run_head = sorted;
	wheel->run_end = sorted + nr;
	for (struct aion__wheel_entry *entry = sorted; entry < wheel->run_end; entry++)
		entry->timer->place = (uintptr_t)entry | AION__PLACE_RUN;
}

/* Into the run if it is due by last_ns, else to its slot; false if there is no memory. */
static bool entry_move(struct aion__wheel *wheel, const struct aion__wheel_entry *entry, int64_t last_ns)
{
	struct aion__wheel_entry *room;
	unsigned slot;

	if (entry->deadline_ns <= last_ns) {
		*wheel->run_end++ = *entry;
		return true;
	}
	slot = aion__wheel_slot(wheel, entry->deadline_ns);
	room = slot_room(wheel, slot);
	if (!room)
		return false;
	*room = *entry;
	room->timer->place = (uintptr_t)room;
	wheel->ends[slot] = room + 1;
	return true;
}

/* The first piece of a slot, closed and taken out. */
static struct aion__wheel_piece *slot_take(struct aion__wheel *wheel, unsigned slot)
{
	struct aion__wheel_piece *last = slot_last_piece(wheel, slot), *piece = last->next;

	if (piece == last)
		piece_close(wheel, piece);
	piece_unlink(wheel, piece);
	return piece;
}

/* Its place will be written. NULL does no harm. */
static void timer_prefetch(const struct aion_timer *timer)
{
	__builtin_prefetch((const void *)((uintptr_t)timer + offsetof(struct aion_timer, place)), 1);
}

/* Move all entries of a piece that has been taken out; whether it is empty now. */
static bool piece_spread(struct aion__wheel *wheel, struct aion__wheel_piece *piece, int64_t last_ns)
{
	unsigned kept_nr = 0;

	for (unsigned i = 0; i < piece->nr; i++) {
		struct aion__wheel_entry *entry = &piece->entries[i];

		if (i + PREFETCH_AHEAD < piece->nr)
			timer_prefetch(piece->entries[i + PREFETCH_AHEAD].timer);
		if (!entry->timer)
			continue;
		if (aion__likely(entry_move(wheel, entry, last_ns)))
			entry->timer = NULL;
		else
			kept_nr++;
	}
	piece->left = (uint16_t)(kept_nr - 1);
	return !kept_nr;
}

/*
 * There is no memory to spread these pieces. They go, as they are, to the slot of the earliest of their entries: too
 * early for the others, which are moved on when that slot is opened. Nothing fires late, or early; equal deadlines may
 * swap.
 */
static void pieces_strand(struct aion__wheel *wheel, struct aion__wheel_piece *pieces)
{
	struct aion__wheel_piece *piece, *next;
	int64_t first_ns = AION_NEVER;

	for (piece = pieces; piece; piece = piece->next)
		for (unsigned i = 0; i < piece->nr; i++)
			if (piece->entries[i].timer && piece->entries[i].deadline_ns < first_ns)
				first_ns = piece->entries[i].deadline_ns;
	for (piece = pieces; piece; piece = next) {
		next = piece->next;
		piece_link(wheel, piece, aion__wheel_slot(wheel, first_ns));
		piece_open(wheel, piece);
	}
}

/* Whether the slot's entries, dead ones included, may all go into the run. */
static bool slot_fits_run(const struct aion__wheel *wheel, unsigned slot)
{
	struct aion__wheel_piece *last = slot_last_piece(wheel, slot), *piece;
	size_t nr = (size_t)(wheel->ends[slot] - last->entries), max = slot < LONG_SLOT ? RUN_FULL_NR : LONG_RUN_NR;

	if (slot >= LONGER_SLOT)
		return false;
	for (piece = last->next; piece != last && nr <= max; piece = piece->next)
		nr += piece->nr;
	return nr <= max;
}

/*
 * Open the earliest slot, all before it being done: into the run if it fits, else to the levels below. A slot of 1 ns
 * has no level below and needs no sorting: as much of it as fits goes into the run, the rest waits to be opened again.
 */
static void slot_open(struct aion__wheel *wheel, unsigned slot)
{
	int64_t start_ns = slot_start_ns(wheel, slot), last_ns = slot_last_ns(wheel, slot);
	struct aion__wheel_piece *stranded = NULL, *piece;
	bool to_run = start_ns == last_ns || slot_fits_run(wheel, slot);

	AION_ASSERT(wheel->run_head == wheel->run_end && !wheel->heap.nr && start_ns > wheel->edge_ns);
	wheel->pos_ns = start_ns;
	wheel->edge_ns = start_ns - 1;
	wheel->next_ns = AION__WHEEL_UNKNOWN;
	wheel->run_end = wheel->run;
	while (wheel->ends[slot] && wheel->run_end - wheel->run <= RUN_FULL_NR) {
		piece = slot_take(wheel, slot);
		if (aion__likely(piece_spread(wheel, piece, to_run ? last_ns : start_ns - 1))) {
			piece_free(wheel, piece);
			continue;
		}
		piece->next = stranded;
		stranded = piece;
	}
	if (to_run && !wheel->ends[slot])
		wheel->edge_ns = last_ns;
	if (stranded)
		pieces_strand(wheel, stranded);
	run_start(wheel, slot_digit(slot)->shift);
}

/* Nothing is due: let the open tick be that of now_ns, unless a part of it still waits to be opened. */
static void wheel_follow(struct aion__wheel *wheel, int64_t now_ns, int64_t first_ns)
{
	int64_t tick_last_ns = now_ns | ((INT64_C(1) << AION__WHEEL_TICK_SHIFT) - 1);

	if (first_ns <= tick_last_ns)
		return;
	wheel->pos_ns = tick_last_ns & -(INT64_C(1) << AION__WHEEL_TICK_SHIFT);
	wheel->edge_ns = tick_last_ns;
}

/* Heap and run are empty. Whether there may be more to expire. */
static bool wheel_advance(struct aion__wheel *wheel, int64_t now_ns)
{
	int slot;
	int64_t start_ns;

	if (now_ns <= wheel->edge_ns)
		return false;
	slot = slot_first(wheel);
	start_ns = slot < 0 ? AION_NEVER : slot_start_ns(wheel, (unsigned)slot);
	if (slot < 0 || start_ns > now_ns) {
		wheel_follow(wheel, now_ns, start_ns);
		return false;
	}
	slot_open(wheel, (unsigned)slot);
	return true;
}

static bool run_is_empty(struct aion__wheel *wheel)
{
	while (wheel->run_head < wheel->run_end && !wheel->run_head->timer)
		wheel->run_head++;
	return wheel->run_head == wheel->run_end;
}

struct aion_timer *aion__wheel_expire(struct aion__wheel *wheel, int64_t now_ns)
{
	struct aion__heap *heap = &wheel->heap;
	struct aion_timer *timer;
	bool run_empty;

	while ((run_empty = run_is_empty(wheel)) && !heap->nr)
		if (!wheel_advance(wheel, now_ns))
			return NULL;
	/* Of equal deadlines those in the run were armed first. */
	if (heap->nr && (run_empty || heap->entries->key < wheel->run_head->deadline_ns)) {
		if (heap->entries->key > now_ns)
			return NULL;
		timer = aion__container_of(heap->entries->place, struct aion_timer, place);
		aion__heap_remove(heap, timer->place);
	} else {
		if (wheel->run_head->deadline_ns > now_ns)
			return NULL;
		timer = wheel->run_head++->timer;
	}
	timer->place = 0;
	wheel->next_ns = --wheel->nr ? AION__WHEEL_UNKNOWN : AION_NEVER;
	return timer;
}

/* The earliest deadline in a slot, or the slot's start if it is too full to be searched. */
static int64_t slot_next_ns(const struct aion__wheel *wheel, unsigned slot)
{
	const struct aion__wheel_piece *last = slot_last_piece(wheel, slot), *piece = last;
	int64_t next_ns = AION_NEVER, last_ns = slot_last_ns(wheel, slot);

	for (unsigned piece_nr = 0; piece_nr < CROWD_PIECE_NR; piece_nr++) {
		const struct aion__wheel_entry *end = piece == last ? wheel->ends[slot] : piece->entries + piece->nr;

		for (const struct aion__wheel_entry *entry = piece->entries; entry < end; entry++)
			if (entry->timer && entry->deadline_ns < next_ns)
				next_ns = entry->deadline_ns;
		piece = piece->next;
		if (piece == last) /* past the slot's end only if stranded: other slots may hold earlier ones */
			return next_ns > last_ns ? last_ns + 1 : next_ns;
	}
	return slot_start_ns(wheel, slot);
}

int64_t aion__wheel_find_next(struct aion__wheel *wheel)
{
	int64_t next_ns = AION_NEVER;

	if (!run_is_empty(wheel))
		next_ns = wheel->run_head->deadline_ns;
	if (wheel->heap.nr && wheel->heap.entries->key < next_ns)
		next_ns = wheel->heap.entries->key;
	if (next_ns == AION_NEVER && wheel->nr)
		next_ns = slot_next_ns(wheel, (unsigned)slot_first(wheel));
	return wheel->next_ns = next_ns;
}

int aion__wheel_init(struct aion__wheel *wheel, int64_t now_ns)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel_follow(wheel, now_ns, AION_NEVER);
	wheel->next_ns = AION_NEVER;
	return 0;
}

void aion__wheel_fini(struct aion__wheel *wheel)
{
	struct aion__wheel_slab *slab, *next;

	for (slab = wheel->slabs; slab; slab = next) {
		next = slab->next;
		aion__free(slab);
	}
	aion__free(wheel->run);
	aion__free(wheel->heap.entries);
	wheel->slabs = NULL;
	wheel->run = NULL;
	wheel->heap.entries = NULL;
}
