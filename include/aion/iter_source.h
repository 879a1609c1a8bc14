/* SPDX-License-Identifier: MIT */
#ifndef AION_ITER_SOURCE_H
#define AION_ITER_SOURCE_H
/*
 * Where iterators begin: an array, a range of numbers, a queue, the lines of a descriptor. Each is the caller's memory;
 * its init function gives it as an iterator, so that calls nest. Generators are in generator.h.
 */
#include <aion/iter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_queue;

struct aion_iter_array {
	struct aion_iter iter;
	void *const *values;
	size_t nr;
	size_t next_idx;
};

struct aion_iter_range {
	struct aion_iter iter;
	int64_t number; /* the next one */
	int64_t step;
	uint64_t left_nr;
};

struct aion_iter_queue {
	struct aion_iter iter;
	struct aion_queue *queue;
};

/* A line, without its newline and with a 0 behind it. */
struct aion_iter_line {
	char *text; /* may have bytes of value 0 in it */
	size_t size;
	bool has_newline; /* false: the descriptor's content ended without one */
};

struct aion_iter_lines {
	struct aion_iter iter;
	struct aion_iter_line line; /* the value given last */
	int fd;
	char *buf;
	size_t buf_size;
	size_t begin_off; /* of what has been read and not been given */
	size_t scan_off;  /* before which there is no newline */
	size_t end_off;
	bool has_ended; /* there is nothing more to be read */
};

/**
 * aion_iter_array_init - the values of an array, in order.
 * @array: the caller's memory.
 * @values: nr values, borrowed until the end.
 * @nr: how many.
 *
 * Result: the iterator; no errors of its own. A close destroys what has not been asked for, too.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API struct aion_iter *aion_iter_array_init(struct aion_iter_array *array, void *const *values, size_t nr);

/**
 * aion_iter_range_init - numbers at equal distances, as by aion_iter_value().
 * @range: the caller's memory.
 * @first: the first of them.
 * @end: what is not reached: first, first + step … below it, or above it if the step is negative.
 * @step: 0 is an error.
 *
 * Result: the iterator. Its errors: -EINVAL (step).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API struct aion_iter *aion_iter_range_init(struct aion_iter_range *range, int64_t first, int64_t end,
						int64_t step);

/**
 * aion_iter_queue_init - the items of a queue, as aion_queue_get() gives them.
 * @source: the caller's memory.
 * @queue: borrowed; others may take from it, too. Closing the iterator leaves the queue as it is.
 *
 * Result: the iterator. It ends when the queue is shut down and empty. Its errors are those of aion_queue_get() but
 * -ESHUTDOWN. aion_queue_task_done() is the consumer's to call.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_queue_init(struct aion_iter_queue *source, struct aion_queue *queue);

/**
 * aion_iter_lines_init - the lines of what a descriptor reads.
 * @lines: the caller's memory.
 * @fd: read with aion_read(), from its current position, ahead of what is given by up to buf_size bytes. Stays open.
 * @buf: borrowed until the iterator's end.
 * @buf_size: bytes; a line may have one less.
 *
 * Result: the iterator. Its values are struct aion_iter_line *, each valid until the next one is asked for. Its errors:
 * those of aion_read() but -EINTR, and -EMSGSIZE (a line does not fit), -EINVAL (buf_size below 2).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_lines_init(struct aion_iter_lines *lines, int fd, char *buf, size_t buf_size);

#ifdef __cplusplus
}
#endif
#endif
