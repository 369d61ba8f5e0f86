/* SPDX-License-Identifier: MIT */
/*
 * A polkit that says what the test wants, when the test wants it: it has the name
 * org.freedesktop.PolicyKit1 and keeps every question until it is told the answer.
 *
 * Questions are numbered from 0 as they come; those of one connection come in order.
 */
#ifndef SLUICE_TESTS_AUTHORITY_H
#define SLUICE_TESTS_AUTHORITY_H

#include <gio/gio.h>

typedef struct Authority Authority;

typedef struct Question {
    const char *kind;    /* of the subject */
    const char *subject; /* its name */
    const char *action;
    guint n_details;
    guint32 flags;
    const char *id; /* to cancel by */
} Question;

Authority *authority_new(const char *address);
void authority_free(Authority *authority);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Authority, authority_free)

/* Waits for a question. It belongs to the authority. */
const Question *authority_get(Authority *authority, guint number);

/* How many there have been so far. */
guint authority_count(Authority *authority);

typedef enum Answer {
    ANSWER_YES,
    ANSWER_NO,
    ANSWER_CHALLENGE,
} Answer;

void authority_answer(Authority *authority, guint number, Answer answer);
void authority_answer_error(Authority *authority, guint number, const char *name,
                            const char *message);

/* Waits until the question is cancelled by its id. */
void authority_wait_cancelled(Authority *authority, guint number);

#endif
