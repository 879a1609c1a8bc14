/* SPDX-License-Identifier: MIT */
/* Buffers that the kernel picks when data comes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer_int.h"
#include "test_ring.h"

#define GROUP 3

static struct aion__ring ring;
static struct aion__buffer_ring buffers;
static int ends[2];

static void setup(void)
{
	test_ring_open(&ring, 1);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void teardown(void)
{
	aion__buffer_ring_close(&buffers);
	aion__ring_fini(&ring);
	close(ends[0]);
	close(ends[1]);
}

TestSuite(buffer_ring, .init = setup, .fini = teardown);

static struct test_cqe receive(void)
{
	struct io_uring_sqe sqe = {0};

	io_uring_prep_recv(&sqe, ends[0], NULL, 0, 0);
	sqe.flags = IOSQE_BUFFER_SELECT;
	sqe.buf_group = GROUP;
	return test_ring_do(&ring, &sqe);
}

static char *receive_text(const char *text)
{
	struct test_cqe cqe;
	char *buffer;
	size_t size = strlen(text);

	cr_assert_eq(write(ends[1], text, size), (ssize_t)size);
	cqe = receive();
	cr_assert_eq(cqe.res, (int)size);
	buffer = aion__buffer_ring_take(&buffers, cqe.res, cqe.flags);
	cr_assert_not_null(buffer);
	cr_assert_eq(memcmp(buffer, text, size), 0);
	return buffer;
}

Test(buffer_ring, a_taken_buffer_is_the_programs_until_it_is_put_back)
{
	char *held[4];

	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 4, 100), 0);
	cr_assert_geq(buffers.buffer_size, 100);
	for (int i = 0; i < 4; i++) {
		cr_assert(!aion__buffer_ring_is_empty(&buffers));
		held[i] = receive_text((const char *[]){"zero", "one", "two", "three"}[i]);
	}
	cr_assert(aion__buffer_ring_is_empty(&buffers));
	cr_assert_arr_eq(held[0], "zero", 4);
	cr_assert_arr_eq(held[1], "one", 3);
	cr_assert_arr_eq(held[3], "three", 5);
	cr_assert_eq(write(ends[1], "more", 4), 4);
	cr_assert_eq(receive().res, -ENOBUFS);
	aion__buffer_ring_recycle(&buffers, held[2]);
	cr_assert_eq(receive().res, 4);
	cr_assert_arr_eq(held[0], "zero", 4);
}

Test(buffer_ring, buffers_put_back_are_shown_all_at_once)
{
	char *held[2];
	struct test_cqe cqe;

	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 2, 64), 0);
	held[0] = receive_text("a");
	held[1] = receive_text("b");
	aion__buffer_ring_add(&buffers, held[1]);
	aion__buffer_ring_add(&buffers, held[0]);
	cr_assert_eq(write(ends[1], "cd", 2), 2);
	cr_assert_eq(receive().res, -ENOBUFS, "not yet shown");
	aion__buffer_ring_advance(&buffers);
	cqe = receive();
	cr_assert_eq(cqe.res, 2);
	cr_assert_eq(aion__buffer_ring_take(&buffers, cqe.res, cqe.flags), held[1], "in the order of putting back");
}

/* The queue's 16-bit tail goes round more than once. */
Test(buffer_ring, serves_more_messages_than_its_counter_has_values)
{
	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 8, 64), 0);
	for (unsigned i = 0; i < 70000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", i);
		aion__buffer_ring_recycle(&buffers, receive_text(text));
	}
	cr_assert_eq(buffers.taken_nr, 0);
}

Test(buffer_ring, multishot_receive_goes_through_the_group)
{
	struct io_uring_sqe *sqe;
	struct test_cqe cqe;

	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 4, 64), 0);
	sqe = aion__ring_take(&ring);
	io_uring_prep_recv_multishot(sqe, ends[0], NULL, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	for (int i = 0; i < 10; i++) {
		char *buffer;

		cr_assert_eq(write(ends[1], "again", 5), 5);
		cqe = test_ring_wait(&ring);
		cr_assert_eq(cqe.res, 5);
		cr_assert(cqe.flags & IORING_CQE_F_MORE);
		buffer = aion__buffer_ring_take(&buffers, cqe.res, cqe.flags);
		cr_assert_arr_eq(buffer, "again", 5);
		aion__buffer_ring_recycle(&buffers, buffer);
	}
	shutdown(ends[1], SHUT_WR);
	cqe = test_ring_wait(&ring);
	cr_assert_eq(cqe.res, 0);
	cr_assert(!(cqe.flags & IORING_CQE_F_MORE));
	aion__buffer_ring_take(&buffers, cqe.res, cqe.flags);
}

Test(buffer_ring, a_completion_without_a_buffer_gives_none)
{
	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 2, 64), 0);
	cr_assert_null(aion__buffer_ring_take(&buffers, -ECONNRESET, 0));
	cr_assert_null(aion__buffer_ring_take(&buffers, 1, IORING_CQE_F_MORE));
	cr_assert_eq(buffers.taken_nr, 0);
}

Test(buffer_ring, sizes_are_rounded_and_checked)
{
	struct aion__buffer_ring second;

	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 0, 64), -EINVAL);
	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 4, 0), -EINVAL);
	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, AION__BUFFER_RING_MAX + 1, 64), -EINVAL);
	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 4, SIZE_MAX), -EINVAL);
	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 5, 1), 0);
	cr_assert_eq(buffers.buffer_nr, 8);
	cr_assert_eq(buffers.buffer_size % 64, 0);
	cr_assert_eq(aion__buffer_ring_open(&second, &ring, GROUP, 4, 64), -EEXIST);
	aion__buffer_ring_close(&second);
	cr_assert_eq(aion__buffer_ring_open(&second, &ring, GROUP + 1, AION__BUFFER_RING_MAX, 64), 0);
	aion__buffer_ring_close(&second);
	aion__buffer_ring_close(&buffers);
	cr_assert_eq(aion__buffer_ring_open(&buffers, &ring, GROUP, 4, 64), 0, "the group is free again");
}

Test(buffer_ring, putting_back_twice_aborts, .signal = SIGABRT)
{
	char *buffer;

	aion__buffer_ring_open(&buffers, &ring, GROUP, 4, 64);
	buffer = receive_text("x");
	aion__buffer_ring_recycle(&buffers, buffer);
	aion__buffer_ring_recycle(&buffers, buffer);
}

Test(buffer_ring, putting_back_a_foreign_address_aborts, .signal = SIGABRT)
{
	char *buffer;

	aion__buffer_ring_open(&buffers, &ring, GROUP, 4, 64);
	buffer = receive_text("x");
	aion__buffer_ring_recycle(&buffers, buffer + 1);
}
