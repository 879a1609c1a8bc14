/* SPDX-License-Identifier: MIT */
/* Reading and writing in all the forms that there are. */
#include <poll.h>
#include <sys/socket.h>

#include "effort.h"
#include "wire.h"

#define SIZE_MAX_SMALL 1500  /* bytes on the stack */
#define SIZE_MAX_LARGE 40000 /* bytes, now and then */
#define BEHIND 32            /* bytes behind the buffer that nobody may touch */
#define JUNK 0x5a

static size_t draw_size(struct actor *self)
{
	return (size_t)draw_magnitude(&self->draw, 1, draw_percent(&self->draw, 3) ? SIZE_MAX_LARGE : SIZE_MAX_SMALL);
}

/* Three vectors that make up the buffer. */
static void cut(struct actor *self, struct iovec iov[3], char *buf, size_t size)
{
	size_t first = (size_t)draw_below(&self->draw, size + 1);
	size_t second = (size_t)draw_below(&self->draw, size - first + 1);

	iov[0] = (struct iovec){buf, first};
	iov[1] = (struct iovec){buf + first, second};
	iov[2] = (struct iovec){buf + first + second, size - first - second};
}

/* The same as a message. */
static struct msghdr cut_message(struct actor *self, struct iovec iov[3], char *buf, size_t size)
{
	cut(self, iov, buf, size);
	return (struct msghdr){.msg_iov = iov, .msg_iovlen = 3};
}

/* Wait for a started operation in one way or another. Its own result counts, whatever the waiting says. */
static int64_t op_wait(struct actor *self, struct effort *effort)
{
	switch (draw_below(&self->draw, 6)) {
	case 0:
		actor_pause(self);
		effort_cancel(effort);
		return effort_await(self, effort);
	case 1:
		effort->is_asked = true;
		told(self, "wait_for", aion_wait_for(&effort->op.future, draw_deadline(self)), effort->max,
		     MAY_ANY | PERHAPS_REFUSED);
		return effort_result(self, effort);
	case 2:
		actor_pause(self);
		effort_reap(effort);
		return effort_result(self, effort);
	default:
		return effort_await(self, effort);
	}
}

/* ---- writing */

enum write_form {
	WRITE,
	WRITE_ALL,
	WRITEV,
	WRITEV_ALL,
	WRITE_OP,
	WRITEV_OP,
	PIPE_FORM_NR,
	SEND = PIPE_FORM_NR,
	SENDMSG,
	UNIX_FORM_NR,
	SEND_ZC = UNIX_FORM_NR,
	TCP_FORM_NR,
};

static int64_t write_plain(struct actor *self, enum write_form form, struct wire *wire, int fd, char *buf, size_t size)
{
	unsigned flags = wire_write_flags(wire);
	struct iovec iov[3];
	size_t done = SIZE_MAX;
	int64_t result;

	cut(self, iov, buf, size);
	switch (form) {
	case WRITE_ALL:
		result = aion_write_all(fd, buf, size, &done);
		break;
	case WRITEV:
		result = aion_writev(fd, iov, 3);
		break;
	case WRITEV_ALL:
		result = aion_writev_all(fd, iov, 3, &done);
		break;
	default:
		result = aion_write(fd, buf, size);
	}
	/* The other side may have gone meanwhile. */
	flags |= wire_write_flags(wire);
	if (done == SIZE_MAX)
		return told(self, form == WRITEV ? "writev" : "write", result, (int64_t)size, flags);
	told(self, form == WRITEV_ALL ? "writev_all" : "write_all", result, 0, flags | PERHAPS_REFUSED);
	if (done > size || (result == 0 && done != size))
		run_fail(self->run, "%zu bytes of %zu are written, and the result is %lld", done, size,
			 (long long)result);
	if (done)
		wire_note_written(wire, (int64_t)done);
	return result == 0 ? 0 : result;
}

static int64_t write_by_op(struct actor *self, enum write_form form, struct wire *wire, int fd, char *buf, size_t size)
{
	AION_CLEANUP(effort_reap) struct effort effort = {0};
	struct iovec iov[3];
	struct msghdr message = cut_message(self, iov, buf, size);

	switch (form) {
	case WRITEV_OP:
		aion_op_writev(&effort.op, fd, iov, 3);
		break;
	case SEND:
		io_uring_prep_send(aion_op_sqe(&effort.op), fd, buf, size, MSG_NOSIGNAL);
		break;
	case SEND_ZC:
		io_uring_prep_send_zc(aion_op_sqe(&effort.op), fd, buf, size, MSG_NOSIGNAL, 0);
		break;
	case SENDMSG:
		io_uring_prep_sendmsg(aion_op_sqe(&effort.op), fd, &message, MSG_NOSIGNAL);
		break;
	default:
		aion_op_write(&effort.op, fd, buf, size);
	}
	effort_begin(self, &effort, "op write", (int64_t)size, wire_write_flags(wire) | MAY_GONE, true);
	return op_wait(self, &effort);
}

