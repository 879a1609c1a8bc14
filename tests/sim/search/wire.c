/* SPDX-License-Identifier: MIT */
/* The accounts of pipes and connections. */
#include "wire.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define GONE_SHOWN 16 /* bytes of a difference that are shown */

/* ---- descriptors */

static int fds_result(struct actor *self, const char *call, int result)
{
	return (int)told(self, call, result, 0, MAY_FD);
}

int wire_pipe(struct actor *self, int fds[2], int flags)
{
	if (self->run->sim)
		return fds_result(self, "a pipe", aion_sim_pipe(self->run->sim, fds, flags));
	return fds_result(self, "a pipe", pipe2(fds, flags) < 0 ? -errno : 0);
}

/* The real kernel has no pair of TCP sockets. */
int wire_socketpair(struct actor *self, int domain, int type, int fds[2])
{
	if (self->run->sim)
		return fds_result(self, "a socketpair", aion_sim_socketpair(self->run->sim, domain, type, fds));
	return fds_result(self, "a socketpair", socketpair(AF_UNIX, type, 0, fds) < 0 ? -errno : 0);
}

void wire_close(struct actor *self, int fd)
{
	if (draw_percent(&self->draw, 80)) {
		told(self, "close", aion_close(fd), 0, 0);
		return;
	}
	aion_fd_closep(&fd);
	if (fd != -1)
		run_fail(self->run, "a closed descriptor is %d", fd);
	told(self, "fd_closep", 0, 0, 0);
}

/* ---- accounts */

void wire_init(struct actor *self, struct wire *wire, struct wire *back, bool is_socket)
{
	*wire = (struct wire){
		.run = self->run,
		.back = back,
		.id = ++self->run->name_nr,
		.is_socket = is_socket,
	};
}

int wire_open(struct actor *self, struct wire *wire, int fds[2], int flags)
{
	int result = wire_pipe(self, fds, flags);

	if (result == 0)
		wire_init(self, wire, NULL, false);
	return result;
}

/* Whether the other side can have gone, so that calls say so. */
static bool wire_may_be_gone(const struct wire *wire)
{
	if (wire->is_broken || wire->writer_has_left || wire->reader_has_left)
		return true;
	return wire->back && (wire->back->is_broken || wire->back->writer_has_left || wire->back->reader_has_left);
}

unsigned wire_write_flags(const struct wire *wire)
{
	return MAY_MEMORY | MAY_INTR | (wire->is_socket ? MAY_RESET : 0) |
	       (wire->is_socket || wire->reader_has_left ? MAY_GONE : 0);
}

unsigned wire_read_flags(const struct wire *wire)
{
	return MAY_MEMORY | MAY_INTR | (wire->is_socket ? MAY_RESET | MAY_GONE : 0);
}

static void wire_note_error(struct wire *wire, int64_t result)
{
	if (result != -EPIPE && result != -ECONNRESET && result != -ENOTCONN)
		return;
	if (!wire_may_be_gone(wire) && !(wire->is_socket && wire->run->knobs[AION_SIM_ERROR_ECONNRESET]))
		run_fail(wire->run, "wire %llu breaks (%lld), and both sides are there", (unsigned long long)wire->id,
			 (long long)result);
	wire->is_broken = true;
}

void wire_note_written(struct wire *wire, int64_t result)
{
	wire_note_error(wire, result);
	if (result > 0)
		wire->written += (uint64_t)result;
	if (wire->written > wire->offered)
		run_fail(wire->run, "more was written than there was");
	wire->offered = wire->written;
	run_tell(wire->run, "wire %llu: %llu written", (unsigned long long)wire->id, (unsigned long long)wire->written);
}

/* Where a connection has been reset, who is told so first may hear it last. */
static void wire_note_end(struct wire *wire)
{
	wire->ended_early = !wire_may_be_gone(wire);
	if (wire->ended_early && !wire->is_socket)
		run_fail(wire->run, "wire %llu ends after %llu bytes, and its writer is there",
			 (unsigned long long)wire->id, (unsigned long long)wire->got);
	wire->saw_end = true;
}

void wire_note_got(struct wire *wire, const void *buf, int64_t result)
{
	size_t same;

	wire_note_error(wire, result);
	if (result == 0)
		wire_note_end(wire);
	if (result <= 0)
		return;
	same = buf ? content_differs(buf, (size_t)result, wire->id, wire->got) : (size_t)result;
	if (same != (size_t)result)
		run_fail(wire->run,
			 "wire %llu: the byte at %llu is not the one that was written there (read at %llu, %lld "
			 "bytes; %llu written)",
			 (unsigned long long)wire->id, (unsigned long long)(wire->got + same),
			 (unsigned long long)wire->got, (long long)result, (unsigned long long)wire->written);
	wire->got += (uint64_t)result;
	if (wire->got > wire->offered)
		run_fail(wire->run, "wire %llu: %llu bytes read, %llu written", (unsigned long long)wire->id,
			 (unsigned long long)wire->got, (unsigned long long)wire->offered);
	run_tell(wire->run, "wire %llu: %llu read", (unsigned long long)wire->id, (unsigned long long)wire->got);
}

void wire_settle(const struct wire *wire)
{
	bool is_whole = wire->saw_end && !wire->is_broken;

	if (wire->back && (wire->back->is_broken || wire->back->reader_left_early))
		is_whole = false;
	if (wire->got > wire->written || (is_whole && (wire->got != wire->written || wire->ended_early)))
		run_fail(wire->run, "wire %llu: %llu bytes were written, %llu read until its end (before its time: %d)",
			 (unsigned long long)wire->id, (unsigned long long)wire->written, (unsigned long long)wire->got,
			 wire->ended_early);
}
