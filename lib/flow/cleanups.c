/* SPDX-License-Identifier: MIT */
/* The exit stack: a few records in place, further ones in chunks from the heap. */
#include <errno.h>

#include <aion/cleanups.h>
#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"

#define CHUNK_NR 32

enum cleanup_when {
	ALWAYS,
	ON_ERROR,
	ON_SUCCESS,
};

struct aion__cleanups_chunk {
	struct aion__cleanups_chunk *before;
	struct aion__cleanup records[CHUNK_NR];
};

void aion_cleanups_init(struct aion_cleanups *cleanups)
{
	cleanups->nr = 0;
	cleanups->chunks = NULL;
}

size_t aion_cleanups_nr(const struct aion_cleanups *cleanups)
{
	return cleanups->nr;
}

/* The place of the last record. */
static struct aion__cleanup *cleanups_last(struct aion_cleanups *cleanups)
{
	size_t idx = cleanups->nr - 1;

	AION_ASSERT(cleanups->nr);
	if (idx < AION_CLEANUPS_INLINE)
		return &cleanups->records[idx];
	return &cleanups->chunks->records[(idx - AION_CLEANUPS_INLINE) % CHUNK_NR];
}

static struct aion__cleanup cleanups_pop(struct aion_cleanups *cleanups)
{
	struct aion__cleanup cleanup = *cleanups_last(cleanups);
	struct aion__cleanups_chunk *chunk = cleanups->chunks;

	cleanups->nr--;
	if (chunk && (cleanups->nr - AION_CLEANUPS_INLINE) % CHUNK_NR == 0) {
		cleanups->chunks = chunk->before;
		aion__free(chunk);
	}
	return cleanup;
}

/* Memory for one more. */
static int cleanups_grow(struct aion_cleanups *cleanups)
{
	struct aion__cleanups_chunk *chunk;

	if (cleanups->nr < AION_CLEANUPS_INLINE || (cleanups->nr - AION_CLEANUPS_INLINE) % CHUNK_NR)
		return 0;
	chunk = aion__alloc(sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	chunk->before = cleanups->chunks;
	cleanups->chunks = chunk;
	return 0;
}

static int cleanups_push(struct aion_cleanups *cleanups, aion_fn *fn, void *arg, enum cleanup_when when)
{
	struct aion_scope shield;

	if (cleanups_grow(cleanups) < 0) {
		if (when != ON_SUCCESS) {
			aion_scope_enter_shield(&shield, AION_NEVER);
			fn(arg);
			aion_scope_leave(&shield);
		}
		return -ENOMEM;
	}
	cleanups->nr++;
	*cleanups_last(cleanups) = (struct aion__cleanup){fn, arg, when};
	return 0;
}

int aion_cleanups_push(struct aion_cleanups *cleanups, aion_fn *fn, void *arg)
{
	return cleanups_push(cleanups, fn, arg, ALWAYS);
}

int aion_cleanups_push_on_error(struct aion_cleanups *cleanups, aion_fn *fn, void *arg)
{
	return cleanups_push(cleanups, fn, arg, ON_ERROR);
}

int aion_cleanups_push_on_success(struct aion_cleanups *cleanups, aion_fn *fn, void *arg)
{
	return cleanups_push(cleanups, fn, arg, ON_SUCCESS);
}

static bool cleanup_applies(const struct aion__cleanup *cleanup, bool has_failed)
{
	return cleanup->when == ALWAYS || (cleanup->when == ON_ERROR) == has_failed;
}

int64_t aion_cleanups_leave_until(struct aion_cleanups *cleanups, int64_t body_result, int64_t deadline_ns)
{
	bool is_cancelled = body_result == -ECANCELED && aion_cancelled();
	bool has_failed = body_result < 0;
	int64_t error = 0;
	struct aion_scope shield;

	if (!cleanups->nr)
		return body_result;
	aion_scope_enter_shield(&shield, deadline_ns);
	while (cleanups->nr) {
		struct aion__cleanup cleanup = cleanups_pop(cleanups);
		int64_t result;

		if (!cleanup_applies(&cleanup, has_failed))
			continue;
		result = cleanup.fn(cleanup.arg);
		if (result >= 0)
			continue;
		has_failed = true;
		if (!error && (result != -ECANCELED || !aion_cancelled()))
			error = result;
	}
	if (aion_scope_leave(&shield) == -ETIME && !error)
		error = -ETIME;
	return error && (body_result >= 0 || is_cancelled) ? error : body_result;
}

int64_t aion_cleanups_leave(struct aion_cleanups *cleanups, int64_t body_result)
{
	return aion_cleanups_leave_until(cleanups, body_result, AION_NEVER);
}

void aion_cleanups_fini(struct aion_cleanups *cleanups)
{
	aion_cleanups_leave(cleanups, -EINTR);
}

void aion_cleanups_pop_all(struct aion_cleanups *cleanups, struct aion_cleanups *to)
{
	AION_BUG_ON(to->nr, "clean-ups handed over to a stack that has some");
	*to = *cleanups;
	aion_cleanups_init(cleanups);
}
