/* SPDX-License-Identifier: MIT */
/* Extended attributes. liburing lays them out so: name in addr, value in off, its size in len, the path in addr3. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "sim_model_int.h"
#include "sim_node_int.h"

#define NAME_SIZE_MAX 255
#define VALUE_SIZE_MAX 65536
#define SPACE 4032    /* bytes that all of a file's attributes may take, as in one block of ext4 */
#define ENTRY_SIZE 16 /* bytes that each takes beside its name and its value, which are rounded up to */
#define ENTRY_ALIGN 4

struct aion__sim_xattr {
	struct aion__sim_xattr *next;
	char *name;
	char *value;
	size_t size;
};

static void xattr_free(struct aion__sim_xattr *xattr)
{
	aion__sim_free(xattr->name);
	aion__sim_free(xattr->value);
	aion__sim_free(xattr);
}

void aion__sim_xattrs_free(struct aion__sim_node *node)
{
	while (node->xattrs) {
		struct aion__sim_xattr *xattr = node->xattrs;

		node->xattrs = xattr->next;
		xattr_free(xattr);
	}
}

/* ---- what is asked for */

/* What is said of a name before the file is looked at. */
static int name_check(const char *name)
{
	int error = aion__sim_path_check(name, AT_EMPTY_PATH);

	if (error == -EFAULT)
		return error;
	return error || !*name || strlen(name) > NAME_SIZE_MAX ? -ERANGE : 0;
}

static bool begins(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What is said of it when the file is known. node: NULL for a pipe or socket without a name. */
static int space_check(const struct aion__sim_node *node, const char *name, bool is_set)
{
	const char *prefix = begins(name, "user.") ? "user." : begins(name, "trusted.") ? "trusted." : "security.";
	bool is_user = begins(name, "user.");

	if (is_user && !(node && (aion__sim_node_is(node, S_IFREG) || aion__sim_node_is(node, S_IFDIR))))
		return is_set ? -EPERM : -ENODATA;
	if (!node || !begins(name, prefix))
		return -EOPNOTSUPP;
	return name[strlen(prefix)] ? 0 : -EINVAL;
}

/* The pointer to it, in the file's list; to NULL if there is none. */
static struct aion__sim_xattr **xattr_place(struct aion__sim_node *node, const char *name)
{
	struct aion__sim_xattr **place = &node->xattrs;

	while (*place && strcmp((*place)->name, name) != 0)
		place = &(*place)->next;
	return place;
}

/* The file that the entry's path or descriptor means. */
static int node_of_path(struct aion_sim *sim, const struct aion__sim_request *request, struct aion__sim_node **ret_node)
{
	return aion__sim_path_find(sim, AT_FDCWD, aion__sim_text(request->sqe.addr3), 0, ret_node);
}

static int node_of_file(struct aion_sim *sim, const struct aion__sim_request *request, struct aion__sim_node **ret_node)
{
	(void)sim;
	*ret_node = request->file->node;
	return request->file->flags & O_PATH ? -EBADF : 0;
}

typedef int node_of_fn(struct aion_sim *sim, const struct aion__sim_request *request, struct aion__sim_node **ret_node);

/* ---- asking */

static int64_t xattr_get(struct aion_sim *sim, struct aion__sim_request *request, node_of_fn *node_of)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const char *name = aion__sim_text(sqe->addr);
	const struct aion__sim_xattr *xattr;
	struct aion__sim_node *node;
	int error;

	if (sqe->xattr_flags)
		return -EINVAL;
	error = name_check(name);
	if (!error)
		error = node_of(sim, request, &node);
	if (!error)
		error = space_check(node, name, false);
	if (error)
		return error;
	xattr = *xattr_place(node, name);
	if (!xattr)
		return -ENODATA;
	if (!sqe->len) {
		request->stage_size = 0;
		return (int64_t)xattr->size;
	}
	if (xattr->size > sqe->len)
		return -ERANGE;
	memcpy(aion__sim_stage(request, xattr->size + 1), xattr->value, xattr->size);
	return (int64_t)xattr->size;
}

int64_t aion__sim_getxattr(struct aion_sim *sim, struct aion__sim_request *request)
{
	return xattr_get(sim, request, node_of_path);
}

int64_t aion__sim_fgetxattr(struct aion_sim *sim, struct aion__sim_request *request)
{
	return xattr_get(sim, request, node_of_file);
}

/* ---- setting */

static size_t entry_space(const char *name, size_t size)
{
	size_t name_room = (strlen(name) + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
	size_t value_room = (size + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;

	return ENTRY_SIZE + name_room + value_room;
}

/* What the attributes take, but for one of them. */
static size_t space_used(const struct aion__sim_node *node, const struct aion__sim_xattr *but)
{
	size_t used = 0;

	for (const struct aion__sim_xattr *xattr = node->xattrs; xattr; xattr = xattr->next)
		if (xattr != but)
			used += entry_space(xattr->name, xattr->size);
	return used;
}

static int xattr_put(const struct aion_sim *sim, struct aion__sim_node *node, const char *name,
		     const struct aion__sim_request *request)
{
	struct aion__sim_xattr **place = xattr_place(node, name);
	struct aion__sim_xattr *xattr = *place;
	unsigned flags = request->sqe.xattr_flags;
	size_t size = request->sqe.len;

	if (xattr && flags & XATTR_CREATE)
		return -EEXIST;
	if (!xattr && flags & XATTR_REPLACE)
		return -ENODATA;
	if (space_used(node, xattr) + entry_space(name, size) > SPACE)
		return -ENOSPC;
	if (!xattr) {
		xattr = *place = aion__sim_alloc(sizeof(*xattr));
		xattr->name = aion__sim_alloc(strlen(name) + 1);
		strcpy(xattr->name, name);
	}
	xattr->value = aion__sim_realloc(xattr->value, size + 1);
	xattr->size = size;
	aion__sim_memory_read(request, 0, xattr->value, size);
	node->ctime_ns = sim->now_ns;
	return 0;
}

static int64_t xattr_set(struct aion_sim *sim, struct aion__sim_request *request, node_of_fn *node_of)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	const char *name = aion__sim_text(sqe->addr);
	struct aion__sim_node *node;
	int error;

	if (sqe->xattr_flags & ~(unsigned)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	error = name_check(name);
	if (!error && sqe->len > VALUE_SIZE_MAX)
		error = -E2BIG;
	if (!error)
		error = node_of(sim, request, &node);
	if (!error)
		error = space_check(node, name, true);
	return error ? error : xattr_put(sim, node, name, request);
}

int64_t aion__sim_setxattr(struct aion_sim *sim, struct aion__sim_request *request)
{
	return xattr_set(sim, request, node_of_path);
}

int64_t aion__sim_fsetxattr(struct aion_sim *sim, struct aion__sim_request *request)
{
	return xattr_set(sim, request, node_of_file);
}
