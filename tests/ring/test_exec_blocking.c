/* SPDX-License-Identifier: MIT */
/*
 * Goal: an entry executed by a system call gives what the ring gives for it.
 * Method: the same entry goes both ways, in two copies of one small tree, and results and trees are compared.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "exec_int.h"
#include "test_ring.h"

/* Which way an entry goes. */
enum way {
	BY_RING,
	BY_CALL,
	WAY_NR,
};

static struct aion__ring ring;
static char roots[WAY_NR][64];
static int dirs[WAY_NR];

static void setup(void)
{
	test_ring_open(&ring, 1);
	for (int way = 0; way < WAY_NR; way++) {
		int fd;

		strcpy(roots[way], "/tmp/aion-exec-XXXXXX");
		cr_assert_not_null(mkdtemp(roots[way]));
		dirs[way] = open(roots[way], O_RDONLY | O_DIRECTORY);
		fd = openat(dirs[way], "file", O_CREAT | O_RDWR, 0600);
		cr_assert_eq(write(fd, "0123456789", 10), 10);
		close(fd);
	}
}

static void teardown(void)
{
	aion__ring_fini(&ring);
	for (int way = 0; way < WAY_NR; way++) {
		char command[128];

		close(dirs[way]);
		snprintf(command, sizeof(command), "rm -rf %.40s", roots[way]);
		cr_assert_eq(system(command), 0);
	}
}

TestSuite(exec_blocking, .init = setup, .fini = teardown);

static int64_t go(enum way way, const struct io_uring_sqe *sqe)
{
	cr_assert(aion__exec_has(sqe->opcode), "opcode %u", sqe->opcode);
	if (way == BY_CALL)
		return aion__exec_blocking(sqe);
	cr_assert(aion__ring_has_op(&ring, sqe->opcode), "opcode %u", sqe->opcode);
	return test_ring_do(&ring, sqe).res;
}

static int open_file(enum way way, int flags)
{
	struct io_uring_sqe sqe = {0};
	int64_t fd;

	io_uring_prep_openat(&sqe, dirs[way], "file", flags, 0);
	fd = go(way, &sqe);
	cr_assert_geq(fd, 0, "way %d: %ld", way, (long)fd);
	return (int)fd;
}

