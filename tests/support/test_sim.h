/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_SIM_H
#define AION_TEST_SIM_H
/* For tests of the simulated machine: make one, run a task on it, read its trace. */
#include <sys/socket.h>

#include <aion/sim.h>

#include "test_file.h"
#include "test_task.h"

static inline struct aion_sim *test_sim_make(const struct aion_sim_options *options)
{
	struct aion_sim *sim = NULL;

	cr_assert_eq(aion_sim_create(options, &sim), 0);
	cr_assert_not_null(sim);
	return sim;
}

static inline int64_t test_sim_run(struct aion_sim *sim, aion_fn *fn, void *arg)
{
	return aion_run(fn, arg, &(struct aion_loop_options){.sim = sim});
}

/* Nothing may be left on it. */
static inline void test_sim_end(struct aion_sim *sim)
{
	cr_assert_eq(aion_sim_check(sim), 0);
	aion_sim_destroy(sim);
}

/* SIM_TEST(sim_noun, states_a_fact, .seed = 7) { … }  the body is the main task of a loop on a machine of its own. */
#define SIM_TEST(suite, fact, ...)                                                                                     \
	static void suite##_##fact##_body(struct aion_sim *sim);                                                       \
	static int64_t suite##_##fact##_task(void *sim)                                                                \
	{                                                                                                              \
		suite##_##fact##_body(sim);                                                                            \
		return 4711;                                                                                           \
	}                                                                                                              \
	Test(suite, fact)                                                                                              \
	{                                                                                                              \
		struct aion_sim *made_ = test_sim_make(&(struct aion_sim_options){__VA_ARGS__});                       \
		cr_assert_eq(test_sim_run(made_, suite##_##fact##_task, made_), 4711);                                 \
		test_sim_end(made_);                                                                                   \
	}                                                                                                              \
	static void suite##_##fact##_body(struct aion_sim *sim)

/* The trace as text, for free(3). */
static inline char *test_sim_trace(const struct aion_sim *sim)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);
	off_t size;
	char *text;

	cr_assert_geq(fd, 0);
	cr_assert_eq(aion_sim_trace_print(sim, fd), 0);
	size = lseek(fd, 0, SEEK_END);
	text = malloc((size_t)size + 1);
	cr_assert_eq(pread(fd, text, (size_t)size, 0), size);
	text[size] = '\0';
	close(fd);
	return text;
}

/* Diagnostic lines, one after the other. */
struct test_lines {
	size_t used;
	unsigned nr;
	char text[4096];
};

static inline void test_line_keep(const char *line, void *arg)
{
	struct test_lines *lines = arg;

	lines->used += (size_t)snprintf(lines->text + lines->used, sizeof(lines->text) - lines->used, "%s\n", line);
	lines->nr++;
	cr_assert_lt(lines->used, sizeof(lines->text));
}

#endif
