/* SPDX-License-Identifier: MIT */
#ifndef AION_IO_PROCESS_POOL_INT_H
#define AION_IO_PROCESS_POOL_INT_H
/* What a pool and its workers say to each other, over a pair of stream sockets. */
#include <stdbool.h>
#include <stdint.h>

#define AION__PROCESS_WORKER_MARK "--aion-process-pool-worker" /* argv[1] of a worker; argv[2] is the socket's number */

/* Followed by the name and the request. */
struct aion__process_request {
	uint64_t name_size;
	uint64_t request_size;
	uint64_t reply_room;
};

/* Followed by the reply. */
struct aion__process_reply {
	int64_t result;
	uint64_t reply_size;
};

/* Whether this program has called aion_process_pool_serve(). */
extern bool aion__process_pool_is_served;

#endif
