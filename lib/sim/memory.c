/* SPDX-License-Identifier: MIT */
/*
 * The program's memory while the machine has it. What an operation fills holds rubbish until its completion is posted,
 * and other rubbish after each look; what an operation writes out is compared with a copy. So a buffer that is used,
 * freed or lent twice in the meantime does not go unnoticed.
 *
 * Of more than 64 KiB only three windows are watched: the first and the last 4 KiB, and a drawn one between them.
 */
#include <errno.h>
#include <limits.h>
#include <linux/stat.h>
#include <sys/socket.h>

#include "program_int.h"
#include "sim_int.h"

#define WATCH_WHOLE_MAX ((size_t)64 << 10) /* bytes of memory that is watched as a whole */
#define WINDOW_SIZE ((size_t)4096)         /* bytes of a window of larger memory */
#define SIZE_MAX_ONCE ((size_t)0x7ffff000) /* bytes that one call moves at most */
#define PIECE_MAX 1024                     /* of a vector */
#define RETURNED_NR 16                     /* operations whose buffers are remembered; a power of 2 */
#define OFF_FACTOR UINT64_C(0xd6e8feb86659fd93)

struct range {
	size_t off;
	size_t size;
};

/* The memory of one request. */
struct aion__sim_memory_guard {
	struct aion__sim_memory_guard *next; /* a spare one */
	bool is_filled;                      /* by the machine; else only read */
	unsigned range_nr;
	struct range ranges[3]; /* that are watched, in order */
	uint64_t rubbish;       /* that is in them, see rubbish_of() */
	size_t size;            /* bytes in all pieces */
	struct iovec *pieces;   /* as they were lent */
	size_t piece_nr;
	size_t piece_room;
	char *saved; /* what the ranges held, one after the other */
	size_t saved_room;
	uint64_t returned_nr; /* of the watch, when it was lent */
};

/* Where an operation that has ended had its buffer, or the first piece of it. */
struct returned {
	uint64_t request_nr;
	struct iovec piece;
};

struct aion__sim_watch {
	struct aion__sim_memory_guard *spare;
	struct aion__program_pages pages;
	struct returned returned[RETURNED_NR]; /* the last ones that were filled */
	uint64_t returned_nr;
};

/* ---- guards */

static struct aion__sim_watch *watch_of(struct aion_sim *sim)
{
	if (!sim->watch)
		sim->watch = aion__sim_alloc(sizeof(*sim->watch));
	return sim->watch;
}

static struct aion__sim_memory_guard *guard_take(struct aion__sim_watch *watch)
{
	struct aion__sim_memory_guard *guard = watch->spare;

	if (guard)
		watch->spare = guard->next;
	else
		guard = aion__sim_alloc(sizeof(*guard));
	guard->size = 0;
	guard->piece_nr = 0;
	guard->range_nr = 0;
	return guard;
}

static void guard_put(struct aion__sim_watch *watch, struct aion__sim_memory_guard *guard)
{
	guard->next = watch->spare;
	watch->spare = guard;
}

void aion__sim_memory_fini(struct aion_sim *sim)
{
	while (sim->watch && sim->watch->spare) {
		struct aion__sim_memory_guard *guard = sim->watch->spare;

		sim->watch->spare = guard->next;
		aion__sim_free(guard->pieces);
		aion__sim_free(guard->saved);
		aion__sim_free(guard);
	}
	aion__sim_free(sim->watch);
	sim->watch = NULL;
}

/* What is beyond the most that one call moves is left out. */
static void guard_add(struct aion__sim_memory_guard *guard, void *address, size_t size)
{
	if (size > SIZE_MAX_ONCE - guard->size)
		size = SIZE_MAX_ONCE - guard->size;
	if (!size)
		return;
	if (guard->piece_nr == guard->piece_room) {
		guard->piece_room = guard->piece_room ? 2 * guard->piece_room : 1;
		guard->pieces = aion__sim_realloc(guard->pieces, guard->piece_room * sizeof(struct iovec));
	}
	guard->pieces[guard->piece_nr++] = (struct iovec){address, size};
	guard->size += size;
}

