/* SPDX-License-Identifier: MIT */
/* One task, one file: all that can be done to it, and what it must hold then. */
#include <fcntl.h>
#include <sys/stat.h>

#include "effort.h"
#include "store.h"

#define STEP_NR_MAX 12
#define OFF_MAX 8000 /* bytes; where reads and writes begin at the latest */
#define SIZE_MAX_ONCE 2000
#define LONG_SIZE (INT64_C(1) << 40) /* more than an entry of the ring can say */
#define BATCH_NR_MAX 6
#define BATCH_SIZE 600 /* bytes of each piece of a batch */

typedef int64_t store_act(struct actor *self, struct store *store);

static void cut(struct actor *self, struct iovec iov[2], char *buf, size_t size)
{
	size_t first = (size_t)draw_below(&self->draw, size + 1);

	iov[0] = (struct iovec){buf, first};
	iov[1] = (struct iovec){buf + first, size - first};
}

static int64_t store_write(struct actor *self, struct store *store)
{
	size_t size = (size_t)draw_magnitude(&self->draw, 1, SIZE_MAX_ONCE);
	size_t off = (size_t)draw_below(&self->draw, OFF_MAX);
	char buf[size];
	struct iovec iov[2];
	size_t done;
	int64_t result;

	content_fill(buf, size, draw_next(&self->draw), 0);
	cut(self, iov, buf, size);
	switch (draw_below(&self->draw, 4)) {
	case 0:
		result = aion_pwrite_all(store->fd, buf, size, (int64_t)off, &done);
		store_note_write(self, store, buf, off, (int64_t)done);
		if (done > size || (result == 0 && done != size))
			run_fail(self->run, "pwrite_all says %lld and %zu of %zu", (long long)result, done, size);
		return told(self, "pwrite_all", result, 0, STORE_FLAGS | PERHAPS_REFUSED);
	case 1:
		result = aion_pwritev(store->fd, iov, 2, (int64_t)off);
		break;
	case 2:
		result = aion_pwritev2(store->fd, iov, 2, (int64_t)off, 0);
		break;
	default:
		result = aion_pwrite(store->fd, buf, size, (int64_t)off);
	}
	told(self, "pwrite", result, (int64_t)size, STORE_FLAGS);
	store_note_write(self, store, buf, off, result);
	return result;
}

static int64_t store_read(struct actor *self, struct store *store)
{
	size_t size = (size_t)draw_magnitude(&self->draw, 1, SIZE_MAX_ONCE);
	size_t off = (size_t)draw_below(&self->draw, OFF_MAX);
	char buf[size];
	struct iovec iov[2];
	size_t done;
	int64_t result;

	cut(self, iov, buf, size);
	switch (draw_below(&self->draw, 5)) {
	case 0:
		result = aion_pread_exact(store->fd, buf, size, (int64_t)off, &done);
		store_check_read(self, store, buf, done, off, (int64_t)done);
		if (result == -ENODATA && off + done < store->size)
			run_fail(self->run, "pread_exact has no data at %zu of %zu", off + done, store->size);
		return told(self, "pread_exact", result == -ENODATA ? 0 : result, 0, MAY_FILE | PERHAPS_REFUSED);
	case 1:
		result = aion_preadv(store->fd, iov, 2, (int64_t)off);
		break;
	case 2:
		result = aion_preadv2(store->fd, iov, 2, (int64_t)off, 0);
		break;
	case 3:
		result = aion_try_pread(store->fd, buf, size, (int64_t)off);
		store_check_read(self, store, buf, size, off, result);
		told(self, "try_pread", result, (int64_t)size, MAY_FILE | MAY_WAIT | (self->run->sim ? 0 : MAY_ANY));
		return result < 0 ? 0 : result;
	default:
		result = aion_pread(store->fd, buf, size, (int64_t)off);
	}
	told(self, "pread", result, (int64_t)size, MAY_FILE | PERHAPS_REFUSED);
	store_check_read(self, store, buf, size, off, result);
	return result;
}

static int64_t store_sync(struct actor *self, struct store *store)
{
	switch (draw_below(&self->draw, 4)) {
	case 0:
		return told(self, "fsync", aion_fsync(store->fd), 0, STORE_FLAGS);
	case 1:
		return told(self, "fdatasync", aion_fdatasync(store->fd), 0, STORE_FLAGS);
	case 2:
		return told(self, "sync_file_range", aion_sync_file_range(store->fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0,
			    STORE_FLAGS);
	default:
		return told(self, "fadvise",
			    aion_fadvise(store->fd, 0, draw_percent(&self->draw, 50) ? LONG_SIZE : 0,
					 POSIX_FADV_SEQUENTIAL),
			    0, STORE_FLAGS);
	}
}

static int64_t store_truncate(struct actor *self, struct store *store)
{
	size_t size = (size_t)draw_below(&self->draw, OFF_MAX);
	struct effort effort = {0};
	int64_t result;

	if (draw_percent(&self->draw, 30)) {
		result = told(self, "ftruncate", aion_ftruncate(store->fd, (int64_t)size), 0, STORE_FLAGS);
		if (result == 0)
			store_note_size(store, size);
		return result;
	}
	aion_op_ftruncate(&effort.op, store->fd, (int64_t)size);
	effort_begin(self, &effort, "op ftruncate", 0, STORE_FLAGS, true);
	if (draw_percent(&self->draw, 20)) {
		effort_reap(&effort);
		result = effort_result(self, &effort);
	} else {
		result = effort_await(self, &effort);
	}
	if (result == 0)
		store_note_size(store, size);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

static int64_t store_allocate(struct actor *self, struct store *store)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE};
	unsigned choice = (unsigned)draw_below(&self->draw, 4);
	size_t off = (size_t)draw_below(&self->draw, OFF_MAX);
	size_t size = (size_t)draw_magnitude(&self->draw, 1, SIZE_MAX_ONCE);
	int64_t result = aion_fallocate(store->fd, modes[choice], (int64_t)off, (int64_t)size);

	told(self, "fallocate", result, 0, STORE_FLAGS | (self->run->sim ? 0 : MAY_ANY));
	if (result < 0)
		return result;
	if (off + size > store->size && (choice == 0 || choice == 3))
		store_note_size(store, off + size);
	if (choice >= 2 && off < store->size)
		memset(store->content + off, 0, off + size > store->size ? store->size - off : size);
	return 0;
}

