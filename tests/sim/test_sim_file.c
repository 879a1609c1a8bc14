/* SPDX-License-Identifier: MIT */
/* Open files on the simulated machine: as the kernel does, and what only the machine has. */
#include <linux/falloc.h>

#include "test_both.h"

#define OPENED_NR 5 /* descriptors of two files */
#define REACH 40000 /* bytes of a file that are used */
#define SIZE_MAX_ONCE 12000
#define HUGE (INT64_C(1) << 44) /* beyond the largest file */

/* ---- a random walk through what is done to open files */

struct walker {
	struct both *both;
	int opened[OPENED_NR];
	char *buf;
};

static int any_file(struct walker *walker)
{
	return walker->opened[both_random(walker->both, OPENED_NR)];
}

static size_t any_size(struct walker *walker)
{
	return both_random(walker->both, both_random(walker->both, 4) ? 600 : SIZE_MAX_ONCE);
}

static int64_t any_off(struct walker *walker)
{
	return both_random(walker->both, both_random(walker->both, 3) ? REACH : 20000);
}

static void walk_fill(struct walker *walker, size_t size)
{
	char first = (char)both_random(walker->both, 250);

	for (size_t i = 0; i < size; i++)
		walker->buf[i] = (char)(first + (char)(i % 7));
}

static void walk_write(struct walker *walker)
{
	struct both *both = walker->both;
	int fd = any_file(walker);
	size_t size = any_size(walker);
	int64_t off = any_off(walker);
	struct iovec iov[3] = {{walker->buf, size / 3}, {NULL, 0}, {walker->buf + size / 3, size - size / 3}};

	walk_fill(walker, size);
	switch (both_random(both, 4)) {
	case 0:
		both_note(both, aion_write(fd, walker->buf, size), "write %zu", size);
		break;
	case 1:
		both_note(both, aion_pwritev(fd, iov, 3, off), "pwritev %zu at %lld", size, (long long)off);
		break;
	case 2:
		both_note(both, aion_pwritev2(fd, iov, 3, off, RWF_APPEND), "append %zu", size);
		break;
	default:
		both_note(both, aion_pwrite(fd, walker->buf, size, off), "pwrite %zu at %lld", size, (long long)off);
	}
}

static void walk_read(struct walker *walker)
{
	struct both *both = walker->both;
	int fd = any_file(walker);
	size_t size = any_size(walker);
	int64_t off = any_off(walker), result;
	struct iovec iov[3] = {{walker->buf, size / 3}, {NULL, 0}, {walker->buf + size / 3, size - size / 3}};

	switch (both_random(both, 3)) {
	case 0:
		result = both_note(both, aion_read(fd, walker->buf, size), "read %zu", size);
		break;
	case 1:
		result = both_note(both, aion_preadv(fd, iov, 3, off), "preadv %zu at %lld", size, (long long)off);
		break;
	default:
		result = both_note(both, aion_pread(fd, walker->buf, size, off), "pread %zu at %lld", size,
				   (long long)off);
	}
	if (result > 0)
		both_note(both, both_sum(walker->buf, result), "what was read");
}

static void walk_space(struct walker *walker)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	};
	struct both *both = walker->both;
	int fd = any_file(walker), mode = modes[both_random(both, sizeof(modes) / sizeof(modes[0]))];
	int64_t off = any_off(walker), size = (int64_t)any_size(walker);

	if (both_random(both, 4) == 0)
		both_note(both, aion_ftruncate(fd, off), "truncate to %lld", (long long)off);
	else
		both_note(both, aion_fallocate(fd, mode, off, size), "fallocate %x %lld at %lld", (unsigned)mode,
			  (long long)size, (long long)off);
}

static void walk_look(struct walker *walker)
{
	struct both *both = walker->both;
	int fd = any_file(walker);
	struct statx about;

	both_note(both, aion_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about), "statx");
	both_note(both, (int64_t)about.stx_size, "size");
	both_note(both, aion_fsync(fd), "fsync");
	both_note(both, aion_sync_file_range(fd, any_off(walker), 100, SYNC_FILE_RANGE_WRITE), "sync_file_range");
	both_note(both, aion_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), "fadvise");
}

