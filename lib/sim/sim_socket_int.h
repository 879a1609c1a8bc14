/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_SIM_SOCKET_INT_H
#define AION_SIM_SIM_SOCKET_INT_H
/*
 * Sockets of a machine that is alone in the world: unix ones, and TCP and UDP over its loopback.
 *
 *	socket.c    their life: made, shut down, reset, closed; who waits for whom
 *	connect.c   bound, listening, connected, accepted
 *	address.c   names: from and to the program's memory, who is bound to which
 *	message.c   what travels through them, a step of it
 *	parcel.c    descriptors that travel with it
 *	transfer.c  the requests: send, recv, sendmsg, recvmsg
 *
 *	option.c    options, names, pairs: calls that never block
 *
 * What is sent lies at once in the receiver's queue; what the sender's queue would hold is not modelled. A port is free
 * as soon as nobody listens on it or receives at it, as with SO_REUSEADDR.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sim_int.h"
#include "sim_pipe_int.h"

/* ---- names */

struct aion__sim_name {
	uint8_t family; /* AF_UNSPEC: none; AF_UNIX; AF_INET for both versions */
	uint8_t size;   /* AF_UNIX: bytes of the path, which is abstract if it begins with 0 */
	uint16_t port;
	union {
		uint8_t ip[16]; /* version 4 mapped into version 6 */
		char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	};
};

/* ---- what lies in a receive queue beside its bytes: every datagram; of a stream, the places with descriptors */

struct aion__sim_parcel {
	struct aion__sim_parcel *next; /* where several are thrown away */
	unsigned nr;
	struct aion__sim_file *files[]; /* a reference each */
};

struct aion__sim_record {
	uint64_t begin; /* of all bytes that ever came, which is its first */
	size_t size;
	struct aion__sim_parcel *parcel; /* NULL: no descriptors */
	struct aion__sim_name from;
};

struct aion__sim_records {
	struct aion__sim_record *ring;
	unsigned room; /* a power of two, or 0 */
	unsigned first;
	unsigned nr;
};

/* ---- sockets */

enum aion__sim_socket_state {
	AION__SIM_SOCKET_FRESH,
	AION__SIM_SOCKET_LISTENING,
	AION__SIM_SOCKET_CONNECTING, /* TCP: the listener has no room yet */
	AION__SIM_SOCKET_CONNECTED,  /* or was; datagrams: has a partner */
};

/* Somebody who cannot go on until another socket has room. */
struct aion__sim_blocked {
	struct aion__sim_socket *who;
	struct aion__sim_socket *by;
	struct aion__sim_blocked *who_next; /* of who's own list */
	struct aion__sim_blocked *by_next, *by_prev;
};

struct aion__sim_socket {
	struct aion__sim_file *file; /* NULL: not accepted yet */
	uint8_t domain;              /* AF_UNIX, AF_INET, AF_INET6 */
	uint8_t type;                /* SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
	uint8_t state;
	bool is_shut_in;               /* nothing is received any more but what lies here */
	bool is_shut_out;              /* nothing can be sent */
	bool is_finished;              /* TCP: the other side has said that it sends nothing more */
	bool is_bound;                 /* stands in the table of names */
	int error;                     /* errno, said once */
	struct aion__sim_socket *peer; /* NULL: it is gone, or there never was one */
	struct aion__sim_name name, peer_name;
	struct aion__sim_option *options; /* that have been set */
	struct aion__sim_socket *bound_next, *bound_prev; /* of its chain in the table of names */
	unsigned bound_chain;
	struct aion__sim_socket *all_next, *all_prev; /* of all there are */

	struct aion__sim_bytes bytes; /* received and not yet read */
	struct aion__sim_records records;
	uint64_t read_nr; /* bytes ever read */
	size_t size_max;
	uint64_t in_event_nr; /* see poll.c */
	uint64_t out_event_nr;

	struct aion__sim_socket *accept_oldest, *accept_newest; /* LISTENING: those who wait to be accepted */
	struct aion__sim_socket *accept_next;
	unsigned accept_nr;
	unsigned accept_max;

