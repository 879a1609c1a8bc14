/* SPDX-License-Identifier: MIT */
/*
 * The position of a plain file after a short write. io_uring tries the rest of a short write by itself, and when that
 * fails (the disk is full, say) it reports the bytes that went in but leaves the position before them: whoever goes on
 * writing overwrites them. Observed on Linux 6.18. Whether the running kernel does so is tried out, once, on a file in
 * memory that may not grow: half of a write fits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/scope.h>

#include "position_int.h"

#define PAGE_SIZE_ONE 4096 /* bytes */

enum { UNKNOWN, KEEPS, FORGETS };

static atomic_int what_the_kernel_does = UNKNOWN;

/* Not for cancellation to cut short. */
static int64_t write_shielded(int fd, const void *buf, size_t size)
{
	struct aion_scope shield;
	struct aion_op op;
	int64_t result;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_op_init(&op);
	aion_op_write(&op, fd, buf, size);
	result = aion_await(&op.future);
	aion_scope_leave(&shield);
	return result;
}

static int try_out(void)
{
	static const char zeros[2 * PAGE_SIZE_ONE];
	int fd = memfd_create("aion", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int answer = FORGETS;

	if (fd < 0)
		return FORGETS;
	if (ftruncate(fd, PAGE_SIZE_ONE) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0 &&
	    write_shielded(fd, zeros, sizeof(zeros)) == PAGE_SIZE_ONE && lseek(fd, 0, SEEK_CUR) == PAGE_SIZE_ONE)
		answer = KEEPS;
	close(fd);
	return answer;
}

void aion__position_settle(int fd, int64_t moved)
{
	int saved = errno;
	struct stat status;
	int answer;

	if (fstat(fd, &status) < 0 || !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))) {
		errno = saved;
		return;
	}
	answer = atomic_load(&what_the_kernel_does);
	if (answer == UNKNOWN) {
		answer = try_out();
		atomic_store(&what_the_kernel_does, answer);
	}
	if (answer == FORGETS)
		lseek(fd, (off_t)moved, SEEK_CUR);
	errno = saved;
}
