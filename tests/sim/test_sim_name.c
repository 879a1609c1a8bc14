/* SPDX-License-Identifier: MIT */
/* Names on the simulated machine: as the kernel does, and what only the machine has. */
#include <linux/fs.h>
#include <linux/openat2.h>

#include "test_both.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

#define OPENED_NR 6 /* descriptors that stay open for a while, to start paths at */

/* ---- a random walk through all calls with names */

static const char *const names[] = {
	"a",  "b",    "c",    "d",    "a",      "b",      "d",    "a/b",    "b/a", "d/e",  "d/e/f", "d/a",   "a/",
	"d/", "d//e", "d/.",  "d/..", "d/../a", "./b",    "l",    "l/",     "l/a", "m",    "m/e",   "m/e/",  ".",
	"",   "./",   "d/e/", "none", "l/m",    "d/e/..", "loop", "loop/x", "a/.", "b/..", "d/l",   "d/l/a",
};

/* Absolute ones are below the directory. */
static const char *const targets[] = {"a",  "d",  "d/e", "none", "l", "./m",   "d/",
				      "/d", "/a", ".",   "loop", "e", "d/../b"};

struct walker {
	struct both *both;
	int opened[OPENED_NR];
};

static const char *any_name(struct walker *walker)
{
	return names[both_random(walker->both, sizeof(names) / sizeof(names[0]))];
}

/* Mostly the directory; else something that is open, and perhaps no directory or removed; seldom nothing. */
static int any_dir(struct walker *walker)
{
	unsigned i = both_random(walker->both, 3 * OPENED_NR);

	return i < OPENED_NR ? walker->opened[i] : walker->both->dir;
}

static void walk_make(struct walker *walker)
{
	struct both *both = walker->both;
	int dir = any_dir(walker), other = any_dir(walker);
	const char *name = any_name(walker), *new = any_name(walker);
	int flags = both_random(both, 2) ? AT_SYMLINK_FOLLOW : 0;
	char path[100];

	switch (both_random(both, 4)) {
	case 0:
	case 1:
		both_note(both, aion_mkdirat(dir, name, 0777), "mkdir %s", name);
		break;
	case 2:
		both_note(both, aion_linkat(dir, name, other, new, flags), "link %s %s %x", name, new, flags);
		break;
	default:
		name = targets[both_random(both, sizeof(targets) / sizeof(targets[0]))];
		if (*name == '/')
			name = both_path(both, name + 1, path, sizeof(path));
		both_note(both, aion_symlinkat(name, other, new), "symlink %s %s", name, new);
	}
}

static void walk_remove(struct walker *walker)
{
	int dir = any_dir(walker), flags = both_random(walker->both, 2) ? AT_REMOVEDIR : 0;
	const char *name = any_name(walker);

	both_note(walker->both, aion_unlinkat(dir, name, flags), "unlink %s %x", name, flags);
}

static void walk_rename(struct walker *walker)
{
	struct both *both = walker->both;
	int from = any_dir(walker), to = any_dir(walker);
	const char *old = any_name(walker), *new = any_name(walker);
	unsigned way = both_random(both, 6);
	unsigned flags = way == 0 ? RENAME_NOREPLACE : way == 1 ? RENAME_EXCHANGE : 0;

	both_note(both, aion_renameat2(from, old, to, new, flags), "rename %s %s %x", old, new, flags);
}

static void walk_stat(struct walker *walker)
{
	struct both *both = walker->both;
	int dir = any_dir(walker), flags = both_random(both, 2) ? AT_SYMLINK_NOFOLLOW : 0;
	const char *name = any_name(walker);
	struct statx about;

	flags |= both_random(both, 4) ? 0 : AT_EMPTY_PATH;
	if (both_note(both, aion_statx(dir, name, flags, STATX_BASIC_STATS, &about), "statx %s %x", name, flags) < 0)
		return;
	both_note(both, about.stx_mode, "mode of %s", name);
	both_note(both, about.stx_nlink, "links of %s", name);
	if (S_ISREG(about.stx_mode))
		both_note(both, (int64_t)about.stx_size, "size of %s", name);
}

