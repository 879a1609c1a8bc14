/* SPDX-License-Identifier: MIT */
/* Names in directories, and extended attributes: what is there, and what calls must say. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "effort.h"
#include "store.h"
#include "wire.h"

#define NAME_NR 3
#define NAME_SIZE (STORE_PATH_SIZE + 8)
#define STEP_NR_MAX 10
#define VALUE_SIZE 40 /* bytes of an attribute's value, at most */

struct names {
	char dir[STORE_PATH_SIZE];
	char paths[NAME_NR][NAME_SIZE];
	bool exists[NAME_NR];
	unsigned file[NAME_NR]; /* which of them are one file: a rename of one to the other does nothing */
	unsigned file_nr;
};

/* A call that must end like this, unless something strikes or it is cancelled. */
static int64_t expect(struct actor *self, const char *call, int64_t result, int64_t expected)
{
	if (result == expected) {
		told(self, call, result, 0, MAY_ANY);
		return 0;
	}
	if (result >= 0)
		run_fail(self->run, "%s says %lld and should say %lld", call, (long long)result, (long long)expected);
	return told(self, call, result, 0, MAY_MEMORY | MAY_INTR | MAY_SPACE);
}

static int64_t name_create(struct actor *self, struct names *names, unsigned i)
{
	int64_t fd = aion_openat(AT_FDCWD, names->paths[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		told(self, "create", fd, 0,
		     MAY_MEMORY | MAY_INTR | MAY_SPACE | MAY_FD | (names->exists[i] ? MAY_ANY : 0));
		return fd == -EEXIST ? 0 : fd;
	}
	told(self, "create", 0, 0, 0);
	if (names->exists[i])
		run_fail(self->run, "a file that exists is created");
	names->exists[i] = true;
	names->file[i] = ++names->file_nr;
	wire_close(self, (int)fd);
	return 0;
}

static int64_t name_unlink(struct actor *self, struct names *names, unsigned i)
{
	int64_t result = aion_unlinkat(AT_FDCWD, names->paths[i], 0);

	if (result == 0)
		names->exists[i] = false;
	return expect(self, "unlink", result, result == 0 || names->exists[i] ? 0 : -ENOENT);
}

static int64_t name_rename(struct actor *self, struct names *names, unsigned i, unsigned j)
{
	bool existed = names->exists[i];
	int64_t result = aion_renameat2(AT_FDCWD, names->paths[i], AT_FDCWD, names->paths[j], 0);

	if (result == 0 && existed && !(names->exists[j] && names->file[i] == names->file[j])) {
		names->exists[i] = false;
		names->exists[j] = true;
		names->file[j] = names->file[i];
	}
	return expect(self, "rename", result, existed ? 0 : -ENOENT);
}

static int64_t name_link(struct actor *self, struct names *names, unsigned i, unsigned j)
{
	int64_t expected = !names->exists[i] ? -ENOENT : names->exists[j] ? -EEXIST : 0;
	int64_t result = aion_linkat(AT_FDCWD, names->paths[i], AT_FDCWD, names->paths[j], 0);

	if (result == 0) {
		names->exists[j] = true;
		names->file[j] = names->file[i];
	}
	return expect(self, "link", result, expected);
}

static int64_t name_stat(struct actor *self, const struct names *names, unsigned i)
{
	struct statx status;

	return expect(self, "statx", aion_statx(AT_FDCWD, names->paths[i], 0, STATX_TYPE, &status),
		      names->exists[i] ? 0 : -ENOENT);
}

static int64_t name_step(struct actor *self, struct names *names)
{
	unsigned i = (unsigned)draw_below(&self->draw, NAME_NR);
	unsigned j = (i + 1 + (unsigned)draw_below(&self->draw, NAME_NR - 1)) % NAME_NR;

	switch (draw_below(&self->draw, 6)) {
	case 0:
		return name_unlink(self, names, i);
	case 1:
		return name_rename(self, names, i, j);
	case 2:
		return name_link(self, names, i, j);
	case 3:
		return name_stat(self, names, i);
	default:
		return name_create(self, names, i);
	}
}

/* In a shield, until it is done. */
static void names_remove(struct actor *self, const struct names *names)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	for (unsigned i = 0; i < NAME_NR; i++)
		store_remove(self, names->paths[i]);
	shade_enter_refuge(self, &shade, &scope);
	do {
		result = told(self, "rmdir", aion_unlinkat(AT_FDCWD, names->dir, AT_REMOVEDIR), 0,
			      MAY_MEMORY | MAY_INTR);
	} while (result < 0);
	shade_leave(self, &shade);
}

int64_t act_names(struct actor *self)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 1, STEP_NR_MAX);
	struct names names = {.file_nr = 0};
	int64_t result;

	store_path(self, names.dir);
	for (unsigned i = 0; i < NAME_NR; i++)
		snprintf(names.paths[i], NAME_SIZE, "%s/%u", names.dir, i);
	result = expect(self, "mkdir", aion_mkdirat(AT_FDCWD, names.dir, 0700), 0);
	if (result < 0)
		return result;
	while (step_nr-- && actor_goes_on(self, result))
		result = name_step(self, &names);
	names_remove(self, &names);
	return result;
}

/* ---- attributes */

struct attribute {
	int fd;
	bool exists;
	char value[VALUE_SIZE];
	size_t size;
};

static int64_t attribute_set(struct actor *self, struct attribute *attribute)
{
	char value[VALUE_SIZE];
	size_t size = (size_t)draw_between(&self->draw, 1, VALUE_SIZE);
	int flags = draw_percent(&self->draw, 30) ? XATTR_CREATE : 0;
	int64_t expected = flags && attribute->exists ? -EEXIST : 0;
	int64_t result;

	content_fill(value, size, draw_next(&self->draw), 0);
	result = aion_fsetxattr(attribute->fd, "user.aion", value, size, flags);
	if (result == 0) {
		memcpy(attribute->value, value, size);
		attribute->size = size;
		attribute->exists = true;
	}
	return expect(self, "fsetxattr", result, expected);
}

static int64_t attribute_get(struct actor *self, const struct attribute *attribute)
{
	char value[VALUE_SIZE];
	size_t size = draw_percent(&self->draw, 30) ? (size_t)draw_below(&self->draw, VALUE_SIZE) : VALUE_SIZE;
	int64_t result = aion_fgetxattr(attribute->fd, "user.aion", value, size);

	if (!attribute->exists)
		return expect(self, "fgetxattr", result, -ENODATA);
	if (size && size < attribute->size)
		return expect(self, "fgetxattr", result, -ERANGE);
	told(self, "fgetxattr", result, VALUE_SIZE, MAY_MEMORY | MAY_INTR);
	if (result >= 0 &&
	    ((size_t)result != attribute->size || (size && memcmp(value, attribute->value, attribute->size) != 0)))
		run_fail(self->run, "an attribute of %zu bytes is read as another of %lld", attribute->size,
			 (long long)result);
	return result;
}

int64_t act_attributes(struct actor *self)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 1, STEP_NR_MAX);
	struct attribute attribute = {.exists = false};
	char path[STORE_PATH_SIZE];
	int64_t result;

	if (!self->run->sim) /* not every file system has them */
		return 0;
	store_path(self, path);
	result = store_open(self, path, O_RDWR | O_CREAT | O_CLOEXEC, 0);
	if (result >= 0) {
		attribute.fd = (int)result;
		while (step_nr-- && actor_goes_on(self, result))
			result = draw_percent(&self->draw, 50) ? attribute_set(self, &attribute)
							       : attribute_get(self, &attribute);
		wire_close(self, attribute.fd);
	}
	store_remove(self, path);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}
