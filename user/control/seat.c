/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/control/seat.h"

void seats_open(struct seats *seats)
{
	*seats = (struct seats){};
	TAILQ_INIT(&seats->waiting);
	TAILQ_INIT(&seats->seated);
}

static unsigned int count_of(const struct seat_list *list, uint64_t peer)
{
	const struct session *s;
	unsigned int n = 0;

	TAILQ_FOREACH(s, list, seat.link)
	n += s->seat.peer == peer;
	return n;
}

/* The oldest of the peer that has most; *n: how many that are.  NULL: the list is empty. */
static struct session *oldest_of_most(const struct seat_list *list, unsigned int *n)
{
	struct session *s, *most = NULL;

	*n = 0;
	TAILQ_FOREACH(s, list, seat.link)
	{
		unsigned int count = count_of(list, s->seat.peer);

		if (count > *n) {
			most = s;
			*n = count;
		}
	}
	return most;
}

static struct session *youngest_of(const struct seat_list *list, uint64_t peer)
{
	struct session *s, *youngest = NULL;

	TAILQ_FOREACH(s, list, seat.link)
	{
		if (s->seat.peer == peer)
			youngest = s;
	}
	return youngest;
}

bool seats_make_room(struct seats *seats)
{
	unsigned int n;
	struct session *s = oldest_of_most(&seats->waiting, &n);

	if (s)
		session_give_way(s, LOG_LVL_INFO, "a newer connection takes its place");
	return s;
}

void seats_arrive(struct seats *seats, struct session *s)
{
	if (seats->n_waiting >= SEATS_WAIT)
		seats_make_room(seats);
	TAILQ_INSERT_TAIL(&seats->waiting, s, seat.link);
	seats->n_waiting++;
}

/* The youngest connection of the peer that has most seats gives way, if that peer will still have as many as ours. */
static bool displace(struct seats *seats, const struct session *s)
{
	unsigned int n;
	struct session *most = oldest_of_most(&seats->seated, &n);

	if (!most || n < count_of(&seats->seated, s->seat.peer) + 2)
		return false;
	session_give_way(youngest_of(&seats->seated, most->seat.peer), LOG_LVL_WARN,
			 "all seats are taken, and its peer has the most: another peer takes its place");
	return true;
}

bool seats_take(struct seats *seats, struct session *s, unsigned int n)
{
	if (seats->n_seated >= n && !displace(seats, s))
		return false;
	seats_leave(seats, s);
	TAILQ_INSERT_TAIL(&seats->seated, s, seat.link);
	seats->n_seated++;
	s->seat.taken = true;
	return true;
}

void seats_leave(struct seats *seats, struct session *s)
{
	TAILQ_REMOVE(s->seat.taken ? &seats->seated : &seats->waiting, s, seat.link);
	if (s->seat.taken)
		seats->n_seated--;
	else
		seats->n_waiting--;
}
