/* SPDX-License-Identifier: MIT */
/* Diagnostics. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aio_echo.h"

void message(const char *text)
{
	fprintf(stderr, "aio-echo: %s\n", text);
}

void message_error(const char *what, int error)
{
	fprintf(stderr, "aio-echo: %s: %s\n", what, strerror(-error));
}

static int output_error; /* errno of the first write that failed */

void message_flush_output(void)
{
	if (fflush(stdout) != 0 && !output_error)
		output_error = errno;
}

/* A closed standard output does not matter to who has printed nothing. */
int message_close_output(int status)
{
	message_flush_output();
	if (fclose(stdout) != 0 && errno != EBADF && !output_error)
		output_error = errno;
	if (!output_error)
		return status;
	message_error("write error", -output_error);
	return EXIT_FAILURE;
}
