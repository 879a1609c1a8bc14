/* SPDX-License-Identifier: MIT */
#ifndef AION_LISTENER_H
#define AION_LISTENER_H
/*
 * The server's side: a listening socket, and a task for each connection that comes.
 *
 *	static int64_t serve_one(int fd, void *arg)
 *	{
 *		...
 *		return aion_close(fd);
 *	}
 *
 *	AION_CLEANUP(aion_listener_close) struct aion_listener listener = {0};
 *
 *	aion_address_parse("*:8080", 0, &address);
 *	result = aion_listener_open(&listener, &address, NULL);
 *	if (result == 0)
 *		result = aion_listener_serve(&listener, serve_one, NULL);
 *
 * Another task ends it with aion_listener_shutdown(): at SIGTERM, say. When descriptors run out it does not spin: it
 * accepts again as soon as one of its connections ends, or after a pause, which grows up to a quarter of a second; a
 * descriptor kept for this is used meanwhile to accept and close some of those who wait, so that they learn of it. For
 * "the common" errors see the top of file.h.
 */
#include <aion/accept.h>
#include <aion/address.h>
#include <aion/group.h>
#include <aion/socket_options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Serves one connection. The descriptor is the function's, which closes it. The result is looked at for the count of
 * failures only: one connection's error is nothing to the others. */
typedef int64_t aion_serve_fn(int fd, void *arg);

/* All zero = the defaults. */
struct aion_listener_options {
	const struct aion_socket_options *socket; /* NULL: the defaults. Connections inherit them. Not for an open_fd */
	int backlog;           /* connections in the kernel's queue; 0: as many as it allows. Not for an open_fd */
	unsigned path_mode;    /* permissions of a unix socket's file, 0: as the umask says. Not for an open_fd */
	size_t connection_max; /* connections served at a time; the others stay in the kernel's queue. 0: no limit */
	struct aion_spawn_options task; /* of the connections' tasks; the name stays as long as the listener is open */
};

/* What has happened since the listener was opened. */
struct aion_listener_stats {
	uint64_t accepted_nr; /* connections that somebody was given */
	uint64_t failed_nr;   /* of them: whose function ended in an error */
	uint64_t shed_nr;     /* accepted and closed, for want of descriptors */
	uint64_t lost_nr;     /* accepted and closed, for want of memory */
	uint64_t pause_nr;    /* how often it waited for descriptors or memory */
	size_t active_nr;     /* connections being served now */
	size_t active_max_nr; /* the most there were at a time */
};

struct aion__closer;

/* The caller's memory, from open to close; all zero = closed. The fields are private. */
struct aion_listener {
	struct aion_accept accept;
	struct aion_group group;     /* of the connections, while it serves */
	struct aion_future returned; /* done: a pause is over before its time */
	struct aion_future served;   /* done: nobody serves any more */
	struct aion_listener_stats stats;
	struct aion_spawn_options task;
	struct aion_address path; /* of the socket's file, which goes with the listener; AF_UNSPEC: none */
	uint64_t path_ino;
	uint64_t path_dev;
	aion_serve_fn *fn;
	void *arg;
	size_t starting_nr; /* tasks that have not taken their connection yet */
	size_t waiter_nr;   /* tasks in aion_listener_accept() */
	size_t pausing_nr;
	int64_t pause_ns; /* the last pause; 0: there has been none since something was accepted */
	size_t cut_nr;    /* connections that ended cancelled */
	int32_t fd;
	int32_t reserve_fd; /* -1: none at the moment */
	bool is_open;
	bool is_serving;
	bool is_stopping;
	bool is_closing;
	bool is_shedding;
	struct aion__closer *closers; /* who waits for another task's close */
};

/**
 * aion_listener_open - make a listening socket.
 * @listener: closed (all zero); an open one aborts the process. It stays in place until aion_listener_close().
 * @address: where; port 0: any that is free, see aion_listener_address(). A unix path whose socket nobody listens on any
 *   more is taken over. (Two servers that start in the same moment may both do so; the later one has it.)
 * @options: copied but for what they point to; NULL: the defaults.
 *
 * Result: 0.
 * Errors: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, those of aion_socket(), aion_bind(), aion_listen(), chmod(2) and
 *   aion_socket_options_apply(), and the common ones. Nothing is open then.
 * Suspends: yes. Thread: loop. Source: socket(2), bind(2), listen(2), unix(7).
 */
AION_API AION_SUSPENDS int64_t aion_listener_open(struct aion_listener *listener, const struct aion_address *address,
						  const struct aion_listener_options *options);