static void walk(struct both *both)
{
	static void (*const steps[])(struct walker * walker) = {walk_write, walk_write, walk_write, walk_read,
								walk_read,  walk_read,  walk_space, walk_look};
	static const int flags[OPENED_NR] = {O_RDWR, O_RDWR | O_APPEND, O_RDONLY, O_WRONLY, O_RDWR};
	struct walker walker = {.both = both, .buf = malloc(SIZE_MAX_ONCE)};

	for (int i = 0; i < OPENED_NR; i++)
		walker.opened[i] = (int)aion_openat(both->dir, i < OPENED_NR - 1 ? "f" : "g",
						    flags[i] | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < 800; i++)
		steps[both_random(both, sizeof(steps) / sizeof(steps[0]))](&walker);
	for (int i = 0; i < OPENED_NR; i++)
		both_check(both, aion_close(walker.opened[i]));
	free(walker.buf);
}

/* BOTH_FIRST and BOTH_NR in the environment: which walks, and how many. */
Test(sim_file, random_calls_end_as_in_the_kernel)
{
	const char *first = getenv("BOTH_FIRST"), *nr = getenv("BOTH_NR");
	unsigned long begin = first ? strtoul(first, NULL, 0) : 1, end = begin + (nr ? strtoul(nr, NULL, 0) : 3);

	for (unsigned long random = begin; random < end; random++)
		both_run(NULL, random * UINT64_C(0x9e3779b97f4a7c15), walk);
}

/* ---- what may be done to what */

