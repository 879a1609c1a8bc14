/* SPDX-License-Identifier: MIT */
/* The barrier: who meets, who leaves before that, what breaks it. */
#include "test_order.h"

struct guest {
	struct aion_barrier *barrier;
	int64_t result;
	struct aion_handle handle;
};

static int64_t guest_body(void *arg)
{
	struct guest *guest = arg;

	guest->result = aion_barrier_wait(guest->barrier);
	return 0;
}

static void guest_start(struct aion_group *group, struct guest *guest, struct aion_barrier *barrier)
{
	*guest = (struct guest){.barrier = barrier, .result = -1};
	cr_assert_eq(aion_spawn_into(group, &guest->handle, NULL, guest_body, guest), 0);
}

TEST_IN_TASK(barrier_wait, opens_when_the_last_has_come)
{
	struct aion_barrier barrier;
	struct aion_group group;
	struct guest guests[3];

	cr_assert_eq(aion_barrier_init(&barrier, 3), 0);
	aion_group_enter(&group);
	guest_start(&group, &guests[0], &barrier);
	guest_start(&group, &guests[1], &barrier);
	test_settle();
	cr_assert_eq(aion_barrier_waiting_nr(&barrier), 2);
	cr_assert_eq(guests[0].result, -1);
	guest_start(&group, &guests[2], &barrier);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(guests[i].result, (int64_t)i, "places in the order in which they came");
	cr_assert_eq(aion_barrier_waiting_nr(&barrier), 0);
	aion_barrier_fini(&barrier);
	return 0;
}

TEST_IN_TASK(barrier_wait, of_one_waits_for_nobody)
{
	struct aion_barrier barrier;

	cr_assert_eq(aion_barrier_init(&barrier, 0), -EINVAL);
	cr_assert_eq(aion_barrier_init(&barrier, 1), 0);
	cr_assert_eq(aion_barrier_wait(&barrier), 0);
	cr_assert_eq(aion_barrier_wait(&barrier), 0);
	return 0;
}

struct walker {
	struct aion_barrier *barrier;
	unsigned *round_of; /* of each walker */
	unsigned idx, nr, round_nr;
	unsigned last_nr;
};

/* Nobody is more than a round ahead. */
static int64_t walk(void *arg)
{
	struct walker *walker = arg;

	while (walker->round_of[walker->idx] < walker->round_nr) {
		int64_t place;

		for (unsigned pause = walker->idx; pause; pause--)
			aion_yield();
		place = aion_barrier_wait(walker->barrier);
		cr_assert(place >= 0 && place < walker->nr);
		walker->last_nr += place == walker->nr - 1;
		walker->round_of[walker->idx]++;
		for (unsigned i = 0; i < walker->nr; i++)
			cr_assert_leq(walker->round_of[walker->idx], walker->round_of[i] + 1);
	}
	return 0;
}

TEST_IN_TASK(barrier_wait, begins_the_next_round_at_once)
{
	unsigned round_of[4] = {0};
	struct walker walkers[4];
	struct aion_barrier barrier;
	struct aion_group group;
	unsigned last_nr = 0;

	cr_assert_eq(aion_barrier_init(&barrier, 4), 0);
	aion_group_enter(&group);
	for (unsigned i = 0; i < 4; i++) {
		walkers[i] = (struct walker){&barrier, round_of, i, 4, 10, 0};
		aion_spawn(&group, walk, &walkers[i]);
	}
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	for (unsigned i = 0; i < 4; i++)
		last_nr += walkers[i].last_nr;
	cr_assert_eq(last_nr, 10, "one is the last of each round");
	aion_barrier_fini(&barrier);
	return 0;
}

