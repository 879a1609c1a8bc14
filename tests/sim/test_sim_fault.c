/* SPDX-License-Identifier: MIT */
/* What goes wrong on a machine, how often, and by whose order. */
#include <poll.h>

#include "test_sim.h"

#include <aion/liburing.h>

#define ALWAYS 1000000
#define DISK_NS_MIN 10000 /* what a disk takes at least */

/* ---- the knobs themselves */

Test(sim_fault, a_knob_keeps_what_it_is_set_to)
{
	struct aion_sim *sim = test_sim_make(NULL);

	for (int knob = 0; knob < AION_SIM_KNOB_NR; knob++) {
		aion_sim_knob_set(sim, knob, 1000 + (unsigned)knob);
		cr_assert_eq(aion_sim_knob_get(sim, knob), 1000 + (unsigned)knob);
	}
	cr_assert_eq(aion_sim_knob_get(sim, AION_SIM_INLINE), 1000);
	aion_sim_knob_set(sim, AION_SIM_INLINE, ALWAYS + 1);
	cr_assert_eq(aion_sim_knob_get(sim, AION_SIM_INLINE), ALWAYS);
	test_sim_end(sim);
}

static struct aion_sim *doomed; /* no leak: it is found here */

static void set_no_knob(void)
{
	doomed = test_sim_make(NULL);
	aion_sim_knob_set(doomed, AION_SIM_KNOB_NR, 1);
}

static void get_no_knob(void)
{
	doomed = test_sim_make(NULL);
	aion_sim_knob_get(doomed, (enum aion_sim_knob) - 1);
}

Test(sim_fault, there_is_no_other_knob)
{
	test_aborts(set_no_knob, "knob 23 of a simulated machine");
	test_aborts(get_no_knob, "of a simulated machine");
}

static bool is_plain(int knob)
{
	return knob == AION_SIM_INLINE || knob == AION_SIM_TRY || knob == AION_SIM_LATE_CQE ||
	       knob == AION_SIM_CANCEL_MISS || knob == AION_SIM_CANCEL_LAST;
}

Test(sim_fault, calm_has_no_faults_and_hostile_all)
{
	struct aion_sim *calm = test_sim_make(&(struct aion_sim_options){.profile = AION_SIM_CALM});
	struct aion_sim *rough = test_sim_make(&(struct aion_sim_options){.profile = AION_SIM_ROUGH});
	struct aion_sim *hostile = test_sim_make(&(struct aion_sim_options){.profile = AION_SIM_HOSTILE});

	for (int knob = 0; knob < AION_SIM_KNOB_NR; knob++) {
		cr_assert(is_plain(knob) || aion_sim_knob_get(calm, knob) == 0, "knob %d", knob);
		cr_assert(aion_sim_knob_get(hostile, knob) > 0, "knob %d", knob);
	}
	cr_assert_gt(aion_sim_knob_get(rough, AION_SIM_SHORT_READ), 0);
	cr_assert_eq(aion_sim_knob_get(rough, AION_SIM_ERROR_EIO), 0);
	test_sim_end(calm);
	test_sim_end(rough);
	test_sim_end(hostile);
}

/* ---- each of them */

static int open_file(struct aion_sim *sim, size_t size)
{
	char content[1000];
	int64_t fd;

	test_fill(content, size, 0);
	assert_result(aion_sim_file_write(sim, "/f", content, size), 0);
	fd = aion_openat(AT_FDCWD, "/f", O_RDWR, 0);
	cr_assert_geq(fd, AION_SIM_FD_BASE);
	return (int)fd;
}

/* By the ring, without a try. */
static int64_t read_file(int fd, void *buf, size_t size)
{
	struct aion_op op = {0};

	aion_op_pread(&op, fd, buf, size, 0);
	return aion_await(&op.future);
}

static int64_t write_file(int fd, void *buf, size_t size)
{
	struct aion_op op = {0};

	aion_op_pwrite(&op, fd, buf, size, 0);
	return aion_await(&op.future);
}

static int64_t flush_file(int fd, void *buf, size_t size)
{
	return aion_fsync(fd);
}

static int64_t open_again(int fd, void *buf, size_t size)
{
	return aion_openat(AT_FDCWD, "/f", O_RDONLY, 0);
}