BOTH_TEST(sim_file, each_kind_refuses_what_the_kernel_refuses, 1)
{
	struct statx about;
	int fds[BOTH_KIND_NR];

	both_open_kinds(both, fds);
	for (int i = 0; i < BOTH_KIND_NR; i++) {
		both_check_kind(both, aion_fsync(fds[i]));
		both_check_kind(both, aion_fdatasync(fds[i]));
		both_check_kind(both, aion_sync_file_range(fds[i], 0, 10, SYNC_FILE_RANGE_WRITE));
		both_check_kind(both, aion_sync_file_range(fds[i], 0, 10, 1 << 20));
		both_check_kind(both, aion_sync_file_range(fds[i], -1, 10, SYNC_FILE_RANGE_WRITE));
		both_check_kind(both, aion_sync_file_range(fds[i], INT64_MAX - 5, 10, SYNC_FILE_RANGE_WRITE));
		both_check_kind(both, aion_fadvise(fds[i], 0, 10, POSIX_FADV_NORMAL));
		both_check_kind(both, aion_fadvise(fds[i], 0, 10, 4711));
		both_check_kind(both, aion_fadvise(fds[i], 0, -1, POSIX_FADV_NORMAL));
		both_check_kind(both, aion_fallocate(fds[i], 0, 0, 10));
		both_check_kind(both, aion_fallocate(fds[i], 0, -1, 10));
		both_check_kind(both, aion_fallocate(fds[i], 0, 0, 0));
		both_check_kind(both, aion_fallocate(fds[i], FALLOC_FL_PUNCH_HOLE, 0, 10));
		both_check_kind(both, aion_fallocate(fds[i], 1 << 30, 0, 10));
		both_check_kind(both, aion_fallocate(fds[i], 0, INT64_MAX - 5, 10));
		both_check_kind(both, aion_fallocate(fds[i], FALLOC_FL_KEEP_SIZE, HUGE - 4096, 10));
		both_check_kind(both, aion_ftruncate(fds[i], 100));
		both_check_kind(both, aion_ftruncate(fds[i], -1));
		both_check_kind(both, aion_ftruncate(fds[i], HUGE));
		if (both_check_kind(both, aion_statx(fds[i], "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about)) < 0)
			continue;
		both_check_kind(both, about.stx_mode & S_IFMT);
		both_check_kind(both, (int64_t)about.stx_blksize);
		both_check_kind(both, (int64_t)about.stx_rdev_major * 1000 + about.stx_rdev_minor);
	}
	both_close_kinds(both, fds);
}

BOTH_TEST(sim_file, each_kind_reads_and_writes_as_in_the_kernel, 1)
{
	static const unsigned flags[] = {RWF_NOWAIT, RWF_DSYNC, RWF_HIPRI, 1 << 30, RWF_SYNC | RWF_HIPRI};
	char buf[16] = "abc";
	const struct iovec iov = {buf, 2};
	int fds[BOTH_KIND_NR];

	both_open_kinds(both, fds);
	for (int i = 0; i < BOTH_KIND_NR; i++) {
		/* The other end first, or this end would wait. */
		int from = i == BOTH_PIPE_IN        ? fds[BOTH_PIPE_OUT]
			   : i == BOTH_SOCKET       ? fds[BOTH_SOCKET_OTHER]
			   : i == BOTH_SOCKET_OTHER ? fds[BOTH_SOCKET]
						    : -1;

		both_check_kind(both, aion_write(fds[i], buf, 3));
		both_check_kind(both, aion_pwrite(fds[i], buf, 3, 0));
		both_check_kind(both, aion_write(fds[i], buf, 0));
		both_check_kind(both, aion_pwritev2(fds[i], &iov, 1, 7, RWF_APPEND));
		both_check_kind(both, aion_pwritev2(fds[i], &iov, 1, -5, 0));
		both_check_kind(both, aion_pwritev2(fds[i], &iov, 1, INT64_MAX - 1, 0));
		both_check_kind(both, aion_read(fds[i], buf, 0));
		if (i != BOTH_NONE) /* where both would be wrong */
			both_check_kind(both, aion_preadv2(fds[i], &iov, 1, -5, 0));
		both_check_kind(both, aion_preadv2(fds[i], &iov, 1, INT64_MAX - 1, 0));
		for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
			if (flags[k] != RWF_NOWAIT)
				both_check_kind(both, aion_pwritev2(fds[i], &iov, 1, 0, (int)flags[k]));
			assert_result(from < 0 ? 2 : aion_write(from, buf, 2), 2);
			both_check_kind(both, aion_preadv2(fds[i], &iov, 1, -1, (int)flags[k]));
		}
		both_check_kind(both, aion_preadv(fds[i], &iov, 1, 0));
		both_check_kind(both, aion_write(fds[i], buf, 1));
		if (i != BOTH_SOCKET_OTHER)
			both_check_kind(both, aion_read(fds[i], buf, 1));
	}
	both_close_kinds(both, fds);
}

BOTH_TEST(sim_file, largest_offsets_are_those_of_the_kernel, 1)
{
	const int64_t end = HUGE - 4096;
	int fd = both_open(both, "f", O_RDWR | O_CREAT);
	char buf[100] = "";
	struct statx about;

	both_check(both, aion_pwrite(fd, buf, 100, end - 10));
	both_check(both, aion_pwrite(fd, buf, 100, end));
	both_check(both, aion_pwrite(fd, buf, 0, end));
	both_check(both, aion_pwrite(fd, buf, 1, INT64_MAX - 200));
	both_check(both, aion_pread(fd, buf, 100, end - 10));
	both_check(both, aion_pread(fd, buf, 100, end));
	both_check(both, aion_pread(fd, buf, 1, INT64_MAX - 200));
	both_check(both, aion_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about));
	both_check(both, (int64_t)about.stx_size);
	both_check(both, aion_ftruncate(fd, end));
	both_check(both, aion_ftruncate(fd, end + 1));
	both_check(both, aion_ftruncate(fd, 5));
	both_check(both, aion_pread(fd, buf, 100, 0));
	both_check(both, aion_pread(fd, buf, 100, 5));
	both_check(both, aion_close(fd));
}

BOTH_TEST(sim_file, direct_files_count_in_sectors, 1)
{
	int fd = both_open(both, "f", O_RDWR | O_CREAT), direct;
	char *buf = aligned_alloc(4096, 8192);

	memset(buf, 'x', 8192);
	both_check(both, aion_pwrite(fd, buf, 1000, 0));
	both_check(both, aion_close(fd));
	direct = both_open(both, "f", O_RDWR | O_DIRECT);
	both_check(both, aion_pread(direct, buf, 100, 0));
	both_check(both, aion_pread(direct, buf, 512, 100));
	both_check(both, aion_pread(direct, buf, 1024, 0));
	both_check(both, aion_pread(direct, buf, 1024, 512));
	both_check(both, aion_pread(direct, buf, 1024, 5120));
	both_check(both, aion_pwrite(direct, buf, 100, 0));
	both_check(both, aion_pwrite(direct, buf, 512, 100));
	both_check(both, aion_pwrite(direct, buf, 4096, 4096));
	both_check(both, aion_read(direct, buf, 8192));
	both_check(both, aion_close(direct));
	free(buf);
}

/* What fits is written, and that is the end of the write. */
BOTH_TEST(sim_file, full_pipes_take_what_fits, 1)
{
	char *buf = calloc(1, 100000);
	struct iovec iov = {buf, 100};
	int fds[2];

	both_pipe(both, fds, O_NONBLOCK);
	both_check(both, aion_write(fds[1], buf, 100000));
	both_check(both, aion_pwritev2(fds[1], &iov, 1, -1, RWF_NOWAIT));
	both_check(both, aion_read(fds[0], buf, 4096));
	both_check(both, aion_write(fds[1], buf, 8000));
	both_check(both, aion_read(fds[0], buf, 100000));
	both_check(both, aion_preadv2(fds[0], &iov, 1, -1, RWF_NOWAIT));
	both_check(both, aion_close(fds[1]));
	both_check(both, aion_read(fds[0], buf, 10));
	both_check(both, aion_close(fds[0]));
	free(buf);
}

/* O_NONBLOCK keeps nobody from waiting: io_uring tries again when there is something. */
BOTH_TEST(sim_file, nonblocking_files_are_waited_for, 1)
{
	struct aion_op read = {0};
	char buf[10];
	int fds[2];

	both_pipe(both, fds, O_NONBLOCK);
	aion_op_read(&read, fds[0], buf, sizeof(buf));
	aion_sleep(AION_MILLISECOND);
	both_check(both, aion_write(fds[1], "abc", 3));
	both_check(both, aion_await(&read.future));
	both_check(both, aion_close(fds[0]));
	both_check(both, aion_write(fds[1], "abc", 3));
	both_check(both, aion_close(fds[1]));
}

/* ---- what only the machine has */

SIM_TEST(sim_file, full_disk_takes_what_fits, .disk_size = 10000)
{
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0600), other;
	char buf[8000];

	memset(buf, 'x', sizeof(buf));
	assert_result(aion_write((int)fd, buf, 8000), 8000);
	assert_result(aion_write((int)fd, buf, 8000), 2000);
	assert_result(aion_write((int)fd, buf, 8000), -ENOSPC);
	other = aion_openat(AT_FDCWD, "/g", O_RDWR | O_CREAT, 0600);
	assert_result(aion_pwrite((int)other, buf, 1, 5000), -ENOSPC);
	assert_result(aion_fallocate((int)other, 0, 0, 1), -ENOSPC);
	assert_result(aion_fallocate((int)fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	assert_result(aion_pwrite((int)other, buf, 8000, 0), 4096);
	assert_result(aion_ftruncate((int)other, 96), 0);
	assert_result(aion_pwrite((int)fd, buf, 4096, 0), 4000);
	assert_result(aion_pwrite((int)fd, buf, 1, 20000), -ENOSPC);
	assert_result(aion_unlinkat(AT_FDCWD, "/g", 0), 0);
	assert_result(aion_pwrite((int)fd, buf, 96, 10000), -ENOSPC);
	assert_result(aion_close((int)other), 0);
	assert_result(aion_pwrite((int)fd, buf, 200, 4000), 200);
	assert_result(aion_fallocate((int)fd, 0, 0, INT64_C(1) << 40), -ENOSPC);
	assert_result(aion_close((int)fd), 0);
	(void)sim;
}

/* Cut anywhere, it gets there in the end; the position goes along. */
SIM_TEST(sim_file, short_reads_and_writes_lose_nothing)
{
	enum { SIZE = 300000 };
	char *buf = malloc(SIZE), *back = malloc(SIZE);
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0600);
	unsigned short_nr = 0;
	const void *data;
	size_t done = 0, size;

	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 1000000);
	aion_sim_knob_set(sim, AION_SIM_SHORT_WRITE, 1000000);
	test_fill(buf, SIZE, 0);
	while (done < SIZE) {
		int64_t result = aion_write((int)fd, buf + done, SIZE - done);

		cr_assert_gt(result, 0);
		cr_assert(result < (int64_t)(SIZE - done) || SIZE - done == 1);
		done += (size_t)result;
		short_nr++;
	}
	cr_assert_gt(short_nr, 5);
	assert_result(aion_sim_file_read(sim, "/f", &data, &size), 0);
	cr_assert(size == SIZE && test_is_filled(data, SIZE, 0));
	assert_result(aion_pread_exact((int)fd, back, SIZE, 0, NULL), 0);
	cr_assert(test_is_filled(back, SIZE, 0));
	assert_result(aion_pread((int)fd, back, 1, 0), 1);
	assert_result(aion_close((int)fd), 0);
	free(buf);
	free(back);
}

