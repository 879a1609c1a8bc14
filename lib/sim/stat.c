/* SPDX-License-Identifier: MIT */
/* What is known about a file: statx(2). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim_model_int.h"
#include "sim_node_int.h"

#define MASK_RESERVED 0x80000000U
#define INO_NAMELESS 1000000 /* and the descriptor: a pipe or socket without a name */
#define FILES_MAJOR 254      /* of what the files lie on */
#define PIPES_MINOR 15       /* of what pipes and sockets lie on, whose major is 0 */
#define SOCKETS_MINOR 9
#define DEVICE_MAJOR 1 /* of null and zero */

static struct statx_timestamp timestamp(int64_t time_ns)
{
	return (struct statx_timestamp){.tv_sec = time_ns / AION_SECOND, .tv_nsec = (uint32_t)(time_ns % AION_SECOND)};
}

static uint64_t blocks_nr(const struct aion__sim_node *node)
{
	size_t nr = aion__sim_node_is(node, S_IFDIR) ? 1 : node->data.nr;

	return (uint64_t)nr * (AION__SIM_BLOCK_SIZE / 512);
}

/* When a file changed is told only to those who ask: then it has to be exact. */
static uint32_t mask_told(const struct aion__sim_node *node, uint32_t wanted)
{
	const uint32_t times = STATX_MTIME | STATX_CTIME;
	bool has_times = wanted & times || aion__sim_node_is(node, S_IFCHR);

	return (STATX_BASIC_STATS & ~times) | (has_times ? times : 0) | (wanted & STATX_BTIME);
}

static void tell_node(const struct aion__sim_node *node, uint32_t wanted, struct statx *about)
{
	about->stx_mask = mask_told(node, wanted);
	about->stx_nlink = node->link_nr;
	about->stx_mode = (uint16_t)node->mode;
	about->stx_ino = node->ino;
	about->stx_size = (uint64_t)node->size;
	about->stx_blocks = blocks_nr(node);
	about->stx_atime = timestamp(node->atime_ns);
	if (wanted & STATX_BTIME)
		about->stx_btime = timestamp(node->btime_ns);
	if (about->stx_mask & STATX_MTIME) {
		about->stx_mtime = timestamp(node->mtime_ns);
		about->stx_ctime = timestamp(node->ctime_ns);
	}
	if (aion__sim_node_is(node, S_IFCHR)) {
		about->stx_rdev_major = DEVICE_MAJOR;
		about->stx_rdev_minor = node->rdev_minor;
	}
	about->stx_dev_major = FILES_MAJOR;
}

/* What has no name: a pipe, a socket. */
static void tell_nameless(const struct aion__sim_file *file, int fd, struct statx *about)
{
	about->stx_mask = STATX_BASIC_STATS;
	about->stx_nlink = 1;
	about->stx_mode = file->pipe ? S_IFIFO | 0600 : S_IFSOCK | 0777;
	about->stx_ino = INO_NAMELESS + (uint64_t)fd;
	about->stx_dev_minor = file->pipe ? PIPES_MINOR : SOCKETS_MINOR;
}

static int flags_check(uint32_t flags, uint32_t mask)
{
	const uint32_t all = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;

	if (flags & ~all || mask & MASK_RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	return 0;
}

static int tell(struct aion_sim *sim, const struct io_uring_sqe *sqe, const char *text, struct statx *about)
{
	const struct aion__sim_file *file = aion__sim_fd_file(sim, sqe->fd);
	struct aion__sim_node *node;
	int error;

	if (!*text && file && !file->node) {
		tell_nameless(file, sqe->fd, about);
		return 0;
	}
	error = aion__sim_path_find(sim, sqe->fd, text, sqe->statx_flags, &node);
	if (!error)
		tell_node(node, sqe->len, about);
	return error;
}

int64_t aion__sim_statx(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const char *text = aion__sim_text(sqe->addr);
	struct statx about;
	int error;

	/* The call by itself takes no path for an empty one, the ring does not. */
	if (!text && !request->nr && sqe->statx_flags & AT_EMPTY_PATH)
		text = "";
	error = aion__sim_path_check(text, sqe->statx_flags);
	if (!error)
		error = flags_check(sqe->statx_flags, sqe->len);
	if (error)
		return error;
	memset(&about, 0, sizeof(about));
	about.stx_blksize = AION__SIM_BLOCK_SIZE;
	error = tell(sim, sqe, text, &about);
	if (error)
		return error;
	memcpy(aion__sim_stage(request, sizeof(about)), &about, sizeof(about));
	request->stage_size = sizeof(about);
	return 0;
}