static int guard_add_vector(struct aion__sim_watch *watch, struct aion__sim_memory_guard *guard,
			    const struct iovec *iov, size_t nr)
{
	if (!aion__program_is_there(&watch->pages, (const char *)iov, nr * sizeof(*iov), false))
		return -EFAULT;
	for (size_t i = 0; i < nr; i++) {
		struct iovec piece;

		aion__sim_copy_from_program(&piece, &iov[i], sizeof(piece));
		if (piece.iov_len > SSIZE_MAX)
			return -EINVAL;
		guard_add(guard, piece.iov_base, piece.iov_len);
	}
	return 0;
}

static int guard_add_message(struct aion__sim_watch *watch, struct aion__sim_memory_guard *guard,
			     const struct msghdr *message)
{
	struct msghdr copy;

	if (!aion__program_is_there(&watch->pages, (const char *)message, sizeof(*message), false))
		return -EFAULT;
	aion__sim_copy_from_program(&copy, message, sizeof(copy));
	if (copy.msg_iovlen > PIECE_MAX)
		return -EMSGSIZE;
	return guard_add_vector(watch, guard, copy.msg_iov, copy.msg_iovlen);
}

/* The pieces, by the kind of call. 0, or what the kernel says to wrong ones. */
static int guard_describe(struct aion__sim_watch *watch, struct aion__sim_memory_guard *guard,
			  const struct aion__sim_request *request)
{
	void *address = (void *)(uintptr_t)request->sqe.addr;
	void *address2 = (void *)(uintptr_t)request->sqe.addr2;
	size_t nr = request->sqe.len;

	guard->is_filled = request->call->memory < AION__SIM_LENDS;
	switch (request->call->memory) {
	case AION__SIM_FILLS_VECTOR:
	case AION__SIM_LENDS_VECTOR:
		return nr <= PIECE_MAX ? guard_add_vector(watch, guard, address, nr) : -EINVAL;
	case AION__SIM_FILLS_MESSAGE:
	case AION__SIM_LENDS_MESSAGE:
		return guard_add_message(watch, guard, address);
	case AION__SIM_FILLS_STATX:
		guard_add(guard, address2, sizeof(struct statx));
		return 0;
	case AION__SIM_FILLS_VALUE:
	case AION__SIM_LENDS_VALUE:
		guard_add(guard, address2, nr);
		return 0;
	default:
		guard_add(guard, address, nr);
		return 0;
	}
}

static bool guard_is_there(struct aion__sim_watch *watch, const struct aion__sim_memory_guard *guard)
{
	for (size_t i = 0; i < guard->piece_nr; i++) {
		const struct iovec *piece = &guard->pieces[i];

		if (!aion__program_is_there(&watch->pages, piece->iov_base, piece->iov_len, guard->is_filled))
			return false;
	}
	return true;
}

/* ---- what is watched of it */

typedef void part_fn(char *memory, size_t size, size_t off, void *arg);

/* Calls fn for each piece of the `size` bytes at off. */
static void guard_visit(const struct aion__sim_memory_guard *guard, size_t off, size_t size, part_fn *fn, void *arg)
{
	const struct iovec *piece = guard->pieces;
	size_t begin = 0;

	AION_ASSERT(off + size <= guard->size);
	while (size) {
		size_t skip = off - begin, part;

		if (skip < piece->iov_len) {
			part = piece->iov_len - skip < size ? piece->iov_len - skip : size;
			fn((char *)piece->iov_base + skip, part, off, arg);
			off += part;
			size -= part;
		}
		begin += piece->iov_len;
		piece++;
	}
}

static void guard_choose(struct aion_sim *sim, struct aion__sim_memory_guard *guard)
{
	if (guard->size <= WATCH_WHOLE_MAX) {
		guard->ranges[0] = (struct range){0, guard->size};
		guard->range_nr = 1;
		return;
	}
	guard->ranges[0] = (struct range){0, WINDOW_SIZE};
	guard->ranges[1] =
		(struct range){WINDOW_SIZE + aion__sim_draw_below(sim, guard->size - 3 * WINDOW_SIZE), WINDOW_SIZE};
	guard->ranges[2] = (struct range){guard->size - WINDOW_SIZE, WINDOW_SIZE};
	guard->range_nr = 3;
}