SIM_TEST(sim_file, short_direct_reads_end_at_sectors)
{
	char *buf = aligned_alloc(4096, 8192);
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT | O_DIRECT, 0600);

	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	aion_sim_knob_set(sim, AION_SIM_SHORT_WRITE, 0);
	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 1000000);
	memset(buf, 'x', 8192);
	assert_result(aion_pwrite((int)fd, buf, 8192, 0), 8192);
	for (int i = 0; i < 50; i++) {
		int64_t result = aion_pread((int)fd, buf, 8192, 0);

		cr_assert(result > 0 && result < 8192 && result % 512 == 0);
	}
	assert_result(aion_pread((int)fd, buf, 512, 0), 512);
	assert_result(aion_close((int)fd), 0);
	free(buf);
}

/* What a test has been shown stays as long as the file does. */
SIM_TEST(sim_file, content_of_sparse_files_is_shown_in_one_piece)
{
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0600);
	const void *data, *again;
	struct statx about;
	size_t size;

	assert_result(aion_pwrite((int)fd, "end", 3, (3 << 20) - 3), 3);
	assert_result(aion_pwrite((int)fd, "begin", 5, 0), 5);
	assert_result(aion_statx((int)fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about), 0);
	cr_assert_eq(about.stx_blocks, 2 * 8);
	assert_result(aion_sim_file_read(sim, "/f", &data, &size), 0);
	cr_assert_eq(size, 3 << 20);
	cr_assert_arr_eq(data, "begin\0\0", 7);
	cr_assert_arr_eq((const char *)data + size - 4, "\0end", 4);
	assert_result(aion_sim_file_read(sim, "/f", &again, &size), 0);
	cr_assert_eq(data, again);
	assert_result(aion_ftruncate((int)fd, 2), 0);
	assert_result(aion_sim_file_read(sim, "/f", &data, &size), 0);
	cr_assert_eq(size, 2);
	cr_assert_arr_eq(data, "be", 2);
	assert_result(aion_close((int)fd), 0);
}