static int64_t store_stat(struct actor *self, struct store *store)
{
	struct statx status;
	int64_t result = aion_statx(store->fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_TYPE, &status);

	told(self, "statx", result, 0, MAY_MEMORY | MAY_INTR);
	if (result == 0 && (status.stx_size != store->size || !S_ISREG(status.stx_mode)))
		run_fail(self->run, "a file has %llu bytes and should have %zu", (unsigned long long)status.stx_size,
			 store->size);
	return result;
}

/* ---- several at a time */

static int64_t batch_write(struct actor *self, struct store *store, struct effort *efforts, char (*bufs)[BATCH_SIZE],
			   unsigned nr)
{
	int64_t result = 0;

	for (unsigned i = 0; i < nr; i++) {
		content_fill(bufs[i], BATCH_SIZE, draw_next(&self->draw), 0);
		aion_op_pwrite(&efforts[i].op, store->fd, bufs[i], BATCH_SIZE, i * BATCH_SIZE);
		effort_begin(self, &efforts[i], "op pwrite", BATCH_SIZE, STORE_FLAGS, true);
	}
	if (draw_percent(&self->draw, 30))
		effort_cancel(&efforts[draw_below(&self->draw, nr)]);
	for (unsigned i = 0; i < nr; i++) {
		int64_t written = effort_await(self, &efforts[i]);

		store_note_write(self, store, bufs[i], i * BATCH_SIZE, written);
		if (written < 0)
			result = written;
	}
	return result;
}

static int64_t batch_read(struct actor *self, struct store *store, struct effort *efforts, char (*bufs)[BATCH_SIZE],
			  unsigned nr)
{
	int64_t result = 0;

	for (unsigned i = 0; i < nr; i++) {
		aion_op_pread(&efforts[i].op, store->fd, bufs[i], BATCH_SIZE, i * BATCH_SIZE);
		effort_begin(self, &efforts[i], "op pread", BATCH_SIZE, MAY_FILE, true);
	}
	if (draw_percent(&self->draw, 20))
		efforts_reap(efforts, nr);
	for (unsigned i = nr; i-- > 0;) {
		int64_t got = effort_await(self, &efforts[i]);

		store_check_read(self, store, bufs[i], BATCH_SIZE, i * BATCH_SIZE, got);
		if (got < 0)
			result = got;
	}
	return result;
}

static int64_t store_batch(struct actor *self, struct store *store)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, BATCH_NR_MAX);
	struct effort efforts[BATCH_NR_MAX] = {0};
	char bufs[BATCH_NR_MAX][BATCH_SIZE];
	int64_t result;

	if (draw_percent(&self->draw, 60))
		result = batch_write(self, store, efforts, bufs, nr);
	else
		result = batch_read(self, store, efforts, bufs, nr);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

/* ---- all together */

static store_act *const store_acts[] = {
	store_write, store_write,    store_write,    store_read, store_read,  store_read,
	store_sync,  store_truncate, store_allocate, store_stat, store_batch, store_batch,
};

/* The machine itself shows what the file holds. */
static void store_compare(struct actor *self, const struct store *store)
{
	const void *data;
	size_t size;

	if (!self->run->sim)
		return;
	if (aion_sim_file_read(self->run->sim, store->path, &data, &size) != 0)
		run_fail(self->run, "a file is gone");
	if (size != store->size || memcmp(data, store->content, size) != 0)
		run_fail(self->run, "a file of %zu bytes (it should be %zu) does not hold what was written to it", size,
			 store->size);
}

int64_t act_file(struct actor *self)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 1, STEP_NR_MAX);
	struct store *store = malloc(sizeof(*store));
	int64_t result;

	store->size = 0;
	store_path(self, store->path);
	result = store_open(self, store->path,
			    O_RDWR | O_CREAT | O_CLOEXEC | (draw_percent(&self->draw, 15) ? O_NONBLOCK : 0), 0);
	store->fd = (int)result;
	if (result >= 0) {
		for (unsigned i = 0; i < step_nr && actor_goes_on(self, result); i++)
			result = store_acts[draw_below(&self->draw, sizeof(store_acts) / sizeof(store_acts[0]))](self,
														 store);
		told(self, "close", aion_close(store->fd), 0, 0);
		store_compare(self, store);
	}
	store_remove(self, store->path);
	free(store);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}
