/* SPDX-License-Identifier: MIT */
/* The peers of aion that this build has, and the packages of those that it has not. */
#include "echo.h"

#include "perf.h"

#ifdef PERF_LIBUV
#define LIBUV(serve) serve
#else
#define LIBUV(serve) NULL
#endif
#ifdef PERF_LIBEV
#define LIBEV(serve) serve
#else
#define LIBEV(serve) NULL
#endif
#ifdef PERF_ASIO
#define ASIO(serve) serve
#else
#define ASIO(serve) NULL
#endif

static const struct {
	struct echo_side side;
	const char *package;
} all_peers[] = {
	{{"threads", echo_serve_threads}, "libc6-dev"},
	{{"libuv", LIBUV(echo_serve_libuv)}, "libuv1-dev"},
	{{"libuv_try", LIBUV(echo_serve_libuv_try)}, "libuv1-dev"},
	{{"libev", LIBEV(echo_serve_libev)}, "libev-dev"},
	{{"asio", ASIO(echo_serve_asio)}, "libboost-dev, g++"},
};

_Static_assert(sizeof(all_peers) / sizeof(*all_peers) == ECHO_PEER_MAX, "as many as echo.h says");

unsigned echo_peers_find(const char *bench, struct echo_side *ret_sides)
{
	unsigned i, nr = 0;

	for (i = 0; i < ECHO_PEER_MAX; i++) {
		if (all_peers[i].side.serve) {
			ret_sides[nr++] = all_peers[i].side;
			continue;
		}
		perf_line_begin(bench);
		perf_line_text("measure", "missing");
		perf_line_text("side", all_peers[i].side.name);
		perf_line_text("package", all_peers[i].package);
		perf_line_end();
	}
	return nr;
}
