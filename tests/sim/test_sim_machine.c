/* SPDX-License-Identifier: MIT */
/* The machine as a whole: how it is made, its clock, what it says of a program that goes wrong, how to see that again.
 */
#include <limits.h>
#include <pthread.h>

#include "test_sim.h"

#define HOUR (3600 * AION_SECOND)

/* ---- made */

Test(sim_machine, starts_at_one_second_with_nothing_on_it)
{
	struct aion_sim *sim = test_sim_make(NULL);

	cr_assert_eq(aion_sim_now(sim), AION_SECOND);
	cr_assert_eq(aion_sim_op_nr(sim), 0);
	cr_assert_eq(aion_sim_fault_nr(sim), 0);
	test_sim_end(sim);
}

Test(sim_machine, starts_when_it_is_told_to)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.start_ns = 77 * HOUR});

	cr_assert_eq(aion_sim_now(sim), 77 * HOUR);
	test_sim_end(sim);
}

Test(sim_machine, no_profile_of_that_number_or_name)
{
	struct aion_sim *sim = NULL;

	cr_assert_eq(aion_sim_create(&(struct aion_sim_options){.profile = AION_SIM_HOSTILE + 1}, &sim), -EINVAL);
	cr_assert_eq(aion_sim_create(&(struct aion_sim_options){.profile = (enum aion_sim_profile) - 1}, &sim),
		     -EINVAL);
	setenv("AION_SIM_PROFILE", "peaceful", 1);
	cr_assert_eq(aion_sim_create(NULL, &sim), -EINVAL);
	setenv("AION_SIM_PROFILE", "", 1);
	cr_assert_eq(aion_sim_create(NULL, &sim), -EINVAL);
	cr_assert_null(sim);
}

Test(sim_machine, a_seed_that_is_no_number_is_refused)
{
	static const char *const seeds[] = {"", "seven", "7x", "0x", "08", " 7", "-7", "+7", "18446744073709551616"};
	struct aion_sim *sim = NULL;

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		setenv("AION_SIM_SEED", seeds[i], 1);
		cr_assert_eq(aion_sim_create(NULL, &sim), -EINVAL, "\"%s\"", seeds[i]);
		cr_assert_null(sim);
	}
	/* Who names a seed does not ask for that one. */
	test_sim_end(test_sim_make(&(struct aion_sim_options){.seed = 5}));
}

Test(sim_machine, has_a_million_descriptors_at_most)
{
	struct aion_sim *sim = NULL;

	cr_assert_eq(aion_sim_create(&(struct aion_sim_options){.fd_max = (1 << 20) + 1}, &sim), -EINVAL);
	cr_assert_eq(aion_sim_create(&(struct aion_sim_options){.fd_max = UINT_MAX}, &sim), -EINVAL);
	cr_assert_null(sim);
	test_sim_end(test_sim_make(&(struct aion_sim_options){.fd_max = 1 << 20}));
}

/* The environment decides only what the options leave open. */
Test(sim_machine, environment_gives_seed_and_profile)
{
	struct aion_sim *sim;
	char text[256];

	setenv("AION_SIM_SEED", "0x20", 1);
	setenv("AION_SIM_PROFILE", "hostile", 1);
	sim = test_sim_make(NULL);
	aion_sim_replay(sim, text, sizeof(text));
	cr_assert(strstr(text, "AION_SIM_SEED=32 AION_SIM_PROFILE=hostile "), "%s", text);
	cr_assert_gt(aion_sim_knob_get(sim, AION_SIM_ERROR_EIO), 0);
	test_sim_end(sim);
	sim = test_sim_make(&(struct aion_sim_options){.seed = 5, .profile = AION_SIM_ROUGH});
	aion_sim_replay(sim, text, sizeof(text));
	cr_assert(strstr(text, "AION_SIM_SEED=5 AION_SIM_PROFILE=rough "), "%s", text);
	test_sim_end(sim);
}

Test(sim_machine, none_is_destroyed_in_peace)
{
	aion_sim_destroy(NULL);
}

/* Not lost when the process aborts. */
static struct aion_sim *doomed;
static struct aion_loop *doomed_loop;

static void destroy_under_a_loop(void)
{
	doomed = test_sim_make(NULL);
	if (aion_loop_create(&(struct aion_loop_options){.sim = doomed}, &doomed_loop) == 0)
		aion_sim_destroy(doomed);
}

