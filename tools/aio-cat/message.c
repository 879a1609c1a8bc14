/* SPDX-License-Identifier: MIT */
/*
 * Diagnostics. Names appear as in the messages of cat: as they are where a shell would take them so, else in a form
 * that a shell would take.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "aio_cat.h"

enum quoting {
	QUOTING_NONE,
	QUOTING_DOUBLE, /* "…": there is an apostrophe, and nothing that needs more than that */
	QUOTING_SINGLE, /* '…', with pieces of $'…' for what cannot be printed */
};

/* How many bytes the character at text has, 0 if it cannot be printed. */
static size_t printable_size(const char *text)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t size = mbrtowc(&wide, text, strlen(text), &state);

	return size != 0 && size <= MB_CUR_MAX && iswprint((wint_t)wide) ? size : 0;
}

static enum quoting name_quoting(const char *name)
{
	bool needs_quotes = *name == '\0', has_apostrophe = false, needs_single = false;
	size_t i, size;

	for (i = 0; name[i] != '\0'; i += size) {
		size = printable_size(name + i);
		if (size == 0)
			return QUOTING_SINGLE;
		if (size > 1 || isalnum((unsigned char)name[i]) || strchr("%+,-./@]_", name[i]))
			continue;
		if (strchr("#~", name[i]) && i != 0)
			needs_single = true;
		else if (strchr("{}", name[i]) && name[1] != '\0')
			needs_single = true;
		else if (strchr("#~{} :", name[i]))
			needs_quotes = true;
		else if (name[i] == '\'')
			needs_quotes = has_apostrophe = true;
		else
			needs_quotes = needs_single = true;
	}
	if (!needs_quotes)
		return QUOTING_NONE;
	return has_apostrophe && !needs_single ? QUOTING_DOUBLE : QUOTING_SINGLE;
}

static void put_escape(unsigned char c)
{
	static const char letters[] = "abtnvfr"; /* 7 to 13 */

	if (c >= 7 && c <= 13)
		fprintf(stderr, "\\%c", letters[c - 7]);
	else
		fprintf(stderr, "\\%03o", c);
}

static void put_single_quoted(const char *name)
{
	bool in_escape = false;
	size_t size;

	fputc('\'', stderr);
	while (*name != '\0') {
		size = printable_size(name);
		if (size == 0) {
			if (!in_escape)
				fputs("'$'", stderr);
			put_escape((unsigned char)*name++);
			in_escape = true;
			continue;
		}
		if (in_escape)
			fputs("''", stderr);
		in_escape = false;
		if (*name == '\'')
			fputs("'\\''", stderr);
		else
			fwrite(name, 1, size, stderr);
		name += size;
	}
	fputc('\'', stderr);
}

static void put_name(const char *name)
{
	switch (name_quoting(name)) {
	case QUOTING_NONE:
		fputs(name, stderr);
		break;
	case QUOTING_DOUBLE:
		fprintf(stderr, "\"%s\"", name);
		break;
	case QUOTING_SINGLE:
		put_single_quoted(name);
		break;
	}
}

void message(const char *text)
{
	fprintf(stderr, "aio-cat: %s\n", text);
}

void message_error(const char *what, int error)
{
	fprintf(stderr, "aio-cat: %s: %s\n", what, strerror(-error));
}

void message_name(const char *name, const char *text)
{
	fputs("aio-cat: ", stderr);
	put_name(name);
	fprintf(stderr, ": %s\n", text);
}

int message_close_output(int status)
{
	int error = fflush(stdout) != 0 ? errno : 0;

	/* A closed one does not matter to who has printed nothing. */
	if (fclose(stdout) != 0 && errno != EBADF && !error)
		error = errno;
	if (!error)
		return status;
	message_error("write error", -error);
	return EXIT_FAILURE;
}
