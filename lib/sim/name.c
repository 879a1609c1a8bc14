/* SPDX-License-Identifier: MIT */
/* Making, moving and removing names. What is wrong is told in the kernel's order. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>

#include "sim_model_int.h"
#include "sim_node_int.h"

/* Both of what a call is given, before one of them is looked at. */
static int paths_check(const struct io_uring_sqe *sqe, unsigned flags)
{
	int error = aion__sim_path_check(aion__sim_text(sqe->addr), flags);

	return error ? error : aion__sim_path_check(aion__sim_text(sqe->addr2), 0);
}

/* Where something new shall stand, and nothing does. */
static int place_new(struct aion_sim *sim, int dirfd, const char *text, bool is_dir, struct aion__sim_path *ret_path)
{
	struct aion__sim_node *node;
	int error = aion__sim_path_walk(sim, dirfd, text, 0, ret_path);

	if (error)
		return error;
	if (ret_path->last != AION__SIM_LAST_NAME)
		return -EEXIST;
	error = aion__sim_entry_find(sim, ret_path->dir, ret_path->name, ret_path->name_size, &node);
	if (error)
		return error;
	if (node)
		return -EEXIST;
	return ret_path->is_slashed && !is_dir ? -ENOENT : 0;
}

static void name_add(struct aion__sim_path *path, struct aion__sim_node *node)
{
	aion__sim_entry_add(path->sim, path->dir, path->name, path->name_size, node);
}

static void name_remove(struct aion__sim_path *path)
{
	aion__sim_entry_remove(path->sim, path->dir, path->name, path->name_size);
}

static struct aion__sim_node *name_make(struct aion__sim_path *path, uint32_t mode)
{
	return aion__sim_node_make(path->sim, path->dir, path->name, path->name_size, mode);
}

static int name_find(const struct aion__sim_path *path, struct aion__sim_node **ret_node)
{
	int error = aion__sim_entry_find(path->sim, path->dir, path->name, path->name_size, ret_node);

	return !error && !*ret_node ? -ENOENT : error;
}

/* ---- making */

int64_t aion__sim_mkdirat(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const char *text = aion__sim_text(sqe->addr);
	struct aion__sim_path path;
	int error = aion__sim_path_check(text, 0);

	if (!error)
		error = place_new(sim, sqe->fd, text, true, &path);
	if (!error && path.dir->link_nr >= AION__SIM_LINK_MAX)
		error = -EMLINK;
	if (!error)
		name_make(&path, S_IFDIR | (sqe->len & 01777));
	return error;
}

int64_t aion__sim_symlinkat(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const char *target = aion__sim_text(sqe->addr);
	struct aion__sim_path path;
	struct aion__sim_node *node;
	int error = paths_check(sqe, 0);

	if (!error)
		error = place_new(sim, sqe->fd, aion__sim_text(sqe->addr2), false, &path);
	if (error)
		return error;
	node = name_make(&path, S_IFLNK | 0777);
	node->size = (int64_t)strlen(target);
	node->target = aion__sim_alloc((size_t)node->size + 1);
	memcpy(node->target, target, (size_t)node->size);
	return 0;
}