	struct aion__sim_blocked *blocked;                         /* this one waits for others */
	struct aion__sim_blocked *blocked_oldest, *blocked_newest; /* others wait for this one */
	/* Unix datagrams: the sockets connected to this one, who must learn of its end. */
	struct aion__sim_socket *fans;
	struct aion__sim_socket *fan_next, *fan_prev;
};

static inline bool aion__sim_socket_is_tcp(const struct aion__sim_socket *socket)
{
	return socket->domain != AF_UNIX && socket->type == SOCK_STREAM;
}

static inline bool aion__sim_socket_is_udp(const struct aion__sim_socket *socket)
{
	return socket->domain != AF_UNIX && socket->type == SOCK_DGRAM;
}

/* ---- socket.c */

extern const struct aion__sim_file_ops aion__sim_socket_ops;

struct aion__sim_socket *aion__sim_socket_new(struct aion_sim *sim, int domain, int type);
/* A file for it. `flags`: SOCK_NONBLOCK counts. */
struct aion__sim_file *aion__sim_socket_open(struct aion_sim *sim, struct aion__sim_socket *socket, int flags);
/* The file did not find a descriptor: undo that. */
void aion__sim_socket_unopen(struct aion_sim *sim, struct aion__sim_socket *socket);
/* Nobody has it any more, or nobody ever accepted it. */
void aion__sim_socket_end(struct aion_sim *sim, struct aion__sim_socket *socket);
/* The two are connected from now on. */
void aion__sim_socket_pair(struct aion__sim_socket *a, struct aion__sim_socket *b);
/* Unix datagrams: where they go from now on; NULL: nowhere. */
void aion__sim_socket_set_peer(struct aion__sim_socket *socket, struct aion__sim_socket *peer);
/* The connection is gone: errors are said once, nothing is sent any more, what has come can be read. */
void aion__sim_socket_break(struct aion_sim *sim, struct aion__sim_socket *socket, int error);

/* Something has come, or there is room: who watches and waits is woken. */
void aion__sim_socket_event_in(struct aion_sim *sim, struct aion__sim_socket *socket);
void aion__sim_socket_event_out(struct aion_sim *sim, struct aion__sim_socket *socket);
/* Its state is another: both. */
void aion__sim_socket_event(struct aion_sim *sim, struct aion__sim_socket *socket);
/* `who` is woken when `by` has room again, or is gone. */
void aion__sim_socket_block(struct aion__sim_socket *who, struct aion__sim_socket *by);
void aion__sim_socket_unblock(struct aion_sim *sim, struct aion__sim_blocked *blocked);
void aion__sim_socket_unblock_all(struct aion_sim *sim, struct aion__sim_socket *by);
/* The pending error as -errno, which is said once; 0: none. */
int aion__sim_socket_take_error(struct aion__sim_socket *socket);

/* ---- option.c */

/* One of the AION__CALL_* about sockets, or AION__CALL_PIPE. */
int64_t aion__sim_call_socket(struct aion_sim *sim, const struct io_uring_sqe *sqe);
/* A number that has been set and is not 0. */
bool aion__sim_option_is_on(const struct aion__sim_socket *socket, int level, int name);
/* Its close resets the connection. */
bool aion__sim_option_resets(const struct aion__sim_socket *socket);
/* TCP: what the listener has goes over to whom it accepts. */
void aion__sim_options_inherit(struct aion__sim_socket *socket, const struct aion__sim_socket *from);
void aion__sim_options_free(struct aion__sim_socket *socket);

/* ---- connect.c */

/* A listener ends: those in its list are reset, those before it refused. */
void aion__sim_listener_stop(struct aion_sim *sim, struct aion__sim_socket *listener);

/* ---- message.c */

struct aion__sim_outgoing {
	struct aion__sim_request *request; /* whose memory it is; NULL: bytes are given */
	const char *bytes;
	size_t size;
	size_t done;                     /* sent before */
	bool is_whole;                   /* MSG_WAITALL: does not fall short */
	const struct aion__sim_name *to; /* NULL: the partner */
	struct aion__sim_parcel *parcel; /* NULL as soon as it is under way */
};