/* Case 49: as in asyncio, who is cancelled leaves, and another one comes in its place. No two places are the same. */
TEST_IN_TASK(barrier_wait, who_is_cancelled_does_not_count)
{
	struct aion_barrier barrier;
	struct aion_group group;
	struct guest guests[4];

	cr_assert_eq(aion_barrier_init(&barrier, 3), 0);
	aion_group_enter(&group);
	guest_start(&group, &guests[0], &barrier);
	guest_start(&group, &guests[1], &barrier);
	test_settle();
	aion_handle_cancel(&guests[0].handle);
	test_settle();
	cr_assert_eq(guests[0].result, -ECANCELED);
	cr_assert_eq(aion_barrier_waiting_nr(&barrier), 1);
	cr_assert_not(aion_barrier_is_broken(&barrier));
	guest_start(&group, &guests[2], &barrier);
	test_settle();
	cr_assert_eq(guests[1].result, -1);
	guest_start(&group, &guests[3], &barrier);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(guests[1].result, 0);
	cr_assert_eq(guests[2].result, 1);
	cr_assert_eq(guests[3].result, 2);
	aion_barrier_fini(&barrier);
	return 0;
}

/* In both orders: the round was complete before it ran, so it has taken part. */
static void cancel_with_last(bool cancel_first)
{
	struct aion_barrier barrier;
	struct aion_group group;
	struct guest guest;

	cr_assert_eq(aion_barrier_init(&barrier, 2), 0);
	aion_group_enter(&group);
	guest_start(&group, &guest, &barrier);
	test_settle();
	if (cancel_first)
		aion_handle_cancel(&guest.handle);
	cr_assert_eq(aion_barrier_wait(&barrier), 1);
	if (!cancel_first)
		aion_handle_cancel(&guest.handle);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(guest.result, 0);
	cr_assert_eq(aion_barrier_waiting_nr(&barrier), 0);
}

TEST_IN_TASK(barrier_wait, a_complete_round_wins_over_a_cancellation)
{
	cancel_with_last(false);
	cancel_with_last(true);
	return 0;
}

TEST_IN_TASK(barrier_wait, a_broken_one_refuses_until_it_is_reset)
{
	struct aion_barrier barrier;
	struct aion_group group;
	struct guest guests[2];

	cr_assert_eq(aion_barrier_init(&barrier, 3), 0);
	aion_group_enter(&group);
	guest_start(&group, &guests[0], &barrier);
	guest_start(&group, &guests[1], &barrier);
	test_settle();
	aion_barrier_abort(&barrier);
	cr_assert(aion_barrier_is_broken(&barrier));
	cr_assert_eq(aion_barrier_waiting_nr(&barrier), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(guests[0].result, -EPIPE);
	cr_assert_eq(guests[1].result, -EPIPE);
	cr_assert_eq(aion_barrier_wait(&barrier), -EPIPE);
	aion_barrier_reset(&barrier);
	cr_assert_not(aion_barrier_is_broken(&barrier));
	aion_group_enter(&group);
	guest_start(&group, &guests[0], &barrier);
	guest_start(&group, &guests[1], &barrier);
	test_settle();
	cr_assert_eq(aion_barrier_wait(&barrier), 2);
	return aion_group_leave(&group, 0);
}

/* Those of before and those of after do not meet. */
TEST_IN_TASK(barrier_wait, a_reset_sends_away_who_waits)
{
	struct aion_barrier barrier;
	struct aion_group group;
	struct guest guests[3];

	cr_assert_eq(aion_barrier_init(&barrier, 2), 0);
	aion_group_enter(&group);
	guest_start(&group, &guests[0], &barrier);
	test_settle();
	aion_barrier_reset(&barrier);
	guest_start(&group, &guests[1], &barrier);
	test_settle();
	cr_assert_eq(guests[0].result, -EPIPE);
	cr_assert_eq(guests[1].result, -1);
	cr_assert_eq(aion_barrier_waiting_nr(&barrier), 1);
	guest_start(&group, &guests[2], &barrier);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(guests[1].result, 0);
	cr_assert_eq(guests[2].result, 1);
	return 0;
}

/* Cancelled, then sent away: it is not counted off twice. */
TEST_IN_TASK(barrier_wait, a_reset_right_after_a_cancellation_leaves_nobody)
{
	struct aion_barrier barrier;
	struct aion_group group;
	struct guest guest;

	cr_assert_eq(aion_barrier_init(&barrier, 2), 0);
	aion_group_enter(&group);
	guest_start(&group, &guest, &barrier);
	test_settle();
	aion_handle_cancel(&guest.handle);
	aion_barrier_reset(&barrier);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(guest.result, -EPIPE);
	cr_assert_eq(aion_barrier_waiting_nr(&barrier), 0);
	return 0;
}
