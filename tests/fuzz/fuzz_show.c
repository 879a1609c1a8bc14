/* SPDX-License-Identifier: MIT */
/*
 * aio-cat's show.c on any bytes, cut anywhere, into any room, against the same thing done byte by byte. The first bytes
 * of an input say how; the rest is the text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"

#define ROOM_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	char *bytes;
	size_t size;
};

static void put(struct text *text, const char *bytes, size_t size)
{
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
}

/* What is to come out. */
struct plain {
	struct show_options options;
	bool in_line;
	int blank_nr;
	unsigned long number;
	struct text *out;
};

static void plain_number(struct plain *plain)
{
	char number[32];

	put(plain->out, number, (size_t)snprintf(number, sizeof(number), "%6lu\t", ++plain->number));
}

static void plain_newline(struct plain *plain)
{
	if (!plain->in_line) {
		if (++plain->blank_nr >= 2 && plain->options.squeeze)
			return;
		if (plain->options.number && !plain->options.number_nonblank)
			plain_number(plain);
	} else {
		plain->blank_nr = 0;
	}
	plain->in_line = false;
	if (plain->options.ends)
		put(plain->out, "$", 1);
	put(plain->out, "\n", 1);
}

static void plain_byte(struct plain *plain, unsigned char byte, bool newline_follows)
{
	char c;

	if (!plain->in_line && (plain->options.number || plain->options.number_nonblank))
		plain_number(plain);
	plain->in_line = true;
	if (byte == '\t' ? plain->options.tabs : plain->options.nonprinting && (byte < 32 || byte > 126)) {
		if (byte > 127)
			put(plain->out, "M-", 2);
		byte &= 127;
		if (byte < 32 || byte == 127)
			put(plain->out, "^", 1);
		c = (char)(byte < 32 || byte == 127 ? byte ^ 64 : byte);
		put(plain->out, &c, 1);
	} else if (byte == '\r' && plain->options.ends && newline_follows) {
		put(plain->out, "^M", 2);
	} else {
		put(plain->out, (char *)&byte, 1);
	}
}

static void plain_run(const struct show_options *options, const char *in, size_t size, struct text *out)
{
	struct plain plain = {.options = *options, .out = out};

	for (size_t i = 0; i < size; i++) {
		if (in[i] == '\n')
			plain_newline(&plain);
		else
			plain_byte(&plain, (unsigned char)in[i], i + 1 < size && in[i + 1] == '\n');
	}
}

/* In pieces, each in memory of its own, so that a look beyond its end is seen. */
static void show_pieces(const struct show_options *options, const char *in, size_t size, size_t piece_size, size_t room,
			struct text *out)
{
	struct show show;

	show_init(&show, options);
	for (size_t off = 0; off < size; off += piece_size) {
		size_t left = size - off < piece_size ? size - off : piece_size, clean;
		char *piece = malloc(left), *shown = malloc(room);
		const char *next = piece;

		memcpy(piece, in + off, left);
		clean = show_clean_size(&show, piece, left);
		put(out, piece, clean);
		next += clean;
		left -= clean;
		while (left > 0)
			put(out, shown, show_run(&show, &next, &left, shown, room));
		free(shown);
		free(piece);
	}
	out->size += show_end(&show, out->bytes + out->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text wanted, got;
	struct show_options options;
	size_t piece_size, room;

	if (size < 4)
		return 0;
	options = (struct show_options){data[0] & 1, data[0] & 2, data[0] & 4, data[0] & 8, data[0] & 16, data[0] & 32};
	piece_size = 1 + data[1] * (data[0] & 64 ? 16U : 1U);
	room = SHOW_ROOM_MIN + (data[2] << 8 | data[3]) % ROOM_MAX;
	data += 4;
	size -= 4;
	wanted = (struct text){.bytes = malloc(size * 32 + 64)};
	got = (struct text){.bytes = malloc(size * 32 + 64)};
	plain_run(&options, (const char *)data, size, &wanted);
	show_pieces(&options, (const char *)data, size, piece_size, room, &got);
	if (wanted.size != got.size || memcmp(wanted.bytes, got.bytes, got.size) != 0)
		abort();
	free(wanted.bytes);
	free(got.bytes);
	return 0;
}
