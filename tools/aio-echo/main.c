/* SPDX-License-Identifier: MIT */
/* aio-echo: how the program begins and ends. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "aio_echo.h"

/* Standard descriptors that are closed: no socket shall get such a number, and be printed to. */
static void descriptors_occupy(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_PATH); /* the lowest free number; neither reads nor writes */
}

/* As many descriptors as we may have: a connection takes one. */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int64_t run(aion_fn *fn, void *arg)
{
	const struct aion_loop_options options = {.no_interrupt_handler = true}; /* there is a watch of our own */
	int64_t result = aion_run(fn, arg, &options);

	if (*aion_loop_create_error())
		message(aion_loop_create_error());
	return result;
}

/* A load that was stopped says so by its status, as a shell expects; to stop a server is how one ends it. */
int main(int argc, char **argv)
{
	static struct options options;
	static struct server server = {.options = &options};
	static struct load load = {.options = &options};
	int64_t result;

	descriptors_occupy();
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	options_read(&options, argc, argv);
	descriptors_raise();
	result = options.mode == MODE_SERVE ? run(serve_run, &server) : run(load_run, &load);
	if (options.mode == MODE_LOAD && load.stop_signal)
		return message_close_output(128 + load.stop_signal);
	return message_close_output(result < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
