/* SPDX-License-Identifier: MIT */
/*
 * The reader: a window of sources that are opened and read ahead. What the caches hold is taken at once; each source
 * that has to wait for the disk gets a task, and these wait side by side.
 *
 * Only regular files are read ahead. Anything else (a FIFO, a terminal, standard input) is met in its turn, and nothing
 * behind it is touched before it has ended: whoever feeds it may be about to write the next operand. What fails ahead
 * of its turn is not reported but tried again then, so that the messages are those of a program that does one thing
 * after the other.
 *
 * When there are many files, and they are small and in the caches, every so many of them are lent to the helper.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "aio_cat.h"

#define LEND_FIRST 256 /* operands before a helper is worth its start */
#define LEND_REST 512  /* and which must come after them */
#define LEND_PAUSE 256 /* operands before the next loan, after one that was not done; the next time twice as many */
#define LEND_MIN 4     /* operands; if fewer fit into a loan, it is not worth its hand-over */
#define LEND_MAX 32

/* O_NONBLOCK: should it be a FIFO, the open does not wait for its writer. */
static const struct open_how open_how = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC};

void reader_init(struct reader *reader, struct pool *pool, struct aion_group *group, const struct stat *output,
		 const struct options *options)
{
	memset(reader, 0, sizeof(*reader));
	reader->group = group;
	reader->pool = pool;
	reader->output = output;
	reader->options = options;
	reader->range_off = options->has_range ? options->range_off : 0;
	reader->range_size = options->has_range ? options->range_size : INT64_MAX;
	reader->lend_name = SIZE_MAX;
	reader->lend_pause = LEND_PAUSE;
	if (!output && options->job_nr == READER_WINDOW && !options->has_range && !options->direct &&
	    !options->nocache && !options->is_sync && options->name_nr > LEND_FIRST + LEND_REST)
		reader->lend_name = LEND_FIRST;
}

void reader_fini(struct reader *reader)
{
	helper_stop(&reader->helper);
	while (reader->kept_nr > 0)
		close(reader->kept[--reader->kept_nr].fd);
}

static void source_hold(struct source *source)
{
	source->is_stream = true;
	source->reader->is_held = true;
}

/* Whether it may be read ahead: not the output, whose contents depend on what is before it. */
static bool source_is_plain(const struct source *source)
{
	const struct stat *output = source->reader->output;
	struct stat info;

	if (fstat(source->fd, &info) < 0)
		return false;
	if (output && info.st_dev == output->st_dev && info.st_ino == output->st_ino)
		return false;
	return S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
}

/* Take in what a read gave. false at the end, which is a read of nothing, on an error, and when the buffer is full. */
static bool source_take(struct source *source, int64_t n)
{
	if (n > 0) {
		source->size += (size_t)n;
		return source->size < POOL_BUF_SIZE;
	}
	if (n == 0) {
		source->has_ended = true;
		if (source->reader->options->nocache)
			posix_fadvise(source->fd, 0, 0, POSIX_FADV_DONTNEED);
		close(source->fd);
		source->fd = -1;
	}
	return false;
}

/* What the next read asks for: nothing where the range ends. */
static size_t source_room(const struct source *source)
{
	int64_t wanted = source->reader->range_size - (int64_t)source->size;
	size_t room = POOL_BUF_SIZE - source->size;

	return wanted < (int64_t)room ? (size_t)wanted : room;
}

static int64_t source_off(const struct source *source)
{
	return source->reader->range_off + (int64_t)source->size;
}

static int64_t source_try_pread(const struct source *source)
{
	return aion_try_pread(source->fd, source->buf + source->size, source_room(source), source_off(source));
}

/*
 * Open and read what the caches hold, at once. false if the source has to wait: a task shall go on from here.
 *
 * Only while every source of the reader's before this one is known to be a regular file: should this be a FIFO, it is the
 * only one that is opened before its turn. What can be read at an offset, without waiting, is not asked what it is.
 */
