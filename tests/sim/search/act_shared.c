/* SPDX-License-Identifier: MIT */
/* Several tasks read one file; reads whose memory is the loop's; a file poured into a pipe. */
#include <fcntl.h>

#include "effort.h"
#include "shared.h"
#include "store.h"
#include "stream.h"

#define READER_NR_MAX 4
#define READ_NR_MAX 6
#define SIZE_MAX_ONCE 3000 /* bytes */
#define OWNED_NR_MAX 5
#define POUR_SIZE 5000 /* bytes of one splice */

struct shared {
	unsigned nr;
	int fd;
};

static int64_t shared_open(struct actor *self, struct shared *shared)
{
	char path[SHARED_PATH_SIZE];
	int64_t fd;

	shared->nr = (unsigned)draw_below(&self->draw, SHARED_NR);
	shared_path(self->run, shared->nr, path);
	fd = store_open(self, path, O_RDONLY | O_CLOEXEC, 0);
	shared->fd = (int)fd;
	return fd;
}

/* ---- reading */

static void check_read(struct actor *self, const struct shared *shared, const void *buf, size_t size, int64_t off,
		       int64_t result)
{
	int64_t there = (int64_t)shared_size(shared->nr) - off;

	if (result < 0)
		return;
	if (there < 0)
		there = 0;
	if (result > there || (result == 0 && there > 0 && size > 0))
		run_fail(self->run, "a read of %zu at %lld of a file of %zu says %lld", size, (long long)off,
			 shared_size(shared->nr), (long long)result);
	if (content_differs(buf, (size_t)result, shared_id(shared->nr), (uint64_t)off) != (size_t)result)
		run_fail(self->run, "a read of %zu at %lld gives what the file does not hold", size, (long long)off);
}

static int64_t draw_off(struct actor *self, const struct shared *shared)
{
	return (int64_t)draw_below(&self->draw, shared_size(shared->nr) + 500);
}

static int64_t shared_reader(struct actor *self, void *arg)
{
	const struct shared *shared = arg;
	unsigned nr = (unsigned)draw_between(&self->draw, 1, READ_NR_MAX);
	int64_t result = 0;

	while (nr--) {
		size_t size = (size_t)draw_magnitude(&self->draw, 1, SIZE_MAX_ONCE);
		int64_t off = draw_off(self, shared);
		char buf[size];

		result = aion_pread(shared->fd, buf, size, off);
		told(self, "pread", result, (int64_t)size, MAY_FILE | PERHAPS_REFUSED);
		check_read(self, shared, buf, size, off, result);
		if (!actor_goes_on(self, result))
			return result;
	}
	return result == -ECANCELED ? result : 0;
}

static int64_t shared_readers(struct actor *self, struct shared *shared)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, READER_NR_MAX);
	struct party party;

	party_enter(self, &party);
	while (nr--)
		actor_spawn(self, &party, shared_reader, shared);
	return party_leave(self, &party, draw_percent(&self->draw, 50) ? actor_pause(self) : 0);
}

/* ---- from file to pipe */

struct pour {
	struct shared *shared;
	struct stream_end out;
};

static int64_t pour_task(struct actor *self, void *arg)
{
	struct pour *pour = arg;
	struct wire *wire = pour->out.wire;
	int64_t result = 1;
	int64_t off = 0;

	while (result != 0) {
		size_t size = (size_t)draw_between(&self->draw, 1, POUR_SIZE);

		wire->offered = wire->written + size;
		result = aion_splice(pour->shared->fd, &off, pour->out.fd, NULL, size, 0);
		told(self, "splice", result, (int64_t)size, wire_write_flags(wire) | MAY_IO);
		wire_note_written(wire, result);
		if (off != (int64_t)wire->written)
			run_fail(self->run, "a splice moves its offset to %lld, and %llu bytes have gone",
				 (long long)off, (unsigned long long)wire->written);
		if (result == -EPIPE || !actor_goes_on(self, result))
			break;
	}
	if (result == 0 && wire->written != shared_size(pour->shared->nr))
		run_fail(self->run, "a file of %zu bytes ends after %llu", shared_size(pour->shared->nr),
			 (unsigned long long)wire->written);
	wire->writer_has_left = true;
	wire_close(self, pour->out.fd);
	return result == -ECANCELED ? result : 0;
}

