/* SPDX-License-Identifier: MIT */
/* What a test puts into a machine and takes out of it: files, pipes, sockets. */
#include "test_sim.h"

#include <aion/liburing.h>

/* ---- files */

static void assert_content(struct aion_sim *sim, const char *path, const char *content)
{
	const void *data = NULL;
	size_t size = 4711;

	assert_result(aion_sim_file_read(sim, path, &data, &size), 0);
	cr_assert_eq(size, strlen(content));
	cr_assert_eq(memcmp(data, content, size), 0);
}

SIM_TEST(sim_outside, a_file_comes_with_its_directories)
{
	struct statx status;
	char buf[10] = "";
	int64_t fd;

	assert_result(aion_sim_file_write(sim, "/a/b/c", "hello", 5), 0);
	assert_content(sim, "/a/b/c", "hello");
	fd = aion_openat(AT_FDCWD, "/a/b/c", O_RDONLY, 0);
	cr_assert_geq(fd, AION_SIM_FD_BASE);
	assert_result(aion_pread((int)fd, buf, sizeof(buf), 0), 5);
	cr_assert_str_eq(buf, "hello");
	assert_result(aion_close((int)fd), 0);
	assert_result(aion_statx(AT_FDCWD, "/a/b", 0, STATX_TYPE, &status), 0);
	cr_assert(S_ISDIR(status.stx_mode));
}

SIM_TEST(sim_outside, a_file_is_replaced_as_a_whole)
{
	assert_result(aion_sim_file_write(sim, "/f", "a long content", 14), 0);
	assert_result(aion_sim_file_write(sim, "/f", "short", 5), 0);
	assert_content(sim, "/f", "short");
	assert_result(aion_sim_file_write(sim, "/f", NULL, 0), 0);
	assert_content(sim, "/f", "");
}

SIM_TEST(sim_outside, what_the_program_writes_is_seen)
{
	int64_t fd = aion_openat(AT_FDCWD, "/out", O_WRONLY | O_CREAT, 0644);

	cr_assert_geq(fd, AION_SIM_FD_BASE);
	assert_result(aion_pwrite_all((int)fd, "abcdef", 6, 0, NULL), 0);
	assert_content(sim, "/out", "abcdef");
	assert_result(aion_pwrite_all((int)fd, "X", 1, 2, NULL), 0);
	assert_content(sim, "/out", "abXdef");
	assert_result(aion_close((int)fd), 0);
	assert_content(sim, "/out", "abXdef");
}

SIM_TEST(sim_outside, wrong_paths_are_refused)
{
	char name[300], path[5000];

	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	memset(path, 'p', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 100)
		path[i] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_result(aion_sim_file_write(sim, "/dir/f", "x", 1), 0);
	assert_result(aion_sim_file_write(sim, "relative", "x", 1), -EINVAL);
	assert_result(aion_sim_file_write(sim, "", "x", 1), -EINVAL);
	assert_result(aion_sim_file_write(sim, "/dir", "x", 1), -EISDIR);
	assert_result(aion_sim_file_write(sim, "/", "x", 1), -EISDIR);
	assert_result(aion_sim_file_write(sim, "/dir/f/g", "x", 1), -ENOTDIR);
	assert_result(aion_sim_file_write(sim, name, "x", 1), -ENAMETOOLONG);
	assert_result(aion_sim_file_write(sim, path, "x", 1), -ENAMETOOLONG);
	assert_content(sim, "/dir/f", "x");
}

SIM_TEST(sim_outside, a_look_at_nothing_changes_nothing)
{
	const void *data = NULL;
	size_t size = 4711;

	assert_result(aion_sim_file_write(sim, "/dir/f", "x", 1), 0);
	assert_result(aion_symlinkat("/loop", AT_FDCWD, "/loop"), 0);
	assert_result(aion_sim_file_read(sim, "dir/f", &data, &size), -EINVAL);
	assert_result(aion_sim_file_read(sim, "/nothing", &data, &size), -ENOENT);
	assert_result(aion_sim_file_read(sim, "/dir/f/g", &data, &size), -ENOTDIR);
	assert_result(aion_sim_file_read(sim, "/dir", &data, &size), -EISDIR);
	assert_result(aion_sim_file_read(sim, "/loop", &data, &size), -ELOOP);
	cr_assert_null(data);
	cr_assert_eq(size, 4711);
}

SIM_TEST(sim_outside, the_disk_has_an_end, .disk_size = 100000)
{
	static char content[100001];
	int64_t fd;

	assert_result(aion_sim_file_write(sim, "/big", content, sizeof(content)), -ENOSPC);
	assert_result(aion_sim_file_write(sim, "/half", content, 50000), 0);
	assert_result(aion_sim_file_write(sim, "/other", content, 60000), -ENOSPC);
	fd = aion_openat(AT_FDCWD, "/more", O_WRONLY | O_CREAT, 0644);
	assert_result(aion_pwrite_all((int)fd, content, 60000, 0, NULL), -ENOSPC);
	assert_result(aion_close((int)fd), 0);
	assert_result(aion_unlinkat(AT_FDCWD, "/more", 0), 0);
	assert_result(aion_unlinkat(AT_FDCWD, "/half", 0), 0);
	assert_result(aion_sim_file_write(sim, "/other", content, 60000), 0);
}

