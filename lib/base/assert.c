/* SPDX-License-Identifier: MIT */
#include "assert_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_SIZE 512 /* bytes of one diagnostic line */

__thread void (*aion__bug_note)(void);

static void diag_to_stderr(const char *line, void *unused)
{
	(void)unused;
	fprintf(stderr, "aion: %s\n", line);
}

#ifdef AION_DEBUG_ASSERTS
static aion_diag_fn *diag_fn = diag_to_stderr;
#else
static aion_diag_fn *diag_fn;
#endif
static void *diag_arg;

void aion_diag_set(aion_diag_fn *fn, void *arg)
{
	diag_fn = fn;
	diag_arg = arg;
}

void aion__diag(const char *format, ...)
{
	char line[LINE_SIZE];
	int saved_errno = errno;
	va_list args;

	if (!diag_fn)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	diag_fn(line, diag_arg);
	errno = saved_errno;
}

void aion__bug(const char *function, const char *file, int line, const char *format, ...)
{
	char text[LINE_SIZE];
	char full[LINE_SIZE + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(full, sizeof(full), "BUG: %s (%s, %s:%d)", text, function, file, line);
	diag_to_stderr(full, NULL);
	if (aion__bug_note)
		aion__bug_note();
	abort();
}
