/* SPDX-License-Identifier: MIT */
#ifndef AION_ITER_H
#define AION_ITER_H
/*
 * An asynchronous iterator: values that are asked for one by one. Sources are generators (generator.h) and
 * what stands in iter_source.h; operators (iter_operator.h) are iterators over iterators; your own iterator embeds the
 * struct and brings a next and a close function. Nothing is computed or read before somebody asks for it.
 *
 * A value is a void *: what queues hold, and what most values are, a pointer to something. A number fits into it by
 * aion_iter_value(). Whose a value is moves with it: what next has given is the caller's. Some iterators give what they
 * go on to own (a batch, a line): that is valid until their next call of next, and said so where it holds.
 *
 * All of an iterator is the caller's memory, and nothing is allocated. An iterator has one consumer at a time.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_iter;

/*
 * What it does when it is asked: 1 and a value, 0 at the end, or -errno. Called inside a task, by one at a time,
 * never again after 0 or an error. It may say -ECANCELED only where it keeps what it has taken: then it is asked again.
 */
typedef int64_t aion_iter_next_fn(struct aion_iter *iter, void **ret_value);
/* Gives back what the iterator holds and closes its sources. Called once at most, inside a shield. */
typedef void aion_iter_close_fn(struct aion_iter *iter);
/* What is done with a value: of for_each, and of a filter. 0 or more, or -errno. May suspend. */
typedef int64_t aion_iter_fn(void *value, void *arg);

struct aion_iter {
	aion_iter_next_fn *next;
	aion_iter_close_fn *close;    /* NULL: nothing to do */
	void (*destroy)(void *value); /* what becomes of this iterator's values if nobody gets them; NULL: nothing */
	int64_t end;                  /* 1 until it has ended, then what it said: 0 or -errno */
	bool is_busy;                 /* a task is inside of it */
	bool is_closed;
};

/**
 * aion_iter_init - begin an iterator of one's own.
 * @iter: the caller's memory, embedded in what its functions need.
 * @next: see above.
 * @close: NULL: nothing to do.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API void aion_iter_init(struct aion_iter *iter, aion_iter_next_fn *next, aion_iter_close_fn *close);

/**
 * aion_iter_set_destroy - say what becomes of values that nobody gets.
 * @iter: initialised, before operators are put over it: filter, take, chain and merge hand the function on.
 * @destroy: called with each value that a filter drops or that a close finds on its way; must not suspend. NULL:
 *   nothing happens to them.
 *
 * Result: the iterator.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_set_destroy(struct aion_iter *iter, void (*destroy)(void *value));

/**
 * aion_iter_next - ask for the next value.
 * @iter: open.
 * @ret_value: the value, the caller's from now on.
 *
 * A caller that is cancelled while it waits loses nothing: what was on its way comes with the next call. What the
 * iterator has said at its end, 0 or an error, it says for ever.
 * Result: 1 (a value); 0 (the end; also of an iterator that has been closed).
 * Errors: those of the iterator, and: -ECANCELED (a scope around the caller is cancelled); -EALREADY (another task is
 *   inside of it); -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_iter_next(struct aion_iter *iter, void **ret_value);

/**
 * aion_iter_close - end an iterator, and those that it takes from. Always finishes.
 * @iter: initialised or all zero; a second time does nothing. Not by a task that produces for it.
 *
 * Producers are cancelled and joined. Values on the way are given to their iterator's destroy function; they are lost
 * else. No cancellation ends this early.
 * Result: 0.
 * Errors: -EALREADY (a task is inside of it, which has to be cancelled first; nothing is closed).
 * Suspends: yes, but never returns early. Thread: loop, inside a task. Source: none.
 */
AION_API AION_SUSPENDS int aion_iter_close(struct aion_iter *iter);

/**
 * aion_iter_for_each - do something with each value until the end.
 * @iter: is not closed.
 * @fn: called with each value, which is fn's from then on; an error ends the loop.
 * @arg: handed to fn.
 * @ret_done: how many values fn has been given; always set. May be NULL.
 *
 * Result: 0 (the end has come).
 * Errors: those of aion_iter_next() and of fn.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_iter_for_each(struct aion_iter *iter, aion_iter_fn *fn, void *arg,
						  size_t *ret_done);

/**
 * aion_iter_collect - put the values into an array, until it is full or the end has come.
 * @iter: is not closed. Not one whose values are valid until its next call only.
 * @values: room for max_nr.
 * @max_nr: 0 asks for nothing.
 * @ret_done: how many values are in the array, also if there was an error: they are the caller's. May be NULL.
 *
 * Result: how many there are; fewer than max_nr: the end.
 * Errors: those of aion_iter_next().
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_iter_collect(struct aion_iter *iter, void **values, size_t max_nr,
						 size_t *ret_done);

/* A number as a value, and back. */
static inline void *aion_iter_value(int64_t number)
{
	return (void *)(intptr_t)number;
}

static inline int64_t aion_iter_number(const void *value)
{
	return (int64_t)(intptr_t)value;
}

#ifdef __cplusplus
}
#endif
#endif
