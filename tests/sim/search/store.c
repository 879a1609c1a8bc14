/* SPDX-License-Identifier: MIT */
/* Files whose content is known. */
#include "store.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>

#include "effort.h"

#define REMOVE_TRY_MAX 1000

void store_path(struct actor *self, char path[STORE_PATH_SIZE])
{
	snprintf(path, STORE_PATH_SIZE, "%s/f%u", self->run->root, ++self->run->name_nr);
}

int64_t store_open(struct actor *self, const char *path, int flags, unsigned may)
{
	struct open_how how = {.flags = (uint64_t)flags, .mode = flags & O_CREAT ? 0600 : 0};
	struct effort effort = {0};
	int64_t result;

	may |= MAY_MEMORY | MAY_FD | MAY_INTR | (flags & O_CREAT ? MAY_SPACE : 0);
	switch (draw_below(&self->draw, 4)) {
	case 0:
		result = aion_openat(AT_FDCWD, path, flags, 0600);
		break;
	case 1:
		result = aion_openat2(AT_FDCWD, path, &how, sizeof(how));
		break;
	case 2:
		result = aion_try_openat2(AT_FDCWD, path, &how, sizeof(how));
		if (result != -EAGAIN)
			break;
		told(self, "try open", result, 0, MAY_WAIT);
		/* fallthrough */
	default:
		aion_op_openat(&effort.op, AT_FDCWD, path, flags, 0600);
		effort_begin(self, &effort, "op open", INT_MAX, may, true);
		return effort_await(self, &effort);
	}
	return told(self, "open", result, INT_MAX, may);
}

void store_remove(struct actor *self, const char *path)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result = -EINTR;

	shade_enter_refuge(self, &shade, &scope);
	for (unsigned i = 0; i < REMOVE_TRY_MAX && result < 0 && result != -ENOENT; i++)
		result = told(self, "unlink", aion_unlinkat(AT_FDCWD, path, 0), 0, MAY_ANY);
	if (result < 0 && result != -ENOENT)
		run_fail(self->run, "a file cannot be removed: %lld", (long long)result);
	shade_leave(self, &shade);
}

/* ---- content */

void store_note_size(struct store *store, size_t size)
{
	if (size > store->size)
		memset(store->content + store->size, 0, size - store->size);
	store->size = size;
}

void store_note_write(struct actor *self, struct store *store, const char *buf, size_t off, int64_t result)
{
	if (result <= 0)
		return;
	if (off + (size_t)result > STORE_SIZE_MAX)
		run_fail(self->run, "the workload writes too far");
	if (off + (size_t)result > store->size)
		store_note_size(store, off + (size_t)result);
	memcpy(store->content + off, buf, (size_t)result);
}

void store_check_read(struct actor *self, const struct store *store, const char *buf, size_t size, size_t off,
		      int64_t result)
{
	size_t there = off < store->size ? store->size - off : 0;

	if (result < 0)
		return;
	if ((size_t)result > there)
		run_fail(self->run, "%lld bytes read at %zu of a file of %zu", (long long)result, off, store->size);
	if (result == 0 && there && size)
		run_fail(self->run, "the end of the file at %zu, and it has %zu bytes", off, store->size);
	for (size_t i = 0; i < (size_t)result; i++)
		if (buf[i] != store->content[off + i])
			run_fail(self->run,
				 "byte %zu of a file is %02x and should be %02x (read of %zu at %zu says %lld)",
				 off + i, (unsigned char)buf[i], (unsigned char)store->content[off + i], size, off,
				 (long long)result);
}
