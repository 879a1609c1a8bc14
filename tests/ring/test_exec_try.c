/* SPDX-License-Identifier: MIT */
/* Tries: what can be had at once is had, everything else says so; nothing here may block, or the test would hang. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec_int.h"
#include "test_ring.h"

static char root[64];
static int dir;

static void setup(void)
{
	int fd;

	strcpy(root, "/var/tmp/aion-try-XXXXXX"); /* /tmp may be a tmpfs, which cannot be tried */
	cr_assert_not_null(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY);
	fd = openat(dir, "file", O_CREAT | O_RDWR, 0600);
	for (int i = 0; i < 16; i++) {
		char block[512];

		memset(block, 'a' + i, sizeof(block));
		cr_assert_eq(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
	}
	close(fd);
}

static void teardown(void)
{
	char command[128];

	close(dir);
	snprintf(command, sizeof(command), "rm -rf %.40s", root);
	cr_assert_eq(system(command), 0);
}

TestSuite(exec_try, .init = setup, .fini = teardown, .timeout = 60);

#define EXPECT(sqe, wanted)                                                                                            \
	do {                                                                                                           \
		int64_t result_ = aion__exec_try(sqe);                                                                 \
		cr_assert_eq(result_, wanted, "%ld instead of %ld", (long)result_, (long)(wanted));                    \
	} while (0)

Test(exec_try, cached_bytes_are_read)
{
	int fd = openat(dir, "file", O_RDONLY);
	struct io_uring_sqe sqe = {0};
	char bytes[4096] = {0};
	struct iovec vec = {bytes, 600};

	io_uring_prep_read(&sqe, fd, bytes, 512, 512);
	if (aion__exec_try(&sqe) == -EOPNOTSUPP)
		cr_skip_test("this file system cannot be tried");
	EXPECT(&sqe, 512);
	cr_assert_eq(bytes[0], 'b');
	cr_assert_eq(bytes[511], 'b');
	io_uring_prep_read(&sqe, fd, bytes, 4096, 8192 - 100);
	EXPECT(&sqe, 100);
	io_uring_prep_read(&sqe, fd, bytes, 4096, 8192);
	EXPECT(&sqe, 0);
	io_uring_prep_readv(&sqe, fd, &vec, 1, (uint64_t)-1);
	EXPECT(&sqe, 600);
	EXPECT(&sqe, 600);
	cr_assert_eq(bytes[0], 'b', "it begins where the one before ended");
	io_uring_prep_read_fixed(&sqe, fd, bytes, 10, 1024, 0);
	EXPECT(&sqe, 10);
	cr_assert_eq(bytes[0], 'c');
	close(fd);
	EXPECT(&sqe, -EBADF);
}

/* RWF_NOWAIT alone would wait for the device here. */
Test(exec_try, direct_reads_and_synchronous_writes_would_block)
{
	struct io_uring_sqe sqe = {0};
	int fd = openat(dir, "file", O_RDWR | O_DIRECT);
	void *page = aligned_alloc(4096, 4096);
	struct iovec vec = {page, 4096};

	if (fd < 0)
		cr_skip_test("no O_DIRECT here");
	for (int i = 0; i < 200; i++) {
		io_uring_prep_read(&sqe, fd, page, 4096, 0);
		EXPECT(&sqe, -EAGAIN);
		io_uring_prep_readv(&sqe, fd, &vec, 1, (uint64_t)-1);
		EXPECT(&sqe, -EAGAIN);
		io_uring_prep_write(&sqe, fd, page, 4096, 0);
		EXPECT(&sqe, -EAGAIN);
	}
	close(fd);
	fd = openat(dir, "file", O_RDWR | O_DSYNC);
	/* The number may be that of the direct one: what was known of it is given up after some calls. */
	for (int i = 0; i < 200; i++) {
		io_uring_prep_write(&sqe, fd, page, 10, 3);
		EXPECT(&sqe, -EAGAIN);
	}
	close(fd);
	fd = openat(dir, "file", O_RDWR);
	io_uring_prep_writev2(&sqe, fd, &vec, 1, 0, RWF_DSYNC);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_read(&sqe, fd, page, 4096, 0);
	for (int i = 0; i < 200 && aion__exec_try(&sqe) == -EAGAIN; i++)
		;
	cr_assert_neq(aion__exec_try(&sqe), -EAGAIN, "the new file's flags are seen in the end");
	close(fd);
	free(page);
}

