/* SPDX-License-Identifier: MIT */
/* Connections in use: between two tasks, and between a server and those who connect to it. */
#include <netinet/in.h>
#include <sys/socket.h>

#include <aion.h>

#include "effort.h"
#include "talk.h"
#include "wire.h"

#define PORT_FIRST 30000
#define CLIENT_NR_MAX 4

/* ---- a pair */

struct pair {
	struct talk talk;
	int fds[2];
};

static int64_t pair_second(struct actor *self, void *arg)
{
	struct pair *pair = arg;

	return talk_run(self, &pair->talk, 1, pair->fds[1]);
}

int64_t act_conn(struct actor *self)
{
	struct party party;
	struct pair pair;
	int64_t result;

	if (wire_socketpair(self, self->run->sim && draw_percent(&self->draw, 60) ? AF_INET : AF_UNIX, SOCK_STREAM,
			    pair.fds) < 0)
		return 0;
	talk_init(self, &pair.talk);
	if (draw_percent(&self->draw, 25))
		pair.talk.ways[1].id = pair.talk.ways[0].id;
	party_enter(self, &party);
	if (draw_percent(&self->draw, 15))
		shade_set_deadline(self->run, &party.shade, draw_deadline(self));
	if (!actor_spawn(self, &party, pair_second, &pair)) {
		talk_give_up(&pair.talk);
		wire_close(self, pair.fds[1]);
	}
	result = talk_run(self, &pair.talk, 0, pair.fds[0]);
	result = party_leave(self, &party, result);
	talk_settle(&pair.talk);
	return result;
}

/* ---- a server */

struct show {
	struct run *run;
	struct aion_listener listener;
	struct aion_address address;
	struct talk talks[CLIENT_NR_MAX];
	bool is_served[CLIENT_NR_MAX]; /* its other end has come */
	uint64_t path;
	unsigned guest_nr;
	unsigned client_nr;
	bool is_closed; /* or shut down */
	bool is_closing;
};

struct client {
	struct show *show;
	unsigned nr;
};

/* Who has not been accepted would wait for ever. One task closes. */
static void show_close(struct show *show)
{
	show->is_closed = true;
	if (show->is_closing)
		return;
	show->is_closing = true;
	aion_listener_close(&show->listener);
}

/* Who it is. */
static int64_t guest_greet(struct actor *self, int fd)
{
	unsigned char nr = UINT8_MAX;
	int64_t result = aion_recv(fd, &nr, 1, 0);

	told(self, "recv", result, 1, MAY_MEMORY | MAY_INTR | MAY_RESET | MAY_GONE);
	return result == 1 ? nr : result < 0 ? result : -EPIPE;
}

static int64_t guest_talk(struct actor *self, struct show *show, int fd)
{
	int64_t result = guest_greet(self, fd);

	if (result < 0) {
		wire_close(self, fd);
		return result;
	}
	if (result >= show->client_nr || show->is_served[result])
		run_fail(show->run, "a connection of client %lld, who has none", (long long)result);
	show->is_served[result] = true;
	show->talks[result].is_alone = false;
	return talk_run(self, &show->talks[result], 1, fd);
}

/* A task of the listener's: whether it is cancelled is not known here. */
static int64_t guest_serve(int fd, void *arg)
{
	struct show *show = arg;
	struct actor self;

	actor_init(&self, show->run, draw_mix(show->path + ++show->guest_nr));
	self.edge.is_perhaps_cancelled = true;
	return guest_talk(&self, show, fd);
}

struct guest {
	struct show *show;
	int fd;
};

