/* SPDX-License-Identifier: MIT */
/* Datagrams on machines on which requests end early and buffers are short: each comes once, whole and in order. */
#include <liburing.h>

#include "test_datagram.h"
#include "test_sim.h"

#define SEED_NR 60
#define DATAGRAM_NR 400U
#define HELD_MAX 6

struct world {
	struct aion_sim *sim;
	uint64_t random;
	int fds[2];
};

static uint32_t world_draw(struct world *world, uint32_t below)
{
	world->random = world->random * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(world->random >> 33) % below;
}

static void world_strike(struct aion_sim *sim)
{
	static const enum aion_sim_knob knobs[] = {
		AION_SIM_INLINE,      AION_SIM_LATE_CQE,      AION_SIM_CANCEL_MISS,
		AION_SIM_CANCEL_LAST, AION_SIM_MULTISHOT_END, AION_SIM_ENTER_EAGAIN,
		AION_SIM_SUBMIT_PART, AION_SIM_ERROR_ENOBUFS, AION_SIM_ERROR_ENOMEM,
	};

	for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++)
		aion_sim_knob_set(sim, knobs[i], 50000);
}

static int64_t send_later(void *fd)
{
	aion_sleep(5 * MS);
	test_send_numbers(*(int *)fd, 9, 1, 100);
	return 0;
}

/* Who waits is not to be woken for it, and not to be forgotten. */
SIM_TEST(datagram_sim, request_that_found_no_buffer_is_made_again, .seed = 3)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagram;
	struct aion_group group;
	int fds[2];

	aion_sim_calm_down(sim);
	assert_result(aion_socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert_eq(aion_sim_inject(sim, IORING_OP_RECVMSG, 1, -ENOBUFS), 0);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	aion_group_enter(&group);
	aion_spawn(&group, send_later, &fds[1]);
	assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
	cr_assert_eq(test_number_of(datagram.data, datagram.size), 9);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_datagram_release(&datagram, 1);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

/* In batches, each one again until it has gone. */
static int64_t send_all(void *arg)
{
	struct world *world = arg;
	uint32_t next = 0;

	while (next < DATAGRAM_NR) {
		struct aion_datagram datagrams[8];
		char bufs[8][1200];
		uint32_t nr = 1 + world_draw(world, 8);

		for (uint32_t i = 0; i < nr; i++) {
			size_t size = 4 + world_draw(world, 1196);

			test_number_fill(bufs[i], size, next + i);
			datagrams[i] = (struct aion_datagram){.data = bufs[i], .size = size};
		}
		/* One at a time: after a failure those behind it have gone all the same. */
		for (uint32_t i = 0; i < nr && next < DATAGRAM_NR; i++, next++)
			while (aion_datagram_send(world->fds[1], &datagrams[i], 1, NULL) < 0)
				cr_assert(datagrams[i].result == -ENOMEM || datagrams[i].result == -EINTR);
		if (!world_draw(world, 4))
			aion_sleep(world_draw(world, 200) * 1000);
	}
	return 0;
}

/* Some are kept for a while, so that there are no buffers; some waits are cut short. */
static void receive_all(struct world *world, struct aion_datagram_intake *intake)
{
	struct aion_datagram held[HELD_MAX];
	uint32_t next = 0, held_nr = 0;

	while (next < DATAGRAM_NR) {
		struct aion_scope scope;
		int64_t nr;

		aion_scope_enter(&scope, aion_after(world_draw(world, 100) * 1000));
		nr = aion_datagram_next(intake, &held[held_nr], 1 + world_draw(world, HELD_MAX - held_nr));
		aion_scope_leave(&scope);
		if (nr < 0)
			cr_assert(nr == -ECANCELED || nr == -ENOMEM, "%lld", (long long)nr);
		for (; nr > 0; nr--, held_nr++)
			cr_assert_eq(test_number_of(held[held_nr].data, held[held_nr].size), next++);
		if (held_nr == HELD_MAX || !world_draw(world, 3)) {
			aion_datagram_release(held, held_nr);
			held_nr = 0;
		}
	}
	aion_datagram_release(held, held_nr);
}

static int64_t world_run(void *arg)
{
	const struct aion_datagram_options options = {.buffer_nr = 4};
	struct aion_datagram_intake intake = {0};
	struct world *world = arg;
	struct aion_group group;

	assert_result(aion_socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, world->fds), 0);
	assert_result(aion_datagram_open(&intake, world->fds[0], &options), 0);
	world_strike(world->sim);
	aion_group_enter(&group);
	aion_spawn(&group, send_all, world);
	receive_all(world, &intake);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_sim_calm_down(world->sim);
	aion_datagram_close(&intake);
	test_close_both(world->fds);
	return 0;
}

Test(datagram_sim, each_comes_once_and_in_order)
{
	uint64_t fault_nr = 0;

	for (uint64_t seed = 1; seed <= SEED_NR; seed++) {
		struct world world = {.random = seed};

		world.sim = test_sim_make(&(struct aion_sim_options){.seed = seed, .socket_size = 16384});
		cr_assert_eq(test_sim_run(world.sim, world_run, &world), 0);
		fault_nr += aion_sim_fault_nr(world.sim);
		test_sim_end(world.sim);
	}
	cr_assert_gt(fault_nr, SEED_NR * 10);
}
