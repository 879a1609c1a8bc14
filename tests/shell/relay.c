/* SPDX-License-Identifier: MIT */
/*
 * For test_interop.sh: relay ADDRESS listens at any port of 127.0.0.1, which it prints, and relays each connection to
 * ADDRESS and back, so that programs which know nothing of aion talk through it. An end in one direction goes on as an
 * end in that direction. Ends at SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <aion.h>

#define DRAIN_NS AION_SECOND
#define PIECE_SIZE 65536

struct direction {
	int from_fd, to_fd;
};

static struct aion_listener listener;
static struct aion_address target;

static int64_t direction_task(void *arg)
{
	const struct direction *direction = arg;
	char data[PIECE_SIZE];
	int64_t result;

	while ((result = aion_recv(direction->from_fd, data, sizeof(data), 0)) > 0) {
		result = aion_send_all(direction->to_fd, data, (size_t)result, 0, NULL);
		if (result < 0)
			return result;
	}
	return result < 0 ? result : aion_shutdown(direction->to_fd, SHUT_WR);
}

static int64_t relay_task(int fd, void *arg)
{
	struct aion_group group;
	int64_t result = aion_connect_addresses(&target, 1, NULL);
	int target_fd = (int)result;

	(void)arg;
	if (result >= 0) {
		struct direction there = {fd, target_fd}, back = {target_fd, fd};

		aion_group_enter(&group);
		aion_spawn(&group, direction_task, &there);
		aion_spawn(&group, direction_task, &back);
		result = aion_group_leave(&group, 0);
		aion_close(target_fd);
	}
	aion_close(fd);
	return result;
}

static int64_t stop_task(void *arg)
{
	int64_t result = aion_signal_wait(SIGTERM, NULL);

	(void)arg;
	if (result >= 0)
		aion_listener_shutdown(&listener, aion_after(DRAIN_NS));
	return result;
}

static int64_t main_task(void *arg)
{
	struct aion_address address;
	struct aion_group group;
	int64_t result = aion_address_parse(arg, 0, &target);

	if (result < 0)
		return result;
	aion_address_parse("127.0.0.1:0", 0, &address);
	result = aion_listener_open(&listener, &address, NULL);
	if (result < 0)
		return result;
	aion_listener_address(&listener, &address);
	printf("%u\n", aion_address_port(&address));
	fflush(stdout);
	aion_group_enter(&group);
	aion_spawn(&group, stop_task, NULL);
	result = aion_listener_serve(&listener, relay_task, NULL);
	aion_group_cancel(&group);
	result = aion_group_leave(&group, result);
	aion_listener_close(&listener);
	return result;
}

int main(int argc, char **argv)
{
	int64_t result = argc == 2 ? aion_run(main_task, argv[1], NULL) : -1;

	if (result < 0)
		fprintf(stderr, "relay: %s\n", strerror((int)-result));
	return result < 0;
}