static bool source_try(struct source *source)
{
	struct reader *reader = source->reader;
	int64_t n;

	if (reader->unknown_nr > 0)
		return false;
	n = aion_try_openat2(AT_FDCWD, source->name, &open_how, sizeof(open_how));
	if (n < 0)
		return n != -EAGAIN;
	source->fd = (int)n;
	if (reader->output && !source_is_plain(source))
		return false;
	source->buf = pool_get(reader->pool);
	do
		n = source_try_pread(source);
	while (source_take(source, n));
	if (n == 0) {
		reader->cached_nr++;
		reader->cached_size += source->size;
	}
	return n >= 0;
}

/* What is not in the caches is not opened before its kind is known: opening lets a FIFO's writer go on. */
static AION_SUSPENDS int64_t source_open(struct source *source)
{
	struct reader *reader = source->reader;
	struct statx info;
	int64_t result;

	reader->unknown_nr++;
	result = aion_statx(AT_FDCWD, source->name, 0, STATX_TYPE, &info);
	reader->unknown_nr--;
	if (result < 0)
		return result;
	if (!S_ISREG(info.stx_mode) && !S_ISDIR(info.stx_mode)) {
		source_hold(source);
		return -EAGAIN;
	}
	return aion_openat2(AT_FDCWD, source->name, &open_how, sizeof(open_how));
}

/* The first read goes to the disk; when it is done, the end of a small file is known without the ring. */
static AION_SUSPENDS int64_t source_pread(struct source *source)
{
	AION_CLEANUP(aion_op_reap) struct aion_op op = {0};
	int64_t n = source->size > 0 ? source_try_pread(source) : -EAGAIN;

	if (n >= 0)
		return n;
	aion_op_pread(&op, source->fd, source->buf + source->size, source_room(source), source_off(source));
	return aion_await(&op.future);
}

/* The task of a source that has to wait. Its result is always 0: nothing that happens to a source ends the others. */
static int64_t source_load(void *arg)
{
	struct source *source = arg;
	struct reader *reader = source->reader;

	if (source->fd < 0)
		source->fd = (int)source_open(source);
	if (source->fd >= 0 && !source_is_plain(source))
		source_hold(source);
	else if (source->fd >= 0) {
		if (!source->buf)
			source->buf = pool_get(reader->pool);
		while (source_take(source, source_pread(source)))
			;
	}
	reader->loading_nr--;
	reader->ready_size += source->size;
	aion_future_complete(&source->loaded, 0);
	return 0;
}

static struct source *reader_source(struct reader *reader, size_t idx)
{
	return &reader->window[idx % READER_WINDOW];
}

static struct source *reader_append(struct reader *reader)
{
	struct source *source = reader_source(reader, reader->next_idx++);

	memset(source, 0, sizeof(*source));
	source->reader = reader;
	source->name_idx = reader->next_name;
	source->name = reader->options->names[reader->next_name];
	source->fd = -1;
	aion_future_init(&source->loaded);
	return source;
}

/* Whether it was open already. */
static bool source_take_kept(struct source *source)
{
	struct reader *reader = source->reader;

	for (size_t i = 0; i < reader->kept_nr; i++) {
		if (reader->kept[i].name_idx == source->name_idx) {
			source->fd = reader->kept[i].fd;
			reader->kept[i] = reader->kept[--reader->kept_nr];
			return true;
		}
	}
	return false;
}

static void source_keep(struct source *source)
{
	struct reader *reader = source->reader;

	if (source->is_stream && source->fd >= 0 && reader->kept_nr < READER_KEPT_NR) {
		reader->kept[reader->kept_nr++] = (struct kept){source->name_idx, source->fd};
		source->fd = -1;
	}
}

static void reader_begin(struct reader *reader)
{
	struct source *source = reader_append(reader);

	reader->next_name++;
	if (strcmp(source->name, "-") == 0 || source_take_kept(source)) {
		source_hold(source);
	} else if (reader->options->direct || reader->options->is_sync) {
		source->size = 0; /* all of it in its turn */
	} else if (!source_try(source)) {
		reader->loading_nr++;
		if (aion_spawn_now(reader->group, source_load, source) == 0)
			return;
		reader->loading_nr--; /* the group keeps the error, and ends the program */
	}
	reader->ready_size += source->size;
	aion_future_complete(&source->loaded, 0);
}

/* ---- loans */

static bool source_is_lent(const struct source *source)
{
	return source->loan && !aion_future_is_done(&source->loaded);
}

