/* SPDX-License-Identifier: MIT */
/* Extended attributes. */
#include <sys/xattr.h>

#include "test_file.h"

#include "fault_int.h"

TASK_TEST(xattr_values, are_written_and_read_by_path)
{
	TEST_DIR();
	char value[16] = "";

	test_file_make("f", 10);
	assert_result(aion_setxattr("f", "user.a", "hello", 5, 0), 0);
	assert_result(aion_getxattr("f", "user.a", NULL, 0), 5);
	assert_result(aion_getxattr("f", "user.a", value, sizeof(value)), 5);
	cr_assert_str_eq(value, "hello");
	cr_assert_eq(getxattr("f", "user.a", value, sizeof(value)), 5);
	assert_result(aion_setxattr("f", "user.a", "again", 5, XATTR_CREATE), -EEXIST);
	assert_result(aion_setxattr("f", "user.b", "again", 5, XATTR_REPLACE), -ENODATA);
	assert_result(aion_setxattr("f", "user.a", "hi", 2, XATTR_REPLACE), 0);
	assert_result(aion_getxattr("f", "user.a", value, 1), -ERANGE);
	assert_result(aion_setxattr("f", "user.a", NULL, 0, 0), 0);
	assert_result(aion_getxattr("f", "user.a", value, sizeof(value)), 0);
}

TASK_TEST(xattr_values, are_written_and_read_by_descriptor)
{
	TEST_DIR();
	int fd = test_file_make("f", 10);
	char value[16] = "";

	assert_result(aion_fsetxattr(fd, "user.a", "hello", 5, 0), 0);
	assert_result(aion_fgetxattr(fd, "user.a", NULL, 0), 5);
	assert_result(aion_fgetxattr(fd, "user.a", value, sizeof(value)), 5);
	cr_assert_str_eq(value, "hello");
	assert_result(aion_fsetxattr(fd, "user.a", "x", 1, XATTR_CREATE), -EEXIST);
	assert_result(aion_fgetxattr(fd, "user.a", value, 4), -ERANGE);
	assert_result(aion_fgetxattr(fd, "user.b", value, 4), -ENODATA);
}

TASK_TEST(xattr_values, errors_are_those_of_the_calls)
{
	TEST_DIR();
	int fd = test_file_make("f", 10);
	char *large = calloc(1, 70000);
	char value[16];

	assert_result(aion_getxattr("none", "user.a", value, sizeof(value)), -ENOENT);
	assert_result(aion_setxattr("none", "user.a", "x", 1, 0), -ENOENT);
	assert_result(aion_getxattr("f", "user.a", value, sizeof(value)), -ENODATA);
	assert_result(aion_setxattr("f", "user.a", large, 70000, 0), -E2BIG);
	assert_result(aion_fsetxattr(fd, "user.a", large, (size_t)1 << 32, 0), -E2BIG);
	assert_result(aion_setxattr("f", "nonsense", "x", 1, 0), -EOPNOTSUPP);
	assert_result(aion_setxattr("f", "user.a", "x", 1, 1 << 30), -EINVAL);
	assert_result(aion_setxattr("f", "user.a", (void *)8, 1, 0), -EFAULT);
	assert_result(aion_fsetxattr(-1, "user.a", "x", 1, 0), -EBADF);
	assert_result(aion_fgetxattr(-1, "user.a", value, sizeof(value)), -EBADF);
	free(large);
}

TASK_TEST(xattr_values, cancelled_callers_change_nothing)
{
	TEST_DIR();
	int fd = test_file_make("f", 10);
	struct aion_scope scope;
	char value[16];

	test_enter_cancelled(&scope);
	assert_result(aion_setxattr("f", "user.a", "x", 1, 0), -ECANCELED);
	assert_result(aion_fsetxattr(fd, "user.a", "x", 1, 0), -ECANCELED);
	assert_result(aion_getxattr("f", "user.a", value, 1), -ECANCELED);
	assert_result(aion_fgetxattr(fd, "user.a", value, 1), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(getxattr("f", "user.a", value, 1), -1);
}

#ifdef AION_FAULTS
TASK_TEST(xattr_values, errors_of_the_device_are_passed_on)
{
	char value[16];

	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 4, -ENOSPC);
	assert_result(aion_setxattr("/", "user.a", "x", 1, 0), -ENOSPC);
	assert_result(aion_fsetxattr(0, "user.a", "x", 1, 0), -ENOSPC);
	assert_result(aion_getxattr("/", "user.a", value, 1), -ENOSPC);
	assert_result(aion_fgetxattr(0, "user.a", value, 1), -ENOSPC);
}
#endif
