/* SPDX-License-Identifier: MIT */
/* Snapshots, and their text. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "test_task.h"

static char text[64 << 10];

static int64_t do_something(void *unused)
{
	struct aion_group group;
	struct aion_metrics before, after;
	struct aion_timer timer;

	cr_assert_eq(aion_metrics_read(aion_loop_current(), &before), 0);
	aion_timer_init(&timer);
	cr_assert_eq(aion_timer_arm(&timer, aion_after(1000 * AION_SECOND)), 0);
	aion_group_enter(&group);
	for (int i = 0; i < 4; i++)
		aion_spawn(&group, test_sleep_for_ever, NULL);
	cr_assert_eq(aion_nop(), 0);
	aion_sleep(AION_MILLISECOND);
	cr_assert_eq(aion_spawn(&group, test_sleep_for_ever, NULL), 0);
	cr_assert_eq(aion_metrics_read(aion_loop_current(), &after), 0);
	cr_assert_eq(after.stats.spawn_nr - before.stats.spawn_nr, 5);
	cr_assert_eq(after.stats.task_nr, 6);
	cr_assert_eq(after.stats.timer_nr, 1);
	cr_assert_eq(after.ready_nr, 1);
	cr_assert_geq(after.stack_nr, 5);
	cr_assert_gt(after.stack_size, after.stack_nr * (64 << 10));
	cr_assert_geq(after.age_ns - before.age_ns, AION_MILLISECOND);
	cr_assert_geq(after.cpu_ns, before.cpu_ns);
	cr_assert_gt(after.stats.submit_nr, before.stats.submit_nr);
	aion_timer_cancel(&timer);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

Test(metrics_text, snapshots_count)
{
	cr_assert_eq(aion_run(do_something, NULL, NULL), 0);
}

static int64_t wait_a_little(void *metrics)
{
	int64_t end_ns;

	aion_sleep(10 * AION_MILLISECOND);
	end_ns = aion_after(2 * AION_MILLISECOND);
	while (aion_now() < end_ns)
		;
	aion_yield();
	return aion_metrics_read(aion_loop_current(), metrics);
}

Test(metrics_text, debug_mode_counts_more)
{
	struct aion_loop_options options = {.debug = true, .debug_slow_ns = AION_MILLISECOND};
	struct aion_metrics metrics;

	aion_diag_set(NULL, NULL);
	cr_assert_eq(aion_run(wait_a_little, &metrics, &options), 0);
	cr_assert(metrics.is_debug);
	cr_assert_geq(metrics.wait_ns, 5 * AION_MILLISECOND);
	cr_assert_geq(metrics.run_ns_max, 2 * AION_MILLISECOND);
	cr_assert_geq(metrics.slow_nr, 1);
	cr_assert_eq(metrics.unawaited_nr, 0);
	cr_assert_eq(metrics.stats.timer_nr, 0);
}

static void *read_elsewhere(void *loop)
{
	struct aion_metrics metrics;

	return test_number(aion_metrics_read(loop, &metrics));
}

static int read_in_child(void *loop)
{
	struct aion_metrics metrics;

	return aion_metrics_read(loop, &metrics) == -ECHILD ? 0 : 1;
}

TEST_IN_TASK(metrics_text, not_from_another_thread_nor_a_forked_child)
{
	pthread_t thread;
	void *result;

	cr_assert_eq(pthread_create(&thread, NULL, read_elsewhere, aion_loop_current()), 0);
	pthread_join(thread, &result);
	cr_assert_eq((intptr_t)result, -EXDEV);
	cr_assert_eq(test_in_child(read_in_child, aion_loop_current()), 0);
	return 0;
}

static void check_has(const char *piece)
{
	cr_assert_not_null(strstr(text, piece), "\"%s\" is missing in:\n%s", piece, text);
}

Test(metrics_text, families_have_one_heading_and_a_line_a_snapshot)
{
	struct aion_metrics metrics[2] = {
		{.stats.spawn_nr = 17, .stats.task_nr = 3, .age_ns = 12345678901, .cpu_ns = 42},
		{.stats.spawn_nr = UINT64_MAX},
	};
	const char *const labels[] = {"loop=\"web\"", "loop=\"disk\",node=\"1\""};
	size_t size = aion_metrics_text(metrics, labels, 2, text, sizeof(text));

	cr_assert_eq(size, strlen(text));
	check_has("# HELP aion_tasks_spawned_total Tasks started.\n# TYPE aion_tasks_spawned_total counter\n"
		  "aion_tasks_spawned_total{loop=\"web\"} 17\n"
		  "aion_tasks_spawned_total{loop=\"disk\",node=\"1\"} 18446744073709551615\n");
	check_has("# TYPE aion_tasks gauge\naion_tasks{loop=\"web\"} 3\naion_tasks{loop=\"disk\",node=\"1\"} 0\n");
	check_has("aion_age_seconds{loop=\"web\"} 12.345678901\n");
	check_has("# TYPE aion_cpu_seconds_total counter\naion_cpu_seconds_total{loop=\"web\"} 0.000000042\n");
	cr_assert_null(strstr(text, "aion_slow_runs_total"), "nobody is in debug mode");
	cr_assert_eq(text[size - 1], '\n');
}

Test(metrics_text, debug_families_are_of_those_in_debug_mode)
{
	struct aion_metrics metrics[2] = {{.is_debug = false}, {.is_debug = true, .slow_nr = 5}};
	const char *const labels[] = {"loop=\"a\"", "loop=\"b\""};

	aion_metrics_text(metrics, labels, 2, text, sizeof(text));
	check_has("# TYPE aion_slow_runs_total counter\naion_slow_runs_total{loop=\"b\"} 5\n");
	cr_assert_null(strstr(text, "aion_slow_runs_total{loop=\"a\"}"));
}

Test(metrics_text, labels_may_be_missing)
{
	struct aion_metrics metrics = {.stats.turn_nr = 9};
	const char *const labels[] = {""};

	aion_metrics_text(&metrics, NULL, 1, text, sizeof(text));
	check_has("\naion_turns_total 9\n");
	aion_metrics_text(&metrics, labels, 1, text, sizeof(text));
	check_has("\naion_turns_total 9\n");
}

Test(metrics_text, a_text_that_does_not_fit_is_cut_and_measured)
{
	struct aion_metrics metrics = {0};
	size_t size = aion_metrics_text(&metrics, NULL, 1, NULL, 0);
	char small[100];

	cr_assert_gt(size, 1000);
	cr_assert_lt(size, sizeof(text));
	memset(small, 'x', sizeof(small));
	cr_assert_eq(aion_metrics_text(&metrics, NULL, 1, small, sizeof(small) - 1), size);
	cr_assert_eq(strlen(small), sizeof(small) - 2);
	cr_assert_eq(small[sizeof(small) - 1], 'x');
	cr_assert_eq(aion_metrics_text(&metrics, NULL, 1, text, size + 1), size);
	cr_assert_eq(text[size - 1], '\n');
	cr_assert_eq(aion_metrics_text(NULL, NULL, 0, text, sizeof(text)), 0);
	cr_assert_str_empty(text);
}
