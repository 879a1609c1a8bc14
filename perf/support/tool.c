// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf.h"
#include "tool.h"

extern char **environ;

char *tool_path(void)
{
	static char tool[PATH_MAX + 32];
	const char *given = getenv("AIO_CAT");
	char self[PATH_MAX] = "";

	if (given) {
		if (!realpath(given, tool))
			perf_die(given, -errno);
		return tool;
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		perf_die("/proc/self/exe", -errno);
	snprintf(tool, sizeof(tool), "%s/../tools/aio-cat", dirname(self));
	return tool;
}

double tool_run(char *const *command, const char *directory, double *ret_resident_size)
{
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	int64_t begin_ns;
	int status, error;
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (directory)
		posix_spawn_file_actions_addchdir_np(&actions, directory);
	begin_ns = perf_now();
	error = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		perf_die(command[0], -error);
	if (wait4(child, &status, 0, &usage) < 0)
		perf_die("wait4", -errno);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		perf_die(command[0], -ECHILD);
	if (ret_resident_size)
		*ret_resident_size = (double)usage.ru_maxrss * 1024;
	return (double)(perf_now() - begin_ns);
}