/* Open it; leave something in it; perhaps keep it open. */
static void walk_open(struct walker *walker)
{
	static const int kinds[] = {O_RDONLY,
				    O_WRONLY,
				    O_RDWR,
				    O_RDWR | O_CREAT,
				    O_WRONLY | O_CREAT | O_EXCL,
				    O_RDONLY | O_CREAT,
				    O_RDONLY | O_DIRECTORY,
				    O_PATH,
				    O_PATH | O_NOFOLLOW,
				    O_RDWR | O_CREAT | O_DIRECTORY,
				    O_RDWR | O_TRUNC,
				    O_RDONLY | O_TRUNC,
				    O_WRONLY | O_CREAT | O_TRUNC,
				    O_RDONLY | O_DIRECTORY};
	struct both *both = walker->both;
	int dir = any_dir(walker), flags = kinds[both_random(both, sizeof(kinds) / sizeof(kinds[0]))] | O_CLOEXEC;
	const char *name = any_name(walker);
	unsigned place = both_random(both, 2 * OPENED_NR), more = both_random(both, 8);
	int64_t fd;

	flags |= more == 0 ? O_NOFOLLOW : more == 1 ? O_APPEND : more == 2 ? O_EXCL : more == 3 ? O_DIRECTORY : 0;
	fd = aion_openat(dir, name, flags, 0666);
	if (both_note(both, BOTH_FD(fd), "open %s %o", name, (unsigned)flags) < 0)
		return;
	both_note(both, aion_write((int)fd, "hello", 1 + place % 5), "write %s", name);
	if (place >= OPENED_NR) {
		aion_close((int)fd);
		return;
	}
	aion_close(walker->opened[place]);
	walker->opened[place] = (int)fd;
}

