/* SPDX-License-Identifier: MIT */
/* Files that exist from the beginning. */
#include "shared.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ID_FIRST (UINT64_C(1) << 40) /* beyond those that runs hand out */

static const size_t sizes[SHARED_NR] = {0, 5000, 70000};

size_t shared_size(unsigned nr)
{
	return sizes[nr];
}

uint64_t shared_id(unsigned nr)
{
	return ID_FIRST + nr;
}

void shared_path(const struct run *run, unsigned nr, char path[SHARED_PATH_SIZE])
{
	snprintf(path, SHARED_PATH_SIZE, "%s/shared%u", run->root, nr);
}

static bool host_write(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	bool is_good = fd >= 0 && write(fd, data, size) == (ssize_t)size;

	if (fd >= 0)
		close(fd);
	return is_good;
}

void shared_create(struct run *run)
{
	for (unsigned i = 0; i < SHARED_NR; i++) {
		char *data = malloc(sizes[i] + 1);
		char path[SHARED_PATH_SIZE];
		bool is_good;

		content_fill(data, sizes[i], shared_id(i), 0);
		shared_path(run, i, path);
		if (run->sim)
			is_good = aion_sim_file_write(run->sim, path, data, sizes[i]) == 0;
		else
			is_good = host_write(path, data, sizes[i]);
		free(data);
		if (!is_good)
			run_fail(run, "%s cannot be made", path);
	}
}

void shared_remove(struct run *run)
{
	char path[SHARED_PATH_SIZE];

	for (unsigned i = 0; i < SHARED_NR; i++) {
		shared_path(run, i, path);
		unlink(path);
	}
}
