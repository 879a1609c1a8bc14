/* SPDX-License-Identifier: MIT */
#ifndef AION_XATTR_H
#define AION_XATTR_H
/*
 * Extended attributes of files. Each call comes twice, with the arguments and the result of the system call, and with
 * "the common" errors: see the top of file.h. Names and values of an operation stay until it is done.
 */
#include <sys/types.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_getxattr, aion_fgetxattr - read one attribute of a path, of a descriptor.
 * @path: symbolic links are followed.
 * @name: with its namespace: "user.mime_type".
 * @value: size bytes, the kernel's until the call is done.
 * @size: bytes; 0 only asks for the attribute's size.
 *
 * Result: bytes of the attribute's value.
 * Errors: those of getxattr(2) (-ENODATA: no such attribute; -ERANGE: size is too small), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: getxattr(2), IORING_OP_GETXATTR, IORING_OP_FGETXATTR, Linux 5.19.
 */
AION_API AION_SUSPENDS int64_t aion_getxattr(const char *path, const char *name, void *value, size_t size);
AION_API void aion_op_getxattr(struct aion_op *op, const char *path, const char *name, void *value, size_t size);
AION_API AION_SUSPENDS int64_t aion_fgetxattr(int fd, const char *name, void *value, size_t size);
AION_API void aion_op_fgetxattr(struct aion_op *op, int fd, const char *name, void *value, size_t size);

/**
 * aion_setxattr, aion_fsetxattr - write one attribute of a path, of a descriptor.
 * @path: symbolic links are followed.
 * @name: with its namespace.
 * @value: size bytes.
 * @size: bytes; 0 gives it an empty value.
 * @flags: 0, XATTR_CREATE (it must not exist) or XATTR_REPLACE (it must).
 *
 * Result: 0.
 * Errors: those of setxattr(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: setxattr(2), IORING_OP_SETXATTR, IORING_OP_FSETXATTR, Linux 5.19.
 */
AION_API AION_SUSPENDS int64_t aion_setxattr(const char *path, const char *name, const void *value, size_t size,
					     int flags);
AION_API void aion_op_setxattr(struct aion_op *op, const char *path, const char *name, const void *value, size_t size,
			       int flags);
AION_API AION_SUSPENDS int64_t aion_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
AION_API void aion_op_fsetxattr(struct aion_op *op, int fd, const char *name, const void *value, size_t size,
				int flags);

#ifdef __cplusplus
}
#endif
#endif