/* How many of the next operands to lend: as many as fill half of the buffer, if they are as large as others. 0: none. */
static size_t reader_loan_size(struct reader *reader)
{
	size_t nr = LEND_MAX;

	if (reader->next_name < reader->lend_name || reader->is_held || reader->loading_nr > 0)
		return 0;
	if (!reader->helper.is_there && !helper_start(&reader->helper)) {
		reader->lend_name = SIZE_MAX;
		return 0;
	}
	if (nr > reader->options->name_nr - reader->next_name)
		nr = reader->options->name_nr - reader->next_name;
	if (nr * reader->cached_size > HELPER_BUF_SIZE / 2 * reader->cached_nr)
		nr = HELPER_BUF_SIZE / 2 * reader->cached_nr / reader->cached_size;
	return nr >= LEND_MIN && helper_has_room(&reader->helper) ? nr : 0;
}

static void reader_lend(struct reader *reader, size_t nr)
{
	struct source *source = reader_append(reader);

	source->loan = helper_lend(&reader->helper, reader->options->names + reader->next_name, nr);
	reader->next_name += nr;
}

/* If that is done: it has been loaded, as much of it as the helper could read. */
static void source_take_back(struct source *source)
{
	struct reader *reader = source->reader;

	if (!source_is_lent(source) || !helper_is_done(&reader->helper, source->loan))
		return;
	source->size = source->loan->size;
	source->has_ended = source->loan->done_nr == source->loan->name_nr;
	reader->ready_size += source->size;
	aion_future_complete(&source->loaded, 0);
}

/* ---- the window */

/*
 * The window is filled as long as somebody waits for the disk, or for the helper. When nobody does, everything comes
 * from the page cache, and a batch that is ready should be written while it is in the processor's.
 */
static bool reader_may_begin(const struct reader *reader)
{
	if (reader->next_name == reader->options->name_nr ||
	    reader->next_idx - reader->head_idx == reader->options->job_nr)
		return false;
	if (reader->next_idx == reader->head_idx)
		return true;
	return !reader->is_held && (reader->loading_nr > 0 || reader->ready_size < WRITER_BATCH_SIZE ||
				    source_is_lent(&reader->window[reader->head_idx % READER_WINDOW]));
}

struct source *reader_next(struct reader *reader)
{
	struct source *head = reader_source(reader, reader->head_idx);
	size_t loan_size;

	while (reader_may_begin(reader)) {
		loan_size = reader_loan_size(reader);
		if (loan_size)
			reader_lend(reader, loan_size);
		else
			reader_begin(reader);
		source_take_back(head);
	}
	if (reader->head_idx == reader->next_idx)
		return NULL;
	if (source_is_lent(head))
		helper_await(&reader->helper, head->loan);
	source_take_back(head);
	return head;
}

static void source_release(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
	if (source->loan) {
		helper_await(&source->reader->helper, source->loan);
		source_take_back(source);
		helper_return(&source->reader->helper);
	}
	source->loan = NULL;
	if (source->buf)
		pool_put(source->reader->pool, source->buf);
	source->buf = NULL;
	source->reader->ready_size -= source->size;
	source->size = 0;
}

void reader_done(struct reader *reader)
{
	struct source *source = reader_source(reader, reader->head_idx);

	if (source->is_stream)
		reader->is_held = false;
	source_release(source);
	reader->head_idx++;
}

AION_SUSPENDS void reader_restart(struct reader *reader)
{
	struct source *head = reader_source(reader, reader->head_idx);
	size_t idx, name_nr = head->loan ? head->loan->done_nr : 1;

	for (idx = reader->head_idx; idx < reader->next_idx; idx++) {
		struct source *source = reader_source(reader, idx);

		/* After a signal nobody goes on; what a task is loading stays its own. */
		if (!source->loan && aion_await(&source->loaded) < 0)
			return;
		if (source != head)
			source_keep(source);
		if (source != head || source->loan)
			source_release(source);
	}
	reader->next_idx = reader->head_idx + 1;
	reader->next_name = head->name_idx + name_nr;
	reader->is_held = head->is_stream;
	if (reader->lend_name > reader->next_name || !reader->helper.is_there)
		return;
	reader->lend_name = reader->next_name + reader->lend_pause;
	reader->lend_pause *= 2;
}
