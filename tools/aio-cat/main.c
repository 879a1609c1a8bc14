/* SPDX-License-Identifier: MIT */
/* aio-cat: how the program begins and ends. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aio_cat.h"

/* Keep the number of a descriptor that is closed from being given to the ring. false if it was closed. */
static bool fd_occupy(int fd)
{
	if (fcntl(fd, F_GETFD) >= 0)
		return true;
	open("/dev/null", O_PATH); /* the lowest free number; neither reads nor writes */
	return false;
}

/* The loop takes a broken pipe as an error. To the outside the program shall look as if the signal had come. */
static void die_of_sigpipe(const sigset_t *signals)
{
	raise(SIGPIPE);
	sigprocmask(SIG_SETMASK, signals, NULL);
}

static int run(struct cat *cat, const sigset_t *signals, bool has_stdin)
{
	const struct aion_loop_options options = {
		.entry_nr = 256,
		.completion_nr = 512,
		.no_interrupt_handler = true, /* SIGINT kills, as it does cat; see cat_run() for -o */
	};
	int64_t result = aion_run(cat_run, cat, &options);

	stats_print(cat);
	if (cat->stop_signal)
		return EXIT_FAILURE;
	if (cat->writer.error == -EPIPE)
		die_of_sigpipe(signals); /* comes back where the signal is ignored or blocked */
	if (cat->writer.error < 0) {
		message_error("write error", cat->writer.error);
		return EXIT_FAILURE;
	}
	if (result < 0) {
		if (*aion_loop_create_error())
			message(aion_loop_create_error());
		else
			message_error("cannot go on", (int)result);
		return EXIT_FAILURE;
	}
	if (cat->read_stdin && (close(STDIN_FILENO) < 0 || !has_stdin)) {
		message_error("closing standard input", has_stdin ? -errno : -EBADF);
		return EXIT_FAILURE;
	}
	return cat->has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* How far it came; then the program ends by the signal. */
static void stopped(const struct cat *cat)
{
	fprintf(stderr, "aio-cat: stopped by a signal (%s) after %" PRIu64 " bytes\n", strsignal(cat->stop_signal),
		cat->writer.taken_size);
	message_name(cat->stop_name, "not read to its end");
	message_name(cat->options.output_name, "not written");
	raise(cat->stop_signal);
}

/* With -o: what has been written becomes the file only if nothing was missing. */
static int finish(struct cat *cat, int status)
{
	bool has_output = cat->output.is_new;
	int result = output_close(&cat->output, status == EXIT_SUCCESS);

	if (result < 0) {
		message_name(cat->options.output_name, strerror(-result));
		return EXIT_FAILURE;
	}
	if (cat->stop_signal)
		stopped(cat);
	else if (has_output && status != EXIT_SUCCESS)
		message_name(cat->options.output_name, "not written, as something was missing");
	return status;
}

int main(int argc, char **argv)
{
	static struct cat cat;
	sigset_t signals;
	bool has_stdin;
	int result;

	setlocale(LC_ALL, "");
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a message is one write */
	sigprocmask(SIG_SETMASK, NULL, &signals);
	options_read(&cat.options, argc, argv);
	if (cat.options.files0_name && !names_read(&cat.options))
		return EXIT_FAILURE;
	result = output_open(&cat.output, &cat.options);
	if (result < 0) {
		output_close(&cat.output, false);
		message_name(cat.options.output_name, strerror(-result));
		return EXIT_FAILURE;
	}
	result = writer_init(&cat.writer, &cat.pool, &cat.options);
	if (result < 0) {
		output_close(&cat.output, false);
		message_error("standard output", result);
		return EXIT_FAILURE;
	}
	has_stdin = fd_occupy(STDIN_FILENO);
	fd_occupy(STDERR_FILENO);
	cat.begin_ns = aion_now();
	return message_close_output(finish(&cat, run(&cat, &signals, has_stdin)));
}
