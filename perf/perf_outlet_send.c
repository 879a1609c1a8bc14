/* SPDX-License-Identifier: MIT */
/*
 * What a message costs the thread that sends it, by each of the ways that an outlet offers, over IORING_OP_SEND by
 * hand: one task a connection over the loopback, each of which sends one message a turn; by hand that is one entry
 * each and one enter for all. Another thread reads. CPU time of the sender, nanoseconds a message; the switch between
 * the tasks is part of it.
 *
 * Area: socket. Round: -r 2. Quick: -r 1.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <aion/outlet.h>

#include "perf.h"
#include "raw_ring.h"

#define CONN_MAX 64
#define MESSAGE_MAX 65536
#define BYTES_A_RUN ((size_t)64 << 20)
#define MESSAGES_A_RUN 100000

enum way {
	SEND_ALL,
	WRITE,
	LEND,
};

struct conn {
	struct bench *bench;
	struct aion_outlet outlet;
	int fds[2];
};

struct bench {
	struct aion_loop *loop;
	struct io_uring ring;
	unsigned conn_nr;
	size_t size;
	unsigned round_nr;
	enum way way;
	struct conn conns[CONN_MAX];
	int epoll;
};

static char message[MESSAGE_MAX];

static void conn_open(struct conn *conn)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof(address);

	if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) < 0)
		perf_die("listen", -errno);
	conn->fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(conn->fds[0], (struct sockaddr *)&address, size) < 0)
		perf_die("connect", -errno);
	conn->fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	close(listener);
}

/* Reads whatever comes, on another CPU if there is one. */
static void *sink(void *arg)
{
	const struct bench *bench = arg;
	static char buf[1 << 20];
	struct epoll_event events[CONN_MAX];
	cpu_set_t mine, others;

	sched_getaffinity(0, sizeof(mine), &mine);
	memset(&others, 0xff, sizeof(others));
	CPU_XOR(&others, &others, &mine);
	sched_setaffinity(0, sizeof(others), &others);
	for (;;) {
		int nr = epoll_wait(bench->epoll, events, CONN_MAX, -1);

		for (int i = 0; i < nr; i++)
			while (recv(events[i].data.fd, buf, sizeof(buf), 0) > 0)
				;
	}
	return NULL;
}

static void raw_round(struct bench *bench)
{
	struct io_uring_cqe *cqe;
	unsigned head, nr = 0;

	for (unsigned i = 0; i < bench->conn_nr; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&bench->ring);

		io_uring_prep_send(sqe, bench->conns[i].fds[0], message, bench->size, MSG_NOSIGNAL | MSG_WAITALL);
		sqe->user_data = i;
	}
	perf_ring_enter(&bench->ring, bench->conn_nr);
	io_uring_for_each_cqe(&bench->ring, head, cqe) {
		if (cqe->res != (int)bench->size)
			perf_die("send", cqe->res);
		nr++;
	}
	io_uring_cq_advance(&bench->ring, nr);
	if (nr != bench->conn_nr)
		perf_die("completions", -EIO);
}

static double raw_side(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_cpu_now();

	for (unsigned i = 0; i < bench->round_nr; i++)
		raw_round(bench);
	return (double)(perf_cpu_now() - begin_ns) / bench->round_nr / bench->conn_nr;
}

static int64_t conn_send(void *arg)
{
	struct conn *conn = arg;
	const struct bench *bench = conn->bench;
	struct aion_loan loan;
	int64_t result = 0;

	for (unsigned i = 0; i < bench->round_nr && result >= 0; i++) {
		switch (bench->way) {
		case SEND_ALL:
			result = aion_outlet_send_all(&conn->outlet, message, bench->size, NULL);
			aion_yield();
			break;
		case WRITE:
			result = aion_outlet_write(&conn->outlet, message, bench->size);
			aion_yield();
			break;
		case LEND:
			aion_outlet_lend(&conn->outlet, &loan, message, bench->size);
			result = aion_await(&loan.future);
			break;
		}
	}
	return result < 0 ? result : aion_outlet_flush(&conn->outlet);
}

static int64_t send_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;

	aion_group_enter(&group);
	for (unsigned i = 0; i < bench->conn_nr; i++)
		aion_spawn(&group, conn_send, &bench->conns[i]);
	return aion_group_leave(&group, 0);
}

static double aion_side(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_cpu_now();

	perf_loop_run(bench->loop, send_main, bench);
	return (double)(perf_cpu_now() - begin_ns) / bench->round_nr / bench->conn_nr;
}

static void measure(struct bench *bench, const char *name, enum way way, unsigned conn_nr, size_t size)
{
	struct perf_pairs pairs;
	size_t message_nr = BYTES_A_RUN / size < MESSAGES_A_RUN ? BYTES_A_RUN / size : MESSAGES_A_RUN;

	bench->way = way;
	bench->conn_nr = conn_nr;
	bench->size = size;
	bench->round_nr = (unsigned)(message_nr / conn_nr);
	perf_interleave(raw_side, aion_side, bench, perf_runs(11), &pairs);
	perf_line_begin("outlet");
	perf_line_text("way", name);
	perf_line_param("conns", conn_nr);
	perf_line_param("bytes", (double)size);
	perf_line_pairs(&pairs);
	perf_line_end();
}

int main(int argc, char **argv)
{
	static const struct {
		unsigned conn_nr;
		size_t size;
	} shapes[] = {{64, 64}, {1, 64}, {64, 16384}};
	static struct bench bench;
	pthread_t thread;

	perf_start(argc, argv);
	bench.loop = perf_loop_create();
	bench.epoll = epoll_create1(0);
	perf_ring_open(&bench.ring, 256, 0);
	for (int i = 0; i < CONN_MAX; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		bench.conns[i].bench = &bench;
		conn_open(&bench.conns[i]);
		aion_outlet_open(&bench.conns[i].outlet, bench.conns[i].fds[0]);
		event.data.fd = bench.conns[i].fds[1];
		epoll_ctl(bench.epoll, EPOLL_CTL_ADD, bench.conns[i].fds[1], &event);
	}
	pthread_create(&thread, NULL, sink, &bench);
	for (int i = 0; i < 3; i++) {
		measure(&bench, "send_all", SEND_ALL, shapes[i].conn_nr, shapes[i].size);
		measure(&bench, "write", WRITE, shapes[i].conn_nr, shapes[i].size);
		measure(&bench, "lend", LEND, shapes[i].conn_nr, shapes[i].size);
	}
	return 0;
}
