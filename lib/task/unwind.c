/* SPDX-License-Identifier: MIT */
#include "unwind_int.h"

#include "annotate_int.h"

#ifdef AION__ASAN
#define READS_STACKS __attribute__((noinline, no_sanitize_address))
#else
#define READS_STACKS
#endif

/* A word of the stack, whoever it belongs to there. False: it is not in the stack. */
static READS_STACKS bool stack_read(const struct aion__unwind *unwind, uintptr_t address, uintptr_t *ret_word)
{
	uintptr_t low = unwind->regs[AION__UNWIND_SP];

	if (address % sizeof(uintptr_t) || address < low || address > (uintptr_t)unwind->high - sizeof(uintptr_t))
		return false;
	*ret_word = *(const volatile uintptr_t *)address;
	aion__annotate_written(ret_word,
			       sizeof(*ret_word)); /* a register saved before it had a value is none of ours */
	return true;
}

/* What the tables say about a call whose return address is pc. */
static const struct aion__unwind_row *row_of(struct aion__unwind *unwind, uintptr_t pc, struct aion__unwind_row *room)
{
	struct aion__unwind_row *row = room;

	if (unwind->cache)
		row = &unwind->cache->rows[pc * UINT64_C(0x9e3779b97f4a7c15) >> 55];
	if (!unwind->cache || row->pc != pc) {
		row->is_known = aion__unwind_find(pc - 1, row);
		row->pc = pc;
	}
	return row;
}

/* From a frame to its caller's. False: there is none, or what the tables say leads out of the stack. */
static bool unwind_step(struct aion__unwind *unwind, const struct aion__unwind_row *row)
{
	uintptr_t cfa = unwind->regs[row->cfa_reg] + (uintptr_t)(intptr_t)row->cfa_off;
	uintptr_t regs[AION__UNWIND_REG_NR];

	for (size_t i = 0; i < AION__UNWIND_REG_NR; i++) {
		regs[i] = unwind->regs[i];
		if (row->at[i] == AION__UNWIND_SAME || row->at[i] == AION__UNWIND_LOST)
			continue;
		if (!stack_read(unwind, cfa + (uintptr_t)(intptr_t)row->at[i], &regs[i]))
			return false;
	}
	if (row->at[AION__UNWIND_RA] == AION__UNWIND_SAME || cfa <= unwind->regs[AION__UNWIND_SP] ||
	    cfa > (uintptr_t)unwind->high)
		return false;
	regs[AION__UNWIND_SP] = cfa;
	for (size_t i = 0; i < AION__UNWIND_REG_NR; i++)
		unwind->regs[i] = regs[i];
	unwind->pc = regs[AION__UNWIND_RA];
	return true;
}

size_t aion__unwind(struct aion__unwind *unwind, void **ret_addresses, size_t max)
{
	struct aion__unwind_row room;
	size_t nr = 0;

	while (nr < max) {
		const struct aion__unwind_row *row = row_of(unwind, unwind->pc, &room);

		/* The outermost is the switch, which is nobody's. */
		if (row->is_known && row->at[AION__UNWIND_RA] == AION__UNWIND_LOST)
			break;
		ret_addresses[nr++] = (void *)unwind->pc;
		if (!row->is_known || !unwind_step(unwind, row))
			break;
	}
	return nr;
}
