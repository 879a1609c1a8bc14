/* SPDX-License-Identifier: MIT */
#ifndef AIO_ECHO_H
#define AIO_ECHO_H
/*
 * aio-echo: a server that sends back what it receives, and a client that measures such servers. Parts: options (the
 * command line), serve (the server), load (the client's run as a whole), client (its connections), datagram (both
 * sides for datagrams), histogram (latencies), report (what is printed of them), message (diagnostics).
 */
#include <aion.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mode {
	MODE_SERVE,
	MODE_LOAD,
};

struct options {
	enum mode mode;
	const char *address; /* as it was given */
	bool datagrams;
	bool json;
	/* the server's */
	size_t connection_max; /* 0: no limit */
	int64_t drain_ns;      /* how long connections may go on after a signal */
	/* the client's */
	unsigned connection_nr;
	size_t size;         /* of a message */
	unsigned depth;      /* messages under way a connection */
	int64_t duration_ns; /* AION_NEVER: as long as it takes */
	uint64_t message_nr; /* in all; UINT64_MAX: as many as there is time for */
	double rate;         /* messages a second in all; 0: the next as soon as one is back */
	int64_t warm_up_ns;
};

/* Ends the program if it is not to go on. */
void options_read(struct options *options, int argc, char **argv);

/* --- Latencies: counted in buckets whose width is below 1 % of their value */

#define HISTOGRAM_PART_BITS 7
#define HISTOGRAM_BUCKET_NR ((64 - HISTOGRAM_PART_BITS + 1) << HISTOGRAM_PART_BITS)

struct histogram {
	uint64_t nr;
	uint64_t min, max, sum;
	uint64_t counts[HISTOGRAM_BUCKET_NR];
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The value that so many of a hundred do not exceed: the greatest of its bucket. 0 if there is none. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
double histogram_mean(const struct histogram *histogram);

/* --- The client */

/* A run. */
struct load {
	const struct options *options;
	struct aion_address address; /* of the server; AF_UNSPEC before the first connection */
	char *pattern;               /* message k of a client begins in it at client_message_off() */
	struct client *clients;
	struct aion_scope scope; /* the whole of it */
	int64_t begin_ns;        /* all are connected */
	int64_t count_ns;        /* from then on it counts */
	int64_t end_ns;          /* nothing is sent any more */
	int64_t last_ns;         /* when the last message came back */
	uint64_t left_nr;        /* messages to be sent */
	uint64_t done_nr;        /* that came back, and count */
	uint64_t lost_nr;        /* datagrams */
	unsigned connected_nr;
	struct aion_event begun; /* all are connected */
	struct aion_semaphore connecting;
	const char *name_error; /* why there is nothing to connect to; NULL: there is */
	bool has_failed;        /* and it has been told */
	int stop_signal;
	struct histogram latency_ns;
};

/* One connection. */
struct client {
	struct load *load;
	int fd;                /* -1: the connection has it */
	struct aion_conn conn; /* not with datagrams */
	unsigned idx;
	bool is_pausing;
	bool has_sent;               /* all that it will */
	struct aion_scope pause;     /* around waits of the sender's before a message */
	struct aion_scope receiving; /* while something may come */
	struct aion_semaphore window;
	int64_t *due_ns; /* when the messages under way were sent, or should have been: a ring of depth */
	uint64_t sent_nr;
	uint64_t back_nr;
	size_t back_size; /* of the message that is coming back */
};

int64_t load_run(void *load);
/* A message came back. */
void load_count(struct load *load, int64_t due_ns);
/* Takes a message from those that are left. */
bool load_take(struct load *load);
/* Where in the pattern a message begins; no two in a row are the same. */
const char *load_message(const struct load *load, unsigned client_idx, uint64_t message_idx);
/* When a client's next message is due. */
int64_t load_due(const struct load *load, unsigned client_idx, uint64_t message_idx);

/* One more has connected. The last one lets all begin. */
void load_connected(struct load *load);

/* Connects, and waits until all have. */
int64_t client_open(struct client *client);
void client_close(struct client *client);
/* Waits until the next message may be sent, and is due. */
int64_t client_pause(struct client *client, int64_t *ret_due_ns);
/* Nothing more is to be sent. */
void client_stop(struct client *client);
/* Tells an error, if it is the first. Returns it. */
int64_t client_fail(struct client *client, int64_t error);
/* A connection's task; with datagrams. */
int64_t client_run(void *client);
int64_t datagram_client_run(void *client);

void report_print(const struct load *load);

/* --- The server */

struct server {
	const struct options *options;
	uint64_t connection_nr;
	uint64_t message_nr; /* datagrams, or pieces of a stream */
	uint64_t size;       /* bytes sent back */
};

int64_t serve_run(void *server);
int64_t datagram_serve(struct server *server, const struct aion_address *address);
/* Tells on standard output where it listens. */
void serve_announce(const struct aion_address *address);

/* --- Diagnostics, to standard error */

void message(const char *text);
/* error is -errno. */
void message_error(const char *what, int error);
/* What was printed goes out now; that it could not is said at the close. */
void message_flush_output(void);
/* Closes standard output. Returns the exit status, which an error changes. */
int message_close_output(int status);

#endif
