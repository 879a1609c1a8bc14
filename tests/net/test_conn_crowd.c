/* SPDX-License-Identifier: MIT */
/* Many connections on a simulated machine, some of whose peers send and do not read: the others do not notice. */
#include <aion/sim.h>

#include "test_inlet.h"

#define CONN_NR 120
#define SLOW_NR 6 /* the first of them */
#define ROUND_NR (test_is_small() ? 20u : 200u)
#define PIECE_SIZE 1000
#define FLOOD_SIZE ((size_t)400000) /* bytes that a slow reader sends */
#define PATIENCE_NS (10 * AION_SECOND)

struct crowd {
	struct aion_sim *sim;
	int clients[CONN_NR];
	int servers[CONN_NR];
	size_t echoed_size[CONN_NR];
	unsigned made_nr[2]; /* buffers that there were in all, after half of the rounds and at the end */
	unsigned taken_max;
	struct aion_future fast_have_ended;
	unsigned fast_nr;
};

struct member {
	struct crowd *crowd;
	int i;
};

static int64_t serve(void *arg)
{
	const struct member *member = arg;
	AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
	struct aion_buffer *buffer;
	int64_t result;

	assert_result(aion_conn_open(&conn, member->crowd->servers[member->i]), 0);
	while ((result = aion_conn_recv(&conn, &buffer)) > 0) {
		unsigned taken_nr = test_group(AION__GROUP_SMALL)->taken_nr;

		if (member->crowd->taken_max < taken_nr)
			member->crowd->taken_max = taken_nr;
		assert_result(aion_conn_send_buffer(&conn, buffer), 0);
		member->crowd->echoed_size[member->i] += (size_t)result;
	}
	return result;
}

static void hear_echo(struct aion_conn *conn, size_t off, size_t size)
{
	char heard[PIECE_SIZE];

	assert_result(aion_conn_read_exact(conn, heard, size, NULL), 0);
	cr_assert(test_is_filled(heard, size, off));
}

/* Its every exchange is over in time. */
static int64_t be_fast(void *arg)
{
	const struct member *member = arg;
	AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
	char said[PIECE_SIZE];

	assert_result(aion_conn_open(&conn, member->crowd->clients[member->i]), 0);
	for (size_t round = 0; round < ROUND_NR; round++) {
		struct aion_scope scope;

		test_fill(said, sizeof(said), round * sizeof(said));
		aion_scope_enter(&scope, aion_after(PATIENCE_NS));
		assert_result(aion_conn_send_all(&conn, said, sizeof(said), NULL), 0);
		hear_echo(&conn, round * sizeof(said), sizeof(said));
		assert_result(aion_scope_leave(&scope), 0);
		if (member->i == CONN_NR - 1 && (round == ROUND_NR / 2 || round == ROUND_NR - 1))
			member->crowd->made_nr[round == ROUND_NR - 1] = test_group(AION__GROUP_SMALL)->buffer_nr;
		aion_sleep(AION_SECOND / 10);
	}
	if (--member->crowd->fast_nr == 0)
		aion_future_complete(&member->crowd->fast_have_ended, 0);
	return 0;
}

static int64_t flood(void *arg)
{
	char said[PIECE_SIZE];

	for (size_t off = 0; off < FLOOD_SIZE; off += sizeof(said)) {
		test_fill(said, sizeof(said), off);
		assert_result(aion_conn_send_all(arg, said, sizeof(said), NULL), 0);
	}
	return 0;
}

/* Reads when all the others have ended: then all is there. */
static int64_t be_slow(void *arg)
{
	const struct member *member = arg;
	AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
	struct aion_group group;

	assert_result(aion_conn_open(&conn, member->crowd->clients[member->i]), 0);
	aion_group_enter(&group);
	aion_spawn(&group, flood, &conn);
	aion_await(&member->crowd->fast_have_ended);
	cr_assert_lt(member->crowd->echoed_size[member->i], FLOOD_SIZE, "the peer has not been made to wait");
	for (size_t off = 0; off < FLOOD_SIZE; off += PIECE_SIZE)
		hear_echo(&conn, off, PIECE_SIZE);
	return aion_group_leave(&group, 0);
}

static int64_t crowd_task(void *arg)
{
	struct crowd *crowd = arg;
	static struct member members[CONN_NR];
	struct aion_group group;

	aion_future_init(&crowd->fast_have_ended);
	crowd->fast_nr = CONN_NR - SLOW_NR;
	aion_group_enter(&group);
	for (int i = 0; i < CONN_NR; i++) {
		int fds[2];

		members[i] = (struct member){crowd, i};
		cr_assert_eq(aion_sim_socketpair(crowd->sim, AF_INET, SOCK_STREAM, fds), 0);
		crowd->clients[i] = fds[0];
		crowd->servers[i] = fds[1];
		aion_spawn(&group, serve, &members[i]);
		aion_spawn(&group, i < SLOW_NR ? be_slow : be_fast, &members[i]);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(crowd->made_nr[0], crowd->made_nr[1], "buffers grow from %u to %u", crowd->made_nr[0],
		     crowd->made_nr[1]);
	/* Each end of a slow reader's, with what the kernel had in hand when it was told to stop. */
	cr_assert_leq(crowd->taken_max, 2 * SLOW_NR * (test_group(AION__GROUP_SMALL)->held_max + 32) + CONN_NR);
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
	return 0;
}

/* Goal: half a minute of traffic beside slow readers neither starves nor grows. */
static void crowd_run(enum aion_sim_profile profile, unsigned small_max)
{
	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct crowd crowd = {0};

		aion__group_buffer_max[AION__GROUP_SMALL] = small_max;
		cr_assert_eq(aion_sim_create(&(struct aion_sim_options){.seed = seed, .profile = profile}, &crowd.sim),
			     0);
		assert_result(aion_run(crowd_task, &crowd, &(struct aion_loop_options){.sim = crowd.sim}), 0);
		cr_assert_eq(aion_sim_check(crowd.sim), 0);
		aion_sim_destroy(crowd.sim);
	}
}

Test(conn_crowd, slow_readers_neither_starve_others_nor_gather_buffers)
{
	test_machine_own_profile();
	crowd_run(AION_SIM_CALM, 0);
	crowd_run(AION_SIM_ROUGH, 0);
}

/* Two for each slow reader, and hardly any for the others. */
Test(conn_crowd, the_same_with_few_buffers)
{
	test_machine_own_profile();
	crowd_run(AION_SIM_CALM, 2 * SLOW_NR);
	crowd_run(AION_SIM_ROUGH, 2 * SLOW_NR);
}
