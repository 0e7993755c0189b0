/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/ctl/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/util/log.h"

static void out_of_memory(void)
{
	log_error("out of memory");
	exit(EXIT_FAILURE);
}

void report_cell(struct report *r, const char *format, ...)
{
	va_list args;

	if (r->n_cells == r->size) {
		r->size = r->size ? 2 * r->size : 64;
		r->cells = realloc(r->cells, r->size * sizeof(*r->cells));
		if (!r->cells)
			out_of_memory();
	}
	va_start(args, format);
	if (vasprintf(&r->cells[r->n_cells++], format, args) < 0)
		out_of_memory();
	va_end(args);
}

static void print_text(const struct report *r)
{
	size_t width[REPORT_COLUMNS];

	for (size_t c = 0; c < r->n_columns; c++) {
		width[c] = strlen(r->columns[c].name);
		for (size_t i = c; i < r->n_cells; i += r->n_columns) {
			if (strlen(r->cells[i]) > width[c])
				width[c] = strlen(r->cells[i]);
		}
	}
	for (size_t i = 0; i < r->n_columns + r->n_cells; i++) {
		size_t c = i % r->n_columns;
		const char *text = i < r->n_columns ? r->columns[c].name : r->cells[i - r->n_columns];
		bool last = c == r->n_columns - 1;

		if (last && !r->columns[c].number)
			printf("%s\n", text);
		else
			printf("%*s%s", (int)width[c] * (r->columns[c].number ? 1 : -1), text, last ? "\n" : "  ");
	}
}

static void print_json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	}
	putchar('"');
}

static void print_json(const struct report *r)
{
	printf("[");
	for (size_t i = 0; i < r->n_cells; i++) {
		size_t c = i % r->n_columns;

		printf("%s\"%s\": ", c ? ", " : i ? ",\n {" : "{", r->columns[c].name);
		if (r->columns[c].number)
			printf("%s", r->cells[i]);
		else
			print_json_string(r->cells[i]);
		if (c == r->n_columns - 1)
			putchar('}');
	}
	printf("]\n");
}

void report_print(struct report *r, bool json)
{
	if (json)
		print_json(r);
	else
		print_text(r);
	for (size_t i = 0; i < r->n_cells; i++)
		free(r->cells[i]);
	free(r->cells);
	r->cells = NULL;
	r->n_cells = r->size = 0;
}