Test(sim_machine, destroyed_under_a_loop_aborts)
{
	test_aborts(destroy_under_a_loop, "while a loop stands on it");
}

Test(sim_machine, carries_one_loop_at_a_time)
{
	struct aion_sim *sim = test_sim_make(NULL);
	struct aion_loop_options options = {.sim = sim};
	struct aion_loop *loop, *other = NULL;

	aion_diag_set(NULL, NULL);
	cr_assert_eq(aion_loop_create(&options, &loop), 0);
	cr_assert_eq(aion_loop_create(&options, &other), -EBUSY);
	cr_assert(strstr(aion_loop_create_error(), "simulated machine"), "%s", aion_loop_create_error());
	aion_loop_destroy(loop);
	cr_assert_eq(aion_loop_create(&options, &other), 0);
	cr_assert_eq(aion_loop_run(other, test_return, test_number(3)), 3);
	aion_loop_destroy(other);
	test_sim_end(sim);
}

/* ---- its clock */

SIM_TEST(sim_machine, an_hour_of_sleep_passes_at_once)
{
	int64_t begin_ns = aion_now();

	assert_result(aion_sleep(HOUR), 0);
	cr_assert_geq(aion_now(), begin_ns + HOUR);
	cr_assert_lt(aion_now(), begin_ns + HOUR + AION_SECOND);
	cr_assert_eq(aion_sim_now(sim) / AION_SECOND, aion_now() / AION_SECOND);
}

SIM_TEST(sim_machine, a_deadline_comes_at_its_virtual_time)
{
	struct aion_scope scope;
	int64_t begin_ns = aion_now();
	char byte;
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	aion_scope_enter(&scope, aion_after(20 * HOUR));
	assert_result(aion_read(fds[0], &byte, 1), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_geq(aion_now(), begin_ns + 20 * HOUR);
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}

SIM_TEST(sim_machine, time_that_is_let_pass_makes_timers_due)
{
	struct aion_timer timer;
	int64_t begin_ns = aion_now();

	aion_timer_init(&timer);
	assert_result(aion_timer_arm(&timer, aion_after(HOUR)), 0);
	aion_sim_advance(sim, 2 * HOUR);
	cr_assert_geq(aion_now(), begin_ns + 2 * HOUR);
	assert_result(aion_await(&timer.future), 0);
	cr_assert_lt(aion_now(), begin_ns + 3 * HOUR);
	aion_sim_advance(sim, 0);
}

static void advance_backwards(void)
{
	doomed = test_sim_make(NULL);
	aion_sim_advance(doomed, -1);
}

Test(sim_machine, its_clock_does_not_go_back)
{
	test_aborts(advance_backwards, "does not go back");
}

/* ---- what it counts */

static int64_t nops(void *nr)
{
	int64_t result = 0;

	for (intptr_t i = 0; i < (intptr_t)nr && result == 0; i++)
		result = aion_nop();
	return result;
}

Test(sim_machine, counts_operations)
{
	struct aion_sim *sim = test_sim_make(NULL);
	uint64_t op_nr;

	cr_assert_eq(test_sim_run(sim, nops, test_number(10)), 0);
	op_nr = aion_sim_op_nr(sim);
	cr_assert_geq(op_nr, 10);
	cr_assert_eq(test_sim_run(sim, nops, test_number(1000)), 0);
	cr_assert_eq(aion_sim_op_nr(sim), 2 * op_nr + 990);
	test_sim_end(sim);
}

Test(sim_machine, names_what_is_left_open)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = 12});
	struct test_lines lines = {0};
	int fds[2], sockets[2];

	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	cr_assert_eq(aion_sim_socketpair(sim, AF_UNIX, SOCK_STREAM, sockets), 0);
	aion_diag_set(test_line_keep, &lines);
	cr_assert_eq(aion_sim_check(sim), 4);
	cr_assert_eq(lines.nr, 5);
	cr_assert(strstr(lines.text, "4096"), "%s", lines.text);
	cr_assert(strstr(lines.text, "4099"), "%s", lines.text);
	cr_assert(strstr(lines.text, "AION_SIM_SEED=12 "), "%s", lines.text);
	aion_sim_destroy(sim);
}

