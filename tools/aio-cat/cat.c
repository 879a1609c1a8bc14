/* SPDX-License-Identifier: MIT */
/* The main task: takes the sources in their order, whatever the reader is doing meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "aio_cat.h"

/* A source that could not be read: say so after what came before it. 0, or -errno of the write. */
static AION_SUSPENDS int cat_complain(struct cat *cat, const struct source *source, const char *text)
{
	cat->has_failed = true;
	if (cat->stop_signal)
		return -ECANCELED;
	if (writer_flush(&cat->writer) == 0)
		message_name(source->name, text);
	return cat->writer.error;
}

/* Copying a file to its own end would never end. */
static bool is_own_input(const struct writer *writer, int fd, const struct stat *info)
{
	return S_ISREG(writer->info.st_mode) && info->st_dev == writer->info.st_dev &&
	       info->st_ino == writer->info.st_ino && lseek(fd, 0, SEEK_CUR) < info->st_size;
}

static struct stream stream_of(struct cat *cat, const struct source *source, int fd)
{
	const struct options *options = &cat->options;
	int64_t off = options->has_range ? options->range_off : 0;

	return (struct stream){
		.writer = &cat->writer,
		.options = options,
		.fd = fd,
		.off = off + (int64_t)source->size,
		.end = options->has_range ? off + options->range_size : INT64_MAX,
		.begin_off = source->size > 0 ? off + (int64_t)source->size : 0,
		.first_off = -1,
	};
}

/* Standard input may stand anywhere in its file, and is left where the copy ended: others may go on from there. */
static AION_SUSPENDS int64_t copy_regular(struct cat *cat, const struct source *source, int fd)
{
	struct stream stream = stream_of(cat, source, fd);
	int64_t begin = fd == STDIN_FILENO ? lseek(fd, 0, SEEK_CUR) : 0, result;

	stream.off += begin;
	stream.end = stream.end > INT64_MAX - begin ? INT64_MAX : stream.end + begin;
	result = stream_file(&stream);
	if (fd == STDIN_FILENO)
		lseek(fd, stream.off, SEEK_SET);
	return result;
}

/*
 * A named FIFO was opened without waiting for its writer: poll does that, it hangs up only once a writer has come and
 * gone. From then on the descriptor shall wait as any other.
 */
static AION_SUSPENDS int64_t copy_stream(struct cat *cat, const struct source *source, int fd, const struct stat *info)
{
	struct stream stream = stream_of(cat, source, fd);
	int64_t result;

	if (source->fd >= 0) {
		if (S_ISFIFO(info->st_mode)) {
			result = aion_poll(fd, POLLIN);
			if (result < 0)
				return result;
		}
		fcntl(fd, F_SETFL, 0);
	}
	return stream_pipe(&stream);
}

static AION_SUSPENDS int cat_copy(struct cat *cat, const struct source *source, int fd)
{
	struct writer *writer = &cat->writer;
	struct stat info;
	int64_t result;

	if (writer_flush(writer) < 0)
		return writer->error;
	if (fstat(fd, &info) < 0)
		return cat_complain(cat, source, strerror(errno));
	if (is_own_input(writer, fd, &info))
		return cat_complain(cat, source, "input file is output file");
	cat->file_nr++;
	if (S_ISREG(info.st_mode))
		result = copy_regular(cat, source, fd);
	else
		result = copy_stream(cat, source, fd, &info);
	if (result < 0 && writer->error == 0)
		return cat_complain(cat, source, strerror((int)-result));
	return writer->error;
}

/* Open in its turn what could not be opened ahead. Descriptors that the window holds are given back if there are none.
 */
static AION_SUSPENDS int64_t cat_open(struct cat *cat, const struct source *source)
{
	const int flags = O_RDONLY | O_CLOEXEC;
	int64_t fd;

	fd = aion_openat(AT_FDCWD, source->name, flags, 0);
	if (fd == -EMFILE || fd == -ENFILE) {
		reader_restart(&cat->reader);
		fd = aion_openat(AT_FDCWD, source->name, flags, 0);
	}
	return fd;
}

