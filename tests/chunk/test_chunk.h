/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_CHUNK_H
#define AION_TEST_CHUNK_H
/* For tests of the chunk processor: files of known content, and a callback that notes what it sees. */
#include <pthread.h>
#include <stdatomic.h>

#include "test_file.h"
#include "test_task.h"

/* What has been seen: the bytes at their offsets, and how often each. One source at a time. */
struct seen {
	char *bytes;
	uint8_t *times;
	size_t room;
	size_t chunk_nr;
	size_t size;       /* of all chunks */
	size_t largest;    /* chunk */
	size_t end;        /* the highest offset seen */
	int64_t next_off;  /* where the next one in order would begin */
	bool is_unordered; /* one was out of order */
	bool must_delimit; /* every chunk has to end with the delimiter, or at `whole` */
	char delimiter;
	size_t whole;
	size_t cut_nr;   /* chunks that did not, or did not begin behind one */
	size_t fail_nth; /* this call (from 1) fails */
	int64_t fail_with;
	bool must_yield;
	pthread_mutex_t lock;
};

static inline void seen_init(struct seen *seen, size_t room)
{
	*seen = (struct seen){.room = room, .lock = PTHREAD_MUTEX_INITIALIZER};
	seen->bytes = calloc(1, room + 1);
	seen->times = calloc(1, room + 1);
	cr_assert(seen->bytes && seen->times);
}

static inline void seen_fini(struct seen *seen)
{
	free(seen->bytes);
	free(seen->times);
}

static inline int64_t seen_note(struct aion_chunk *chunk, void *arg)
{
	struct seen *seen = arg;

	pthread_mutex_lock(&seen->lock);
	if (++seen->chunk_nr == seen->fail_nth) {
		pthread_mutex_unlock(&seen->lock);
		return seen->fail_with;
	}
	cr_assert(chunk->size > 0 && chunk->off >= 0 && (size_t)chunk->off + chunk->size <= seen->room,
		  "a chunk of %zu at %lld", chunk->size, (long long)chunk->off);
	memcpy(seen->bytes + chunk->off, chunk->data, chunk->size);
	for (size_t i = 0; i < chunk->size; i++)
		seen->times[(size_t)chunk->off + i]++;
	seen->is_unordered |= chunk->off != seen->next_off;
	seen->next_off = chunk->off + (int64_t)chunk->size;
	seen->size += chunk->size;
	if (chunk->size > seen->largest)
		seen->largest = chunk->size;
	if ((size_t)seen->next_off > seen->end)
		seen->end = (size_t)seen->next_off;
	if (seen->must_delimit && chunk->data[chunk->size - 1] != seen->delimiter &&
	    (size_t)seen->next_off != seen->whole)
		seen->cut_nr++;
	memset(chunk->data, 0xee, chunk->size); /* it may */
	pthread_mutex_unlock(&seen->lock);
	if (seen->must_yield)
		aion_yield();
	return 0;
}

/* [off, off + size) of the content has been seen, each byte once, and nothing else. */
static inline void seen_is(const struct seen *seen, const char *content, size_t off, size_t size)
{
	cr_assert_eq(seen->size, size, "%zu bytes were seen, not %zu", seen->size, size);
	for (size_t i = off; i < off + size; i++)
		cr_assert(seen->times[i] == 1 && seen->bytes[i] == content[i],
			  "the byte at %zu was seen %d times as %#x, it is %#x", i, seen->times[i],
			  (unsigned char)seen->bytes[i], (unsigned char)content[i]);
}

static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 16;
}

/* Bytes among which the delimiter stands every `record` ones on average; 0: nowhere. */
static inline char *test_content(size_t size, char delimiter, size_t record, uint64_t *random)
{
	char *content = malloc(size + 1);

	cr_assert_not_null(content);
	for (size_t i = 0; i < size; i++) {
		content[i] = (char)test_random(random);
		if (content[i] == delimiter)
			content[i] = (char)(delimiter + 1);
		if (record && test_random(random) % record == 0)
			content[i] = delimiter;
	}
	return content;
}

static inline void test_file_put(const char *name, const char *content, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, content, size), (ssize_t)size);
	close(fd);
}

#endif
