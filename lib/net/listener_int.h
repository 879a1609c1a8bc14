/* SPDX-License-Identifier: MIT */
#ifndef AION_NET_LISTENER_INT_H
#define AION_NET_LISTENER_INT_H
/* What the parts of the listener have in common. */
#include <aion/listener.h>

/* Accept no more, without waiting for the kernel: who waits is woken, what is in flight is asked to end. */
void aion__accept_end(struct aion_accept *accept);

/* Give the socket its address; of a unix path, take over what nobody listens on any more. Sets listener->path. */
int64_t aion__listener_bind(struct aion_listener *listener, int fd, const struct aion_address *address,
			    unsigned path_mode);
/* The socket's file goes, if it is still this socket's. Always finishes. */
void aion__listener_unlink(struct aion_listener *listener);
/* The listening socket goes, with its file. Always finishes. */
void aion__listener_close_socket(struct aion_listener *listener);

/* An error of accept: 0: wait a little and go on; else what it comes to. */
int64_t aion__listener_survive(struct aion_listener *listener, int64_t error);
/* A descriptor may have become free: who pauses tries again. */
void aion__listener_resume(struct aion_listener *listener);

#endif
