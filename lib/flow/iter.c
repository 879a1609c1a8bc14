/* SPDX-License-Identifier: MIT */
/* What holds for every iterator, and the ends of pipelines. */
#include <errno.h>

#include <aion/scope.h>
#include <aion/iter.h>
#include <aion/task.h>

void aion_iter_init(struct aion_iter *iter, aion_iter_next_fn *next, aion_iter_close_fn *close)
{
	*iter = (struct aion_iter){.next = next, .close = close, .end = 1};
}

struct aion_iter *aion_iter_set_destroy(struct aion_iter *iter, void (*destroy)(void *value))
{
	iter->destroy = destroy;
	return iter;
}

int64_t aion_iter_next(struct aion_iter *iter, void **ret_value)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (iter->is_busy)
		return -EALREADY;
	if (iter->end <= 0)
		return iter->end;
	iter->is_busy = true;
	result = iter->next(iter, ret_value);
	iter->is_busy = false;
	/* The caller's own cancellation is no end: the iterator has kept what it had. */
	if (result <= 0 && !(result == -ECANCELED && aion_cancelled()))
		iter->end = result;
	return result;
}

int aion_iter_close(struct aion_iter *iter)
{
	struct aion_scope shield;

	if (iter->is_busy)
		return -EALREADY;
	if (iter->is_closed)
		return 0;
	iter->is_closed = true;
	iter->end = 0;
	if (!iter->close)
		return 0;
	iter->is_busy = true;
	aion_scope_enter_shield(&shield, AION_NEVER);
	iter->close(iter);
	aion_scope_leave(&shield);
	iter->is_busy = false;
	return 0;
}

int64_t aion_iter_for_each(struct aion_iter *iter, aion_iter_fn *fn, void *arg, size_t *ret_done)
{
	size_t done = 0;
	void *value;
	int64_t result;

	while ((result = aion_iter_next(iter, &value)) > 0) {
		done++;
		result = fn(value, arg);
		if (result < 0)
			break;
	}
	if (ret_done)
		*ret_done = done;
	return result;
}

int64_t aion_iter_collect(struct aion_iter *iter, void **values, size_t max_nr, size_t *ret_done)
{
	int64_t result = 1;
	size_t nr = 0;

	while (nr < max_nr && result > 0) {
		result = aion_iter_next(iter, &values[nr]);
		nr += result > 0;
	}
	if (ret_done)
		*ret_done = nr;
	return result < 0 ? result : (int64_t)nr;
}
