/* SPDX-License-Identifier: MIT */
/* A loop that lives inside another event loop: plain epoll around aion_loop_fd(), _timeout_ns(), _turn(). */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <aion/poll.h>

#include "test_task.h"

#include "fault_int.h"

struct host {
	struct aion_loop *loop;
	int epoll_fd;
	int turn_nr;
	int wakeup_nr; /* of epoll, by the loop's descriptor */
	int idle_nr;   /* by its timeout */
};

static void host_listen(struct host *host)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = aion_loop_fd(host->loop);

	cr_assert_geq(fd, 0);
	cr_assert_eq(aion_loop_fd(host->loop), fd, "always the same");
	host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	cr_assert_eq(epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
}

static void host_open(struct host *host)
{
	*host = (struct host){0};
	cr_assert_eq(aion_loop_create(NULL, &host->loop), 0);
	host_listen(host);
}

static void host_close(struct host *host)
{
	close(host->epoll_fd);
	aion_loop_destroy(host->loop);
}

/* One round of the host: wait as long as the loop allows (max_ms at most), then one turn. */
static void host_round(struct host *host, int max_ms)
{
	int64_t timeout_ns = aion_loop_timeout_ns(host->loop);
	int timeout_ms = max_ms;
	struct epoll_event event;
	int nr;

	if (timeout_ns >= 0 && (timeout_ns + AION_MILLISECOND - 1) / AION_MILLISECOND < max_ms)
		timeout_ms = (int)((timeout_ns + AION_MILLISECOND - 1) / AION_MILLISECOND);
	nr = epoll_wait(host->epoll_fd, &event, 1, timeout_ms);
	cr_assert_geq(nr, 0);
	host->wakeup_nr += nr;
	host->idle_nr += nr == 0;
	host->turn_nr++;
	cr_assert_geq(aion_loop_turn(host->loop), 0);
}

static int64_t three_sleeps(void *done)
{
	for (int i = 0; i < 3; i++)
		aion_sleep(5 * AION_MILLISECOND);
	*(bool *)done = true;
	return 0;
}

Test(loop_host, timers_fire_by_the_timeout)
{
	struct host host;
	bool done = false;

	TEST_NEEDS_KERNEL("its host waits in real time");
	host_open(&host);
	cr_assert_eq(aion_loop_timeout_ns(host.loop), -1, "nothing to wait for");
	cr_assert_eq(aion_spawn(aion_loop_group(host.loop), three_sleeps, &done), 0);
	cr_assert_eq(aion_loop_timeout_ns(host.loop), 0, "a task is ready");
	while (!done)
		host_round(&host, 10000);
	cr_assert_leq(host.turn_nr, 40, "no busy looping: %d turns", host.turn_nr);
	host_close(&host);
}

struct reader {
	int fd;
	int64_t received;
	bool done;
};

static int64_t read_all(void *arg)
{
	struct reader *reader = arg;
	char buf[16];
	int64_t n;

	do {
		struct aion_op op = {0};

		aion_op_read(&op, reader->fd, buf, sizeof(buf));
		n = aion_await(&op.future);
		if (n > 0)
			reader->received += n;
	} while (n > 0);
	reader->done = true;
	return n;
}

Test(loop_host, input_on_a_pipe_wakes_the_host)
{
	struct reader reader = {0};
	int pipe_fds[2];
	struct host host;

	TEST_NEEDS_KERNEL("its host waits in real time");
	cr_assert_eq(pipe(pipe_fds), 0);
	reader.fd = pipe_fds[0];
	host_open(&host);
	aion_spawn(aion_loop_group(host.loop), read_all, &reader);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(write(pipe_fds[1], "hello", 5), 5);
		while (reader.received < 5 * (i + 1))
			host_round(&host, 10000);
	}
	close(pipe_fds[1]);
	while (!reader.done)
		host_round(&host, 10000);
	cr_assert_eq(reader.received, 100);
	cr_assert_leq(host.turn_nr, 150, "%d turns", host.turn_nr);
	close(pipe_fds[0]);
	host_close(&host);
}

#define POST_NR 200

struct poster {
	struct aion_loop *loop;
	int posted_nr;
	int ran_nr;
};

static void count_post(void *arg)
{
	struct poster *poster = arg;

	poster->ran_nr++;
}

static void *post_from_thread(void *arg)
{
	struct poster *poster = arg;

	for (int i = 0; i < POST_NR; i++) {
		if (aion_loop_post(poster->loop, count_post, poster) == 0)
			poster->posted_nr++;
		if (i % 50 == 0)
			usleep(2000);
	}
	return NULL;
}