static off_t size_of(enum way way, const char *name)
{
	struct stat st;

	return fstatat(dirs[way], name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : st.st_size;
}

#define EACH_WAY(way) for (enum way way = 0; way < WAY_NR; way++)
#define EXPECT(way, sqe, wanted)                                                                                       \
	do {                                                                                                           \
		int64_t result_ = go(way, sqe);                                                                        \
		cr_assert_eq(result_, wanted, "way %d: %ld instead of %ld", way, (long)result_, (long)(wanted));       \
	} while (0)

Test(exec_blocking, read_and_write_at_an_offset_and_at_the_position)
{
	struct io_uring_sqe sqe = {0};
	char bytes[16] = {0};

	EACH_WAY(way)
	{
		int fd = open_file(way, O_RDWR);

		io_uring_prep_read(&sqe, fd, bytes, 3, 4);
		EXPECT(way, &sqe, 3);
		cr_assert_arr_eq(bytes, "456", 3);
		io_uring_prep_read(&sqe, fd, bytes, 2, (uint64_t)-1);
		EXPECT(way, &sqe, 2);
		EXPECT(way, &sqe, 2);
		cr_assert_arr_eq(bytes, "23", 2);
		io_uring_prep_write(&sqe, fd, "xy", 2, (uint64_t)-1);
		EXPECT(way, &sqe, 2);
		io_uring_prep_write(&sqe, fd, "tail", 4, 10);
		EXPECT(way, &sqe, 4);
		io_uring_prep_read(&sqe, fd, bytes, 16, 0);
		EXPECT(way, &sqe, 14);
		cr_assert_arr_eq(bytes, "0123xy6789tail", 14);
		io_uring_prep_read(&sqe, fd, bytes, 16, 14);
		EXPECT(way, &sqe, 0);
		close(fd);
	}
}

Test(exec_blocking, vectors_with_flags)
{
	struct io_uring_sqe sqe = {0};
	char a[3] = {0}; /* valgrind does not see what the ring writes */
	char b[4] = {0};
	struct iovec in[2] = {{a, sizeof(a)}, {b, sizeof(b)}};
	struct iovec out[2] = {{(char *)"ab", 2}, {(char *)"cde", 3}};

	EACH_WAY(way)
	{
		int fd = open_file(way, O_RDWR);

		io_uring_prep_readv(&sqe, fd, in, 2, 1);
		EXPECT(way, &sqe, 7);
		cr_assert_arr_eq(a, "123", 3);
		cr_assert_arr_eq(b, "4567", 4);
		io_uring_prep_writev2(&sqe, fd, out, 2, 0, RWF_APPEND);
		EXPECT(way, &sqe, 5);
		cr_assert_eq(size_of(way, "file"), 15);
		io_uring_prep_writev2(&sqe, fd, out, 2, 0, RWF_DSYNC);
		EXPECT(way, &sqe, 5);
		cr_assert_eq(size_of(way, "file"), 15);
		io_uring_prep_readv(&sqe, fd, in, 2, (uint64_t)-1);
		EXPECT(way, &sqe, 7);
		cr_assert_arr_eq(a, "abc", 3);
		close(fd);
	}
}

Test(exec_blocking, open_and_close)
{
	struct io_uring_sqe sqe = {0};
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};

	EACH_WAY(way)
	{
		int64_t fd;

		io_uring_prep_openat(&sqe, dirs[way], "new", O_CREAT | O_EXCL | O_WRONLY, 0640);
		fd = go(way, &sqe);
		cr_assert_geq(fd, 0);
		EXPECT(way, &sqe, -EEXIST);
		io_uring_prep_close(&sqe, (int)fd);
		EXPECT(way, &sqe, 0);
		EXPECT(way, &sqe, -EBADF);
		io_uring_prep_openat(&sqe, dirs[way], "absent", O_RDONLY, 0);
		EXPECT(way, &sqe, -ENOENT);
		if (way == BY_CALL)
			TEST_SKIP_WITHOUT_OPENAT2();
		io_uring_prep_openat2(&sqe, dirs[way], "file", &how);
		fd = go(way, &sqe);
		cr_assert_geq(fd, 0);
		cr_assert_eq(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
		close((int)fd);
		io_uring_prep_openat2(&sqe, dirs[way], "../x", &how);
		EXPECT(way, &sqe, -EXDEV);
	}
}

Test(exec_blocking, sizes_and_syncing)
{
	struct io_uring_sqe sqe = {0};

	EACH_WAY(way)
	{
		int fd = open_file(way, O_RDWR);

		io_uring_prep_fallocate(&sqe, fd, 0, 100, 4000);
		EXPECT(way, &sqe, 0);
		cr_assert_eq(size_of(way, "file"), 4100);
		io_uring_prep_fallocate(&sqe, fd, 0, 0, 0);
		EXPECT(way, &sqe, -EINVAL);
		io_uring_prep_fsync(&sqe, fd, 0);
		EXPECT(way, &sqe, 0);
		io_uring_prep_fsync(&sqe, fd, IORING_FSYNC_DATASYNC);
		EXPECT(way, &sqe, 0);
		io_uring_prep_sync_file_range(&sqe, fd, 4096, 0, SYNC_FILE_RANGE_WRITE);
		EXPECT(way, &sqe, 0);
		io_uring_prep_sync_file_range(&sqe, fd, 4096, 0, 1 << 20);
		EXPECT(way, &sqe, -EINVAL);
		io_uring_prep_fadvise(&sqe, fd, 0, 4096, POSIX_FADV_SEQUENTIAL);
		EXPECT(way, &sqe, 0);
		io_uring_prep_fadvise(&sqe, fd, 0, 4096, 99);
		EXPECT(way, &sqe, -EINVAL);
		close(fd);
		io_uring_prep_fsync(&sqe, fd, 0);
		EXPECT(way, &sqe, -EBADF);
	}
}

/* What io_uring learned with Linux 6.9: the ring is asked only if it has it. */
Test(exec_blocking, ftruncate)
{
	struct io_uring_sqe sqe = {0};

	EACH_WAY(way)
	{
		int fd;

		if (way == BY_RING && !aion__ring_has_op(&ring, AION__OP_FTRUNCATE))
			continue;
		fd = open_file(way, O_RDWR);
		io_uring_prep_rw(AION__OP_FTRUNCATE, &sqe, fd, NULL, 0, 3);
		EXPECT(way, &sqe, 0);
		cr_assert_eq(size_of(way, "file"), 3);
		sqe.off = (uint64_t)-5;
		EXPECT(way, &sqe, -EINVAL);
		close(fd);
	}
}

/* Lengths stand in 32 bits, or in 64 elsewhere in the entry. */
Test(exec_blocking, madvise)
{
	size_t size = 1 << 16;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_sqe sqe = {0};

	EACH_WAY(way)
	{
		memset(memory, 1, size);
		io_uring_prep_madvise(&sqe, memory, (off_t)size / 2, MADV_DONTNEED);
		EXPECT(way, &sqe, 0);
		cr_assert_eq(memory[0], 0);
		cr_assert_eq(memory[size / 2 - 1], 0);
		cr_assert_eq(memory[size / 2], 1);
		io_uring_prep_madvise(&sqe, memory + 1, (off_t)size, MADV_DONTNEED);
		EXPECT(way, &sqe, -EINVAL);
	}
	memset(memory, 1, size);
	io_uring_prep_madvise(&sqe, memory, 0, MADV_DONTNEED);
	sqe.off = size;
	EXPECT(BY_CALL, &sqe, 0);
	cr_assert_eq(memory[size - 1], 0);
	munmap(memory, size);
}

Test(exec_blocking, names)
{
	struct io_uring_sqe sqe = {0};
	char target[16] = {0};

	EACH_WAY(way)
	{
		int dir = dirs[way];

		io_uring_prep_mkdirat(&sqe, dir, "sub", 0750);
		EXPECT(way, &sqe, 0);
		EXPECT(way, &sqe, -EEXIST);
		io_uring_prep_linkat(&sqe, dir, "file", dir, "sub/hard", 0);
		EXPECT(way, &sqe, 0);
		cr_assert_eq(size_of(way, "sub/hard"), 10);
		io_uring_prep_symlinkat(&sqe, "file", dir, "soft");
		EXPECT(way, &sqe, 0);
		cr_assert_eq(readlinkat(dir, "soft", target, sizeof(target)), 4);
		cr_assert_str_eq(target, "file");
		io_uring_prep_linkat(&sqe, dir, "soft", dir, "followed", AT_SYMLINK_FOLLOW);
		EXPECT(way, &sqe, 0);
		cr_assert_eq(size_of(way, "followed"), 10);
		io_uring_prep_renameat(&sqe, dir, "file", dir, "sub/hard", RENAME_NOREPLACE);
		EXPECT(way, &sqe, -EEXIST);
		io_uring_prep_renameat(&sqe, dir, "soft", dir, "sub/moved", 0);
		EXPECT(way, &sqe, 0);
		cr_assert_eq(size_of(way, "soft"), -ENOENT);
		io_uring_prep_unlinkat(&sqe, dir, "sub", 0);
		EXPECT(way, &sqe, -EISDIR);
		io_uring_prep_unlinkat(&sqe, dir, "sub", AT_REMOVEDIR);
		EXPECT(way, &sqe, -ENOTEMPTY);
		io_uring_prep_unlinkat(&sqe, dir, "sub/moved", 0);
		EXPECT(way, &sqe, 0);
		EXPECT(way, &sqe, -ENOENT);
	}
}

Test(exec_blocking, statx)
{
	struct io_uring_sqe sqe = {0};

	EACH_WAY(way)
	{
		struct statx stx = {0};

		io_uring_prep_statx(&sqe, dirs[way], "file", AT_SYMLINK_NOFOLLOW, STATX_SIZE, &stx);
		EXPECT(way, &sqe, 0);
		cr_assert_eq(stx.stx_size, 10);
		io_uring_prep_statx(&sqe, dirs[way], "absent", 0, STATX_SIZE, &stx);
		EXPECT(way, &sqe, -ENOENT);
	}
}

Test(exec_blocking, extended_attributes)
{
	struct io_uring_sqe sqe = {0};
	char value[16] = {0};

	EACH_WAY(way)
	{
		int fd = open_file(way, O_RDWR);
		char path[128];

		snprintf(path, sizeof(path), "%.40s/file", roots[way]);
		if (fsetxattr(fd, "user.probe", "1", 1, 0) < 0 && errno == EOPNOTSUPP)
			cr_skip_test("no user attributes on this file system");
		io_uring_prep_fsetxattr(&sqe, fd, "user.one", "first", XATTR_CREATE, 5);
		EXPECT(way, &sqe, 0);
		EXPECT(way, &sqe, -EEXIST);
		io_uring_prep_setxattr(&sqe, "user.one", "second", path, XATTR_REPLACE, 6);
		EXPECT(way, &sqe, 0);
		io_uring_prep_fgetxattr(&sqe, fd, "user.one", value, sizeof(value));
		EXPECT(way, &sqe, 6);
		cr_assert_arr_eq(value, "second", 6);
		io_uring_prep_getxattr(&sqe, "user.one", value, path, 2);
		EXPECT(way, &sqe, -ERANGE);
		io_uring_prep_getxattr(&sqe, "user.none", value, path, 2);
		EXPECT(way, &sqe, -ENODATA);
		close(fd);
	}
}

Test(exec_blocking, splice_and_tee)
{
	struct io_uring_sqe sqe = {0};

	EACH_WAY(way)
	{
		int fd = open_file(way, O_RDWR);
		int one[2], two[2];
		char bytes[8] = {0};

		cr_assert(!pipe(one) && !pipe(two));
		io_uring_prep_splice(&sqe, fd, 2, one[1], -1, 5, 0);
		EXPECT(way, &sqe, 5);
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0);
		io_uring_prep_tee(&sqe, one[0], two[1], 3, 0);
		EXPECT(way, &sqe, 3);
		cr_assert_eq(read(two[0], bytes, 8), 3);
		cr_assert_arr_eq(bytes, "234", 3);
		io_uring_prep_splice(&sqe, one[0], -1, fd, 0, 5, 0);
		EXPECT(way, &sqe, 5);
		cr_assert_eq(pread(fd, bytes, 5, 0), 5);
		cr_assert_arr_eq(bytes, "23456", 5);
		io_uring_prep_splice(&sqe, fd, -1, fd, -1, 5, 0);
		EXPECT(way, &sqe, -EINVAL);
		for (int i = 0; i < 2; i++)
			close(one[i]), close(two[i]);
		close(fd);
	}
}

