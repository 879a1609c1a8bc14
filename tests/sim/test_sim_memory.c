/* SPDX-License-Identifier: MIT */
/* The program's memory while the machine has it: what the program may rely on, and what is found if it does wrong. */
#include "test_sim.h"

#include <aion/liburing.h>

#define BIG ((size_t)1 << 20) /* bytes; more than is watched as a whole */
#define ALWAYS 1000000
#define PIPE_SIZE 4096

/* ---- what a program may rely on */

static void pipe_close(int fds[2])
{
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}

SIM_TEST(sim_memory, bytes_that_are_not_read_stay)
{
	char buf[1000], copy[1000];
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	for (size_t size = 1; size < sizeof(buf); size += size / 2 + 1) {
		test_fill(buf, sizeof(buf), 7777);
		test_fill(copy, size, 0);
		assert_result(aion_write(fds[1], copy, size), (int64_t)size);
		assert_result(aion_read(fds[0], buf, sizeof(buf)), (int64_t)size);
		cr_assert(test_is_filled(buf, size, 0));
		cr_assert(test_is_filled(buf + size, sizeof(buf) - size, 7777 + size));
	}
	pipe_close(fds);
}

/* A vector, which no sanitizer closes. */
SIM_TEST(sim_memory, a_lent_buffer_holds_rubbish)
{
	char buf[200], copy[200];
	struct iovec iov = {buf, sizeof(buf)};
	struct aion_op op = {0};
	size_t same_nr = 0;
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	memset(buf, 'x', sizeof(buf));
	aion_op_readv(&op, fds[0], &iov, 1);
	assert_result(aion_nop(), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		same_nr += buf[i] == 'x';
	cr_assert_lt(same_nr, 20);
	memcpy(copy, buf, sizeof(buf));
	same_nr = 0;
	for (int i = 0; i < 100; i++)
		assert_result(aion_nop(), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		same_nr += buf[i] == copy[i];
	cr_assert_lt(same_nr, 20); /* other rubbish after a while */
	aion_op_reap(&op);
	for (size_t i = 0; i < sizeof(buf); i++)
		cr_assert_eq(buf[i], 'x');
	pipe_close(fds);
}

SIM_TEST(sim_memory, what_fails_leaves_the_buffer)
{
	char buf[100];
	struct aion_op op = {0};
	int64_t fd;

	assert_result(aion_sim_file_write(sim, "/f", "content", 7), 0);
	fd = aion_openat(AT_FDCWD, "/f", O_RDONLY, 0);
	test_fill(buf, sizeof(buf), 5);
	aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, ALWAYS);
	aion_op_pread(&op, (int)fd, buf, sizeof(buf), 0);
	assert_result(aion_await(&op.future), -EIO);
	cr_assert(test_is_filled(buf, sizeof(buf), 5));
	aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, 0);
	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	assert_result(aion_try_pread((int)fd, buf, sizeof(buf), 0), -EAGAIN);
	cr_assert(test_is_filled(buf, sizeof(buf), 5));
	assert_result(aion_close((int)fd), 0);
}

SIM_TEST(sim_memory, large_buffers_arrive_whole, .pipe_size = 2 * BIG)
{
	char *from = malloc(BIG), *to = malloc(BIG);
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	test_fill(from, BIG, 0);
	assert_result(aion_write_all(fds[1], from, BIG, NULL), 0);
	assert_result(aion_read_exact(fds[0], to, BIG, NULL), 0);
	cr_assert(test_is_filled(to, BIG, 0));
	test_fill(to, BIG, 3);
	assert_result(aion_write_all(fds[1], from, 5000, NULL), 0);
	assert_result(aion_read(fds[0], to, BIG), 5000);
	cr_assert(test_is_filled(to, 5000, 0));
	cr_assert(test_is_filled(to + 5000, BIG - 5000, 5003));
	pipe_close(fds);
	free(from);
	free(to);
}

/* The kernel has taken its own copy of the array by the time of its first enter. */
SIM_TEST(sim_memory, vectors_go_in_pieces_and_their_array_is_free)
{
	char buf[300], data[150];
	struct iovec iov[5] = {{buf, 1}, {buf + 10, 0}, {NULL, 0}, {buf + 20, 99}, {buf + 200, 100}};
	struct aion_op op = {0};
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	memset(buf, 'x', sizeof(buf));
	test_fill(data, sizeof(data), 0);
	aion_op_readv(&op, fds[0], iov, 5);
	assert_result(aion_nop(), 0);
	memset(iov, 0xff, sizeof(iov));
	assert_result(aion_write(fds[1], data, sizeof(data)), sizeof(data));
	assert_result(aion_await(&op.future), sizeof(data));
	cr_assert(test_is_filled(buf, 1, 0));
	cr_assert(test_is_filled(buf + 20, 99, 1));
	cr_assert(test_is_filled(buf + 200, 50, 100));
	for (size_t i = 0; i < sizeof(buf); i++)
		cr_assert(i < 1 || (i >= 20 && i < 119) || (i >= 200 && i < 250) || buf[i] == 'x', "%zu", i);
	pipe_close(fds);
}

