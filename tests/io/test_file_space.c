/* SPDX-License-Identifier: MIT */
/* A file's size and space, what is cached of it, and that it is on the device. */
#include <linux/falloc.h>
#include <sys/mman.h>

#include "test_file.h"

#include "fault_int.h"

#define SIZE 10000
#define LONG (INT64_C(3) << 32) /* a length that 32 bits do not hold, and whose low 32 bits are 0 */

static int64_t size_of(int fd)
{
	struct stat status;

	cr_assert_eq(fstat(fd, &status), 0);
	return status.st_size;
}

static int64_t blocks_of(int fd)
{
	struct stat status;

	cr_assert_eq(fstat(fd, &status), 0);
	return status.st_blocks;
}

static void check_ftruncate(void)
{
	int fd = test_file_make("f", SIZE), read_only = open("f", O_RDONLY);
	struct aion_scope scope;
	char buf[10];

	assert_result(aion_ftruncate(fd, 100), 0);
	assert_result(size_of(fd), 100);
	assert_result(aion_ftruncate(fd, LONG), 0);
	assert_result(size_of(fd), LONG);
	assert_result(aion_pread(fd, buf, 10, 95), 10);
	cr_assert_eq(buf[5], 0);
	assert_result(aion_ftruncate(fd, 0), 0);
	assert_result(size_of(fd), 0);
	assert_result(aion_ftruncate(fd, -1), -EINVAL);
	assert_result(aion_ftruncate(read_only, 5), -EINVAL);
	assert_result(aion_ftruncate(-1, 5), -EBADF);
	test_enter_cancelled(&scope);
	assert_result(aion_ftruncate(fd, 5), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	assert_result(size_of(fd), 0);
}

TASK_TEST(file_space, ftruncate_sets_the_size)
{
	TEST_DIR();
	check_ftruncate();
}

/* Linux 6.1 has no IORING_OP_FTRUNCATE: a worker thread does it, and nobody sees the difference. */
TASK_TEST_AS(file_space, ftruncate_goes_by_workers_where_the_kernel_lacks_it, .as_linux = "6.1")
{
	TEST_DIR();
	check_ftruncate();
	cr_assert_geq(test_stats().worker_nr, 6);
}

TASK_TEST_AS(file_space, many_ftruncates_by_workers, .as_linux = "6.1", .worker_max = 2)
{
	TEST_DIR();
	enum { NR = 200 };
	struct aion_op *ops = calloc(NR, sizeof(*ops));
	int fd = test_file_make("f", SIZE);

	for (int i = 0; i < NR; i++)
		aion_op_ftruncate(&ops[i], fd, 4000 + i);
	for (int i = 0; i < NR; i++)
		assert_result(aion_await(&ops[i].future), 0);
	cr_assert(size_of(fd) >= 4000 && size_of(fd) < 4000 + NR);
	/* Queued ones are withdrawn, those that have begun end. */
	for (int i = 0; i < NR; i++)
		aion_op_ftruncate(&ops[i], fd, 5000);
	aion_op_reap_all(ops, NR);
	for (int i = 0; i < NR; i++)
		cr_assert(ops[i].future.result == 0 || ops[i].future.result == -ECANCELED);
	/* A close ends what queues, and waits for what runs. */
	for (int i = 0; i < NR; i++)
		aion_op_ftruncate(&ops[i], fd, 6000);
	assert_result(aion_close(fd), 0);
	for (int i = 0; i < NR; i++) {
		cr_assert(aion_future_is_done(&ops[i].future));
		cr_assert(ops[i].future.result == 0 || ops[i].future.result == -EBADF);
	}
	free(ops);
}

TASK_TEST(file_space, fallocate_reserves_and_punches)
{
	TEST_DIR();
	int fd = test_file_make("f", 0), pipe_fds[2];

	assert_result(aion_fallocate(fd, 0, 0, 1 << 20), 0);
	assert_result(size_of(fd), 1 << 20);
	cr_assert_geq(blocks_of(fd), (1 << 20) / 512);
	assert_result(aion_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
	assert_result(size_of(fd), 1 << 20);
	cr_assert_lt(blocks_of(fd), (1 << 20) / 512);
	assert_result(aion_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, LONG, LONG), 0);
	assert_result(aion_fallocate(fd, 0, -1, 10), -EINVAL);
	assert_result(aion_fallocate(fd, 0, 0, 0), -EINVAL);
	assert_result(aion_fallocate(fd, 0, INT64_MAX - 5, 10), -EFBIG);
	assert_result(aion_fallocate(fd, 1 << 30, 0, 10), -EOPNOTSUPP);
	assert_result(aion_fallocate(-1, 0, 0, 10), -EBADF);
	test_pipe(pipe_fds);
	assert_result(aion_fallocate(pipe_fds[1], 0, 0, 10), -ESPIPE);
}

TASK_TEST(file_space, sync_calls_reach_the_device)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE), fds[2];

	assert_result(aion_fsync(fd), 0);
	assert_result(aion_fdatasync(fd), 0);
	assert_result(aion_sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE), 0);
	assert_result(aion_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), 0);
	assert_result(aion_sync_file_range(fd, 0, 0, 1 << 20), -EINVAL);
	assert_result(aion_sync_file_range(fd, -1, 5, SYNC_FILE_RANGE_WRITE), -EINVAL);
	test_pipe(fds);
	assert_result(aion_fsync(fds[0]), -EINVAL);
	assert_result(aion_fdatasync(fds[0]), -EINVAL);
	assert_result(aion_sync_file_range(fds[0], 0, 5, SYNC_FILE_RANGE_WRITE), -ESPIPE);
	assert_result(aion_fsync(-1), -EBADF);
	assert_result(aion_fdatasync(-1), -EBADF);
}

