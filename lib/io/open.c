/* SPDX-License-Identifier: MIT */
/*
 * Opening files: at once where everything on the path is cached, else by the ring. An open that must not block opens a
 * named pipe for reading without a writer, where openat(2) waits for him.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/poll.h>
#include <aion/scope.h>

/* What to open; how is NULL for openat(2). */
struct open_args {
	int dirfd;
	const char *path;
	const struct open_how *how;
	size_t how_size;
	int flags;
	mode_t mode;
};

static void open_start(struct aion_op *op, const struct open_args *args)
{
	if (args->how)
		aion_op_openat2(op, args->dirfd, args->path, args->how, args->how_size);
	else
		aion_op_openat(op, args->dirfd, args->path, args->flags, args->mode);
}

static int64_t open_by_ring(const struct open_args *args)
{
	struct aion_op op;

	aion_op_init(&op);
	open_start(&op, args);
	return aion_await(&op.future);
}

static int is_named_pipe(int fd)
{
	int saved = errno;
	struct stat status;
	int answer;

	/* Nearly every file is told from a pipe by having a position, which costs less to ask. */
	answer = lseek(fd, 0, SEEK_CUR) < 0 && fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
	errno = saved;
	return answer;
}

/*
 * The pipe is open for reading, perhaps without a writer. Open it again, only to wait for one. (To close it meanwhile
 * would cost a writer who is there already his reader.) One who comes and goes in between is missed by the second open,
 * but what he wrote, or that he left, shows at the first.
 */
static int64_t open_await_writer(const struct open_args *args, int first_fd)
{
	AION_CLEANUP(aion_fd_closep) int first = first_fd;
	AION_CLEANUP(aion_op_reap) struct aion_op again = {0};
	AION_CLEANUP(aion_op_reap) struct aion_op seen = {0};
	struct aion_future *const either[] = {&again.future, &seen.future};
	int64_t result;

	open_start(&again, args);
	aion_op_poll(&seen, first, POLLIN);
	result = aion_wait(either, 2, AION_WAIT_FIRST_COMPLETED);
	if (result >= 0 && !aion_future_is_done(&seen.future))
		result = again.future.result;
	if (result < 0)
		return result;
	result = first;
	first = -1;
	return result;
}

static int64_t open_any(const struct open_args *args, uint64_t flags)
{
	const struct open_how how = {.flags = flags};
	int64_t result;

	result = aion_try_openat2(args->dirfd, args->path, args->how ? args->how : &how,
				  args->how ? args->how_size : sizeof(how));
	if (result >= 0) {
		if ((flags & O_ACCMODE) == O_RDONLY && !(flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) &&
		    __builtin_expect(is_named_pipe((int)result), 0))
			return open_await_writer(args, (int)result);
		return result;
	}
	/* A wrong flag is not believed: openat(2) overlooks some. */
	if (result == -EAGAIN || result == -EOPNOTSUPP || result == -EINVAL)
		return open_by_ring(args);
	return result;
}

int64_t aion_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	const struct open_args args = {.dirfd = dirfd, .path = path, .flags = flags, .mode = mode};
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	/* Nothing cached helps an open that creates. */
	if (flags & (O_CREAT | O_TRUNC))
		return open_by_ring(&args);
	return open_any(&args, (unsigned)flags);
}

int64_t aion_openat2(int dirfd, const char *path, const struct open_how *how, size_t how_size)
{
	const struct open_args args = {.dirfd = dirfd, .path = path, .how = how, .how_size = how_size};
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	if (!how || how_size != sizeof(*how) || how->flags & (O_CREAT | O_TRUNC))
		return open_by_ring(&args);
	return open_any(&args, how->flags);
}
