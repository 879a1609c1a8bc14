/* SPDX-License-Identifier: MIT */
/* Waiting for readiness. */
#include <errno.h>

#include <aion/poll.h>
#include <aion/scope.h>

int64_t aion_poll(int fd, unsigned events)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_poll(&op, fd, events);
	return aion_await(&op.future);
}

int64_t aion_poll_next(struct aion_poll *poll)
{
	int64_t result = aion_checkpoint();

	while (result >= 0) {
		result = aion_poll_try_next(poll);
		if (result != -EAGAIN)
			return result;
		result = aion_await(&poll->ready);
	}
	return result;
}

void aion_poll_close(struct aion_poll *poll)
{
	if (!poll->is_open)
		return;
	poll->is_open = false;
	aion_op_reap(&poll->op);
}
