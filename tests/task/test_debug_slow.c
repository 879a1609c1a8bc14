/* SPDX-License-Identifier: MIT */
/* Debug mode: who ran for too long, where tasks come from, since when they wait; and that nothing else changes. */
#include <stdio.h>
#include <string.h>

#include "test_task.h"

#include "inspect_int.h"

#ifdef AION_VALGRIND /* where everything takes long */
#define LIMIT_NS (500 * AION_MILLISECOND)
#else
#define LIMIT_NS (20 * AION_MILLISECOND)
#endif

static const struct aion_loop_options debug_options = {.debug = true, .debug_slow_ns = LIMIT_NS};

/* What the diagnostic hook has got, lines with a newline behind each. */
static char lines[8192];

static void collect(const char *line, void *unused)
{
	size_t size = strlen(lines);

	snprintf(lines + size, sizeof(lines) - size, "%s\n", line);
}

static void listen_in(void)
{
	lines[0] = 0;
	aion_diag_set(collect, NULL);
}

TestSuite(debug_slow, .init = listen_in);

static size_t count_of(const char *piece)
{
	size_t nr = 0;

	for (const char *at = lines; (at = strstr(at, piece)) != NULL; at++)
		nr++;
	return nr;
}

static void hog(int64_t duration_ns)
{
	int64_t end_ns = aion_after(duration_ns);

	while (aion_now() < end_ns)
		;
}

static int64_t hog_and_end(void *unused)
{
	hog(2 * LIMIT_NS);
	return 0;
}

static int64_t hog_and_sleep(void *unused)
{
	hog(2 * LIMIT_NS);
	return aion_sleep(AION_MILLISECOND);
}

static int64_t run_hogs(void *unused)
{
	struct aion_spawn_options options = {.name = "greedy"};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_with(&group, &options, hog_and_sleep, NULL);
	options.name = "mortal";
	aion_spawn_with(&group, &options, hog_and_end, NULL);
	options.name = "modest";
	aion_spawn_with(&group, &options, test_sleep_1ms, NULL);
	return aion_group_leave(&group, 0);
}

Test(debug_slow, who_runs_too_long_is_named)
{
	cr_assert_eq(aion_run(run_hogs, NULL, &debug_options), 0);
	cr_assert_eq(count_of("without suspending"), 2, "%s", lines);
	cr_assert_eq(count_of("task \"greedy\" ("), 1, "%s", lines);
	cr_assert_eq(count_of("task \"mortal\" ("), 1, "also one that ends: %s", lines);
	cr_assert_eq(count_of("without suspending, to its end\n"), 1, "%s", lines);
	cr_assert_geq(count_of("    at "), 3, "where it suspends: %s", lines);
	cr_assert_eq(count_of("an unknown place"), 0, "%s", lines);
}

static int64_t wait_long(void *unused)
{
	return aion_sleep(3 * LIMIT_NS);
}

Test(debug_slow, waiting_is_not_running)
{
	cr_assert_eq(aion_run(wait_long, NULL, &debug_options), 0);
	cr_assert_str_empty(lines);
}

static int64_t nowed_child(void *unused)
{
	hog(2 * LIMIT_NS);
	aion_yield();
	return 0;
}

static int64_t spawn_hog_now(void *unused)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_now(&group, nowed_child, NULL);
	hog(AION_MICROSECOND);
	return aion_group_leave(&group, 0);
}

Test(debug_slow, a_child_that_runs_at_once_runs_on_its_own_account)
{
	cr_assert_eq(aion_run(spawn_hog_now, NULL, &debug_options), 0);
	cr_assert_eq(count_of("without suspending"), 1, "%s", lines);
	cr_assert_eq(count_of("task \"main\""), 0, "%s", lines);
}

static void hog_in_post(void *unused)
{
	hog(2 * LIMIT_NS);
}

static int64_t post_hog(void *unused)
{
	cr_assert_eq(aion_loop_post(aion_loop_current(), hog_in_post, NULL), 0);
	return aion_yield();
}

Test(debug_slow, posts_that_take_too_long_are_told)
{
	cr_assert_eq(aion_run(post_hog, NULL, &debug_options), 0);
	cr_assert_eq(count_of("posts ran for "), 1, "%s", lines);
	cr_assert_eq(count_of("without suspending"), 0, "%s", lines);
}

Test(debug_slow, it_is_off_unless_asked_for)
{
	const struct aion_loop_options options = {.debug_slow_ns = LIMIT_NS};

	unsetenv("AION_DEBUG");
	cr_assert_eq(aion_run(run_hogs, NULL, &options), 0);
	cr_assert_str_empty(lines);
}

Test(debug_slow, the_environment_asks_for_it)
{
	setenv("AION_DEBUG", "1", 1);
	setenv("AION_DEBUG_SLOW_MS", LIMIT_NS < 100 * AION_MILLISECOND ? "15" : "400", 1);
	cr_assert_eq(aion_run(run_hogs, NULL, NULL), 0);
	cr_assert_eq(count_of("without suspending"), 2, "%s", lines);
	lines[0] = 0;
	setenv("AION_DEBUG_SLOW_MS", "60000", 1);
	cr_assert_eq(aion_run(run_hogs, NULL, NULL), 0);
	cr_assert_str_empty(lines);
	setenv("AION_DEBUG", "0", 1);
	setenv("AION_DEBUG_SLOW_MS", "10", 1);
	cr_assert_eq(aion_run(run_hogs, NULL, NULL), 0);
	cr_assert_str_empty(lines);
}