SIM_TEST(sim_memory, read_only_memory_is_written_out_by_many)
{
	static const char data[] = "the same for all of them";
	struct aion_op ops[20] = {0};
	char buf[sizeof(data)];
	int fds[2];

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	for (int i = 0; i < 20; i++)
		aion_op_write(&ops[i], fds[1], data, sizeof(data));
	for (int i = 0; i < 20; i++)
		assert_result(aion_await(&ops[i].future), sizeof(data));
	for (int i = 0; i < 20; i++) {
		assert_result(aion_read_exact(fds[0], buf, sizeof(buf), NULL), 0);
		cr_assert_str_eq(buf, data);
	}
	pipe_close(fds);
}

/* ---- where there is no memory */

SIM_TEST(sim_memory, wrong_addresses_are_efault)
{
	char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec closed = {map + 8192, 10}, open = {map, 10}, huge = {map, SIZE_MAX}, beyond = {(void *)-4096, 10};
	struct msghdr long_message = {.msg_iov = &open, .msg_iovlen = 1025};
	struct aion_op op = {0};
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0644);
	int fds[2];

	cr_assert(map != MAP_FAILED);
	cr_assert_eq(mprotect(map + 4096, 4096, PROT_READ), 0);
	cr_assert_eq(mprotect(map + 8192, 4096, PROT_NONE), 0);
	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	for (int i = 0; i < 2; i++) { /* the second time the good ones are known */
		assert_result(aion_read(fds[0], (void *)8, 1), -EFAULT);
		assert_result(aion_write(fds[1], (void *)8, 1), -EFAULT);
		assert_result(aion_readv(fds[0], &beyond, 1), -EFAULT);
		assert_result(aion_read(fds[0], map + 4096, 1), -EFAULT);
		assert_result(aion_read(fds[0], map + 4095, 2), -EFAULT);
		assert_result(aion_write(fds[1], map + 8192, 1), -EFAULT);
		assert_result(aion_write(fds[1], map, 8193), -EFAULT);
		assert_result(aion_pread((int)fd, (void *)8, 1, 0), -EFAULT);
		assert_result(aion_readv(fds[0], (void *)8, 1), -EFAULT);
		assert_result(aion_readv(fds[0], &closed, 1), -EFAULT);
		assert_result(aion_readv(fds[0], &huge, 1), -EINVAL);
		assert_result(aion_readv(fds[0], &open, 1025), -EINVAL);
		assert_result(aion_statx(AT_FDCWD, "/f", 0, STATX_SIZE, (void *)8), -EFAULT);
		assert_result(aion_fsetxattr((int)fd, "user.a", (void *)8, 1, 0), -EFAULT);
		io_uring_prep_recvmsg(aion_op_sqe(&op), fds[0], (void *)8, 0);
		assert_result(aion_await(&op.future), -EFAULT);
		io_uring_prep_recvmsg(aion_op_sqe(&op), fds[0], &long_message, 0);
		assert_result(aion_await(&op.future), -EMSGSIZE);
		assert_result(aion_write(fds[1], map + 4096, 4096), 4096);
		assert_result(aion_read(fds[0], map, 4096), 4096);
		assert_result(aion_write(fds[1], (void *)8, 0), 0);
	}
	pipe_close(fds);
	assert_result(aion_close((int)fd), 0);
	cr_assert_eq(munmap(map, 3 * 4096), 0);
}

static int64_t read_into_guard(void *sim)
{
	char *below = (char *)__builtin_frame_address(0) - (80 << 10);
	int64_t result, fds_nr;
	int fds[2];

	fds_nr = aion_sim_pipe(sim, fds, 0);
	if (fds_nr < 0)
		return fds_nr;
	aion_write(fds[1], "hello", 5);
	result = aion_read(fds[0], below, 5);
	pipe_close(fds);
	return result;
}

