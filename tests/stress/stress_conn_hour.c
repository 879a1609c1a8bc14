// SPDX-License-Identifier: MIT
/*
 * An hour of a server's life on a simulated machine: thousands of connections that are echoed, of which one in twenty
 * is a slow reader: it sends whatever is taken and reads a little now and then. The others have each answer in time,
 * and from the half of the hour to its end nothing grows.
 *
 *	stress_conn_hour [CONNECTIONS [SECONDS BETWEEN TWO MESSAGES OF ONE]]
 */
#include <malloc.h>
#include <stdbool.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <aion.h>
#include <aion/sim.h>

#include "annotate_int.h"
#include "op_group_int.h"

#define CONN_NR 2000
#define CONN_SMALL_NR 200
#define BETWEEN_S 60
#define SLOW_ONE_OF 20
#define CLIENT_OF_TASK 50 /* fast ones that one task drives */
#define HOUR_NS (3600 * AION_SECOND)
#define WARM_NS (HOUR_NS / 2)
#define SLACK 10 /* percent: the busiest moment may come late; what is lost at every message would be far more */
#define PATIENCE_NS AION_SECOND /* with an answer; the machine's own delays are milliseconds */
#define PIECE_SIZE 1000
#define SLOW_READ_NS (20 * AION_SECOND) /* from one of a slow reader's reads to the next */
#define FAIL(...) (fprintf(stderr, __VA_ARGS__), abort())

struct world {
	struct aion_sim *sim;
	int64_t end_ns;
	int conn_nr;
	int64_t between_ns;
	int *clients;
	uint64_t answer_nr, slow_size;
	int64_t worst_ns; /* an answer has taken */
};

struct driver {
	struct world *world;
	int first, nr;
};

static size_t memory_nr, memory_size;

/* Where memory is watched what is resident says nothing. */
static bool is_small(void)
{
#if defined(AION__ASAN) || defined(AION_VALGRIND)
	return true;
#else
	const char *small = getenv("AION_TEST_SMALL");

	return small && *small == '1';
#endif
}

static void *memory_alloc(size_t size, void *unused)
{
	void *memory = malloc(size);

	(void)unused;
	if (memory) {
		memory_nr++;
		memory_size += malloc_usable_size(memory);
	}
	return memory;
}

static void memory_free(void *memory, void *unused)
{
	(void)unused;
	if (!memory)
		return;
	memory_nr--;
	memory_size -= malloc_usable_size(memory);
	free(memory);
}

static void *memory_realloc(void *memory, size_t size, void *unused)
{
	size_t before = memory ? malloc_usable_size(memory) : 0;
	void *after = realloc(memory, size);

	(void)unused;
	if (after) {
		memory_nr += !memory;
		memory_size += malloc_usable_size(after) - before;
	}
	return after;
}

static size_t resident_size(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t all, resident = 0;

	if (file && fscanf(file, "%zu %zu", &all, &resident) != 2)
		resident = 0;
	if (file)
		fclose(file);
	return resident * (size_t)getpagesize();
}

/* ---- the server */

struct server {
	struct world *world;
	int fd;
};

static int64_t serve(void *arg)
{
	const struct server *server = arg;
	AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
	struct aion_buffer *buffer;
	int64_t result = aion_conn_open(&conn, server->fd);

	while (result >= 0 && (result = aion_conn_recv(&conn, &buffer)) > 0)
		result = aion_conn_send_buffer(&conn, buffer);
	/* A slow reader is cut off in the end. */
	if (result < 0 && result != -ECONNRESET && result != -EPIPE)
		FAIL("a connection ends with %lld\n", (long long)result);
	return 0;
}

/* ---- the clients */

static void fill(char *buf, size_t size, uint64_t pos)
{
	for (size_t i = 0; i < size; i++)
		buf[i] = (char)((pos + i) * 131 + ((pos + i) >> 8) * 7);
}

static void hear(int fd, size_t size, uint64_t pos)
{
	char heard[PIECE_SIZE], wanted[PIECE_SIZE];
	size_t done = 0;

	while (done < size) {
		int64_t result = aion_recv(fd, heard + done, size - done, 0);

		if (result == -EINTR)
			continue;
		if (result <= 0)
			FAIL("an answer is missing after %lld ns: %lld\n", (long long)PATIENCE_NS, (long long)result);
		done += (size_t)result;
	}
	fill(wanted, size, pos);
	if (memcmp(heard, wanted, size) != 0)
		FAIL("an answer is another\n");
}

static void exchange(struct world *world, int fd, uint64_t pos, size_t size)
{
	int64_t begin_ns = aion_sim_now(world->sim), took_ns;
	struct aion_scope scope;
	char said[PIECE_SIZE];

	fill(said, size, pos);
	aion_scope_enter(&scope, aion_after(PATIENCE_NS));
	if (aion_send_all(fd, said, size, 0, NULL) != 0)
		FAIL("a client cannot send\n");
	hear(fd, size, pos);
	aion_scope_leave(&scope);
	took_ns = aion_sim_now(world->sim) - begin_ns;
	if (took_ns > world->worst_ns)
		world->worst_ns = took_ns;
	world->answer_nr++;
}

/* One after the other, spread over the time between two messages. */
static int64_t be_fast(void *arg)
{
	const struct driver *driver = arg;
	struct world *world = driver->world;

	for (uint64_t round = 0; aion_sim_now(world->sim) < world->end_ns; round++)
		for (int i = driver->first; i < driver->first + driver->nr; i++) {
			size_t size = 1 + (round * 7919 + (uint64_t)i * 104729) % PIECE_SIZE;

			exchange(world, world->clients[i], round * 977, size);
			aion_sleep(world->between_ns / driver->nr);
		}
	for (int i = driver->first; i < driver->first + driver->nr; i++)
		aion_close(world->clients[i]);
	return 0;
}

