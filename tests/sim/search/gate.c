/* SPDX-License-Identifier: MIT */
/* The model of a lock. */
#include "gate.h"

static void gate_push(struct gate *gate, struct stand *stand)
{
	struct stand **end = &gate->first;

	while (*end)
		end = &(*end)->next;
	stand->next = NULL;
	*end = stand;
}

void gate_remove(struct gate *gate, const struct stand *stand)
{
	struct stand **place = &gate->first;

	while (*place != stand)
		place = &(*place)->next;
	*place = stand->next;
}

/* Those in front whose turn it is get what they want. */
static void gate_serve(struct gate *gate)
{
	while (gate->first && !gate->is_closed && gate->first->nr <= gate->free_nr) {
		gate->free_nr -= gate->first->nr;
		gate->first->state = GRANTED;
		gate->first = gate->first->next;
	}
}

void gate_arrive(struct gate *gate, struct stand *stand, size_t nr)
{
	*stand = (struct stand){.nr = nr, .state = STANDS};
	if (gate->is_closed) {
		stand->state = SENT_AWAY;
		return;
	}
	gate_push(gate, stand);
	gate_serve(gate);
}

void gate_give(struct gate *gate, size_t nr)
{
	gate->free_nr += nr;
	gate_serve(gate);
}

void gate_send_away(struct gate *gate)
{
	for (; gate->first; gate->first = gate->first->next)
		gate->first->state = SENT_AWAY;
}

/* What the library says about a wait, against what has become of the stand. */
int64_t gate_told(struct actor *self, struct gate *gate, struct stand *stand, int64_t result, int away_error,
		  int64_t start_ns)
{
	bool was_granted = stand->state == GRANTED;

	if ((result >= 0) != was_granted && result != -ENOMEM)
		run_fail(self->run, "%s says %lld; the model has %sgranted it", gate->name, (long long)result,
			 was_granted ? "" : "not ");
	if ((result == away_error) != (stand->state == SENT_AWAY))
		run_fail(self->run, "%s says %lld; sent away: %d", gate->name, (long long)result,
			 stand->state == SENT_AWAY);
	if (result >= 0 || result == away_error) {
		told(self, gate->name, 0, 0, 0);
		return result >= 0 ? 0 : result;
	}
	if (was_granted) { /* no memory: it was at the head of an empty queue */
		gate->free_nr += stand->nr;
	} else {
		gate_remove(gate, stand);
		gate_serve(gate);
	}
	return told_promptly(self, gate->name, result, 0, start_ns);
}

size_t gate_count(const struct gate *gate)
{
	size_t nr = 0;

	for (const struct stand *stand = gate->first; stand; stand = stand->next)
		nr++;
	return nr;
}

/* The last has come: each has a place. */
void gate_fill(struct gate *gate, struct stand *last)
{
	size_t place = 0;

	for (; gate->first; gate->first = gate->first->next) {
		gate->first->state = GRANTED;
		gate->first->nr = place++;
	}
	*last = (struct stand){.nr = place, .state = GRANTED};
}
