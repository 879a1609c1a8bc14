/* SPDX-License-Identifier: MIT */
/* Names in directories. */
#include <linux/fs.h>

#include "test_file.h"

#include "fault_int.h"

static bool exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

TASK_TEST(dir_names, statx_tells_what_stat_tells)
{
	TEST_DIR();
	int fd = test_file_make("f", 1234);
	struct statx about;
	struct stat status;

	memset(&about, 0xff, sizeof(about));
	cr_assert_eq(fstat(fd, &status), 0);
	assert_result(aion_statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &about), 0);
	cr_assert_eq(about.stx_size, 1234);
	cr_assert_eq(about.stx_ino, status.st_ino);
	cr_assert_eq(about.stx_mode, status.st_mode);
	memset(&about, 0, sizeof(about));
	assert_result(aion_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &about), 0);
	cr_assert_eq(about.stx_size, 1234);
	cr_assert_eq(symlink("f", "link"), 0);
	assert_result(aion_statx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &about), 0);
	cr_assert(S_ISLNK(about.stx_mode));
	assert_result(aion_statx(AT_FDCWD, "none", 0, STATX_SIZE, &about), -ENOENT);
	assert_result(aion_statx(AT_FDCWD, "f/x", 0, STATX_SIZE, &about), -ENOTDIR);
	assert_result(aion_statx(AT_FDCWD, "f", 1 << 30, STATX_SIZE, &about), -EINVAL);
	assert_result(aion_statx(AT_FDCWD, "f", 0, STATX_SIZE, (void *)8), -EFAULT);
	assert_result(aion_statx(9999, "f", 0, STATX_SIZE, &about), -EBADF);
}

TASK_TEST(dir_names, renameat2_moves_and_exchanges)
{
	TEST_DIR();
	int dir;

	test_file_make("a", 10);
	test_file_make("b", 20);
	cr_assert_eq(mkdir("sub", 0700), 0);
	dir = open("sub", O_RDONLY | O_DIRECTORY);
	assert_result(aion_renameat2(AT_FDCWD, "a", dir, "moved", 0), 0);
	cr_assert(exists("sub/moved") && !exists("a"));
	assert_result(aion_renameat2(dir, "moved", AT_FDCWD, "b", RENAME_NOREPLACE), -EEXIST);
	assert_result(aion_renameat2(dir, "moved", AT_FDCWD, "b", RENAME_EXCHANGE), 0);
	cr_assert(exists("sub/moved") && exists("b"));
	assert_result(aion_renameat2(dir, "moved", AT_FDCWD, "b", 0), 0);
	cr_assert(!exists("sub/moved") && exists("b"));
	assert_result(aion_renameat2(AT_FDCWD, "none", AT_FDCWD, "x", 0), -ENOENT);
	assert_result(aion_renameat2(AT_FDCWD, "sub", AT_FDCWD, "sub/x", 0), -EINVAL);
	assert_result(aion_renameat2(AT_FDCWD, "b", AT_FDCWD, "sub", 0), -EISDIR);
	assert_result(aion_renameat2(AT_FDCWD, "b", AT_FDCWD, "/proc/x", 0), -EXDEV);
	assert_result(aion_renameat2(AT_FDCWD, "b", AT_FDCWD, "c", 1 << 20), -EINVAL);
}

TASK_TEST(dir_names, unlinkat_removes_files_and_directories)
{
	TEST_DIR();
	test_file_make("a", 10);
	assert_result(aion_mkdirat(AT_FDCWD, "sub", 0750), 0);
	test_file_make("sub/b", 10);
	assert_result(aion_unlinkat(AT_FDCWD, "sub", AT_REMOVEDIR), -ENOTEMPTY);
	assert_result(aion_unlinkat(AT_FDCWD, "sub/b", 0), 0);
	assert_result(aion_unlinkat(AT_FDCWD, "sub", 0), -EISDIR);
	assert_result(aion_unlinkat(AT_FDCWD, "sub", AT_REMOVEDIR), 0);
	assert_result(aion_unlinkat(AT_FDCWD, "a", AT_REMOVEDIR), -ENOTDIR);
	assert_result(aion_unlinkat(AT_FDCWD, "a", 0), 0);
	assert_result(aion_unlinkat(AT_FDCWD, "a", 0), -ENOENT);
	assert_result(aion_unlinkat(AT_FDCWD, "a", 1 << 30), -EINVAL);
	cr_assert(!exists("a") && !exists("sub"));
}

