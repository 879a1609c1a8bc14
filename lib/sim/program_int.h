/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_PROGRAM_INT_H
#define AION_SIM_PROGRAM_INT_H
/* The program's memory, reached past the sanitizers and valgrind: program.c. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fill it with words that follow from `rubbish`. */
void aion__program_put_rubbish(char *memory, size_t size, uint64_t rubbish);
/* The first byte that is not what was put there; size: all are. */
size_t aion__program_check_rubbish(const char *memory, size_t size, uint64_t rubbish);
/* The first byte that differs from the copy; size: none does. */
size_t aion__program_check_copy(const char *memory, const char *copy, size_t size);
/* Sanitizer builds only: freed to the heap, on the stack of a function that has returned, out of scope. */
bool aion__program_is_freed(const char *address);

#define AION__PROGRAM_PAGE_NR 4096 /* a power of 2 */

/* Pages that have been found to be there. */
struct aion__program_pages {
	uintptr_t slots[AION__PROGRAM_PAGE_NR]; /* number, times 2, plus 1 if it can be written */
};

/* Whether all of it can be read, or, if it is to be filled, written. A page that was there once is believed to stay. */
bool aion__program_is_there(struct aion__program_pages *pages, const char *memory, size_t size, bool is_filled);
/* The same for 4 KiB at most that were there once: whether they still are. */
bool aion__program_is_still_there(const char *memory, size_t size);

#endif
