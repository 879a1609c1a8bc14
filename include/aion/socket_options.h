/* SPDX-License-Identifier: MIT */
#ifndef AION_SOCKET_OPTIONS_H
#define AION_SOCKET_OPTIONS_H
/*
 * The options of a socket in one struct, of which all zero is sane. Apply them before bind, listen or connect. What a
 * listening TCP socket has is inherited by those that it accepts, so they need nothing of their own.
 *
 * An option that a kind of socket does not know is skipped where it has its default; where it was asked for, the
 * error is the kernel's.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An option that is on or off. */
enum aion_switch {
	AION_DEFAULT = 0,
	AION_ON = 1,
	AION_OFF = 2,
};

/* Times: 0 is the default that is named here, negative leaves the kernel's own. They are rounded up to the kernel's
 * unit. Sizes and counts: 0 leaves the kernel's own, unless another default is named. */
struct aion_socket_options {
	/* TCP */
	enum aion_switch no_delay;     /* TCP_NODELAY: small writes go at once. Default: on */
	enum aion_switch keep_alive;   /* SO_KEEPALIVE: see whether an idle partner is still there. Default: on */
	int64_t keep_idle_ns;          /* TCP_KEEPIDLE: silence before the first probe. Default: 60 s */
	int64_t keep_interval_ns;      /* TCP_KEEPINTVL: between probes. Default: 10 s */
	unsigned keep_probe_nr;        /* TCP_KEEPCNT: unanswered ones that end the connection. Default: 6 */
	int64_t user_timeout_ns;       /* TCP_USER_TIMEOUT: how long sent bytes may be unacknowledged. Default: 120 s */
	unsigned not_sent_low_size;    /* TCP_NOTSENT_LOWAT: bytes unsent below which the socket takes more */
	int64_t defer_accept_ns;       /* TCP_DEFER_ACCEPT: wait for the client's first bytes. Default: off */
	unsigned fast_open_nr;         /* TCP_FASTOPEN: listening: requests pending */
	enum aion_switch fast_connect; /* TCP_FASTOPEN_CONNECT: the first bytes go with the request. Default: off */
	const char *congestion;        /* TCP_CONGESTION: "bbr", "cubic" …; NULL: the system's */
	/* all */
	enum aion_switch reuse_address; /* SO_REUSEADDR. Default: on for TCP and off elsewhere */
	enum aion_switch reuse_port;    /* SO_REUSEPORT: several sockets share a port. Default: off */
	enum aion_switch v6only;        /* IPV6_V6ONLY. Default: the system's */
	enum aion_switch late_port;     /* IP_BIND_ADDRESS_NO_PORT: pick the port when connecting. Default: off */
	enum aion_switch broadcast;     /* SO_BROADCAST. Default: off */
	int64_t linger_ns;      /* SO_LINGER: how long close(2) waits for what is unsent. Default: it does not */
	bool is_reset_at_close; /* SO_LINGER of 0: close throws away what is unsent and resets the connection */
	unsigned receive_size;  /* SO_RCVBUF, bytes; given, it also turns the kernel's own tuning off */
	unsigned send_size;     /* SO_SNDBUF, bytes; the same */
	unsigned busy_poll_us;  /* SO_BUSY_POLL, microseconds */
	unsigned mark;          /* SO_MARK */
	const char *device;     /* SO_BINDTODEVICE: an interface's name */
	/* UDP */
	unsigned segment_size;  /* UDP_SEGMENT (GSO): a large send leaves as datagrams of so many bytes */
	enum aion_switch merge; /* UDP_GRO: datagrams of one sender come as one. Default: off */
};

/**
 * aion_socket_options_apply - set what differs from how the socket is.
 * @fd: a socket.
 * @options: NULL: the defaults.
 *
 * Some may be set where another is refused: then the socket is better closed.
 * Result: 0.
 * Errors: -EINVAL (a time or a size that the kernel cannot hold), -ENOTSOCK, -EBADF, those of setsockopt(2),
 *   -ENOPROTOOPT, -EOPNOTSUPP, -EPERM among them.
 * Suspends: no. Thread: any. Source: setsockopt(2), socket(7), tcp(7), udp(7), ip(7), ipv6(7).
 */
AION_API int aion_socket_options_apply(int fd, const struct aion_socket_options *options);

#ifdef __cplusplus
}
#endif
#endif
