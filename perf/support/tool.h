/* SPDX-License-Identifier: MIT */
#ifndef TOOL_H
#define TOOL_H
/* Whole programs that are measured: aio-cat, and what it is compared with. */

/* The tool: $AIO_CAT, or that which was built beside this program. The text lasts as long as the program. */
char *tool_path(void);
/*
 * Runs a program to its end, output to /dev/null, in the directory (the current one if NULL); anything but exit status
 * 0 ends this one. Returns the nanoseconds that it took; ret_resident_size: the most memory that it had, bytes, may be
 * NULL.
 */
double tool_run(char *const *command, const char *directory, double *ret_resident_size);

#endif
