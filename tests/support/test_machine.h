/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_MACHINE_H
#define AION_TEST_MACHINE_H
/*
 * The switch: AION_TEST_SIM=SEED in the environment, and every ring of a test program that is given no machine gets a
 * simulated one of its own, of the profile AION_SIM_PROFILE. Descriptors and paths stay the process's own.
 */
#include <stdlib.h>

#include <criterion/criterion.h>

static inline bool test_is_simulated(void)
{
	return getenv("AION_TEST_SIM") != NULL;
}

/* At the head of a case that is about the kernel itself, or about what happens beside the loop's thread in real time.
 */
#define TEST_NEEDS_KERNEL(why)                                                                                         \
	do {                                                                                                           \
		if (test_is_simulated())                                                                               \
			cr_skip_test("needs the kernel: %s", why);                                                     \
	} while (0)

/* In a task of a case that relies on what the kernel does at once while it takes an entry: on a simulated machine that
 * is left to chance until here. Nothing strikes from now on. */
void test_machine_be_prompt(void);

/* In a task of a case that lets calls fail by itself, or none: no error is drawn from now on. Short reads and writes,
 * interruptions, what is late or out of order go on. */
void test_machine_spare(void);

/* At the head of a case that makes machines of its own: these are of the profile that it names, also where that is the
 * default, which the environment would decide. */
static inline void test_machine_own_profile(void)
{
	unsetenv("AION_SIM_PROFILE");
}

#endif
