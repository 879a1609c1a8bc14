/* SPDX-License-Identifier: MIT */
#ifndef AION_LINES_H
#define AION_LINES_H
/*
 * A reader of lines, or of other records that end with a delimiter (asyncio's `async for line in file`), over anything
 * that can be read:
 *
 *	AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
 *	struct aion_line line;
 *
 *	result = aion_lines_open_path(&lines, "access.log", NULL);
 *	while (result >= 0 && (result = aion_lines_next(&lines, &line)) > 0)
 *		use(line.data, line.size);
 */
#include <stdbool.h>

#include <aion/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A line; valid until the next call. */
struct aion_line {
	char *data;        /* size bytes, then the delimiter or, at the end of what is read, a 0 that is not of it */
	size_t size;       /* bytes without the delimiter */
	bool is_delimited; /* false: the last one, which ended without */
	int64_t off;       /* bytes from where reading began */
	uint64_t idx;      /* from 0 */
};

/* All zero = the defaults, which are given in brackets. */
struct aion_lines_options {
	size_t buf_size;      /* bytes read at once [256 KiB] */
	size_t line_size_max; /* bytes [1 MiB] */
	char delimiter;       /* ['\n'], with zero_delimiter 0 */
	bool zero_delimiter;
};

/* The caller's memory; all zero = closed. The fields are private. */
struct aion_lines {
	struct aion__lines_state *state;
};

/**
 * aion_lines_open, aion_lines_open_path - begin to read lines of a descriptor, or of a file.
 * @lines: closed.
 * @fd: the caller's; read from its position on. It is read ahead: what is left in it after the close is not defined.
 * @path: opened, and closed by aion_lines_close().
 * @options: NULL = the defaults.
 *
 * Errors: -EINVAL (options; that it is a directory is told by the first read); -ENOMEM. open_path: also those of
 *   openat(2); -ECANCELED; -EBUSY (not inside a task); -ECHILD.
 * Suspends: open: no; open_path: yes. Thread: loop. Source: openat(2).
 */
AION_API int aion_lines_open(struct aion_lines *lines, int fd, const struct aion_lines_options *options);
AION_API AION_SUSPENDS int aion_lines_open_path(struct aion_lines *lines, const char *path,
						const struct aion_lines_options *options);

/**
 * aion_lines_next - the next line.
 * @lines: open.
 * @ret_line: the line.
 *
 * Result: 1; 0 at the end.
 * Errors: those of read(2), and: -EMSGSIZE (the line is longer than line_size_max; the next call gives the line after
 *   it); -ECANCELED (nothing is lost by that); -ENOMEM; -EBADF (closed); -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: read(2), pread(2), IORING_OP_READ, Linux 5.6.
 */
AION_API AION_SUSPENDS int aion_lines_next(struct aion_lines *lines, struct aion_line *ret_line);

/**
 * aion_lines_close - end, give the memory back, close what was opened. For AION_CLEANUP.
 * @lines: open or closed.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: close(2).
 */
AION_API AION_SUSPENDS void aion_lines_close(struct aion_lines *lines);

#ifdef __cplusplus
}
#endif
#endif
