/* SPDX-License-Identifier: MIT */
/* Descriptors that travel. They are of the loop's machine, as the sockets are. */
#include "test_net.h"

static bool is_open(int fd)
{
	struct aion_address name;

	return aion_address_of(fd, &name) == 0;
}

/* Pairs to be passed on: an end of each. */
struct parcel {
	int own[8];
	int other[8];
	unsigned nr;
};

static void parcel_make(struct parcel *parcel, unsigned nr)
{
	parcel->nr = nr;
	for (unsigned i = 0; i < nr; i++) {
		int fds[2];

		test_unix_pair(SOCK_STREAM, fds);
		parcel->own[i] = fds[0];
		parcel->other[i] = fds[1];
	}
}

/* What we passed on is the other side's alone from now on. */
static void parcel_let_go(struct parcel *parcel)
{
	for (unsigned i = 0; i < parcel->nr; i++)
		assert_result(aion_close(parcel->other[i]), 0);
}

/* The other ends of all of them are closed. */
static void assert_is_closed(const struct parcel *parcel, unsigned first)
{
	char c;

	for (unsigned i = first; i < parcel->nr; i++)
		assert_result(aion_recv(parcel->own[i], &c, 1, 0), 0);
}

static void parcel_end(struct parcel *parcel)
{
	for (unsigned i = 0; i < parcel->nr; i++)
		assert_result(aion_close(parcel->own[i]), 0);
}

TASK_TEST(message_fds, arrive_and_work)
{
	const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	struct parcel parcel;
	int fds[2], came[8];
	unsigned nr = 77;
	char buf[10];

	for (int t = 0; t < 3; t++) {
		test_unix_pair(types[t], fds);
		parcel_make(&parcel, 3);
		assert_result(aion_send_fds(fds[0], parcel.other, 3, "tag", 3), 3);
		parcel_let_go(&parcel);
		assert_result(aion_recv_fds(fds[1], buf, sizeof(buf), came, 8, &nr), 3);
		cr_assert_eq(nr, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_result(aion_send_all(came[i], &buf[i], 1, 0, NULL), 0);
			assert_result(aion_recv(parcel.own[i], &buf[5], 1, 0), 1);
			cr_assert_eq(buf[5], "tag"[i]);
			assert_result(aion_close(came[i]), 0);
		}
		assert_is_closed(&parcel, 0);
		parcel_end(&parcel);
		test_close_pair(fds);
	}
}

TASK_TEST(message_fds, those_without_room_are_closed)
{
	struct parcel parcel;
	int fds[2], came[8];
	unsigned nr;
	char buf[10];

	/* Room for an odd number is where the kernel has room for one more. */
	for (unsigned room = 0; room < 4; room++) {
		test_unix_pair(SOCK_STREAM, fds);
		parcel_make(&parcel, 4);
		assert_result(aion_send_fds(fds[0], parcel.other, 4, "x", 1), 1);
		parcel_let_go(&parcel);
		assert_result(aion_recv_fds(fds[1], buf, sizeof(buf), came, room, &nr), 1);
		cr_assert_eq(nr, 4);
		assert_is_closed(&parcel, room);
		for (unsigned i = 0; i < room; i++)
			assert_result(aion_close(came[i]), 0);
		parcel_end(&parcel);
		test_close_pair(fds);
	}
}

TASK_TEST(message_fds, none_came_with_plain_bytes_or_the_end)
{
	int fds[2], came[2];
	unsigned nr = 77;
	char buf[10];

	test_unix_pair(SOCK_STREAM, fds);
	assert_result(aion_send_fds(fds[0], NULL, 0, "x", 1), 1);
	assert_result(aion_recv_fds(fds[1], buf, sizeof(buf), came, 2, &nr), 1);
	cr_assert_eq(nr, 0);
	assert_result(aion_close(fds[0]), 0);
	nr = 77;
	assert_result(aion_recv_fds(fds[1], buf, sizeof(buf), came, 2, &nr), 0);
	cr_assert_eq(nr, 0);
	assert_result(aion_close(fds[1]), 0);
	nr = 77;
	assert_result(aion_recv_fds(fds[1], buf, sizeof(buf), came, 2, &nr), -EBADF);
	cr_assert_eq(nr, 0);
}

