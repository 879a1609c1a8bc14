/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_SIM_MODEL_INT_H
#define AION_SIM_SIM_MODEL_INT_H
/* The models that stand behind opcodes: attempts, as struct aion__sim_call has them. call.c has the table of them. */
#include "sim_int.h"

typedef int64_t aion__sim_attempt(struct aion_sim *sim, struct aion__sim_request *request);
typedef void aion__sim_finish(struct aion_sim *sim, struct aion__sim_request *request, int64_t result);
typedef void aion__sim_abandon(struct aion_sim *sim, struct aion__sim_request *request);

/* rw.c: any open file, by its ops */
aion__sim_attempt aion__sim_read;  /* READ, READ_FIXED, READV; IOSQE_BUFFER_SELECT, too */
aion__sim_attempt aion__sim_write; /* WRITE, WRITE_FIXED, WRITEV */

/* node.c: plain files as a whole; stat.c */
aion__sim_attempt aion__sim_fsync, aion__sim_sync_file_range, aion__sim_fallocate, aion__sim_ftruncate,
	aion__sim_fadvise, aion__sim_madvise;
aion__sim_attempt aion__sim_statx;

/* open.c, name.c */
aion__sim_attempt aion__sim_openat, aion__sim_openat2, aion__sim_renameat, aion__sim_unlinkat, aion__sim_mkdirat,
	aion__sim_linkat, aion__sim_symlinkat;
aion__sim_abandon aion__sim_open_abandon; /* of the real machine's: host.c */

/* xattr.c */
aion__sim_attempt aion__sim_fgetxattr, aion__sim_getxattr, aion__sim_fsetxattr, aion__sim_setxattr;

/* pipe.c, splice.c */
aion__sim_attempt aion__sim_pipe2, aion__sim_splice, aion__sim_tee;
aion__sim_finish aion__sim_pipe2_finish;
aion__sim_abandon aion__sim_splice_abandon; /* TEE, too */

/* socket.c, address.c, connect.c */
aion__sim_attempt aion__sim_socket, aion__sim_bind, aion__sim_listen, aion__sim_accept, aion__sim_connect,
	aion__sim_shutdown;
aion__sim_finish aion__sim_accept_finish;
aion__sim_abandon aion__sim_connect_abandon;

/* transfer.c */
aion__sim_attempt aion__sim_send, aion__sim_recv, aion__sim_sendmsg, aion__sim_recvmsg; /* and SEND_ZC, SENDMSG_ZC */
aion__sim_finish aion__sim_recvmsg_finish;

/* poll.c */
aion__sim_attempt aion__sim_poll_add, aion__sim_poll_remove;
aion__sim_abandon aion__sim_poll_abandon; /* of the real machine's: host.c */

#endif
