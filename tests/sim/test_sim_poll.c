/* SPDX-License-Identifier: MIT */
/* Polling, once and for good, on the kernel and on the machine alike. */
#include <aion/poll.h>

#include "test_sim_ring.h"

#define ALL_EVENTS (POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM)
#define MORE IORING_CQE_F_MORE
#define MULTI IORING_POLL_ADD_MULTI

static inline void prep_poll_flags(struct io_uring_sqe *sqe, int fd, unsigned events, unsigned flags)
{
	io_uring_prep_poll_add(sqe, fd, events);
	sqe->len = flags;
}

/* ---- once */

NET_TEST(sim_poll, pipe_says_what_holds)
{
	int fds[2];

	net_pipe(fds);
	assert_result(net_poll(fds[1], ALL_EVENTS), POLLOUT | POLLWRNORM);
	cr_assert(NET_WAITS(io_uring_prep_poll_add, fds[0], ALL_EVENTS));
	assert_result(net_write(fds[1], 1 << 16), 1 << 16);
	assert_result(net_poll(fds[0], ALL_EVENTS), POLLIN | POLLRDNORM);
	cr_assert(NET_WAITS(io_uring_prep_poll_add, fds[1], ALL_EVENTS));
	net_close(fds[0]);
	assert_result(net_poll(fds[1], 0), POLLERR);
	net_close(fds[1]);
}

