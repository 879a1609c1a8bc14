/* SPDX-License-Identifier: MIT */
/* What the command line says. A mistake in it ends the program with status 1. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aio_echo.h"

#define DRAIN_DEFAULT_NS (5 * AION_SECOND)
#define DURATION_DEFAULT_NS (10 * AION_SECOND)
#define SIZE_DEFAULT 64
#define SIZE_MAX_BYTES (INT64_C(1) << 30)
#define DATAGRAM_SIZE_MIN 16
#define DATAGRAM_SIZE_MAX 65507
#define CONNECTION_MAX 1000000
#define DEPTH_MAX 65536
#define SECONDS_MAX 1e9

enum option_code {
	OPTION_HELP = 256,
	OPTION_VERSION,
	OPTION_DRAIN,
	OPTION_JSON,
};

static const struct option serve_options[] = {
	{"max", required_argument, NULL, 'm'},
	{"drain", required_argument, NULL, OPTION_DRAIN},
	{"udp", no_argument, NULL, 'u'},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static const struct option load_options[] = {
	{"connections", required_argument, NULL, 'c'},  {"size", required_argument, NULL, 's'},
	{"depth", required_argument, NULL, 'd'},        {"time", required_argument, NULL, 't'},
	{"count", required_argument, NULL, 'n'},        {"rate", required_argument, NULL, 'r'},
	{"warm-up", required_argument, NULL, 'w'},      {"udp", no_argument, NULL, 'u'},
	{"json", no_argument, NULL, OPTION_JSON},       {"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION}, {NULL, 0, NULL, 0},
};

static const char help_text[] =
	"Usage: aio-echo serve [OPTION]... ADDRESS\n"
	"  or:  aio-echo load [OPTION]... ADDRESS\n"
	"Send back what comes (serve), or measure a server that does (load).\n"
	"\n"
	"ADDRESS is HOST:PORT, [HOST]:PORT, a path with a slash for a unix socket, or @NAME for\n"
	"an abstract one. To serve, HOST is a number, or * for any; port 0 is any that is free.\n"
	"\n"
	"serve prints where it listens, and ends at SIGINT or SIGTERM:\n"
	"  -m, --max=N              serve at most N connections at a time\n"
	"      --drain=SECONDS      connections may go on so long after the signal (5)\n"
	"  -u, --udp                datagrams instead of connections\n"
	"\n"
	"load sends messages, and compares what comes back with them:\n"
	"  -c, --connections=N      over N connections (1)\n"
	"  -s, --size=BYTES         of so many bytes (64); K and M mean 1024 and 1024^2 bytes\n"
	"  -d, --depth=N            N of each connection under way at a time (1)\n"
	"  -t, --time=SECONDS       so long (10, unless -n is given)\n"
	"  -n, --count=N            so many in all\n"
	"  -r, --rate=N             so many a second in all, evenly, however long the answers take;\n"
	"                           a round trip begins when the message was due\n"
	"  -w, --warm-up=SECONDS    so long before it counts (0)\n"
	"  -u, --udp                as datagrams; what is not back within a second is lost\n"
	"      --json               print the result as one JSON object\n"
	"\n"
	"      --help               display this help and exit\n"
	"      --version            output version information and exit\n";

static _Noreturn void print_and_exit(const char *text)
{
	fputs(text, stdout);
	exit(message_close_output(EXIT_SUCCESS));
}

static _Noreturn void usage_exit(void)
{
	fputs("Try 'aio-echo --help' for more information.\n", stderr);
	exit(EXIT_FAILURE);
}

static _Noreturn void argument_exit(const char *what, const char *argument)
{
	fprintf(stderr, "aio-echo: invalid %s: '%s'\n", what, argument);
	usage_exit();
}

/* Decimal digits, with K or M if is_size. */
static uint64_t number_read(const char *what, const char *argument, bool is_size, uint64_t min, uint64_t max)
{
	uintmax_t number;
	char *end;

	if (*argument < '0' || *argument > '9')
		argument_exit(what, argument);
	errno = 0;
	number = strtoumax(argument, &end, 10);
	if (errno || number > max)
		argument_exit(what, argument);
	if (is_size && (*end == 'K' || *end == 'M')) {
		if (number > UINT64_MAX >> 20)
			argument_exit(what, argument);
		number <<= *end++ == 'K' ? 10 : 20;
	}
	if (*end || number < min || number > max)
		argument_exit(what, argument);
	return number;
}

