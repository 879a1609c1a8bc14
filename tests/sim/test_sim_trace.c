/* SPDX-License-Identifier: MIT */
/* One seed, one run, to the byte of its trace. */
#include <pthread.h>

#include "test_sim.h"

#include "sim_int.h"

/* ---- a program that does a bit of everything */

struct work {
	struct aion_sim *sim;
	int fds[2];
};

static int64_t write_pieces(void *arg)
{
	struct work *work = arg;
	char buf[3000];

	test_fill(buf, sizeof(buf), 0);
	for (size_t size = 1; size < sizeof(buf); size += size / 3 + 1)
		if (aion_write_all(work->fds[1], buf, size, NULL) == -ECANCELED)
			return -ECANCELED;
	return 0;
}

static int64_t read_pieces(void *arg)
{
	struct work *work = arg;
	struct aion_scope scope;
	char buf[512];
	int64_t n;

	do {
		aion_scope_enter(&scope, aion_after(300 * AION_MICROSECOND));
		n = aion_read(work->fds[0], buf, sizeof(buf));
		aion_scope_leave(&scope);
	} while (n > 0);
	return 0;
}

static int64_t use_file(void *arg)
{
	char buf[200] = "", path[20];
	int64_t fd, result;

	snprintf(path, sizeof(path), "/file%d", (int)(intptr_t)arg);
	fd = aion_openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		return 0;
	result = aion_pwrite_all((int)fd, buf, sizeof(buf), (int64_t)(intptr_t)arg * 100, NULL);
	if (result != -ECANCELED)
		result = aion_pread((int)fd, buf, sizeof(buf), 50);
	if (result != -ECANCELED)
		result = aion_fsync((int)fd);
	aion_close((int)fd);
	return result == -ECANCELED ? result : 0;
}

static int64_t offload_and_sleep(void *arg)
{
	for (int i = 0; i < 5; i++) {
		if (aion_offload(AION_OFFLOAD_FAST, test_return, arg) == -ECANCELED)
			return -ECANCELED;
		if (aion_sleep((i + 1) * 70 * AION_MICROSECOND) < 0)
			return -ECANCELED;
	}
	return 0;
}

static int64_t work_main(void *arg)
{
	struct work *work = arg;
	struct aion_group group;
	int64_t result = aion_sim_pipe(work->sim, work->fds, 0);

	if (result < 0)
		return result;
	aion_group_enter(&group);
	aion_scope_set_deadline(&group.scope, aion_after(20 * AION_MILLISECOND));
	aion_spawn(&group, write_pieces, work);
	aion_spawn(&group, read_pieces, work);
	for (int i = 0; i < 6; i++)
		aion_spawn(&group, use_file, test_number(i));
	aion_spawn(&group, offload_and_sleep, NULL);
	aion_spawn(&group, test_sleep_for_ever, NULL);
	aion_group_leave(&group, 0);
	aion_close(work->fds[0]);
	return aion_close(work->fds[1]);
}

static struct aion_sim *work_on(const struct aion_sim_options *options)
{
	struct work work = {.sim = test_sim_make(options)};

	test_sim_run(work.sim, work_main, &work);
	return work.sim;
}

/* ---- the same, or another */

static void assert_same(uint64_t seed, enum aion_sim_profile profile)
{
	const struct aion_sim_options options = {.seed = seed, .profile = profile};
	const struct aion_sim_options others = {.seed = seed + 1000, .profile = profile};
	struct aion_sim *sim = work_on(&options), *again, *other;
	char *text = test_sim_trace(sim), *text_again, *text_other;
	char *pad = malloc(seed * 1000 + 1); /* other addresses the second time */

	again = work_on(&options);
	other = work_on(&others);
	text_again = test_sim_trace(again);
	text_other = test_sim_trace(other);
	cr_assert_gt(strlen(text), 1000);
	cr_assert_str_eq(text, text_again);
	cr_assert_eq(aion_sim_trace_hash(sim), aion_sim_trace_hash(again));
	cr_assert_eq(aion_sim_now(sim), aion_sim_now(again));
	cr_assert_str_neq(text, text_other);
	cr_assert_neq(aion_sim_trace_hash(sim), aion_sim_trace_hash(other));
	free(text);
	free(text_again);
	free(text_other);
	free(pad);
	aion_sim_destroy(sim);
	aion_sim_destroy(again);
	aion_sim_destroy(other);
}