struct aion__sim_incoming {
	struct aion__sim_request *request; /* into whose stage it goes; NULL: room is given */
	char *room;
	size_t size;
	size_t done;    /* received before: where in the stage */
	unsigned flags; /* MSG_PEEK, MSG_TRUNC, MSG_WAITALL */
	size_t copied;
	unsigned msg_flags; /* MSG_TRUNC: it was more */
	struct aion__sim_name from;
	struct aion__sim_parcel *parcel; /* the receiver's now */
};

/* What goes or comes at once: bytes, -errno, AION__SIM_LATER. */
int64_t aion__sim_message_send(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_outgoing *out);
int64_t aion__sim_message_receive(struct aion_sim *sim, struct aion__sim_socket *socket, struct aion__sim_incoming *in);

int64_t aion__sim_socket_read(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off);
int64_t aion__sim_socket_write(struct aion_sim *sim, struct aion__sim_file *file, const void *from, size_t size,
			       int64_t off);
/* Whether a poll would say that the socket can be written to. */
bool aion__sim_socket_is_writable(const struct aion__sim_socket *socket);
/* Empty the queue; what lay in it with the bytes is the caller's to free. */
struct aion__sim_parcel *aion__sim_socket_empty_queue(struct aion__sim_socket *socket);

/* ---- parcel.c */

/* The descriptors that a message names. */
int aion__sim_parcel_pack(struct aion_sim *sim, const struct msghdr *message, struct aion__sim_parcel **ret_parcel);
/* The same files in a parcel of its own. */
struct aion__sim_parcel *aion__sim_parcel_copy(const struct aion__sim_parcel *parcel);
/* Into descriptors, as many as there is room for in `size` bytes of control data. Returns the bytes of these, and adds
 * to *msg_flags what did not fit. The parcel is gone. */
size_t aion__sim_parcel_unpack(struct aion_sim *sim, struct aion__sim_parcel *parcel, void *control, size_t size,
			       unsigned *msg_flags);
void aion__sim_parcel_free(struct aion_sim *sim, struct aion__sim_parcel *parcel);
/* It and all behind it. Sockets may end by that. */
void aion__sim_parcels_free(struct aion_sim *sim, struct aion__sim_parcel *parcel);

/* ---- address.c */

/* A socket is there; it is gone. */
void aion__sim_sockets_add(struct aion_sim *sim, struct aion__sim_socket *socket);
void aion__sim_sockets_remove(struct aion_sim *sim, struct aion__sim_socket *socket);
/* A name out of the program's memory, fit for the socket. 0 or -errno. */
int aion__sim_name_read(const struct aion__sim_socket *socket, const void *address, size_t size,
			struct aion__sim_name *ret_name);
/* As sockaddr; returns its size. */
size_t aion__sim_name_write(const struct aion__sim_socket *socket, const struct aion__sim_name *name,
			    struct sockaddr_storage *ret_address);
/* Enter the socket under a name; a port of 0 or an empty path picks a free one. 0 or -errno. */
int aion__sim_name_bind(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *name);
void aion__sim_name_unbind(struct aion_sim *sim, struct aion__sim_socket *socket);
/* Who has that name, of the same type and family; NULL: nobody. */
struct aion__sim_socket *aion__sim_name_find(const struct aion_sim *sim, const struct aion__sim_socket *socket,
					     const struct aion__sim_name *name);
/* Give the socket a port if it has none, as sending and connecting do. -EAGAIN: all are taken. */
int aion__sim_name_autobind(struct aion_sim *sim, struct aion__sim_socket *socket);
/* "Any address" becomes the one by which the other is reached, or reaches it. */
void aion__sim_name_make_concrete(struct aion__sim_name *name, const struct aion__sim_name *other);
/* 0, or -ENETUNREACH: it is not of this machine. */
int aion__sim_name_check_route(const struct aion__sim_name *name);

#endif