static void walk_open_confined(struct walker *walker)
{
	static const uint64_t ways[] = {RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS,
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	struct both *both = walker->both;
	int dir = any_dir(walker);
	const char *name = any_name(walker);
	struct open_how how = {.flags = O_CLOEXEC | (both_random(both, 2) ? O_RDONLY : O_RDWR)};
	int64_t fd;

	how.resolve = ways[both_random(both, sizeof(ways) / sizeof(ways[0]))];
	if (both_random(both, 3) == 0) {
		how.flags |= O_CREAT;
		how.mode = 0666;
	}
	fd = aion_openat2(dir, name, &how, sizeof(how));
	if (both_note(both, BOTH_FD(fd), "openat2 %s %llo %llx", name, how.flags, how.resolve) >= 0)
		aion_close((int)fd);
}

static void walk(struct both *both)
{
	struct walker walker = {.both = both};

	for (int i = 0; i < OPENED_NR; i++)
		walker.opened[i] = -1;
	for (int i = 0; i < 1500; i++) {
		static void (*const steps[])(struct walker * walker) = {
			walk_make, walk_make, walk_remove, walk_rename,
			walk_stat, walk_open, walk_open,   walk_open_confined,
		};

		steps[both_random(both, sizeof(steps) / sizeof(steps[0]))](&walker);
	}
	for (int i = 0; i < OPENED_NR; i++)
		aion_close(walker.opened[i]);
}

/* BOTH_FIRST and BOTH_NR in the environment: which walks, and how many. */
Test(sim_name, random_calls_end_as_in_the_kernel)
{
	const char *first = getenv("BOTH_FIRST"), *nr = getenv("BOTH_NR");
	unsigned long begin = first ? strtoul(first, NULL, 0) : 1, end = begin + (nr ? strtoul(nr, NULL, 0) : 4);

	for (unsigned long random = begin; random < end; random++)
		both_run(NULL, random * UINT64_C(0x9e3779b97f4a7c15), walk);
}

/* ---- one thing after the other */

static void check_open(struct both *both, int dir, const char *name, int flags)
{
	int64_t fd = aion_openat(dir, name, flags | O_CLOEXEC, 0640);

	if (both_note(both, BOTH_FD(fd), "open %.20s %o", name, (unsigned)flags) >= 0)
		aion_close((int)fd);
}

BOTH_TEST(sim_name, odd_opens_end_as_in_the_kernel, 1)
{
	char long_name[300], long_path[5000];
	int dir = both->dir;

	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	for (size_t i = 0; i < sizeof(long_path); i++)
		long_path[i] = i % 2 ? '/' : '.';
	long_path[sizeof(long_path) - 1] = 0;
	both_check(both, aion_mkdirat(dir, "d", 0755));
	check_open(both, dir, "f", O_RDWR | O_CREAT);
	check_open(both, dir, long_name, O_RDONLY);
	check_open(both, dir, long_path, O_RDONLY);
	check_open(both, dir, long_path + 5000 - 4095, O_RDONLY);
	check_open(both, dir, long_path + 5000 - 4096, O_RDONLY);
	check_open(both, 9999, "f", O_RDONLY);
	check_open(both, -1, "f", O_RDONLY);
	check_open(both, dir, "d", O_RDONLY | O_DIRECT);
	check_open(both, dir, "d", O_RDONLY | O_TRUNC);
	check_open(both, dir, "d", O_TMPFILE | O_RDWR);
	check_open(both, dir, "d", O_TMPFILE | O_RDONLY);
	check_open(both, dir, "f", O_TMPFILE | O_RDWR);
	check_open(both, dir, "none", O_TMPFILE | O_RDWR);
	check_open(both, dir, "f", O_ACCMODE | O_CREAT);
	check_open(both, dir, "f", O_RDONLY | 1 << 27);
	check_open(both, dir, "f", O_PATH | O_CREAT | O_TRUNC);
	check_open(both, AT_FDCWD, "/dev/null", O_RDONLY | O_DIRECT);
	check_open(both, AT_FDCWD, "/dev/null", O_WRONLY | O_TRUNC);
	check_open(both, AT_FDCWD, "/dev/zero", O_RDWR | O_CREAT);
	check_open(both, AT_FDCWD, "/", O_RDONLY);
	check_open(both, AT_FDCWD, "/", O_RDONLY | O_CREAT);
	check_open(both, AT_FDCWD, "/", O_RDONLY | O_CREAT | O_EXCL);
	check_open(both, AT_FDCWD, "//", O_WRONLY);
	check_open(both, AT_FDCWD, "/..", O_RDONLY);
	check_open(both, AT_FDCWD, "", O_RDONLY);
	both_check(both, aion_openat(AT_FDCWD, (char *)8, O_RDONLY, 0));
}

static void check_open2(struct both *both, const char *name, struct open_how how, size_t size)
{
	struct {
		struct open_how how;
		uint64_t beyond;
	} large = {.how = how, .beyond = size == 1};
	int64_t fd = aion_openat2(both->dir, name, &large.how, size == 1 ? sizeof(large) : size);

	if (both_note(both, BOTH_FD(fd), "openat2 %s %llx %llx %llx %zu", name, how.flags, how.mode, how.resolve,
		      size) >= 0)
		aion_close((int)fd);
}

BOTH_TEST(sim_name, odd_openat2_ends_as_in_the_kernel, 1)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};

	check_open(both, both->dir, "f", O_RDWR | O_CREAT);
	check_open2(both, "f", how, sizeof(how));
	check_open2(both, "f", how, 7);
	check_open2(both, "f", how, sizeof(how) + 8);
	check_open2(both, "f", how, 1);
	check_open2(both, "f", how, 5000);
	check_open2(both, "f", (struct open_how){.mode = 0600}, sizeof(how));
	check_open2(both, "f", (struct open_how){.flags = O_CREAT | O_RDWR, .mode = 010000}, sizeof(how));
	check_open2(both, "f", (struct open_how){.flags = 1 << 27}, sizeof(how));
	check_open2(both, "f", (struct open_how){.flags = UINT64_C(1) << 40}, sizeof(how));
	check_open2(both, "f", (struct open_how){.flags = O_PATH | O_TRUNC}, sizeof(how));
	check_open2(both, "f", (struct open_how){.flags = O_CREAT | O_DIRECTORY, .mode = 0600}, sizeof(how));
	check_open2(both, "f", (struct open_how){.resolve = 1 << 20}, sizeof(how));
	check_open2(both, "f", (struct open_how){.resolve = RESOLVE_BENEATH | RESOLVE_IN_ROOT}, sizeof(how));
	check_open2(both, "f", (struct open_how){.flags = O_CREAT, .mode = 0600, .resolve = RESOLVE_CACHED},
		    sizeof(how));
	check_open2(both, "/f", (struct open_how){.resolve = RESOLVE_BENEATH}, sizeof(how));
	check_open2(both, "/f", (struct open_how){.resolve = RESOLVE_IN_ROOT}, sizeof(how));
	check_open2(both, "../../f", (struct open_how){.resolve = RESOLVE_IN_ROOT}, sizeof(how));
	check_open2(both, "..", (struct open_how){.resolve = RESOLVE_BENEATH}, sizeof(how));
}

