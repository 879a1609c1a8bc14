/* SPDX-License-Identifier: MIT */
/* The tables of a loaded file: found by its program headers, searched by its index, read up to one place in the code.
 */
#include <link.h>
#include <string.h>

#include "unwind_int.h"

/* Encodings of pointers that are used in practice; others are not understood, and end the walk. */
#define ENCODED_U4 0x03          /* of the index's length */
#define ENCODED_RELATIVE_S4 0x1b /* to where it stands */
#define ENCODED_INDEX_S4 0x3b    /* to the index's head */

#define STATE_MAX 8 /* of remember_state inside each other */

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
};

/* The entry of one function, and what it shares with others. */
struct entry {
	uintptr_t first_pc;
	struct cursor common; /* instructions */
	struct cursor own;
	uint64_t code_align;
	int64_t data_align;
};

static uint64_t take(struct cursor *cursor, size_t size)
{
	uint64_t value = 0;

	if ((size_t)(cursor->end - cursor->at) < size) {
		cursor->at = cursor->end;
		return 0;
	}
	memcpy(&value, cursor->at, size); /* both architectures are little-endian */
	cursor->at += size;
	return value;
}

static uint64_t take_uleb(struct cursor *cursor)
{
	uint64_t value = 0;
	uint8_t byte = 0x80;

	for (unsigned shift = 0; byte & 0x80 && cursor->at < cursor->end; shift += 7) {
		byte = *cursor->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
	}
	return value;
}

static int64_t take_sleb(struct cursor *cursor)
{
	const uint8_t *begin = cursor->at;
	uint64_t value = take_uleb(cursor);
	size_t bit_nr = (size_t)(cursor->at - begin) * 7;

	if (bit_nr && bit_nr < 64 && value >> (bit_nr - 1) & 1)
		value |= ~UINT64_C(0) << bit_nr;
	return (int64_t)value;
}

static void skip(struct cursor *cursor, uint64_t size)
{
	cursor->at = size < (uint64_t)(cursor->end - cursor->at) ? cursor->at + size : cursor->end;
}

/* An entry's length and what it bounds. False: the long form, or the end mark. */
static bool take_block(const uint8_t *at, struct cursor *ret)
{
	uint32_t size;

	memcpy(&size, at, sizeof(size));
	*ret = (struct cursor){at + sizeof(size), at + sizeof(size) + size};
	return size && size != UINT32_MAX;
}

/* What entries share. False: something in it is not understood. */
static bool read_common(const uint8_t *at, struct entry *entry)
{
	uint8_t pointer_encoding = 0;
	struct cursor block, data;
	const char *augmentation;
	uint64_t version;

	if (!take_block(at, &block) || take(&block, 4) != 0)
		return false;
	version = take(&block, 1);
	augmentation = (const char *)block.at;
	skip(&block, strnlen(augmentation, (size_t)(block.end - block.at)) + 1);
	entry->code_align = take_uleb(&block);
	entry->data_align = take_sleb(&block);
	if (version == 1)
		take(&block, 1);
	else
		take_uleb(&block);
	if (*augmentation != 'z')
		return false;
	data.end = block.end;
	data.at = block.at;
	skip(&block, take_uleb(&block));
	take_uleb(&data);
	for (const char *letter = augmentation + 1; *letter; letter++) {
		if (*letter == 'R')
			pointer_encoding = (uint8_t)take(&data, 1);
		else if (*letter == 'L')
			take(&data, 1);
		else if (*letter == 'P') /* the personality: its encoding says how long it is */
			skip(&data, (take(&data, 1) & 0x07) == 0x03 ? 4 : 8);
	}
	entry->common = block;
	return pointer_encoding == ENCODED_RELATIVE_S4;
}

static bool read_entry(const uint8_t *at, uintptr_t pc, struct entry *entry)
{
	const uint8_t *place;
	struct cursor block;
	uint64_t range;

	if (!take_block(at, &block))
		return false;
	place = block.at;
	if (!read_common(place - (uint32_t)take(&block, 4), entry))
		return false;
	place = block.at;
	entry->first_pc = (uintptr_t)place + (uintptr_t)(intptr_t)(int32_t)take(&block, 4);
	range = take(&block, 4);
	skip(&block, take_uleb(&block));
	entry->own = block;
	return pc - entry->first_pc < range;
}

/* In the index of a file: the last entry that begins at or before pc. NULL if there is none. */
static const uint8_t *index_search(const uint8_t *head, uintptr_t pc)
{
	const int32_t *pairs = (const int32_t *)(const void *)(head + 12);
	uint32_t low = 0, high;

	if (head[0] != 1 || head[2] != ENCODED_U4 || head[3] != ENCODED_INDEX_S4 || (head[1] & 0x0f) != 0x0b)
		return NULL;
	memcpy(&high, head + 8, sizeof(high));
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((uintptr_t)head + (uintptr_t)(intptr_t)pairs[2 * (size_t)middle] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? head + pairs[2 * (size_t)(low - 1) + 1] : NULL;
}

struct search {
	uintptr_t pc;
	const uint8_t *entry;
};

static int file_search(struct dl_phdr_info *file, size_t size, void *arg)
{
	struct search *search = arg;
	const uint8_t *head = NULL;
	bool is_here = false;

	(void)size;
	for (size_t i = 0; i < file->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &file->dlpi_phdr[i];
		uintptr_t low = file->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD)
			is_here |= search->pc - low < header->p_memsz;
		else if (header->p_type == PT_GNU_EH_FRAME)
			head = (const uint8_t *)low;
	}
	if (is_here && head)
		search->entry = index_search(head, search->pc);
	return is_here;
}

