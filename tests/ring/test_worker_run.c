/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fault_int.h"
#include "test_ring.h"

/* A job that notes what became of it; it may wait for `gate` while it runs. */
struct note {
	struct aion__job job;
	pthread_t runner;
	sem_t *started;
	sem_t *gate;
	int64_t value;
	int run_nr;
	int done_nr;
	int done_place; /* the how-many-th to come back */
};

static int back_nr;

static int64_t note_run(struct aion__job *job)
{
	struct note *note = aion__container_of(job, struct note, job);

	note->runner = pthread_self();
	note->run_nr++;
	if (note->started)
		sem_post(note->started);
	if (note->gate)
		sem_wait(note->gate);
	return note->value;
}

static void note_done(struct aion__ring *ring, struct aion__job *job)
{
	struct note *note = aion__container_of(job, struct note, job);

	(void)ring;
	note->done_nr++;
	note->done_place = back_nr++;
}

static struct note note_make(int64_t value)
{
	return (struct note){.job = {.run = note_run, .done = note_done}, .value = value};
}

static unsigned thread_nr(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr - 2;
}

Test(worker_run, a_job_runs_on_another_thread_and_comes_back)
{
	struct aion__ring ring;
	struct note note = note_make(-EIO);

	test_ring_open(&ring, 2);
	cr_assert_eq(aion__workers_reap(&ring), 0);
	cr_assert_eq(aion__workers_submit(&ring, &note.job), 0);
	test_ring_reap_jobs(&ring, 1);
	cr_assert_eq(note.run_nr, 1);
	cr_assert_eq(note.done_nr, 1);
	cr_assert_eq(note.job.result, -EIO);
	cr_assert_eq(note.job.state, AION__JOB_DONE);
	cr_assert(!pthread_equal(note.runner, pthread_self()));
	cr_assert_eq(ring.stats.worker_nr, 1);
	aion__ring_fini(&ring);
}

/* The loop's own way of being woken: its read of the eventfd completes. */
Test(worker_run, a_finished_job_wakes_the_ring)
{
	struct aion__ring ring;
	struct note note = note_make(7);
	struct test_cqe cqe;

	test_ring_open(&ring, 2);
	aion__ring_arm_wake(&ring);
	cr_assert_eq(aion__workers_submit(&ring, &note.job), 0);
	cqe = test_ring_wait(&ring);
	cr_assert_eq(cqe.user_data, AION__UD_WAKE);
	cr_assert_eq(aion__workers_reap(&ring), 1);
	cr_assert_eq(note.job.result, 7);
	aion__ring_fini(&ring);
}

Test(worker_run, jobs_come_back_in_the_order_in_which_they_end)
{
	struct aion__ring ring;
	struct note notes[3];
	sem_t gates[3];

	test_ring_open(&ring, 3);
	for (int i = 0; i < 3; i++) {
		notes[i] = note_make(i);
		sem_init(&gates[i], 0, 0);
		notes[i].gate = &gates[i];
		cr_assert_eq(aion__workers_submit(&ring, &notes[i].job), 0);
	}
	for (int i = 2; i >= 0; i--) {
		sem_post(&gates[i]);
		test_ring_reap_jobs(&ring, 1);
		cr_assert_eq(notes[i].done_place, 2 - i);
	}
	aion__ring_fini(&ring);
}

Test(worker_run, there_are_never_more_threads_than_allowed)
{
	enum { NR = 50, MAX = 3 };
	struct aion__ring ring;
	struct note notes[NR];
	unsigned before;
	sem_t gate;

	sem_init(&gate, 0, 0);
	test_ring_open(&ring, MAX);
	before = thread_nr();
	for (int i = 0; i < NR; i++) {
		notes[i] = note_make(0);
		notes[i].gate = &gate;
		cr_assert_eq(aion__workers_submit(&ring, &notes[i].job), 0);
	}
	cr_assert_eq(thread_nr() - before, MAX);
	for (int i = 0; i < NR; i++)
		sem_post(&gate);
	test_ring_reap_jobs(&ring, NR);
	for (int i = 0; i < NR; i++)
		cr_assert_eq(notes[i].run_nr, 1);
	cr_assert_eq(ring.stats.worker_nr, NR);
	aion__ring_fini(&ring);
	cr_assert_eq(thread_nr(), before);
}