/**
 * aion_listener_open_fd - take a socket that listens already: an inherited one, see aion_listen_fds().
 * @listener: as above.
 * @fd: the listener's from now on, also if others share the socket. After an error it stays the caller's.
 * @options: as above.
 *
 * Result: 0.
 * Errors: -EINVAL (it does not listen), -ENOTSOCK, -EBADF, those of aion_socket(), and the common ones.
 * Suspends: yes. Thread: loop. Source: getsockopt(2) with SO_ACCEPTCONN, Linux 2.6.
 */
AION_API AION_SUSPENDS int64_t aion_listener_open_fd(struct aion_listener *listener, int fd,
						     const struct aion_listener_options *options);

/**
 * aion_listen_fds - the descriptors that a service manager has passed to this process (socket activation).
 * @name: those of this name only (FileDescriptorName=); NULL: all.
 * @ret_fds: room for fd_max of them; all that were passed, also others, are close-on-exec from now on.
 *
 * The environment stays as it is: what it says is for this process alone ($LISTEN_PID).
 * Result: how many there are, also if that is more than fd_max; 0 where nobody has passed any to this process.
 * Errors: -EINVAL (the variables are no numbers, or not as many names as descriptors), -EBADF (one is not open).
 * Suspends: no. Thread: any. Source: sd_listen_fds(3): $LISTEN_PID, $LISTEN_FDS, $LISTEN_FDNAMES.
 */
AION_API int aion_listen_fds(const char *name, int *ret_fds, int fd_max);

/**
 * aion_listener_address - where it listens.
 * @listener: open and not shut down.
 *
 * Result: 0. Errors: those of getsockname(2); -EBADF (closed, or shut down).
 * Suspends: no. Thread: loop. Source: getsockname(2).
 */
AION_API int aion_listener_address(const struct aion_listener *listener, struct aion_address *ret_address);

/**
 * aion_listener_accept - wait for one connection: for who has tasks of his own. No limit holds here.
 * @listener: open. Several tasks may wait.
 *
 * Connections that broke before they were accepted are passed over, and want of descriptors or memory is waited out.
 * Result: a descriptor, close-on-exec, the caller's from now on.
 * Errors: -EBADF (closed, also meanwhile), -ESHUTDOWN (shut down, also meanwhile), -EALREADY (it serves), -EINVAL (the
 *   socket does not listen any more), and the common ones but -EAGAIN and -ENOMEM.
 * Suspends: yes. Thread: loop. Source: as aion_accept_next().
 */
AION_API AION_SUSPENDS int64_t aion_listener_accept(struct aion_listener *listener);

/**
 * aion_listener_serve - serve connections, a task for each, until aion_listener_shutdown(), a cancellation, or an error.
 * @listener: open.
 * @fn: what each task runs.
 * @arg: handed to fn.
 *
 * The tasks are a group's inside this call, which ends after the last of them. A cancellation of the caller's scope
 * cancels them, too. An error of the listening socket ends the accepting; it is reported after the last connection.
 * Result: 0: shut down, and every connection has come to its end.
 * Errors: -ETIME (shut down, and some had to be cancelled at the deadline), -EBADF (closed, also meanwhile), -ESHUTDOWN
 *   (shut down before), -EALREADY (it serves already, or somebody is in aion_listener_accept()), -EINVAL (the socket does
 *   not listen any more), and the common ones but -EAGAIN and -ENOMEM.
 * Suspends: yes. Thread: loop. Source: as aion_accept_next().
 */
AION_API AION_SUSPENDS int64_t aion_listener_serve(struct aion_listener *listener, aion_serve_fn *fn, void *arg);

/**
 * aion_listener_shutdown - accept no more, and let the connections come to their end.
 * @listener: a closed one is left alone. A second call sets the deadline anew.
 * @deadline_ns: absolute: connections that are still there then are cancelled. AION_NEVER: they have all the time.
 *
 * Only asks; aion_listener_serve() does it and then returns: it closes the listening socket, a unix socket's file goes,
 * and connections that were accepted before are served. Fit for a connection's own task.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_listener_shutdown(struct aion_listener *listener, int64_t deadline_ns);

/** aion_listener_stats - what has happened so far. Suspends: no. Thread: loop. Source: none. */
AION_API void aion_listener_stats(const struct aion_listener *listener, struct aion_listener_stats *ret_stats);

/**
 * aion_listener_close - end all of it at once. Always finishes.
 * @listener: open or closed. Connections being served are cancelled and waited for, so this is not for a connection's own
 *   task; who serves or waits for a connection is told -EBADF, and has left when this returns. Connections that nobody
 *   has received are closed, and so is the socket; a unix socket's file goes if it is still this socket's. Several
 *   tasks may close it: each returns when it is closed. Fit for AION_CLEANUP.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: close(2), unlink(2).
 */
AION_API AION_SUSPENDS void aion_listener_close(struct aion_listener *listener);

#ifdef __cplusplus
}
#endif
#endif
