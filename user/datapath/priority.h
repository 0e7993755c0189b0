/* SPDX-License-Identifier: GPL-2.0-only */
/* A bag of priorities whose lowest and highest are known at any time. */
#ifndef DATAPATH_PRIORITY_H
#define DATAPATH_PRIORITY_H

#include <stdint.h>

struct priorities {
	uint32_t n;
	uint16_t min, max;   /* if n */
	uint32_t *leaf[256]; /* by the upper byte: counts by the lower byte, with their sum behind */
};

/* 0 or -ENOMEM. */
int priorities_add(struct priorities *p, uint16_t priority);
/* One that is in. */
void priorities_remove(struct priorities *p, uint16_t priority);
void priorities_free(struct priorities *p);

#endif