/* Forty links may be followed. */
BOTH_TEST(sim_name, chains_of_links_end_as_in_the_kernel, 1)
{
	char target[32] = "f", name[32];

	check_open(both, both->dir, "f", O_RDWR | O_CREAT);
	both_check(both, aion_mkdirat(both->dir, "d", 0755));
	both_check(both, aion_symlinkat("../d/", both->dir, "d/m0"));
	for (int i = 0; i < 42; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		both_check(both, aion_symlinkat(target, both->dir, name));
		check_open(both, both->dir, name, O_RDONLY);
		check_open(both, both->dir, name, O_RDWR | O_CREAT);
		strcpy(target, name);
	}
	for (int i = 1; i < 7; i++) {
		snprintf(target, sizeof(target), "m%d/m%d", i - 1, i - 1);
		snprintf(name, sizeof(name), "d/m%d", i);
		both_check(both, aion_symlinkat(target, both->dir, name));
		check_open(both, both->dir, name, O_RDONLY);
	}
}

BOTH_TEST(sim_name, odd_names_end_as_in_the_kernel, 1)
{
	char long_name[300];
	struct statx about;
	int dir = both->dir;

	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	both_check(both, aion_mkdirat(dir, "d", 07777));
	check_open(both, dir, "f", O_RDWR | O_CREAT);
	both_check(both, aion_mkdirat(dir, long_name, 0755));
	both_check(both, aion_mkdirat(dir, long_name + 44, 0755));
	both_check(both, aion_mkdirat(dir, long_name + 43, 0755));
	both_check(both, aion_mkdirat(dir, (char *)8, 0755));
	both_check(both, aion_unlinkat(dir, "f", 1 << 30));
	both_check(both, aion_unlinkat(AT_FDCWD, "/", AT_REMOVEDIR));
	both_check(both, aion_unlinkat(AT_FDCWD, "/", 0));
	both_check(both, aion_symlinkat("", dir, "l"));
	both_check(both, aion_symlinkat("x", dir, "l/"));
	both_check(both, aion_linkat(dir, "f", dir, "g", 1 << 30));
	both_check(both, aion_linkat(dir, "d", dir, "g", 0));
	both_check(both, aion_linkat(dir, "", dir, "g", 0));
	both_check(both, aion_renameat2(dir, "f", dir, "g", 1 << 30));
	both_check(both, aion_renameat2(dir, "f", dir, "d", RENAME_NOREPLACE | RENAME_EXCHANGE));
	both_check(both, aion_renameat2(dir, "d", dir, "d/e", 0));
	both_check(both, aion_renameat2(dir, "d", dir, "d/e/f", 0));
	both_check(both, aion_statx(dir, "f", 1 << 30, STATX_SIZE, &about));
	both_check(both, aion_statx(dir, "f", AT_STATX_SYNC_TYPE, STATX_SIZE, &about));
	both_check(both, aion_statx(dir, "f", 0, 1U << 31, &about));
	both_check(both, aion_statx(dir, "f", 0, STATX_SIZE, (void *)8));
	both_check(both, aion_statx(dir, (char *)8, 0, STATX_SIZE, &about));
	both_check(both, aion_statx(9999, "", AT_EMPTY_PATH, STATX_SIZE, &about));
	both_check(both, aion_statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_MODE, &about));
	both_check(both, aion_statx(dir, "d", 0, STATX_MODE, &about));
	both_check(both, about.stx_mode);
}

