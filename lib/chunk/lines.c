/* SPDX-License-Identifier: MIT */
/*
 * Lines. The buffer is mapped for the longest line and one read behind it, so nothing is ever allocated again; of it
 * only what is used costs memory. What is left of a line at the buffer's end is moved to its beginning before the next
 * read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/lines.h>
#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "chunk_int.h"

struct aion__lines_state {
	int fd;
	bool is_own;
	bool is_positioned; /* read at file_off, so that cached bytes need no ring */
	bool has_ended;
	bool is_skipping; /* the rest of a line that was too long */
	char delimiter;
	int64_t file_off;
	size_t buf_size;
	size_t line_size_max;
	char *buf;
	size_t map_size;
	size_t begin;  /* of what has not been given yet */
	size_t looked; /* no delimiter before */
	size_t end;
	int64_t off; /* of begin, from where reading began */
	uint64_t idx;
};

/* A plain file is read from where it stands. */
static void lines_find_position(struct aion__lines_state *state)
{
	int saved = errno;
	struct stat status;

	if (fstat(state->fd, &status) == 0 && S_ISREG(status.st_mode)) {
		state->file_off = lseek(state->fd, 0, SEEK_CUR);
		state->is_positioned = state->file_off >= 0;
	}
	errno = saved;
}

static bool options_are_valid(const struct aion_lines_options *options)
{
	return options->buf_size <= AION_CHUNK_SIZE_MAX && options->line_size_max <= AION_CHUNK_RECORD_MAX;
}

static int lines_open(struct aion_lines *lines, int fd, bool is_own, const struct aion_lines_options *options)
{
	static const struct aion_lines_options defaults;
	struct aion__lines_state *state;

	if (!options)
		options = &defaults;
	AION_BUG_ON(lines->state, "lines are opened that are open");
	state = aion__alloc_zeroed(sizeof(*state));
	if (!state)
		return -ENOMEM;
	state->fd = fd;
	state->is_own = is_own;
	state->delimiter = options->delimiter || options->zero_delimiter ? options->delimiter : '\n';
	state->buf_size = options->buf_size ? options->buf_size : AION_CHUNK_SIZE_DEFAULT;
	state->line_size_max = options->line_size_max ? options->line_size_max : AION_CHUNK_RECORD_DEFAULT;
	state->map_size = state->line_size_max + state->buf_size + 1;
	state->buf = aion__chunk_map(state->map_size);
	if (!state->buf) {
		aion__free(state);
		return -ENOMEM;
	}
	lines_find_position(state);
	lines->state = state;
	return 0;
}

int aion_lines_open(struct aion_lines *lines, int fd, const struct aion_lines_options *options)
{
	if (options && !options_are_valid(options))
		return -EINVAL;
	return lines_open(lines, fd, false, options);
}

int aion_lines_open_path(struct aion_lines *lines, const char *path, const struct aion_lines_options *options)
{
	int64_t fd = aion_checkpoint();
	int result;

	if (fd < 0)
		return (int)fd;
	if (options && !options_are_valid(options))
		return -EINVAL;
	fd = aion_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	result = lines_open(lines, (int)fd, true, options);
	if (result < 0)
		aion_close((int)fd);
	return result;
}

void aion_lines_close(struct aion_lines *lines)
{
	struct aion__lines_state *state = lines->state;

	if (!state)
		return;
	lines->state = NULL;
	if (state->is_own)
		aion_close(state->fd);
	aion__chunk_unmap(state->buf, state->map_size);
	aion__free(state);
}

/* More bytes. 0, or an error. */
static AION_SUSPENDS int64_t lines_read(struct aion__lines_state *state)
{
	char *to;
	int64_t n;

	if (state->begin) {
		memmove(state->buf, state->buf + state->begin, state->end - state->begin);
		state->end -= state->begin;
		state->looked -= state->begin;
		state->begin = 0;
	}
	AION_ASSERT(state->end + state->buf_size < state->map_size);
	to = state->buf + state->end;
	do
		n = state->is_positioned ? aion_pread(state->fd, to, state->buf_size, state->file_off)
					 : aion_read(state->fd, to, state->buf_size);
	while (n == -EINTR);
	if (n < 0)
		return n;
	state->has_ended = n == 0;
	state->file_off += n;
	state->end += (size_t)n;
	return 0;
}

/* So many bytes have been given, or left out. */
static void lines_advance(struct aion__lines_state *state, size_t size)
{
	state->begin += size;
	state->looked = state->begin;
	state->off += (int64_t)size;
}

static int lines_give(struct aion__lines_state *state, size_t size, bool is_delimited, struct aion_line *ret_line)
{
	*ret_line = (struct aion_line){
		.data = state->buf + state->begin,
		.size = size,
		.is_delimited = is_delimited,
		.off = state->off,
		.idx = state->idx++,
	};
	if (!is_delimited)
		ret_line->data[size] = '\0';
	lines_advance(state, size + is_delimited);
	return 1;
}

/* The end of a line was found, or that of everything. -EAGAIN: it is not to be given. */
static int lines_end(struct aion__lines_state *state, size_t size, bool is_delimited, struct aion_line *ret_line)
{
	if (!state->is_skipping && size <= state->line_size_max)
		return lines_give(state, size, is_delimited, ret_line);
	lines_advance(state, size + is_delimited);
	state->idx++;
	if (!state->is_skipping)
		return -EMSGSIZE;
	state->is_skipping = false;
	return -EAGAIN;
}

int aion_lines_next(struct aion_lines *lines, struct aion_line *ret_line)
{
	struct aion__lines_state *state = lines->state;
	int64_t result = aion_checkpoint();
	const char *delimiter;
	size_t size;

	if (result >= 0 && !state)
		result = -EBADF;
	while (result >= 0) {
		delimiter = memchr(state->buf + state->looked, state->delimiter, state->end - state->looked);
		size = (size_t)((delimiter ? delimiter : state->buf + state->end) - (state->buf + state->begin));
		if (delimiter || state->has_ended) {
			if (!delimiter && !size && !state->is_skipping)
				return 0;
			result = lines_end(state, size, delimiter, ret_line);
			if (result != -EAGAIN)
				break;
			result = 0;
			continue;
		}
		state->looked = state->end;
		if (state->is_skipping || size > state->line_size_max) {
			lines_advance(state, size);
			if (!state->is_skipping)
				result = -EMSGSIZE;
			state->is_skipping = true;
			if (result < 0)
				break;
		}
		result = lines_read(state);
	}
	return (int)result;
}