Test(exec_blocking, poll_tells_what_is_ready)
{
	struct io_uring_sqe sqe = {0};

	EACH_WAY(way)
	{
		int ends[2];

		cr_assert(!pipe(ends));
		io_uring_prep_poll_add(&sqe, ends[1], POLLOUT | POLLIN);
		EXPECT(way, &sqe, POLLOUT);
		cr_assert_eq(write(ends[1], "x", 1), 1);
		io_uring_prep_poll_add(&sqe, ends[0], POLLIN);
		EXPECT(way, &sqe, POLLIN);
		close(ends[1]);
		EXPECT(way, &sqe, POLLIN | POLLHUP);
		close(ends[0]);
		EXPECT(way, &sqe, -EBADF);
		io_uring_prep_poll_add(&sqe, -1, POLLIN);
		EXPECT(way, &sqe, -EBADF);
	}
}

Test(exec_blocking, sockets)
{
	struct io_uring_sqe sqe = {0};
	char bytes[8] = {0};
	struct iovec vec = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

	EACH_WAY(way)
	{
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int64_t listener, client, server;

		io_uring_prep_socket(&sqe, AF_UNIX, SOCK_STREAM, 0, 0);
		listener = go(way, &sqe);
		client = go(way, &sqe);
		cr_assert(listener >= 0 && client >= 0);
		snprintf(address.sun_path, sizeof(address.sun_path), "%.40s/socket", roots[way]);
		cr_assert(!bind((int)listener, (struct sockaddr *)&address, sizeof(address)) &&
			  !listen((int)listener, 1));
		io_uring_prep_connect(&sqe, (int)client, (struct sockaddr *)&address, sizeof(address));
		EXPECT(way, &sqe, 0);
		io_uring_prep_accept(&sqe, (int)listener, NULL, NULL, SOCK_CLOEXEC);
		server = go(way, &sqe);
		cr_assert_geq(server, 0);
		cr_assert_eq(fcntl((int)server, F_GETFD), FD_CLOEXEC);
		io_uring_prep_send(&sqe, (int)client, "hello", 5, 0);
		EXPECT(way, &sqe, 5);
		io_uring_prep_recv(&sqe, (int)server, bytes, 2, 0);
		EXPECT(way, &sqe, 2);
		io_uring_prep_recvmsg(&sqe, (int)server, &message, 0);
		EXPECT(way, &sqe, 3);
		cr_assert_arr_eq(bytes, "llo", 3);
		io_uring_prep_sendmsg(&sqe, (int)server, &message, 0);
		EXPECT(way, &sqe, 8);
		io_uring_prep_shutdown(&sqe, (int)client, SHUT_RDWR);
		EXPECT(way, &sqe, 0);
		io_uring_prep_send(&sqe, (int)server, "x", 1, 0);
		EXPECT(way, &sqe, -EPIPE); /* and no SIGPIPE, which would end this test */
		close((int)server), close((int)client), close((int)listener);
	}
}