Test(exec_try, pipes_and_sockets)
{
	struct io_uring_sqe sqe = {0};
	char bytes[8];
	struct iovec vec = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	int one[2], two[2], ends[2];

	cr_assert(!pipe(one) && !pipe(two) && !socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	io_uring_prep_read(&sqe, one[0], bytes, 8, (uint64_t)-1);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_tee(&sqe, one[0], two[1], 8, 0);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_poll_add(&sqe, one[0], POLLIN);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_write(&sqe, one[1], "pipe", 4, (uint64_t)-1);
	EXPECT(&sqe, 4);
	io_uring_prep_poll_add(&sqe, one[0], POLLIN);
	EXPECT(&sqe, POLLIN);
	io_uring_prep_tee(&sqe, one[0], two[1], 8, 0);
	EXPECT(&sqe, 4);
	io_uring_prep_read(&sqe, one[0], bytes, 8, (uint64_t)-1);
	EXPECT(&sqe, 4);
	io_uring_prep_read(&sqe, two[0], bytes, 8, 0);
	EXPECT(&sqe, -ESPIPE);

	io_uring_prep_recv(&sqe, ends[0], bytes, 8, 0);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_recvmsg(&sqe, ends[0], &message, 0);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_send(&sqe, ends[1], "sock", 4, 0);
	EXPECT(&sqe, 4);
	io_uring_prep_recv(&sqe, ends[0], bytes, 8, 0);
	EXPECT(&sqe, 4);
	io_uring_prep_sendmsg(&sqe, ends[0], &message, 0);
	EXPECT(&sqe, 8);
	for (int i = 0; i < 2; i++)
		close(one[i]), close(two[i]), close(ends[i]);
}

Test(exec_try, a_full_pipe_is_not_waited_for)
{
	struct io_uring_sqe sqe = {0};
	static char block[4096];
	int ends[2];
	int64_t result;

	cr_assert(!pipe(ends));
	io_uring_prep_write(&sqe, ends[1], block, sizeof(block), (uint64_t)-1);
	do {
		result = aion__exec_try(&sqe);
	} while (result > 0);
	cr_assert_eq(result, -EAGAIN);
	close(ends[0]), close(ends[1]);
}

Test(exec_try, cached_names_open_without_a_trace_of_the_trying)
{
	struct io_uring_sqe sqe = {0};
	struct open_how how = {.flags = O_RDWR | O_CLOEXEC | O_APPEND};
	int64_t fd;

	TEST_SKIP_WITHOUT_OPENAT2();
	io_uring_prep_openat(&sqe, dir, "file", O_RDONLY, 0);
	fd = aion__exec_try(&sqe);
	cr_assert_geq(fd, 0, "%ld", (long)fd);
	cr_assert_eq(fcntl((int)fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND), O_RDONLY);
	close((int)fd);
	io_uring_prep_openat2(&sqe, dir, "file", &how);
	fd = aion__exec_try(&sqe);
	cr_assert_geq(fd, 0, "%ld", (long)fd);
	cr_assert_eq(fcntl((int)fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND), O_RDWR | O_APPEND);
	cr_assert_eq(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
	cr_assert_eq(how.resolve, 0, "the caller's own is not written to");
	close((int)fd);
	how.flags |= O_NONBLOCK;
	fd = aion__exec_try(&sqe);
	cr_assert_eq(fcntl((int)fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	close((int)fd);
	io_uring_prep_openat(&sqe, dir, ".", O_RDONLY | O_DIRECTORY, 0);
	fd = aion__exec_try(&sqe);
	cr_assert_geq(fd, 0, "%ld", (long)fd);
	close((int)fd);
}

Test(exec_try, opens_that_write_or_look_odd_are_left_to_others)
{
	struct io_uring_sqe sqe = {0};
	struct open_how how[2] = {{.flags = O_RDONLY}};

	io_uring_prep_openat(&sqe, dir, "new", O_CREAT | O_WRONLY, 0600);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_openat(&sqe, dir, "file", O_TRUNC | O_WRONLY, 0);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_openat(&sqe, dir, ".", O_TMPFILE | O_WRONLY, 0600);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_openat2(&sqe, dir, "file", how);
	sqe.len = sizeof(how);
	EXPECT(&sqe, -EAGAIN);
	cr_assert_eq(faccessat(dir, "new", F_OK, 0), -1);
	TEST_SKIP_WITHOUT_OPENAT2();
	io_uring_prep_openat(&sqe, dir, "file", O_PATH | O_NOATIME, 0); /* openat(2) takes it, openat2(2) does not */
	EXPECT(&sqe, -EAGAIN);
}

/* For reading it opens, as with O_NONBLOCK: to take that back would cost a writer his reader. */
Test(exec_try, a_named_pipe_without_a_reader_is_not_opened_for_writing)
{
	struct io_uring_sqe sqe = {0};
	int64_t reader;

	TEST_SKIP_WITHOUT_OPENAT2();
	cr_assert_eq(mkfifoat(dir, "fifo", 0600), 0);
	close(openat(dir, "fifo", O_PATH));
	io_uring_prep_openat(&sqe, dir, "fifo", O_WRONLY, 0);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_openat(&sqe, dir, "fifo", O_RDONLY, 0);
	reader = aion__exec_try(&sqe);
	cr_assert_geq(reader, 0);
	cr_assert_eq(fcntl((int)reader, F_GETFL) & O_NONBLOCK, 0);
	io_uring_prep_openat(&sqe, dir, "fifo", O_WRONLY, 0);
	cr_assert_geq(aion__exec_try(&sqe), 0, "it has a reader now");
}

Test(exec_try, what_has_no_way_to_be_tried_says_so)
{
	struct io_uring_sqe sqe = {0};
	struct statx stx = {0};
	int ends[2];

	cr_assert(!pipe(ends));
	io_uring_prep_splice(&sqe, ends[0], -1, ends[1], -1, 1, 0);
	EXPECT(&sqe, -EOPNOTSUPP);
	io_uring_prep_fsync(&sqe, dir, 0);
	EXPECT(&sqe, -EOPNOTSUPP);
	io_uring_prep_close(&sqe, ends[0]);
	EXPECT(&sqe, -EOPNOTSUPP);
	cr_assert_geq(fcntl(ends[0], F_GETFD), 0, "it is still open");
	io_uring_prep_statx(&sqe, dir, "file", AT_STATX_DONT_SYNC, STATX_SIZE, &stx);
	EXPECT(&sqe, -EOPNOTSUPP);
	io_uring_prep_statx(&sqe, dir, "", AT_EMPTY_PATH, STATX_SIZE, &stx);
	EXPECT(&sqe, -EOPNOTSUPP);
	io_uring_prep_fadvise(&sqe, ends[0], 0, 0, POSIX_FADV_WILLNEED);
	EXPECT(&sqe, -EOPNOTSUPP);
	io_uring_prep_read(&sqe, 0, &stx, 1, 0);
	sqe.flags = IOSQE_FIXED_FILE;
	EXPECT(&sqe, -EOPNOTSUPP);
	io_uring_prep_recv(&sqe, 0, NULL, 0, 0);
	sqe.flags = IOSQE_BUFFER_SELECT;
	EXPECT(&sqe, -EOPNOTSUPP);
	close(ends[0]), close(ends[1]);
}

Test(exec_try, what_cannot_block_is_done)
{
	struct io_uring_sqe sqe = {0};
	struct statx stx = {0};
	int fd = openat(dir, "file", O_RDONLY);
	int64_t made;

	io_uring_prep_nop(&sqe);
	EXPECT(&sqe, 0);
	io_uring_prep_statx(&sqe, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &stx);
	EXPECT(&sqe, 0);
	cr_assert_eq(stx.stx_size, 8192);
	io_uring_prep_fadvise(&sqe, fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	EXPECT(&sqe, 0);
	io_uring_prep_socket(&sqe, AF_UNIX, SOCK_STREAM, 0, 0);
	made = aion__exec_try(&sqe);
	cr_assert_geq(made, 0);
	io_uring_prep_shutdown(&sqe, (int)made, SHUT_RDWR);
	EXPECT(&sqe, 0);
	close((int)made);
	close(fd);
}

Test(exec_try, errno_stays_as_it_was)
{
	struct io_uring_sqe sqe = {0};
	int ends[2];

	cr_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	errno = EDOM;
	io_uring_prep_recv(&sqe, ends[0], &ends, 1, 0);
	EXPECT(&sqe, -EAGAIN);
	io_uring_prep_read(&sqe, -1, &ends, 1, 0);
	EXPECT(&sqe, -EBADF);
	io_uring_prep_openat(&sqe, dir, "absent", O_RDONLY, 0);
	aion__exec_try(&sqe);
	io_uring_prep_poll_add(&sqe, -1, POLLIN);
	EXPECT(&sqe, -EBADF);
	cr_assert_eq(errno, EDOM);
	close(ends[0]), close(ends[1]);
}