/* What the helper has read; it goes on from where it could not. 0, or -errno of the write. */
static AION_SUSPENDS int cat_loan(struct cat *cat, struct source *source)
{
	cat->file_nr += source->loan->done_nr;
	if (source->size > 0 && writer_copy(&cat->writer, source->loan->buf, source->size) < 0)
		return cat->writer.error;
	if (!source->has_ended)
		reader_restart(&cat->reader);
	return 0;
}

/* Deal with the source whose turn it is. 0, or -errno of the write, or -ECANCELED after a signal. */
static AION_SUSPENDS int cat_source(struct cat *cat, struct source *source)
{
	char *buf = source->buf;
	int64_t fd;

	if (source->loan)
		return cat_loan(cat, source);
	if (buf) {
		source->buf = NULL; /* the writer's now */
		if (writer_put(&cat->writer, buf, source->size) < 0)
			return cat->writer.error;
	}
	if (source->has_ended) {
		cat->file_nr++;
		return 0;
	}
	if (strcmp(source->name, "-") == 0) {
		cat->read_stdin = true;
		return cat_copy(cat, source, STDIN_FILENO);
	}
	if (source->fd < 0) {
		fd = cat_open(cat, source);
		if (fd < 0)
			return cat_complain(cat, source, strerror((int)-fd));
		source->fd = (int)fd;
	}
	return cat_copy(cat, source, source->fd);
}

static AION_SUSPENDS int cat_sources(struct cat *cat)
{
	struct reader *reader = &cat->reader;
	struct writer *writer = &cat->writer;
	struct source *source;
	int64_t result;

	while (!cat->stop_signal && (source = reader_next(reader)) != NULL) {
		cat->stop_name = source->name;
		if (writer->is_prompt && !aion_future_is_done(&source->loaded) && writer_flush(writer) < 0)
			return writer->error;
		result = aion_await(&source->loaded);
		if (result < 0)
			return (int)result;
		result = cat_source(cat, source);
		if (result < 0)
			return (int)result;
		if (source->is_stream)
			reader_restart(reader);
		reader_done(reader);
	}
	return writer_end(writer);
}

/* The task that waits for a signal: everything else is cancelled then. */
static int64_t stop_wait(void *arg)
{
	struct cat *cat = arg;
	int64_t number = aion_signal_next(&cat->stop_watch, NULL);

	if (number > 0) {
		cat->stop_signal = (int)number;
		aion_group_cancel(&cat->group);
	}
	return 0;
}

/* Those that are not ignored; that would stay so in cat. */
static int stop_open(struct cat *cat)
{
	static const int stop_signals[] = {SIGINT, SIGTERM};
	int numbers[3] = {0}, nr = 0;
	struct sigaction action;

	for (size_t i = 0; i < 2; i++) {
		if (sigaction(stop_signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			numbers[nr++] = stop_signals[i];
	}
	return nr ? aion_signal_open(&cat->stop_watch, numbers) : 0;
}

static AION_SUSPENDS int cat_in_group(struct cat *cat)
{
	const struct stat *output = &cat->writer.info;
	struct aion_handle progress, stop;
	bool can_stop = cat->stop_watch.is_open;
	int result;

	if (cat->options.progress)
		aion_spawn_into(&cat->group, &progress, NULL, progress_run, cat);
	if (can_stop)
		aion_spawn_into(&cat->group, &stop, NULL, stop_wait, cat);
	reader_init(&cat->reader, &cat->pool, &cat->group, S_ISREG(output->st_mode) ? output : NULL, &cat->options);
	result = cat_sources(cat);
	reader_fini(&cat->reader);
	if (cat->options.progress)
		aion_handle_cancel(&progress);
	if (can_stop)
		aion_handle_cancel(&stop);
	return (int)aion_group_leave(&cat->group, result);
}

int64_t cat_run(void *arg)
{
	struct cat *cat = arg;
	int64_t result;

	result = pool_init(&cat->pool);
	if (result < 0)
		return result;
	/* Plain system calls cannot be broken off: a signal kills, which leaves the file as it was, too. */
	if (cat->output.is_new && !cat->options.is_sync)
		result = stop_open(cat);
	if (result == 0) {
		aion_group_enter(&cat->group);
		result = cat_in_group(cat);
	}
	aion_signal_close(&cat->stop_watch);
	pool_fini(&cat->pool);
	aion_loop_stats(aion_loop_current(), &cat->loop_stats);
	return result;
}