/* KiB of a mapping that were written and are not on the device yet. */
static int64_t dirty_kib_of(void *map, size_t size)
{
	char line[256];
	uint64_t low, high;
	long kib;
	bool is_ours = false;
	int64_t dirty = 0;
	FILE *maps = fopen("/proc/self/smaps", "r");

	cr_assert(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
			is_ours = low >= (uintptr_t)map && high <= (uintptr_t)map + size;
		else if (is_ours && (sscanf(line, "Shared_Dirty: %ld", &kib) == 1 ||
				     sscanf(line, "Private_Dirty: %ld", &kib) == 1))
			dirty += kib;
	}
	fclose(maps);
	return dirty;
}

/* A length of 32 bits and a page: whoever drops the upper half reaches the first page only. */
TASK_TEST(file_space, sync_file_range_takes_long_ranges)
{
	TEST_DIR();
	const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	const int64_t far = INT64_C(1) << 32;
	int fd = test_file_make("f", 0);
	char *in, *beyond;

	cr_assert_eq(ftruncate(fd, 2 * far), 0);
	in = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, far);
	beyond = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, far + (1 << 20));
	cr_assert(in != MAP_FAILED && beyond != MAP_FAILED);
	in[0] = beyond[0] = 1;
	assert_result(aion_sync_file_range(fd, 0, far, all), 0);
	cr_assert_eq(dirty_kib_of(in, 4096), 4, "the range ends before it");
	assert_result(aion_sync_file_range(fd, 0, far + 4096, all), 0);
	cr_assert_eq(dirty_kib_of(in, 4096), 0);
	cr_assert_eq(dirty_kib_of(beyond, 4096), 4);
	assert_result(aion_sync_file_range(fd, 0, INT64_MIN, all), -EINVAL);
	assert_result(aion_sync_file_range(-1, 0, LONG, all), -EBADF);
}

/* How many pages of the file are in the page cache. */
static int cached_nr(void *map, size_t size)
{
	unsigned char state[256];
	int nr = 0;

	cr_assert_eq(mincore(map, size, state), 0);
	for (size_t i = 0; i < size / 4096; i++)
		nr += state[i] & 1;
	return nr;
}