NET_TEST(sim_poll, tcp_says_what_holds)
{
	struct net_listener listener = net_listen(AF_INET, SOCK_STREAM, 4);
	int client = net_socket(AF_INET, SOCK_STREAM), served;

	assert_result(net_poll(client, ALL_EVENTS), POLLOUT | POLLWRNORM | POLLHUP);
	cr_assert(NET_WAITS(io_uring_prep_poll_add, listener.fd, ALL_EVENTS));
	assert_result(net_connect(client, listener.address), 0);
	assert_result(net_poll(listener.fd, ALL_EVENTS), POLLIN | POLLRDNORM);
	served = net_accept(listener.fd);
	assert_result(net_poll(served, ALL_EVENTS), POLLOUT | POLLWRNORM);
	assert_result(net_send(client, "x"), 1);
	net_let_arrive();
	assert_result(net_poll(served, ALL_EVENTS), POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	assert_result(net_poll(served, POLLIN), POLLIN);
	net_close(client);
	assert_result(net_poll(served, 0), POLLRDHUP);
	assert_result(net_recv(served, "x", 0), 1);
	assert_result(net_poll(served, POLLIN), POLLIN | POLLRDHUP);
	assert_result(net_send(served, "lost"), 4);
	net_let_arrive();
	assert_result(net_poll(served, 0), POLLRDHUP | POLLERR | POLLHUP);
	net_close(served);
	net_close(listener.fd);
}

NET_TEST(sim_poll, unix_and_udp_say_what_holds)
{
	int un = net_socket(AF_UNIX, SOCK_STREAM), udp = net_socket(AF_INET, SOCK_DGRAM), pair[2];

	assert_result(net_poll(un, ALL_EVENTS), POLLOUT | POLLWRNORM | POLLHUP);
	assert_result(net_poll(udp, ALL_EVENTS | POLLWRBAND), POLLOUT | POLLWRNORM | POLLWRBAND);
	net_close(un);
	net_close(udp);
	net_pair(AF_UNIX, SOCK_STREAM, pair);
	cr_assert(NET_WAITS(io_uring_prep_poll_add, pair[1], POLLIN));
	assert_result(NET_DO(io_uring_prep_shutdown, pair[0], SHUT_WR), 0);
	assert_result(net_poll(pair[1], POLLIN), POLLIN | POLLRDHUP);
	net_close(pair[0]);
	assert_result(net_poll(pair[1], POLLIN), POLLIN | POLLRDHUP | POLLHUP);
	net_close(pair[1]);
}

static int64_t write_late(void *fd)
{
	aion_sleep(AION_MILLISECOND);
	return net_write((int)(intptr_t)fd, 1) == 1 ? 0 : -EIO;
}

NET_TEST(sim_poll, who_waits_is_woken)
{
	struct aion_group group;
	int fds[2];

	net_pipe(fds);
	aion_group_enter(&group);
	aion_spawn(&group, write_late, test_number(fds[1]));
	assert_result(aion_poll(fds[0], POLLIN), POLLIN);
	assert_result(aion_group_leave(&group, 0), 0);
	net_close_pair(fds);
}

/* A lasting poll says what comes, not what lasts. */
NET_TEST(sim_poll, lasting_poll_reports_what_comes)
{
	AION_CLEANUP(aion_poll_close) struct aion_poll poll = {0};
	int fds[2];

	net_pipe(fds);
	aion_poll_open(&poll, fds[0], POLLIN);
	assert_result(net_write(fds[1], 3), 3);
	assert_result(aion_poll_next(&poll), POLLIN);
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(aion_poll_try_next(&poll), -EAGAIN);
	assert_result(net_write(fds[1], 3), 3);
	assert_result(aion_poll_next(&poll), POLLIN);
	assert_result(net_read(fds[0], 10), 6);
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(aion_poll_try_next(&poll), -EAGAIN);
	net_close(fds[1]);
	assert_result(aion_poll_next(&poll), POLLHUP);
	aion_poll_close(&poll);
	net_close(fds[0]);
}

/* ---- for good */

RING_TEST(sim_poll, multishot_posts_for_each_event)
{
	uint32_t flags;
	char buf[10];
	int fds[2];

	ring_pair(fds);
	RING_START(prep_poll_flags, fds[1], POLLIN, MULTI);
	ring_send(fds[0], "a");
	cr_assert_eq(ring_take(&flags), POLLIN);
	cr_assert_eq(flags, MORE);
	ring_send(fds[0], "b");
	cr_assert_eq(ring_take(&flags), POLLIN);
	cr_assert_eq(RING_DO(io_uring_prep_recv, fds[1], buf, 10, 0), 2);
	ring_is_quiet();
	cr_assert_eq(RING_DO(io_uring_prep_shutdown, fds[0], SHUT_WR), 0);
	cr_assert_eq(ring_take(&flags), POLLIN | POLLRDHUP);
	ring_is_quiet();
	ring_close(fds[0]);
	ring_is_quiet();
	ring_cancel();
	cr_assert_eq(ring_take(&flags), -ECANCELED);
	cr_assert_eq(flags, 0);
	ring_close(fds[1]);
}

RING_TEST(sim_poll, multishot_begins_with_what_holds)
{
	uint32_t flags;
	int fds[2];

	ring_pair(fds);
	RING_START(prep_poll_flags, fds[1], POLLIN | POLLOUT, MULTI);
	cr_assert_eq(ring_take(&flags), POLLOUT);
	cr_assert_eq(flags, MORE);
	ring_is_quiet();
	ring_send(fds[0], "a");
	cr_assert_eq(ring_take(NULL), POLLIN);
	ring_is_quiet();
	ring_close(fds[0]);
	cr_assert_eq(ring_take(NULL), POLLIN | POLLOUT | POLLRDHUP);
	ring_is_quiet();
	ring_cancel();
	cr_assert_eq(ring_take(NULL), -ECANCELED);
	ring_close(fds[1]);
}

RING_TEST(sim_poll, room_in_a_pipe_is_an_event_when_there_was_none)
{
	char *data = calloc(1, 1 << 16);
	int fds[2];

	ring_pipe(fds);
	RING_START(prep_poll_flags, fds[1], POLLOUT, MULTI);
	cr_assert_eq(ring_take(NULL), POLLOUT);
	cr_assert_eq(RING_DO(io_uring_prep_write, fds[1], data, 1 << 16, 0), 1 << 16);
	ring_is_quiet();
	cr_assert_eq(RING_DO(io_uring_prep_read, fds[0], data, 8192, 0), 8192);
	cr_assert_eq(ring_take(NULL), POLLOUT);
	cr_assert_eq(RING_DO(io_uring_prep_read, fds[0], data, 8192, 0), 8192);
	ring_is_quiet();
	ring_close(fds[0]);
	cr_assert_eq(ring_take(NULL), POLLOUT | POLLERR);
	ring_cancel();
	cr_assert_eq(ring_take(NULL), -ECANCELED);
	ring_close(fds[1]);
	free(data);
}

RING_TEST(sim_poll, removing_ends_it)
{
	int fds[2];

	ring_pipe(fds);
	RING_START(prep_poll_flags, fds[0], POLLIN, MULTI);
	cr_assert_eq(RING_DO(io_uring_prep_poll_remove, RING_UD), 0);
	cr_assert_eq(ring_take(NULL), -ECANCELED);
	cr_assert_eq(RING_DO(io_uring_prep_poll_remove, RING_UD), -ENOENT);
	cr_assert_eq(RING_DO(prep_poll_flags, fds[0], POLLIN, 16), -EINVAL);
	cr_assert_eq(RING_DO(io_uring_prep_poll_add, 1 << 20, POLLIN), -EBADF);
	ring_close_pair(fds);
}

/* ---- the machine's own */

/* Each end hands over what has come: the poll that is asked again misses nothing. */
SIM_TEST(sim_poll, multishot_may_end_at_any_event, .seed = 2)
{
	AION_CLEANUP(aion_poll_close) struct aion_poll poll = {0};
	int fds[2];

	aion_sim_knob_set(sim, AION_SIM_MULTISHOT_END, 1000000);
	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	aion_poll_open(&poll, fds[0], POLLIN);
	for (int i = 0; i < 10; i++) {
		assert_result(net_write(fds[1], 3), 3);
		assert_result(aion_poll_next(&poll), POLLIN);
	}
	assert_result(net_read(fds[0], 100), 30);
	aion_poll_close(&poll);
	net_close_pair(fds);
}

SIM_TEST(sim_poll, plain_file_is_always_ready, .seed = 1)
{
	int fd = (int)aion_openat(AT_FDCWD, "/file", O_RDWR | O_CREAT, 0600);

	(void)sim;
	cr_assert_geq(fd, 0);
	assert_result(net_poll(fd, ALL_EVENTS), POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	assert_result(NET_DO(prep_poll_flags, fd, POLLIN, MULTI), POLLIN);
	net_close(fd);
}
