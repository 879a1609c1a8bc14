/* SPDX-License-Identifier: MIT */
/* Opening: openat(2), openat2(2), and the wait of a named pipe's end for the other. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "sim_model_int.h"
#include "sim_node_int.h"
#include "sim_pipe_int.h"

#define FLAG_LARGEFILE 0100000 /* what the kernel calls O_LARGEFILE; libc's is 0 */
#define FLAG_TMPFILE (O_TMPFILE & ~O_DIRECTORY)
#define FLAG_SYNC (O_SYNC & ~O_DSYNC)
#define FLAGS_ALL                                                                                                      \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | FLAG_SYNC | O_ASYNC |   \
	 O_DIRECT | FLAG_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | FLAG_TMPFILE)
#define FLAGS_PATH (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
#define FLAGS_KEPT (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | FLAG_SYNC | O_DIRECT | O_NOATIME | O_PATH)
#define MODE_ALL 07777
#define RESOLVE_ALL                                                                                                    \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |           \
	 RESOLVE_CACHED_BIT)
#define RESOLVE_CACHED_BIT 0x20 /* RESOLVE_CACHED, Linux 5.12 */
#define HOW_SIZE_MIN 24         /* bytes of the first struct open_how */
#define HOW_SIZE_MAX 4096

static bool makes(uint64_t flags)
{
	return flags & (O_CREAT | FLAG_TMPFILE);
}

static bool reads_only(uint64_t flags)
{
	return (flags & O_ACCMODE) == O_RDONLY;
}

/* ---- what is wanted */

/* openat(2) overlooks what it does not know. */
static struct open_how how_of(const struct io_uring_sqe *sqe)
{
	struct open_how how = {.flags = sqe->open_flags & FLAGS_ALL};

	if (how.flags & O_PATH)
		how.flags &= FLAGS_PATH;
	if (makes(how.flags))
		how.mode = sqe->len & MODE_ALL;
	return how;
}

