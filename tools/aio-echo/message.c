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

int message_close_output(int status)
{
	bool has_failed = ferror(stdout) != 0;

	errno = 0;
	if ((fclose(stdout) == 0 && !has_failed) || errno == EBADF)
		return status;
	message_error("write error", -errno);
	return EXIT_FAILURE;
}
