/* SPDX-License-Identifier: MIT */
/* The names of --files0-from: all of them are read before the first file is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aio_cat.h"

#define READ_SIZE (256 * 1024)

/* All of fd, and a NUL behind it. 0 or -errno. */
static int text_read(int fd, char **ret_text, size_t *ret_size)
{
	size_t size = 0, room = 0;
	char *text = NULL;
	ssize_t n;

	do {
		if (room - size <= READ_SIZE) {
			char *more = realloc(text, room += room / 2 + 2 * READ_SIZE);

			if (!more) {
				free(text);
				return -ENOMEM;
			}
			text = more;
		}
		n = read(fd, text + size, READ_SIZE);
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	text[size] = '\0';
	*ret_text = text;
	*ret_size = size;
	return n < 0 ? -errno : 0;
}

static size_t names_count(const char *text, size_t size)
{
	size_t nr = 0;

	for (size_t off = 0; off < size; off += strlen(text + off) + 1)
		nr++;
	return nr;
}

static int names_split(struct options *options, char *text, size_t size, bool from_stdin)
{
	size_t nr = names_count(text, size);
	char **names = calloc(nr + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	options->names = names;
	options->name_nr = 0;
	for (size_t off = 0; off < size; off += strlen(text + off) + 1) {
		if (!text[off]) {
			message_name(options->files0_name, "invalid zero-length file name");
			return -EINVAL;
		}
		if (from_stdin && strcmp(text + off, "-") == 0) {
			message("when reading file names from stdin, no file name of '-' allowed");
			return -EINVAL;
		}
		names[options->name_nr++] = text + off;
	}
	return 0;
}

bool names_read(struct options *options)
{
	bool from_stdin = strcmp(options->files0_name, "-") == 0;
	int fd = from_stdin ? STDIN_FILENO : open(options->files0_name, O_RDONLY | O_CLOEXEC);
	static char *text; /* the names lie in it, to the end */
	size_t size = 0;
	int result;

	if (fd < 0) {
		message_name(options->files0_name, strerror(errno));
		return false;
	}
	result = text_read(fd, &text, &size);
	if (!from_stdin)
		close(fd);
	if (result < 0) {
		message_name(options->files0_name, strerror(-result));
		return false;
	}
	result = names_split(options, text, size, from_stdin);
	if (result == -ENOMEM)
		message_error("--files0-from", result);
	return result == 0;
}
