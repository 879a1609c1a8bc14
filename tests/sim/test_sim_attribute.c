/* SPDX-License-Identifier: MIT */
/* What is known about a file of the simulated machine: as the kernel tells it. */
#include <sys/xattr.h>

#include "test_both.h"

BOTH_TEST(sim_attribute, attributes_are_those_of_the_kernel, 1)
{
	static const uint32_t masks[] = {0,
					 STATX_TYPE,
					 STATX_SIZE,
					 STATX_MTIME,
					 STATX_BASIC_STATS,
					 STATX_BTIME,
					 STATX_BASIC_STATS | STATX_BTIME};
	const uint32_t known = STATX_BASIC_STATS;
	int fds[BOTH_KIND_NR];
	struct statx about;

	both_open_kinds(both, fds);
	for (size_t k = 0; k < sizeof(masks) / sizeof(masks[0]); k++)
		for (int i = 0; i < BOTH_NONE; i++) {
			both_check_kind(both, aion_statx(fds[i], "", AT_EMPTY_PATH, masks[k], &about));
			/* Pipes and sockets have no time of birth; whether others do is the file system's business. */
			both_note(both, about.stx_mask & known, "%s: mask of %x", both_kind_names[i], masks[k]);
			both_check_kind(both, about.stx_nlink - (i == BOTH_DIRECTORY ? 0 : 1));
		}
	both_close_kinds(both, fds);
}

/* ---- extended attributes */

#define check_by_path(name, size)                                                                                      \
	do {                                                                                                           \
		both_note(both, aion_setxattr(path, name, "abc", 3, 0), "set %.20s", name);                            \
		both_note(both, aion_getxattr(path, name, value, size), "get %.20s", name);                            \
	} while (0)

BOTH_TEST(sim_attribute, extended_attributes_are_those_of_the_kernel, 1)
{
	char long_name[300] = "user.", path[100], value[100], *large = calloc(1, 70000);
	int fd = both_open(both, "f", O_RDWR | O_CREAT);

	memset(long_name + 5, 'x', 294);
	both_path(both, "f", path, sizeof(path));
	check_by_path("user.a", sizeof(value));
	check_by_path("user.a", 0);
	check_by_path("user.a", 2);
	check_by_path("user.", sizeof(value));
	check_by_path("user", sizeof(value));
	check_by_path("", sizeof(value));
	check_by_path("User.a", sizeof(value));
	check_by_path("nonsense.a", sizeof(value));
	check_by_path("system.nonsense", sizeof(value));
	check_by_path("trusted.", sizeof(value));
	check_by_path("security.", sizeof(value));
	check_by_path(long_name, sizeof(value));
	check_by_path(long_name + 44, sizeof(value));
	both_check(both, aion_setxattr(path, "user.a", "again", 5, XATTR_CREATE));
	both_check(both, aion_setxattr(path, "user.b", "again", 5, XATTR_REPLACE));
	both_check(both, aion_setxattr(path, "user.a", "hi", 2, XATTR_REPLACE));
	both_check(both, aion_getxattr(path, "user.a", value, 100));
	both_check(both, both_sum(value, 2));
	both_check(both, aion_setxattr(path, "user.a", NULL, 0, 0));
	both_check(both, aion_getxattr(path, "user.a", value, 100));
	both_check(both, aion_setxattr(path, "user.a", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	both_check(both, aion_setxattr(path, "user.c", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	both_check(both, aion_setxattr(path, "user.a", "x", 1, 1 << 30));
	both_check(both, aion_setxattr(path, "user.a", large, 65537, 0));
	both_check(both, aion_setxattr(path, "", large, 65537, 0));
	both_check(both, aion_setxattr(path, "user.a", (void *)8, 1, 0));
	both_check(both, aion_setxattr(path, "user.d", large, 3000, 0));
	both_check(both, aion_fgetxattr(fd, "user.d", large, 70000));
	both_check(both, aion_fgetxattr(fd, "user.d", large, 2999));
	both_check(both, aion_fsetxattr(fd, "user.a", "hello", 5, 0));
	both_check(both, aion_fgetxattr(fd, "user.a", value, 100));
	both_check(both, aion_getxattr("", "user.a", value, 100));
	both_path(both, "none", path, sizeof(path));
	both_check(both, aion_setxattr(path, "user.a", "x", 1, 0));
	both_check(both, aion_close(fd));
	free(large);
}

BOTH_TEST(sim_attribute, extended_attributes_belong_to_files_and_directories, 1)
{
	char value[10];
	int fds[BOTH_KIND_NR];

	both_open_kinds(both, fds);
	for (int i = 0; i < BOTH_KIND_NR; i++) {
		if (i == BOTH_NULL || i == BOTH_ZERO) /* the test may not leave anything there */
			continue;
		both_check_kind(both, aion_fgetxattr(fds[i], "user.a", value, 10));
		both_check_kind(both, aion_fsetxattr(fds[i], "user.a", "abc", 3, 0));
		both_check_kind(both, aion_fgetxattr(fds[i], "user.a", value, 10));
		both_check_kind(both, aion_fgetxattr(fds[i], "nonsense", value, 10));
		both_check_kind(both, aion_fsetxattr(fds[i], "nonsense", value, 10, 0));
	}
	both_close_kinds(both, fds);
}
