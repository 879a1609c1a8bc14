/* SPDX-License-Identifier: MIT */
/* What there is of the file system: nodes and names. Tests put files there and look at them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim_node_int.h"
#include "sim_pipe_int.h"

#define INO_FIRST 2 /* the root's */
#define NAME_ROOM_FIRST 64
#define UMASK 022 /* of whoever the machine works for */

/* A name in a directory. */
struct aion__sim_entry {
	struct aion__sim_entry *next; /* of its list */
	struct aion__sim_node *dir;
	struct aion__sim_node *node;
	uint32_t hash;
	uint8_t size;
	char name[];
};

/* ---- nodes */

struct aion__sim_node *aion__sim_node_new(struct aion_sim *sim, uint32_t mode)
{
	struct aion__sim_node *node = aion__sim_alloc(sizeof(*node));

	node->mode = (mode & S_IFMT) == S_IFLNK ? mode : mode & ~UMASK;
	node->ino = ++sim->disk->ino_last;
	node->atime_ns = node->btime_ns = sim->now_ns;
	aion__sim_node_changed(sim, node);
	if (aion__sim_node_is(node, S_IFDIR))
		node->size = AION__SIM_BLOCK_SIZE;
	return node;
}

void aion__sim_node_settle(struct aion_sim *sim, struct aion__sim_node *node)
{
	/* A removed directory has its parent until then. */
	while (node && !node->ref_nr && !node->link_nr && !node->entry_nr) {
		struct aion__sim_node *parent = node->parent == node ? NULL : node->parent;

		AION_ASSERT(!node->pipe);
		aion__sim_data_fini(sim, &node->data);
		aion__sim_xattrs_free(node);
		aion__sim_free(node->target);
		aion__sim_free(node);
		if (parent)
			parent->ref_nr--;
		node = parent;
	}
}

void aion__sim_node_unref(struct aion_sim *sim, struct aion__sim_node *node)
{
	AION_ASSERT(node->ref_nr > 0);
	node->ref_nr--;
	aion__sim_node_settle(sim, node);
}

/* ---- names */

/* By the directory's number, not its address. */
static uint32_t entry_hash(const struct aion__sim_node *dir, const char *name, size_t name_size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ dir->ino;

	for (size_t i = 0; i < name_size; i++)
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash >> 32 ^ hash);
}

/* The pointer to it, in its list; to NULL if there is none. */
static struct aion__sim_entry **entry_place(const struct aion__sim_disk *disk, const struct aion__sim_node *dir,
					    const char *name, size_t name_size)
{
	uint32_t hash = entry_hash(dir, name, name_size);
	struct aion__sim_entry **place = &disk->names[hash & (disk->name_room - 1)];

	while (*place && ((*place)->hash != hash || (*place)->dir != dir || (*place)->size != name_size ||
			  memcmp((*place)->name, name, name_size) != 0))
		place = &(*place)->next;
	return place;
}

static void names_grow(struct aion__sim_disk *disk)
{
	struct aion__sim_entry **old = disk->names;
	size_t room = disk->name_room;

	disk->name_room *= 2;
	disk->names = aion__sim_alloc(disk->name_room * sizeof(struct aion__sim_entry *));
	for (size_t i = 0; i < room; i++) {
		while (old[i]) {
			struct aion__sim_entry *entry = old[i];
			struct aion__sim_entry **list = &disk->names[entry->hash & (disk->name_room - 1)];

			old[i] = entry->next;
			entry->next = *list;
			*list = entry;
		}
	}
	aion__sim_free(old);
}

int aion__sim_entry_find(const struct aion_sim *sim, const struct aion__sim_node *dir, const char *name,
			 size_t name_size, struct aion__sim_node **ret_node)
{
	const struct aion__sim_entry *entry;

	if (!dir->link_nr)
		return -ENOENT;
	if (name_size > AION__SIM_NAME_MAX)
		return -ENAMETOOLONG;
	entry = *entry_place(sim->disk, dir, name, name_size);
	*ret_node = entry ? entry->node : NULL;
	return 0;
}

void aion__sim_entry_add(struct aion_sim *sim, struct aion__sim_node *dir, const char *name, size_t name_size,
			 struct aion__sim_node *node)
{
	struct aion__sim_entry *entry = aion__sim_alloc(sizeof(*entry) + name_size);
	struct aion__sim_entry **place;