static void rule_set(struct aion__unwind_row *row, uint64_t reg, int64_t rule)
{
	if (reg < AION__UNWIND_REG_NR)
		row->at[reg] = (int32_t)rule;
}

static void cfa_set(struct aion__unwind_row *row, uint64_t reg, int64_t off)
{
	row->cfa_reg = reg < AION__UNWIND_REG_NR ? (uint8_t)reg : UINT8_MAX;
	row->cfa_off = (int32_t)off;
}

struct program {
	const struct entry *entry;
	struct aion__unwind_row *row;
	struct aion__unwind_row initial;
	struct aion__unwind_row saved[STATE_MAX];
	unsigned saved_nr;
	uintptr_t at_pc;
};

/* The instructions whose number is in the low six bits. False: not understood. */
static bool program_step(struct program *program, struct cursor *code, uint8_t instruction)
{
	struct aion__unwind_row *row = program->row;
	int64_t data_align = program->entry->data_align;
	uint64_t reg;

	switch (instruction) {
	case 0x00: /* nop */
	case 0x2d: /* aarch64: the return address is signed, or no longer */
		return true;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		program->at_pc += take(code, (size_t)1 << (instruction - 0x02)) * program->entry->code_align;
		return true;
	case 0x05: /* offset_extended */
		reg = take_uleb(code);
		rule_set(row, reg, (int64_t)take_uleb(code) * data_align);
		return true;
	case 0x06: /* restore_extended */
		reg = take_uleb(code);
		rule_set(row, reg, reg < AION__UNWIND_REG_NR ? program->initial.at[reg] : 0);
		return true;
	case 0x07: /* undefined */
		rule_set(row, take_uleb(code), AION__UNWIND_LOST);
		return true;
	case 0x08: /* same_value */
		rule_set(row, take_uleb(code), AION__UNWIND_SAME);
		return true;
	case 0x09: /* register */
	case 0x14: /* val_offset, _sf */
	case 0x15:
		rule_set(row, take_uleb(code), AION__UNWIND_LOST);
		take_uleb(code);
		return true;
	case 0x0a: /* remember_state */
		if (program->saved_nr == STATE_MAX)
			return false;
		program->saved[program->saved_nr++] = *row;
		return true;
	case 0x0b: /* restore_state */
		if (!program->saved_nr)
			return false;
		*row = program->saved[--program->saved_nr];
		return true;
	case 0x0c: /* def_cfa */
		reg = take_uleb(code);
		cfa_set(row, reg, (int64_t)take_uleb(code));
		return true;
	case 0x0d: /* def_cfa_register */
		cfa_set(row, take_uleb(code), row->cfa_off);
		return true;
	case 0x0e: /* def_cfa_offset */
		row->cfa_off = (int32_t)take_uleb(code);
		return true;
	case 0x0f: /* def_cfa_expression: of the stubs that call other files' functions; nobody suspends there */
		row->cfa_reg = UINT8_MAX;
		skip(code, take_uleb(code));
		return true;
	case 0x10: /* expression, val_expression */
	case 0x16:
		rule_set(row, take_uleb(code), AION__UNWIND_LOST);
		skip(code, take_uleb(code));
		return true;
	case 0x11: /* offset_extended_sf */
		reg = take_uleb(code);
		rule_set(row, reg, take_sleb(code) * data_align);
		return true;
	case 0x12: /* def_cfa_sf */
		reg = take_uleb(code);
		cfa_set(row, reg, take_sleb(code) * data_align);
		return true;
	case 0x13: /* def_cfa_offset_sf */
		row->cfa_off = (int32_t)(take_sleb(code) * data_align);
		return true;
	case 0x2e: /* GNU_args_size */
		take_uleb(code);
		return true;
	default:
		return false;
	}
}

/* Up to the place pc. False: something is not understood. */
static bool program_run(struct program *program, struct cursor code, uintptr_t pc)
{
	while (code.at < code.end && program->at_pc <= pc) {
		uint8_t instruction = (uint8_t)take(&code, 1);
		uint8_t operand = instruction & 0x3f;

		if (instruction >> 6 == 1) /* advance_loc */
			program->at_pc += operand * program->entry->code_align;
		else if (instruction >> 6 == 2) /* offset */
			rule_set(program->row, operand, (int64_t)take_uleb(&code) * program->entry->data_align);
		else if (instruction >> 6 == 3) /* restore */
			rule_set(program->row, operand,
				 operand < AION__UNWIND_REG_NR ? program->initial.at[operand] : 0);
		else if (!program_step(program, &code, instruction))
			return false;
	}
	return true;
}

bool aion__unwind_find(uintptr_t pc, struct aion__unwind_row *ret_row)
{
	struct search search = {.pc = pc};
	struct entry entry;
	struct program program = {.entry = &entry, .row = ret_row};

	if (AION__UNWIND_REG_NR == 1)
		return false;
	*ret_row = (struct aion__unwind_row){.cfa_reg = UINT8_MAX};
	for (size_t i = 0; i < AION__UNWIND_REG_NR; i++)
		ret_row->at[i] = AION__UNWIND_SAME;
	dl_iterate_phdr(file_search, &search);
	if (!search.entry || !read_entry(search.entry, pc, &entry))
		return false;
	program.at_pc = entry.first_pc;
	if (!program_run(&program, entry.common, pc))
		return false;
	program.initial = *ret_row;
	return program_run(&program, entry.own, pc) && ret_row->cfa_reg != UINT8_MAX;
}