TASK_TEST(file_space, fadvise_drops_and_brings_pages)
{
	TEST_DIR();
	const size_t size = 64 * 4096;
	int fd = test_file_make("f", size), fds[2];
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	cr_assert_neq(map, MAP_FAILED);
	cr_assert_eq(fsync(fd), 0);
	assert_result(cached_nr(map, size), 64);
	assert_result(aion_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_result(cached_nr(map, size), 0);
	assert_result(aion_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	assert_result(aion_fadvise(fd, 0, 10, 4711), -EINVAL);
	assert_result(aion_fadvise(-1, 0, 10, POSIX_FADV_NORMAL), -EBADF);
	assert_result(aion_fadvise(fd, 0, -1, POSIX_FADV_NORMAL), -EINVAL);
	test_pipe(fds);
	assert_result(aion_fadvise(fds[0], 0, 10, POSIX_FADV_NORMAL), -ESPIPE);
}

/* LONG's low 32 bits are 0, which alone would mean: to the end of the file. Then a length of 32 bits and a page. */
TASK_TEST(file_space, fadvise_takes_long_ranges)
{
	TEST_DIR();
	const int64_t far = INT64_C(1) << 32;
	int fd = test_file_make("f", 0);
	char *low, *high;

	cr_assert_eq(ftruncate(fd, 2 * far), 0);
	cr_assert_eq(pwrite(fd, "x", 1, 0), 1);
	cr_assert_eq(pwrite(fd, "x", 1, far), 1);
	cr_assert_eq(pwrite(fd, "x", 1, far + 4096), 1);
	low = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	high = mmap(NULL, 2 * 4096, PROT_READ, MAP_SHARED, fd, far);
	cr_assert_eq(fsync(fd), 0);
	assert_result(cached_nr(low, 4096) + cached_nr(high, 2 * 4096), 3);
	assert_result(aion_fadvise(fd, 0, far + 4096, POSIX_FADV_DONTNEED), 0);
	assert_result(cached_nr(low, 4096), 0);
	assert_result(cached_nr(high, 4096), 0);
	assert_result(cached_nr(high + 4096, 4096), 1);
}

TASK_TEST(file_space, madvise_works_on_pages)
{
	const size_t size = 64 * 4096;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(map, MAP_FAILED);
	memset(map, 1, size);
	assert_result(aion_madvise(map, size / 2, MADV_DONTNEED), 0);
	cr_assert_eq(map[0], 0);
	cr_assert_eq(map[size / 2], 1);
	assert_result(aion_madvise(map + 1, 4096, MADV_DONTNEED), -EINVAL);
	assert_result(aion_madvise(map, 4096, 4711), -EINVAL);
	assert_result(aion_madvise(map, 0, MADV_DONTNEED), 0);
}

TASK_TEST(file_space, madvise_takes_long_ranges)
{
	const size_t size = ((size_t)1 << 32) + 8192;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	cr_assert_neq(map, MAP_FAILED);
	map[0] = map[size - 8192] = map[size - 4096] = 1;
	assert_result(aion_madvise(map, size - 4096, MADV_DONTNEED), 0);
	cr_assert_eq(map[0], 0);
	cr_assert_eq(map[size - 8192], 0);
	cr_assert_eq(map[size - 4096], 1);
	cr_assert_eq(munmap(map, size), 0);
	assert_result(aion_madvise(map, size, MADV_WILLNEED), -ENOMEM);
}

TASK_TEST(file_space, cancelled_callers_change_nothing)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	struct aion_scope scope;
	char page[1];

	test_enter_cancelled(&scope);
	assert_result(aion_fsync(fd), -ECANCELED);
	assert_result(aion_fdatasync(fd), -ECANCELED);
	assert_result(aion_sync_file_range(fd, 0, 0, 0), -ECANCELED);
	assert_result(aion_fallocate(fd, 0, 0, 2 * SIZE), -ECANCELED);
	assert_result(aion_ftruncate(fd, 5), -ECANCELED);
	assert_result(aion_fadvise(fd, 0, LONG, POSIX_FADV_DONTNEED), -ECANCELED);
	assert_result(aion_madvise(page, 1, MADV_DONTNEED), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	assert_result(size_of(fd), SIZE);
}

#ifdef AION_FAULTS
TASK_TEST(file_space, errors_of_the_device_are_passed_on)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -EIO);
	assert_result(aion_fsync(fd), -EIO);
	assert_result(aion_fdatasync(fd), -EIO);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -ENOSPC);
	assert_result(aion_fallocate(fd, 0, 0, SIZE), -ENOSPC);
	assert_result(aion_sync_file_range(fd, 0, LONG, 0), -ENOSPC);
	aion__fault_reset();
	/* A job for a worker thread needs memory. */
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_fadvise(fd, 1, LONG, POSIX_FADV_NORMAL), 0);
	aion__fault_reset();
}

TASK_TEST(file_space, job_without_memory_is_refused)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_fadvise(fd, 0, LONG, POSIX_FADV_NORMAL), -ENOMEM);
	aion__fault_reset();
	assert_result(aion_fadvise(fd, 0, LONG, POSIX_FADV_NORMAL), 0);
}

TASK_TEST(file_space, job_without_threads_is_refused)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);

	TEST_NEEDS_KERNEL("a simulated machine starts no threads");
	aion__fault_arm(AION__FAULT_THREAD_CREATE, 0, 1, -EAGAIN);
	assert_result(aion_fadvise(fd, 0, LONG, POSIX_FADV_NORMAL), -EAGAIN);
	aion__fault_reset();
	assert_result(aion_fadvise(fd, 0, LONG, POSIX_FADV_NORMAL), 0);
}
#endif