Test(loop_host, posts_from_a_thread_wake_the_host)
{
	struct poster poster = {0};
	pthread_t thread;
	struct host host;

	TEST_NEEDS_KERNEL("its host waits in real time");
	host_open(&host);
	poster.loop = host.loop;
	cr_assert_eq(pthread_create(&thread, NULL, post_from_thread, &poster), 0);
	while (poster.ran_nr < POST_NR)
		host_round(&host, 10000);
	pthread_join(thread, NULL);
	cr_assert_eq(poster.posted_nr, POST_NR);
	host_close(&host);
}

static int64_t offload_in_host(void *done)
{
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, test_number(4)), 4);
	*(bool *)done = true;
	return 0;
}

Test(loop_host, a_worker_s_result_wakes_the_host)
{
	struct host host;
	bool done = false;

	host_open(&host);
	aion_spawn(aion_loop_group(host.loop), offload_in_host, &done);
	while (!done)
		host_round(&host, 10000);
	host_close(&host);
}

static int64_t wait_for_input(void *fd)
{
	struct aion_op op = {0};

	aion_op_poll(&op, (int)(intptr_t)fd, POLLIN);
	return aion_await(&op.future);
}

/* With an operation and a distant timer pending the host sleeps; its descriptor stays quiet. */
Test(loop_host, an_idle_host_does_no_turns)
{
	struct aion_loop_stats before;
	struct aion_loop_stats after;
	struct epoll_event event;
	int pipe_fds[2];
	struct host host;

	TEST_NEEDS_KERNEL("its host waits in real time");
	cr_assert_eq(pipe(pipe_fds), 0);
	host_open(&host);
	aion_spawn(aion_loop_group(host.loop), wait_for_input, test_number(pipe_fds[0]));
	aion_spawn(aion_loop_group(host.loop), test_sleep_for_ever, NULL);
	for (int i = 0; i < 50 && aion_loop_timeout_ns(host.loop) == 0; i++)
		host_round(&host, 0);
	cr_assert_eq(aion_loop_timeout_ns(host.loop), -1);
	aion_loop_stats(host.loop, &before);
	cr_assert_eq(epoll_wait(host.epoll_fd, &event, 1, 30), 0, "quiet");
	cr_assert_eq(aion_loop_timeout_ns(host.loop), -1);
	aion_loop_stats(host.loop, &after);
	cr_assert_eq(after.turn_nr, before.turn_nr);
	cr_assert_eq(after.enter_nr, before.enter_nr);
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	cr_assert_eq(epoll_wait(host.epoll_fd, &event, 1, 10000), 1, "and awake when something comes");
	host_close(&host);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static int64_t yield_often(void *counter)
{
	for (int i = 0; i < 10; i++) {
		++*(int *)counter;
		aion_yield();
	}
	return 0;
}

Test(loop_host, a_turn_runs_each_ready_task_once_and_says_whether_there_are_more)
{
	struct host host;
	int count = 0;

	host_open(&host);
	aion_loop_turn(host.loop);
	aion_spawn(aion_loop_group(host.loop), yield_often, &count);
	for (int i = 1; i <= 10; i++) {
		cr_assert_eq(aion_loop_turn(host.loop), 1);
		cr_assert_eq(count, i);
		cr_assert_eq(aion_loop_timeout_ns(host.loop), 0);
	}
	cr_assert_eq(aion_loop_turn(host.loop), 0);
	host_close(&host);
}

static int64_t start_many(void *arg)
{
	struct aion_op *ops = arg;

	for (int i = 0; i < 8; i++)
		aion_op_nop(&ops[i]);
	aion_sleep(AION_MILLISECOND);
	for (int i = 0; i < 8; i++)
		aion_await(&ops[i].future);
	return 0;
}

Test(loop_host, a_turn_submits_before_it_returns)
{
	struct aion_loop_stats stats;
	struct aion_op ops[8] = {0};
	struct host host;

	TEST_NEEDS_KERNEL("its host waits in real time");
	host_open(&host);
	aion_spawn(aion_loop_group(host.loop), start_many, ops);
	cr_assert_geq(aion_loop_turn(host.loop), 0);
	aion_loop_stats(host.loop, &stats);
	cr_assert_geq(stats.submit_nr, 8);
	while (stats.task_nr) {
		host_round(&host, 10000);
		aion_loop_stats(host.loop, &stats);
	}
	cr_assert_leq(stats.switch_nr, 40, "what the loop ran, not more: %llu", (unsigned long long)stats.switch_nr);
	host_close(&host);
}

Test(loop_host, turns_leave_errno_alone)
{
	struct host host;

	host_open(&host);
	errno = 0;
	for (int i = 0; i < 3; i++)
		cr_assert_geq(aion_loop_turn(host.loop), 0);
	cr_assert_eq(errno, 0);
	host_close(&host);
}

Test(loop_host, a_hosted_loop_can_also_be_run)
{
	struct host host;

	host_open(&host);
	cr_assert_geq(aion_loop_turn(host.loop), 0);
	cr_assert_eq(aion_loop_run(host.loop, test_sleep_1ms, NULL), 0);
	cr_assert_geq(aion_loop_turn(host.loop), 0);
	cr_assert_eq(aion_loop_run(host.loop, test_return, test_number(2)), 2);
	host_close(&host);
}

#ifdef AION_FAULTS
/* The lowest number that is free: it stays the same where nothing is left open. */
static int lowest_free_fd(void)
{
	int fd = dup(STDIN_FILENO);

	cr_assert_geq(fd, 0);
	close(fd);
	return fd;
}

static void refuse_the_descriptor(struct aion_loop *loop, int error)
{
	int free_fd = lowest_free_fd();

	aion__fault_arm(AION__FAULT_RING_REGISTER, 0, 1, error);
	cr_assert_eq(aion_loop_fd(loop), error);
	cr_assert_eq(aion__fault_passed(AION__FAULT_RING_REGISTER), 1);
	cr_assert_eq(lowest_free_fd(), free_fd, "the descriptor is closed");
}

Test(loop_host, a_loop_whose_descriptor_is_refused_goes_on_and_may_ask_again)
{
	struct host host = {0};
	bool done = false;

	cr_assert_eq(aion_loop_create(NULL, &host.loop), 0);
	cr_assert_eq(aion_loop_run(host.loop, test_return, test_number(1)), 1, "has taken the thread");
	refuse_the_descriptor(host.loop, -EBUSY);
	refuse_the_descriptor(host.loop, -ENOMEM);
	cr_assert_eq(aion_loop_run(host.loop, test_sleep_1ms, NULL), 0);
	cr_assert_eq(aion_loop_turn(host.loop), 0);
	host_listen(&host);
	aion_spawn(aion_loop_group(host.loop), offload_in_host, &done);
	while (!done)
		host_round(&host, 10000);
	host_close(&host);
}

/* The first use by a thread enables the ring. */
Test(loop_host, a_loop_that_cannot_take_its_thread_may_try_again)
{
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	aion__fault_arm(AION__FAULT_RING_REGISTER, 0, 3, -ENOMEM);
	cr_assert_eq(aion_loop_fd(loop), -ENOMEM);
	cr_assert_eq(aion_loop_turn(loop), -ENOMEM);
	cr_assert_eq(aion_loop_run(loop, test_return, test_number(1)), -ENOMEM);
	cr_assert_eq(aion_loop_run(loop, test_return, test_number(1)), 1);
	aion_loop_destroy(loop);
}
#endif

static bool has_run;

static void note(void *unused)
{
	(void)unused;
	has_run = true;
}

static int64_t post_and_enter(void *loop)
{
	cr_assert_eq(aion_loop_post(loop, note, NULL), 0);
	return aion_nop();
}

static int64_t yield_until_noted(void *unused)
{
	int nr = 0;

	(void)unused;
	while (!has_run && nr < 1000000)
		nr += aion_yield() == 0;
	return nr;
}

/* The turn's last enter takes the wake and hands its next read over: nothing in the ring speaks of the post any more.
 */
Test(loop_host, a_post_that_a_turn_leaves_behind_runs_though_tasks_are_always_ready)
{
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	aion_spawn(aion_loop_group(loop), post_and_enter, loop);
	cr_assert_geq(aion_loop_turn(loop), 0);
	cr_assert_lt(aion_loop_run(loop, yield_until_noted, NULL), 1000);
	aion_loop_destroy(loop);
}

#ifdef AION_FAULTS
static int64_t nop_once(void *unused)
{
	(void)unused;
	return aion_nop();
}

Test(loop_host, a_turn_does_not_stay_while_the_kernel_refuses)
{
	struct aion_loop *loop;

	TEST_NEEDS_KERNEL("it counts refusals");
	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_loop_turn(loop), 0);
	aion_spawn(aion_loop_group(loop), nop_once, NULL);
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 1000, -EAGAIN);
	cr_assert_eq(aion_loop_turn(loop), 1, "it wants the next turn at once");
	cr_assert_lt(aion__fault_passed(AION__FAULT_RING_ENTER), 10);
	aion__fault_reset();
	while (aion_loop_turn(loop)) {
	}
	aion_loop_destroy(loop);
}
#endif