static int64_t do_nothing(int fd, void *buf, size_t size)
{
	return aion_nop();
}

SIM_TEST(sim_fault, each_error_comes_where_it_belongs)
{
	static const struct {
		enum aion_sim_knob knob;
		int64_t (*call)(int fd, void *buf, size_t size);
		int error;
	} cases[] = {
		{AION_SIM_ERROR_EAGAIN, read_file, -EAGAIN}, /* after the library has tried for long */
		{AION_SIM_ERROR_EINTR, read_file, -EINTR},    {AION_SIM_ERROR_EINTR, write_file, -EINTR},
		{AION_SIM_ERROR_EIO, read_file, -EIO},        {AION_SIM_ERROR_EIO, write_file, -EIO},
		{AION_SIM_ERROR_EIO, flush_file, -EIO},       {AION_SIM_ERROR_ENOSPC, write_file, -ENOSPC},
		{AION_SIM_ERROR_ENOMEM, do_nothing, -ENOMEM}, {AION_SIM_ERROR_ENOMEM, read_file, -ENOMEM},
		{AION_SIM_ERROR_EMFILE, open_again, -EMFILE}, {AION_SIM_ERROR_ENFILE, open_again, -ENFILE},
	};
	int fd = open_file(sim, 100);
	char buf[100];

	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t fault_nr = aion_sim_fault_nr(sim);

		aion_sim_knob_set(sim, cases[i].knob, ALWAYS);
		memset(buf, 'x', sizeof(buf));
		assert_result(cases[i].call(fd, buf, sizeof(buf)), cases[i].error);
		cr_assert_gt(aion_sim_fault_nr(sim), fault_nr, "case %zu", i);
		aion_sim_knob_set(sim, cases[i].knob, 0);
		assert_result(read_file(fd, buf, sizeof(buf)), 100);
		cr_assert(test_is_filled(buf, sizeof(buf), 0), "case %zu", i);
	}
	assert_result(aion_close(fd), 0);
}

SIM_TEST(sim_fault, a_connection_breaks_for_both_sides)
{
	struct aion_op op = {0};
	char buf[10];
	int fds[2];

	assert_result(aion_sim_socketpair(sim, AF_INET, SOCK_STREAM, fds), 0);
	aion_sim_knob_set(sim, AION_SIM_ERROR_ECONNRESET, ALWAYS);
	io_uring_prep_recv(aion_op_sqe(&op), fds[0], buf, sizeof(buf), 0);
	assert_result(aion_await(&op.future), -ECONNRESET);
	aion_sim_knob_set(sim, AION_SIM_ERROR_ECONNRESET, 0);
	io_uring_prep_recv(aion_op_sqe(&op), fds[1], buf, sizeof(buf), 0);
	assert_result(aion_await(&op.future), -ECONNRESET);
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}

SIM_TEST(sim_fault, reads_and_writes_fall_short)
{
	int fd = open_file(sim, 500), fds[2];
	char buf[500];
	int64_t n;

	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, ALWAYS);
	aion_sim_knob_set(sim, AION_SIM_SHORT_WRITE, ALWAYS);
	n = read_file(fd, buf, sizeof(buf));
	cr_assert(n > 0 && n < 500, "%lld", (long long)n);
	assert_result(aion_pread_exact(fd, buf, sizeof(buf), 0, NULL), 0);
	cr_assert(test_is_filled(buf, sizeof(buf), 0));
	n = write_file(fd, buf, sizeof(buf));
	cr_assert(n > 0 && n < 500, "%lld", (long long)n);
	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	assert_result(aion_write_all(fds[1], buf, sizeof(buf), NULL), 0);
	memset(buf, 0, sizeof(buf));
	n = aion_read(fds[0], buf, sizeof(buf));
	cr_assert(n > 0 && n < 500, "%lld", (long long)n);
	assert_result(aion_read_exact(fds[0], buf + n, sizeof(buf) - (size_t)n, NULL), 0);
	cr_assert(test_is_filled(buf, sizeof(buf), 0));
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
	assert_result(aion_close(fd), 0);
}