static int64_t write_size(struct actor *self, struct wire *wire, int fd, char *buf, size_t size)
{
	unsigned form_nr = wire->is_tcp ? TCP_FORM_NR : wire->is_socket ? UNIX_FORM_NR : PIPE_FORM_NR;
	enum write_form form = (enum write_form)draw_below(&self->draw, form_nr);
	int64_t result;

	content_fill(buf, size, wire->id, wire->written);
	wire->offered = wire->written + size;
	if (form < WRITE_OP) {
		result = write_plain(self, form, wire, fd, buf, size);
		if (form == WRITE_ALL || form == WRITEV_ALL) {
			wire_note_written(wire, result); /* no more bytes, but perhaps an error */
			return result == 0 ? (int64_t)size : result;
		}
	} else {
		result = write_by_op(self, form, wire, fd, buf, size);
	}
	wire_note_written(wire, result);
	memset(buf, JUNK, size);
	return result;
}

int64_t wire_write(struct actor *self, struct wire *wire, int fd)
{
	size_t size = draw_size(self);
	int64_t result;
	char *large;

	if (size <= SIZE_MAX_SMALL) {
		char buf[size];

		return write_size(self, wire, fd, buf, size);
	}
	large = malloc(size);
	result = write_size(self, wire, fd, large, size);
	free(large);
	return result;
}

/* ---- reading */

enum read_form {
	READ,
	READ_EXACT,
	READV,
	READ_OP,
	READV_OP,
	POLL_READ,
	DEADLINE_READ,
	PIPE_READ_FORM_NR,
	RECV = PIPE_READ_FORM_NR,
	RECV_ALL,
	RECVMSG,
	READ_FORM_NR,
};

static int64_t read_plain(struct actor *self, enum read_form form, struct wire *wire, int fd, char *buf, size_t size)
{
	unsigned flags = wire_read_flags(wire);
	struct aion_scope scope;
	struct shade shade;
	struct iovec iov[3];
	int64_t result;

	cut(self, iov, buf, size);
	switch (form) {
	case READV:
		return told(self, "readv", aion_readv(fd, iov, 3), (int64_t)size, flags);
	case POLL_READ:
		result = told(self, "poll", aion_poll(fd, POLLIN), 0xffff, flags);
		if (result < 0)
			return result;
		break;
	case DEADLINE_READ:
		shade_enter(self, &shade, &scope, draw_deadline(self), false);
		result = told(self, "read", aion_read(fd, buf, size), (int64_t)size, flags);
		shade_leave(self, &shade);
		return result;
	default:
		break;
	}
	return told(self, "read", aion_read(fd, buf, size), (int64_t)size, flags);
}

static int64_t read_by_op(struct actor *self, enum read_form form, struct wire *wire, int fd, char *buf, size_t size)
{
	AION_CLEANUP(effort_reap) struct effort effort = {0};
	struct iovec iov[3];
	struct msghdr message = cut_message(self, iov, buf, size);

	switch (form) {
	case READV_OP:
		aion_op_readv(&effort.op, fd, iov, 3);
		break;
	case RECV:
	case RECV_ALL:
		io_uring_prep_recv(aion_op_sqe(&effort.op), fd, buf, size, form == RECV_ALL ? MSG_WAITALL : 0);
		break;
	case RECVMSG:
		io_uring_prep_recvmsg(aion_op_sqe(&effort.op), fd, &message, 0);
		break;
	default:
		if (draw_percent(&self->draw, 50))
			aion_op_read(&effort.op, fd, buf, size);
		else
			aion_op_pread(&effort.op, fd, buf, size, 0);
	}
	effort_begin(self, &effort, "op read", (int64_t)size, wire_read_flags(wire), true);
	return op_wait(self, &effort);
}

static int64_t read_exact(struct actor *self, struct wire *wire, int fd, char *buf, size_t size)
{
	size_t done = SIZE_MAX;
	int64_t result = aion_read_exact(fd, buf, size, &done);

	told(self, "read_exact", result, 0, wire_read_flags(wire) | MAY_END | PERHAPS_REFUSED);
	if (done > size || (result == 0) != (done == size))
		run_fail(self->run, "%zu bytes of %zu are read, and the result is %lld", done, size, (long long)result);
	if (done)
		wire_note_got(wire, buf, (int64_t)done);
	if (result == 0)
		return (int64_t)size;
	if (result == -ENODATA)
		result = 0;
	wire_note_got(wire, buf, result);
	return result;
}

static int64_t read_size(struct actor *self, struct wire *wire, int fd, char *buf, size_t size)
{
	enum read_form form =
		(enum read_form)draw_below(&self->draw, wire->is_socket ? READ_FORM_NR : PIPE_READ_FORM_NR);
	int64_t result;

	memset(buf, JUNK, size + BEHIND);
	if (form == READ_EXACT) {
		result = read_exact(self, wire, fd, buf, size);
	} else {
		if (form == READ_OP || form == READV_OP || form >= PIPE_READ_FORM_NR)
			result = read_by_op(self, form, wire, fd, buf, size);
		else
			result = read_plain(self, form, wire, fd, buf, size);
		wire_note_got(wire, buf, result);
	}
	for (size_t i = form == READ_EXACT || result < 0 ? size : (size_t)result; i < size + BEHIND; i++)
		if (buf[i] != JUNK)
			run_fail(self->run, "a read of %zu bytes says %lld, and has changed byte %zu", size,
				 (long long)result, i);
	return result;
}

int64_t wire_read(struct actor *self, struct wire *wire, int fd)
{
	size_t size = draw_size(self);
	int64_t result;
	char *large;

	if (size <= SIZE_MAX_SMALL) {
		char buf[size + BEHIND];

		return read_size(self, wire, fd, buf, size);
	}
	large = malloc(size + BEHIND);
	result = read_size(self, wire, fd, large, size);
	free(large);
	return result;
}
