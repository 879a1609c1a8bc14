/* SPDX-License-Identifier: MIT */
#ifndef AIO_CAT_SHOW_H
#define AIO_CAT_SHOW_H
/*
 * What -A -b -e -E -n -s -t -T -v do to the bytes on their way: line numbers, ends, tabs and what cannot be printed
 * made visible, repeated empty lines left out. The state goes on from one source to the next, as cat's does.
 */
#include <stdbool.h>
#include <stddef.h>

#include "number.h"

#define SHOW_ROOM_MIN 256 /* bytes of room with which show_run() gets on */

struct show_options {
	bool number;          /* -n */
	bool number_nonblank; /* -b, which wins over -n */
	bool squeeze;         /* -s */
	bool ends;            /* -E */
	bool tabs;            /* -T */
	bool nonprinting;     /* -v */
};

/* The fields are private. */
struct show {
	struct show_options options;
	bool wants_lines;     /* where lines begin and end matters */
	bool is_number_only;  /* -n, and nothing else */
	bool pending_cr;      /* a CR came last, and -E shows it if a newline follows */
	int blank_nr;         /* empty lines just seen, 2 at most; -1 inside a line */
	struct number number; /* of the next line */
};

void show_init(struct show *show, const struct show_options *options);

/* Whether anything is done to the bytes at all. */
bool show_is_active(const struct show *show);

/* How many bytes from the beginning on go through as they are, nothing added and nothing to remember. */
size_t show_clean_size(const struct show *show, const char *in, size_t size);

/*
 * Take bytes of *in, write what becomes of them to out, as far as there is room (SHOW_ROOM_MIN bytes or more). *in and
 * *size move on. Returns how many bytes were written.
 */
size_t show_run(struct show *show, const char **in, size_t *size, char *out, size_t room);

/* After the last source: what was held back. Returns how many bytes were written, 1 at most. */
size_t show_end(struct show *show, char *out);

#endif
