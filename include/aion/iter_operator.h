/* SPDX-License-Identifier: MIT */
#ifndef AION_ITER_OPERATOR_H
#define AION_ITER_OPERATOR_H
/*
 * Iterators over iterators. Each is the caller's memory; its init function gives it as an iterator, so that calls nest:
 *
 *	iterator = aion_iter_take_init(&take, aion_iter_map_init(&map, &generator.iterator, parse, NULL), 10);
 *
 * An operator has its sources for itself: closing it closes them. Errors of a source are the operator's errors, after
 * the values that came before. A consumer that is cancelled loses nothing: what an operator has taken and could not
 * give yet it keeps, and only a close lets it go.
 */
#include <aion/group.h>
#include <aion/iter.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0 and the new value, or -errno. May suspend. */
typedef int64_t aion_iter_map_fn(void *value, void *arg, void **ret_value);

struct aion_iter_map {
	struct aion_iter iter;
	struct aion_iter *source;
	aion_iter_map_fn *fn;
	void *arg;
	void *value; /* taken, and fn has not done with it */
	bool has_value;
};

struct aion_iter_filter {
	struct aion_iter iter;
	struct aion_iter *source;
	aion_iter_fn *fn;
	void *arg;
	void *value; /* taken, and fn has not done with it */
	bool has_value;
};

struct aion_iter_take {
	struct aion_iter iter;
	struct aion_iter *source;
	uint64_t left_nr;
};

struct aion_iter_chain {
	struct aion_iter iter;
	struct aion_iter *const *sources;
	size_t nr;
	size_t idx;
};

struct aion_iter_zip {
	struct aion_iter iter;
	struct aion_iter *const *sources;
	void **values;
	size_t nr;
	size_t taken_nr; /* of the tuple under way */
};

/* The value of a batch iterator. */
struct aion_batch {
	void **values;
	size_t nr; /* 1 or more */
};

struct aion_iter_batch {
	struct aion_iter iter;
	struct aion_iter *source;
	struct aion_batch batch;
	size_t max_nr;
	int64_t wait_ns;
	int64_t due_ns; /* when the batch under way is given, full or not */
	bool is_given;  /* the batch is the consumer's */
};

/* One source of a merge, and the task that asks it. */
struct aion_iter_feeder {
	struct aion_iter *source;
	struct aion_iter_merge *merge;
	struct aion_iter_feeder *next; /* in the order of arrival */
	struct aion_scope scope;       /* around the task: closing cancels it */
	struct aion_future wanted;     /* the task waits for this until its value has been given and the next is due */
	void *value;
	int64_t result; /* what the source has said */
	int64_t end;    /* why the task has ended after a value: -ECANCELED */
	bool has_begun;
	bool has_arrived; /* the result waits in line */
	bool has_ended;
};

struct aion_iter_merge {
	struct aion_iter iter;
	struct aion_group *group;
	struct aion_iter_feeder *feeders;
	size_t nr;
	size_t open_nr;                 /* whose end has not been seen */
	struct aion_iter_feeder *first; /* arrived, in this order */
	struct aion_iter_feeder *last;
	struct aion_iter_feeder *given; /* whose value was given last: it asks again with the next call */
	int64_t error;                  /* the first of a source's */
	struct aion_future arrived;     /* the consumer waits for this */
	bool has_begun;
};

/**
 * aion_iter_map_init - each value replaced by what fn makes of it.
 * @map: the caller's memory.
 * @source: the map's for now.
 * @fn: gets each value, which is fn's from then on; an error ends the iterator. If it says -ECANCELED in a cancelled
 *   scope it has not taken the value, and is called with it again.
 * @arg: handed to fn.
 *
 * Result: the iterator; its errors are those of the source and of fn. What becomes of new values that nobody gets:
 * aion_iter_set_destroy().
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_map_init(struct aion_iter_map *map, struct aion_iter *source, aion_iter_map_fn *fn,
					      void *arg);

/**
 * aion_iter_filter_init - only the values that fn approves of.
 * @filter: the caller's memory.
 * @source: the filter's for now.
 * @fn: looks at each value: more than 0 lets it pass, 0 drops it, an error drops it and ends the iterator. If it says
 *   -ECANCELED in a cancelled scope it is called with the value again.
 * @arg: handed to fn.
 *
 * Result: the iterator; its errors are those of the source and of fn. Dropped values are destroyed.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_filter_init(struct aion_iter_filter *filter, struct aion_iter *source,
						 aion_iter_fn *fn, void *arg);

/**
 * aion_iter_take_init - the first values only.
 * @take: the caller's memory.
 * @source: the take's for now; never asked for more than nr values.
 * @nr: how many.
 *
 * Result: the iterator; its errors are those of the source.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_take_init(struct aion_iter_take *take, struct aion_iter *source, uint64_t nr);

/**
 * aion_iter_chain_init - one source after the other.
 * @chain: the caller's memory.
 * @sources: nr of them, the chain's for now; the array is borrowed. All with the same destroy function.
 * @nr: how many.
 *
 * Result: the iterator; its errors are those of the sources, and end it.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_chain_init(struct aion_iter_chain *chain, struct aion_iter *const *sources,
						size_t nr);

/**
 * aion_iter_zip_init - tuples of a value from each source.
 * @zip: the caller's memory.
 * @sources: nr of them, asked in this order; the zip's for now; the array is borrowed.
 * @values: room for nr values, which is what the iterator gives: a void ** that is valid until the next call.
 * @nr: how many; 0 is an empty iterator.
 *
 * Result: the iterator. It ends with the first source that does; values of an incomplete tuple are destroyed by the
 * close. Its errors are those of the sources.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_zip_init(struct aion_iter_zip *zip, struct aion_iter *const *sources,
					      void **values, size_t nr);

/**
 * aion_iter_batch_init - several values at a time.
 * @batch: the caller's memory.
 * @source: the batch's for now. Not one whose values are valid until its next call only.
 * @values: room for max_nr values.
 * @max_nr: the batch is given when it has so many.
 * @wait_ns: or when its first value has waited so long, nanoseconds; AION_NEVER: when it is full, or at the end.
 *
 * When time is up a wait inside the source is broken off, as by a cancellation. A generator's producer does not notice;
 * the function of a map is called again. Where that must not be, put a merge of one source in between.
 * Result: the iterator. Its values are struct aion_batch *, each valid until the next call; the values in there are the
 * caller's. Its errors: those of the source, after the last batch; -EINVAL (max_nr is 0).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_batch_init(struct aion_iter_batch *batch, struct aion_iter *source, void **values,
						size_t max_nr, int64_t wait_ns);

/**
 * aion_iter_merge_init - the values of several sources, whoever is first.
 * @merge: the caller's memory.
 * @group: in which a task for each source asks it for one value ahead. Close the iterator before the group is left.
 * @feeders: room for nr of them, until the iterator is closed.
 * @sources: nr of them, the merge's for now; the array is not needed after this call. All with the same destroy
 *   function.
 * @nr: how many; 0 is an empty iterator. 1 gives a source a task of its own.
 *
 * Result: the iterator. It ends when all have; a source's first error ends it. Its errors: those of the sources, and
 * -ENOMEM and -ESHUTDOWN (a task cannot be started; also an error of the group).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_iter_merge_init(struct aion_iter_merge *merge, struct aion_group *group,
						struct aion_iter_feeder *feeders, struct aion_iter *const *sources,
						size_t nr);

#ifdef __cplusplus
}
#endif
#endif
