/* SPDX-License-Identifier: MIT */
/* Registered descriptors and the registered arena. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "annotate_int.h"
#include "buffer_int.h"
#include "fault_int.h"
#include "test_ring.h"

static struct aion__ring ring;

static void setup(void)
{
	test_ring_open(&ring, 1);
}

static void teardown(void)
{
	aion__ring_fini(&ring);
}

TestSuite(buffer_register, .init = setup, .fini = teardown);

static int file_of(const char *text)
{
	FILE *file = tmpfile();
	int fd = dup(fileno(file));

	fclose(file);
	cr_assert_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return fd;
}

static int32_t read_slot(unsigned slot, char *bytes, unsigned size)
{
	struct io_uring_sqe sqe = {0};

	io_uring_prep_read(&sqe, (int)slot, bytes, size, 0);
	sqe.flags = IOSQE_FIXED_FILE;
	return test_ring_do(&ring, &sqe).res;
}

Test(buffer_register, a_slot_names_the_file_that_was_put_there_last)
{
	struct aion__file_table table = {0};
	char bytes[8] = {0};
	int one = file_of("one");
	int two = file_of("two");

	cr_assert_eq(aion__file_table_open(&table, &ring, 8), 0);
	cr_assert_eq(read_slot(5, bytes, 8), -EBADF);
	cr_assert_eq(aion__file_table_set(&table, 5, one), 0);
	cr_assert_eq(read_slot(5, bytes, 8), 3);
	cr_assert_str_eq(bytes, "one");
	cr_assert_eq(aion__file_table_set(&table, 5, two), 0);
	close(two); /* the table holds it open */
	cr_assert_eq(read_slot(5, bytes, 8), 3);
	cr_assert_str_eq(bytes, "two");
	cr_assert_eq(aion__file_table_set(&table, 5, -1), 0);
	cr_assert_eq(read_slot(5, bytes, 8), -EBADF);
	aion__file_table_close(&table);
	aion__file_table_close(&table);
	cr_assert_eq(aion__file_table_open(&table, &ring, 4), 0, "another one may follow");
	aion__file_table_close(&table);
	close(one);
}

Test(buffer_register, file_table_errors)
{
	struct aion__file_table table = {0};
	struct aion__file_table second = {0};

	cr_assert_eq(aion__file_table_open(&table, &ring, 0), -EINVAL);
	cr_assert_eq(aion__file_table_open(&table, &ring, 1U << 30), -EMFILE);
	cr_assert_null(table.ring);
	cr_assert_eq(aion__file_table_open(&table, &ring, 4), 0);
	cr_assert_eq(aion__file_table_open(&second, &ring, 4), -EBUSY);
	cr_assert_eq(aion__file_table_set(&table, 4, 0), -EINVAL);
	cr_assert_eq(aion__file_table_set(&table, 0, 9999), -EBADF);
	cr_assert_eq(aion__file_table_set(&table, 0, IORING_REGISTER_FILES_SKIP), -EBADF);
	aion__file_table_close(&table);
}

Test(buffer_register, fixed_reads_and_writes_pass_through_the_arena)
{
	struct aion__arena arena;
	struct io_uring_sqe sqe = {0};
	int fd = file_of("arena");
	char *from, *to;

	cr_assert_eq(aion__arena_open(&arena, &ring, 4, 5000), 0);
	cr_assert_eq(arena.buffer_size % (size_t)sysconf(_SC_PAGESIZE), 0);
	cr_assert_geq(arena.buffer_size, 5000);
	to = aion__arena_take(&arena);
	from = aion__arena_take(&arena);
	io_uring_prep_read_fixed(&sqe, fd, to, 5000, 0, AION__ARENA_INDEX);
	cr_assert_eq(test_ring_do(&ring, &sqe).res, 5);
	aion__annotate_written(to, 5);
	cr_assert_arr_eq(to, "arena", 5);
	memcpy(from, "written", 7);
	io_uring_prep_write_fixed(&sqe, fd, from, 7, 0, AION__ARENA_INDEX);
	cr_assert_eq(test_ring_do(&ring, &sqe).res, 7);
	io_uring_prep_read_fixed(&sqe, fd, to + 100, 100, 3, AION__ARENA_INDEX);
	cr_assert_eq(test_ring_do(&ring, &sqe).res, 4);
	aion__annotate_written(to + 100, 4);
	cr_assert_arr_eq(to + 100, "tten", 4);
	aion__arena_put(&arena, to);
	aion__arena_put(&arena, from);
	aion__arena_close(&arena);
	aion__arena_close(&arena);
	close(fd);
}