TASK_TEST(message_fds, what_cannot_be_passed_is_refused)
{
	int fds[2], many[300], wrong = 3000000;

	test_unix_pair(SOCK_STREAM, fds);
	for (int i = 0; i < 300; i++)
		many[i] = fds[0];
	assert_result(aion_send_fds(fds[0], many, 254, "x", 1), -EINVAL);
	assert_result(aion_send_fds(fds[0], many, 1, "", 0), -EINVAL);
	assert_result(aion_send_fds(fds[0], &wrong, 1, "x", 1), -EBADF);
	assert_result(aion_send_fds(fds[0], many, 253, "x", 1), 1);
	test_close_pair(fds);
}

struct letter {
	struct msghdr message;
	struct iovec iov;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
	char buf[10];
};

static struct msghdr *letter_room(struct letter *letter)
{
	letter->iov = (struct iovec){letter->buf, sizeof(letter->buf)};
	letter->message = (struct msghdr){.msg_iov = &letter->iov,
					  .msg_iovlen = 1,
					  .msg_control = letter->control,
					  .msg_controllen = sizeof(letter->control)};
	return &letter->message;
}

TASK_TEST(message_fds, those_that_nobody_receives_are_closed)
{
	struct letter letter;
	struct parcel parcel;
	struct aion_op op = {0};
	int fds[2];

	test_unix_pair(SOCK_STREAM, fds);
	parcel_make(&parcel, 2);
	aion_op_recvmsg(&op, fds[1], letter_room(&letter), MSG_CMSG_CLOEXEC);
	assert_result(aion_send_fds(fds[0], parcel.other, 2, "x", 1), 1);
	parcel_let_go(&parcel);
	while (aion_op_is_in_flight(&op))
		aion_sleep(AION_MILLISECOND);
	aion_op_reap(&op);
	assert_is_closed(&parcel, 0);
	parcel_end(&parcel);
	test_close_pair(fds);
}

TASK_TEST(message_fds, those_that_were_received_stay)
{
	struct letter letter;
	struct parcel parcel;
	struct aion_op op = {0};
	int fds[2], came[2];

	test_unix_pair(SOCK_STREAM, fds);
	parcel_make(&parcel, 2);
	assert_result(aion_send_fds(fds[0], parcel.other, 2, "x", 1), 1);
	aion_op_recvmsg(&op, fds[1], letter_room(&letter), MSG_CMSG_CLOEXEC);
	assert_result(aion_await(&op.future), 1);
	memcpy(came, CMSG_DATA(CMSG_FIRSTHDR(&letter.message)), sizeof(came));
	aion_op_reap(&op);
	cr_assert(is_open(came[0]) && is_open(came[1]));
	parcel_let_go(&parcel);
	assert_result(aion_close(came[0]), 0);
	assert_result(aion_close(came[1]), 0);
	parcel_end(&parcel);
	test_close_pair(fds);
}

TASK_TEST(message_fds, a_cancelled_receiver_leaves_them_where_they_are)
{
	struct aion_scope scope;
	struct parcel parcel;
	int fds[2], came[2];
	unsigned nr;
	char c;

	test_unix_pair(SOCK_STREAM, fds);
	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	assert_result(aion_recv_fds(fds[1], &c, 1, came, 2, &nr), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	parcel_make(&parcel, 1);
	assert_result(aion_send_fds(fds[0], parcel.other, 1, "x", 1), 1);
	parcel_let_go(&parcel);
	test_enter_cancelled(&scope);
	assert_result(aion_recv_fds(fds[1], &c, 1, came, 2, &nr), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_recv_fds(fds[1], &c, 1, came, 2, &nr), 1);
	cr_assert_eq(nr, 1);
	assert_result(aion_close(came[0]), 0);
	assert_is_closed(&parcel, 0);
	parcel_end(&parcel);
	test_close_pair(fds);
}