Test(worker_run, idle_threads_end_and_new_ones_take_their_place)
{
	struct aion__ring ring;
	struct note note = note_make(0);
	int64_t deadline_ns = aion__clock_ns() + TEST_RING_WAIT_NS;
	unsigned before;

	test_ring_open(&ring, 2);
	before = thread_nr();
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(aion__workers_submit(&ring, &note.job), 0);
		test_ring_reap_jobs(&ring, 1);
		while (thread_nr() > before && aion__clock_ns() < deadline_ns)
			usleep(50000);
		cr_assert_eq(thread_nr(), before);
	}
	cr_assert_eq(note.run_nr, 2);
	aion__ring_fini(&ring);
}

struct look {
	struct aion__job job;
	sigset_t blocked;
	char name[16];
};

static int64_t look_run(struct aion__job *job)
{
	struct look *look = aion__container_of(job, struct look, job);

	pthread_sigmask(SIG_SETMASK, NULL, &look->blocked);
	return pthread_getname_np(pthread_self(), look->name, sizeof(look->name));
}

static void look_done(struct aion__ring *ring, struct aion__job *job)
{
	(void)ring, (void)job;
}

Test(worker_run, threads_block_signals_and_carry_a_name)
{
	struct aion__ring ring;
	struct look look = {.job = {.run = look_run, .done = look_done}};
	sigset_t mine;

	test_ring_open(&ring, 1);
	cr_assert_eq(aion__workers_submit(&ring, &look.job), 0);
	test_ring_reap_jobs(&ring, 1);
	cr_assert_str_eq(look.name, "aion-worker");
	cr_assert(sigismember(&look.blocked, SIGTERM));
	cr_assert(sigismember(&look.blocked, SIGUSR1));
	cr_assert(sigismember(&look.blocked, SIGPIPE));
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	cr_assert(!sigismember(&mine, SIGUSR1), "the submitter's own mask is as it was");
	aion__ring_fini(&ring);
}

Test(worker_run, fini_waits_for_a_running_job_and_hands_it_back)
{
	struct aion__ring ring;
	struct note note = note_make(5);
	sem_t started;

	sem_init(&started, 0, 0);
	test_ring_open(&ring, 1);
	note.started = &started;
	cr_assert_eq(aion__workers_submit(&ring, &note.job), 0);
	sem_wait(&started);
	aion__workers_fini(&ring);
	cr_assert_eq(note.done_nr, 1);
	cr_assert_null(ring.workers);
	cr_assert_eq(aion__workers_submit(&ring, &note.job), 0, "a new set starts");
	test_ring_reap_jobs(&ring, 1);
	aion__ring_fini(&ring);
}

/* Misuse: the queued job's memory would be forgotten. */
Test(worker_run, fini_with_a_queued_job_aborts, .signal = SIGABRT)
{
	struct aion__ring ring;
	struct note notes[2] = {note_make(0), note_make(0)};
	sem_t gate;

	sem_init(&gate, 0, 0);
	test_ring_open(&ring, 1);
	notes[0].gate = &gate;
	aion__workers_submit(&ring, &notes[0].job);
	aion__workers_submit(&ring, &notes[1].job);
	aion__workers_fini(&ring);
}

#ifdef AION_FAULTS
Test(worker_run, without_memory_or_threads_submit_says_so)
{
	struct aion__ring ring;
	struct note note = note_make(3);

	test_ring_open(&ring, 2);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion__workers_submit(&ring, &note.job), -ENOMEM);
	aion__fault_arm(AION__FAULT_THREAD_CREATE, 0, 1, -EAGAIN);
	cr_assert_eq(aion__workers_submit(&ring, &note.job), -EAGAIN);
	cr_assert_eq(note.run_nr, 0);
	cr_assert_eq(aion__workers_submit(&ring, &note.job), 0);
	test_ring_reap_jobs(&ring, 1);
	cr_assert_eq(note.run_nr, 1);
	aion__ring_fini(&ring);
}

Test(worker_run, one_thread_serves_all_where_no_more_can_start)
{
	struct aion__ring ring;
	struct note notes[4];
	sem_t gate;

	sem_init(&gate, 0, 0);
	test_ring_open(&ring, 4);
	for (int i = 0; i < 4; i++) {
		notes[i] = note_make(i);
		notes[i].gate = &gate;
		if (i == 1)
			aion__fault_arm(AION__FAULT_THREAD_CREATE, 0, 1000, -EAGAIN);
		cr_assert_eq(aion__workers_submit(&ring, &notes[i].job), 0);
	}
	cr_assert_gt(aion__fault_passed(AION__FAULT_THREAD_CREATE), 0);
	for (int i = 0; i < 4; i++)
		sem_post(&gate);
	test_ring_reap_jobs(&ring, 4);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(notes[i].done_place, i);
	aion__ring_fini(&ring);
}
#endif
