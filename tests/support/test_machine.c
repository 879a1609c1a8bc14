/* SPDX-License-Identifier: MIT */
/* The switch of test_machine.h. Linked as an object, for the sake of its constructor. */
#include "test_machine.h"

#include "sim_int.h"

static __thread struct aion_sim *newest; /* the machine of this thread's newest ring */

/* A machine for one ring, which takes it along. */
static struct aion__machine *machine_make(void)
{
	const struct aion_sim_options options = {
		.seed = strtoull(getenv("AION_TEST_SIM"), NULL, 0),
		.host_files = true,
		.host_threads = true,
	};

	AION_BUG_ON(aion_sim_create(&options, &newest) < 0, "no machine for a test's ring; is AION_SIM_PROFILE right?");
	newest->owned_by_ring = true;
	return &newest->machine;
}

static __attribute__((constructor)) void machine_switch(void)
{
	if (test_is_simulated())
		aion__machine_default = machine_make;
}

void test_machine_be_prompt(void)
{
	if (!test_is_simulated())
		return;
	for (int i = 0; i < AION_SIM_KNOB_NR; i++)
		aion_sim_knob_set(newest, (enum aion_sim_knob)i, 0);
	aion_sim_knob_set(newest, AION_SIM_INLINE, 1000000);
	aion_sim_knob_set(newest, AION_SIM_TRY, 1000000);
}

void test_machine_spare(void)
{
	if (!test_is_simulated())
		return;
	for (int i = AION_SIM_ERROR_EINTR + 1; i < AION_SIM_KNOB_NR; i++)
		aion_sim_knob_set(newest, (enum aion_sim_knob)i, 0);
}