static double real_read(const char *what, const char *argument, double max)
{
	char *end;
	double number;

	errno = 0;
	number = strtod(argument, &end);
	if (errno || end == argument || *end || !isfinite(number) || number < 0 || number > max)
		argument_exit(what, argument);
	return number;
}

static int64_t seconds_read(const char *what, const char *argument)
{
	return (int64_t)(real_read(what, argument, SECONDS_MAX) * 1e9);
}

static void option_read(struct options *options, int code)
{
	switch (code) {
	case 'm':
		options->connection_max = number_read("number of connections", optarg, false, 1, SIZE_MAX);
		return;
	case OPTION_DRAIN:
		options->drain_ns = seconds_read("time", optarg);
		return;
	case 'u':
		options->datagrams = true;
		return;
	case 'c':
		options->connection_nr =
			(unsigned)number_read("number of connections", optarg, false, 1, CONNECTION_MAX);
		return;
	case 's':
		options->size = number_read("size", optarg, true, 1, SIZE_MAX_BYTES);
		return;
	case 'd':
		options->depth = (unsigned)number_read("depth", optarg, false, 1, DEPTH_MAX);
		return;
	case 't':
		options->duration_ns = seconds_read("time", optarg);
		return;
	case 'n':
		options->message_nr = number_read("number of messages", optarg, false, 1, UINT64_MAX - 1);
		return;
	case 'r':
		options->rate = real_read("rate", optarg, 1e9);
		if (options->rate <= 0)
			argument_exit("rate", optarg);
		return;
	case 'w':
		options->warm_up_ns = seconds_read("time", optarg);
		return;
	case OPTION_JSON:
		options->json = true;
		return;
	case OPTION_HELP:
		print_and_exit(help_text);
	case OPTION_VERSION:
		printf("aio-echo (aion) %s\n", aion_version());
		print_and_exit("");
	default:
		usage_exit();
	}
}

/* What makes no sense together. */
static void options_check(const struct options *options)
{
	if (options->mode == MODE_SERVE || !options->datagrams)
		return;
	if (options->depth != 1) {
		message("--depth cannot be combined with --udp: take more connections");
		usage_exit();
	}
	if (options->size < DATAGRAM_SIZE_MIN || options->size > DATAGRAM_SIZE_MAX) {
		message("a datagram has 16 to 65507 bytes");
		usage_exit();
	}
}

static void mode_read(struct options *options, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (strcmp(word, "serve") == 0) {
		options->mode = MODE_SERVE;
	} else if (strcmp(word, "load") == 0) {
		options->mode = MODE_LOAD;
	} else if (strcmp(word, "--help") == 0 || strcmp(word, "--version") == 0) {
		option_read(options, word[2] == 'h' ? OPTION_HELP : OPTION_VERSION);
	} else {
		if (*word)
			fprintf(stderr, "aio-echo: neither serve nor load: '%s'\n", word);
		else
			message("missing operand");
		usage_exit();
	}
}

void options_read(struct options *options, int argc, char **argv)
{
	static char own_name[] = "aio-echo";
	bool is_load;
	int code;

	*options = (struct options){
		.drain_ns = DRAIN_DEFAULT_NS,
		.connection_nr = 1,
		.size = SIZE_DEFAULT,
		.depth = 1,
		.duration_ns = AION_NEVER,
		.message_nr = UINT64_MAX,
	};
	mode_read(options, argc, argv);
	is_load = options->mode == MODE_LOAD;
	argv[1] = own_name; /* getopt's messages begin with it */
	argc--;
	argv++;
	while ((code = getopt_long(argc, argv, is_load ? "c:s:d:t:n:r:w:u" : "m:u",
				   is_load ? load_options : serve_options, NULL)) != -1)
		option_read(options, code);
	if (options->duration_ns == AION_NEVER && options->message_nr == UINT64_MAX)
		options->duration_ns = DURATION_DEFAULT_NS;
	if (argc - optind != 1) {
		message(optind < argc ? "more than one address" : "missing address");
		usage_exit();
	}
	options->address = argv[optind];
	options_check(options);
}
