/* SPDX-License-Identifier: MIT */
/* Cancels where the other side has no room: what waits for it ends at any time. */
#include <stdio.h>
#include <unistd.h>

#include "test_net.h"

#define CLIENT_NR 8

static struct aion_address own_address(const char *what)
{
	struct aion_address address;
	char name[64];

	snprintf(name, sizeof(name), "aion-%s-%d", what, (int)getpid());
	cr_assert_eq(aion_address_abstract(name, strlen(name), &address), 0);
	return address;
}

static int own_socket(const struct aion_address *address, int type)
{
	int64_t fd = aion_socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_bind((int)fd, &address->any, address->size), 0);
	return (int)fd;
}

/* Cancelled so many turns of the loop after the start. Where the ring is asked may matter. */
static void give_up_after(int turn_nr, struct aion_op *ops, size_t nr)
{
	for (int i = 0; i < turn_nr; i++)
		aion_yield();
	aion_op_reap_all(ops, nr);
}

TASK_TEST(socket_cancel, a_connect_to_a_full_listener)
{
	struct aion_address address = own_address("full");
	int listener = own_socket(&address, SOCK_STREAM);

	assert_result(aion_listen(listener, 1), 0);
	for (int turn_nr = 0; turn_nr < 6; turn_nr++) {
		struct aion_op ops[CLIENT_NR] = {0};
		int fds[CLIENT_NR], cut_nr = 0;

		for (int i = 0; i < CLIENT_NR; i++) {
			fds[i] = (int)aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
			cr_assert_geq(fds[i], 0);
			aion_op_connect(&ops[i], fds[i], &address.any, address.size);
		}
		give_up_after(turn_nr, ops, CLIENT_NR);
		for (int i = 0; i < CLIENT_NR; i++) {
			cr_assert(ops[i].future.result == 0 || ops[i].future.result == -ECANCELED);
			cut_nr += ops[i].future.result < 0;
			assert_result(aion_close(fds[i]), 0);
		}
		cr_assert_geq(cut_nr, CLIENT_NR - 2);
	}
	assert_result(aion_close(listener), 0);
}

TASK_TEST(socket_cancel, a_datagram_to_somebody_who_does_not_read)
{
	struct aion_address address = own_address("deaf");
	int receiver = own_socket(&address, SOCK_DGRAM);
	int64_t result, sender = aion_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	TEST_NEEDS_KERNEL("on a simulated machine there may be room after all");
	cr_assert_geq(sender, 0);
	do
		result = aion_sendto((int)sender, "x", 1, MSG_DONTWAIT, &address.any, address.size);
	while (result == 1);
	assert_result(result, -EAGAIN);
	for (int turn_nr = 0; turn_nr < 6; turn_nr++) {
		const struct iovec iov = {(char *)"x", 1};
		const struct msghdr message = {.msg_name = &address,
					       .msg_namelen = address.size,
					       .msg_iov = (struct iovec *)&iov,
					       .msg_iovlen = 1};
		struct aion_op ops[2] = {0};

		aion_op_sendto(&ops[0], (int)sender, "x", 1, 0, &address.any, address.size);
		aion_op_sendmsg(&ops[1], (int)sender, &message, 0);
		give_up_after(turn_nr, ops, 2);
		assert_result(ops[0].future.result, -ECANCELED);
		assert_result(ops[1].future.result, -ECANCELED);
	}
	assert_result(aion_close((int)sender), 0);
	assert_result(aion_close(receiver), 0);
}
