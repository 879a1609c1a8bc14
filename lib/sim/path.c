/* SPDX-License-Identifier: MIT */
/* From a path to a node, over links, as the kernel walks: in the order in which it finds what is wrong. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "sim_node_int.h"

#define LINKS_MAX 40         /* that one path may follow */
#define ADDRESS_LOWEST 65536 /* no process has anything below */

int aion__sim_path_check(const char *text, unsigned flags)
{
	size_t size;

	if ((uintptr_t)text < ADDRESS_LOWEST)
		return -EFAULT;
	size = strnlen(text, AION__SIM_PATH_MAX);
	if (size == AION__SIM_PATH_MAX)
		return -ENAMETOOLONG;
	return size || flags & AT_EMPTY_PATH ? 0 : -ENOENT;
}

/* ---- steps */

/* Where an absolute path goes on, of a link, too. */
static int jump_to_root(struct aion__sim_path *path)
{
	if (path->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	path->dir = path->root;
	return 0;
}

/* The next name of what is left; LAST_ROOT: there is none. */
static void next_name(struct aion__sim_path *path)
{
	const char *name = path->rest + strspn(path->rest, "/");
	size_t size = strcspn(name, "/");

	path->name = name;
	path->name_size = size;
	path->rest = name + size + strspn(name + size, "/");
	path->is_slashed = name[size] == '/';
	if (!size)
		path->last = AION__SIM_LAST_ROOT;
	else if (size == 1 && name[0] == '.')
		path->last = AION__SIM_LAST_DOT;
	else if (size == 2 && name[0] == '.' && name[1] == '.')
		path->last = AION__SIM_LAST_DOTDOT;
	else
		path->last = AION__SIM_LAST_NAME;
}

/* Where "", "." or ".." lead. */
static int step_dots(struct aion__sim_path *path, struct aion__sim_node **ret_node)
{
	*ret_node = path->dir;
	if (path->last != AION__SIM_LAST_DOTDOT)
		return 0;
	if (path->dir == path->root)
		return path->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
	*ret_node = path->dir->parent;
	return 0;
}

/* The name stands for a link: its target comes before what is left. */
static int follow(struct aion__sim_path *path, const struct aion__sim_node *link)
{
	if (path->link_nr++ >= LINKS_MAX || path->resolve & RESOLVE_NO_SYMLINKS)
		return -ELOOP;
	if (*path->rest)
		path->stack[path->depth++] = path->rest;
	path->rest = link->target;
	return *link->target == '/' ? jump_to_root(path) : 0;
}

/* One name that is not the last. */
static int step(struct aion__sim_path *path)
{
	struct aion__sim_node *node = NULL;
	int error;

	if (path->last == AION__SIM_LAST_NAME)
		error = aion__sim_entry_find(path->sim, path->dir, path->name, path->name_size, &node);
	else
		error = step_dots(path, &node);
	if (error)
		return error;
	if (!node)
		return -ENOENT;
	if (aion__sim_node_is(node, S_IFLNK))
		return follow(path, node);
	if (!aion__sim_node_is(node, S_IFDIR))
		return -ENOTDIR;
	path->dir = node;
	return 0;
}

/* Up to the last name of what is left. */
static int walk(struct aion__sim_path *path)
{
	for (;;) {
		int error;

		next_name(path);
		if (!*path->rest && !path->depth)
			return 0;
		error = step(path);
		if (error)
			return error;
		if (!*path->rest && path->depth)
			path->rest = path->stack[--path->depth];
	}
}

/* ---- paths */

/* Where a relative path starts, or where a path may not leave. */
static int start(const struct aion_sim *sim, int dirfd, struct aion__sim_node **ret_node)
{
	const struct aion__sim_file *file;

	*ret_node = sim->disk->root;
	if (dirfd == AT_FDCWD)
		return 0;
	file = aion__sim_fd_file(sim, dirfd);
	if (!file)
		return -EBADF;
	if (!file->node || !aion__sim_node_is(file->node, S_IFDIR))
		return -ENOTDIR;
	*ret_node = file->node;
	return 0;
}

int aion__sim_path_walk(struct aion_sim *sim, int dirfd, const char *text, uint64_t resolve,
			struct aion__sim_path *ret_path)
{
	const bool is_confined = resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
	int error;

	*ret_path = (struct aion__sim_path){.sim = sim, .root = sim->disk->root, .resolve = resolve, .rest = text};
	if (*text == '/' && !(resolve & RESOLVE_IN_ROOT)) {
		error = jump_to_root(ret_path);
	} else {
		error = start(sim, dirfd, &ret_path->dir);
		if (is_confined)
			ret_path->root = ret_path->dir;
	}
	return error ? error : walk(ret_path);
}

int aion__sim_path_node(struct aion__sim_path *path, bool is_followed, bool is_created,
			struct aion__sim_node **ret_node)
{
	struct aion__sim_node *node = NULL;
	int error = 0;

	for (;;) {
		if (path->last != AION__SIM_LAST_NAME) {
			error = step_dots(path, &node);
			break;
		}
		if (path->is_slashed && is_created)
			return -EISDIR;
		path->must_be_dir |= path->is_slashed;
		error = aion__sim_entry_find(path->sim, path->dir, path->name, path->name_size, &node);
		if (error || !node || !aion__sim_node_is(node, S_IFLNK) || !(is_followed || path->must_be_dir))
			break;
		error = follow(path, node);
		if (!error)
			error = walk(path);
		if (error)
			return error;
	}
	if (!error && node && path->must_be_dir && !aion__sim_node_is(node, S_IFDIR))
		return -ENOTDIR;
	*ret_node = node;
	return error;
}

/* The descriptor itself. */
static int find_start(struct aion_sim *sim, int dirfd, struct aion__sim_node **ret_node)
{
	const struct aion__sim_file *file = aion__sim_fd_file(sim, dirfd);

	*ret_node = dirfd == AT_FDCWD ? sim->disk->root : file ? file->node : NULL;
	if (*ret_node)
		return 0;
	return file ? -ENOENT : -EBADF;
}

int aion__sim_path_find(struct aion_sim *sim, int dirfd, const char *text, unsigned flags,
			struct aion__sim_node **ret_node)
{
	struct aion__sim_path path;
	int error = aion__sim_path_check(text, flags);

	if (error)
		return error;
	if (!*text)
		return find_start(sim, dirfd, ret_node);
	error = aion__sim_path_walk(sim, dirfd, text, 0, &path);
	if (!error)
		error = aion__sim_path_node(&path, !(flags & AT_SYMLINK_NOFOLLOW), false, ret_node);
	return !error && !*ret_node ? -ENOENT : error;
}