struct left {
	struct aion_sim *sim;
	struct aion_op op;
	int found_nr;
	char byte;
	int fds[2];
};

static int64_t leave_read_in_flight(void *arg)
{
	struct left *left = arg;
	int64_t result;

	assert_result(aion_sim_pipe(left->sim, left->fds, 0), 0);
	aion_op_read(&left->op, left->fds[0], &left->byte, 1);
	result = aion_yield();
	assert_result(aion_nop(), 0);
	left->found_nr = aion_sim_check(left->sim);
	aion_op_reap(&left->op);
	aion_fd_closep(&left->fds[0]);
	aion_fd_closep(&left->fds[1]);
	return result;
}

Test(sim_machine, names_what_is_in_flight)
{
	struct left left = {.sim = test_sim_make(NULL)};
	struct test_lines lines = {0};

	aion_diag_set(test_line_keep, &lines);
	cr_assert_eq(test_sim_run(left.sim, leave_read_in_flight, &left), 0);
	cr_assert_eq(left.found_nr, 3, "%d: %s", left.found_nr, lines.text); /* with both ends of the pipe */
	cr_assert(strstr(lines.text, "(read) is left in flight"), "%s", lines.text);
	lines.used = 0;
	test_sim_end(left.sim);
}

static int64_t offload_one(void *unused)
{
	return aion_offload(AION_OFFLOAD_SLOW, test_return, test_number(8));
}

SIM_TEST(sim_machine, names_a_job_that_is_left)
{
	struct aion_handle handle = {0};
	struct aion_group group;

	aion_diag_set(NULL, NULL);
	aion_group_enter(&group);
	assert_result(aion_spawn_into(&group, &handle, NULL, offload_one, NULL), 0);
	assert_result(aion_yield(), 0);
	assert_result(aion_sim_check(sim), 1);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_await(&handle.future), 8);
	assert_result(aion_sim_check(sim), 0);
}

/* ---- what can never end */

static void doom(aion_fn *fn)
{
	doomed = test_sim_make(&(struct aion_sim_options){.seed = 99});
	test_sim_run(doomed, fn, doomed);
}

static int64_t await_nobody(void *unused)
{
	struct aion_future future;

	aion_future_init(&future);
	return aion_await(&future);
}

static void wait_for_nobody(void)
{
	doom(await_nobody);
}

static int64_t read_empty_pipe(void *sim)
{
	char byte;
	int fds[2];
	int result = aion_sim_pipe(sim, fds, 0);

	return result < 0 ? result : aion_read(fds[0], &byte, 1);
}

static void read_for_ever(void)
{
	doom(read_empty_pipe);
}

Test(sim_machine, a_deadlock_aborts_and_says_so)
{
	test_aborts(wait_for_nobody, "deadlock");
	test_aborts(wait_for_nobody, "AION_SIM_SEED=99 ");
	test_aborts(read_for_ever, "deadlock");
	test_aborts(read_for_ever, "read on descriptor 4096");
}

/* ---- other threads */

struct poster {
	struct aion_loop *loop;
	struct aion_future future;
};

static void complete_future(void *future)
{
	aion_future_complete(future, 61);
}

static void *post_late(void *arg)
{
	struct poster *poster = arg;

	usleep(20000);
	aion_loop_post(poster->loop, complete_future, &poster->future);
	return NULL;
}

SIM_TEST(sim_machine, other_threads_wake_it, .host_threads = true)
{
	struct poster poster = {.loop = aion_loop_current()};
	pthread_t thread;

	aion_future_init(&poster.future);
	cr_assert_eq(pthread_create(&thread, NULL, post_late, &poster), 0);
	assert_result(aion_await(&poster.future), 61);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_assert_leq(aion_sim_now(sim), 2 * AION_SECOND);
}

static int64_t tell_thread(void *thread)
{
	*(pthread_t *)thread = pthread_self();
	return 31;
}

SIM_TEST(sim_machine, offloaded_calls_run_on_the_loops_thread_later)
{
	int64_t begin_ns = aion_sim_now(sim);
	pthread_t thread = 0;

	assert_result(aion_offload(AION_OFFLOAD_FAST, tell_thread, &thread), 31);
	cr_assert(pthread_equal(thread, pthread_self()));
	cr_assert_gt(aion_sim_now(sim), begin_ns);
}

