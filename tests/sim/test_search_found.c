/* SPDX-License-Identifier: MIT */
/* What the search (tests/sim/search) has found in the engine, each by itself and with the seed that showed it. */
#include <poll.h>

#include "test_sim.h"

#define SEED_NR 100

/* ---- seed 9794, hostile */

struct closed {
	struct aion_poll poll;
	bool is_closing;
	int late_nr; /* events that are told of after that */
};

static int64_t poll_until_error(void *arg)
{
	struct closed *closed = arg;
	int64_t result;

	while ((result = aion_poll_next(&closed->poll)) >= 0)
		closed->late_nr += closed->is_closing;
	return result == -EBADF ? 0 : -EPROTO;
}

static int64_t close_under_poll(void *sim)
{
	struct closed closed = {.late_nr = 0};
	struct aion_group group;
	int fds[2];

	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	aion_poll_open(&closed.poll, fds[0], POLLIN);
	aion_group_enter(&group);
	aion_spawn_now(&group, poll_until_error, &closed);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_write(fds[1], "x", 1), 1);
	/* Else the close could not know of it. */
	while (!aion_op_is_in_flight(&closed.poll.op))
		aion_yield();
	closed.is_closing = true;
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_leq(closed.late_nr, 1, "%d", closed.late_nr);
	aion_poll_close(&closed.poll);
	return aion_close(fds[1]);
}

/* The multishot request ends by itself, with events, while the close that would cancel it is under way: it may not be
 * made anew on a number that is about to be somebody else's. */
Test(search_found, a_lasting_poll_that_ends_while_its_descriptor_is_closed_stays_ended)
{
	for (uint64_t seed = 1; seed <= SEED_NR; seed++) {
		struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = seed});

		aion_sim_knob_set(sim, AION_SIM_MULTISHOT_END, 1000000);
		aion_sim_knob_set(sim, AION_SIM_LATE_CQE, 1000000);
		aion_sim_knob_set(sim, AION_SIM_INLINE, 0);
		assert_result(test_sim_run(sim, close_under_poll, sim), 0);
		test_sim_end(sim);
	}
}
