/* SPDX-License-Identifier: MIT */
/* Text in columns, each as wide as its widest cell. */
#ifndef SLUICECTL_TABLE_H
#define SLUICECTL_TABLE_H

#include <stddef.h>

typedef struct Table {
    size_t n_columns;
    size_t n_cells;
    char **cells; /* row by row */
} Table;

/* A table of so many columns. */
#define TABLE_INIT(columns) ((Table){.n_columns = (columns)})

/* Adds the next cell, from the left to the right, from the top to the bottom. Takes `text`. */
void table_add(Table *table, char *text);

/* Prints to standard output; nothing is put after the last cell that says something in a row. */
void table_print(const Table *table);

void table_clear(Table *table);
#define _cleanup_table_ __attribute__((cleanup(table_clear)))

#endif