/* A file without a name gets one, unless it was opened with O_EXCL. */
SIM_TEST(sim_name, nameless_files_may_be_named)
{
	struct statx about;
	int64_t fd = aion_openat(AT_FDCWD, "/", O_TMPFILE | O_RDWR, 0600), other;

	cr_assert_geq(fd, 0);
	assert_result(aion_pwrite((int)fd, "abc", 3, 0), 3);
	assert_result(aion_linkat((int)fd, "", AT_FDCWD, "/named", AT_EMPTY_PATH), 0);
	assert_result(aion_linkat((int)fd, "", AT_FDCWD, "/again", AT_EMPTY_PATH), 0);
	assert_result(aion_statx(AT_FDCWD, "/named", 0, STATX_BASIC_STATS, &about), 0);
	cr_assert_eq(about.stx_size, 3);
	cr_assert_eq(about.stx_nlink, 2);
	other = aion_openat(AT_FDCWD, "/", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	cr_assert_geq(other, 0);
	assert_result(aion_linkat((int)other, "", AT_FDCWD, "/other", AT_EMPTY_PATH), -ENOENT);
	assert_result(aion_close((int)fd), 0);
	assert_result(aion_close((int)other), 0);
	(void)sim;
}

/* What has lost its name lives while it is open, a directory with those above it, too. */
BOTH_TEST(sim_name, removed_files_live_while_they_are_open, 1)
{
	int64_t fd = aion_openat(both->dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0644), up, down;
	struct statx about;
	char buf[8];

	both_check(both, aion_pwrite((int)fd, "abc", 3, 0));
	both_check(both, aion_unlinkat(both->dir, "f", 0));
	both_check(both, aion_pread((int)fd, buf, 8, 0));
	both_check(both, aion_statx((int)fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about));
	both_check(both, about.stx_nlink);
	both_check(both, aion_linkat((int)fd, "", both->dir, "g", AT_EMPTY_PATH));
	both_check(both, aion_mkdirat(both->dir, "d", 0755));
	both_check(both, aion_mkdirat(both->dir, "d/e", 0755));
	up = aion_openat(both->dir, "d", O_RDONLY | O_CLOEXEC, 0);
	down = aion_openat(both->dir, "d/e", O_RDONLY | O_CLOEXEC, 0);
	both_check(both, aion_unlinkat(both->dir, "d/e", AT_REMOVEDIR));
	both_check(both, aion_unlinkat(both->dir, "d", AT_REMOVEDIR));
	both_check(both, aion_close((int)up));
	both_check(both, aion_statx((int)down, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &about));
	both_check(both, about.stx_nlink);
	check_open(both, (int)down, "../..", O_RDONLY);
	check_open(both, (int)down, ".", O_RDONLY);
	check_open(both, (int)down, "x", O_RDWR | O_CREAT);
	both_check(both, aion_mkdirat((int)down, "x", 0755));
	both_check(both, aion_mkdirat((int)down, "../x", 0755));
	both_check(both, aion_renameat2(both->dir, "g", (int)down, "x", 0));
	both_check(both, aion_close((int)down));
	both_check(both, aion_close((int)fd));
}

/* ---- what only the machine has */

SIM_TEST(sim_name, thousands_of_names_are_kept_apart)
{
	enum { NR = 3000 };
	char name[32];
	struct statx about;

	for (int i = 0; i < NR; i++) {
		snprintf(name, sizeof(name), "/%d", i);
		if (i % 2)
			assert_result(aion_mkdirat(AT_FDCWD, name, 0700), 0);
		else
			assert_result(aion_sim_file_write(sim, name, name, (size_t)i % 7), 0);
	}
	for (int i = 0; i < NR; i++) {
		snprintf(name, sizeof(name), "/%d", i);
		assert_result(aion_statx(AT_FDCWD, name, 0, STATX_BASIC_STATS, &about), 0);
		cr_assert_eq(S_ISDIR(about.stx_mode) != 0, i % 2);
		cr_assert_eq((int64_t)about.stx_size, i % 2 ? 4096 : i % 7);
		assert_result(aion_unlinkat(AT_FDCWD, name, i % 2 ? AT_REMOVEDIR : 0), 0);
		assert_result(aion_statx(AT_FDCWD, name, 0, STATX_BASIC_STATS, &about), -ENOENT);
	}
	assert_result(aion_statx(AT_FDCWD, "/", 0, STATX_BASIC_STATS, &about), 0);
	cr_assert_eq(about.stx_nlink, 3, "itself, its own name, /dev");
}

SIM_TEST(sim_name, want_of_descriptors_is_told_before_anything_is_made, .fd_max = 2)
{
	int64_t first = aion_openat(AT_FDCWD, "/a", O_RDWR | O_CREAT, 0600);
	int64_t second = aion_openat(AT_FDCWD, "/a", O_RDONLY, 0);
	const void *data;
	size_t size;

	assert_result(first, AION_SIM_FD_BASE);
	assert_result(second, AION_SIM_FD_BASE + 1);
	assert_result(aion_openat(AT_FDCWD, "/b", O_RDWR | O_CREAT, 0600), -EMFILE);
	assert_result(aion_sim_file_read(sim, "/b", &data, &size), -ENOENT);
	assert_result(aion_close((int)first), 0);
	assert_result(aion_openat(AT_FDCWD, "/b", O_RDWR | O_CREAT, 0600), AION_SIM_FD_BASE);
	assert_result(aion_close((int)first), 0);
	assert_result(aion_close((int)second), 0);
}

SIM_TEST(sim_name, cached_names_open_if_the_knob_strikes)
{
	const struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_CACHED};

	assert_result(aion_sim_file_write(sim, "/f", "x", 1), 0);
	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	assert_result(aion_openat2(AT_FDCWD, "/f", &how, sizeof(how)), -EAGAIN);
	aion_sim_knob_set(sim, AION_SIM_TRY, 1000000);
	assert_result(aion_close((int)aion_openat2(AT_FDCWD, "/f", &how, sizeof(how))), 0);
}

