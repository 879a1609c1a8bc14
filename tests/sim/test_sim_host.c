/* SPDX-License-Identifier: MIT */
/*
 * The process's own descriptors and names on a simulated machine: the same bodies run on the kernel's ring and on a
 * machine's, with the same results. Everything goes through the ring.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <aion/liburing.h>

#include "test_both.h"

#define DO(prepare, ...)                                                                                               \
	({                                                                                                             \
		struct aion_op op_ = {0};                                                                              \
		prepare(aion_op_sqe(&op_), __VA_ARGS__);                                                               \
		aion_await(&op_.future);                                                                               \
	})
#define NOTE(prepare, ...) both_check(both, DO(prepare, __VA_ARGS__))

static int64_t host_task(void *arg)
{
	struct both_run *run = arg;

	run->fn(run->both);
	return 4711;
}

static void host_run(both_fn *fn)
{
	struct both both = {.dir = AT_FDCWD};
	struct both_run run = {&both, fn};
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.host_files = true});

	both.notes = calloc(BOTH_NOTES_MAX, sizeof(*both.notes));
	for (int i = 0; i < 2; i++) {
		TEST_DIR();

		both.sim = i ? sim : NULL;
		both.expected_nr = both.note_nr;
		both.note_nr = 0;
		cr_assert_eq(aion_run(host_task, &run, &(struct aion_loop_options){.sim = both.sim}), 4711);
	}
	cr_assert_eq(both.note_nr, both.expected_nr);
	free(both.notes);
	test_sim_end(sim);
}

#define HOST_TEST(fact)                                                                                                \
	static void fact##_body(struct both *both);                                                                    \
	Test(sim_host, fact)                                                                                           \
	{                                                                                                              \
		host_run(fact##_body);                                                                                 \
	}                                                                                                              \
	static void fact##_body(struct both *both)

/* ---- sockets and buffers */

/* One multishot receive after the other, as the inlet starts them. */
HOST_TEST(receives_into_buffers_again_and_again)
{
	AION_CLEANUP(aion_inlet_close) struct aion_inlet inlet = {0};
	char sent[300], heard[300];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	both_check(both, aion_inlet_open(&inlet, fds[0]));
	for (unsigned i = 1; i < 300; i += 7) {
		memset(sent, (int)i, i);
		cr_assert_eq(send(fds[1], sent, i, 0), (ssize_t)i);
		both_check(both, aion_inlet_read(&inlet, heard, sizeof(heard)));
		cr_assert_eq(memcmp(sent, heard, i), 0);
	}
	both_check(both, aion_inlet_try_read(&inlet, heard, sizeof(heard)));
	close(fds[1]);
	both_check(both, aion_inlet_read(&inlet, heard, sizeof(heard)));
	aion_inlet_close(&inlet);
	close(fds[0]);
}

/* ---- pipes and files */

HOST_TEST(pipes_are_read_and_written)
{
	char *buf = calloc(1, 100000);
	struct iovec iov = {buf, 10};
	struct aion_op read = {0}, write = {0};
	int fds[2];

	test_pipe(fds);
	cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	io_uring_prep_read(aion_op_sqe(&read), fds[0], buf, 10, (uint64_t)-1);
	aion_sleep(AION_MILLISECOND);
	cr_assert(aion_op_is_in_flight(&read), "O_NONBLOCK or not");
	NOTE(io_uring_prep_write, fds[1], "hello", 5, (uint64_t)-1);
	both_check(both, aion_await(&read.future));
	NOTE(io_uring_prep_write, fds[1], "hello", 5, 7);
	NOTE(io_uring_prep_read, fds[0], buf, 3, 9);
	NOTE(io_uring_prep_read, fds[0], buf, 3, (uint64_t)-5);
	NOTE(io_uring_prep_readv2, fds[0], &iov, 1, (uint64_t)-1, RWF_NOWAIT);
	NOTE(io_uring_prep_readv2, fds[0], &iov, 1, (uint64_t)-1, RWF_NOWAIT);
	NOTE(io_uring_prep_read, fds[0], buf, 0, 0);
	NOTE(io_uring_prep_read, fds[1], buf, 1, 0);
	NOTE(io_uring_prep_write, fds[1], buf, 100000, (uint64_t)-1);
	io_uring_prep_write(aion_op_sqe(&write), fds[1], buf, 100, (uint64_t)-1);
	aion_sleep(AION_MILLISECOND);
	cr_assert(aion_op_is_in_flight(&write));
	NOTE(io_uring_prep_read, fds[0], buf, 50000, (uint64_t)-1);
	both_check(both, aion_await(&write.future));
	NOTE(io_uring_prep_close, fds[1]);
	NOTE(io_uring_prep_read, fds[0], buf, 100000, (uint64_t)-1);
	NOTE(io_uring_prep_read, fds[0], buf, 100000, (uint64_t)-1);
	NOTE(io_uring_prep_close, fds[0]);
	NOTE(io_uring_prep_close, fds[0]);
	NOTE(io_uring_prep_read, fds[0], buf, 1, 0);
	free(buf);
}