SIM_TEST(sim_fault, a_disk_stalls)
{
	int fd = open_file(sim, 100);
	char buf[100];
	int64_t begin_ns;

	aion_sim_knob_set(sim, AION_SIM_INLINE, 0);
	aion_sim_knob_set(sim, AION_SIM_STALL, ALWAYS);
	begin_ns = aion_sim_now(sim);
	assert_result(read_file(fd, buf, sizeof(buf)), 100);
	cr_assert_geq(aion_sim_now(sim), begin_ns + 1000 * DISK_NS_MIN);
	assert_result(aion_close(fd), 0);
}

SIM_TEST(sim_fault, a_try_finds_what_it_needs_or_not)
{
	int fd = open_file(sim, 100);
	char buf[100];

	for (int i = 0; i < 20; i++) {
		aion_sim_knob_set(sim, AION_SIM_TRY, ALWAYS);
		assert_result(aion_try_pread(fd, buf, sizeof(buf), 0), 100);
		aion_sim_knob_set(sim, AION_SIM_TRY, 0);
		assert_result(aion_try_pread(fd, buf, sizeof(buf), 0), -EAGAIN);
	}
	assert_result(aion_close(fd), 0);
}

/* Follows one operation through the trace: when it was submitted, had its effect, was completed; ns. */
struct steps {
	int64_t submit_ns, effect_ns, complete_ns;
};

static struct steps nop_steps(struct aion_sim *sim)
{
	struct steps steps = {-1, -1, -1};
	char *text, word[16];
	long long time_ns;
	int64_t result = aion_nop();

	assert_result(result, 0);
	text = test_sim_trace(sim);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strstr(line, " nop") || sscanf(line, "%lld %15s", &time_ns, word) != 2)
			continue;
		if (!strcmp(word, "submit"))
			steps.submit_ns = time_ns;
		else if (!strcmp(word, "effect"))
			steps.effect_ns = time_ns;
		else if (!strcmp(word, "complete"))
			steps.complete_ns = time_ns;
	}
	free(text);
	return steps;
}

SIM_TEST(sim_fault, an_operation_is_done_at_once_or_later)
{
	struct steps steps;

	for (int i = 0; i < 4; i++) {
		aion_sim_knob_set(sim, AION_SIM_INLINE, i & 1 ? ALWAYS : 0);
		aion_sim_knob_set(sim, AION_SIM_LATE_CQE, i & 2 ? ALWAYS : 0);
		steps = nop_steps(sim);
		cr_assert_eq(steps.effect_ns == steps.submit_ns, i & 1, "%d", i);
		cr_assert_eq(steps.complete_ns > steps.effect_ns, i >> 1, "%d", i);
	}
}

static int64_t cancel_read(int fd, char *buf, size_t size)
{
	struct aion_op op = {0};

	aion_op_pread(&op, fd, buf, size, 0);
	assert_result(aion_yield(), 0);
	aion_op_cancel(&op);
	return aion_await(&op.future);
}

SIM_TEST(sim_fault, a_cancel_comes_in_time_or_not)
{
	int fd = open_file(sim, 100);
	char buf[100];

	aion_sim_knob_set(sim, AION_SIM_INLINE, 0);
	for (int i = 0; i < 10; i++) {
		aion_sim_knob_set(sim, AION_SIM_CANCEL_MISS, ALWAYS);
		memset(buf, 0, sizeof(buf));
		assert_result(cancel_read(fd, buf, sizeof(buf)), 100);
		cr_assert(test_is_filled(buf, sizeof(buf), 0));
		aion_sim_knob_set(sim, AION_SIM_CANCEL_MISS, 0);
		assert_result(cancel_read(fd, buf, sizeof(buf)), -ECANCELED);
	}
	cr_assert_eq(aion_sim_fault_nr(sim), 0); /* it is no fault */
	assert_result(aion_close(fd), 0);
}

SIM_TEST(sim_fault, a_cancel_is_answered_before_its_target_or_after)
{
	int fds[2];
	char byte;

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	aion_sim_knob_set(sim, AION_SIM_INLINE, ALWAYS);
	aion_sim_knob_set(sim, AION_SIM_LATE_CQE, 0);
	for (unsigned last = 0; last < 2; last++) {
		const char *answer = NULL, *target = NULL;
		char *text;

		aion_sim_knob_set(sim, AION_SIM_CANCEL_LAST, last * ALWAYS);
		assert_result(cancel_read(fds[0], &byte, 1), -ECANCELED);
		assert_result(aion_nop(), 0);
		text = test_sim_trace(sim);
		for (const char *next = text; (next = strstr(next, " read ECANCELED")) != NULL; next++)
			target = next;
		for (const char *next = text; (next = strstr(next, " cancel 0")) != NULL; next++)
			answer = next;
		cr_assert_eq(answer > target, last, "%s", text);
		free(text);
	}
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}

