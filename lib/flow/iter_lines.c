/* SPDX-License-Identifier: MIT */
/* The lines of a descriptor. */
#include <errno.h>
#include <string.h>

#include <aion/file.h>
#include <aion/iter_source.h>

/* Make room behind what is there, and read into it. Whatever has been read is kept if the next read is cancelled. */
static int64_t lines_read(struct aion_iter_lines *lines)
{
	int64_t result;

	if (lines->begin_off) {
		memmove(lines->buf, lines->buf + lines->begin_off, lines->end_off - lines->begin_off);
		lines->scan_off -= lines->begin_off;
		lines->end_off -= lines->begin_off;
		lines->begin_off = 0;
	}
	if (lines->end_off == lines->buf_size)
		return -EMSGSIZE;
	do {
		result = aion_read(lines->fd, lines->buf + lines->end_off, lines->buf_size - lines->end_off);
	} while (result == -EINTR);
	if (result < 0)
		return result;
	lines->end_off += (size_t)result;
	lines->has_ended = result == 0;
	return 0;
}

/* The line that ends at end_off, where its 0 goes; the next one begins at next_off. */
static int64_t lines_give(struct aion_iter_lines *lines, size_t end_off, size_t next_off, void **ret_value)
{
	lines->line.text = lines->buf + lines->begin_off;
	lines->line.size = end_off - lines->begin_off;
	lines->line.has_newline = next_off > end_off;
	lines->buf[end_off] = 0;
	lines->begin_off = lines->scan_off = next_off;
	*ret_value = &lines->line;
	return 1;
}

static int64_t lines_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_lines *lines = (struct aion_iter_lines *)iter;
	int64_t result = lines->buf_size < 2 ? -EINVAL : 0;

	while (result == 0) {
		size_t left_size = lines->end_off - lines->scan_off;
		char *newline = left_size ? memchr(lines->buf + lines->scan_off, '\n', left_size) : NULL;

		if (newline)
			return lines_give(lines, (size_t)(newline - lines->buf), (size_t)(newline - lines->buf) + 1,
					  ret_value);
		lines->scan_off = lines->end_off;
		if (lines->has_ended)
			break;
		result = lines_read(lines);
	}
	if (result < 0 || lines->begin_off == lines->end_off)
		return result;
	/* The end came after a read into a buffer with room: that is where the 0 goes. */
	return lines_give(lines, lines->end_off, lines->end_off, ret_value);
}

struct aion_iter *aion_iter_lines_init(struct aion_iter_lines *lines, int fd, char *buf, size_t buf_size)
{
	*lines = (struct aion_iter_lines){.fd = fd, .buf = buf, .buf_size = buf_size};
	aion_iter_init(&lines->iter, lines_next, NULL);
	return &lines->iter;
}
