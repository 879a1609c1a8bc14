/* SPDX-License-Identifier: MIT */
/* The capacity limiter: who has a token, and who gets the next. */
#include "fault_int.h"
#include "test_order.h"

static void limiter_check(const struct aion_limiter *limiter, size_t total_nr, size_t borrowed_nr, size_t waiting_nr)
{
	struct aion_limiter_stats stats;

	aion_limiter_stats(limiter, &stats);
	cr_assert_eq(stats.total_nr, total_nr);
	cr_assert_eq(stats.borrowed_nr, borrowed_nr);
	cr_assert_eq(stats.waiting_nr, waiting_nr);
}

struct client {
	struct aion_limiter *limiter;
	struct test_order *order;
	char name; /* its address is the borrower */
	int result;
	struct aion_handle handle;
};

static int64_t client_body(void *arg)
{
	struct client *client = arg;

	client->result = aion_limiter_acquire_on_behalf(client->limiter, &client->name);
	if (client->result == 0)
		test_order_note(client->order, client->name);
	return 0;
}

static void client_start(struct aion_group *group, struct client *client, struct aion_limiter *limiter,
			 struct test_order *order, char name)
{
	*client = (struct client){.limiter = limiter, .order = order, .name = name, .result = 1};
	cr_assert_eq(aion_spawn_into(group, &client->handle, NULL, client_body, client), 0);
}

TEST_IN_TASK(limiter_tokens, a_task_has_one_at_most)
{
	struct aion_limiter limiter;

	aion_limiter_init(&limiter, 2);
	cr_assert_eq(aion_limiter_release(&limiter), -EPERM);
	cr_assert_eq(aion_limiter_acquire(&limiter), 0);
	limiter_check(&limiter, 2, 1, 0);
	cr_assert_eq(aion_limiter_acquire(&limiter), -EDEADLK);
	cr_assert_eq(aion_limiter_try_acquire(&limiter), -EDEADLK);
	cr_assert_eq(aion_limiter_acquire_on_behalf(&limiter, aion_task_current()), -EDEADLK);
	cr_assert_eq(aion_limiter_release(&limiter), 0);
	cr_assert_eq(aion_limiter_release(&limiter), -EPERM);
	cr_assert_eq(aion_limiter_try_acquire(&limiter), 0);
	cr_assert_eq(aion_limiter_release(&limiter), 0);
	limiter_check(&limiter, 2, 0, 0);
	aion_limiter_fini(&limiter);
	return 0;
}

/* Trio's: a task may borrow for others, beside its own. */
TEST_IN_TASK(limiter_tokens, may_be_borrowed_for_others)
{
	struct aion_limiter limiter;
	char connections[2];

	aion_limiter_init(&limiter, 3);
	cr_assert_eq(aion_limiter_acquire_on_behalf(&limiter, &connections[0]), 0);
	cr_assert_eq(aion_limiter_try_acquire_on_behalf(&limiter, &connections[1]), 0);
	cr_assert_eq(aion_limiter_acquire(&limiter), 0);
	cr_assert_eq(aion_limiter_try_acquire_on_behalf(&limiter, &connections[1]), -EDEADLK);
	cr_assert_eq(aion_limiter_try_acquire_on_behalf(&limiter, &limiter), -EAGAIN);
	cr_assert_eq(aion_limiter_acquire_on_behalf(&limiter, NULL), -EINVAL);
	cr_assert_eq(aion_limiter_try_acquire_on_behalf(&limiter, NULL), -EINVAL);
	cr_assert_eq(aion_limiter_release_on_behalf(&limiter, NULL), -EPERM);
	cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &limiter), -EPERM);
	cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &connections[0]), 0);
	cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &connections[0]), -EPERM);
	limiter_check(&limiter, 3, 2, 0);
	aion_limiter_fini(&limiter);
	return 0;
}

TEST_IN_TASK(limiter_tokens, first_in_first_out)
{
	struct test_order order = {.nr = 0};
	struct aion_limiter limiter;
	struct aion_group group;
	struct client clients[4];

	aion_limiter_init(&limiter, 1);
	aion_group_enter(&group);
	for (size_t i = 0; i < 4; i++)
		client_start(&group, &clients[i], &limiter, &order, (char)('a' + i));
	test_settle();
	cr_assert_str_eq(order.text, "a");
	limiter_check(&limiter, 1, 1, 3);
	cr_assert_eq(aion_limiter_try_acquire(&limiter), -EAGAIN);
	for (size_t i = 0; i < 4; i++) {
		if (i < 3) /* who waits has none to give back */
			cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &clients[i + 1].name), -EPERM);
		cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &clients[i].name), 0);
		if (i < 3)
			cr_assert_eq(aion_limiter_try_acquire(&limiter), -EAGAIN, "it is the next one's already");
		test_settle();
	}
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abcd");
	limiter_check(&limiter, 1, 0, 0);
	aion_limiter_fini(&limiter);
	return 0;
}

/* Two tasks for one borrower: the second would be handed a token that the borrower has already. */
TEST_IN_TASK(limiter_tokens, a_borrower_waits_once)
{
	struct test_order order = {.nr = 0};
	struct aion_limiter limiter;
	struct aion_group group;
	struct client client;

	aion_limiter_init(&limiter, 0);
	aion_group_enter(&group);
	client_start(&group, &client, &limiter, &order, 'a');
	test_settle();
	cr_assert_eq(aion_limiter_acquire_on_behalf(&limiter, &client.name), -EDEADLK);
	aion_limiter_set_total(&limiter, 1);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	limiter_check(&limiter, 1, 1, 0);
	aion_limiter_fini(&limiter);
	return 0;
}