/* A task of the search's own. */
static int64_t guest_task(struct actor *self, void *arg)
{
	struct guest guest = *(struct guest *)arg;
	int64_t result;

	free(arg);
	result = guest_talk(self, guest.show, guest.fd);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

static unsigned listener_flags(const struct show *show)
{
	return MAY_MEMORY | MAY_FD | MAY_INTR | (show->is_closed ? MAY_CLOSED : 0);
}

static int64_t show_serve(struct actor *self, void *arg)
{
	struct show *show = arg;
	int64_t result = aion_listener_serve(&show->listener, guest_serve, show);

	told(self, "listener_serve", result, 0, listener_flags(show) | MAY_TIME | PERHAPS_REFUSED | MAY_ANY);
	if (result == -ECANCELED && !aion_cancelled())
		run_fail(self->run, "a listener says -ECANCELED, and nobody has cancelled");
	if (result != 0 && result != -ETIME && result != -ECANCELED && result != -EBADF && result != -ESHUTDOWN)
		run_fail(self->run, "a listener says %lld", (long long)result);
	show_close(show);
	return result == -ECANCELED ? result : 0;
}

/* Whoever accepts by himself: until the listener ends, or he does. */
static int64_t accept_loop(struct actor *self, struct show *show, struct party *party)
{
	struct guest *guest;
	int64_t result;

	for (;;) {
		result = aion_listener_accept(&show->listener);
		told(self, "listener_accept", result, INT_MAX, PERHAPS_REFUSED | MAY_ANY);
		if (result == -ECANCELED && !aion_cancelled())
			run_fail(self->run, "a listener says -ECANCELED, and nobody has cancelled");
		if (result < 0)
			return result;
		guest = malloc(sizeof(*guest));
		*guest = (struct guest){show, (int)result};
		show->guest_nr++;
		if (actor_spawn(self, party, guest_task, guest))
			continue;
		wire_close(self, guest->fd);
		free(guest);
	}
}

static int64_t show_accept(struct actor *self, void *arg)
{
	struct show *show = arg;
	struct party party;
	int64_t result;

	party_enter(self, &party);
	result = accept_loop(self, show, &party);
	if (result != -ECANCELED && ((result != -EBADF && result != -ESHUTDOWN) || !show->is_closed))
		run_fail(self->run, "a listener says %lld", (long long)result);
	show_close(show);
	result = party_leave(self, &party, result == -ECANCELED ? result : 0);
	return result == -ECANCELED ? result : 0;
}

static int64_t client_connect(struct actor *self, struct client *client)
{
	struct aion_address addresses[2] = {client->show->address, client->show->address};
	struct aion_connect_options options = {.attempt_delay_ns = draw_short_delay(self)};
	size_t nr = 1;
	int64_t result;

	if (draw_percent(&self->draw, 30)) { /* nobody is at the first one */
		aion_address_set_port(&addresses[0], 1);
		nr = 2;
	}
	result = aion_connect_addresses(addresses, nr, &options);
	told(self, "connect", result, INT_MAX, MAY_MEMORY | MAY_FD | MAY_INTR | MAY_RESET | MAY_GONE | PERHAPS_REFUSED);
	if (result < 0 && result != -ECANCELED && !client->show->is_closed &&
	    !self->run->knobs[AION_SIM_ERROR_ENOMEM] && !self->run->fd_is_scarce && !self->run->memory_is_scarce)
		run_fail(self->run, "nobody can connect: %lld", (long long)result);
	return result;
}

static int64_t client_task(struct actor *self, void *arg)
{
	struct client *client = arg;
	struct talk *talk = &client->show->talks[client->nr];
	unsigned char nr = (unsigned char)client->nr;
	int64_t fd = client_connect(self, client);
	int64_t result;

	if (fd < 0) {
		talk_give_up(talk);
		return fd == -ECANCELED ? fd : 0;
	}
	result = aion_send_all((int)fd, &nr, 1, 0, NULL);
	told(self, "send_all", result, 0, MAY_MEMORY | MAY_RESET | MAY_GONE);
	if (result == 0)
		return talk_run(self, talk, 0, (int)fd);
	talk_give_up(talk);
	wire_close(self, (int)fd);
	return result == -ECANCELED ? result : 0;
}

static int64_t show_open(struct actor *self, struct show *show)
{
	struct aion_listener_options options = {
		.connection_max = draw_percent(&self->draw, 50) ? 0 : draw_between(&self->draw, 1, 3),
		.task.stack_size = draw_percent(&self->draw, 30) ? SMALL_STACK_SIZE : 0,
	};
	int64_t result;

	aion_address_parse("127.0.0.1", (uint16_t)(PORT_FIRST + ++self->run->name_nr), &show->address);
	result = aion_listener_open(&show->listener, &show->address, &options);
	return told(self, "listener_open", result, 0,
		    self->run->sim ? MAY_MEMORY | MAY_FD | PERHAPS_REFUSED : MAY_ANY | PERHAPS_REFUSED);
}

/* The clients' side; then, or in the middle of it, the server is told to end. */
static int64_t show_visit(struct actor *self, struct show *show)
{
	struct client clients[CLIENT_NR_MAX];
	bool is_early = draw_percent(&self->draw, 25);
	struct party party;
	int64_t result = 0;

	party_enter(self, &party);
	for (unsigned i = 0; i < show->client_nr; i++) {
		clients[i] = (struct client){show, i};
		if (!actor_spawn(self, &party, client_task, &clients[i]))
			talk_give_up(&show->talks[i]);
	}
	if (is_early) {
		result = actor_pause(self);
		show->is_closed = true;
		if (draw_percent(&self->draw, 50))
			aion_listener_shutdown(&show->listener, draw_deadline(self));
		else
			show_close(show);
	}
	result = party_leave(self, &party, result);
	show->is_closed = true;
	aion_listener_shutdown(&show->listener, draw_deadline(self));
	return result;
}

static int64_t show_run(struct actor *self, struct show *show)
{
	struct aion_listener_stats stats;
	struct party party;
	int64_t result;

	party_enter(self, &party);
	if (actor_spawn(self, &party, draw_percent(&self->draw, 70) ? show_serve : show_accept, show))
		result = show_visit(self, show);
	else
		result = 0;
	result = party_leave(self, &party, result);
	aion_listener_stats(&show->listener, &stats);
	if (stats.active_nr || stats.accepted_nr < stats.failed_nr || stats.accepted_nr < show->guest_nr)
		run_fail(self->run, "a listener that has ended has %zu connections, of %llu", stats.active_nr,
			 (unsigned long long)stats.accepted_nr);
	return result;
}

int64_t act_serve(struct actor *self)
{
	struct show *show = calloc(1, sizeof(*show));
	int64_t result;

	show->run = self->run;
	show->path = draw_next(&self->draw);
	show->client_nr = (unsigned)draw_between(&self->draw, 1, CLIENT_NR_MAX);
	for (unsigned i = 0; i < show->client_nr; i++) {
		talk_init(self, &show->talks[i]);
		show->talks[i].is_alone = true;
		if (draw_percent(&self->draw, 50))
			show->talks[i].ways[1].id = show->talks[i].ways[0].id;
	}
	result = show_open(self, show);
	if (result == 0)
		result = show_run(self, show);
	else if (result != -ECANCELED)
		result = 0;
	aion_listener_close(&show->listener);
	for (unsigned i = 0; i < show->client_nr; i++)
		if (show->is_served[i])
			talk_settle(&show->talks[i]);
	free(show);
	return result;
}
