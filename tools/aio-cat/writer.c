/* SPDX-License-Identifier: MIT */
/*
 * The writer: gathers the buffers of many small files into large writes, in order. Once a write has failed there is
 * nothing left to do: the error stays, and every later call returns it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "aio_cat.h"

#define PIPE_SIZE (1024 * 1024) /* what an unprivileged process may ask for, by default */

int writer_init(struct writer *writer, struct pool *pool, const struct options *options)
{
	if (fstat(STDOUT_FILENO, &writer->info) < 0)
		return -errno;
	show_init(&writer->show, &options->show);
	writer->is_null = S_ISCHR(writer->info.st_mode) && writer->info.st_rdev == makedev(1, 3);
	writer->is_sync = options->is_sync;
	if (show_is_active(&writer->show)) {
		writer->shown = aligned_alloc(4096, WRITER_SHOWN_SIZE);
		if (!writer->shown)
			return -ENOMEM;
	}
	writer->pool = pool;
	writer->is_prompt = writer_is_pipe(writer) || S_ISSOCK(writer->info.st_mode) || isatty(STDOUT_FILENO);
	return 0;
}

bool writer_is_pipe(const struct writer *writer)
{
	return S_ISFIFO(writer->info.st_mode);
}

void writer_grow_pipe(struct writer *writer)
{
	if (writer->pipe_grown || !writer_is_pipe(writer))
		return;
	writer->pipe_grown = true;
	if (fcntl(STDOUT_FILENO, F_GETPIPE_SZ) < PIPE_SIZE)
		fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_SIZE); /* a refusal costs speed only */
}

int writer_account(struct writer *writer, int64_t result)
{
	if (result < 0) {
		writer->error = (int)result;
	} else {
		writer->done_size += (uint64_t)result;
		writer->taken_size += (uint64_t)result;
	}
	return writer->error;
}

/* One buffer, by write(2). */
static int64_t write_blocking(const char *buf, size_t size, size_t *ret_done)
{
	ssize_t n;

	for (*ret_done = 0; *ret_done<size; *ret_done += n> 0 ? (size_t)n : 0) {
		n = write(STDOUT_FILENO, buf + *ret_done, size - *ret_done);
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

/* There is nothing to wait for, so the ring would only be a detour. */
static int64_t write_null(const struct iovec *bufs, int buf_nr, size_t *ret_done)
{
	ssize_t n = writev(STDOUT_FILENO, bufs, buf_nr);

	*ret_done = n < 0 ? 0 : (size_t)n;
	return n < 0 ? -errno : 0;
}

static AION_SUSPENDS int writer_send(struct writer *writer, const struct iovec *bufs, int buf_nr)
{
	int64_t result;
	size_t done;

	if (writer->is_null)
		result = write_null(bufs, buf_nr, &done);
	else if (writer->is_sync && buf_nr == 1)
		result = write_blocking(bufs->iov_base, bufs->iov_len, &done);
	else
		result = aion_writev_all(STDOUT_FILENO, bufs, buf_nr, &done);
	writer->done_size += done;
	return writer_account(writer, result);
}

static AION_SUSPENDS void writer_flush_bufs(struct writer *writer)
{
	int i;

	if (writer->buf_nr == 0)
		return;
	if (writer->size >= POOL_BUF_SIZE)
		writer_grow_pipe(writer);
	if (writer->error == 0)
		writer_send(writer, writer->bufs, writer->buf_nr);
	for (i = 0; i < writer->buf_nr; i++)
		pool_put(writer->pool, writer->bufs[i].iov_base);
	writer->buf_nr = 0;
	writer->size = 0;
}

static AION_SUSPENDS void writer_flush_shown(struct writer *writer)
{
	const struct iovec only = {.iov_base = writer->shown, .iov_len = writer->shown_size};

	if (writer->shown_size == 0)
		return;
	if (writer->shown_size >= POOL_BUF_SIZE)
		writer_grow_pipe(writer);
	writer->shown_size = 0;
	if (writer->error == 0)
		writer_send(writer, &only, 1);
}

AION_SUSPENDS int writer_flush(struct writer *writer)
{
	writer_flush_bufs(writer);
	writer_flush_shown(writer);
	return writer->error;
}

/* What becomes of the bytes is held, or written where there is no room for it. */
static AION_SUSPENDS void writer_show(struct writer *writer, const char *buf, size_t size)
{
	writer_flush_bufs(writer);
	while (size > 0 && writer->error == 0) {
		writer->shown_size += show_run(&writer->show, &buf, &size, writer->shown + writer->shown_size,
					       WRITER_SHOWN_SIZE - writer->shown_size);
		if (size > 0)
			writer_flush_shown(writer);
	}
}

static bool writer_shows(const struct writer *writer, const char *buf, size_t size)
{
	return writer->shown && show_clean_size(&writer->show, buf, size) < size;
}

AION_SUSPENDS int writer_put(struct writer *writer, char *buf, size_t size)
{
	writer->taken_size += size;
	if (size == 0) {
		pool_put(writer->pool, buf);
		return writer->error;
	}
	if (writer_shows(writer, buf, size)) {
		writer_show(writer, buf, size);
		pool_put(writer->pool, buf);
		return writer->shown_size >= WRITER_BATCH_SIZE ? writer_flush(writer) : writer->error;
	}
	writer_flush_shown(writer);
	writer->bufs[writer->buf_nr++] = (struct iovec){buf, size};
	writer->size += size;
	if (writer->buf_nr == WRITER_BUF_NR || writer->size >= WRITER_BATCH_SIZE)
		return writer_flush(writer);
	return writer->error;
}

AION_SUSPENDS int writer_copy(struct writer *writer, const char *buf, size_t size)
{
	const struct iovec only = {.iov_base = (char *)buf, .iov_len = size};

	writer->taken_size += size;
	if (writer_shows(writer, buf, size)) {
		writer_show(writer, buf, size);
		return writer_flush(writer);
	}
	return writer_flush(writer) < 0 ? writer->error : writer_send(writer, &only, 1);
}

AION_SUSPENDS int writer_end(struct writer *writer)
{
	if (writer->shown) {
		writer_flush(writer);
		writer->shown_size = show_end(&writer->show, writer->shown);
	}
	return writer_flush(writer);
}
