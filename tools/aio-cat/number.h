/* SPDX-License-Identifier: MIT */
#ifndef AIO_CAT_NUMBER_H
#define AIO_CAT_NUMBER_H
/*
 * The number in front of a line, kept as the text that it becomes. It lives in two words, not in an array: what is
 * stored byte by byte and loaded as a word right after makes the processor wait.
 */
#include <stdint.h>
#include <string.h>

#define NUMBER_SIZE_MAX 16 /* bytes that number_put() writes, of which not all count */
#define NUMBER_WIDTH 6     /* digits and spaces, at least; at most 14, for 100 terabytes of empty lines */
#define NUMBER_TAIL_SIZE (NUMBER_WIDTH + 1)

struct number {
	uint64_t head; /* the digits in front of the tail, head_size of them, as they lie in memory */
	uint64_t tail; /* the last six digits and a tab */
	unsigned head_size;
};

/* How far byte i of a word in memory is from the word's lowest bit. */
static inline unsigned number_shift(unsigned i)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return 8 * i;
#else
	return 8 * (7 - i);
#endif
}

static inline struct number number_first(void)
{
	struct number number = {0};

	memcpy(&number.tail, "     1\t", NUMBER_TAIL_SIZE);
	return number;
}

/* Add one to the size digits in the word. False: all were 9, and are 0 now. */
static inline bool number_carry(uint64_t *word, unsigned size)
{
	while (size > 0) {
		unsigned shift = number_shift(--size);
		uint64_t digit = *word >> shift & 0xff;

		*word &= ~(UINT64_C(0xff) << shift);
		*word |= (uint64_t)(digit == ' ' ? '1' : digit == '9' ? '0' : digit + 1) << shift;
		if (digit != '9')
			return true;
	}
	return false;
}

/* Where the digits are no longer enough. */
static __attribute__((noinline)) void number_grow(struct number *number)
{
	static const char first[] = {'1', '0', '0', '0', '0', '0', '0', '0'};

	if (number_carry(&number->tail, NUMBER_WIDTH) || number_carry(&number->head, number->head_size))
		return;
	memcpy(&number->head, first, sizeof(first));
	number->head_size += number->head_size < sizeof(first);
}

/* Write the number to out, which has room for NUMBER_SIZE_MAX bytes, and go on to the next. Returns where it ends. */
static inline char *number_put(struct number *number, char *out)
{
	unsigned shift = number_shift(NUMBER_WIDTH - 1);

	memcpy(out, &number->head, sizeof(number->head));
	out += number->head_size;
	memcpy(out, &number->tail, sizeof(number->tail));
	out += NUMBER_TAIL_SIZE;
	if ((number->tail >> shift & 0xff) != '9')
		number->tail += UINT64_C(1) << shift;
	else
		number_grow(number);
	return out;
}

#endif
