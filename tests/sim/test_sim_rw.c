/* SPDX-License-Identifier: MIT */
/* Entries for reading and writing as such, on the kernel's ring and a machine's: buffers that are known beforehand. */
#include <fcntl.h>

#include "buffer_int.h"
#include "sim_int.h"
#include "test_ring.h"

#define GROUP 3
#define BUFFER_SIZE 64
#define NOTES_MAX 100

struct raw {
	struct aion_sim *sim; /* NULL: the kernel */
	struct aion__ring ring;
	struct aion__buffer_ring buffers;
	struct aion__arena arena;
	int pipe[2];
	int file;
	struct test_cqe notes[NOTES_MAX];
	unsigned note_nr;
};

static struct test_cqe raw_note(struct raw *raw, struct test_cqe cqe)
{
	cr_assert_lt(raw->note_nr, NOTES_MAX);
	raw->notes[raw->note_nr++] = cqe;
	return cqe;
}

static struct test_cqe raw_do(struct raw *raw, const struct io_uring_sqe *sqe)
{
	return raw_note(raw, test_ring_do(&raw->ring, sqe));
}

static void raw_open(struct raw *raw, struct aion_sim *sim)
{
	const struct aion__ring_options options = {
		.entry_nr = 8, .completion_nr = 16, .machine = sim ? &sim->machine : NULL};
	struct io_uring_sqe sqe = {0};
	char text[256];

	memset(raw, 0, sizeof(*raw));
	raw->sim = sim;
	cr_assert_eq(aion__ring_init(&raw->ring, &options, text, sizeof(text)), 0);
	cr_assert_eq(aion__ring_bind(&raw->ring), 0);
	cr_assert_eq(aion__buffer_ring_open(&raw->buffers, &raw->ring, GROUP, 2, BUFFER_SIZE), 0);
	cr_assert_eq(aion__arena_open(&raw->arena, &raw->ring, 2, 4096), 0);
	cr_assert_eq(sim ? aion_sim_pipe(sim, raw->pipe, 0) : pipe2(raw->pipe, O_CLOEXEC), 0);
	io_uring_prep_openat(&sqe, AT_FDCWD, sim ? "/" : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	raw->file = test_ring_do(&raw->ring, &sqe).res;
	cr_assert_geq(raw->file, 0);
}

static void raw_close_fd(struct raw *raw, int fd)
{
	struct io_uring_sqe sqe = {0};

	io_uring_prep_close(&sqe, fd);
	raw_do(raw, &sqe);
}

static void raw_close(struct raw *raw)
{
	raw_close_fd(raw, raw->pipe[0]);
	raw_close_fd(raw, raw->file);
	aion__buffer_ring_close(&raw->buffers);
	aion__arena_close(&raw->arena);
	aion__ring_fini(&raw->ring);
}

static void raw_write(struct raw *raw, int fd, const char *text)
{
	struct io_uring_sqe sqe = {0};

	io_uring_prep_write(&sqe, fd, text, (unsigned)strlen(text), UINT64_MAX);
	cr_assert_eq(raw_do(raw, &sqe).res, (int)strlen(text));
}

/* Into a buffer of the group; what comes has to be this. */
static char *raw_select(struct raw *raw, int fd, unsigned size, uint64_t off, int flags, const char *text)
{
	struct io_uring_sqe sqe = {0};
	struct test_cqe cqe;
	char *buffer;

	io_uring_prep_read(&sqe, fd, NULL, size, off);
	sqe.flags = IOSQE_BUFFER_SELECT;
	sqe.buf_group = GROUP;
	sqe.rw_flags = flags;
	cqe = raw_do(raw, &sqe);
	buffer = aion__buffer_ring_take(&raw->buffers, cqe.res, cqe.flags);
	cr_assert_eq(buffer != NULL, text != NULL);
	if (text) {
		cr_assert_eq(cqe.res, (int)strlen(text));
		cr_assert_arr_eq(buffer, text, strlen(text));
	}
	return buffer;
}

static void select_from_all(struct raw *raw)
{
	const char *hundred =
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
	char *first, *second;

	raw_write(raw, raw->pipe[1], "hello");
	raw_write(raw, raw->file, hundred);
	first = raw_select(raw, raw->pipe[0], 2, UINT64_MAX, 0, "he");
	second = raw_select(raw, raw->pipe[0], 0, UINT64_MAX, 0, "llo");
	raw_select(raw, raw->pipe[0], 0, UINT64_MAX, 0, NULL);
	raw_select(raw, raw->file, 0, 0, 0, NULL);
	aion__buffer_ring_recycle(&raw->buffers, first);
	raw_select(raw, raw->pipe[0], 0, UINT64_MAX, RWF_NOWAIT, NULL);
	raw_select(raw, raw->pipe[1], 0, UINT64_MAX, 0, NULL);
	first = raw_select(raw, raw->file, 0, 90, 0, "0123456789");
	aion__buffer_ring_recycle(&raw->buffers, first);
	aion__buffer_ring_recycle(&raw->buffers, second);
	first = raw_select(raw, raw->file, 200, 0, 0,
			   "0123456789012345678901234567890123456789012345678901234567890123");
	aion__buffer_ring_recycle(&raw->buffers, first);
	first = raw_select(raw, raw->file, 200, 100, 0, "");
	aion__buffer_ring_recycle(&raw->buffers, first);
	raw_close_fd(raw, raw->pipe[1]);
	first = raw_select(raw, raw->pipe[0], 10, UINT64_MAX, 0, "");
	aion__buffer_ring_recycle(&raw->buffers, first);
}

static void raw_fixed(struct raw *raw, int opcode, char *memory, unsigned size, uint64_t off, unsigned index)
{
	struct io_uring_sqe sqe = {0};

	io_uring_prep_rw(opcode, &sqe, raw->file, memory, size, off);
	sqe.buf_index = (uint16_t)index;
	raw_do(raw, &sqe);
}

static void fixed_in_all_ways(struct raw *raw)
{
	char *first = aion__arena_take(&raw->arena), *second = aion__arena_take(&raw->arena);
	char outside[64] = "";

	memset(first, 'x', 4096);
	memset(second, 0, 4096);
	raw_fixed(raw, IORING_OP_WRITE_FIXED, first, 4096, 0, AION__ARENA_INDEX);
	raw_fixed(raw, IORING_OP_READ_FIXED, second + 10, 1000, 3500, AION__ARENA_INDEX);
	cr_assert_eq(second[10], 'x');
	cr_assert_eq(second[10 + 595], 'x');
	cr_assert_eq(second[10 + 596], 0);
	raw_fixed(raw, IORING_OP_READ_FIXED, outside, 64, 0, AION__ARENA_INDEX);
	raw_fixed(raw, IORING_OP_READ_FIXED, first, 64, 0, AION__ARENA_INDEX + 1);
	raw_fixed(raw, IORING_OP_WRITE_FIXED, first, 3 * 4096, 0, AION__ARENA_INDEX);
	raw_close_fd(raw, raw->pipe[1]);
}

static void run_both(void (*body)(struct raw *raw))
{
	struct raw kernel, machine;
	struct aion_sim *sim;

	raw_open(&kernel, NULL);
	body(&kernel);
	raw_close(&kernel);
	cr_assert_eq(aion_sim_create(NULL, &sim), 0);
	raw_open(&machine, sim);
	body(&machine);
	raw_close(&machine);
	cr_assert_eq(kernel.note_nr, machine.note_nr);
	for (unsigned i = 0; i < kernel.note_nr; i++) {
		cr_assert_eq(machine.notes[i].res, kernel.notes[i].res, "result %u: %d, not %d", i,
			     machine.notes[i].res, kernel.notes[i].res);
		cr_assert_eq(machine.notes[i].flags, kernel.notes[i].flags, "flags %u: %x, not %x", i,
			     machine.notes[i].flags, kernel.notes[i].flags);
	}
	cr_assert_eq(aion_sim_check(sim), 0);
	aion_sim_destroy(sim);
}

Test(sim_rw, buffers_are_picked_as_in_the_kernel)
{
	run_both(select_from_all);
}

Test(sim_rw, registered_buffers_are_those_of_the_kernel)
{
	run_both(fixed_in_all_ways);
}
