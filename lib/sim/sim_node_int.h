/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_SIM_NODE_INT_H
#define AION_SIM_SIM_NODE_INT_H
/*
 * The machine's file system: one, in memory, without access rights (everybody is root), as ext4 behaves.
 *
 *	disk.c    what there is of it: nodes, names; what tests put there
 *	data.c    the bytes of a plain file, with holes
 *	node.c    open files of plain files, directories, devices; what is done to a file as a whole
 *	stat.c    what is known about a file
 *	path.c    from a path to a node
 *	open.c    opening
 *	name.c    making, moving and removing names
 *	xattr.c   extended attributes
 *
 * A node lives as long as it has a name or somebody has it open.
 */
#include <sys/stat.h>

#include "sim_int.h"

#define AION__SIM_BLOCK_SIZE 4096                      /* bytes */
#define AION__SIM_FILE_SIZE_MAX INT64_C(0xffffffff000) /* bytes of a file, as on ext4 with blocks of this size */
#define AION__SIM_NAME_MAX 255
#define AION__SIM_PATH_MAX 4096 /* with its 0 */
#define AION__SIM_LINK_MAX 65000
#define AION__SIM_NULL_MINOR 3
#define AION__SIM_ZERO_MINOR 5

/* ---- data.c */

struct aion__sim_block {
	int64_t idx;  /* in the file */
	char *memory; /* NULL: reserved, reads as zeros */
	size_t used;  /* bytes from its beginning that count as the disk's; never 0 */
};

/* Blocks by idx; what none covers is a hole. */
struct aion__sim_data {
	struct aion__sim_block *blocks;
	size_t nr;
	size_t room;
	size_t hint; /* where the last one was found */
	char *flat;  /* all of it in one piece, for a test; NULL: not asked for since it changed */
};

void aion__sim_data_read(struct aion__sim_data *data, int64_t off, void *to, size_t size);
/* Returns how many bytes found room on the disk. */
size_t aion__sim_data_write(struct aion_sim *sim, struct aion__sim_data *data, int64_t off, const void *from,
			    size_t size);
/* A hole from off to end. */
void aion__sim_data_punch(struct aion_sim *sim, struct aion__sim_data *data, int64_t off, int64_t end);
/* No hole from off to end. 0 or -ENOSPC. */
int aion__sim_data_reserve(struct aion_sim *sim, struct aion__sim_data *data, int64_t off, int64_t end);
const char *aion__sim_data_flat(struct aion__sim_data *data, int64_t size);
void aion__sim_data_fini(struct aion_sim *sim, struct aion__sim_data *data);

/* ---- disk.c */

struct aion__sim_xattr;

struct aion__sim_node {
	uint32_t mode;
	unsigned link_nr;
	unsigned ref_nr; /* open files; of a directory, those in it, too */
	uint64_t ino;
	int64_t size;
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
	struct aion__sim_data data;
	struct aion__sim_node *parent; /* of a directory; the root's is itself */
	size_t entry_nr;               /* names in a directory */
	char *target;                  /* of a symbolic link */
	struct aion__sim_pipe *pipe;   /* of a named pipe that somebody has open */
	unsigned rdev_minor;           /* of a device, whose major is 1 */
	bool is_linkable;              /* has no name yet, and may get one */
	struct aion__sim_xattr *xattrs;
};

struct aion__sim_entry;

struct aion__sim_disk {
	struct aion__sim_node *root;
	struct aion__sim_entry **names; /* of all directories, by a hash; name_room lists, a power of two */
	size_t name_nr;
	size_t name_room;
	uint64_t ino_last;
	char *bounce; /* between program and file */
	size_t bounce_room;
	struct aion__sim_file_ops fifo_ops[3]; /* a pipe's, by O_ACCMODE; they know the node, too */
};

struct aion__sim_node *aion__sim_node_new(struct aion_sim *sim, uint32_t mode);
/* The caller has let go of it in some way: free it if nobody has it. */
void aion__sim_node_settle(struct aion_sim *sim, struct aion__sim_node *node);
void aion__sim_node_unref(struct aion_sim *sim, struct aion__sim_node *node);

