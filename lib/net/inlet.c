/* SPDX-License-Identifier: MIT */
/* Receiving from a stream: the waiting. */
#include <errno.h>

#include <aion/inlet.h>
#include <aion/scope.h>
#include <aion/task.h>

#include "closers_int.h"

int64_t aion_inlet_next(struct aion_inlet *inlet, struct aion_buffer **ret_buffer)
{
	int64_t result = aion_checkpoint();

	while (result >= 0) {
		result = aion_inlet_try_next(inlet, ret_buffer);
		if (result != -EAGAIN)
			return result;
		result = aion_await(&inlet->ready);
	}
	return result;
}

int64_t aion_inlet_read(struct aion_inlet *inlet, void *buf, size_t size)
{
	int64_t result = aion_checkpoint();

	while (result >= 0) {
		result = aion_inlet_try_read(inlet, buf, size);
		if (result != -EAGAIN)
			return result;
		result = aion_await(&inlet->ready);
	}
	return result;
}

void aion_inlet_close(struct aion_inlet *inlet)
{
	bool may_be_waited_for = inlet->last && !aion_future_is_done(&inlet->ready);
	bool is_to_be_waited_for;

	aion_inlet_stop(inlet);
	is_to_be_waited_for = aion_op_is_in_flight(&inlet->op);
	aion_op_reap(&inlet->op);
	if (may_be_waited_for && !is_to_be_waited_for && aion_task_current())
		aion__waiter_leave();
}
