/* SPDX-License-Identifier: MIT */
#include "test_worker.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <aion/task.h>

#include "assert_int.h"

/* Whether a thread of this process is a worker of the kernel's, and then in which state. */
static bool is_kernel_worker(const char *tid, char *ret_state)
{
	char path[300], name[32];
	FILE *file;
	bool is_one;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false; /* it has gone */
	is_one = fscanf(file, "%*d (%31[^)]) %c", name, ret_state) == 2 && !strncmp(name, "iou-wrk-", 8);
	fclose(file);
	return is_one;
}

static bool kernel_workers_rest(bool *ret_is_any)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *thread;
	bool do_rest = true;
	char state;

	AION_BUG_ON(!threads, "no list of this process's threads");
	*ret_is_any = false;
	while ((thread = readdir(threads))) {
		if (!is_kernel_worker(thread->d_name, &state))
			continue;
		*ret_is_any = true;
		do_rest = do_rest && state == 'S';
	}
	closedir(threads);
	return do_rest;
}

void test_await_kernel_workers(void)
{
	bool is_any;

	/* Twice in a row: it calls itself asleep a few instructions before it looks for the last time for what to drop.
	 * If the ring's half of the request is through before the worker's, the ring has the reference, and drops it in
	 * its next turn. */
	for (int rest_nr = 0; rest_nr < 2;) {
		rest_nr = kernel_workers_rest(&is_any) ? rest_nr + 1 : 0;
		if (!is_any)
			return;
		aion_sleep(100 * AION_MICROSECOND);
	}
}
