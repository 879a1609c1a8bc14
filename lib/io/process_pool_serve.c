/* SPDX-License-Identifier: MIT */
/* The worker's side of a process pool: no loop, one request after the other, until the socket ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aion/process_pool.h>

#include "alloc_int.h"
#include "process_pool_int.h"

bool aion__process_pool_is_served;

static bool read_all(int fd, void *buf, size_t size)
{
	ssize_t result;

	for (size_t done = 0; done < size; done += (size_t)result) {
		result = read(fd, (char *)buf + done, size - done);
		if (result < 0 && errno == EINTR)
			result = 0;
		else if (result <= 0)
			return false;
	}
	return true;
}

static bool write_all(int fd, const void *buf, size_t size)
{
	ssize_t result;

	for (size_t done = 0; done < size; done += (size_t)result) {
		result = write(fd, (const char *)buf + done, size - done);
		if (result < 0 && errno == EINTR)
			result = 0;
		else if (result <= 0)
			return false;
	}
	return true;
}

static int64_t call_fn(const struct aion_process_entry *entries, const char *name, struct aion_process_call *call)
{
	int64_t result;

	for (; entries->name; entries++) {
		if (strcmp(entries->name, name) != 0)
			continue;
		result = entries->fn(call);
		if (call->reply_size > call->reply_room)
			abort(); /* it has written beyond the room, too, or lies: both are this worker's end */
		return result;
	}
	return -ENOSYS;
}

/* name, request and reply in one piece of memory each. */
static bool serve_request(int fd, const struct aion_process_entry *entries, const struct aion__process_request *head,
			  char *name, char *request, char *reply)
{
	struct aion_process_call call = {request, head->request_size, reply, head->reply_room, 0};
	struct aion__process_reply answer;

	if (!read_all(fd, name, head->name_size) || !read_all(fd, request, head->request_size))
		return false;
	name[head->name_size] = 0;
	answer.result = call_fn(entries, name, &call);
	answer.reply_size = call.reply_size;
	return write_all(fd, &answer, sizeof(answer)) && write_all(fd, reply, call.reply_size);
}

/* Without memory there is no answer: the worker ends, and another one takes its place. */
static bool serve_one(int fd, const struct aion_process_entry *entries)
{
	struct aion__process_request head;
	char *name, *request, *reply;
	bool goes_on;

	if (!read_all(fd, &head, sizeof(head)))
		return false;
	name = aion__alloc(head.name_size + 1);
	request = aion__alloc(head.request_size + 1);
	reply = aion__alloc(head.reply_room + 1);
	goes_on = name && request && reply && serve_request(fd, entries, &head, name, request, reply);
	aion__free(name);
	aion__free(request);
	aion__free(reply);
	return goes_on;
}

void aion_process_pool_serve(int argc, char **argv, const struct aion_process_entry *entries)
{
	int fd;

	aion__process_pool_is_served = true;
	if (argc != 3 || strcmp(argv[1], AION__PROCESS_WORKER_MARK) != 0)
		return;
	fd = (int)strtol(argv[2], NULL, 10);
	fcntl(fd, F_SETFD, FD_CLOEXEC); /* what the functions start must not keep our end open */
	while (serve_one(fd, entries)) {
	}
	exit(EXIT_SUCCESS);
}