Test(sim_trace, one_seed_is_one_run_when_calm)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		assert_same(seed, AION_SIM_CALM);
}

Test(sim_trace, one_seed_is_one_run_when_rough)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		assert_same(seed, AION_SIM_ROUGH);
}

Test(sim_trace, one_seed_is_one_run_when_hostile)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		assert_same(seed, AION_SIM_HOSTILE);
}

static int child_hash(void *arg)
{
	struct aion_sim *sim = work_on(&(struct aion_sim_options){.seed = 77, .profile = AION_SIM_ROUGH});

	*(volatile uint64_t *)arg = aion_sim_trace_hash(sim);
	return 0;
}

/* Another process has its memory elsewhere. */
Test(sim_trace, another_process_runs_the_same)
{
	uint64_t *hashes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	void *pad[100];

	cr_assert(hashes != MAP_FAILED);
	cr_assert_eq(test_in_child(child_hash, &hashes[0]), 0);
	for (int i = 0; i < 100; i++)
		pad[i] = malloc((size_t)i * 977);
	cr_assert_eq(test_in_child(child_hash, &hashes[1]), 0);
	cr_assert_eq(hashes[0], hashes[1]);
	for (int i = 0; i < 100; i++)
		free(pad[i]);
}

/* ---- what it tells */

static size_t count(const char *text, const char *word)
{
	size_t nr = 0;

	while ((text = strstr(text, word)) != NULL) {
		nr++;
		text++;
	}
	return nr;
}

static int64_t read_and_fail(void *arg)
{
	struct work *work = arg;
	char buf[10];
	int64_t result = aion_sim_pipe(work->sim, work->fds, 0);

	if (result == 0)
		result = aion_write(work->fds[1], "hello", 5);
	if (result == 5)
		result = aion_read(work->fds[0], buf, sizeof(buf));
	if (result == 5)
		result = aion_write(AION_SIM_FD_BASE + 900, "x", 1);
	if (result == -EBADF)
		result = aion_sleep(AION_MICROSECOND);
	aion_close(work->fds[0]);
	aion_close(work->fds[1]);
	return result;
}

Test(sim_trace, an_event_is_a_line)
{
	struct work work = {.sim = test_sim_make(&(struct aion_sim_options){.start_ns = 5000000000000})};
	char *text;

	cr_assert_eq(test_sim_run(work.sim, read_and_fail, &work), 0);
	text = test_sim_trace(work.sim);
	cr_assert_eq(count(text, "\n5000"), count(text, "\n") - 1, "%s", text);
	cr_assert_eq(strncmp(text, "5000", 4), 0, "%s", text);
	cr_assert_eq(count(text, " submit #"), count(text, " complete #"), "%s", text);
	cr_assert_eq(count(text, " submit #1 write descriptor 4097, length 5\n"), 1, "%s", text);
	cr_assert_eq(count(text, " effect #1 write 5\n"), 1, "%s", text);
	cr_assert_eq(count(text, " complete #1 write 5\n"), 1, "%s", text);
	cr_assert_eq(count(text, " read 5\n"), 2, "%s", text);
	cr_assert_eq(count(text, " write EBADF\n"), 2, "%s", text);
	cr_assert_gt(count(text, " enter "), 0, "%s", text);
	cr_assert_gt(count(text, " wanted\n"), 0, "%s", text);
	free(text);
	test_sim_end(work.sim);
}

Test(sim_trace, faults_are_named)
{
	struct aion_sim *sim = work_on(&(struct aion_sim_options){.seed = 3, .profile = AION_SIM_HOSTILE});
	char *text = test_sim_trace(sim);

	cr_assert_eq(count(text, " strike "), aion_sim_fault_nr(sim));
	cr_assert_gt(count(text, " strike short read\n") + count(text, " strike short write\n"), 0, "%s", text);
	free(text);
	aion_sim_destroy(sim);
}