SIM_TEST(sim_memory, a_stacks_guard_is_efault)
{
	const struct aion_spawn_options options = {.stack_size = 64 << 10};
	struct aion_group group;

	aion_group_enter(&group);
	assert_result(aion_spawn_with(&group, &options, read_into_guard, sim), 0);
	assert_result(aion_group_leave(&group, 0), -EFAULT);
}

/* ---- deliberately wrong programs; static: they leave operations in flight */

static struct aion_op first, second;
static struct iovec vector, other_vector;
static char buffer[BIG];
static aion_fn *wrong_fn;
static uint64_t wrong_seed = 11;
static int wrong_fds[2];

static void wrong_run(void)
{
	static struct aion_sim *sim;

	sim = test_sim_make(&(struct aion_sim_options){.seed = wrong_seed, .pipe_size = PIPE_SIZE});
	aion_sim_knob_set(sim, AION_SIM_INLINE, 0);
	aion_sim_file_write(sim, "/f", "content", 7);
	aion_sim_pipe(sim, wrong_fds, 0);
	test_sim_run(sim, wrong_fn, sim);
}

static void assert_found(aion_fn *fn, const char *line)
{
	wrong_fn = fn;
	test_aborts(wrong_run, line);
}

/* Let the machine look at everything. */
static int64_t go_on(void)
{
	int64_t result = 0;

	for (int i = 0; i < 1000 && result == 0; i++)
		result = aion_nop();
	return result;
}

/* Until the entry is with the machine. */
static void start_readv(struct aion_op *op, struct iovec *iov, void *memory, size_t size)
{
	*iov = (struct iovec){memory, size};
	aion_op_readv(op, wrong_fds[0], iov, 1);
	aion_nop();
}

static int64_t write_into_lent(void *unused)
{
	start_readv(&first, &vector, buffer, 100);
	buffer[42] ^= 1;
	return go_on();
}

Test(sim_memory, a_buffer_that_is_written_meanwhile_is_found)
{
	assert_found(write_into_lent, "written while the kernel had it to fill: byte 42 of 100");
	assert_found(write_into_lent, "operation 1 (readv on descriptor 4096): the ");
	assert_found(write_into_lent, "replay: AION_SIM_SEED=11 AION_SIM_PROFILE=calm ");
}

static int64_t write_into_reused(void *unused)
{
	struct iovec iov = {buffer, 100};

	aion_write(wrong_fds[1], "x", 1);
	aion_readv(wrong_fds[0], &iov, 1);
	start_readv(&first, &vector, buffer, 100);
	buffer[42] ^= 1;
	return go_on();
}

/* Who had the buffer before has nothing to do with it. */
Test(sim_memory, a_buffer_may_be_lent_again)
{
	assert_found(write_into_reused, "written while the kernel had it to fill: byte 42 of 100");
}

static int64_t write_just_before_the_end(void *unused)
{
	start_readv(&first, &vector, buffer, 100);
	buffer[42] ^= 1;
	aion_write(wrong_fds[1], "x", 1);
	return aion_await(&first.future);
}

/* Looks are drawn; the last one is certain. */
Test(sim_memory, the_last_look_is_at_the_completion)
{
	for (wrong_seed = 1; wrong_seed <= 8; wrong_seed++)
		assert_found(write_just_before_the_end, "byte 42 of 100");
}

static int64_t write_into_end_of_big(void *unused)
{
	start_readv(&first, &vector, buffer, BIG);
	buffer[BIG - 1] ^= 1;
	return go_on();
}

Test(sim_memory, a_large_buffer_is_watched_at_its_ends)
{
	assert_found(write_into_end_of_big, "byte 1048575 of 1048576");
}

/* It waits, for the pipe is full. */
static void start_write(size_t size)
{
	aion_write(wrong_fds[1], buffer, PIPE_SIZE);
	aion_op_write(&first, wrong_fds[1], buffer, size);
	aion_nop();
}

static int64_t change_data(void *unused)
{
	start_write(5000);
	buffer[4999] ^= 1;
	return go_on();
}

Test(sim_memory, data_that_changes_meanwhile_is_found)
{
	assert_found(change_data, "the data changed while the kernel was writing it: byte 4999 of 5000");
	assert_found(change_data, "(write on descriptor 4097)");
}

static int64_t free_lent(void *size)
{
	void *memory = malloc((size_t)(intptr_t)size);

	start_readv(&first, &vector, memory, (size_t)(intptr_t)size);
	free(memory);
	memory = malloc((size_t)(intptr_t)size);
	memset(memory, 0, (size_t)(intptr_t)size);
	go_on();
	free(memory);
	return 0;
}

static int64_t free_small(void *unused)
{
	return free_lent(test_number(100));
}

