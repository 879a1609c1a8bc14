/* SPDX-License-Identifier: MIT */
/*
 * The helper: a second thread, for many small files that are all in the caches. To open and read those is nothing but
 * computing in the kernel, so another core can take half of it. It is lent some names at a time and reads their files
 * one behind the other into a buffer of the loan's, as long as it can be done at once; at the first one that has to
 * wait, or is no regular file, or does not fit, it stops and leaves that and all others to the reader.
 *
 * It has a table of descriptors of its own: in one that two threads share, each read and each close is dearer.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aio_cat.h"

#define BUFS_SIZE ((size_t)HELPER_LOAN_NR * HELPER_BUF_SIZE)
#define LOOK_NR 100 /* before a thread sleeps: to be woken can take longer than a loan */

static int open_cached(const char *name, uint64_t flags)
{
	const struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_CACHED};

	return (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof(how));
}

/* As far as that is known without waiting. With O_PATH nothing is opened: that would let a FIFO's writer go on. */
static bool is_regular(const char *name)
{
	int fd = strcmp(name, "-") == 0 ? -1 : open_cached(name, O_PATH);
	struct statx info;
	bool is_one;

	if (fd < 0)
		return false;
	is_one = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &info) == 0 && S_ISREG(info.stx_mode);
	close(fd);
	return is_one;
}

/* To its end, which is a read of nothing. false: there is no room for that, or it has to wait. */
static bool read_cached(int fd, struct loan *loan)
{
	struct iovec iov;
	size_t size = loan->size;
	ssize_t n;

	do {
		iov = (struct iovec){loan->buf + size, HELPER_BUF_SIZE - size};
		n = iov.iov_len > 0 ? preadv2(fd, &iov, 1, (off_t)(size - loan->size), RWF_NOWAIT) : -1;
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (n == 0)
		loan->size = size;
	return n == 0;
}

static bool file_read(const char *name, struct loan *loan)
{
	bool is_read;
	int fd;

	if (!is_regular(name))
		return false;
	fd = open_cached(name, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return false;
	is_read = read_cached(fd, loan);
	close(fd);
	return is_read;
}

/* false: this was as far as it goes. */
static bool loan_work(struct loan *loan)
{
	while (loan->done_nr < loan->name_nr && file_read(loan->names[loan->done_nr], loan))
		loan->done_nr++;
	return loan->done_nr == loan->name_nr;
}

/* Until the counter is no longer as it was, or something else has changed. */
static void helper_wait(struct helper *helper, const atomic_size_t *counter, size_t old)
{
	for (int i = 0; i < LOOK_NR && atomic_load(counter) == old && !atomic_load(&helper->is_over); i++)
		sched_yield();
	pthread_mutex_lock(&helper->lock);
	while (atomic_load(counter) == old && !atomic_load(&helper->is_over))
		pthread_cond_wait(&helper->changed, &helper->lock);
	pthread_mutex_unlock(&helper->lock);
}

static void helper_count(struct helper *helper, atomic_size_t *counter)
{
	pthread_mutex_lock(&helper->lock);
	atomic_fetch_add(counter, 1);
	pthread_cond_signal(&helper->changed);
	pthread_mutex_unlock(&helper->lock);
}

static void *helper_run(void *arg)
{
	struct helper *helper = arg;
	size_t nr;

	if (unshare(CLONE_FILES) == 0)
		close_range(STDERR_FILENO + 1, ~0U, 0); /* those who hold the other ends shall see them closed */
	for (nr = 0; !atomic_load(&helper->is_over);) {
		if (atomic_load(&helper->given_nr) == nr) {
			helper_wait(helper, &helper->given_nr, nr);
			continue;
		}
		if (atomic_load(&helper->is_going) && !loan_work(&helper->loans[nr % HELPER_LOAN_NR]))
			atomic_store(&helper->is_going, false);
		helper_count(helper, &helper->done_nr);
		nr++;
	}
	return NULL;
}

static bool has_two_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

bool helper_start(struct helper *helper)
{
	sigset_t all, old;

	if (!has_two_cpus())
		return false;
	helper->bufs = mmap(NULL, BUFS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (helper->bufs == MAP_FAILED)
		return false;
	pthread_mutex_init(&helper->lock, NULL);
	pthread_cond_init(&helper->changed, NULL);
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	helper->is_there = pthread_create(&helper->thread, NULL, helper_run, helper) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!helper->is_there)
		munmap(helper->bufs, BUFS_SIZE);
	return helper->is_there;
}

void helper_stop(struct helper *helper)
{
	if (!helper->is_there)
		return;
	pthread_mutex_lock(&helper->lock);
	atomic_store(&helper->is_over, true);
	pthread_cond_signal(&helper->changed);
	pthread_mutex_unlock(&helper->lock);
	pthread_join(helper->thread, NULL);
	munmap(helper->bufs, BUFS_SIZE);
	helper->is_there = false;
}

bool helper_has_room(const struct helper *helper)
{
	return helper->is_there && helper->given_nr - helper->returned_nr < HELPER_LOAN_NR;
}

struct loan *helper_lend(struct helper *helper, char *const *names, size_t name_nr)
{
	size_t idx = helper->given_nr % HELPER_LOAN_NR;
	struct loan *loan = &helper->loans[idx];

	*loan = (struct loan){
		.number = helper->given_nr,
		.names = names,
		.name_nr = name_nr,
		.buf = helper->bufs + idx * HELPER_BUF_SIZE,
	};
	if (helper->given_nr == helper->returned_nr)
		atomic_store(&helper->is_going, true); /* what was in its way has been dealt with */
	helper_count(helper, &helper->given_nr);
	return loan;
}

bool helper_is_done(const struct helper *helper, const struct loan *loan)
{
	return atomic_load(&helper->done_nr) > loan->number;
}

void helper_await(struct helper *helper, const struct loan *loan)
{
	size_t done_nr;

	while ((done_nr = atomic_load(&helper->done_nr)) <= loan->number)
		helper_wait(helper, &helper->done_nr, done_nr);
}

void helper_return(struct helper *helper)
{
	helper->returned_nr++;
}