TASK_TEST(dir_names, mkdirat_makes_directories)
{
	TEST_DIR();
	struct stat status;
	int dir;

	assert_result(aion_mkdirat(AT_FDCWD, "d", 0710), 0);
	cr_assert_eq(stat("d", &status), 0);
	cr_assert(S_ISDIR(status.st_mode));
	cr_assert_eq(status.st_mode & 0777, 0710);
	dir = open("d", O_RDONLY | O_DIRECTORY);
	assert_result(aion_mkdirat(dir, "e", 0700), 0);
	cr_assert(exists("d/e"));
	assert_result(aion_mkdirat(AT_FDCWD, "d", 0700), -EEXIST);
	assert_result(aion_mkdirat(AT_FDCWD, "none/x", 0700), -ENOENT);
	assert_result(aion_mkdirat(9999, "x", 0700), -EBADF);
}

TASK_TEST(dir_names, links_of_both_kinds)
{
	TEST_DIR();
	int fd = test_file_make("f", 10);
	struct stat status;
	char target[10] = "";

	assert_result(aion_linkat(AT_FDCWD, "f", AT_FDCWD, "g", 0), 0);
	cr_assert_eq(fstat(fd, &status), 0);
	cr_assert_eq(status.st_nlink, 2);
	assert_result(aion_linkat(AT_FDCWD, "f", AT_FDCWD, "g", 0), -EEXIST);
	assert_result(aion_linkat(AT_FDCWD, "none", AT_FDCWD, "h", 0), -ENOENT);
	assert_result(aion_linkat(AT_FDCWD, "f", AT_FDCWD, "h", 1 << 30), -EINVAL);
	assert_result(aion_linkat(AT_FDCWD, "f", AT_FDCWD, "/dev/shm/aion-test-link", 0), -EXDEV);
	assert_result(aion_symlinkat("f", AT_FDCWD, "s"), 0);
	cr_assert_eq(readlink("s", target, sizeof(target)), 1);
	cr_assert_str_eq(target, "f");
	assert_result(aion_symlinkat("f", AT_FDCWD, "s"), -EEXIST);
	assert_result(aion_symlinkat("", AT_FDCWD, "t"), -ENOENT);
	assert_result(aion_linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW), 0);
	cr_assert_eq(fstat(fd, &status), 0);
	cr_assert_eq(status.st_nlink, 3);
}

TASK_TEST(dir_names, cancelled_callers_change_nothing)
{
	TEST_DIR();
	struct aion_scope scope;
	struct statx about;

	test_file_make("f", 10);
	test_enter_cancelled(&scope);
	assert_result(aion_statx(AT_FDCWD, "f", 0, STATX_SIZE, &about), -ECANCELED);
	assert_result(aion_renameat2(AT_FDCWD, "f", AT_FDCWD, "g", 0), -ECANCELED);
	assert_result(aion_unlinkat(AT_FDCWD, "f", 0), -ECANCELED);
	assert_result(aion_mkdirat(AT_FDCWD, "g", 0700), -ECANCELED);
	assert_result(aion_linkat(AT_FDCWD, "f", AT_FDCWD, "g", 0), -ECANCELED);
	assert_result(aion_symlinkat("f", AT_FDCWD, "g"), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert(exists("f") && !exists("g"));
}

/* A hundred names in one batch. */
TASK_TEST(dir_names, operations_run_side_by_side)
{
	TEST_DIR();
	enum { NR = 100 };
	struct aion_op ops[NR];
	char names[NR][16];

	memset(ops, 0, sizeof(ops));
	for (int i = 0; i < NR; i++) {
		snprintf(names[i], sizeof(names[i]), "d%d", i);
		aion_op_mkdirat(&ops[i], AT_FDCWD, names[i], 0700);
	}
	for (int i = 0; i < NR; i++)
		assert_result(aion_await(&ops[i].future), 0);
	for (int i = 0; i < NR; i++)
		aion_op_unlinkat(&ops[i], AT_FDCWD, names[i], AT_REMOVEDIR);
	for (int i = 0; i < NR; i++)
		assert_result(aion_await(&ops[i].future), 0);
	for (int i = 0; i < NR; i++)
		cr_assert_not(exists(names[i]));
}

#ifdef AION_FAULTS
TASK_TEST(dir_names, errors_of_the_device_are_passed_on)
{
	TEST_DIR();
	struct statx about;

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 3, -EIO);
	assert_result(aion_statx(AT_FDCWD, ".", 0, STATX_SIZE, &about), -EIO);
	assert_result(aion_renameat2(AT_FDCWD, "f", AT_FDCWD, "g", 0), -EIO);
	assert_result(aion_unlinkat(AT_FDCWD, "f", 0), -EIO);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 3, -ENOSPC);
	assert_result(aion_mkdirat(AT_FDCWD, "d", 0700), -ENOSPC);
	assert_result(aion_linkat(AT_FDCWD, "f", AT_FDCWD, "g", 0), -ENOSPC);
	assert_result(aion_symlinkat("f", AT_FDCWD, "s"), -ENOSPC);
}
#endif