Test(buffer_register, arena_gives_each_buffer_once_and_the_warm_one_first)
{
	struct aion__arena arena;
	char *buffers[3];

	cr_assert_eq(aion__arena_open(&arena, &ring, 3, 1), 0);
	for (int i = 0; i < 3; i++) {
		buffers[i] = aion__arena_take(&arena);
		memset(buffers[i], i + 1, arena.buffer_size);
	}
	cr_assert_null(aion__arena_take(&arena));
	for (int i = 0; i < 3; i++)
		cr_assert(buffers[i][0] == i + 1 && buffers[i][arena.buffer_size - 1] == i + 1);
	aion__arena_put(&arena, buffers[2]);
	aion__arena_put(&arena, buffers[0]);
	cr_assert_eq(aion__arena_take(&arena), buffers[0]);
	cr_assert_eq(aion__arena_take(&arena), buffers[2]);
	aion__arena_close(&arena);
}

Test(buffer_register, arena_errors)
{
	struct aion__arena arena, second;

	cr_assert_eq(aion__arena_open(&arena, &ring, 0, 4096), -EINVAL);
	cr_assert_eq(aion__arena_open(&arena, &ring, 4, 0), -EINVAL);
	cr_assert_eq(aion__arena_open(&arena, &ring, 1 << 20, 4096), -EINVAL);
	cr_assert_eq(aion__arena_open(&arena, &ring, 1U << 19, 2000), -EINVAL, "too large once it is rounded up");
	cr_assert_eq(aion__arena_open(&arena, &ring, 2, 4096), 0);
	cr_assert_eq(aion__arena_open(&second, &ring, 2, 4096), -EBUSY);
	aion__arena_close(&second);
	aion__arena_close(&arena);
#ifdef AION_FAULTS
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion__arena_open(&arena, &ring, 2, 4096), -ENOMEM);
#endif
}

Test(buffer_register, a_foreign_address_put_into_the_arena_aborts, .signal = SIGABRT)
{
	struct aion__arena arena;
	char *buffer;

	aion__arena_open(&arena, &ring, 2, 4096);
	buffer = aion__arena_take(&arena);
	aion__arena_put(&arena, buffer + 1);
}

Test(buffer_register, putting_into_the_arena_twice_aborts, .signal = SIGABRT)
{
	struct aion__arena arena;
	char *buffer;

	aion__arena_open(&arena, &ring, 2, 4096);
	aion__arena_take(&arena);
	buffer = aion__arena_take(&arena);
	aion__arena_put(&arena, buffer);
	aion__arena_put(&arena, buffer);
}

/* A child may close what it inherited; the parent's registration stands. */
Test(buffer_register, a_forked_child_gives_back_memory_only)
{
	struct aion__file_table table = {0};
	struct aion__arena arena;
	char bytes[8] = {0};
	int fd = file_of("kept");
	int status;
	pid_t child;

	cr_assert_eq(aion__file_table_open(&table, &ring, 2), 0);
	cr_assert_eq(aion__file_table_set(&table, 1, fd), 0);
	cr_assert_eq(aion__arena_open(&arena, &ring, 2, 4096), 0);
	child = fork();
	if (!child) {
		int result = aion__file_table_set(&table, 1, -1);

		aion__file_table_close(&table);
		aion__arena_close(&arena);
		_exit(result == -ECHILD ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert_eq(read_slot(1, bytes, 8), 4);
	aion__arena_close(&arena);
	aion__file_table_close(&table);
	close(fd);
}
