/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_WORKER_H
#define AION_TEST_WORKER_H

/*
 * In a task, after a close, where the case looks at what only the last one who holds a file makes happen: a refused
 * connection, the end of a pipe. What one of the kernel's own workers did to a file (bind and connect of unix names,
 * shutdown, opening and reading named pipes) it did through a reference, which is dropped a moment after it has said
 * that it is done.
 */
void test_await_kernel_workers(void);

#endif