	AION_ASSERT(dir->link_nr && name_size && name_size <= AION__SIM_NAME_MAX);
	if (sim->disk->name_nr >= sim->disk->name_room)
		names_grow(sim->disk);
	place = entry_place(sim->disk, dir, name, name_size);
	AION_ASSERT(!*place);
	entry->dir = dir;
	entry->node = node;
	entry->hash = entry_hash(dir, name, name_size);
	entry->size = (uint8_t)name_size;
	memcpy(entry->name, name, name_size);
	*place = entry;
	sim->disk->name_nr++;
	dir->entry_nr++;
	node->link_nr++;
	if (aion__sim_node_is(node, S_IFDIR)) {
		dir->link_nr++;
		dir->ref_nr++;
		if (node->parent)
			node->parent->ref_nr--;
		node->parent = dir;
	}
	aion__sim_node_changed(sim, dir);
	node->ctime_ns = sim->now_ns;
}

struct aion__sim_node *aion__sim_entry_remove(struct aion_sim *sim, struct aion__sim_node *dir, const char *name,
					      size_t name_size)
{
	struct aion__sim_entry **place = entry_place(sim->disk, dir, name, name_size);
	struct aion__sim_entry *entry = *place;
	struct aion__sim_node *node = entry->node;

	*place = entry->next;
	aion__sim_free(entry);
	sim->disk->name_nr--;
	dir->entry_nr--;
	node->link_nr--;
	if (aion__sim_node_is(node, S_IFDIR))
		dir->link_nr--;
	aion__sim_node_changed(sim, dir);
	node->ctime_ns = sim->now_ns;
	return node;
}

struct aion__sim_node *aion__sim_node_make(struct aion_sim *sim, struct aion__sim_node *dir, const char *name,
					   size_t name_size, uint32_t mode)
{
	struct aion__sim_node *node = aion__sim_node_new(sim, mode);

	if (aion__sim_node_is(node, S_IFDIR))
		node->link_nr = 1; /* its "." */
	aion__sim_entry_add(sim, dir, name, name_size, node);
	return node;
}

/* ---- the disk */

static void device_make(struct aion_sim *sim, struct aion__sim_node *dir, const char *name, unsigned minor)
{
	struct aion__sim_node *node = aion__sim_node_make(sim, dir, name, strlen(name), S_IFCHR | 0666);

	node->mode |= 0666;
	node->rdev_minor = minor;
}

/* Called by the operations of a named pipe's files, which are the pipe's but for the end. */
static void fifo_release(struct aion_sim *sim, struct aion__sim_file *file)
{
	struct aion__sim_node *node = file->node;
	struct aion__sim_pipe *pipe = node->pipe;
	int mode = file->flags & O_ACCMODE;

	(mode == O_RDONLY   ? &aion__sim_pipe_read_ops
	 : mode == O_WRONLY ? &aion__sim_pipe_write_ops
			    : &aion__sim_pipe_both_ops)
		->release(sim, file);
	/* What nobody has read is gone when the last one leaves. */
	if (!pipe->reader_nr && !pipe->writer_nr) {
		aion__sim_pipe_unref(pipe);
		node->pipe = NULL;
	}
	aion__sim_node_unref(sim, node);
}

struct aion__sim_disk *aion__sim_disk_new(struct aion_sim *sim)
{
	struct aion__sim_disk *disk = aion__sim_alloc(sizeof(*disk));
	struct aion__sim_node *dev;

	sim->disk = disk;
	disk->name_room = NAME_ROOM_FIRST;
	disk->names = aion__sim_alloc(disk->name_room * sizeof(struct aion__sim_entry *));
	disk->ino_last = INO_FIRST - 1;
	disk->fifo_ops[O_RDONLY] = aion__sim_pipe_read_ops;
	disk->fifo_ops[O_WRONLY] = aion__sim_pipe_write_ops;
	disk->fifo_ops[O_RDWR] = aion__sim_pipe_both_ops;
	for (int i = 0; i < 3; i++) {
		disk->fifo_ops[i].name = "named pipe";
		disk->fifo_ops[i].release = fifo_release;
	}
	disk->root = aion__sim_node_new(sim, S_IFDIR | 0777);
	disk->root->link_nr = 2;
	disk->root->parent = disk->root;
	dev = aion__sim_node_make(sim, disk->root, "dev", 3, S_IFDIR | 0777);
	device_make(sim, dev, "null", AION__SIM_NULL_MINOR);
	device_make(sim, dev, "zero", AION__SIM_ZERO_MINOR);
	return disk;
}