Test(exec_blocking, what_only_a_ring_can_do_is_refused)
{
	struct io_uring_sqe sqe = {0};
	char byte;

	cr_assert(!aion__exec_has(IORING_OP_ASYNC_CANCEL));
	cr_assert(!aion__exec_has(IORING_OP_MSG_RING));
	cr_assert(!aion__exec_has(1000));
	io_uring_prep_cancel64(&sqe, 1, 0);
	cr_assert_eq(aion__exec_blocking(&sqe), -EINVAL);
	io_uring_prep_read(&sqe, 0, &byte, 1, 0);
	sqe.flags = IOSQE_FIXED_FILE;
	cr_assert_eq(aion__exec_blocking(&sqe), -EINVAL);
	sqe.flags = IOSQE_BUFFER_SELECT;
	cr_assert_eq(aion__exec_blocking(&sqe), -EINVAL);
	io_uring_prep_openat_direct(&sqe, AT_FDCWD, "/", O_RDONLY, 0, 3);
	cr_assert_eq(aion__exec_blocking(&sqe), -EINVAL);
	io_uring_prep_poll_multishot(&sqe, 0, POLLIN);
	cr_assert_eq(aion__exec_blocking(&sqe), -EINVAL);
	io_uring_prep_recv_multishot(&sqe, 0, NULL, 0, 0);
	cr_assert_eq(aion__exec_blocking(&sqe), -EINVAL);
	io_uring_prep_multishot_accept(&sqe, 0, NULL, NULL, 0);
	cr_assert_eq(aion__exec_blocking(&sqe), -EINVAL);
}

Test(exec_blocking, errno_stays_as_it_was)
{
	struct io_uring_sqe sqe = {0};

	errno = EDOM;
	io_uring_prep_close(&sqe, -1);
	cr_assert_eq(aion__exec_blocking(&sqe), -EBADF);
	io_uring_prep_read(&sqe, -1, NULL, 0, 0);
	cr_assert_eq(aion__exec_blocking(&sqe), -EBADF);
	cr_assert_eq(errno, EDOM);
}
