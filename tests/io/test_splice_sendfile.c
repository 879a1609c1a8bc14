/* SPDX-License-Identifier: MIT */
/* A part of a file through a socket. The sockets are the process's own, as the file is. */
#include <sys/resource.h>

#include "test_net.h"

#define SIZE ((size_t)3 << 20)

static void host_pair(int fds[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

struct receiving {
	int fd;
	size_t size;
	size_t off;   /* where in the file it begins */
	size_t limit; /* bytes after which it closes */
};

/* Compares what comes until the end. */
static int64_t receive_all(void *arg)
{
	struct receiving *receiving = arg;
	static char buf[65536];
	size_t done = 0;

	while (done < receiving->limit) {
		int64_t result = aion_recv(receiving->fd, buf, sizeof(buf), 0);

		if (result <= 0)
			break;
		cr_assert(test_is_filled(buf, (size_t)result, receiving->off + done));
		done += (size_t)result;
	}
	receiving->size = done;
	aion_close(receiving->fd);
	return 0;
}

TASK_TEST(splice_sendfile, sends_a_part_whole)
{
	TEST_DIR();
	int file = test_file_make("f", SIZE), fds[2], open_before = dup(file);
	struct receiving receiving = {.off = 1000, .limit = SIZE};
	struct aion_group group;
	int64_t off = 1000;

	host_pair(fds);
	receiving.fd = fds[1];
	aion_group_enter(&group);
	aion_spawn(&group, receive_all, &receiving);
	assert_result(aion_sendfile(fds[0], file, &off, SIZE - 2000), (int64_t)SIZE - 2000);
	cr_assert_eq(off, (int64_t)SIZE - 1000);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(receiving.size, SIZE - 2000);
	cr_assert_eq(lseek(file, 0, SEEK_CUR), 0);
	/* The pipe is gone. */
	close(open_before);
	cr_assert_eq(dup(file), open_before);
}

TASK_TEST(splice_sendfile, ends_with_the_file)
{
	TEST_DIR();
	int file = test_file_make("f", 10000), fds[2];
	int64_t off = 4000;
	char buf[10000];

	host_pair(fds);
	assert_result(aion_sendfile(fds[0], file, &off, SIZE), 6000);
	assert_result(aion_sendfile(fds[0], file, &off, SIZE), 0);
	cr_assert_eq(off, 10000);
	assert_result(aion_recv_exact(fds[1], buf, 6000, 0, NULL), 0);
	cr_assert(test_is_filled(buf, 6000, 4000));
	off = 7;
	assert_result(aion_sendfile(fds[0], file, &off, 0), 0);
	cr_assert_eq(off, 7);
}

TASK_TEST(splice_sendfile, a_partner_who_leaves_is_an_error_after_the_bytes)
{
	TEST_DIR();
	int file = test_file_make("f", SIZE), fds[2];
	struct receiving receiving = {.limit = 300000};
	struct aion_group group;
	int64_t off = 0, result;

	host_pair(fds);
	receiving.fd = fds[1];
	aion_group_enter(&group);
	aion_spawn(&group, receive_all, &receiving);
	result = aion_sendfile(fds[0], file, &off, SIZE);
	cr_assert(result >= 300000 && result < (int64_t)SIZE, "%lld", (long long)result);
	cr_assert_eq(off, result);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_sendfile(fds[0], file, &off, SIZE), -EPIPE);
	cr_assert_eq(off, result);
}

TASK_TEST(splice_sendfile, a_cancellation_leaves_the_bytes_that_have_gone)
{
	TEST_DIR();
	int file = test_file_make("f", SIZE), fds[2];
	struct aion_scope scope;
	struct test_canceller canceller = {.scope = &scope};
	struct aion_group group;
	int64_t off = 0, result, first;

	host_pair(fds);
	canceller.fd = fds[1];
	aion_group_enter(&group);
	aion_spawn(&group, test_cancel_after_bytes, &canceller);
	aion_scope_enter(&scope, AION_NEVER);
	first = aion_sendfile(fds[0], file, &off, SIZE);
	cr_assert(first > 0 && first < (int64_t)SIZE, "%lld", (long long)first);
	cr_assert_eq(off, first);
	result = aion_sendfile(fds[0], file, &off, SIZE);
	assert_result(result, -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(off, first);
	/* Just these are there. */
	shutdown(fds[0], SHUT_WR);
	struct receiving receiving = {.fd = fds[1], .limit = SIZE};
	receive_all(&receiving);
	cr_assert_eq(receiving.size, (size_t)first);
}

TASK_TEST(splice_sendfile, errors_are_told)
{
	TEST_DIR();
	int file = test_file_make("f", 10), fds[2], pipe_fds[2];
	struct aion_scope scope;
	int64_t off = -1;

	host_pair(fds);
	assert_result(aion_sendfile(fds[0], file, NULL, 1), -EINVAL);
	assert_result(aion_sendfile(fds[0], file, &off, 1), -EINVAL);
	off = 0;
	assert_result(aion_sendfile(-1, file, &off, 1), -EBADF);
	assert_result(aion_sendfile(fds[0], -1, &off, 1), -EBADF);
	test_pipe(pipe_fds);
	assert_result(aion_sendfile(fds[0], pipe_fds[0], &off, 1), -ESPIPE);
	test_enter_cancelled(&scope);
	assert_result(aion_sendfile(fds[0], file, &off, 1), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(off, 0);
}

Test(splice_sendfile, needs_descriptors_for_a_pipe)
{
	int pipe_fds[2];

	cr_assert_eq(aion_pipe(pipe_fds, O_CLOEXEC), 0);
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	cr_assert_eq(aion_pipe(pipe_fds, 1), -EINVAL);
}

TASK_TEST(splice_sendfile, without_descriptors_it_says_so)
{
	TEST_DIR();
	int file = test_file_make("f", 10), fds[2];
	struct rlimit limit, none;
	int64_t off = 0;

	host_pair(fds);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)fds[1];
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_result(aion_sendfile(fds[0], file, &off, 10), -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_result(aion_sendfile(fds[0], file, &off, 10), 10);
}
