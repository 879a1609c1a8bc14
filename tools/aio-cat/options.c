/* SPDX-License-Identifier: MIT */
/* What the command line says. A mistake in it ends the program with status 1, as in cat. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aio_cat.h"

#define RETRY_DEFAULT 3

enum option_code {
	OPTION_HELP = 256,
	OPTION_VERSION,
	OPTION_STATS,
	OPTION_FILES0_FROM,
	OPTION_RANGE,
	OPTION_FSYNC,
	OPTION_DIRECT,
	OPTION_NOCACHE,
	OPTION_PROGRESS,
	OPTION_RETRY,
	OPTION_ENGINE,
};

static const struct option long_options[] = {
	{"show-all", no_argument, NULL, 'A'},
	{"number-nonblank", no_argument, NULL, 'b'},
	{"show-ends", no_argument, NULL, 'E'},
	{"number", no_argument, NULL, 'n'},
	{"squeeze-blank", no_argument, NULL, 's'},
	{"show-tabs", no_argument, NULL, 'T'},
	{"show-nonprinting", no_argument, NULL, 'v'},
	{"jobs", required_argument, NULL, 'j'},
	{"output", required_argument, NULL, 'o'},
	{"fsync", no_argument, NULL, OPTION_FSYNC},
	{"files0-from", required_argument, NULL, OPTION_FILES0_FROM},
	{"range", required_argument, NULL, OPTION_RANGE},
	{"direct", no_argument, NULL, OPTION_DIRECT},
	{"nocache", no_argument, NULL, OPTION_NOCACHE},
	{"retry", optional_argument, NULL, OPTION_RETRY},
	{"engine", required_argument, NULL, OPTION_ENGINE},
	{"progress", no_argument, NULL, OPTION_PROGRESS},
	{"stats", optional_argument, NULL, OPTION_STATS},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static const char help_text[] =
	"Usage: aio-cat [OPTION]... [FILE]...\n"
	"Concatenate FILE(s) to standard output, reading many of them at once.\n"
	"\n"
	"With no FILE, or when FILE is -, read standard input.\n"
	"\n"
	"As in cat:\n"
	"  -A, --show-all           equivalent to -vET\n"
	"  -b, --number-nonblank    number nonempty output lines, overrides -n\n"
	"  -e                       equivalent to -vE\n"
	"  -E, --show-ends          display $ at end of each line\n"
	"  -n, --number             number all output lines\n"
	"  -s, --squeeze-blank      suppress repeated empty output lines\n"
	"  -t                       equivalent to -vT\n"
	"  -T, --show-tabs          display TAB characters as ^I\n"
	"  -u                       (ignored)\n"
	"  -v, --show-nonprinting   use ^ and M- notation, except for LFD and TAB\n"
	"\n"
	"What is read:\n"
	"      --files0-from=F      read the names of the files from F, each ending with a NUL;\n"
	"                           if F is - from standard input\n"
	"      --range=OFF[:LEN]    of each file only LEN bytes from OFF on; K, M, G, T mean\n"
	"                           1024, 1024^2, 1024^3, 1024^4 bytes\n"
	"  -j, --jobs=N             read at most N files at once, 1 to 128 (128)\n"
	"      --direct             read past the page cache (O_DIRECT)\n"
	"      --nocache            leave nothing of the files in the page cache\n"
	"      --retry[=N]          after an input/output error try again, N times (3)\n"
	"      --engine=uring|sync  sync: one plain read(2) after the other, to compare\n"
	"\n"
	"Where it goes:\n"
	"  -o, --output=FILE        write to FILE, which appears, or is replaced, when all is written\n"
	"      --fsync              with -o: only after it is on the disk\n"
	"\n"
	"      --progress           show on a terminal how far it is, how fast, and how long it takes\n"
	"      --stats[=json]       print bytes, time and operations to standard error at the end\n"
	"      --help               display this help and exit\n"
	"      --version            output version information and exit\n";

static _Noreturn void print_and_exit(const char *text)
{
	fputs(text, stdout);
	exit(message_close_output(EXIT_SUCCESS));
}

static _Noreturn void usage_exit(void)
{
	fputs("Try 'aio-cat --help' for more information.\n", stderr);
	exit(EXIT_FAILURE);
}

static _Noreturn void argument_exit(const char *what, const char *argument)
{
	fprintf(stderr, "aio-cat: invalid %s: '%s'\n", what, argument);
	usage_exit();
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

/* A number of decimal digits, with K, M, G or T if is_size. *text moves behind it. false if there is none, or too
 * large. */