#define PLACED(name) __attribute__((noinline, section(name)))
extern const char __start_debug_spawner[];
extern const char __stop_debug_spawner[];

static struct aion_handle spawned_handle;

PLACED("debug_spawner") static int spawn_one_of_each(struct aion_group *group)
{
	char byte = 0;

	aion_spawn(group, test_sleep_for_ever, NULL);
	aion_spawn_with(group, &(struct aion_spawn_options){.name = "x"}, test_sleep_for_ever, NULL);
	aion_spawn_copy(group, test_sleep_for_ever, &byte, 1);
	aion_spawn_into(group, &spawned_handle, NULL, test_sleep_for_ever, NULL);
	aion_spawn_now(group, test_sleep_for_ever, NULL);
	return byte;
}

struct origins {
	size_t nr;
	size_t right_nr;
	int64_t since_first_ns;
	int64_t since_last_ns;
};

static int check_origin(const struct aion_task_info *info, void *arg)
{
	struct origins *origins = arg;
	const char *site = info->spawn_site;

	if (info->depth == 0)
		return 0;
	origins->nr++;
	origins->right_nr += site > __start_debug_spawner && site <= __stop_debug_spawner;
	if (!origins->since_first_ns)
		origins->since_first_ns = info->since_ns;
	origins->since_last_ns = info->since_ns;
	return 0;
}

static int64_t look_at_origins(void *unused)
{
	struct aion_group group;

	for (int round = 0; round < 3; round++) { /* also of tasks whose struct has had another */
		struct origins origins = {0};
		int64_t before_ns = aion_now();

		aion_group_enter(&group);
		spawn_one_of_each(&group);
		aion_yield();
		aion_yield();
		aion_loop_tasks(aion_loop_current(), check_origin, &origins);
		cr_assert_eq(origins.nr, 5);
		cr_assert_eq(origins.right_nr, 5, "round %d", round);
		cr_assert_geq(origins.since_first_ns, before_ns);
		cr_assert_leq(origins.since_last_ns, aion_now());
		aion_group_cancel(&group);
		aion_group_leave(&group, 0);
	}
	return 0;
}

Test(debug_slow, tasks_know_where_they_were_spawned)
{
	cr_assert_eq(aion_run(look_at_origins, NULL, &debug_options), 0);
}

static int64_t since_ns;

static int note_since(const struct aion_task_info *info, void *unused)
{
	if (info->depth == 1)
		since_ns = info->since_ns;
	return 0;
}

static int64_t look_at_times(void *unused)
{
	struct aion_group group;
	int64_t first_ns;

	aion_group_enter(&group);
	aion_spawn(&group, test_sleep_for_ever, NULL);
	aion_sleep(AION_MILLISECOND);
	aion_loop_tasks(aion_loop_current(), note_since, NULL);
	first_ns = since_ns;
	cr_assert_gt(first_ns, 0);
	for (int i = 0; i < 5; i++)
		aion_sleep(AION_MILLISECOND);
	aion_loop_tasks(aion_loop_current(), note_since, NULL);
	cr_assert_eq(since_ns, first_ns, "it has waited all along, whatever the loop did on its stack");
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

Test(debug_slow, since_when_a_task_waits_does_not_move)
{
	cr_assert_eq(aion_run(look_at_times, NULL, &debug_options), 0);
}

static void end_in_scope(void)
{
	static struct aion_scope scope;

	aion_diag_set(collect, NULL);
	aion_scope_enter(&scope, AION_NEVER);
}

static int64_t end_in_scope_task(void *unused)
{
	end_in_scope();
	return 0;
}

static void run_end_in_scope(void)
{
	aion_run(end_in_scope_task, NULL, &debug_options);
}

Test(debug_slow, a_scope_left_open_aborts_as_ever)
{
	test_aborts(run_end_in_scope, "task \"main\" ends inside an open scope or group");
}

Test(debug_slow, the_host_s_view_is_that_of_a_loop_without_it)
{
	struct aion_loop_stats stats;
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(&debug_options, &loop), 0);
	cr_assert_geq(aion_loop_turn(loop), 0);
	aion_loop_stats(loop, &stats);
	cr_assert_eq(stats.timer_nr, 0);
	while (aion_loop_turn(loop) > 0)
		;
	cr_assert_eq(aion_loop_timeout_ns(loop), -1);
	hog(2 * LIMIT_NS);
	aion_spawn(aion_loop_group(loop), test_sleep_1ms, NULL);
	cr_assert_eq(aion_loop_timeout_ns(loop), 0);
	cr_assert_geq(aion_loop_turn(loop), 0);
	cr_assert_str_empty(lines, "the host's time is its own: %s", lines);
	aion_loop_destroy(loop);
}