/* What stands in a directory under a name: 0 and the node or NULL. -ENAMETOOLONG; -ENOENT: the directory is removed. */
int aion__sim_entry_find(const struct aion_sim *sim, const struct aion__sim_node *dir, const char *name,
			 size_t name_size, struct aion__sim_node **ret_node);
/* There is none of that name. Links and times are seen to. */
void aion__sim_entry_add(struct aion_sim *sim, struct aion__sim_node *dir, const char *name, size_t name_size,
			 struct aion__sim_node *node);
/* There is one. The node stays the caller's to settle. */
struct aion__sim_node *aion__sim_entry_remove(struct aion_sim *sim, struct aion__sim_node *dir, const char *name,
					      size_t name_size);

/* A new one with a name. mode: what the umask lets through of it. */
struct aion__sim_node *aion__sim_node_make(struct aion_sim *sim, struct aion__sim_node *dir, const char *name,
					   size_t name_size, uint32_t mode);

static inline bool aion__sim_node_is(const struct aion__sim_node *node, uint32_t type)
{
	return (node->mode & S_IFMT) == type;
}

/* For tests: as mkfifo(3), which no opcode does. */
int aion__sim_mkfifo(struct aion_sim *sim, const char *path, mode_t mode);

/* Room for what goes between program and file; its content is gone with the next call. */
char *aion__sim_bounce(struct aion_sim *sim, size_t size);

/* ---- path.c */

enum aion__sim_last {
	AION__SIM_LAST_NAME,
	AION__SIM_LAST_DOT,
	AION__SIM_LAST_DOTDOT,
	AION__SIM_LAST_ROOT, /* there is no name in the path */
};

/* A path, resolved up to its last name. */
struct aion__sim_path {
	struct aion_sim *sim;
	struct aion__sim_node *root; /* above which nothing is reached */
	struct aion__sim_node *dir;  /* where the last name stands */
	const char *name;            /* the last one: name_size bytes */
	size_t name_size;
	enum aion__sim_last last;
	bool is_slashed;  /* something follows the name */
	bool must_be_dir; /* or followed a name whose link has been followed since */
	uint64_t resolve; /* RESOLVE_ */
	unsigned link_nr; /* followed */
	unsigned depth;
	const char *rest;
	const char *stack[41]; /* what comes after the links that are being followed */
};

/* What is said of a path before it is looked at. flags: AT_EMPTY_PATH. 0, -EFAULT, -ENOENT, -ENAMETOOLONG. */
int aion__sim_path_check(const char *text, unsigned flags);
/* Walk to the last name of a path that has been checked and is not empty. */
int aion__sim_path_walk(struct aion_sim *sim, int dirfd, const char *text, uint64_t resolve,
			struct aion__sim_path *ret_path);
/* What the last name stands for, after links if they are followed; NULL: nothing, but it could be made there. */
int aion__sim_path_node(struct aion__sim_path *path, bool is_followed, bool is_created,
			struct aion__sim_node **ret_node);
/* All of it. flags: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. Checks the path, too; -ENOENT if there is nothing. */
int aion__sim_path_find(struct aion_sim *sim, int dirfd, const char *text, unsigned flags,
			struct aion__sim_node **ret_node);

static inline const char *aion__sim_text(uint64_t address)
{
	return (const char *)(uintptr_t)address;
}

/* ---- node.c */

extern const struct aion__sim_file_ops aion__sim_regular_ops, aion__sim_directory_ops, aion__sim_null_ops,
	aion__sim_zero_ops, aion__sim_path_ops;

static inline bool aion__sim_file_is_plain(const struct aion__sim_file *file)
{
	return file->ops == &aion__sim_regular_ops;
}

/* It was written to. */
static inline void aion__sim_node_changed(const struct aion_sim *sim, struct aion__sim_node *node)
{
	node->mtime_ns = node->ctime_ns = sim->now_ns;
}

void aion__sim_node_truncate(struct aion_sim *sim, struct aion__sim_node *node, int64_t size);

/* ---- xattr.c */
void aion__sim_xattrs_free(struct aion__sim_node *node);

#endif
