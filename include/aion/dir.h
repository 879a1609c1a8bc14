/* SPDX-License-Identifier: MIT */
#ifndef AION_DIR_H
#define AION_DIR_H
/*
 * Names in directories: making, moving, removing them, and asking what they stand for. Each call comes twice, with the
 * arguments and the result of the system call, and with "the common" errors: see the top of file.h.
 *
 * dirfd, everywhere: where a relative path starts, or AT_FDCWD. Paths end with 0; those of an operation stay until it
 * is done.
 */
#include <sys/types.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct statx; /* <sys/stat.h> with _GNU_SOURCE, or <linux/stat.h> */

/**
 * aion_statx - what is known about a file.
 * @path: "" with AT_EMPTY_PATH in flags: dirfd itself.
 * @flags: AT_*.
 * @mask: STATX_*: what is wanted.
 * @ret_statx: written on success; of an operation: the kernel's until it is done.
 *
 * Result: 0.
 * Errors: those of statx(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: statx(2), IORING_OP_STATX, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_statx(int dirfd, const char *path, int flags, unsigned mask,
					  struct statx *ret_statx);
AION_API void aion_op_statx(struct aion_op *op, int dirfd, const char *path, int flags, unsigned mask,
			    struct statx *ret_statx);

/**
 * aion_renameat2 - give a file another name.
 * @old_dirfd, @old_path: the name it has.
 * @new_dirfd, @new_path: the name it gets; a file of this name is replaced.
 * @flags: RENAME_*.
 *
 * Result: 0.
 * Errors: those of renameat2(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: renameat2(2), IORING_OP_RENAMEAT, Linux 5.11.
 */
AION_API AION_SUSPENDS int64_t aion_renameat2(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
					      unsigned flags);
AION_API void aion_op_renameat2(struct aion_op *op, int old_dirfd, const char *old_path, int new_dirfd,
				const char *new_path, unsigned flags);

/**
 * aion_unlinkat - remove a name; with AT_REMOVEDIR in flags an empty directory.
 * @flags: 0 or AT_REMOVEDIR.
 *
 * Result: 0.
 * Errors: those of unlinkat(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: unlinkat(2), IORING_OP_UNLINKAT, Linux 5.11.
 */
AION_API AION_SUSPENDS int64_t aion_unlinkat(int dirfd, const char *path, int flags);
AION_API void aion_op_unlinkat(struct aion_op *op, int dirfd, const char *path, int flags);

/**
 * aion_mkdirat - make a directory.
 * @mode: permissions, less the umask.
 *
 * Result: 0.
 * Errors: those of mkdirat(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: mkdirat(2), IORING_OP_MKDIRAT, Linux 5.15.
 */
AION_API AION_SUSPENDS int64_t aion_mkdirat(int dirfd, const char *path, mode_t mode);
AION_API void aion_op_mkdirat(struct aion_op *op, int dirfd, const char *path, mode_t mode);

/**
 * aion_linkat - give a file one more name.
 * @old_dirfd, @old_path: a name it has.
 * @new_dirfd, @new_path: the further one; must not exist.
 * @flags: AT_EMPTY_PATH, AT_SYMLINK_FOLLOW.
 *
 * Result: 0.
 * Errors: those of linkat(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: linkat(2), IORING_OP_LINKAT, Linux 5.15.
 */
AION_API AION_SUSPENDS int64_t aion_linkat(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path,
					   int flags);
AION_API void aion_op_linkat(struct aion_op *op, int old_dirfd, const char *old_path, int new_dirfd,
			     const char *new_path, int flags);

/**
 * aion_symlinkat - make a symbolic link.
 * @target: what it will say; need not exist.
 * @new_dirfd, @link_path: the link's name.
 *
 * Result: 0.
 * Errors: those of symlinkat(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: symlinkat(2), IORING_OP_SYMLINKAT, Linux 5.15.
 */
AION_API AION_SUSPENDS int64_t aion_symlinkat(const char *target, int new_dirfd, const char *link_path);
AION_API void aion_op_symlinkat(struct aion_op *op, const char *target, int new_dirfd, const char *link_path);

#ifdef __cplusplus
}
#endif
#endif
