/* SPDX-License-Identifier: MIT */
/* Named pipes: on the simulated machine as on the kernel, and the real machine's from within a simulated one. */
#include "test_both.h"
#include "test_worker.h"

#include "sim_node_int.h"

static void check_open(struct both *both, int dir, const char *name, int flags)
{
	int64_t fd = aion_openat(dir, name, flags | O_CLOEXEC, 0640);

	if (both_note(both, BOTH_FD(fd), "open %.20s %o", name, (unsigned)flags) >= 0)
		aion_close((int)fd);
}

static void make_fifo(struct both *both, const char *name)
{
	char path[100];

	if (both->sim)
		cr_assert_eq(aion__sim_mkfifo(both->sim, both_path(both, name, path, sizeof(path)), 0600), 0);
	else
		cr_assert_eq(mkfifoat(both->dir, name, 0600), 0);
}

struct fifo_end {
	struct both *both;
	int flags;
	bool is_op; /* by the operation, which takes the ring in any case */
	int64_t fd;
};

static int64_t fifo_open(void *arg)
{
	struct fifo_end *end = arg;
	struct aion_op op = {0};

	if (!end->is_op) {
		end->fd = aion_openat(end->both->dir, "p", end->flags, 0);
	} else {
		aion_op_openat(&op, end->both->dir, "p", end->flags, 0);
		end->fd = aion_await(&op.future);
	}
	return 0;
}

BOTH_TEST(sim_fifo, named_pipe_waits_for_its_other_end, 1)
{
	struct statx about;
	char buf[10];

	make_fifo(both, "p");
	for (int i = 0; i < 8; i++) {
		bool writer_first = i & 1;
		struct fifo_end first = {both, writer_first ? O_WRONLY : O_RDONLY, i & 2, -1};
		struct fifo_end second = {both, writer_first ? O_RDONLY : O_WRONLY, i & 4, -1};
		struct fifo_end *reader = writer_first ? &second : &first, *writer = writer_first ? &first : &second;
		struct aion_group group;

		aion_group_enter(&group);
		aion_spawn_now(&group, fifo_open, &first);
		aion_sleep(AION_MILLISECOND);
		both_note(both, BOTH_FD(first.fd), "the first, way %d", i);
		aion_spawn_now(&group, fifo_open, &second);
		assert_result(aion_group_leave(&group, 0), 0);
		both_note(both, BOTH_FD(reader->fd), "reader, way %d", i);
		both_note(both, BOTH_FD(writer->fd), "writer, way %d", i);
		both_check(both, aion_write((int)writer->fd, "abc", 3));
		both_check(both, aion_read((int)reader->fd, buf, 2));
		both_check(both, aion_statx((int)reader->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about));
		both_check(both, about.stx_mode);
		both_check(both, aion_close((int)writer->fd));
		if (i & 1)
			both_check(both, aion_read((int)reader->fd, buf, 2));
		both_check(both, aion_close((int)reader->fd));
	}
}