/* ---- files that tests make and look at */

Test(sim_name, tests_write_files_with_their_directories)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.disk_size = 10000});
	const void *data;
	char large[10001] = "", long_name[300] = "/";
	size_t size;

	memset(long_name + 1, 'x', 298);
	assert_result(aion_sim_file_write(sim, "/a/b//c", "hello", 5), 0);
	assert_result(aion_sim_file_read(sim, "/a/b/c", &data, &size), 0);
	cr_assert_eq(size, 5);
	cr_assert_arr_eq(data, "hello", 5);
	assert_result(aion_sim_file_write(sim, "/a/b/c", "hi", 2), 0);
	assert_result(aion_sim_file_read(sim, "/a/./../a/b/c", &data, &size), 0);
	cr_assert_eq(size, 2);
	assert_result(aion_sim_file_write(sim, "/a/b/c", NULL, 0), 0);
	assert_result(aion_sim_file_read(sim, "/a/b/c", &data, &size), 0);
	cr_assert_eq(size, 0);
	assert_result(aion_sim_file_write(sim, "a", "x", 1), -EINVAL);
	assert_result(aion_sim_file_write(sim, "", "x", 1), -EINVAL);
	assert_result(aion_sim_file_write(sim, NULL, "x", 1), -EINVAL);
	assert_result(aion_sim_file_write(sim, "/", "x", 1), -EISDIR);
	assert_result(aion_sim_file_write(sim, "/a/b", "x", 1), -EISDIR);
	assert_result(aion_sim_file_write(sim, "/a/b/c/d", "x", 1), -ENOTDIR);
	assert_result(aion_sim_file_write(sim, "/dev/null", "x", 1), -EINVAL);
	assert_result(aion_sim_file_write(sim, long_name, "x", 1), -ENAMETOOLONG);
	assert_result(aion_sim_file_write(sim, "/a/b/c", large, 10001), -ENOSPC);
	assert_result(aion_sim_file_write(sim, "/a/b/c", large, 10000), 0);
	assert_result(aion_sim_file_write(sim, "/a/b/c", large, 10000), 0);
	assert_result(aion_sim_file_write(sim, "/d", "x", 1), -ENOSPC);
	assert_result(aion_sim_file_read(sim, "a", &data, &size), -EINVAL);
	assert_result(aion_sim_file_read(sim, "/none", &data, &size), -ENOENT);
	assert_result(aion_sim_file_read(sim, "/a/b/c/d", &data, &size), -ENOTDIR);
	assert_result(aion_sim_file_read(sim, "/a", &data, &size), -EISDIR);
	assert_result(aion_sim_file_read(sim, "/dev/zero", &data, &size), -EINVAL);
	aion_sim_destroy(sim);
}
