/* SPDX-License-Identifier: MIT */
/*
 * Bytes that need attention are found 32 at a time, as a mask; what lies between them is copied 32 at a time, too.
 * Which bytes these are depends on the options; what is done with each is the same code for all.
 */
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "show.h"

#define BLOCK_SIZE 32
/* What one byte becomes at most: a number, "^M$" and a newline; and what a copy writes too much. */
#define BYTE_SIZE_MAX (NUMBER_SIZE_MAX + 8 + BLOCK_SIZE)

_Static_assert(BYTE_SIZE_MAX + BLOCK_SIZE <= SHOW_ROOM_MIN, "one byte always has room");

/* Bit i: byte i of the block needs attention. */
typedef uint32_t find_fn(const struct show_options *options, bool wants_lines, const char *block);

struct cursor {
	const char *in;
	const char *end;
	char *out;
};

void show_init(struct show *show, const struct show_options *options)
{
	*show = (struct show){.options = *options, .number = number_first()};
	if (options->number_nonblank)
		show->options.number = true;
	show->wants_lines = show->options.number || options->squeeze || options->ends;
	show->is_number_only = options->number && !options->number_nonblank && !options->squeeze && !options->ends &&
			       !options->tabs && !options->nonprinting;
}

bool show_is_active(const struct show *show)
{
	return show->wants_lines || show->options.tabs || show->options.nonprinting;
}

/* ---- which bytes need attention */

static bool needs_attention(const struct show_options *options, bool wants_lines, unsigned char byte)
{
	if (byte == '\n')
		return wants_lines;
	if (byte == '\t')
		return options->tabs;
	if (options->nonprinting)
		return byte < ' ' || byte >= 127;
	return byte == '\r' && options->ends;
}

static uint32_t find_bytewise(const struct show_options *options, bool wants_lines, const char *block, size_t size)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < size; i++)
		mask |= (uint32_t)needs_attention(options, wants_lines, (unsigned char)block[i]) << i;
	return mask;
}

#if defined(__x86_64__)

#define FIND_AVX2 __attribute__((target("avx2")))

FIND_AVX2 static inline __attribute__((always_inline)) __m256i equal_avx2(__m256i bytes, char byte)
{
	return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte));
}

FIND_AVX2 static inline __attribute__((always_inline)) uint32_t find_avx2(const struct show_options *options,
									  bool wants_lines, const char *block)
{
	__m256i bytes = _mm256_loadu_si256((const __m256i *)block);
	__m256i newlines = equal_avx2(bytes, '\n');
	__m256i found = _mm256_setzero_si256();

	if (options->nonprinting) {
		/* As signed numbers, bytes of 128 and above are below the space, too. */
		found = _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes), equal_avx2(bytes, 127));
		if (!options->tabs)
			found = _mm256_andnot_si256(equal_avx2(bytes, '\t'), found);
		if (!wants_lines)
			found = _mm256_andnot_si256(newlines, found);
		return (uint32_t)_mm256_movemask_epi8(found);
	}
	if (wants_lines)
		found = newlines;
	if (options->tabs)
		found = _mm256_or_si256(found, equal_avx2(bytes, '\t'));
	if (options->ends)
		found = _mm256_or_si256(found, equal_avx2(bytes, '\r'));
	return (uint32_t)_mm256_movemask_epi8(found);
}

#endif

static inline __attribute__((always_inline)) uint32_t find_plain(const struct show_options *options, bool wants_lines,
								 const char *block)
{
	return find_bytewise(options, wants_lines, block, BLOCK_SIZE);
}

/* ---- what is done with them */

static inline char *put_newline(struct show *show, char *out)
{
	if (show->blank_nr < 0) {
		show->blank_nr = 0;
	} else {
		show->blank_nr += show->blank_nr < 2;
		if (show->blank_nr == 2 && show->options.squeeze)
			return out;
		if (show->options.number && !show->options.number_nonblank)
			out = number_put(&show->number, out);
	}
	if (show->options.ends) {
		if (show->pending_cr) {
			*out++ = '^';
			*out++ = 'M';
			show->pending_cr = false;
		}
		*out++ = '$';
	}
	*out++ = '\n';
	return out;
}

static char *put_visible(unsigned char byte, char *out)
{
	if (byte >= 128) {
		*out++ = 'M';
		*out++ = '-';
		byte -= 128;
	}
	if (byte < ' ' || byte == 127) {
		*out++ = '^';
		byte ^= 64;
	}
	*out++ = (char)byte;
	return out;
}

static inline void begin_line(struct show *show, struct cursor *cursor)
{
	if (show->blank_nr < 0)
		return;
	show->blank_nr = -1;
	if (show->options.number)
		cursor->out = number_put(&show->number, cursor->out);
}

/* One byte that needs attention. */
static void handle(struct show *show, struct cursor *cursor)
{
	unsigned char byte = (unsigned char)*cursor->in++;

	if (byte == '\n' && show->wants_lines) {
		cursor->out = put_newline(show, cursor->out);
		return;
	}
	begin_line(show, cursor);
	if (byte == '\t' || show->options.nonprinting) {
		cursor->out = put_visible(byte, cursor->out);
	} else if (cursor->in == cursor->end) { /* a CR, with -E */
		show->pending_cr = true;
	} else {
		show->pending_cr = *cursor->in == '\n';
		if (!show->pending_cr)
			*cursor->out++ = '\r';
	}
}