HOST_TEST(plain_files_are_read_and_written)
{
	int fd = test_file_make("f", 1000);
	char buf[2000];

	NOTE(io_uring_prep_read, fd, buf, 2000, 0);
	NOTE(io_uring_prep_read, fd, buf, 300, (uint64_t)-1);
	NOTE(io_uring_prep_read, fd, buf, 2000, (uint64_t)-1);
	NOTE(io_uring_prep_write, fd, "abc", 3, 5000);
	NOTE(io_uring_prep_fsync, fd, 0);
	NOTE(io_uring_prep_fallocate, fd, 0, 0, 10000);
	both_check(both, lseek(fd, 0, SEEK_END));
	NOTE(io_uring_prep_close, fd);
}

HOST_TEST(eventfds_have_no_offsets)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct aion_op read = {0};
	uint64_t count = 7;

	NOTE(io_uring_prep_write, fd, &count, 8, 0);
	NOTE(io_uring_prep_read, fd, &count, 8, 0);
	both_check(both, (int64_t)count);
	io_uring_prep_read(aion_op_sqe(&read), fd, &count, 8, 0);
	aion_sleep(AION_MILLISECOND);
	cr_assert(aion_op_is_in_flight(&read));
	cr_assert_eq(eventfd_write(fd, 3), 0);
	both_check(both, aion_await(&read.future));
	NOTE(io_uring_prep_close, fd);
}

HOST_TEST(waits_can_be_cancelled)
{
	struct aion_op ops[3] = {0};
	struct aion_scope scope;
	char buf[10];
	int fds[2];

	test_pipe(fds);
	io_uring_prep_read(aion_op_sqe(&ops[0]), fds[0], buf, 10, 0);
	io_uring_prep_poll_add(aion_op_sqe(&ops[1]), fds[0], POLLIN);
	io_uring_prep_splice(aion_op_sqe(&ops[2]), fds[0], -1, fds[1], -1, 10, 0);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	for (int i = 0; i < 2; i++)
		both_check(both, aion_await(&ops[i].future));
	aion_scope_leave(&scope);
	aion_op_reap_all(ops, 3);
	close(fds[0]);
	close(fds[1]);
}

/* ---- sockets */

HOST_TEST(sockets_talk)
{
	struct aion_op receive = {0};
	char *buf = calloc(1, 300000);
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	io_uring_prep_recv(aion_op_sqe(&receive), fds[0], buf, 10, MSG_WAITALL);
	NOTE(io_uring_prep_send, fds[1], "hello", 5, 0);
	aion_sleep(AION_MILLISECOND);
	cr_assert(aion_op_is_in_flight(&receive));
	NOTE(io_uring_prep_send, fds[1], "there!", 6, 0);
	both_check(both, aion_await(&receive.future));
	cr_assert_arr_eq(buf, "hellothere", 10);
	NOTE(io_uring_prep_read, fds[0], buf, 10, 5);
	NOTE(io_uring_prep_read, fds[0], buf, 10, 0);
	NOTE(io_uring_prep_recv, fds[0], buf, 10, MSG_DONTWAIT);
	while (DO(io_uring_prep_send, fds[1], buf, 300000, MSG_DONTWAIT) > 0)
		;
	NOTE(io_uring_prep_send, fds[1], buf, 300000, MSG_DONTWAIT);
	NOTE(io_uring_prep_shutdown, fds[1], SHUT_RDWR);
	NOTE(io_uring_prep_send, fds[1], buf, 1, 0);
	NOTE(io_uring_prep_recv, fds[0], buf, 300000, MSG_WAITALL);
	NOTE(io_uring_prep_close, fds[0]);
	NOTE(io_uring_prep_close, fds[1]);
	free(buf);
}

