/* SPDX-License-Identifier: MIT */
/* Datagrams: waiting for them, and sending many at a time. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>

#include <aion/datagram.h>
#include <aion/message.h>
#include <aion/scope.h>
#include <aion/task.h>

#include "closers_int.h"

#define BATCH_NR 32        /* sends in flight at a time; their operations stand on the task's stack */
#define SEGMENT_NR_MAX 64U /* of one send, UDP_MAX_SEGMENTS of older kernels */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

int64_t aion_datagram_next(struct aion_datagram_intake *intake, struct aion_datagram *ret_datagrams, size_t max)
{
	int64_t result = aion_checkpoint();

	while (result >= 0) {
		result = aion_datagram_try_next(intake, ret_datagrams, max);
		if (result != -EAGAIN)
			return result;
		result = aion_await(&intake->ready);
	}
	return result;
}

void aion_datagram_close(struct aion_datagram_intake *intake)
{
	bool may_be_waited_for = intake->is_open && !aion_future_is_done(&intake->ready);
	bool is_to_be_waited_for;

	aion_datagram_stop(intake);
	is_to_be_waited_for = aion_op_is_in_flight(&intake->op);
	aion_op_reap(&intake->op);
	if (may_be_waited_for && !is_to_be_waited_for && aion_task_current())
		aion__waiter_leave();
}

/* ---- sending */

struct send {
	struct aion_op op;
	struct msghdr message;
	struct iovec iov;
	char control[CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(__alignof__(struct cmsghdr))));
};

/* Tell the kernel to cut it into datagrams. */
static int send_set_segment(struct send *send, const struct aion_datagram *datagram)
{
	uint16_t segment_size = (uint16_t)datagram->segment_size;
	struct cmsghdr *part = (struct cmsghdr *)send->control;

	if (datagram->control_size || datagram->segment_size > UINT16_MAX ||
	    datagram->size > (size_t)SEGMENT_NR_MAX * datagram->segment_size)
		return -EINVAL;
	memset(send->control, 0, sizeof(send->control));
	part->cmsg_level = IPPROTO_UDP;
	part->cmsg_type = UDP_SEGMENT;
	part->cmsg_len = CMSG_LEN(sizeof(segment_size));
	memcpy(CMSG_DATA(part), &segment_size, sizeof(segment_size));
	send->message.msg_control = send->control;
	send->message.msg_controllen = sizeof(send->control);
	return 0;
}

/* What is wrong with it already is its result, and its operation stays idle. */
static void send_start(struct send *send, int fd, struct aion_datagram *datagram)
{
	int result = 0;

	aion_op_init(&send->op);
	send->iov = (struct iovec){.iov_base = datagram->data, .iov_len = datagram->size};
	send->message = (struct msghdr){
		.msg_name = (void *)(uintptr_t)datagram->address,
		.msg_namelen = datagram->address ? datagram->address_size : 0,
		.msg_iov = &send->iov,
		.msg_iovlen = 1,
		.msg_control = (void *)(uintptr_t)datagram->control,
		.msg_controllen = datagram->control_size,
	};
	if (datagram->segment_size)
		result = send_set_segment(send, datagram);
	datagram->result = result;
	if (result == 0)
		aion_op_sendmsg(&send->op, fd, &send->message, datagram->flags);
}

/* All leave together; what has begun is waited for, whatever happens. */
static void send_batch(int fd, struct aion_datagram *datagrams, size_t nr)
{
	struct send sends[BATCH_NR];

	for (size_t i = 0; i < nr; i++)
		send_start(&sends[i], fd, &datagrams[i]);
	for (size_t i = 0; i < nr; i++)
		if (datagrams[i].result == 0)
			datagrams[i].result = aion_op_wait(&sends[i].op);
}

int64_t aion_datagram_send(int fd, struct aion_datagram *datagrams, size_t nr, size_t *ret_done)
{
	int64_t result = nr ? 0 : aion_checkpoint(), first_error = 0;
	size_t done = 0, sent_nr = 0;

	while (done < nr && result == 0) {
		size_t batch_nr = nr - done < BATCH_NR ? nr - done : BATCH_NR;

		result = aion_checkpoint();
		if (result < 0)
			break;
		send_batch(fd, &datagrams[done], batch_nr);
		done += batch_nr;
	}
	for (size_t i = 0; i < nr; i++) {
		if (i >= done)
			datagrams[i].result = result;
		if (datagrams[i].result >= 0)
			sent_nr++;
		else if (first_error == 0)
			first_error = datagrams[i].result;
	}
	if (ret_done)
		*ret_done = sent_nr;
	if (first_error == -ECANCELED)
		aion_checkpoint(); /* the deadline that was it is to know */
	return first_error ? first_error : result;
}