static int64_t flood(void *arg)
{
	const struct driver *driver = arg;
	char said[PIECE_SIZE];
	int64_t result = 0;

	for (uint64_t pos = 0; result == 0; pos += sizeof(said)) {
		fill(said, sizeof(said), pos);
		result = aion_send_all(driver->world->clients[driver->first], said, sizeof(said), 0, NULL);
	}
	return 0;
}

static int64_t be_slow(void *arg)
{
	const struct driver *driver = arg;
	struct world *world = driver->world;
	struct aion_group group;
	uint64_t pos = 0;

	aion_group_enter(&group);
	aion_spawn(&group, flood, arg);
	while (aion_sim_now(world->sim) < world->end_ns) {
		hear(world->clients[driver->first], PIECE_SIZE, pos);
		pos += PIECE_SIZE;
		aion_sleep(SLOW_READ_NS);
	}
	world->slow_size += pos;
	aion_group_cancel(&group);
	aion_group_leave(&group, 0);
	aion_close(world->clients[driver->first]);
	return 0;
}

/* ---- what may not grow */

struct figures {
	size_t memory_nr, memory_size, resident_size;
	unsigned buffer_nr;
};

static struct figures figures_now(const char *when)
{
	struct figures figures = {memory_nr, memory_size, resident_size(), 0};

	for (int i = 0; i < AION__GROUP_NR; i++)
		figures.buffer_nr += aion__engine->buffer_groups[i].buffer_nr;
	printf("%s: %zu blocks, %zu KiB of the library's, %u buffers, %zu MiB resident\n", when, figures.memory_nr,
	       figures.memory_size >> 10, figures.buffer_nr, figures.resident_size >> 20);
	fflush(stdout);
	return figures;
}

static bool grows(size_t before, size_t after)
{
	return after > before + before * SLACK / 100;
}

static int64_t watch(void *arg)
{
	struct world *world = arg;
	struct figures before, after;

	aion_sleep(WARM_NS);
	before = figures_now("after half an hour");
	aion_sleep_until(world->end_ns - AION_SECOND);
	after = figures_now("after an hour");
	if (grows(before.buffer_nr, after.buffer_nr) || grows(before.memory_size, after.memory_size) ||
	    (!is_small() && grows(before.resident_size, after.resident_size)))
		FAIL("something grows\n");
	return 0;
}

static void clients_spawn(struct world *world, struct aion_group *group, struct driver *drivers)
{
	int slow_nr = world->conn_nr / SLOW_ONE_OF, nr = 0;

	for (int i = 0; i < slow_nr; i++) {
		drivers[nr] = (struct driver){world, i, 1};
		aion_spawn(group, be_slow, &drivers[nr++]);
	}
	for (int i = slow_nr; i < world->conn_nr; i += CLIENT_OF_TASK) {
		int left = world->conn_nr - i;

		drivers[nr] = (struct driver){world, i, left < CLIENT_OF_TASK ? left : CLIENT_OF_TASK};
		aion_spawn(group, be_fast, &drivers[nr++]);
	}
}

static int64_t live(void *arg)
{
	struct world *world = arg;
	struct server *servers = calloc((size_t)world->conn_nr, sizeof(*servers));
	struct driver *drivers = calloc((size_t)world->conn_nr, sizeof(*drivers));
	struct aion_group group;
	int fds[2];
	int64_t result;

	world->end_ns = aion_sim_now(world->sim) + HOUR_NS;
	aion_group_enter(&group);
	for (int i = 0; i < world->conn_nr; i++) {
		if (aion_sim_socketpair(world->sim, AF_INET, SOCK_STREAM, fds) != 0)
			FAIL("no connection %d\n", i);
		world->clients[i] = fds[0];
		servers[i] = (struct server){world, fds[1]};
		aion_spawn(&group, serve, &servers[i]);
	}
	clients_spawn(world, &group, drivers);
	aion_spawn(&group, watch, world);
	result = aion_group_leave(&group, 0);
	free(servers);
	free(drivers);
	return result;
}

int main(int argc, char **argv)
{
	static const struct aion_allocator allocator = {memory_alloc, memory_realloc, memory_free, NULL};
	struct world world = {.conn_nr = is_small() ? CONN_SMALL_NR : CONN_NR};
	struct aion_sim_options machine = {.seed = 1, .profile = AION_SIM_ROUGH, .socket_size = 8192, .trace_max = 64};

	world.conn_nr = argc > 1 ? atoi(argv[1]) : world.conn_nr;
	world.between_ns = (argc > 2 ? atoi(argv[2]) : BETWEEN_S) * AION_SECOND;
	if (world.conn_nr < SLOW_ONE_OF || world.between_ns <= 0)
		FAIL("usage: stress_conn_hour [CONNECTIONS [SECONDS]]\n");
	world.clients = calloc((size_t)world.conn_nr, sizeof(int));
	machine.fd_max = (unsigned)world.conn_nr * 2 + 100;
	if (aion_allocator_set(&allocator) != 0 || aion_sim_create(&machine, &world.sim) != 0)
		FAIL("no machine\n");
	if (aion_run(live, &world, &(struct aion_loop_options){.sim = world.sim}) != 0)
		FAIL("the hour ends badly\n");
	if (aion_sim_check(world.sim) != 0)
		FAIL("something is left\n");
	printf("%d connections: %llu answers, the slowest after %lld us; slow readers have read %llu KiB\n",
	       world.conn_nr, (unsigned long long)world.answer_nr, (long long)world.worst_ns / 1000,
	       (unsigned long long)world.slow_size >> 10);
	aion_sim_destroy(world.sim);
	free(world.clients);
	return 0;
}