int64_t aion__sim_linkat(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	unsigned flags = sqe->hardlink_flags;
	struct aion__sim_path path;
	struct aion__sim_node *node;
	int error = paths_check(sqe, flags);

	if (error)
		return error;
	if (flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	/* Here links are followed only if that is asked for. */
	error = aion__sim_path_find(sim, sqe->fd, aion__sim_text(sqe->addr),
				    (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW),
				    &node);
	if (!error)
		error = place_new(sim, (int)sqe->len, aion__sim_text(sqe->addr2), false, &path);
	if (error)
		return error;
	if (aion__sim_node_is(node, S_IFDIR))
		return -EPERM;
	if (!node->link_nr && !node->is_linkable)
		return -ENOENT;
	if (node->link_nr >= AION__SIM_LINK_MAX)
		return -EMLINK;
	name_add(&path, node);
	node->is_linkable = false;
	return 0;
}

int aion__sim_mkfifo(struct aion_sim *sim, const char *text, mode_t mode)
{
	struct aion__sim_path path;
	int error = aion__sim_path_check(text, 0);

	if (!error)
		error = place_new(sim, AT_FDCWD, text, false, &path);
	if (!error)
		name_make(&path, S_IFIFO | (mode & 07777));
	return error;
}

/* ---- removing */

static void directory_drop(struct aion_sim *sim, struct aion__sim_node *node)
{
	node->link_nr--; /* its "." */
	aion__sim_node_settle(sim, node);
}

static int directory_remove(struct aion_sim *sim, struct aion__sim_path *path)
{
	static const int errors[] = {
		[AION__SIM_LAST_DOT] = -EINVAL,
		[AION__SIM_LAST_DOTDOT] = -ENOTEMPTY,
		[AION__SIM_LAST_ROOT] = -EBUSY,
	};
	struct aion__sim_node *node;
	int error = errors[path->last];

	if (!error)
		error = name_find(path, &node);
	if (error)
		return error;
	if (!aion__sim_node_is(node, S_IFDIR))
		return -ENOTDIR;
	if (node->entry_nr)
		return -ENOTEMPTY;
	name_remove(path);
	directory_drop(sim, node);
	return 0;
}

static int file_remove(struct aion_sim *sim, struct aion__sim_path *path)
{
	struct aion__sim_node *node;
	int error;

	if (path->last != AION__SIM_LAST_NAME)
		return -EISDIR;
	error = name_find(path, &node);
	if (error)
		return error;
	if (aion__sim_node_is(node, S_IFDIR))
		return -EISDIR;
	if (path->is_slashed)
		return -ENOTDIR;
	name_remove(path);
	aion__sim_node_settle(sim, node);
	return 0;
}

int64_t aion__sim_unlinkat(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const char *text = aion__sim_text(sqe->addr);
	struct aion__sim_path path;
	int error;

	if (sqe->unlink_flags & ~(unsigned)AT_REMOVEDIR)
		return -EINVAL;
	error = aion__sim_path_check(text, 0);
	if (!error)
		error = aion__sim_path_walk(sim, sqe->fd, text, 0, &path);
	if (error)
		return error;
	return sqe->unlink_flags & AT_REMOVEDIR ? directory_remove(sim, &path) : file_remove(sim, &path);
}

/* ---- moving */

/* One name and what it stands for. */
struct place {
	struct aion__sim_path path;
	struct aion__sim_node *node;
};

static bool is_dir(const struct place *place)
{
	return place->node && aion__sim_node_is(place->node, S_IFDIR);
}

/* Whether the directory lies in what the place names, or is it. */
static bool contains(const struct place *place, const struct aion__sim_node *dir)
{
	if (!is_dir(place))
		return false;
	while (dir != place->node && dir != dir->parent)
		dir = dir->parent;
	return dir == place->node;
}

static int rename_walk(struct aion_sim *sim, const struct io_uring_sqe *sqe, struct place *from, struct place *to)
{
	int error = aion__sim_path_walk(sim, sqe->fd, aion__sim_text(sqe->addr), 0, &from->path);

	if (!error)
		error = aion__sim_path_walk(sim, (int)sqe->len, aion__sim_text(sqe->addr2), 0, &to->path);
	if (error)
		return error;
	if (from->path.last != AION__SIM_LAST_NAME)
		return -EBUSY;
	if (to->path.last != AION__SIM_LAST_NAME)
		return sqe->rename_flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	error = name_find(&from->path, &from->node);
	if (!error)
		error = aion__sim_entry_find(sim, to->path.dir, to->path.name, to->path.name_size, &to->node);
	return error;
}

static int rename_check(const struct place *from, const struct place *to, unsigned flags)
{
	if (flags & RENAME_NOREPLACE && to->node)
		return -EEXIST;
	if (flags & RENAME_EXCHANGE && !to->node)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE && !is_dir(to) && to->path.is_slashed)
		return -ENOTDIR;
	if (!is_dir(from) && (from->path.is_slashed || (!(flags & RENAME_EXCHANGE) && to->path.is_slashed)))
		return -ENOTDIR;
	if (contains(from, to->path.dir))
		return -EINVAL;
	if (contains(to, from->path.dir))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

/* What a plain rename puts out of the way. */
static int rename_replace(struct aion_sim *sim, const struct place *from, struct place *to)
{
	if (!to->node)
		return 0;
	if (is_dir(from) && !is_dir(to))
		return -ENOTDIR;
	if (!is_dir(from) && is_dir(to))
		return -EISDIR;
	return is_dir(to) ? directory_remove(sim, &to->path) : file_remove(sim, &to->path);
}

int64_t aion__sim_renameat(struct aion_sim *sim, struct aion__sim_request *request)
{
	const unsigned flags = request->sqe.rename_flags;
	struct place from, to;
	int error = paths_check(&request->sqe, 0);

	if (error)
		return error;
	/* RENAME_WHITEOUT is for file systems in layers, and not for this one. */
	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	error = rename_walk(sim, &request->sqe, &from, &to);
	if (!error)
		error = rename_check(&from, &to, flags);
	if (error || from.node == to.node)
		return error;
	if (flags & RENAME_EXCHANGE)
		name_remove(&to.path);
	else
		error = rename_replace(sim, &from, &to);
	if (error)
		return error;
	name_remove(&from.path);
	name_add(&to.path, from.node);
	if (flags & RENAME_EXCHANGE)
		name_add(&from.path, to.node);
	return 0;
}
