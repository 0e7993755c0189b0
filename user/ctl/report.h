/* SPDX-License-Identifier: GPL-2.0-only */
/* A table of text: printed as aligned columns, or as a JSON array of objects. */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#define REPORT_COLUMNS 12

struct report_column {
	const char *name;
	bool number; /* aligned right; in JSON without quotes */
};

struct report {
	size_t n_columns, n_cells, size;
	const struct report_column *columns;
	char **cells; /* row by row */
};

void report_cell(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints and frees the cells. */
void report_print(struct report *r, bool json);

#endif