BOTH_TEST(sim_fifo, named_pipes_open_at_once_where_they_may, 1)
{
	int64_t reader, other;
	char buf[10];

	make_fifo(both, "p");
	check_open(both, both->dir, "p", O_WRONLY | O_NONBLOCK);
	check_open(both, both->dir, "p", O_RDONLY | O_NONBLOCK);
	check_open(both, both->dir, "p", O_RDWR);
	check_open(both, both->dir, "p", O_ACCMODE);
	check_open(both, both->dir, "p", O_RDWR | O_DIRECT);
	check_open(both, both->dir, "p", O_RDONLY | O_DIRECTORY);
	check_open(both, both->dir, "p", O_PATH);
	check_open(both, both->dir, "p", O_RDWR | O_CREAT | O_EXCL);
	check_open(both, both->dir, "p/", O_RDONLY);
	reader = aion_openat(both->dir, "p", O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	both_check(both, BOTH_FD(reader));
	both_check(both, aion_read((int)reader, buf, 10));
	other = aion_openat(both->dir, "p", O_WRONLY | O_CLOEXEC, 0);
	both_check(both, BOTH_FD(other));
	both_check(both, aion_unlinkat(both->dir, "p", 0));
	both_check(both, aion_write((int)other, "abc", 3));
	both_check(both, aion_read((int)reader, buf, 10));
	both_check(both, aion_close((int)reader));
	both_check(both, aion_write((int)other, "abc", 3));
	both_check(both, aion_close((int)other));
}

BOTH_TEST(sim_fifo, wait_for_the_other_end_can_be_cancelled, 1)
{
	make_fifo(both, "p");
	for (int i = 0; i < 4; i++) {
		struct fifo_end end = {both, i & 1 ? O_WRONLY : O_RDONLY, i & 2, -1};
		struct aion_scope scope;

		aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
		fifo_open(&end);
		both_note(both, end.fd, "open %d", i);
		both_check(both, aion_scope_leave(&scope));
	}
	check_open(both, both->dir, "p", O_WRONLY | O_NONBLOCK);
}

/* ---- whatever strikes */

static int64_t open_and_give_up(void *arg)
{
	struct fifo_end *end = arg;
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	fifo_open(end);
	aion_scope_leave(&scope);
	if (end->fd >= 0)
		aion_close((int)end->fd);
	return 0;
}

static int64_t give_up_on(void *sim)
{
	const struct both both = {.sim = sim, .dir = AT_FDCWD};

	if (sim)
		assert_result(aion__sim_mkfifo(sim, "/p", 0600), 0);
	for (int i = 0; i < 8; i++) {
		struct fifo_end one = {(struct both *)&both, i & 1 ? O_WRONLY : O_RDONLY, i & 2, -1};
		struct fifo_end other = {(struct both *)&both, i & 1 ? O_RDONLY : O_WRONLY, i & 4, -1};
		struct aion_group group;

		open_and_give_up(&one);
		cr_assert_lt(one.fd, 0);
		aion_group_enter(&group);
		aion_spawn(&group, open_and_give_up, &one);
		aion_spawn(&group, open_and_give_up, &other);
		aion_group_leave(&group, 0);
	}
	return 4711;
}

/* Who gives up gets away, and leaves nothing behind. */
static void run_rough(bool is_host)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		const enum aion_sim_profile profile = seed % 2 ? AION_SIM_ROUGH : AION_SIM_HOSTILE;
		struct aion_sim *sim = test_sim_make(
			&(struct aion_sim_options){.seed = seed, .profile = profile, .host_files = is_host});

		cr_assert_eq(test_sim_run(sim, give_up_on, is_host ? NULL : sim), 4711);
		test_sim_end(sim);
	}
}

Test(sim_fifo, wait_can_be_given_up_whatever_strikes)
{
	run_rough(false);
}

/* ---- the real machine's */

static int64_t on_host(void *unused)
{
	struct both both = {.dir = AT_FDCWD};

	(void)unused;
	for (int i = 0; i < 16; i++) {
		struct fifo_end reader = {&both, O_RDONLY, i & 1, -1}, writer = {&both, O_WRONLY, i & 2, -1};
		struct aion_group group;
		char buf[10];

		aion_group_enter(&group);
		aion_spawn_now(&group, fifo_open, i & 4 ? &reader : &writer);
		aion_sleep(AION_MILLISECOND);
		cr_assert(reader.fd < 0 && writer.fd < 0);
		aion_spawn_now(&group, fifo_open, i & 4 ? &writer : &reader);
		if (i & 8)
			aion_sleep(AION_MILLISECOND);
		assert_result(aion_group_leave(&group, 0), 0);
		cr_assert_eq(fcntl((int)reader.fd, F_GETFL) & O_NONBLOCK, 0);
		cr_assert_eq(fcntl((int)writer.fd, F_GETFL) & O_NONBLOCK, 0);
		assert_result(aion_write((int)writer.fd, "abc", 3), 3);
		assert_result(aion_read((int)reader.fd, buf, 10), 3);
		assert_result(aion_close((int)writer.fd), 0);
		assert_result(aion_read((int)reader.fd, buf, 10), 0);
		assert_result(aion_close((int)reader.fd), 0);
	}
	test_await_kernel_workers();
	assert_result(aion_openat(AT_FDCWD, "p", O_WRONLY | O_NONBLOCK, 0), -ENXIO);
	assert_result(aion_close((int)aion_openat(AT_FDCWD, "p", O_RDWR | O_CREAT, 0600)), 0);
	return 4711;
}

Test(sim_fifo, real_ones_keep_the_machine_running)
{
	TEST_DIR();
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.host_files = true});
	int lowest = dup(0);

	close(lowest);
	cr_assert_eq(mkfifo("p", 0600), 0);
	cr_assert_eq(test_sim_run(sim, on_host, NULL), 4711);
	test_sim_end(sim);
	run_rough(true);
	cr_assert_eq(dup(0), lowest, "nothing is left open");
}