HOST_TEST(connections_are_made_and_refused)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(name);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct aion_op accept = {0};
	int64_t server;
	char buf[10];

	cr_assert_eq(bind(listener, (struct sockaddr *)&name, size), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&name, &size), 0);
	NOTE(io_uring_prep_connect, client, (struct sockaddr *)&name, size);
	close(client);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(listen(listener, 5), 0);
	io_uring_prep_accept(aion_op_sqe(&accept), listener, NULL, NULL, SOCK_CLOEXEC);
	aion_sleep(AION_MILLISECOND);
	cr_assert(aion_op_is_in_flight(&accept));
	NOTE(io_uring_prep_connect, client, (struct sockaddr *)&name, size);
	cr_assert_eq(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
	server = aion_await(&accept.future);
	both_check(both, BOTH_FD(server));
	NOTE(io_uring_prep_send, (int)server, "abc", 3, 0);
	NOTE(io_uring_prep_recv, client, buf, 10, 0);
	NOTE(io_uring_prep_connect, client, (struct sockaddr *)&name, size);
	NOTE(io_uring_prep_close, (int)server);
	NOTE(io_uring_prep_recv, client, buf, 10, 0);
	close(client);
	close(listener);
}

HOST_TEST(connections_are_accepted_again_and_again)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(name);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), clients[20];
	struct aion_accept accept = {0};
	int64_t server;

	cr_assert_eq(bind(listener, (struct sockaddr *)&name, size), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&name, &size), 0);
	cr_assert_eq(listen(listener, 20), 0);
	aion_accept_open(&accept, listener, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	for (int i = 0; i < 20; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_eq(connect(clients[i], (struct sockaddr *)&name, size), 0);
		if (i % 4 == 0) /* the others come several at a time */
			aion_sleep(AION_MILLISECOND);
	}
	for (int i = 0; i < 20; i++) {
		server = aion_accept_next(&accept);
		both_check(both, BOTH_FD(server));
		NOTE(io_uring_prep_close, (int)server);
		close(clients[i]);
	}
	both_check(both, aion_accept_try_next(&accept));
	aion_accept_close(&accept);
	close(listener);
}

/* ---- two descriptors */

HOST_TEST(splices_wait_for_both_ends)
{
	int from[2], to[2], fd = test_file_make("f", 1000);
	struct aion_op splice = {0};
	char buf[2000];

	test_pipe(from);
	test_pipe(to);
	io_uring_prep_splice(aion_op_sqe(&splice), from[0], -1, to[1], -1, 1000, 0);
	aion_sleep(AION_MILLISECOND);
	cr_assert(aion_op_is_in_flight(&splice));
	cr_assert_eq(write(from[1], "hello", 5), 5);
	both_check(both, aion_await(&splice.future));
	NOTE(io_uring_prep_splice, from[0], -1, to[1], -1, 1000, SPLICE_F_NONBLOCK);
	NOTE(io_uring_prep_splice, fd, 100, to[1], -1, 2000, 0);
	NOTE(io_uring_prep_tee, to[0], from[1], 3, 0);
	NOTE(io_uring_prep_read, from[0], buf, 2000, 0);
	NOTE(io_uring_prep_read, to[0], buf, 2000, 0);
	NOTE(io_uring_prep_splice, fd, -1, 9999, -1, 1, 0);
	NOTE(io_uring_prep_splice, -1, -1, to[1], -1, 1, 0);
	NOTE(io_uring_prep_splice, fd, 0, fd, 0, 1, 0);
	close(from[1]);
	NOTE(io_uring_prep_splice, from[0], -1, to[1], -1, 1000, 0);
	close(from[0]);
	close(to[0]);
	close(to[1]);
	close(fd);
}

HOST_TEST(splices_wait_for_a_socket_with_too_little_room)
{
	int from[2], sockets[2];
	struct aion_op splice = {0};
	char *data = calloc(1, 1 << 20);

	test_pipe(from);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	NOTE(io_uring_prep_splice, from[0], 0, sockets[0], -1, 1, 0); /* a pipe has no offsets, full or empty */
	NOTE(io_uring_prep_accept, from[0], NULL, NULL, 0);
	NOTE(io_uring_prep_accept, sockets[0], NULL, NULL, 0);
	cr_assert_eq(write(from[1], data, 1000), 1000);
	while (send(sockets[0], data, 1 << 20, MSG_DONTWAIT) > 0)
		continue;
	io_uring_prep_splice(aion_op_sqe(&splice), from[0], -1, sockets[0], -1, 1000, 0);
	aion_sleep(AION_MILLISECOND);
	cr_assert(aion_op_is_in_flight(&splice));
	cr_assert_gt(DO(io_uring_prep_recv, sockets[1], data, 1 << 20, 0), 0);
	cr_assert_gt(aion_await(&splice.future), 0);
	cr_assert_eq(fcntl(sockets[0], F_GETFL) & O_NONBLOCK, 0);
	close(from[0]);
	close(from[1]);
	close(sockets[0]);
	close(sockets[1]);
	free(data);
}