static void copy_out_part(char *memory, size_t size, size_t off, void *to)
{
	char **place = to;

	(void)off;
	aion__sim_copy_from_program(*place, memory, size);
	*place += size;
}

static void copy_in_part(char *memory, size_t size, size_t off, void *from)
{
	const char **place = from;

	(void)off;
	aion__sim_copy_to_program(memory, *place, size);
	*place += size;
}

static void guard_save(struct aion__sim_memory_guard *guard)
{
	size_t size = guard->range_nr == 1 ? guard->size : 3 * WINDOW_SIZE;
	char *place;

	if (guard->saved_room < size) {
		guard->saved = aion__sim_realloc(guard->saved, size);
		guard->saved_room = size;
	}
	place = guard->saved;
	for (unsigned i = 0; i < guard->range_nr; i++)
		guard_visit(guard, guard->ranges[i].off, guard->ranges[i].size, copy_out_part, &place);
}

/* Other rubbish at every place. */
static inline uint64_t rubbish_of(const struct aion__sim_memory_guard *guard, size_t off)
{
	return guard->rubbish ^ off * OFF_FACTOR;
}

static void rubbish_part(char *memory, size_t size, size_t off, void *arg)
{
	const struct aion__sim_memory_guard *guard = arg;

	aion__program_put_rubbish(memory, size, rubbish_of(guard, off));
}

static void guard_fill(struct aion_sim *sim, struct aion__sim_memory_guard *guard)
{
	guard->rubbish = aion__sim_draw(sim);
	for (unsigned i = 0; i < guard->range_nr; i++)
		guard_visit(guard, guard->ranges[i].off, guard->ranges[i].size, rubbish_part, guard);
}

/* ---- looking */

struct look {
	struct aion_sim *sim;
	const struct aion__sim_request *request;
	const char *saved; /* of the next part */
};

static inline bool piece_contains(const struct iovec *piece, const char *address)
{
	return (uintptr_t)address - (uintptr_t)piece->iov_base < piece->iov_len;
}

static bool guard_contains(const struct aion__sim_memory_guard *guard, const char *address)
{
	for (size_t i = 0; i < guard->piece_nr; i++)
		if (piece_contains(&guard->pieces[i], address))
			return true;
	return false;
}

/* The operation that was given the same place to fill, and may have ended meanwhile; 0: none. */
static uint64_t look_for_other(const struct look *look, const char *address)
{
	const struct aion__sim_watch *watch = look->sim->watch;
	const struct aion__sim_request *other = look->sim->newest;

	for (; other; other = other->older)
		if (other != look->request && other->guard && other->guard->is_filled &&
		    guard_contains(other->guard, address))
			return other->nr;
	for (uint64_t nr = watch->returned_nr; nr > look->request->guard->returned_nr; nr--) {
		const struct returned *returned = &watch->returned[(nr - 1) % RETURNED_NR];

		if (watch->returned_nr - nr < RETURNED_NR && piece_contains(&returned->piece, address))
			return returned->request_nr;
	}
	return 0;
}

static _Noreturn __attribute__((cold)) void look_fails(const struct look *look, const char *address, size_t off)
{
	const struct aion__sim_memory_guard *guard = look->request->guard;
	uint64_t other_nr = look_for_other(look, address);

	if (other_nr)
		aion__sim_bug(look->sim, look->request,
			      "the buffers of operations %llu and %llu overlap at byte %zu of %zu",
			      (unsigned long long)look->request->nr, (unsigned long long)other_nr, off, guard->size);
	if (guard->is_filled)
		aion__sim_bug(look->sim, look->request,
			      "the buffer was written while the kernel had it to fill: byte %zu of %zu", off,
			      guard->size);
	aion__sim_bug(look->sim, look->request, "the data changed while the kernel was writing it: byte %zu of %zu",
		      off, guard->size);
}

