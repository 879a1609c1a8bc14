/* SPDX-License-Identifier: MIT */
/* Talking to a child: its input, its output and its errors each have a task, so that none of them holds up another. */
#include <errno.h>
#include <string.h>

#include <aion/file.h>
#include <aion/group.h>
#include <aion/process.h>

#include "alloc_int.h"

#define ROOM_FIRST ((size_t)64 << 10) /* bytes: a pipe's, so one read can take all that is in it */

void aion_process_output_free(struct aion_process_output *output)
{
	aion__free(output->data);
	*output = (struct aion_process_output){.max = output->max};
}

/* Room for more bytes and the 0 behind them, if more are wanted. */
static int output_grow(struct aion_process_output *output)
{
	size_t max = output->max ? output->max : AION_PROCESS_OUTPUT_MAX;
	size_t room = output->room ? output->room * 2 : ROOM_FIRST;
	char *data;

	if (output->room > output->size + 1 || output->size >= max)
		return 0;
	if (room > max)
		room = max + 1;
	data = aion__realloc(output->data, room);
	if (!data)
		return -ENOMEM;
	data[output->size] = 0;
	output->data = data;
	output->room = room;
	return 0;
}

/* Where the next bytes go: behind the others, or to where they are forgotten. */
static char *output_place(struct aion_process_output *output, char *scrap, size_t *ret_size)
{
	size_t max = output->max ? output->max : AION_PROCESS_OUTPUT_MAX;

	if (output->size >= max || !output->room) {
		*ret_size = ROOM_FIRST;
		return scrap;
	}
	*ret_size = output->room - output->size - 1;
	return output->data + output->size;
}

struct listener {
	int *fd;
	struct aion_process_output *output;
	char *scrap; /* where bytes go that are not kept, once there are any */
};

static int64_t listener_read(struct listener *listener)
{
	struct aion_process_output *output = listener->output;
	size_t size;
	char *place;
	int64_t result = output_grow(output);

	if (result < 0)
		return result;
	place = output_place(output, listener->scrap, &size);
	if (!place)
		place = listener->scrap = aion__alloc(ROOM_FIRST);
	if (!place)
		return -ENOMEM;
	result = aion_read(*listener->fd, place, size);
	if (result <= 0)
		return result;
	if (place == listener->scrap) {
		output->dropped += (size_t)result;
	} else {
		output->size += (size_t)result;
		output->data[output->size] = 0;
	}
	return result;
}

/* To the end of the pipe. */
static int64_t listen_to(void *arg)
{
	struct listener *listener = arg;
	int64_t result;

	do {
		result = listener_read(listener);
	} while (result > 0 || result == -EINTR);
	aion__free(listener->scrap);
	if (result == 0)
		aion_fd_closep(listener->fd);
	return result;
}

struct feeder {
	int *fd;
	const void *input;
	size_t input_size;
};

/* A child may end, or close its input, before it has read everything. */
static int64_t feed(void *arg)
{
	const struct feeder *feeder = arg;
	int64_t result = aion_write_all(*feeder->fd, feeder->input, feeder->input_size, NULL);

	if (result == -EPIPE)
		result = 0;
	if (result == 0)
		aion_fd_closep(feeder->fd);
	return result;
}

int64_t aion_process_communicate(struct aion_process *process, const void *input, size_t input_size,
				 struct aion_process_output *out, struct aion_process_output *err)
{
	struct aion_process_output forgotten[2] = {{.size = 1, .max = 1}, {.size = 1, .max = 1}};
	struct feeder feeder = {&process->in, input, input_size};
	struct listener listeners[2] = {
		{&process->out, out ? out : &forgotten[0], NULL},
		{&process->err, err ? err : &forgotten[1], NULL},
	};
	struct aion_group group;
	int64_t result = aion_checkpoint();

	if (result == 0 && !process->is_open)
		result = -EBADF;
	if (result < 0)
		return result;
	aion_group_enter(&group);
	if (process->in >= 0)
		aion_spawn(&group, feed, &feeder);
	for (int i = 0; i < 2; i++)
		if (*listeners[i].fd >= 0)
			aion_spawn(&group, listen_to, &listeners[i]);
	result = aion_group_leave(&group, 0);
	return result < 0 ? result : aion_process_wait(process);
}

int64_t aion_process_run(const char *const *argv, const struct aion_process_options *options, const void *input,
			 size_t input_size, struct aion_process_output *out, struct aion_process_output *err)
{
	struct aion_process_options own = options ? *options : (struct aion_process_options){0};
	struct aion_process process = {0};
	int64_t result;

	if (input)
		own.in.kind = AION_STDIO_PIPE;
	if (out)
		own.out.kind = AION_STDIO_PIPE;
	if (err)
		own.err.kind = AION_STDIO_PIPE;
	result = aion_process_spawn(&process, argv, &own);
	if (result == 0)
		result = aion_process_communicate(&process, input, input_size, out, err);
	aion_process_close(&process);
	return result;
}