/* Bytes that go through as they are; what is copied too much is written over later. */
static inline void copy(struct show *show, struct cursor *cursor, size_t size, bool may_read_on)
{
	if (!size)
		return;
	begin_line(show, cursor);
	if (may_read_on)
		memcpy(cursor->out, cursor->in, BLOCK_SIZE);
	else
		memcpy(cursor->out, cursor->in, size);
	cursor->in += size;
	cursor->out += size;
}

/* A block of size bytes, in which those of the mask need attention. */
static inline __attribute__((always_inline)) void block_run(struct show *show, struct cursor *cursor, size_t size,
							    uint32_t mask)
{
	const char *end = cursor->in + size;

	while (mask) {
		const char *next = end - size + __builtin_ctz(mask);

		copy(show, cursor, (size_t)(next - cursor->in), (size_t)(cursor->end - cursor->in) >= BLOCK_SIZE);
		handle(show, cursor);
		mask &= mask - 1;
	}
	copy(show, cursor, (size_t)(end - cursor->in), (size_t)(cursor->end - cursor->in) >= BLOCK_SIZE);
}

/* Room for a block of which every byte becomes as much as it can. */
#define BLOCK_ROOM (BLOCK_SIZE * BYTE_SIZE_MAX)

static inline __attribute__((always_inline)) void run(struct show *show, struct cursor *cursor, const char *out_end,
						      find_fn *find)
{
	struct show_options options = show->options;
	bool wants_lines = show->wants_lines;

	while (cursor->end - cursor->in >= BLOCK_SIZE && out_end - cursor->out >= BLOCK_ROOM)
		block_run(show, cursor, BLOCK_SIZE, find(&options, wants_lines, cursor->in));
	/* The end of the input, or of the room. */
	while (cursor->in < cursor->end && out_end - cursor->out >= SHOW_ROOM_MIN)
		block_run(show, cursor, 1, find_bytewise(&options, wants_lines, cursor->in, 1));
}

static void run_plain(struct show *show, struct cursor *cursor, const char *out_end)
{
	run(show, cursor, out_end, find_plain);
}

static inline __attribute__((always_inline)) size_t clean_size(const struct show *show, const char *in, size_t size,
							       find_fn *find)
{
	size_t off = 0;
	uint32_t mask;

	for (; size - off >= BLOCK_SIZE; off += BLOCK_SIZE) {
		mask = find(&show->options, show->wants_lines, in + off);
		if (mask)
			return off + (size_t)__builtin_ctz(mask);
	}
	mask = find_bytewise(&show->options, show->wants_lines, in + off, size - off);
	return mask ? off + (size_t)__builtin_ctz(mask) : size;
}

static size_t clean_size_plain(const struct show *show, const char *in, size_t size)
{
	return clean_size(show, in, size, find_plain);
}

#if defined(__x86_64__)

/*
 * -n alone, the commonest: after a newline the next block is taken where its line begins, so all that there is to do
 * for a block is a store. What is left at the end is no more than a block, or there is little room.
 */
FIND_AVX2 static void run_number_avx2(struct show *show, struct cursor *cursor, const char *out_end)
{
	struct number number = show->number;
	const char *in = cursor->in;
	char *out = cursor->out;

	if (cursor->end - in <= BLOCK_SIZE || out_end - out < SHOW_ROOM_MIN)
		return;
	if (show->blank_nr >= 0) {
		show->blank_nr = -1;
		out = number_put(&number, out);
	}
	while (cursor->end - in > BLOCK_SIZE && out_end - out >= SHOW_ROOM_MIN) {
		__m256i bytes = _mm256_loadu_si256((const __m256i *)in);
		uint32_t mask = (uint32_t)_mm256_movemask_epi8(equal_avx2(bytes, '\n'));
		unsigned size = mask ? (unsigned)__builtin_ctz(mask) + 1 : BLOCK_SIZE;

		_mm256_storeu_si256((__m256i *)out, bytes);
		in += size;
		out += size;
		if (mask) /* and a line follows, for the block was not the last */
			out = number_put(&number, out);
	}
	show->number = number;
	cursor->in = in;
	cursor->out = out;
}

FIND_AVX2 static void run_avx2(struct show *show, struct cursor *cursor, const char *out_end)
{
	if (show->is_number_only)
		run_number_avx2(show, cursor, out_end);
	run(show, cursor, out_end, find_avx2);
}

FIND_AVX2 static size_t clean_size_avx2(const struct show *show, const char *in, size_t size)
{
	return clean_size(show, in, size, find_avx2);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

#else

#define run_avx2 run_plain
#define clean_size_avx2 clean_size_plain

static bool has_avx2(void)
{
	return false;
}

#endif

size_t show_clean_size(const struct show *show, const char *in, size_t size)
{
	/* Lines that have to be told apart, or a CR that waits. */
	if (show->wants_lines)
		return 0;
	return has_avx2() ? clean_size_avx2(show, in, size) : clean_size_plain(show, in, size);
}

size_t show_run(struct show *show, const char **in, size_t *size, char *out, size_t room)
{
	struct cursor cursor = {.in = *in, .end = *in + *size, .out = out};

	if (*size && show->pending_cr && **in != '\n') {
		*cursor.out++ = '\r';
		show->pending_cr = false;
	}
	if (has_avx2())
		run_avx2(show, &cursor, out + room);
	else
		run_plain(show, &cursor, out + room);
	*in = cursor.in;
	*size = (size_t)(cursor.end - cursor.in);
	return (size_t)(cursor.out - out);
}

size_t show_end(struct show *show, char *out)
{
	bool pending_cr = show->pending_cr;

	*out = '\r';
	show->pending_cr = false;
	return pending_cr;
}
