/* SPDX-License-Identifier: MIT */
/* The servers' processes, and what is on both sides of a connection. */
#include "echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf.h"

#define BACKLOG 4096

const struct echo_side echo_sides[] = {
	{"multishot", echo_serve_multishot}, {"multishot_send", echo_serve_multishot_send},
	{"oneshot", echo_serve_oneshot},     {"epoll", echo_serve_epoll},
	{"aion", echo_serve_aion},           {NULL, NULL},
};

static cpu_set_t allowed_cpus;

const struct echo_side *echo_side_find(const char *name)
{
	const struct echo_side *side;

	for (side = echo_sides; side->name; side++) {
		if (strcmp(side->name, name) == 0)
			return side;
	}
	perf_die(name, -EINVAL);
}

void echo_cpus_find(void)
{
	if (sched_getaffinity(0, sizeof(allowed_cpus), &allowed_cpus) < 0)
		perf_die("sched_getaffinity", -errno);
}

void echo_pin_to_server_cpu(void)
{
	cpu_set_t one;
	int cpu, client_cpu = sched_getcpu(), server_cpu = client_cpu;

	for (cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (CPU_ISSET(cpu, &allowed_cpus) && cpu != client_cpu)
			server_cpu = cpu;
	}
	CPU_ZERO(&one);
	CPU_SET(server_cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		perf_die("sched_setaffinity", -errno);
}

int echo_listen(uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_size = sizeof(address);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		perf_die("socket", -errno);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		perf_die("TCP_NODELAY", -errno);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		perf_die("bind", -errno);
	if (listen(fd, BACKLOG) < 0)
		perf_die("listen", -errno);
	if (getsockname(fd, (struct sockaddr *)&address, &address_size) < 0)
		perf_die("getsockname", -errno);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

int echo_connect(uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		perf_die("socket", -errno);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		perf_die("TCP_NODELAY", -errno);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		perf_die("connect", -errno);
	return fd;
}

void echo_need_descriptors(unsigned nr)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		perf_die("getrlimit", -errno);
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < nr + 64 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		perf_die("descriptors", -EMFILE);
}

static _Noreturn void server_main(echo_serve_fn *serve, const struct echo_setup *setup, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	echo_pin_to_server_cpu();
	serve(setup);
	_exit(0);
}

void echo_server_start(struct echo_server *server, echo_serve_fn *serve, const struct echo_setup *setup)
{
	struct echo_setup its = *setup;
	pid_t parent = getpid();
	int error;

	its.listen_fd = echo_listen(&server->port);
	fflush(NULL);
	server->pid = fork();
	if (server->pid < 0)
		perf_die("fork", -errno);
	if (server->pid == 0)
		server_main(serve, &its, parent);
	close(its.listen_fd);
	error = clock_getcpuclockid(server->pid, &server->cpu_clock);
	if (error)
		perf_die("clock_getcpuclockid", -error);
}

void echo_server_stop(struct echo_server *server)
{
	int status;

	kill(server->pid, SIGKILL);
	if (waitpid(server->pid, &status, 0) < 0)
		perf_die("waitpid", -errno);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		perf_die("the server has ended by itself", -ECHILD);
}

int64_t echo_server_cpu_now(const struct echo_server *server)
{
	struct timespec now;

	if (clock_gettime(server->cpu_clock, &now) < 0)
		perf_die("the server's CPU time", -errno);
	return (int64_t)now.tv_sec * AION_SECOND + now.tv_nsec;
}

size_t echo_server_resident_size(const struct echo_server *server)
{
	size_t total, resident;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)server->pid);
	file = fopen(path, "re");
	if (!file)
		perf_die(path, -errno);
	if (fscanf(file, "%zu %zu", &total, &resident) != 2)
		perf_die(path, -EINVAL);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}