SIM_TEST(sim_file, times_are_the_machine_s, .start_ns = 5 * AION_SECOND)
{
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0600);
	struct statx before, after;

	assert_result(aion_statx((int)fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &before), 0);
	cr_assert_eq(before.stx_mtime.tv_sec, 5);
	cr_assert_eq(before.stx_btime.tv_sec, 5);
	aion_sim_advance(sim, 10 * AION_SECOND);
	assert_result(aion_pwrite((int)fd, "x", 1, 0), 1);
	assert_result(aion_statx((int)fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &after), 0);
	cr_assert_eq(after.stx_mtime.tv_sec, 15);
	cr_assert_eq(after.stx_ctime.tv_sec, 15);
	cr_assert_eq(after.stx_btime.tv_sec, 5);
	cr_assert_eq(after.stx_ino, before.stx_ino);
	assert_result(aion_close((int)fd), 0);
}

SIM_TEST(sim_file, nowait_ends_with_eagain_unless_the_knob_strikes)
{
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0600);
	char buf[10] = "abc";
	const struct iovec iov = {buf, 3};

	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	assert_result(aion_pwritev2((int)fd, &iov, 1, 0, RWF_NOWAIT), -EAGAIN);
	assert_result(aion_pwritev2((int)fd, &iov, 1, 0, 0), 3);
	assert_result(aion_preadv2((int)fd, &iov, 1, 0, RWF_NOWAIT), -EAGAIN);
	aion_sim_knob_set(sim, AION_SIM_TRY, 1000000);
	assert_result(aion_pwritev2((int)fd, &iov, 1, 0, RWF_NOWAIT), 3);
	assert_result(aion_preadv2((int)fd, &iov, 1, 0, RWF_NOWAIT), 3);
	assert_result(aion_close((int)fd), 0);
}
