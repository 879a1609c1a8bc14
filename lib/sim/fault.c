/* SPDX-License-Identifier: MIT */
/*
 * What is left open is drawn here: numbers, faults with their probabilities, faults that a test has ordered.
 *
 * A fault that may not strike any more, for the machine is calm or has had its number, is drawn all the same: so a run
 * with fewer faults stays the same run up to the first one that is left out.
 */
#include <errno.h>

#include "sim_int.h"

#define MILLION 1000000U /* always */

/* One operation of a kind, counted down to. */
struct aion__sim_injection {
	struct aion__sim_injection *next;
	int opcode;
	unsigned left_nr; /* 1: the next one */
	int error;
};

/* Between 0 and 1000000 each. What a profile leaves out never happens. */
static const unsigned profile_knobs[][AION_SIM_KNOB_NR] = {
	[AION_SIM_CALM] =
		{
			[AION_SIM_INLINE] = 300000,
			[AION_SIM_TRY] = 700000,
			[AION_SIM_LATE_CQE] = 200000,
			[AION_SIM_CANCEL_LAST] = 300000,
		},
	[AION_SIM_ROUGH] =
		{
			[AION_SIM_INLINE] = 300000,
			[AION_SIM_TRY] = 500000,
			[AION_SIM_SHORT_READ] = 100000,
			[AION_SIM_SHORT_WRITE] = 100000,
			[AION_SIM_STALL] = 2000,
			[AION_SIM_LATE_CQE] = 300000,
			[AION_SIM_CANCEL_MISS] = 200000,
			[AION_SIM_CANCEL_LAST] = 500000,
			[AION_SIM_MULTISHOT_END] = 50000,
			[AION_SIM_NOTIF_LATE] = 200000,
			[AION_SIM_WAIT_EINTR] = 20000,
			[AION_SIM_ENTER_EAGAIN] = 5000,
			[AION_SIM_SUBMIT_PART] = 20000,
			[AION_SIM_SETUP_HALF] = 100000,
			[AION_SIM_ERROR_EAGAIN] = 10000,
		},
	[AION_SIM_HOSTILE] =
		{
			[AION_SIM_INLINE] = 300000,
			[AION_SIM_TRY] = 300000,
			[AION_SIM_SHORT_READ] = 250000,
			[AION_SIM_SHORT_WRITE] = 250000,
			[AION_SIM_STALL] = 5000,
			[AION_SIM_LATE_CQE] = 500000,
			[AION_SIM_CANCEL_MISS] = 400000,
			[AION_SIM_CANCEL_LAST] = 500000,
			[AION_SIM_MULTISHOT_END] = 150000,
			[AION_SIM_NOTIF_LATE] = 500000,
			[AION_SIM_WAIT_EINTR] = 100000,
			[AION_SIM_ENTER_EAGAIN] = 50000,
			[AION_SIM_SUBMIT_PART] = 100000,
			[AION_SIM_SETUP_HALF] = 300000,
			[AION_SIM_ERROR_EAGAIN] = 50000,
			[AION_SIM_ERROR_EINTR] = 10000,
			[AION_SIM_ERROR_EIO] = 5000,
			[AION_SIM_ERROR_ENOSPC] = 5000,
			[AION_SIM_ERROR_ENOMEM] = 2000,
			[AION_SIM_ERROR_EMFILE] = 10000,
			[AION_SIM_ERROR_ENFILE] = 5000,
			[AION_SIM_ERROR_ENOBUFS] = 20000,
			[AION_SIM_ERROR_ECONNRESET] = 5000,
		},
};

/* ---- numbers */

