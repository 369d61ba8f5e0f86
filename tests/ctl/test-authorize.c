/* SPDX-License-Identifier: MIT */
/* The rule about who may do what, by itself. */
#include <glib.h>

#include "authorize.h"

#define SELF  1000
#define OTHER 1001

static void test_rule(void)
{
    static const struct {
        AuthorizePolicy policy;
        uid_t sender;
        AuthorizeVerdict verdict;
    } cases[] = {
        {AUTHORIZE_ROOT, 0, AUTHORIZE_ALLOW},
        /* The service's own user is nobody special: what it serves may have been broken into. */
        {AUTHORIZE_ROOT, SELF, AUTHORIZE_ASK},
        {AUTHORIZE_ROOT, OTHER, AUTHORIZE_ASK},
        {AUTHORIZE_SAME_USER, 0, AUTHORIZE_ALLOW},
        {AUTHORIZE_SAME_USER, SELF, AUTHORIZE_ALLOW},
        {AUTHORIZE_SAME_USER, OTHER, AUTHORIZE_DENY},
        {AUTHORIZE_EVERYBODY, OTHER, AUTHORIZE_ALLOW},
        {AUTHORIZE_POLICY_MAX, 0, AUTHORIZE_DENY},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); ++i)
        for (int action = 0; action < AUTHORIZE_ACTION_MAX; ++action)
            g_assert_cmpint(
                authorize_rule(cases[i].policy, (AuthorizeAction)action, cases[i].sender, SELF), ==,
                cases[i].verdict);
}

/* What is no action is allowed to nobody. */
static void test_no_action(void)
{
    for (int policy = 0; policy <= AUTHORIZE_POLICY_MAX; ++policy)
        g_assert_cmpint(authorize_rule((AuthorizePolicy)policy, AUTHORIZE_ACTION_MAX, 0, 0), ==,
                        AUTHORIZE_DENY);
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/authorize/rule", test_rule);
    g_test_add_func("/authorize/no-action", test_no_action);
    return g_test_run();
}