/* As free(3) does with large memory. */
static int64_t unmap_large(void *unused)
{
	void *memory = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	start_readv(&first, &vector, memory, BIG);
	munmap(memory, BIG);
	return go_on();
}

Test(sim_memory, a_buffer_that_is_freed_meanwhile_is_found)
{
#ifdef AION_VALGRIND
	cr_skip_test("valgrind keeps freed memory as it is");
#endif
	assert_found(free_small, "while the kernel had it");
	assert_found(free_small, "operation 1 (readv on descriptor 4096): the ");
}

Test(sim_memory, memory_that_is_unmapped_meanwhile_is_found)
{
	assert_found(unmap_large,
		     "operation 1 (readv on descriptor 4096): the memory was unmapped while the kernel had it");
}

static __attribute__((noinline)) void read_into_own_frame(void)
{
	char frame[100];

	start_readv(&first, &vector, frame, sizeof(frame));
}

static __attribute__((noinline)) int use_stack(void)
{
	volatile char frame[4096];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (char)i;
	return frame[17];
}

static int64_t leave_frame(void *unused)
{
	read_into_own_frame();
	use_stack();
	return go_on();
}

Test(sim_memory, a_frame_that_is_left_meanwhile_is_found)
{
	assert_found(leave_frame, "while the kernel had it");
	assert_found(leave_frame, "operation 1 (readv on descriptor 4096): the ");
}

static int64_t lend_twice(void *unused)
{
	start_readv(&first, &vector, buffer, 100);
	start_readv(&second, &other_vector, buffer + 50, 100);
	return go_on();
}

static int64_t lend_out_and_in(void *unused)
{
	start_write(5000);
	start_readv(&second, &other_vector, buffer + 4900, 50);
	return go_on();
}

static int64_t lend_to_one_that_ends(void *unused)
{
	struct iovec iov = {buffer + 90, 20};
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_RDONLY, 0);

	start_readv(&first, &vector, buffer, 100);
	aion_op_preadv(&second, (int)fd, &iov, 1, 0);
	aion_await(&second.future);
	return go_on();
}

Test(sim_memory, buffers_that_overlap_are_found)
{
	assert_found(lend_twice, "the buffers of operations 1 and 3 overlap at byte 50 of 100");
	assert_found(lend_out_and_in, "the buffers of operations 2 and 4 overlap at byte 4900 of 5000");
	assert_found(lend_to_one_that_ends, "the buffers of operations 1 and 3 overlap at byte 90 of 100");
}

static int64_t change_attributes(void *unused)
{
	aion_op_statx(&first, AT_FDCWD, "/f", 0, STATX_SIZE, (struct statx *)buffer);
	aion_yield();
	buffer[255] ^= 1;
	return go_on();
}

static int64_t change_value(void *unused)
{
	aion_op_getxattr(&first, "/f", "user.a", buffer, 77);
	aion_yield();
	buffer[76] ^= 1;
	return go_on();
}

static int64_t change_set_value(void *unused)
{
	aion_op_setxattr(&first, "/f", "user.a", buffer, 77, 0);
	aion_yield();
	buffer[76] ^= 1;
	return go_on();
}

static int64_t change_message(void *sim)
{
	static struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
	int fds[2];

	aion_sim_socketpair(sim, AF_UNIX, SOCK_STREAM, fds);
	vector = (struct iovec){buffer, 88};
	io_uring_prep_recvmsg(aion_op_sqe(&first), fds[0], &message, 0);
	aion_nop();
	buffer[87] ^= 1;
	return go_on();
}

static int64_t change_out_vector(void *unused)
{
	start_write(1);
	vector = (struct iovec){buffer + 1, 4500};
	aion_op_writev(&second, wrong_fds[1], &vector, 1);
	aion_nop();
	buffer[4401] ^= 1;
	return go_on();
}

/* What it was, and where. */
static void assert_found_in(aion_fn *fn, const char *operation, const char *place)
{
	assert_found(fn, operation);
	assert_found(fn, place);
}

Test(sim_memory, each_kind_of_memory_is_watched)
{
	assert_found_in(change_attributes, "operation 1 (statx ", "byte 255 of 256");
	assert_found_in(change_value, "operation 1 (getxattr ", "byte 76 of 77");
	assert_found_in(change_set_value, "operation 1 (setxattr ", "byte 76 of 77");
	assert_found_in(change_message, "operation 1 (recvmsg ", "byte 87 of 88");
	assert_found_in(change_out_vector, "operation 4 (writev ", "byte 4400 of 4500");
}