TEST_IN_TASK(limiter_tokens, may_become_more_or_fewer)
{
	struct test_order order = {.nr = 0};
	struct aion_limiter limiter;
	struct aion_group group;
	struct client clients[5];

	aion_limiter_init(&limiter, 1);
	aion_group_enter(&group);
	for (size_t i = 0; i < 5; i++)
		client_start(&group, &clients[i], &limiter, &order, (char)('a' + i));
	test_settle();
	aion_limiter_set_total(&limiter, 3);
	test_settle();
	cr_assert_str_eq(order.text, "abc");
	aion_limiter_set_total(&limiter, 1);
	limiter_check(&limiter, 1, 3, 2);
	cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &clients[0].name), 0);
	cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &clients[1].name), 0);
	test_settle();
	cr_assert_str_eq(order.text, "abc", "one is borrowed still, and one there is");
	cr_assert_eq(aion_limiter_release_on_behalf(&limiter, &clients[2].name), 0);
	test_settle();
	cr_assert_str_eq(order.text, "abcd");
	aion_limiter_set_total(&limiter, SIZE_MAX);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abcde");
	limiter_check(&limiter, SIZE_MAX, 2, 0);
	aion_limiter_fini(&limiter);
	return 0;
}

TEST_IN_TASK(limiter_tokens, who_is_cancelled_is_forgotten)
{
	struct test_order order = {.nr = 0};
	struct aion_limiter limiter;
	struct aion_group group;
	struct client clients[3];

	aion_limiter_init(&limiter, 0);
	aion_group_enter(&group);
	for (size_t i = 0; i < 3; i++)
		client_start(&group, &clients[i], &limiter, &order, (char)('a' + i));
	test_settle();
	aion_handle_cancel(&clients[0].handle);
	test_settle();
	cr_assert_eq(clients[0].result, -ECANCELED);
	limiter_check(&limiter, 0, 0, 2);
	aion_limiter_set_total(&limiter, 3);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "bc");
	cr_assert_eq(aion_limiter_try_acquire_on_behalf(&limiter, &clients[0].name), 0, "it may come again");
	aion_limiter_fini(&limiter);
	return 0;
}

/* In both orders. */
static void cancel_with_release(bool cancel_first)
{
	struct test_order order = {.nr = 0};
	struct aion_limiter limiter;
	struct aion_group group;
	struct client client;

	aion_limiter_init(&limiter, 1);
	cr_assert_eq(aion_limiter_acquire(&limiter), 0);
	aion_group_enter(&group);
	client_start(&group, &client, &limiter, &order, 'a');
	test_settle();
	if (cancel_first)
		aion_handle_cancel(&client.handle);
	cr_assert_eq(aion_limiter_release(&limiter), 0);
	if (!cancel_first)
		aion_handle_cancel(&client.handle);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(client.result, 0, "what was handed over is kept");
	limiter_check(&limiter, 1, 1, 0);
	aion_limiter_fini(&limiter);
}

TEST_IN_TASK(limiter_tokens, what_was_handed_over_is_kept_by_who_is_cancelled)
{
	cancel_with_release(false);
	cancel_with_release(true);
	return 0;
}

#define BORROWER_NR 300

struct crowd {
	struct aion_limiter limiter;
	bool has_token[BORROWER_NR]; /* their addresses are the borrowers */
	size_t borrowed_nr;
};

static void crowd_step(struct crowd *crowd, size_t idx, bool acquires)
{
	bool *borrower = &crowd->has_token[idx];
	int expected;

	if (acquires) {
		expected = *borrower ? -EDEADLK : crowd->borrowed_nr == BORROWER_NR / 2 ? -EAGAIN : 0;
		cr_assert_eq(aion_limiter_try_acquire_on_behalf(&crowd->limiter, borrower), expected);
		crowd->borrowed_nr += expected == 0;
	} else {
		expected = *borrower ? 0 : -EPERM;
		cr_assert_eq(aion_limiter_release_on_behalf(&crowd->limiter, borrower), expected);
		crowd->borrowed_nr -= expected == 0;
	}
	if (expected == 0)
		*borrower = acquires;
	limiter_check(&crowd->limiter, BORROWER_NR / 2, crowd->borrowed_nr, 0);
}

/* Against a plain array: borrowers come and go in an order that is drawn. */
TEST_IN_TASK(limiter_tokens, the_borrowers_are_kept_apart)
{
	static struct crowd crowd;
	uint64_t random = 1;

	aion_limiter_init(&crowd.limiter, BORROWER_NR / 2);
	for (unsigned i = 0; i < 20000; i++) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		crowd_step(&crowd, (random >> 33) % BORROWER_NR, random >> 63);
	}
	aion_limiter_fini(&crowd.limiter);
	return 0;
}

#ifdef AION_FAULTS
TEST_IN_TASK(limiter_tokens, without_memory_nobody_is_noted)
{
	struct aion_limiter limiter;

	aion_limiter_init(&limiter, 1);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 3, -ENOMEM);
	cr_assert_eq(aion_limiter_acquire(&limiter), -ENOMEM);
	cr_assert_eq(aion_limiter_try_acquire(&limiter), -ENOMEM);
	cr_assert_eq(aion_limiter_try_acquire_on_behalf(&limiter, &limiter), -ENOMEM);
	aion__fault_reset();
	limiter_check(&limiter, 1, 0, 0);
	cr_assert_eq(aion_limiter_acquire(&limiter), 0);
	aion_limiter_fini(&limiter);
	return 0;
}
#endif
