/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_TRANSFORM_H
#define AION_TEST_TRANSFORM_H
/* For tests of the transform: callbacks whose output is known, files compared with it. */
#include <dirent.h>

#include "test_chunk.h"

/* What a callback is told. */
struct work {
	atomic_size_t call_nr;
	int64_t fail_off; /* the chunk that contains this byte fails; -1: none */
	int64_t fail_with;
	bool fails_behind; /* so does every other chunk behind it; those between take longer */
	bool must_yield;   /* suspend in the callback */
};

#define WORK()                                                                                                         \
	{                                                                                                              \
		.fail_off = -1                                                                                         \
	}

static inline int64_t work_begin(struct work *work, const struct aion_chunk *chunk)
{
	atomic_fetch_add(&work->call_nr, 1);
	if (work->must_yield)
		aion_yield();
	if (work->fail_off < 0 || work->fail_off >= chunk->off + (int64_t)chunk->size)
		return 0;
	if (work->fail_off >= chunk->off)
		return work->fail_with;
	if (!work->fails_behind)
		return 0;
	if ((chunk->off - work->fail_off) / 4096 % 2 == 0)
		return work->fail_with;
	usleep(2000);
	return 0;
}

/* Changes bytes in place. */
static inline int64_t work_flip(const struct aion_chunk *chunk, struct aion_output *output, void *arg)
{
	for (size_t i = 0; i < chunk->size; i++)
		chunk->data[i] = (char)~chunk->data[i];
	aion_output_take_chunk(output);
	return work_begin(arg, chunk);
}

/* Doubles some bytes and leaves out others, so that outputs are of other sizes than chunks, or empty. */
static inline size_t transform_byte(char byte, char out[3])
{
	size_t nr = (size_t)(unsigned char)byte % 4;

	memset(out, byte + 1, 3);
	return nr;
}

static inline int64_t work_stretch(const struct aion_chunk *chunk, struct aion_output *output, void *arg)
{
	char out[3];

	for (size_t i = 0; i < chunk->size; i++)
		if (aion_output_write(output, out, transform_byte(chunk->data[i], out)) < 0)
			return -ENOMEM;
	return work_begin(arg, chunk);
}

/* The whole of a file, to be freed. */
static inline char *file_content(const char *name, size_t *ret_size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *content;

	cr_assert(fd >= 0 && fstat(fd, &status) == 0, "%s", name);
	content = malloc((size_t)status.st_size + 1);
	cr_assert_eq(read(fd, content, (size_t)status.st_size), status.st_size);
	close(fd);
	*ret_size = (size_t)status.st_size;
	return content;
}

#define assert_file(name, expected, expected_size)                                                                     \
	do {                                                                                                           \
		size_t size_;                                                                                          \
		char *content_ = file_content(name, &size_);                                                           \
		cr_assert_eq(size_, (size_t)(expected_size), "%s has %zu bytes, not %zu", name, size_,                 \
			     (size_t)(expected_size));                                                                 \
		cr_assert(memcmp(content_, expected, size_) == 0, "%s has other bytes", name);                         \
		free(content_);                                                                                        \
	} while (0)

/* How many names there are in the current directory: temporary ones would be among them. */
static inline size_t name_nr(void)
{
	DIR *dir = opendir(".");
	size_t nr = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr - 2;
}

/* The lowest free descriptor: the same before and after. */
static inline int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

#define assert_failure(failure, expected_idx, expected_off, expected_error, expected_what)                             \
	do {                                                                                                           \
		cr_assert_eq((failure).source_idx, (size_t)(expected_idx));                                            \
		cr_assert_eq((failure).off, (expected_off), "off is %lld", (long long)(failure).off);                  \
		assert_result((failure).error, (expected_error));                                                      \
		cr_assert_str_eq((failure).what, (expected_what));                                                     \
	} while (0)

#endif