/* ---- the process's own descriptors and files */

SIM_TEST(sim_machine, small_descriptors_are_the_processs_own)
{
	char buf[10] = "";
	int fds[2];

	test_pipe(fds);
	cr_assert_eq(write(fds[1], "hello", 5), 5);
	assert_result(aion_read(fds[0], buf, sizeof(buf)), 5);
	cr_assert_str_eq(buf, "hello");
	assert_result(aion_write(fds[1], "there", 5), 5);
	cr_assert_eq(read(fds[0], buf, sizeof(buf)), 5);
	cr_assert_str_eq(buf, "there");
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_close(fds[1]), -EBADF);
	assert_result(aion_close(AION_SIM_FD_BASE), -EBADF);
}

SIM_TEST(sim_machine, paths_are_not_the_processs_own)
{
	TEST_DIR();
	int fd = test_file_make("f", 100);

	assert_result(aion_openat(AT_FDCWD, dir_.path, O_RDONLY | O_DIRECTORY, 0), -ENOENT);
	assert_result(aion_openat(AT_FDCWD, "f", O_RDONLY, 0), -ENOENT);
	close(fd);
}

SIM_TEST(sim_machine, paths_are_the_processs_own_if_so_wished, .host_files = true)
{
	TEST_DIR();
	char buf[100];
	int fd = test_file_make("f", 100);
	int64_t opened = aion_openat(AT_FDCWD, "f", O_RDONLY, 0);

	close(fd);
	cr_assert(opened >= 0 && opened < AION_SIM_FD_BASE, "%lld", (long long)opened);
	assert_result(aion_pread((int)opened, buf, sizeof(buf), 0), 100);
	cr_assert(test_is_filled(buf, 100, 0));
	assert_result(aion_close((int)opened), 0);
}

/* ---- seen again */

Test(sim_machine, replay_line_is_cut_to_fit)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = UINT64_MAX, .profile = AION_SIM_ROUGH});
	char text[256], begin[20], byte = 'x';

	aion_sim_replay(sim, text, sizeof(text));
	cr_assert_eq(strncmp(text, "AION_SIM_SEED=18446744073709551615 AION_SIM_PROFILE=rough ", 58), 0, "%s", text);
	memset(begin, 'x', sizeof(begin));
	aion_sim_replay(sim, begin, sizeof(begin) - 1);
	cr_assert_eq(strlen(begin), sizeof(begin) - 2);
	cr_assert_eq(strncmp(begin, text, strlen(begin)), 0);
	cr_assert_eq(begin[sizeof(begin) - 1], 'x');
	aion_sim_replay(sim, &byte, 0);
	cr_assert_eq(byte, 'x');
	test_sim_end(sim);
}

/* A word of the line, which names a variable and its value, becomes one of the environment. */
static void environment_take(char *line)
{
	for (char *word = strtok(line, " "); word && strchr(word, '='); word = strtok(NULL, " "))
		putenv(word);
}

static int64_t some_work(void *sim)
{
	char buf[1000];
	int fds[2];
	int64_t result = aion_sim_pipe(sim, fds, 0);

	for (int i = 0; i < 50 && result >= 0; i++) {
		result = aion_sleep(i * AION_MICROSECOND);
		if (result >= 0)
			aion_write(fds[1], buf, (size_t)i * 10 + 1);
		if (result >= 0)
			result = aion_read(fds[0], buf, sizeof(buf));
	}
	return result;
}

Test(sim_machine, replay_line_repeats_the_run)
{
	struct aion_sim_options options = {.seed = 4321, .profile = AION_SIM_ROUGH};
	struct aion_sim *sim = test_sim_make(&options), *again, *other;
	char text[256];

	options.seed++;
	other = test_sim_make(&options);
	test_sim_run(sim, some_work, sim);
	aion_sim_replay(sim, text, sizeof(text));
	environment_take(text);
	again = test_sim_make(NULL);
	test_sim_run(again, some_work, again);
	test_sim_run(other, some_work, other);
	cr_assert_eq(aion_sim_trace_hash(again), aion_sim_trace_hash(sim));
	cr_assert_neq(aion_sim_trace_hash(other), aion_sim_trace_hash(sim));
	aion_sim_destroy(sim);
	aion_sim_destroy(again);
	aion_sim_destroy(other);
}