static int64_t shared_pour(struct actor *self, struct shared *shared)
{
	struct wire wire;
	struct stream_end in = {&wire, -1, true};
	struct pour pour = {shared, {&wire, -1, true}};
	struct party party;
	int64_t result;
	int fds[2];

	if (wire_open(self, &wire, fds, 0) < 0)
		return 0;
	wire.id = shared_id(shared->nr);
	in.fd = fds[0];
	pour.out.fd = fds[1];
	party_enter(self, &party);
	if (!actor_spawn(self, &party, pour_task, &pour)) {
		wire.writer_has_left = true;
		wire_close(self, fds[1]);
	}
	stream_spawn(self, &party, stream_reader, &in);
	result = party_leave(self, &party, 0);
	wire_settle(&wire);
	return result;
}

int64_t act_shared(struct actor *self)
{
	struct shared shared;
	int64_t result = shared_open(self, &shared);

	if (result < 0)
		return result == -ECANCELED && !aion_cancelled() ? 0 : result;
	result = draw_percent(&self->draw, 60) ? shared_readers(self, &shared) : shared_pour(self, &shared);
	wire_close(self, shared.fd);
	return result;
}

/* ---- owned buffers */

static int64_t owned_one(struct actor *self, const struct shared *shared)
{
	size_t size = (size_t)draw_magnitude(&self->draw, 1, SIZE_MAX_ONCE);
	int64_t off = draw_off(self, shared);
	struct aion_buffer *buffer = NULL;
	int64_t result = aion_pread_owned(shared->fd, size, off, &buffer);

	told(self, "pread_owned", result, (int64_t)size, MAY_FILE);
	if ((result >= 0) != (buffer != NULL))
		run_fail(self->run, "pread_owned says %lld, and a buffer: %d", (long long)result, buffer != NULL);
	if (buffer)
		check_read(self, shared, buffer->data, size, off, result);
	aion_buffer_release(buffer);
	return result;
}

/* Some are released before they are filled. */
static int64_t owned_several(struct actor *self, const struct shared *shared)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, OWNED_NR_MAX);
	struct aion_buffer *buffers[OWNED_NR_MAX];
	int64_t offs[OWNED_NR_MAX];
	size_t sizes[OWNED_NR_MAX];
	int64_t result = 0;

	for (unsigned i = 0; i < nr; i++) {
		offs[i] = draw_off(self, shared);
		sizes[i] = (size_t)draw_magnitude(&self->draw, 1, SIZE_MAX_ONCE);
		result = aion_buffer_pread(shared->fd, sizes[i], offs[i], &buffers[i]);
		if (told(self, "buffer_pread", result, 0, NOT_REFUSED) != 0)
			nr = i;
	}
	if (draw_percent(&self->draw, 50))
		result = actor_pause(self);
	for (unsigned i = 0; i < nr; i++) {
		if (result >= 0 && draw_percent(&self->draw, 60)) {
			result = aion_await(&buffers[i]->future);
			told(self, "buffer_pread", result, (int64_t)sizes[i], MAY_FILE);
			check_read(self, shared, buffers[i]->data, sizes[i], offs[i], result);
		}
		aion_buffer_release(buffers[i]);
	}
	return result;
}

int64_t act_owned(struct actor *self)
{
	struct shared shared;
	int64_t result = shared_open(self, &shared);

	if (result < 0)
		return result == -ECANCELED && !aion_cancelled() ? 0 : result;
	result = draw_percent(&self->draw, 50) ? owned_one(self, &shared) : owned_several(self, &shared);
	wire_close(self, shared.fd);
	return result;
}