/* splitmix64, by Steele, Lea and Flood: well mixed numbers from any seed, however plain. */
static uint64_t seed_next(uint64_t *state)
{
	uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

void aion__sim_seed(struct aion_sim *sim, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		sim->random[i] = seed_next(&seed);
}

static inline uint64_t rotate(uint64_t word, unsigned by)
{
	return word << by | word >> (64 - by);
}

/* xoshiro256**, by Blackman and Vigna. */
uint64_t aion__sim_draw(struct aion_sim *sim)
{
	uint64_t *state = sim->random;
	uint64_t drawn = rotate(state[1] * 5, 7) * 9;
	uint64_t shifted = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= shifted;
	state[3] = rotate(state[3], 45);
	return drawn;
}

/* The drawn number as a fraction of 1, times n; what is behind the point is left in *drawn as a fraction again. */
static inline uint64_t draw_scale(uint64_t *drawn, uint64_t n)
{
	__extension__ unsigned __int128 product = (unsigned __int128)*drawn * n;

	*drawn = (uint64_t)product;
	return (uint64_t)(product >> 64);
}

uint64_t aion__sim_draw_below(struct aion_sim *sim, uint64_t n)
{
	uint64_t drawn = aion__sim_draw(sim);

	AION_ASSERT(n > 0);
	return draw_scale(&drawn, n);
}

static inline unsigned log2_of(int64_t number)
{
	return 63 - (unsigned)__builtin_clzll((uint64_t)number);
}

/* First the power of two, then the place between it and the next: both of one number. */
int64_t aion__sim_draw_ns(struct aion_sim *sim, int64_t low, int64_t high)
{
	uint64_t drawn = aion__sim_draw(sim);
	unsigned power;
	int64_t first, last;

	AION_ASSERT(0 < low && low <= high);
	power = log2_of(low);
	power += (unsigned)draw_scale(&drawn, log2_of(high) - power + 1);
	first = INT64_C(1) << power;
	last = first + (first - 1);
	if (first < low)
		first = low;
	if (last > high)
		last = high;
	return first + (int64_t)draw_scale(&drawn, (uint64_t)(last - first) + 1);
}

/* ---- faults */

void aion__sim_set_profile(struct aion_sim *sim, enum aion_sim_profile profile)
{
	for (int i = 0; i < AION_SIM_KNOB_NR; i++)
		sim->knobs[i] = profile_knobs[profile][i];
}

/* The others are what any kernel does: they go on when the machine is calm, and count as nothing. */
static bool knob_is_fault(enum aion_sim_knob knob)
{
	switch (knob) {
	case AION_SIM_INLINE:
	case AION_SIM_TRY:
	case AION_SIM_LATE_CQE:
	case AION_SIM_CANCEL_MISS:
	case AION_SIM_CANCEL_LAST:
		return false;
	default:
		return true;
	}
}

bool aion__sim_strikes(struct aion_sim *sim, enum aion_sim_knob knob)
{
	unsigned millionths = sim->knobs[knob];

	if (!millionths || (millionths < MILLION && aion__sim_draw_below(sim, MILLION) >= millionths))
		return false;
	if (!knob_is_fault(knob))
		return true;
	if (sim->is_calm || sim->fault_nr >= sim->fault_max)
		return false;
	sim->fault_nr++;
	aion__sim_trace(sim, AION__SIM_EVENT_STRIKE, 0, 0, knob, 0);
	return true;
}

static void knob_check(enum aion_sim_knob knob)
{
	AION_BUG_ON((unsigned)knob >= AION_SIM_KNOB_NR, "knob %u of a simulated machine, which has none such",
		    (unsigned)knob);
}

void aion_sim_knob_set(struct aion_sim *sim, enum aion_sim_knob knob, unsigned millionths)
{
	knob_check(knob);
	sim->knobs[knob] = millionths < MILLION ? millionths : MILLION;
}

unsigned aion_sim_knob_get(const struct aion_sim *sim, enum aion_sim_knob knob)
{
	knob_check(knob);
	return sim->knobs[knob];
}

void aion_sim_calm_down(struct aion_sim *sim)
{
	sim->is_calm = true;
}

uint64_t aion_sim_fault_nr(const struct aion_sim *sim)
{
	return sim->fault_nr;
}

void aion_sim_fault_max(struct aion_sim *sim, uint64_t fault_max)
{
	sim->fault_max = fault_max;
}

/* ---- faults to order: they strike whatever the machine's mood, and count as nothing */

int aion_sim_inject(struct aion_sim *sim, int opcode, unsigned nth, int error)
{
	struct aion__sim_injection **last = &sim->injections;
	struct aion__sim_injection *injection;

	if (!nth || error >= 0)
		return -EINVAL;
	if (opcode != AION_SIM_ANY && (opcode < 0 || opcode > UINT8_MAX || !aion__sim_calls[opcode].name))
		return -EINVAL;
	injection = aion__sim_alloc(sizeof(*injection));
	*injection = (struct aion__sim_injection){.opcode = opcode, .left_nr = nth, .error = error};
	while (*last)
		last = &(*last)->next;
	*last = injection;
	return 0;
}

/* Every order counts every operation of its kind; if two are for the same one, the first decides. */
int aion__sim_injected(struct aion_sim *sim, unsigned opcode)
{
	struct aion__sim_injection **place = &sim->injections;
	int error = 0;

	while (*place) {
		struct aion__sim_injection *injection = *place;

		if ((injection->opcode != AION_SIM_ANY && injection->opcode != (int)opcode) || --injection->left_nr) {
			place = &injection->next;
			continue;
		}
		error = error ? error : injection->error;
		*place = injection->next;
		aion__sim_free(injection);
	}
	return error;
}

void aion__sim_faults_fini(struct aion_sim *sim)
{
	while (sim->injections) {
		struct aion__sim_injection *injection = sim->injections;

		sim->injections = injection->next;
		aion__sim_free(injection);
	}
}