void aion__sim_disk_free(struct aion_sim *sim, struct aion__sim_disk *disk)
{
	for (size_t i = 0; i < disk->name_room; i++) {
		while (disk->names[i]) {
			const struct aion__sim_entry *entry = disk->names[i];
			struct aion__sim_node *dir = entry->dir;
			struct aion__sim_node *node = aion__sim_entry_remove(sim, dir, entry->name, entry->size);

			if (aion__sim_node_is(node, S_IFDIR))
				node->link_nr--;
			/* Each directory goes with the last thing in it. */
			dir->ref_nr++;
			aion__sim_node_settle(sim, node);
			aion__sim_node_unref(sim, dir);
		}
	}
	disk->root->link_nr = 0;
	aion__sim_node_settle(sim, disk->root);
	aion__sim_free(disk->names);
	aion__sim_free(disk->bounce);
	aion__sim_free(disk);
}

char *aion__sim_bounce(struct aion_sim *sim, size_t size)
{
	struct aion__sim_disk *disk = sim->disk;

	if (disk->bounce_room < size) {
		disk->bounce = aion__sim_realloc(disk->bounce, size);
		disk->bounce_room = size;
	}
	return disk->bounce;
}

/* ---- what tests do */

/* Make the directories on the way to the last name of a path, of which a copy is taken apart here. */
static int path_prepare(struct aion_sim *sim, char *text, struct aion__sim_path *ret_path)
{
	struct aion__sim_node *node;
	int error;

	for (char *slash = strchr(text + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		error = aion__sim_path_walk(sim, AT_FDCWD, text, 0, ret_path);
		if (!error)
			error = aion__sim_path_node(ret_path, true, false, &node);
		if (error)
			return error;
		if (!node)
			aion__sim_node_make(sim, ret_path->dir, ret_path->name, ret_path->name_size, S_IFDIR | 0777);
		*slash = '/';
	}
	return aion__sim_path_walk(sim, AT_FDCWD, text, 0, ret_path);
}

/* The node of a file that may be written whole; NULL: it can be made. */
static int file_prepare(struct aion_sim *sim, char *text, struct aion__sim_path *ret_path,
			struct aion__sim_node **ret_node)
{
	int error = path_prepare(sim, text, ret_path);

	if (!error)
		error = aion__sim_path_node(ret_path, true, true, ret_node);
	if (error || !*ret_node)
		return error;
	if (aion__sim_node_is(*ret_node, S_IFDIR))
		return -EISDIR;
	return aion__sim_node_is(*ret_node, S_IFREG) ? 0 : -EINVAL;
}

/* What the disk gets back when the file is emptied. */
static uint64_t node_used(const struct aion__sim_node *node)
{
	uint64_t used = 0;

	for (size_t i = 0; node && i < node->data.nr; i++)
		used += node->data.blocks[i].used;
	return used;
}

int aion_sim_file_write(struct aion_sim *sim, const char *path, const void *data, size_t size)
{
	struct aion__sim_path where;
	struct aion__sim_node *node;
	char *text;
	int error = aion__sim_path_check(path, 0);

	if (error == -EFAULT || error == -ENOENT || (!error && *path != '/'))
		return -EINVAL;
	if (error)
		return error;
	text = aion__sim_alloc(strlen(path) + 1);
	memcpy(text, path, strlen(path));
	error = file_prepare(sim, text, &where, &node);
	if (!error && size > sim->options.disk_size - sim->disk_used + node_used(node))
		error = -ENOSPC;
	if (!error) {
		if (!node)
			node = aion__sim_node_make(sim, where.dir, where.name, where.name_size, S_IFREG | 0666);
		aion__sim_node_truncate(sim, node, 0);
		node->size = (int64_t)aion__sim_data_write(sim, &node->data, 0, data, size);
	}
	aion__sim_free(text);
	return error;
}

int aion_sim_file_read(struct aion_sim *sim, const char *path, const void **ret_data, size_t *ret_size)
{
	struct aion__sim_node *node;
	int error = aion__sim_path_check(path, 0);

	if (error == -EFAULT || (!error && *path != '/'))
		return -EINVAL;
	error = aion__sim_path_find(sim, AT_FDCWD, path, 0, &node);
	if (error)
		return error;
	if (aion__sim_node_is(node, S_IFDIR))
		return -EISDIR;
	if (!aion__sim_node_is(node, S_IFREG))
		return -EINVAL;
	*ret_data = aion__sim_data_flat(&node->data, node->size);
	*ret_size = (size_t)node->size;
	return 0;
}
