/* SPDX-License-Identifier: MIT */
/* Waiting for what any thread may hand over. */
#include <errno.h>

#include "remote_int.h"

void aion__remote_init(struct aion__remote *remote, bool (*withdraw)(struct aion__remote *remote))
{
	remote->wait.future = (struct aion_future){.loop = aion__loop(), .kind = AION__FUTURE_REMOTE, .fd = -1};
	remote->wait.waits = NULL;
	remote->withdraw = withdraw;
}

int64_t aion__remote_await(struct aion__remote *remote)
{
	int64_t result = aion_await(&remote->wait.future);

	/* A shorter wait would leave a post on its way to a record that is gone. */
	AION_ASSERT(aion__future_is_done(&remote->wait.future));
	return result;
}

static void remote_arrive(struct aion__post *post)
{
	struct aion__remote *remote = aion__container_of(post, struct aion__remote, post);

	aion__future_finish(aion__engine, &remote->wait.future, remote->result);
}

void aion__remote_end(struct aion__remote *remote, int64_t result)
{
	struct aion_loop *loop = remote->wait.future.loop;
	int refused;

	if (loop == aion__loop()) {
		aion__future_finish(aion__engine, &remote->wait.future, result);
		return;
	}
	remote->result = result;
	remote->post.run = remote_arrive;
	/* The loop has a task that waits for this, so it takes posts. In a forked child nobody waits any more. */
	refused = aion__loop_push(loop, &remote->post);
	AION_BUG_ON(refused == -ESHUTDOWN, "a loop has ended while a task of it waits");
}

void aion__remote_withdraw(struct aion__remote *remote)
{
	if (remote->withdraw(remote))
		aion__future_finish(aion__engine, &remote->wait.future, -ECANCELED);
}
