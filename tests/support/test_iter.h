/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_STREAM_H
#define AION_TEST_STREAM_H
/* What the tests of iterators share: a producer that counts, and an account of values that were destroyed. */
#include "test_file.h"

/* Yields 0, 1, 2 … and notes how far it has come. */
struct test_producer {
	int64_t nr;       /* values */
	int64_t pause_ns; /* before each */
	int64_t result;   /* at the end */
	int64_t begun_nr; /* values on which it has begun to work */
	int64_t given_nr; /* that it has been told are the consumer's */
	int64_t last;     /* what its last call said */
	bool has_begun;
	bool has_ended;
};

static inline int64_t test_produce(struct aion_generator *generator, void *arg)
{
	struct test_producer *producer = arg;

	producer->has_begun = true;
	producer->last = 0;
	while (producer->last == 0 && producer->begun_nr < producer->nr) {
		producer->begun_nr++;
		if (producer->pause_ns)
			producer->last = aion_sleep(producer->pause_ns);
		if (producer->last == 0)
			producer->last = aion_yield_value(generator, aion_iter_value(producer->given_nr));
		producer->given_nr += producer->last == 0;
	}
	producer->has_ended = true;
	return producer->last < 0 ? producer->last : producer->result;
}

/* Values that were destroyed: their number, and their sum. */
extern int64_t test_destroyed_nr, test_destroyed_sum;

static inline void test_destroy(void *value)
{
	test_destroyed_nr++;
	test_destroyed_sum += aion_iter_number(value);
}

/* The next value as a number; one that comes is checked to be below the errors. */
static inline int64_t test_next(struct aion_iter *iter)
{
	void *value = (void *)-1;
	int64_t result = aion_iter_next(iter, &value);

	return result == 1 ? 100 + aion_iter_number(value) : result;
}

/* Ask in a scope that is over before a value can come: -ECANCELED. */
static inline int64_t test_next_cut_short(struct aion_iter *iter, int64_t after_ns)
{
	struct aion_scope scope;
	int64_t result;

	aion_scope_enter(&scope, aion_after(after_ns));
	result = test_next(iter);
	aion_scope_leave(&scope);
	return result;
}

#endif
