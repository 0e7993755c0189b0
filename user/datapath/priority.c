/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/priority.h"
#include <errno.h>
#include <stdlib.h>
#include "user/util/cleanup.h"

#define SUM 256

int priorities_add(struct priorities *p, uint16_t priority)
{
	uint32_t **leaf = &p->leaf[priority >> 8];

	if (!*leaf)
		*leaf = calloc(SUM + 1, sizeof(**leaf));
	if (!*leaf)
		return -ENOMEM;
	(*leaf)[priority & 0xff]++;
	(*leaf)[SUM]++;
	if (!p->n || priority > p->max)
		p->max = priority;
	if (!p->n || priority < p->min)
		p->min = priority;
	p->n++;
	return 0;
}

static uint16_t highest(const struct priorities *p)
{
	uint32_t upper = p->max >> 8, lower = 0xff;

	while (!p->leaf[upper])
		upper--;
	while (!p->leaf[upper][lower])
		lower--;
	return upper << 8 | lower;
}

static uint16_t lowest(const struct priorities *p)
{
	uint32_t upper = p->min >> 8, lower = 0;

	while (!p->leaf[upper])
		upper++;
	while (!p->leaf[upper][lower])
		lower++;
	return upper << 8 | lower;
}

void priorities_remove(struct priorities *p, uint16_t priority)
{
	uint32_t **leaf = &p->leaf[priority >> 8];

	(*leaf)[priority & 0xff]--;
	if (!--(*leaf)[SUM])
		free(take_ptr(*leaf));
	if (!--p->n)
		return;
	p->max = highest(p);
	p->min = lowest(p);
}

void priorities_free(struct priorities *p)
{
	for (int i = 0; i < 256; i++)
		free(take_ptr(p->leaf[i]));
}
