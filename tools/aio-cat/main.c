/* SPDX-License-Identifier: MIT */
/* aio-cat: options, exit status, and how the program ends. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aio_cat.h"

enum option_code {
	OPTION_HELP = 256,
	OPTION_VERSION,
	OPTION_STATS,
};

static const struct option long_options[] = {
	{"show-all", no_argument, NULL, 'A'},
	{"number-nonblank", no_argument, NULL, 'b'},
	{"show-ends", no_argument, NULL, 'E'},
	{"number", no_argument, NULL, 'n'},
	{"squeeze-blank", no_argument, NULL, 's'},
	{"show-tabs", no_argument, NULL, 'T'},
	{"show-nonprinting", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"stats", no_argument, NULL, OPTION_STATS},
	{NULL, 0, NULL, 0},
};

static const char help_text[] =
	"Usage: aio-cat [OPTION]... [FILE]...\n"
	"Concatenate FILE(s) to standard output, reading many of them at once.\n"
	"\n"
	"With no FILE, or when FILE is -, read standard input.\n"
	"\n"
	"  -A, --show-all          equivalent to -vET\n"
	"  -b, --number-nonblank   number nonempty output lines, overrides -n\n"
	"  -e                      equivalent to -vE\n"
	"  -E, --show-ends         display $ at end of each line\n"
	"  -n, --number            number all output lines\n"
	"  -s, --squeeze-blank     suppress repeated empty output lines\n"
	"  -t                      equivalent to -vT\n"
	"  -T, --show-tabs         display TAB characters as ^I\n"
	"  -u                      (ignored)\n"
	"  -v, --show-nonprinting  use ^ and M- notation, except for LFD and TAB\n"
	"      --stats             print bytes, time and operations to standard error at the end\n"
	"      --help              display this help and exit\n"
	"      --version           output version information and exit\n";

/* The last word on standard output: what only shows when it is closed. */
static int close_output(int status)
{
	bool has_failed = ferror(stdout) != 0;

	errno = 0;
	if ((fclose(stdout) == 0 && !has_failed) || errno == EBADF)
		return status;
	message_error("write error", -errno);
	return EXIT_FAILURE;
}

static _Noreturn void print_and_exit(const char *text)
{
	fputs(text, stdout);
	exit(close_output(EXIT_SUCCESS));
}

/* What -A, -b, -e … mean. false: code is none of these. */
static bool show_option_read(struct show_options *show, int code)
{
	static const char takers[][8] = {"AEe", "ATt", "Aetv", "bn", "b", "s"};
	bool *const flags[] = {&show->ends,   &show->tabs, &show->nonprinting, &show->number, &show->number_nonblank,
			       &show->squeeze};
	bool is_taken = false;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
		if (strchr(takers[i], code))
			*flags[i] = is_taken = true;
	}
	return is_taken;
}

static void options_read(struct cat *cat, int argc, char **argv)
{
	static char own_name[] = "aio-cat", dash[] = "-";
	static char *const only_stdin[] = {dash};
	int code;

	argv[0] = own_name; /* getopt's messages begin with it */
	while ((code = getopt_long(argc, argv, "AbeEnstTuv", long_options, NULL)) != -1) {
		if (code < OPTION_HELP && show_option_read(&cat->show, code))
			continue;
		switch (code) {
		case 'u':
			break;
		case OPTION_STATS:
			cat->show_stats = true;
			break;
		case OPTION_HELP:
			print_and_exit(help_text);
		case OPTION_VERSION:
			printf("aio-cat (aion) %s\n", aion_version());
			print_and_exit("");
		default:
			fputs("Try 'aio-cat --help' for more information.\n", stderr);
			exit(EXIT_FAILURE);
		}
	}
	cat->names = optind < argc ? argv + optind : only_stdin;
	cat->name_nr = optind < argc ? (size_t)(argc - optind) : 1;
}

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
	const struct aion_loop_options options = {.entry_nr = 256, .completion_nr = 512};
	int64_t result = aion_run(cat_run, cat, &options);

	if (cat->show_stats)
		stats_print(cat);
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

int main(int argc, char **argv)
{
	static struct cat cat;
	sigset_t signals;
	bool has_stdin;
	int result;

	setlocale(LC_ALL, "");
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a message is one write */
	sigprocmask(SIG_SETMASK, NULL, &signals);
	options_read(&cat, argc, argv);
	result = writer_init(&cat.writer, &cat.pool, &cat.show);
	if (result < 0) {
		message_error("standard output", result);
		return EXIT_FAILURE;
	}
	has_stdin = fd_occupy(STDIN_FILENO);
	fd_occupy(STDERR_FILENO);
	cat.begin_ns = aion_now();
	return close_output(run(&cat, &signals, has_stdin));
}