/* ---- pipes */

static void close_both(const int fds[2])
{
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
}

SIM_TEST(sim_outside, a_pipe_carries_bytes)
{
	char buf[10] = "";
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, O_CLOEXEC), 0);
	cr_assert(fds[0] == AION_SIM_FD_BASE && fds[1] == AION_SIM_FD_BASE + 1);
	assert_result(aion_write(fds[1], "hello", 5), 5);
	assert_result(aion_read(fds[0], buf, sizeof(buf)), 5);
	cr_assert_str_eq(buf, "hello");
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_read(fds[0], buf, sizeof(buf)), 0);
	assert_result(aion_close(fds[0]), 0);
}

/* Whether it blocks is of no interest to a ring, which waits all the same. */
SIM_TEST(sim_outside, a_pipe_has_an_end, .pipe_size = 4096)
{
	static char buf[10000];
	struct aion_scope scope;
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, O_NONBLOCK), 0);
	assert_result(aion_write(fds[1], buf, sizeof(buf)), 4096);
	aion_scope_enter(&scope, aion_after(AION_SECOND));
	assert_result(aion_write(fds[1], buf, 1), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result(aion_read(fds[0], buf, sizeof(buf)), 4096);
	assert_result(aion_write(fds[1], buf, 1), 1);
	close_both(fds);
}

SIM_TEST(sim_outside, pipes_and_sockets_take_descriptors, .fd_max = 3)
{
	int fds[2], others[2] = {-7, -7};

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	assert_result(aion_sim_pipe(sim, others, 0), -EMFILE);
	assert_result(aion_sim_socketpair(sim, AF_UNIX, SOCK_STREAM, others), -EMFILE);
	cr_assert(others[0] == -7 && others[1] == -7);
	close_both(fds);
	assert_result(aion_sim_pipe(sim, others, 0), 0);
	close_both(others);
}

SIM_TEST(sim_outside, wrong_kinds_are_refused)
{
	int fds[2] = {-7, -7};

	assert_result(aion_sim_pipe(sim, fds, O_APPEND), -EINVAL);
	assert_result(aion_sim_socketpair(sim, AF_PACKET, SOCK_STREAM, fds), -EAFNOSUPPORT);
	assert_result(aion_sim_socketpair(sim, AF_INET, SOCK_DGRAM, fds), -EPROTONOSUPPORT);
	assert_result(aion_sim_socketpair(sim, AF_INET, SOCK_SEQPACKET, fds), -ESOCKTNOSUPPORT);
	assert_result(aion_sim_socketpair(sim, AF_UNIX, 9, fds), -ESOCKTNOSUPPORT);
	assert_result(aion_sim_socketpair(sim, AF_UNIX, SOCK_STREAM | 0x100, fds), -EINVAL);
	cr_assert(fds[0] == -7 && fds[1] == -7);
	assert_result(aion_sim_check(sim), 0);
}

/* ---- sockets */

static void assert_talk(struct aion_sim *sim, int domain, int type)
{
	char buf[20];
	int fds[2];

	assert_result(aion_sim_socketpair(sim, domain, type, fds), 0);
	for (int i = 0; i < 2; i++) {
		memset(buf, 0, sizeof(buf));
		assert_result(aion_write(fds[i], "hello", 5), 5);
		assert_result(aion_read(fds[!i], buf, sizeof(buf)), 5);
		cr_assert_str_eq(buf, "hello");
	}
	assert_result(aion_write(fds[0], "one", 3), 3);
	assert_result(aion_write(fds[0], "two", 3), 3);
	if ((type & 15) == SOCK_STREAM)
		assert_result(aion_read_exact(fds[1], buf, 6, NULL), 0);
	else
		assert_result(aion_read(fds[1], buf, sizeof(buf)), 3);
	close_both(fds);
}

SIM_TEST(sim_outside, sockets_talk)
{
	assert_talk(sim, AF_UNIX, SOCK_STREAM);
	assert_talk(sim, AF_UNIX, SOCK_DGRAM);
	assert_talk(sim, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC);
	assert_talk(sim, AF_INET, SOCK_STREAM);
	assert_talk(sim, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
	assert_talk(sim, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
}

static int64_t send_now(int fd, const void *buf, size_t size)
{
	struct aion_op op = {0};

	io_uring_prep_send(aion_op_sqe(&op), fd, buf, size, MSG_DONTWAIT);
	return aion_await(&op.future);
}

SIM_TEST(sim_outside, a_sockets_queue_has_an_end, .socket_size = 5000)
{
	static char buf[20000];
	int fds[2];

	assert_result(aion_sim_socketpair(sim, AF_UNIX, SOCK_STREAM, fds), 0);
	assert_result(send_now(fds[0], buf, sizeof(buf)), 5000);
	assert_result(send_now(fds[0], buf, 1), -EAGAIN);
	assert_result(aion_read(fds[1], buf, sizeof(buf)), 5000);
	assert_result(send_now(fds[0], buf, 1), 1);
	close_both(fds);
}
