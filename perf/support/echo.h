/* SPDX-License-Identifier: MIT */
#ifndef PERF_ECHO_H
#define PERF_ECHO_H
/*
 * Echo over TCP on the loopback device: servers of several makes, each in a process and on a CPU of its own, and one
 * load client for all of them, which is the program itself, on another CPU. The client keeps its connections from run
 * to run, so that the sides can take turns without a connect in between; who has no turn sleeps.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a server is told. */
struct echo_setup {
	int listen_fd;
	size_t message_size; /* what to expect: a stream may cut it anywhere */
	unsigned conn_nr;    /* how many at a time */
	uint64_t end_nr;     /* returns when so many connections have ended; 0: never */
};

/* Serves connections until setup->end_nr have ended. */
typedef void echo_serve_fn(const struct echo_setup *setup);

/* io_uring by hand: multishot accept, multishot receive into one buffer ring, sends by ring from these buffers. */
echo_serve_fn echo_serve_multishot;
/* The same, but send(2) first, and the ring for what that does not take. */
echo_serve_fn echo_serve_multishot_send;
/* io_uring by hand: multishot accept, a buffer, a receive and a send for each connection. */
echo_serve_fn echo_serve_oneshot;
/* epoll(7), recv(2) and send(2) by hand, level-triggered, without a system call that could be spared. */
echo_serve_fn echo_serve_epoll;
/* One task a connection. */
echo_serve_fn echo_serve_aion;

/* The peers: each as its own documentation teaches. A thread a connection, blocking calls: */
echo_serve_fn echo_serve_threads;
/* uv_write() with buffers of malloc(3), as libuv's guide has it; the same with uv_try_write() first. */
echo_serve_fn echo_serve_libuv;
echo_serve_fn echo_serve_libuv_try;
/* A watcher a connection. */
echo_serve_fn echo_serve_libev;
/* Boost.Asio: a C++20 coroutine a connection. */
echo_serve_fn echo_serve_asio;

struct echo_side {
	const char *name;
	echo_serve_fn *serve;
};

/* multishot, multishot_send, oneshot, epoll, aion; ends with a side without a name. */
extern const struct echo_side echo_sides[];
const struct echo_side *echo_side_find(const char *name);

#define ECHO_PEER_MAX 5
/* The peers that this build has, at most ECHO_PEER_MAX; a line of bench's says which it has not. Programs that call it
 * are named in CMakeLists.txt, for the peers' libraries. Returns how many. */
unsigned echo_peers_find(const char *bench, struct echo_side *ret_sides);

/* Before perf_start(): learns which CPUs there are. After it: the servers' is the first that is not the client's. */
void echo_cpus_find(void);
void echo_pin_to_server_cpu(void);

/* A listening socket of 127.0.0.1, any port; connections inherit TCP_NODELAY. */
int echo_listen(uint16_t *ret_port);
int echo_connect(uint16_t port);
/* Descriptors for so many connections, or the end of the program. */
void echo_need_descriptors(unsigned nr);

/* A server's process. */
struct echo_server {
	pid_t pid;
	uint16_t port;
	clockid_t cpu_clock; /* what it has used, all of its threads */
};

void echo_server_start(struct echo_server *server, echo_serve_fn *serve, const struct echo_setup *setup);
void echo_server_stop(struct echo_server *server);
int64_t echo_server_cpu_now(const struct echo_server *server);
size_t echo_server_resident_size(const struct echo_server *server);

/* What a run of the load showed. */
struct echo_figures {
	double cpu_ns; /* of the server, a message */
	double rate;   /* messages a second */
	double p50_ns, p99_ns, p999_ns, max_ns;
	uint64_t message_nr;
};

struct echo_load;

/* Connects, and begins to receive. */
struct echo_load *echo_load_open(uint16_t port, unsigned conn_nr, size_t message_size);
/* Each connection sends a message, waits until it is back, and sends the next, first for warm_ns, then for run_ns, which
 * counts. In between every byte is compared with what was sent. Returns when nothing is under way any more. */
void echo_load_run(struct echo_load *load, const struct echo_server *server, int64_t warm_ns, int64_t run_ns,
		   struct echo_figures *ret_figures);
/* By a schedule instead: rate messages a second, the connections in turn, whether the server keeps up or not. What a
 * message waited is counted from when it was due, also where its connection was still busy with the one before, and
 * what is not back at the end counts as well (no coordinated omission). This thread does not sleep meanwhile. */
void echo_load_run_at(struct echo_load *load, const struct echo_server *server, double rate, int64_t warm_ns,
		      int64_t run_ns, struct echo_figures *ret_figures);
/* As echo_load_run(), until so many messages have been echoed, counting nothing. */
void echo_load_count(struct echo_load *load, uint64_t message_nr);
void echo_load_close(struct echo_load *load);

#ifdef __cplusplus
}
#endif
#endif
