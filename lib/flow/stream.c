/* SPDX-License-Identifier: MIT */
/* What holds for every stream, and the ends of pipelines. */
#include <errno.h>

#include <aion/scope.h>
#include <aion/stream.h>
#include <aion/task.h>

void aion_stream_init(struct aion_stream *stream, aion_stream_next_fn *next, aion_stream_close_fn *close)
{
	*stream = (struct aion_stream){.next = next, .close = close, .end = 1};
}

struct aion_stream *aion_stream_set_destroy(struct aion_stream *stream, void (*destroy)(void *value))
{
	stream->destroy = destroy;
	return stream;
}

int64_t aion_stream_next(struct aion_stream *stream, void **ret_value)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	if (stream->is_busy)
		return -EALREADY;
	if (stream->end <= 0)
		return stream->end;
	stream->is_busy = true;
	result = stream->next(stream, ret_value);
	stream->is_busy = false;
	/* The caller's own cancellation is no end: the stream has kept what it had. */
	if (result <= 0 && !(result == -ECANCELED && aion_cancelled()))
		stream->end = result;
	return result;
}

int aion_stream_close(struct aion_stream *stream)
{
	struct aion_scope shield;

	if (stream->is_busy)
		return -EALREADY;
	if (stream->is_closed)
		return 0;
	stream->is_closed = true;
	stream->end = 0;
	if (!stream->close)
		return 0;
	stream->is_busy = true;
	aion_scope_enter_shield(&shield, AION_NEVER);
	stream->close(stream);
	aion_scope_leave(&shield);
	stream->is_busy = false;
	return 0;
}

int64_t aion_stream_for_each(struct aion_stream *stream, aion_stream_fn *fn, void *arg, size_t *ret_done)
{
	size_t done = 0;
	void *value;
	int64_t result;

	while ((result = aion_stream_next(stream, &value)) > 0) {
		done++;
		result = fn(value, arg);
		if (result < 0)
			break;
	}
	if (ret_done)
		*ret_done = done;
	return result;
}

int64_t aion_stream_collect(struct aion_stream *stream, void **values, size_t max_nr, size_t *ret_done)
{
	int64_t result = 1;
	size_t nr = 0;

	while (nr < max_nr && result > 0) {
		result = aion_stream_next(stream, &values[nr]);
		nr += result > 0;
	}
	if (ret_done)
		*ret_done = nr;
	return result < 0 ? result : (int64_t)nr;
}