static bool number_read(const char **text, bool is_size, int64_t *ret_number)
{
	static const char units[] = "KMGT";
	const char *unit;
	uintmax_t number;
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	number = strtoumax(*text, &end, 10);
	if (errno || number > INT64_MAX)
		return false;
	unit = is_size && *end ? strchr(units, *end) : NULL;
	if (unit) {
		int shift = 10 * (int)(unit - units + 1);

		if (number > (uintmax_t)INT64_MAX >> shift)
			return false;
		number <<= shift;
		end++;
	}
	*text = end;
	*ret_number = (int64_t)number;
	return true;
}

static void range_read(struct options *options, const char *argument)
{
	const char *text = argument;

	options->has_range = true;
	options->range_size = INT64_MAX;
	if (!number_read(&text, true, &options->range_off))
		argument_exit("range", argument);
	if (*text == ':') {
		text++;
		if (*text && !number_read(&text, true, &options->range_size))
			argument_exit("range", argument);
	}
	if (*text)
		argument_exit("range", argument);
	if (options->range_size > INT64_MAX - options->range_off)
		options->range_size = INT64_MAX - options->range_off;
}

static unsigned count_read(const char *what, const char *argument, int64_t min, int64_t max)
{
	const char *text = argument;
	int64_t number;

	if (!number_read(&text, false, &number) || *text || number < min || number > max)
		argument_exit(what, argument);
	return (unsigned)number;
}

static void option_read(struct options *options, int code)
{
	switch (code) {
	case 'u':
		return;
	case 'j':
		options->job_nr = count_read("number of jobs", optarg, 1, READER_WINDOW);
		return;
	case 'o':
		options->output_name = optarg;
		return;
	case OPTION_FSYNC:
		options->output_sync = true;
		return;
	case OPTION_FILES0_FROM:
		options->files0_name = optarg;
		return;
	case OPTION_RANGE:
		range_read(options, optarg);
		return;
	case OPTION_DIRECT:
		options->direct = true;
		return;
	case OPTION_NOCACHE:
		options->nocache = true;
		return;
	case OPTION_RETRY:
		options->retry_nr = optarg ? count_read("number of retries", optarg, 0, 1000000) : RETRY_DEFAULT;
		return;
	case OPTION_ENGINE:
		options->is_sync = strcmp(optarg, "sync") == 0;
		if (!options->is_sync && strcmp(optarg, "uring") != 0)
			argument_exit("engine", optarg);
		return;
	case OPTION_PROGRESS:
		options->progress = isatty(STDERR_FILENO);
		return;
	case OPTION_STATS:
		options->stats = optarg ? STATS_JSON : STATS_TEXT;
		if (optarg && strcmp(optarg, "json") != 0)
			argument_exit("form of statistics", optarg);
		return;
	case OPTION_HELP:
		print_and_exit(help_text);
	case OPTION_VERSION:
		printf("aio-cat (aion) %s\n", aion_version());
		print_and_exit("");
	default:
		usage_exit();
	}
}

void options_read(struct options *options, int argc, char **argv)
{
	static char own_name[] = "aio-cat", dash[] = "-";
	static char *const only_stdin[] = {dash};
	int code;

	argv[0] = own_name; /* getopt's messages begin with it */
	options->job_nr = READER_WINDOW;
	while ((code = getopt_long(argc, argv, "Abej:Eno:stTuv", long_options, NULL)) != -1) {
		if (code >= OPTION_HELP || !show_option_read(&options->show, code))
			option_read(options, code);
	}
	if (options->files0_name && optind < argc) {
		message_name(argv[optind], "extra operand");
		message("file operands cannot be combined with --files0-from");
		usage_exit();
	}
	if (options->output_sync && !options->output_name) {
		message("--fsync needs -o");
		usage_exit();
	}
	options->names = optind < argc ? argv + optind : only_stdin;
	options->name_nr = optind < argc ? (size_t)(argc - optind) : 1;
}
