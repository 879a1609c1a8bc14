/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_COMPAT_INT_H
#define AION_RING_COMPAT_INT_H
/*
 * The kernel's constants that liburing 2.3's headers (Linux 6.1, the baseline) do not have. Whether the running kernel
 * has the feature is found out by probing it, never from here.
 */
#include <liburing.h>

#define AION__OP_FTRUNCATE 55 /* Linux 6.9 */
#define AION__OP_BIND 56      /* Linux 6.11 */
#define AION__OP_LISTEN 57    /* Linux 6.11 */
#define AION__OP_PIPE 62      /* Linux 6.16 */
#define AION__OP_LAST_LINUX_6_1 IORING_OP_SENDMSG_ZC

#endif