/* The program's, of whatever size it has there. */
static int how_read(const struct io_uring_sqe *sqe, struct open_how *ret_how)
{
	char bytes[HOW_SIZE_MAX];

	if (sqe->len < HOW_SIZE_MIN)
		return -EINVAL;
	if (sqe->len > HOW_SIZE_MAX)
		return -E2BIG;
	if (aion__sim_path_check(aion__sim_text(sqe->off), AT_EMPTY_PATH) == -EFAULT)
		return -EFAULT;
	aion__sim_copy_from_program(bytes, aion__sim_text(sqe->off), sqe->len);
	for (size_t i = sizeof(*ret_how); i < sqe->len; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(ret_how, bytes, sizeof(*ret_how));
	return 0;
}

static int how_check(const struct open_how *how)
{
	const uint64_t confined = RESOLVE_BENEATH | RESOLVE_IN_ROOT;

	if (how->flags & ~(uint64_t)FLAGS_ALL || how->resolve & ~(uint64_t)RESOLVE_ALL)
		return -EINVAL;
	if ((how->resolve & confined) == confined)
		return -EINVAL;
	if (how->mode & (makes(how->flags) ? ~(uint64_t)MODE_ALL : ~UINT64_C(0)))
		return -EINVAL;
	if ((how->flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
		return -EINVAL;
	if (how->flags & FLAG_TMPFILE && (!(how->flags & O_DIRECTORY) || reads_only(how->flags)))
		return -EINVAL;
	if (how->flags & O_PATH && how->flags & ~(uint64_t)FLAGS_PATH)
		return -EINVAL;
	if (how->resolve & RESOLVE_CACHED_BIT && (how->flags & O_TRUNC || makes(how->flags)))
		return -EAGAIN;
	return 0;
}

/* ---- the file */

/* What may not be opened in that way. */
static int node_check(const struct aion__sim_node *node, uint64_t flags, bool is_new)
{
	bool is_dir = aion__sim_node_is(node, S_IFDIR);

	if (!is_new && flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (flags & O_CREAT && is_dir)
		return -EISDIR;
	if (flags & O_DIRECTORY && !is_dir)
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (aion__sim_node_is(node, S_IFLNK))
		return -ELOOP;
	if (is_dir && (!reads_only(flags) || flags & O_TRUNC))
		return -EISDIR;
	return flags & O_DIRECT && !aion__sim_node_is(node, S_IFREG) ? -EINVAL : 0;
}

static const struct aion__sim_file_ops *node_ops(const struct aion__sim_node *node, uint64_t flags)
{
	if (flags & O_PATH)
		return &aion__sim_path_ops;
	if (aion__sim_node_is(node, S_IFDIR))
		return &aion__sim_directory_ops;
	if (aion__sim_node_is(node, S_IFCHR))
		return node->rdev_minor == AION__SIM_NULL_MINOR ? &aion__sim_null_ops : &aion__sim_zero_ops;
	return &aion__sim_regular_ops;
}

static struct aion__sim_file *file_of(struct aion_sim *sim, const struct aion__sim_file_ops *ops,
				      struct aion__sim_node *node, uint64_t flags)
{
	struct aion__sim_file *file = aion__sim_file_new(sim, ops, (int)(flags & FLAGS_KEPT));

	file->node = node;
	node->ref_nr++;
	return file;
}

static int64_t open_node(struct aion_sim *sim, struct aion__sim_node *node, uint64_t flags, bool is_new)
{
	if (flags & O_TRUNC && !is_new && aion__sim_node_is(node, S_IFREG))
		aion__sim_node_truncate(sim, node, 0);
	return aion__sim_fd_give(sim, file_of(sim, node_ops(node, flags), node, flags));
}

/* ---- named pipes */

/* How often the other end has been opened. */
static int64_t partner_ever_nr(const struct aion__sim_pipe *pipe, uint64_t flags)
{
	return (int64_t)(reads_only(flags) ? pipe->writer_ever_nr : pipe->reader_ever_nr);
}

/*
 * What the kernel executes while it is being submitted does not wait; what makes or empties a file, and what is marked
 * so, it gives to a worker, which does. A try would have to tell its caller that it has not waited.
 */
static bool fifo_waits(const struct aion__sim_request *request, uint64_t flags)
{
	if (flags & O_NONBLOCK)
		return false;
	return !request->nr || request->sqe.flags & IOSQE_ASYNC || flags & O_TRUNC || makes(flags);
}

static int64_t fifo_open(struct aion_sim *sim, struct aion__sim_request *request, struct aion__sim_node *node,
			 uint64_t flags)
{
	bool waits = fifo_waits(request, flags);
	struct aion__sim_pipe *pipe = node->pipe;
	struct aion__sim_file *file;
	unsigned partner_nr;

	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if ((flags & O_ACCMODE) == O_WRONLY && !waits && !(pipe && pipe->reader_nr))
		return -ENXIO;
	if (!pipe)
		pipe = node->pipe = aion__sim_pipe_new(sim);
	partner_nr = reads_only(flags) ? pipe->writer_nr : pipe->reader_nr;
	file = file_of(sim, &sim->disk->fifo_ops[flags & O_ACCMODE], node, flags);
	aion__sim_pipe_attach(sim, pipe, file);
	if (partner_nr || !waits || (flags & O_ACCMODE) == O_RDWR)
		return aion__sim_fd_give(sim, file);
	/* It is open as far as others can see, and waits for its own file to change. */
	request->file = file;
	request->model = file;
	request->a = partner_ever_nr(pipe, flags);
	return AION__SIM_LATER;
}

static int64_t fifo_open_again(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_file *file = request->file;
	int fd;

	if (partner_ever_nr(file->pipe, (uint64_t)file->flags) == request->a)
		return AION__SIM_LATER;
	fd = aion__sim_fd_give(sim, file);
	if (fd >= 0)
		file->ref_nr++;
	return fd;
}

/* ---- opening */

/* A file without a name. */
static int64_t open_tmpfile(struct aion_sim *sim, int dirfd, const char *text, const struct open_how *how)
{
	struct aion__sim_path path;
	struct aion__sim_node *node;
	int error = aion__sim_path_walk(sim, dirfd, text, how->resolve, &path);

	if (!error)
		error = aion__sim_path_node(&path, !(how->flags & O_NOFOLLOW), false, &node);
	if (error)
		return error;
	if (!node)
		return -ENOENT;
	if (!aion__sim_node_is(node, S_IFDIR))
		return -ENOTDIR;
	if (!node->link_nr)
		return -ENOENT;
	node = aion__sim_node_new(sim, S_IFREG | (uint32_t)how->mode);
	node->is_linkable = !(how->flags & O_EXCL);
	return open_node(sim, node, how->flags & ~(uint64_t)O_DIRECTORY, true);
}

static int64_t open_path(struct aion_sim *sim, struct aion__sim_request *request, const char *text,
			 const struct open_how *how)
{
	bool is_followed = !(how->flags & O_NOFOLLOW) && (how->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	bool is_created = how->flags & O_CREAT;
	struct aion__sim_path path;
	struct aion__sim_node *node;
	bool is_new;
	int error = aion__sim_path_walk(sim, request->sqe.fd, text, how->resolve, &path);

	if (!error)
		error = aion__sim_path_node(&path, is_followed, is_created, &node);
	if (error)
		return error;
	is_new = !node;
	if (!node && !is_created)
		return -ENOENT;
	if (!node)
		node = aion__sim_node_make(sim, path.dir, path.name, path.name_size, S_IFREG | (uint32_t)how->mode);
	error = node_check(node, how->flags, is_new);
	if (error)
		return error;
	if (aion__sim_node_is(node, S_IFIFO) && !(how->flags & O_PATH))
		return fifo_open(sim, request, node, how->flags);
	return open_node(sim, node, how->flags, is_new);
}

static int64_t open_any(struct aion_sim *sim, struct aion__sim_request *request, const struct open_how *how)
{
	const char *text = aion__sim_text(request->sqe.addr);
	int error = how_check(how);

	if (error)
		return error;
	/* A try makes nothing: see aion_try_openat2(). */
	if (!request->nr && (how->flags & O_TRUNC || makes(how->flags)))
		return -EAGAIN;
	if (sim->fd_nr >= sim->options.fd_max)
		return -EMFILE;
	if (how->resolve & RESOLVE_CACHED_BIT && !aion__sim_strikes(sim, AION_SIM_TRY))
		return -EAGAIN;
	if (how->flags & FLAG_TMPFILE)
		return open_tmpfile(sim, request->sqe.fd, text, how);
	return open_path(sim, request, text, how);
}

int64_t aion__sim_openat(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct open_how how = how_of(&request->sqe);
	int error;

	if (request->model)
		return fifo_open_again(sim, request);
	error = aion__sim_path_check(aion__sim_text(request->sqe.addr), 0);
	return error ? error : open_any(sim, request, &how);
}

int64_t aion__sim_openat2(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct open_how how;
	int error;

	if (request->model)
		return fifo_open_again(sim, request);
	error = how_read(&request->sqe, &how);
	if (!error)
		error = aion__sim_path_check(aion__sim_text(request->sqe.addr), 0);
	return error ? error : open_any(sim, request, &how);
}
