/* SPDX-License-Identifier: MIT */
/*
 * The options of a socket. Each is one setsockopt(2), so nothing is asked before: an option that a socket does not know
 * and that was not asked for is left out by what the socket is.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include <aion/socket.h>
#include <aion/socket_options.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define KEEP_IDLE_NS (60 * AION_SECOND)
#define KEEP_INTERVAL_NS (10 * AION_SECOND)
#define KEEP_PROBE_NR 6
#define USER_TIMEOUT_NS (KEEP_IDLE_NS + KEEP_PROBE_NR * KEEP_INTERVAL_NS) /* as long as an idle one may be dead */

struct target {
	int fd;
	int domain;
	int type;
	int result;      /* the first error */
	bool is_default; /* what is being set was not asked for */
};

static void set(struct target *target, int level, int name, const void *value, socklen_t size)
{
	int result = target->result ? target->result : aion_setsockopt(target->fd, level, name, value, size);

	/* Of connections over TCP there are kinds that know a part of its options only: MPTCP. */
	if (target->is_default && (result == -ENOPROTOOPT || result == -EOPNOTSUPP))
		result = target->result;
	target->result = result;
}

static void set_number(struct target *target, int level, int name, int64_t number)
{
	const int value = (int)number;

	if (number > INT_MAX && target->result == 0)
		target->result = -EINVAL;
	set(target, level, name, &value, sizeof(value));
}

/* `otherwise`: what the default is, where that has to be set. */
static void set_switch(struct target *target, int level, int name, enum aion_switch wanted, bool otherwise)
{
	target->is_default = wanted == AION_DEFAULT;
	if (wanted != AION_DEFAULT || otherwise)
		set_number(target, level, name, wanted == AION_DEFAULT || wanted == AION_ON);
	target->is_default = false;
}

/* Sizes and counts of 0 are not set. */
static void set_size(struct target *target, int level, int name, unsigned size)
{
	if (size)
		set_number(target, level, name, size);
}

/* `otherwise_ns`: the default, 0 for none. */
static void set_time(struct target *target, int level, int name, int64_t time_ns, int64_t otherwise_ns, int64_t unit_ns)
{
	target->is_default = !time_ns;
	if (!time_ns)
		time_ns = otherwise_ns;
	if (time_ns > 0)
		set_number(target, level, name, (time_ns - 1) / unit_ns + 1);
	target->is_default = false;
}

static void set_text(struct target *target, int level, int name, const char *text)
{
	if (text)
		set(target, level, name, text, (socklen_t)strlen(text));
}

/* ---- kinds of options */

static void set_keep_alive(struct target *target, const struct aion_socket_options *options, bool is_tcp)
{
	bool is_on = options->keep_alive != AION_OFF;

	set_switch(target, SOL_SOCKET, SO_KEEPALIVE, options->keep_alive, is_tcp);
	set_time(target, IPPROTO_TCP, TCP_KEEPIDLE, options->keep_idle_ns, is_tcp && is_on ? KEEP_IDLE_NS : 0,
		 AION_SECOND);
	set_time(target, IPPROTO_TCP, TCP_KEEPINTVL, options->keep_interval_ns, is_tcp && is_on ? KEEP_INTERVAL_NS : 0,
		 AION_SECOND);
	target->is_default = !options->keep_probe_nr;
	set_size(target, IPPROTO_TCP, TCP_KEEPCNT,
		 options->keep_probe_nr ? options->keep_probe_nr
		 : is_tcp && is_on      ? KEEP_PROBE_NR
					: 0);
	target->is_default = false;
}

static void set_tcp(struct target *target, const struct aion_socket_options *options, bool is_tcp)
{
	set_switch(target, IPPROTO_TCP, TCP_NODELAY, options->no_delay, is_tcp);
	set_keep_alive(target, options, is_tcp);
	set_time(target, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_ns, is_tcp ? USER_TIMEOUT_NS : 0,
		 AION_MILLISECOND);
	set_size(target, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options->not_sent_low_size);
	set_time(target, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept_ns, 0, AION_SECOND);
	set_size(target, IPPROTO_TCP, TCP_FASTOPEN, options->fast_open_nr);
	set_switch(target, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, options->fast_connect, false);
	set_text(target, IPPROTO_TCP, TCP_CONGESTION, options->congestion);
}

/* Waiting in close(2) is rounded up to a second; a reset is waiting for none. */
static void set_linger(struct target *target, const struct aion_socket_options *options)
{
	struct linger linger = {.l_onoff = 1};
	int64_t second_nr;

	if (options->linger_ns <= 0 && !options->is_reset_at_close)
		return;
	second_nr = (options->linger_ns > 0 ? options->linger_ns - 1 : 0) / AION_SECOND + 1;
	if (!options->is_reset_at_close)
		linger.l_linger = second_nr < INT_MAX ? (int)second_nr : INT_MAX;
	set(target, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void set_any(struct target *target, const struct aion_socket_options *options, bool is_tcp)
{
	set_switch(target, SOL_SOCKET, SO_REUSEADDR, options->reuse_address, is_tcp);
	set_switch(target, SOL_SOCKET, SO_REUSEPORT, options->reuse_port, false);
	set_switch(target, IPPROTO_IPV6, IPV6_V6ONLY, options->v6only, false);
	set_switch(target, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, options->late_port, false);
	set_switch(target, SOL_SOCKET, SO_BROADCAST, options->broadcast, false);
	set_linger(target, options);
	set_size(target, SOL_SOCKET, SO_RCVBUF, options->receive_size);
	set_size(target, SOL_SOCKET, SO_SNDBUF, options->send_size);
	set_size(target, SOL_SOCKET, SO_BUSY_POLL, options->busy_poll_us);
	if (options->mark) /* any 32 bits */
		set(target, SOL_SOCKET, SO_MARK, &options->mark, sizeof(options->mark));
	set_text(target, SOL_SOCKET, SO_BINDTODEVICE, options->device);
	set_size(target, IPPROTO_UDP, UDP_SEGMENT, options->segment_size);
	set_switch(target, IPPROTO_UDP, UDP_GRO, options->merge, false);
}

static int ask(int fd, int name, int *ret_number)
{
	socklen_t size = sizeof(*ret_number);

	return aion_getsockopt(fd, SOL_SOCKET, name, ret_number, &size);
}

int aion_socket_options_apply(int fd, const struct aion_socket_options *options)
{
	static const struct aion_socket_options defaults;
	struct target target = {.fd = fd};
	int result = ask(fd, SO_DOMAIN, &target.domain);
	bool is_tcp;

	if (result == 0)
		result = ask(fd, SO_TYPE, &target.type);
	if (result < 0)
		return result;
	if (!options)
		options = &defaults;
	is_tcp = target.type == SOCK_STREAM && (target.domain == AF_INET || target.domain == AF_INET6);
	set_any(&target, options, is_tcp);
	set_tcp(&target, options, is_tcp);
	return target.result;
}
