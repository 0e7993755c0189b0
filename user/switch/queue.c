/* SPDX-License-Identifier: GPL-2.0-only */
/* QUEUE_GET_CONFIG and queue statistics (§7.3.5.8, §7.3.6). */
#include <stdlib.h>
#include "user/switch/internal.h"
#include "user/util/cleanup.h"

#define QUEUE_OP_FAILED(code) OF_ERROR(OFPET_QUEUE_OP_FAILED, OFPQOFC_##code)

/* Queues of one port or of all. */
struct queue_list {
	struct of_queue *v;
	size_t n;
};

static void add_port(struct sw *sw, uint32_t port_no, void *aux)
{
	_free_ struct of_queue *queues = NULL;
	struct queue_list *list = aux;
	struct of_queue *more;
	size_t n;

	if (dp_queue_list(sw->dp, port_no, &queues, &n) || !n)
		return;
	more = realloc(list->v, (list->n + n) * sizeof(*more));
	if (!more)
		return;
	for (size_t i = 0; i < n; i++)
		more[list->n + i] = queues[i];
	list->v = more;
	list->n += n;
}

static int list_queues(struct sw *sw, uint32_t port_no, struct queue_list *list)
{
	*list = (struct queue_list){0};
	return sw_port_each(sw, port_no, add_port, list) ? QUEUE_OP_FAILED(BAD_PORT) : 0;
}

int sw_queue_config(struct sw *sw, struct sw_conn *conn, uint32_t xid, uint32_t port_no)
{
	struct queue_list list;
	int err = list_queues(sw, port_no, &list);

	if (err)
		return err;
	if (!of_put_queue_config(&conn->replies, xid, port_no, list.v, list.n))
		err = QUEUE_OP_FAILED(EPERM); /* in part it would be wrong */
	free(list.v);
	return err;
}

/* Those asked for to the front; none at all is an error if it is one that was asked for. */
static int choose(struct queue_list *list, uint32_t queue)
{
	size_t n = 0;

	if (queue == OFPQ_ALL)
		return 0;
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].queue == queue)
			list->v[n++] = list->v[i];
	list->n = n;
	return n ? 0 : QUEUE_OP_FAILED(BAD_QUEUE);
}

int sw_queue_stats(struct sw *sw, struct sw_conn *conn, uint32_t xid, uint32_t port_no, uint32_t queue)
{
	struct of_multipart mp;
	struct queue_list list;
	int err = list_queues(sw, port_no, &list);

	if (!err)
		err = choose(&list, queue);
	if (!err) {
		of_multipart_begin(&mp, &conn->replies, OFPMP_QUEUE, xid);
		for (size_t i = 0; i < list.n; i++)
			of_multipart_queue(&mp, &list.v[i]);
		of_multipart_end(&mp);
	}
	free(list.v);
	return err;
}
