/* SPDX-License-Identifier: MIT */
/* Connecting on machines on which things fail: whatever comes of it, nothing is left. */
#include "test_connect.h"
#include "test_sim.h"

#define SEED_NR 40
#define ROUND_NR 40

struct world {
	struct aion_sim *sim;
	struct test_host host;
	uint64_t seed;
	int result_nr[3]; /* connected, cancelled, failed */
};

static int64_t connect_to_host(void *arg)
{
	struct test_host *host = arg;
	const struct aion_connect_options options = {.resolver = host->resolver, .attempt_delay_ns = MS / 4};

	return aion_connect_host("some", "80", &options);
}

static void world_strike(struct aion_sim *sim)
{
	static const enum aion_sim_knob knobs[] = {
		AION_SIM_INLINE,       AION_SIM_LATE_CQE,     AION_SIM_CANCEL_MISS,      AION_SIM_CANCEL_LAST,
		AION_SIM_WAIT_EINTR,   AION_SIM_ENTER_EAGAIN, AION_SIM_SUBMIT_PART,      AION_SIM_ERROR_ENOMEM,
		AION_SIM_ERROR_EMFILE, AION_SIM_ERROR_ENFILE, AION_SIM_ERROR_ECONNRESET,
	};

	for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++)
		aion_sim_knob_set(sim, knobs[i], 100000);
}

/* A time that a seed decides, then a cancellation. */
static void world_round(struct world *world, uint64_t round)
{
	struct aion_handle handle;
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, connect_to_host, &world->host);
	aion_sleep((int64_t)((world->seed * 7919 + round * 104729) % 1500) * 1000);
	aion_handle_cancel(&handle);
	result = aion_await(&handle.future);
	aion_group_leave(&group, 0);
	if (result >= 0)
		assert_result(aion_close((int)result), 0);
	world->result_nr[result >= 0 ? 0 : result == -ECANCELED ? 1 : 2]++;
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

static int64_t world_run(void *arg)
{
	struct world *world = arg;
	struct test_host *host = &world->host;
	int fds[6];

	for (int knob = 0; knob < AION_SIM_KNOB_NR; knob++)
		aion_sim_knob_set(world->sim, knob, 0);
	test_host_init(host);
	fds[0] = test_refuse("127.0.0.2", &host->addresses[0]);
	test_hang("127.0.0.3", &fds[1], &host->addresses[1]);
	test_hang("::1", &fds[3], &host->addresses[2]);
	fds[5] = test_listen("127.0.0.5", 4096, &host->addresses[3]);
	host->nr = 4;
	host->wait_ns = MS / 10;
	world_strike(world->sim);
	for (uint64_t round = 0; round < ROUND_NR; round++)
		world_round(world, round);
	aion_sim_calm_down(world->sim);
	test_close(fds, 6);
	test_host_fini(host);
	return 0;
}

Test(connect_sim, whatever_strikes_nothing_is_left)
{
	struct world world = {.sim = NULL};

	for (world.seed = 1; world.seed <= SEED_NR; world.seed++) {
		world.sim = test_sim_make(&(struct aion_sim_options){.seed = world.seed});
		cr_assert_eq(test_sim_run(world.sim, world_run, &world), 0);
		test_sim_end(world.sim);
	}
	for (int i = 0; i < 3; i++)
		cr_assert_gt(world.result_nr[i], SEED_NR, "%d: %d times", i, world.result_nr[i]);
}

/* The first does not answer; the second has an address that nobody can have. */
static int64_t hang_then_fail(void *arg)
{
	const struct aion_connect_options options = {.attempt_delay_ns = AION_SECOND, .report = arg};
	struct aion_address addresses[3] = {{.size = 0}};
	int64_t start_ns;
	int fds[4];

	test_hang("127.0.0.2", &fds[0], &addresses[0]);
	addresses[1].any.sa_family = AF_MAX;
	addresses[1].size = sizeof(struct sockaddr);
	fds[2] = test_listen("127.0.0.3", 4, &addresses[2]);
	start_ns = aion_now();
	fds[3] = (int)aion_connect_addresses(addresses, 3, &options);
	cr_assert_geq(fds[3], 0);
	cr_assert_lt(aion_now() - start_ns, 2 * AION_SECOND);
	test_close(fds, 4);
	return 0;
}

Test(connect_sim, attempt_that_cannot_begin_has_no_head_start)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = 7, .profile = AION_SIM_CALM});
	struct aion_connect_report report;

	cr_assert_eq(test_sim_run(sim, hang_then_fail, &report), 0);
	test_sim_end(sim);
	cr_assert_eq(report.attempt_nr, 3);
	assert_result(report.attempts[0].result, -ECANCELED);
	assert_result(report.attempts[1].result, -EAFNOSUPPORT);
	assert_result(report.attempts[2].result, 0);
}
