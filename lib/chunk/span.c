/* SPDX-License-Identifier: MIT */
/*
 * A span is read until it is full, or the file has ended. A direct read begins at a multiple of a block and has room
 * for whole ones, so what is missing behind a short one is read again from its block's beginning; if that brings
 * nothing new the file has ended there.
 *
 * Where a read fails with -EIO, again and again, it is narrowed to blocks: only those that cannot be read are bad.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "assert_int.h"
#include "chunk_int.h"
#include "fault_int.h"

#define AGAIN_MAX 100

int64_t aion__chunk_read(struct aion__chunk_file *file, void *buf, size_t size, int64_t off)
{
	const struct iovec iov = {buf, size};
	int64_t n;

	if (file->rw_flags) {
		n = aion_preadv2(file->fd, &iov, 1, off, file->rw_flags);
		if (n != -EOPNOTSUPP)
			return n;
		file->rw_flags = 0; /* this file system has no such reads */
	}
	return aion_pread(file->fd, buf, size, off);
}

int64_t aion__chunk_read_blocking(struct aion__chunk_file *file, void *buf, size_t size, int64_t off)
{
	const struct iovec iov = {buf, size};
	ssize_t n;

	if (file->rw_flags) {
		n = preadv2(file->fd, &iov, 1, off, file->rw_flags);
		if (n >= 0 || errno != EOPNOTSUPP)
			return n < 0 ? -errno : n;
	}
	n = pread(file->fd, buf, size, off);
	return n < 0 ? -errno : n;
}

static bool span_is_direct(const struct aion__chunk_file *file, const struct aion__chunk_span *span)
{
	return file->is_direct && !span->is_cached;
}

/* What a read of whole blocks has given; a network file system may cut it inside of one, and here a test. */
static int64_t span_cut(const struct aion__chunk_file *file, const struct aion__chunk_span *span, int64_t n)
{
	int64_t cut = span_is_direct(file, span) ? -(int64_t)aion__fault_hit(AION__FAULT_DIRECT_CUT) : 0;

	return cut && n > cut ? cut : n;
}

/* Reads at most size bytes of what is missing. */
static AION_SUSPENDS int64_t span_read(struct aion__chunk_file *file, const struct aion__chunk_span *span,
				       aion__chunk_read_fn *read, size_t size)
{
	bool is_direct = span_is_direct(file, span);
	size_t back = is_direct ? (size_t)(span->off + (int64_t)span->got) % AION__CHUNK_BLOCK : 0;
	size_t whole = is_direct ? aion__chunk_round_up(back + size) : size;
	int64_t n;

	AION_ASSERT(back <= span->got && size <= span->want - span->got);
	n = read(file, span->buf + span->got - back, whole, span->off + (int64_t)(span->got - back));
	if (n < 0)
		return n;
	n = span_cut(file, span, n) - (int64_t)back;
	if (n < 0)
		n = 0;
	return n < (int64_t)size ? n : (int64_t)size;
}

/*
 * A read gave nothing new. 1: there is more all the same, for it was a direct one, of a block whose beginning is there
 * already, and the file is said to go on; what is missing is then read from where it begins, which only the page cache
 * can do. 0: it is the end; or the error.
 */
static AION_SUSPENDS int64_t span_goes_on(const struct aion__chunk_file *file, struct aion__chunk_span *span)
{
	int64_t size, off = span->off + (int64_t)span->got;

	if (!span_is_direct(file, span) || off % (int64_t)AION__CHUNK_BLOCK == 0 || !file->is_regular)
		return 0;
	size = aion__chunk_size_now(file);
	if (size <= off)
		return size < 0 ? size : 0;
	span->is_cached = aion__chunk_end_direct(file);
	/* The flags of a descriptor that only the ring knows stay as they are; what the next read gives is open. */
	return span->is_cached || span->again_nr++ < AGAIN_MAX;
}

/* How much of what is missing lies in its first block. */
static size_t span_block(const struct aion__chunk_span *span)
{
	size_t size = AION__CHUNK_BLOCK - (size_t)(span->off + (int64_t)span->got) % AION__CHUNK_BLOCK;

	return size < span->want - span->got ? size : span->want - span->got;
}

/* A block cannot be read. 1: go on behind it; 0: the span is cut or ends here; or the error. */
static AION_SUSPENDS int64_t span_is_bad(const struct aion__chunk_run *run, struct aion__chunk_file *file,
					 struct aion__chunk_span *span, int64_t error)
{
	int64_t left, size = aion__chunk_size_now(file);
	size_t bad = span_block(span);

	if (size < 0)
		return size;
	left = size - span->off - (int64_t)span->got;
	if (left < (int64_t)bad) {
		if (left <= 0) { /* no bytes of the file; but one that is said to be empty may be more than that */
			span->is_end = size > 0;
			return size > 0 ? 0 : error;
		}
		bad = (size_t)left;
		/* To find that out, a direct read would begin with this block, before the gap or over the zeros. */
		span->is_end = true;
	}
	if (!span->bad_size)
		span->bad_off = span->off + (int64_t)span->got;
	if (run->options.on_error == AION_CHUNK_SKIP) {
		span->gap = bad;
		return 0;
	}
	memset(span->buf + span->got, 0, bad);
	span->got += bad;
	span->bad_size += bad;
	return !span->is_end;
}

int64_t aion__chunk_fill(const struct aion__chunk_run *run, struct aion__chunk_file *file,
			 struct aion__chunk_span *span, aion__chunk_read_fn *read, int64_t first)
{
	bool is_narrow = false;
	unsigned failed_nr = 0;
	int64_t n, result;

	if (first != AION__CHUNK_NO_READ && first > 0)
		first = span_cut(file, span, first);
	for (n = first; span->got < span->want || n < 0; n = AION__CHUNK_NO_READ) {
		if (n == AION__CHUNK_NO_READ)
			n = span_read(file, span, read, is_narrow ? span_block(span) : span->want - span->got);
		if (n > 0) {
			span->got += (size_t)n;
			failed_nr = 0;
			continue;
		}
		if (n == 0) {
			result = span_goes_on(file, span);
			span->is_end = result == 0;
			if (result <= 0)
				return result;
			continue;
		}
		if (n == -EINTR)
			continue;
		if (n != -EIO)
			return n;
		if (failed_nr++ < run->options.retry_nr)
			continue;
		if (run->options.on_error == AION_CHUNK_STOP)
			return n;
		failed_nr = 0;
		if (!is_narrow && span->want - span->got > span_block(span)) {
			is_narrow = true;
			continue;
		}
		result = span_is_bad(run, file, span, n);
		if (result <= 0)
			return result;
	}
	return 0;
}
