/* SPDX-License-Identifier: MIT */
/*
 * The machine's hand on the program's memory. The sanitizers and valgrind take lent memory for closed; what is done
 * here goes past them. Whether there is any memory is the kernel's to say: a wrong address ends an operation, not the
 * process.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "annotate_int.h"
#include "program_int.h"
#include "sim_int.h"
#include "syscall_int.h"

#define PAGE_SIZE ((uintptr_t)4096) /* bytes; of a larger page, parts are asked for one by one */
#define PROBE_NR 64                 /* pages that are asked for at once */

#ifdef AION__ASAN
#define UNSEEN __attribute__((no_sanitize("address"), noinline))
#else
#define UNSEEN
#endif

/* A word of memory of any alignment and type. */
typedef uint64_t word __attribute__((aligned(1), may_alias));

#define STEP UINT64_C(0x9e3779b97f4a7c15) /* from one word of rubbish to the next */

static inline void errors_off(void)
{
#ifdef AION_VALGRIND
	VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void errors_on(void)
{
#ifdef AION_VALGRIND
	VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

/* memcpy(3) would be looked into, and the compiler would make one of a plain loop. */
static UNSEEN void copy_unseen(void *to, const void *from, size_t size)
{
#ifdef AION__ASAN
	volatile char *bytes_to = to;
	const volatile char *bytes_from = from;
	size_t i = 0;

	for (; i + sizeof(word) <= size; i += sizeof(word))
		*(volatile word *)(bytes_to + i) = *(const volatile word *)(bytes_from + i);
	for (; i < size; i++)
		bytes_to[i] = bytes_from[i];
#else
	errors_off();
	memcpy(to, from, size);
	errors_on();
#endif
}

void aion__sim_copy_to_program(void *to, const void *from, size_t size)
{
	copy_unseen(to, from, size);
}

void aion__sim_copy_from_program(void *to, const void *from, size_t size)
{
	copy_unseen(to, from, size);
}

static UNSEEN void rubbish_put(char *memory, size_t size, uint64_t rubbish)
{
	const unsigned char *bytes = (const unsigned char *)&rubbish;
	size_t i = 0;

	for (; i + sizeof(word) <= size; i += sizeof(word), rubbish += STEP)
		*(word *)(memory + i) = rubbish;
	for (; i < size; i++)
		memory[i] = (char)bytes[i % sizeof(word)];
}

/* The first byte in which two words, or the first `size` bytes of them, differ. */
static size_t word_difference(uint64_t a, uint64_t b, size_t size)
{
	const unsigned char *bytes_a = (const unsigned char *)&a, *bytes_b = (const unsigned char *)&b;
	size_t i = 0;

	while (i < size && i < sizeof(word) && bytes_a[i] == bytes_b[i])
		i++;
	return i;
}

static UNSEEN size_t rubbish_check(const char *memory, size_t size, uint64_t rubbish)
{
	uint64_t tail = 0;
	size_t i = 0;

	for (; i + sizeof(word) <= size; i += sizeof(word), rubbish += STEP)
		if (*(const word *)(memory + i) != rubbish)
			return i + word_difference(*(const word *)(memory + i), rubbish, sizeof(word));
	for (size_t k = i; k < size; k++)
		((unsigned char *)&tail)[k - i] = (unsigned char)memory[k];
	return i + word_difference(tail, rubbish, size - i);
}

static UNSEEN size_t copy_check(const char *memory, const char *copy, size_t size)
{
	size_t i = 0;

	while (i + sizeof(word) <= size && *(const word *)(memory + i) == *(const word *)(copy + i))
		i += sizeof(word);
	while (i < size && memory[i] == copy[i])
		i++;
	return i;
}

void aion__program_put_rubbish(char *memory, size_t size, uint64_t rubbish)
{
	errors_off();
	rubbish_put(memory, size, rubbish);
	errors_on();
}

size_t aion__program_check_rubbish(const char *memory, size_t size, uint64_t rubbish)
{
	size_t same;

	errors_off();
	same = rubbish_check(memory, size, rubbish);
	errors_on();
	return same;
}

size_t aion__program_check_copy(const char *memory, const char *copy, size_t size)
{
	size_t same;

	errors_off();
	same = copy_check(memory, copy, size);
	errors_on();
	return same;
}

UNSEEN bool aion__program_is_freed(const char *address)
{
#ifdef AION__ASAN
	size_t scale, offset;
	unsigned mark;

	__asan_get_shadow_mapping(&scale, &offset);
	mark = *(const unsigned char *)(((uintptr_t)address >> scale) + offset);
	return mark == 0xfd || mark == 0xf5 || mark == 0xf8; /* as in the legend of each of its reports */
#else
	(void)address;
	return false;
#endif
}

/* ---- whether it is there at all */

/* Asks the kernel, which looks at a byte of each page: the one at `address`, then the first ones. What can be written
 * is written, with what is there: the byte is the machine's now. */
static bool pages_probe(uintptr_t address, size_t nr, bool is_filled)
{
	char bytes[PROBE_NR];
	const struct iovec local = {bytes, nr};
	struct iovec remote[PROBE_NR];
	long result;

	for (size_t i = 0; i < nr; i++) {
		remote[i] = (struct iovec){(void *)address, 1};
		address = (address / PAGE_SIZE + 1) * PAGE_SIZE;
	}
	result = aion__syscall6(SYS_process_vm_readv, getpid(), (long)&local, 1, (long)remote, (long)nr, 0);
	if (is_filled && result == (long)nr)
		result = aion__syscall6(SYS_process_vm_writev, getpid(), (long)&local, 1, (long)remote, (long)nr, 0);
	/* Where the call is forbidden, nobody knows better. */
	return result == (long)nr || (result < 0 && result != -EFAULT);
}

bool aion__program_is_there(struct aion__program_pages *pages, const char *memory, size_t size, bool is_filled)
{
	uintptr_t address = (uintptr_t)memory;
	uintptr_t last = (address + size - 1) / PAGE_SIZE;

	if (size > UINTPTR_MAX - address)
		return false;
	while (size && address / PAGE_SIZE <= last) {
		uintptr_t page = address / PAGE_SIZE;
		uintptr_t known = pages->slots[page % AION__PROGRAM_PAGE_NR];
		size_t nr = last - page + 1 < PROBE_NR ? last - page + 1 : PROBE_NR;

		if (known && known / 2 == page && (known & 1 || !is_filled))
			nr = 1;
		else if (!pages_probe(address, nr, is_filled))
			return false;
		else
			for (size_t i = 0; i < nr; i++)
				pages->slots[(page + i) % AION__PROGRAM_PAGE_NR] = (page + i) * 2 + is_filled;
		address = (page + nr) * PAGE_SIZE;
	}
	return true;
}

bool aion__program_is_still_there(const char *memory, size_t size)
{
	uintptr_t address = (uintptr_t)memory;

	return pages_probe(address, (address + size - 1) / PAGE_SIZE - address / PAGE_SIZE + 1, false);
}
