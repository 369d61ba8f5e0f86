/* SPDX-License-Identifier: MIT */
/* See table.h. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

#include "text.h"

#define GAP 2

void table_add(Table *table, char *text)
{
    char **cells = realloc(table->cells, (table->n_cells + 1) * sizeof(*cells));

    if (cells == NULL) {
        fputs("sluicectl: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    table->cells = cells;
    table->cells[table->n_cells++] = text;
}

static int column_width(const Table *table, size_t column)
{
    int widest = 0;

    for (size_t i = column; i < table->n_cells; i += table->n_columns) {
        int width = text_width(table->cells[i]);

        if (width > widest)
            widest = width;
    }
    return widest;
}

void table_print(const Table *table)
{
    for (size_t row = 0; row < table->n_cells; row += table->n_columns) {
        int pending = 0; /* spaces owed before the next cell */

        for (size_t i = 0; i < table->n_columns && row + i < table->n_cells; ++i) {
            const char *text = table->cells[row + i];

            if (text[0] != '\0') {
                printf("%*s%s", pending, "", text);
                pending = 0;
            }
            pending += column_width(table, i) - text_width(text) + GAP;
        }
        putchar('\n');
    }
}

void table_clear(Table *table)
{
    for (size_t i = 0; i < table->n_cells; ++i)
        free(table->cells[i]);
    free(table->cells);
    *table = TABLE_INIT(table->n_columns);
}
