/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_DATAGRAM_H
#define AION_TEST_DATAGRAM_H
/* Sockets for datagrams on this machine, or on the simulated one. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>

#include "test_file.h"
#include "test_task.h"

#define MS AION_MILLISECOND
#define BATCH_NR 16

/* A UDP socket on a free port of 127.0.0.1. */
static inline int test_udp(struct aion_address *ret_address)
{
	struct aion_address address;
	int64_t fd = aion_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_address_ip("127.0.0.1", 0, &address), 0);
	assert_result(aion_bind((int)fd, &address.any, address.size), 0);
	assert_result(aion_address_of((int)fd, ret_address), 0);
	return (int)fd;
}

/* Two, each connected with the other. */
static inline void test_udp_pair(int fds[2], struct aion_address addresses[2])
{
	fds[0] = test_udp(&addresses[0]);
	fds[1] = test_udp(&addresses[1]);
	assert_result(aion_connect(fds[0], &addresses[1].any, addresses[1].size), 0);
	assert_result(aion_connect(fds[1], &addresses[0].any, addresses[0].size), 0);
}

static inline void test_close_both(const int fds[2])
{
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
}

/* A datagram with a number in it, and bytes that follow from it. */
static inline void test_number_fill(char *buf, size_t size, uint32_t number)
{
	test_fill(buf, size, number);
	memcpy(buf, &number, sizeof(number));
}

static inline uint32_t test_number_of(const void *data, size_t size)
{
	uint32_t number;

	cr_assert_geq(size, sizeof(number));
	memcpy(&number, data, sizeof(number));
	cr_assert(test_is_filled((const char *)data + 4, 0, 0));
	for (size_t i = sizeof(number); i < size; i++)
		cr_assert_eq(((const char *)data)[i], test_byte(number + i), "byte %zu of %u", i, number);
	return number;
}

static inline void test_send_numbers(int fd, uint32_t first, unsigned nr, size_t size)
{
	char buf[2048];

	for (uint32_t number = first; number < first + nr; number++) {
		test_number_fill(buf, size, number);
		assert_result(test_again(aion_send(fd, buf, size, 0)), (int64_t)size);
	}
}

#endif