/* The number is of the whole run, also of what the text has lost. */
Test(sim_trace, the_oldest_events_go_first)
{
	struct aion_sim *whole = work_on(&(struct aion_sim_options){.seed = 6});
	struct aion_sim *part = work_on(&(struct aion_sim_options){.seed = 6, .trace_max = 10});
	char *text = test_sim_trace(whole), *end = test_sim_trace(part), *line = strchr(end, '\n') + 1;

	cr_assert_eq(count(end, "\n"), 11, "%s", end);
	cr_assert_eq(strtoull(end, NULL, 10), count(text, "\n") - 10, "%s", end);
	cr_assert(strstr(end, " older events are gone\n"), "%s", end);
	cr_assert_gt(strlen(text), strlen(line));
	cr_assert_str_eq(text + strlen(text) - strlen(line), line);
	cr_assert_eq(aion_sim_trace_hash(whole), aion_sim_trace_hash(part));
	free(text);
	free(end);
	aion_sim_destroy(whole);
	aion_sim_destroy(part);
}

static uint64_t hash_of(const int64_t (*events)[3], size_t nr)
{
	struct aion_sim *sim = test_sim_make(NULL);
	uint64_t hash;

	for (size_t i = 0; i < nr; i++)
		aion__sim_trace(sim, AION__SIM_EVENT_COMPLETE, (uint64_t)events[i][0], 0, events[i][1], events[i][2]);
	hash = aion_sim_trace_hash(sim);
	aion_sim_destroy(sim);
	return hash;
}

Test(sim_trace, the_number_is_of_all_events_in_their_order)
{
	static const int64_t runs[][3][3] = {
		{{1, 5, 0}, {2, 0, 0}, {3, 0, 1}}, {{1, 4, 0}, {2, 0, 0}, {3, 0, 1}}, {{2, 0, 0}, {1, 5, 0}, {3, 0, 1}},
		{{1, 5, 0}, {2, 0, 1}, {3, 0, 1}}, {{1, 5, 0}, {2, 0, 0}, {3, 0, 0}}, {{1, 5, 0}, {2, 0, 0}, {4, 0, 1}},
		{{1, 0, 5}, {2, 0, 0}, {3, 0, 1}}, {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}},
	};
	const size_t nr = sizeof(runs) / sizeof(runs[0]);

	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; k < nr; k++)
			cr_assert_eq(hash_of(runs[i], 3) == hash_of(runs[k], 3), i == k, "%zu %zu", i, k);
	cr_assert_neq(hash_of(runs[7], 3), hash_of(runs[7], 2));
}

/* A trace is longer than a pipe. */
static void *drain(void *fd)
{
	char buf[1000];
	size_t size = 0;
	ssize_t n;

	while ((n = read((int)(intptr_t)fd, buf, sizeof(buf))) > 0)
		size += (size_t)n;
	return (void *)size;
}

static int64_t many_nops(void *unused)
{
	int64_t result = 0;

	for (int i = 0; i < 2000 && result == 0; i++)
		result = aion_nop();
	return result;
}

Test(sim_trace, it_is_written_whole)
{
	struct aion_sim *sim = test_sim_make(NULL);
	pthread_t thread;
	void *size;
	char *text;
	int fds[2];

	cr_assert_eq(test_sim_run(sim, many_nops, NULL), 0);
	text = test_sim_trace(sim);
	cr_assert_gt(strlen(text), 65536 * 2);
	test_pipe(fds);
	cr_assert_eq(pthread_create(&thread, NULL, drain, (void *)(intptr_t)fds[0]), 0);
	cr_assert_eq(aion_sim_trace_print(sim, fds[1]), 0);
	close(fds[1]);
	cr_assert_eq(pthread_join(thread, &size), 0);
	cr_assert_eq((size_t)size, strlen(text));
	close(fds[0]);
	free(text);
	test_sim_end(sim);
}

Test(sim_trace, what_write_says_is_told)
{
	struct aion_sim *sim = work_on(NULL);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	errno = 4711;
	cr_assert_eq(aion_sim_trace_print(sim, -1), -EBADF);
	cr_assert_eq(aion_sim_trace_print(sim, full), -ENOSPC);
	cr_assert_eq(errno, 4711);
	close(full);
	aion_sim_destroy(sim);
}

Test(sim_trace, nothing_has_happened_yet)
{
	struct aion_sim *sim = test_sim_make(NULL);
	char *text = test_sim_trace(sim);

	cr_assert_str_eq(text, "");
	free(text);
	test_sim_end(sim);
}