/* ---- names */

HOST_TEST(names_are_the_real_machine_s)
{
	char path[] = "/proc/self/fd/999";
	struct statx about;
	int64_t fd;

	NOTE(io_uring_prep_mkdirat, AT_FDCWD, "d", 0755);
	NOTE(io_uring_prep_mkdirat, AT_FDCWD, "d", 0755);
	fd = DO(io_uring_prep_openat, AT_FDCWD, "d/f", O_RDWR | O_CREAT, 0644);
	both_check(both, BOTH_FD(fd));
	cr_assert_eq(fcntl((int)fd, F_GETFL) & O_NONBLOCK, 0);
	NOTE(io_uring_prep_statx, (int)fd, "", AT_EMPTY_PATH, STATX_SIZE, &about);
	NOTE(io_uring_prep_statx, (int)fd, "x", 0, STATX_SIZE, &about);
	NOTE(io_uring_prep_renameat, AT_FDCWD, "d/f", AT_FDCWD, "g", 0);
	NOTE(io_uring_prep_linkat, AT_FDCWD, "g", AT_FDCWD, "d/h", 0);
	NOTE(io_uring_prep_symlinkat, "g", AT_FDCWD, "l");
	NOTE(io_uring_prep_openat, AT_FDCWD, path, O_RDONLY, 0);
	NOTE(io_uring_prep_openat, AT_FDCWD, "l", O_RDONLY | O_NOFOLLOW, 0);
#ifndef AION_VALGRIND /* which does not know openat2(2) */
	NOTE(io_uring_prep_openat2, AT_FDCWD, "g", &(struct open_how){.resolve = 1 << 20});
	NOTE(io_uring_prep_openat2, AT_FDCWD, "g", (struct open_how *)8);
#endif
	NOTE(io_uring_prep_unlinkat, AT_FDCWD, "d", AT_REMOVEDIR);
	NOTE(io_uring_prep_unlinkat, AT_FDCWD, "d/h", 0);
	NOTE(io_uring_prep_unlinkat, AT_FDCWD, "d", AT_REMOVEDIR);
	NOTE(io_uring_prep_close, (int)fd);
}

/* Nothing that the machine has open is a directory then, but it can be asked about. */
SIM_TEST(sim_host, no_path_starts_at_the_machine_s_descriptors, .host_files = true)
{
	TEST_DIR();
	struct statx about;
	int fds[2];

	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	close(test_file_make("f", 10));
	assert_result(aion_openat(fds[0], "f", O_RDWR | O_CREAT, 0600), -ENOTDIR);
	assert_result(aion_renameat2(AT_FDCWD, "f", fds[0], "g", 0), -ENOTDIR);
	assert_result(aion_renameat2(fds[0], "f", AT_FDCWD, "g", 0), -ENOTDIR);
	assert_result(aion_symlinkat("f", fds[0], "l"), -ENOTDIR);
	assert_result(aion_statx(fds[0], "f", 0, STATX_TYPE, &about), -ENOTDIR);
	assert_result(aion_statx(fds[0], "", AT_EMPTY_PATH, STATX_TYPE, &about), 0);
	cr_assert(S_ISFIFO(about.stx_mode));
	assert_result(aion_close((int)aion_openat(fds[0], "/dev/null", O_RDWR, 0)), 0);
	assert_result(aion_openat(AION_SIM_FD_BASE + 500, "f", O_RDONLY, 0), -EBADF);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
}

/* Without host_files the machine's names are its own, and no path starts at the process's descriptors. */
SIM_TEST(sim_host, no_path_of_the_machine_starts_at_the_process_s_descriptors)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)sim;
	assert_result(aion_openat(fd, "dev", O_RDONLY, 0), -EBADF);
	assert_result(aion_close((int)aion_openat(fd, "/dev/null", O_RDONLY, 0)), 0);
	assert_result(aion_fsync(fd), 0);
	assert_result(aion_close(fd), 0);
}