static int64_t pass_bytes(void *arg)
{
	const int *fds = arg;
	char byte = 'x';
	int64_t result = 0;

	for (int i = 0; i < 100 && result >= 0; i++) {
		result = aion_write(fds[1], &byte, 1);
		if (result == 1)
			result = aion_read(fds[0], &byte, 1);
	}
	return result < 0 ? result : 0;
}

/* The library takes care of what enters say: the program sees nothing of it. */
SIM_TEST(sim_fault, trouble_at_the_door_is_not_seen)
{
	static const struct {
		enum aion_sim_knob knob;
		unsigned millionths;
	} cases[] = {
		{AION_SIM_WAIT_EINTR, ALWAYS / 2}, {AION_SIM_ENTER_EAGAIN, ALWAYS / 2}, {AION_SIM_SUBMIT_PART, ALWAYS}};
	struct aion_group group;
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t fault_nr = aion_sim_fault_nr(sim);

		aion_sim_knob_set(sim, cases[i].knob, cases[i].millionths);
		aion_group_enter(&group);
		for (int k = 0; k < 10; k++)
			aion_spawn(&group, pass_bytes, fds);
		assert_result(aion_group_leave(&group, 0), 0);
		aion_sim_knob_set(sim, cases[i].knob, 0);
		cr_assert_gt(aion_sim_fault_nr(sim), fault_nr + 10, "case %zu", i);
	}
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}

static int64_t entry_nr(void *unused)
{
	return aion_loop_ring(aion_loop_current())->sq.ring_entries;
}

Test(sim_fault, queues_are_made_with_half_the_entries)
{
	struct aion_sim *sim = test_sim_make(NULL);
	struct aion_loop_options options = {.sim = sim, .entry_nr = 64};

	cr_assert_eq(aion_run(entry_nr, NULL, &options), 64);
	aion_sim_knob_set(sim, AION_SIM_SETUP_HALF, ALWAYS);
	cr_assert_eq(aion_run(entry_nr, NULL, &options), 32);
	options.entry_nr = 8;
	cr_assert_eq(aion_run(entry_nr, NULL, &options), 8);
	cr_assert_eq(aion_sim_fault_nr(sim), 1);
	test_sim_end(sim);
}

static int64_t send_zero_copy(struct aion_sim *sim, int fd)
{
	struct aion_op op = {0};
	int64_t begin_ns = aion_sim_now(sim);
	char buf[100] = "";

	io_uring_prep_send_zc(aion_op_sqe(&op), fd, buf, sizeof(buf), 0, 0);
	assert_result(aion_await(&op.future), 100);
	return aion_sim_now(sim) - begin_ns;
}

SIM_TEST(sim_fault, a_zero_copy_send_keeps_its_buffer_for_long)
{
	int fds[2];

	assert_result(aion_sim_socketpair(sim, AF_INET, SOCK_STREAM, fds), 0);
	cr_assert_lt(send_zero_copy(sim, fds[0]), 500 * AION_MICROSECOND);
	aion_sim_knob_set(sim, AION_SIM_NOTIF_LATE, ALWAYS);
	cr_assert_geq(send_zero_copy(sim, fds[0]), 500 * AION_MICROSECOND);
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}

SIM_TEST(sim_fault, a_multishot_ends_early_and_goes_on)
{
	struct aion_poll poll = {0};
	char byte = 'x';
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	aion_sim_knob_set(sim, AION_SIM_MULTISHOT_END, ALWAYS);
	aion_poll_open(&poll, fds[0], POLLIN);
	for (int i = 0; i < 20; i++) {
		assert_result(aion_write(fds[1], &byte, 1), 1);
		assert_result(aion_poll_next(&poll), POLLIN);
		assert_result(aion_read(fds[0], &byte, 1), 1);
	}
	aion_poll_close(&poll);
	cr_assert_gt(aion_sim_fault_nr(sim), 0);
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}