static void look_part(char *memory, size_t size, size_t off, void *arg)
{
	struct look *look = arg;
	const struct aion__sim_memory_guard *guard = look->request->guard;
	size_t same;

	if (aion__unlikely(aion__program_is_freed(memory)))
		aion__sim_bug(look->sim, look->request, "the memory was freed while the kernel had it");
	/* Freed memory of that size may be gone. */
	if (guard->range_nr > 1 && !aion__program_is_still_there(memory, size))
		aion__sim_bug(look->sim, look->request, "the memory was unmapped while the kernel had it");
	if (guard->is_filled)
		same = aion__program_check_rubbish(memory, size, rubbish_of(guard, off));
	else
		same = aion__program_check_copy(memory, look->saved, size);
	if (aion__unlikely(same < size))
		look_fails(look, memory + same, off + same);
	look->saved += size;
}

static void guard_check(struct aion_sim *sim, const struct aion__sim_request *request)
{
	const struct aion__sim_memory_guard *guard = request->guard;
	struct look look = {sim, request, guard->saved};

	for (unsigned i = 0; i < guard->range_nr; i++)
		guard_visit(guard, guard->ranges[i].off, guard->ranges[i].size, look_part, &look);
}

/* ---- the request's way */

/* Provided buffers are chosen later; whoever chooses one writes into it. */
int aion__sim_memory_lend(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct aion__sim_watch *watch;
	struct aion__sim_memory_guard *guard;
	int result;

	AION_ASSERT(!request->guard);
	if (request->call->memory == AION__SIM_MEMORY_NONE || request->sqe.flags & IOSQE_BUFFER_SELECT)
		return 0;
	watch = watch_of(sim);
	guard = guard_take(watch);
	result = guard_describe(watch, guard, request);
	if (result == 0 && !guard_is_there(watch, guard))
		result = -EFAULT;
	if (result < 0 || !guard->size) {
		guard_put(watch, guard);
		return result;
	}
	guard->returned_nr = watch->returned_nr;
	request->guard = guard;
	guard_choose(sim, guard);
	guard_save(guard);
	if (guard->is_filled)
		guard_fill(sim, guard);
	return 0;
}

void aion__sim_memory_look(struct aion_sim *sim, struct aion__sim_request *request)
{
	if (!request->guard)
		return;
	guard_check(sim, request);
	if (request->guard->is_filled)
		guard_fill(sim, request->guard);
}

/* The first `size` bytes are the stage's; those behind them that had been replaced by rubbish come back. */
static void guard_empty(struct aion__sim_memory_guard *guard, const char *stage, size_t size)
{
	const char *saved = guard->saved, *place;

	guard_visit(guard, 0, size, copy_in_part, &stage);
	for (unsigned i = 0; i < guard->range_nr; i++) {
		const struct range *range = &guard->ranges[i];
		size_t skip = size > range->off ? size - range->off : 0;

		if (skip > range->size)
			skip = range->size;
		place = saved + skip;
		guard_visit(guard, range->off + skip, range->size - skip, copy_in_part, &place);
		saved += range->size;
	}
}

void aion__sim_memory_return(struct aion_sim *sim, struct aion__sim_request *request, size_t size)
{
	struct aion__sim_memory_guard *guard = request->guard;
	struct aion__sim_watch *watch = sim->watch;

	if (!guard)
		return;
	guard_check(sim, request);
	if (guard->is_filled) {
		guard_empty(guard, request->stage, size < guard->size ? size : guard->size);
		watch->returned[watch->returned_nr++ % RETURNED_NR] = (struct returned){request->nr, guard->pieces[0]};
	}
	request->guard = NULL;
	guard_put(watch, guard);
}

void aion__sim_memory_forget(struct aion_sim *sim, struct aion__sim_request *request)
{
	if (request->guard)
		guard_put(sim->watch, request->guard);
	request->guard = NULL;
}

size_t aion__sim_memory_read(const struct aion__sim_request *request, size_t off, void *to, size_t size)
{
	const struct aion__sim_memory_guard *guard = request->guard;
	char *place = to;

	if (!guard || off >= guard->size)
		return 0;
	if (size > guard->size - off)
		size = guard->size - off;
	guard_visit(guard, off, size, copy_out_part, &place);
	return size;
}

size_t aion__sim_memory_size(const struct aion__sim_request *request)
{
	return request->guard ? request->guard->size : 0;
}
