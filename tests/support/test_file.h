/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_FILE_H
#define AION_TEST_FILE_H
/*
 * What the tests of file operations share: a test whose body is the main task of a fresh loop, a directory of its own,
 * files with a known content.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <aion.h>

#include "test_machine.h"

/* A test's body as a task that returns 4711. */
#define TASK_OF_BODY(suite, fact)                                                                                      \
	static void suite##_##fact##_body(void);                                                                       \
	static int64_t suite##_##fact##_task(void *unused)                                                             \
	{                                                                                                              \
		(void)unused;                                                                                          \
		suite##_##fact##_body();                                                                               \
		return 4711;                                                                                           \
	}

/* TASK_TEST(file_read, states_a_fact) { … }  the body runs inside a task. TASK_TEST_AS: on a loop with options. */
#define TASK_TEST_AS(suite, fact, ...)                                                                                 \
	TASK_OF_BODY(suite, fact)                                                                                      \
	Test(suite, fact)                                                                                              \
	{                                                                                                              \
		const struct aion_loop_options options = {__VA_ARGS__};                                                \
		cr_assert_eq(aion_run(suite##_##fact##_task, NULL, &options), 4711);                                   \
	}                                                                                                              \
	static void suite##_##fact##_body(void)
#define TASK_TEST(suite, fact) TASK_TEST_AS(suite, fact, .entry_nr = 0)

/* The same for one whose own faults are the only ones, also on a hostile machine: test_machine_spare(). */
#define SPARED_TEST(suite, fact)                                                                                       \
	static void suite##_##fact##_spared(void);                                                                     \
	TASK_TEST(suite, fact)                                                                                         \
	{                                                                                                              \
		test_machine_spare();                                                                                  \
		suite##_##fact##_spared();                                                                             \
	}                                                                                                              \
	static void suite##_##fact##_spared(void)

/* What a call says that is repeated as often as it is interrupted. */
#define test_again(call)                                                                                               \
	({                                                                                                             \
		int64_t again_;                                                                                        \
		do                                                                                                     \
			again_ = (call);                                                                               \
		while (again_ == -EINTR);                                                                              \
		again_;                                                                                                \
	})

/* A fact about a result, with what it was instead. */
#define assert_result(expression, expected)                                                                            \
	do {                                                                                                           \
		int64_t result_ = (expression);                                                                        \
		int64_t expected_ = (expected);                                                                        \
		cr_assert(result_ == expected_, "%s is %lld (%s), not %lld", #expression, (long long)result_,          \
			  result_ < 0 ? strerror((int)-result_) : "no error", (long long)expected_);                   \
	} while (0)

/* A directory of the test's own, which is the current one until the end of the block; then it goes with its files. */
struct test_dir {
	char path[64];
};

static inline int test_dir_remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status, (void)type, (void)where;
	return remove(path);
}

static inline void test_dir_remove(struct test_dir *dir)
{
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(nftw(dir->path, test_dir_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct test_dir test_dir_make(const char *parent)
{
	struct test_dir dir;

	snprintf(dir.path, sizeof(dir.path), "%s/aion-test-XXXXXX", parent);
	cr_assert(mkdtemp(dir.path));
	cr_assert_eq(chdir(dir.path), 0);
	return dir;
}

#define TEST_DIR_IN(parent)                                                                                            \
	__attribute__((cleanup(test_dir_remove), unused)) struct test_dir dir_ = test_dir_make(parent)
#define TEST_DIR() TEST_DIR_IN("/tmp")

/* The byte that stands at an offset of a test's file. */
static inline char test_byte(size_t off)
{
	return (char)(off * 31 + off / 251 + 7);
}

static inline void test_fill(char *buf, size_t size, size_t off)
{
	for (size_t i = 0; i < size; i++)
		buf[i] = test_byte(off + i);
}

static inline bool test_is_filled(const char *buf, size_t size, size_t off)
{
	for (size_t i = 0; i < size; i++)
		if (buf[i] != test_byte(off + i))
			return false;
	return true;
}

/* A file of `size` known bytes, open for reading and writing. */
static inline int test_file_make(const char *name, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char *content = malloc(size + 1);

	cr_assert(fd >= 0 && content);
	test_fill(content, size, 0);
	cr_assert_eq(write(fd, content, size), (ssize_t)size);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	free(content);
	return fd;
}

/* Bring a part of the file to the device and drop it from the page cache; now and then that takes more than one try. */
static inline void test_file_drop(int fd, size_t off, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)off);
	size_t page_nr = size / 4096, cached_nr = page_nr;
	unsigned char *state = malloc(page_nr);

	cr_assert(map != MAP_FAILED && state);
	for (int i = 0; cached_nr && i < 1000; i++) {
		cr_assert_eq(fsync(fd), 0);
		cr_assert_eq(posix_fadvise(fd, (off_t)off, (off_t)size, POSIX_FADV_DONTNEED), 0);
		cr_assert_eq(mincore(map, size, state), 0);
		cached_nr = 0;
		for (size_t k = 0; k < page_nr; k++)
			cached_nr += state[k] & 1;
		if (cached_nr)
			usleep(1000);
	}
	cr_assert_eq(cached_nr, 0, "%zu pages stay cached", cached_nr);
	cr_assert_eq(munmap(map, size), 0);
	free(state);
}

static inline void test_pipe(int fds[2])
{
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
}

/* The scope's cancelled state, to see that a call refuses before any effect. */
static inline void test_enter_cancelled(struct aion_scope *scope)
{
	aion_scope_enter(scope, AION_NEVER);
	aion_scope_cancel(scope);
}

static inline struct aion_loop_stats test_stats(void)
{
	struct aion_loop_stats stats;

	aion_loop_stats(aion_loop_current(), &stats);
	return stats;
}

#endif
