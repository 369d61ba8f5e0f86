/* SPDX-License-Identifier: MIT */
/* YAML texts and files to trees, and what is refused; see yaml-tree.h. */
#include "yaml-tree.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Texts ---- */

static yoml_t *parse(const char *text)
{
    _cleanup_error_ Error error = ERROR_INIT;
    yoml_t *tree = NULL;

    if (tree_parse("name", text, strlen(text), &tree, &error) < 0)
        g_error("%s", error.message);
    g_assert_nonnull(tree);
    g_assert_cmpint(error.code, ==, ERROR_NONE);
    return tree;
}

static void assert_refused_length(const char *text, size_t length, const char *message)
{
    _cleanup_error_ Error error = ERROR_INIT;
    yoml_t *tree = NULL;

    g_assert_cmpint(tree_parse("name", text, length, &tree, &error), ==, -EBADMSG);
    g_assert_cmpint(error.code, ==, ERROR_INVALID_CONFIG);
    g_assert_cmpstr(error.message, ==, message);
    g_assert_null(tree);
}

static void assert_refused(const char *text, const char *message)
{
    assert_refused_length(text, strlen(text), message);
}

static void assert_scalar(const yoml_t *node, const char *text)
{
    g_assert_nonnull(node);
    g_assert_cmpint(node->type, ==, YOML_TYPE_SCALAR);
    g_assert_cmpstr(node->data.scalar, ==, text);
}

static void assert_at(const yoml_t *node, size_t line, size_t column)
{
    g_assert_nonnull(node);
    g_assert_cmpstr(node->filename, ==, "name");
    g_assert_cmpuint(node->line + 1, ==, line);
    g_assert_cmpuint(node->column + 1, ==, column);
}

static const yoml_mapping_element_t *element(const yoml_t *map, size_t i)
{
    g_assert_nonnull(map);
    g_assert_cmpint(map->type, ==, YOML_TYPE_MAPPING);
    g_assert_cmpuint(i, <, map->data.mapping.size);
    return &map->data.mapping.elements[i];
}

static yoml_t *item(const yoml_t *sequence, size_t i)
{
    g_assert_nonnull(sequence);
    g_assert_cmpint(sequence->type, ==, YOML_TYPE_SEQUENCE);
    g_assert_cmpuint(i, <, sequence->data.sequence.size);
    return sequence->data.sequence.elements[i];
}

/* All of a tree in one line: {a: 1, b: [x]} */
static void describe(const yoml_t *node, GString *text)
{
    size_t i;

    if (node->type == YOML_TYPE_SCALAR) {
        g_string_append(text, node->data.scalar);
    } else if (node->type == YOML_TYPE_SEQUENCE) {
        g_string_append_c(text, '[');
        for (i = 0; i != node->data.sequence.size; ++i) {
            g_string_append(text, i != 0 ? ", " : "");
            describe(node->data.sequence.elements[i], text);
        }
        g_string_append_c(text, ']');
    } else {
        g_string_append_c(text, '{');
        for (i = 0; i != node->data.mapping.size; ++i) {
            g_string_append(text, i != 0 ? ", " : "");
            describe(node->data.mapping.elements[i].key, text);
            g_string_append(text, ": ");
            describe(node->data.mapping.elements[i].value, text);
        }
        g_string_append_c(text, '}');
    }
}

static void assert_describes(const yoml_t *tree, const char *expected)
{
    g_autoptr(GString) found = g_string_new(NULL);

    describe(tree, found);
    g_assert_cmpstr(found->str, ==, expected);
}

static void assert_tree(const char *text, const char *expected)
{
    _cleanup_tree_ yoml_t *tree = parse(text);

    assert_describes(tree, expected);
}

static void test_kinds(void)
{
    assert_tree("word", "word");
    assert_tree("\"\"", "");
    assert_tree("[]", "[]");
    assert_tree("{}", "{}");
    assert_tree("a:\n- 1\n- [2, 3]\nb: {c: 'd e'}\n? [x]\n: y\n",
                "{a: [1, [2, 3]], b: {c: d e}, [x]: y}");
    assert_tree("a:\n", "{a: }");
    assert_tree("\xef\xbb\xbf"
                "a: \xc3\xa4\n",
                "{a: \xc3\xa4}");
}

static void test_duplicates(void)
{
    _cleanup_tree_ yoml_t *tree = parse("a: 1\nb: 2\na: 3\n");

    assert_describes(tree, "{a: 1, b: 2, a: 3}");
    assert_scalar(tree_get(tree, "a"), "3");
    assert_scalar(tree_get(tree, "b"), "2");
}

static void test_get(void)
{
    _cleanup_tree_ yoml_t *tree = parse("[a]: 1\nb: [c]\n");

    g_assert_null(tree_get(NULL, "b"));
    g_assert_null(tree_get(tree, "a"));
    g_assert_null(tree_get(tree, "B"));
    g_assert_null(tree_get(tree_get(tree, "b"), "c"));
    g_assert_null(tree_get(item(tree_get(tree, "b"), 0), "c"));
    tree_free(NULL);
}

static void test_alias(void)
{
    _cleanup_tree_ yoml_t *tree = parse("a: &x {k: v}\nb: *x\nc: [*x, *x]\n");

    assert_describes(tree, "{a: {k: v}, b: {k: v}, c: [{k: v}, {k: v}]}");
    /* Shared, with a count; the position is that of the anchor. */
    g_assert_true(tree_get(tree, "b") == tree_get(tree, "a"));
    g_assert_cmpuint(tree_get(tree, "a")->_refcnt, ==, 4);
    assert_at(tree_get(tree, "b"), 1, 4);
}

static void test_alias_unknown(void)
{
    assert_refused("a: 1\nb: *x\n", "name:2:4: found undefined alias");
}

static void test_alias_self(void)
{
    assert_refused("a: &x [1, *x]\n", "name:1:4: an alias refers to itself");
    assert_refused("a: &x {b: {c: *x}}\n", "name:1:4: an alias refers to itself");
    assert_refused("a: &x {*x : 1}\n", "name:1:4: an alias refers to itself");
    assert_refused("&x [*x]\n", "name:1:1: an alias refers to itself");
    assert_refused("a: &x\n  <<: *x\n", "name:1:4: an alias refers to itself");
}

static void test_alias_bomb(void)
{
    static const char message[] =
        "name:1:1: too large: more than 200000 nodes with every alias written out";
    g_autoptr(GString) text = g_string_new("a0: &a0 [x, x]\n");
    int i;

    for (i = 1; i != 60; ++i)
        g_string_append_printf(text, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    assert_refused(text->str, message);
    /* The same with keys. */
    g_string_assign(text, "a0: &a0 {x: x}\n");
    for (i = 1; i != 60; ++i)
        g_string_append_printf(text, "a%d: &a%d {*a%d : *a%d}\n", i, i, i - 1, i - 1);
    assert_refused(text->str, message);
}

/* Anchors that nest in each other make a tree far deeper than the text. */
static void test_alias_depth(void)
{
    static const char message[] =
        "name:1:1: too large: more than 200000 nodes with every alias written out";
    g_autofree char *open = g_strnfill(YAML_MAX_DEPTH - 2, '['),
                    *close = g_strnfill(YAML_MAX_DEPTH - 2, ']');
    g_autoptr(GString) text = g_string_new("- &a0 []\n");
    int i;

    for (i = 1; i != YAML_MAX_ANCHORS; ++i)
        g_string_append_printf(text, "- &a%d %s*a%d %s\n", i, open, i - 1, close);
    assert_refused(text->str, message);
    g_string_append(text, "- &one 1\n");
    assert_refused(text->str, "name:1001:3: too many anchors or aliases");
}

static void test_aliases(void)
{
    g_autoptr(GString) text = g_string_new("- &a 1\n");
    int i;

    for (i = 0; i != YAML_MAX_ALIASES; ++i)
        g_string_append(text, "- *a\n");
    tree_free(parse(text->str));
    g_string_append(text, "- *a\n");
    assert_refused(text->str, "name:10002:3: too many anchors or aliases");
}

/* The tree counts, not the text: the root, the sequence, its items and so on. */
static void test_nodes(void)
{
    g_autoptr(GString) text = g_string_new("[");
    yoml_t *tree;
    int i;

    for (i = 0; i != YAML_MAX_NODES - 1; ++i)
        g_string_append(text, "1,");
    tree = parse((g_string_append_c(text, ']'), text->str));
    g_assert_cmpuint(tree->data.sequence.size, ==, YAML_MAX_NODES - 1);
    tree_free(tree);
    g_string_truncate(text, text->len - 1);
    g_string_append(text, "1]");
    assert_refused(text->str,
                   "name:1:1: too large: more than 200000 nodes with every alias written out");
}

/* ---- Merge keys ---- */

static void test_merge(void)
{
    assert_tree("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  m: 3\n",
                "{a: {k: 1, l: 2}, b: {m: 3, k: 1, l: 2}}");
    assert_tree("<<: {k: 1}\n", "{k: 1}");
    assert_tree("<<: {}\n", "{}");
    assert_tree("<<: []\n", "{}");
    assert_tree("<<: {<<: {k: 1}}\n", "{k: 1}");
    /* Keys that only look like it. */
    assert_tree("'<<': 1\n", "{<<: 1}");
    assert_tree("- <<\n", "[<<]");
}

static void test_merge_sequence(void)
{
    /* An earlier mapping wins. */
    assert_tree("<<: [{k: 1, l: 2}, {k: 3, m: 4}]\n", "{k: 1, l: 2, m: 4}");
    assert_tree("<<: {k: 1}\n<<: {k: 2, l: 3}\n", "{k: 1, l: 3}");
}

static void test_merge_explicit(void)
{
    /* Wherever it stands. */
    assert_tree("k: 0\n<<: {k: 1, l: 2}\n", "{k: 0, l: 2}");
    assert_tree("<<: {k: 1, l: 2}\nk: 0\n", "{k: 0, l: 2}");
    /* What one mapping says twice stays twice. */
    assert_tree("<<: {k: 1, k: 2}\n", "{k: 1, k: 2}");
}

/* The mapping that is merged stays what it is. */
static void test_merge_shares(void)
{
    _cleanup_tree_ yoml_t *tree = parse("a: &x {k: 1}\nb: {<<: *x, l: 2}\nc: *x\n");

    assert_describes(tree, "{a: {k: 1}, b: {l: 2, k: 1}, c: {k: 1}}");
    assert_at(tree_get(tree_get(tree, "b"), "k"), 1, 11);
}

static void test_merge_wrong(void)
{
    static const char what[] = "merge key `<<` takes a mapping or a sequence of mappings";
    g_autofree char *first = g_strdup_printf("name:1:1: %s", what),
                    *second = g_strdup_printf("name:2:3: %s", what);

    assert_refused("<<: 5\n", first);
    assert_refused("<<:\n", first);
    assert_refused("a:\n  <<: [{k: 1}, 5]\n", second);
    assert_refused("a:\n  <<: [[{k: 1}]]\n", second);
}

static void test_merge_bomb(void)
{
    g_autoptr(GString) text = g_string_new("a: &x\n");
    int i;

    for (i = 0; i != 4000; ++i)
        g_string_append_printf(text, "  k%d: 1\n", i);
    g_string_append(text, "b:\n  <<: [*x, *x, *x]\n");
    assert_refused(text->str, "name:4003:3: merge keys make this mapping too large");
}

/* ---- Positions ---- */

static void test_positions(void)
{
    _cleanup_tree_ yoml_t *tree = parse("# comment\n"
                                        "a: 1\n"
                                        "bc:   [x,\n"
                                        "  y]\n"
                                        "d:\n"
                                        "  e: &x \"f\"\n"
                                        "  \xc3\xa4: g\n");
    const yoml_t *d = tree_get(tree, "d");

    assert_at(tree, 2, 1);
    assert_at(element(tree, 0)->key, 2, 1);
    assert_at(tree_get(tree, "a"), 2, 4);
    assert_at(tree_get(tree, "bc"), 3, 7);
    assert_at(item(tree_get(tree, "bc"), 0), 3, 8);
    assert_at(item(tree_get(tree, "bc"), 1), 4, 3);
    assert_at(d, 6, 3);
    assert_at(element(d, 0)->value, 6, 6);
    /* Characters are counted, not bytes. */
    assert_at(element(d, 1)->value, 7, 6);
}

static void test_block_scalars(void)
{
    _cleanup_tree_ yoml_t *tree = parse("a: |\n  one\n  two\nb: >-\n  three\n  four\nc: five\n");

    assert_scalar(tree_get(tree, "a"), "one\ntwo\n");
    g_assert_cmpuint(tree_get(tree, "a")->line + 1, ==, 2);
    assert_scalar(tree_get(tree, "b"), "three four");
    g_assert_cmpuint(tree_get(tree, "b")->line + 1, ==, 5);
    assert_at(tree_get(tree, "c"), 7, 4);
}

static void test_errors(void)
{
    assert_refused("a: [1\n", "name:2:1: did not find expected ',' or ']'");
    assert_refused("a:\n\tb: 1\n", "name:2:1: found character that cannot start any token");
    assert_refused("a: 1\n b: 2\n", "name:2:3: mapping values are not allowed in this context");
}

static void test_tree_error(void)
{
    _cleanup_tree_ yoml_t *tree = parse("a: 1\n");
    _cleanup_error_ Error error = ERROR_INIT;

    g_assert_cmpint(tree_error(&error, tree_get(tree, "a"), "%d is %s", 1, "wrong"), ==, -EBADMSG);
    g_assert_cmpint(error.code, ==, ERROR_INVALID_CONFIG);
    g_assert_cmpstr(error.message, ==, "name:1:4: 1 is wrong");
    g_assert_cmpint(tree_error(NULL, tree, "x"), ==, -EBADMSG);
}

/* ---- What YAML allows and a configuration never needs, and the other way round ---- */

static void test_empty(void)
{
    assert_refused("", "name:1:1: the configuration is empty");
    assert_refused("\n\n  \n", "name:1:1: the configuration is empty");
    assert_refused("# nothing\n", "name:1:1: the configuration is empty");
    /* A caller who does not care about the reason. */
    g_assert_cmpint(tree_parse("name", "", 0, NULL, NULL), ==, -EBADMSG);
}

static void test_nul(void)
{
    assert_refused("a: 1\nb: \"x\\0y\"\n", "name:2:4: a string cannot contain the character NUL");
    assert_refused("\"\\0\": 1\n", "name:1:1: a string cannot contain the character NUL");
    assert_refused_length("a: x\0y\n", 7,
                          "name:1:5: not a YAML text: control characters are not allowed");
}

static void test_control_character(void)
{
    assert_refused("\001", "name:1:1: not a YAML text: control characters are not allowed");
    assert_refused("a: 1\nb: [\001]\n",
                   "name:2:5: not a YAML text: control characters are not allowed");
    assert_refused("a: 1\nb: \xff\n", "name:2:4: not a YAML text: invalid leading UTF-8 octet");
    /* Far behind the parser's buffer. */
    {
        g_autofree char *filler = g_strnfill(100000, '\n'),
                        *text = g_strconcat(filler, "a: \002", NULL);
        assert_refused(text, "name:100001:4: not a YAML text: control characters are not allowed");
    }
}

static char *nest(size_t n, const char *inner)
{
    g_autofree char *open = g_strnfill(n, '['), *close = g_strnfill(n, ']');

    return g_strconcat(open, inner, close, NULL);
}

static void test_depth(void)
{
    g_autofree char *deep = nest(YAML_MAX_DEPTH - 1, "x"), *empty = nest(YAML_MAX_DEPTH, ""),
                    *scalar = nest(YAML_MAX_DEPTH, "x"), *deeper = nest(YAML_MAX_DEPTH + 1, "");

    tree_free(parse(deep));
    tree_free(parse(empty));
    assert_refused(scalar, "name:1:65: nested too deeply");
    assert_refused(deeper, "name:1:65: nested too deeply");
}

static void test_size(void)
{
    g_autofree char *text = g_strnfill(YAML_MAX_BYTES + 1, '#');

    memcpy(text, "a: 1\n", 5);
    assert_refused(text, "name:1:1: too large: more than 1048576 bytes");
    text[YAML_MAX_BYTES] = '\0';
    assert_tree(text, "{a: 1}");
}

/* ---- Files ---- */

typedef struct Fixture {
    char *directory;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->directory = g_dir_make_tmp("sluice-unit-XXXXXX", &error);
    g_assert_no_error(error);
}

static void teardown(Fixture *f, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(f->directory, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(f->directory, name, NULL);
        g_remove(path);
    }
    g_assert_cmpint(g_rmdir(f->directory), ==, 0);
    g_free(f->directory);
}

/* In texts `@` stands for the directory. */
static char *replace(Fixture *f, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);

    return g_strjoinv(f->directory, parts);
}

static char *write_file(Fixture *f, const char *name, const char *text)
{
    char *path = g_build_filename(f->directory, name, NULL);
    g_autofree char *replaced = replace(f, text);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, replaced, -1, &error);
    g_assert_no_error(error);
    return path;
}

static void assert_file(Fixture *f, const char *path, const char *expected, size_t n_files)
{
    _cleanup_error_ Error error = ERROR_INIT;
    _cleanup_tree_ yoml_t *tree = NULL;
    FileList files = {NULL, 0, false};

    if (tree_parse_file(path, &files, &tree, &error) < 0)
        g_error("%s", error.message);
    assert_describes(tree, expected);
    g_assert_cmpuint(files.n_entries, ==, n_files);
    file_list_clear(&files);
}

static void assert_file_refused(Fixture *f, const char *path, const char *message)
{
    _cleanup_error_ Error error = ERROR_INIT;
    g_autofree char *replaced = replace(f, message);
    FileList files = {NULL, 0, false};
    yoml_t *tree = NULL;

    g_assert_cmpint(tree_parse_file(path, &files, &tree, &error), ==, -EBADMSG);
    g_assert_cmpint(error.code, ==, ERROR_INVALID_CONFIG);
    g_assert_cmpstr(error.message, ==, replaced);
    g_assert_null(tree);
    file_list_clear(&files);
}

static void test_file(Fixture *f, gconstpointer data)
{
    g_autofree char *main = write_file(f, "main", "a: 1\nb: !file @/part\nc: [!file @/part]\n"),
                    *part = write_file(f, "part", "k: v\n");

    assert_file(f, main, "{a: 1, b: {k: v}, c: [{k: v}]}", 3);
}

static void test_file_positions(Fixture *f, gconstpointer data)
{
    g_autofree char *main = write_file(f, "main", "b: !file @/part\n"),
                    *part = write_file(f, "part", "\n\nk: v\n");
    _cleanup_tree_ yoml_t *tree = NULL;
    FileList files = {NULL, 0, false};
    const yoml_t *value;

    g_assert_cmpint(tree_parse_file(main, &files, &tree, NULL), ==, 0);
    value = tree_get(tree_get(tree, "b"), "k");
    assert_scalar(value, "v");
    g_assert_cmpstr(value->filename, ==, part);
    g_assert_cmpuint(value->line + 1, ==, 3);
    g_assert_cmpstr(tree->filename, ==, main);
    file_list_clear(&files);
}

static void test_file_nested(Fixture *f, gconstpointer data)
{
    g_autofree char *main = write_file(f, "main", "!file @/one\n"),
                    *one = write_file(f, "one", "a: !file @/two\n<<: !file @/three\n"),
                    *two = write_file(f, "two", "two\n"),
                    *three = write_file(f, "three", "{a: 0, b: 3}\n");

    assert_file(f, main, "{a: two, b: 3}", 4);
}

static void test_file_in_text(Fixture *f, gconstpointer data)
{
    static const char what[] = "!file cannot be used in a configuration given as text";
    g_autofree char *first = g_strdup_printf("name:1:4: %s", what),
                    *second = g_strdup_printf("name:1:5: %s", what),
                    *third = g_strdup_printf("name:1:1: %s", what);

    assert_refused("a: !file /dev/null\n", first);
    assert_refused("<<: !file /dev/null\n", second);
    assert_refused("!file /dev/null\n", third);
    assert_refused("!file /dev/null : 1\n", third);
    assert_refused("!<!file> /dev/null\n", third);
    /* Other tags are nobody's business. */
    assert_tree("a: !other x\nb: !file [c]\nc: !!str d\n", "{a: x, b: [c], c: d}");
}

static void test_file_cycle(Fixture *f, gconstpointer data)
{
    g_autofree char *one = write_file(f, "one", "a: !file @/two\n"),
                    *two = write_file(f, "two", "\nb: !file @/one\n");

    assert_file_refused(f, one, "@/one:1:4: too many files read through !file");
}

static void test_file_many(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) text = g_string_new(NULL), expected = g_string_new("[");
    g_autofree char *part = write_file(f, "part", "x\n"), *main = NULL, *again = NULL;
    int i;

    for (i = 0; i != YAML_MAX_FILES; ++i) {
        g_string_append(text, "- !file @/part\n");
        g_string_append(expected, i != 0 ? ", x" : "x");
    }
    g_string_append_c(expected, ']');
    main = write_file(f, "main", text->str);
    assert_file(f, main, expected->str, 1 + YAML_MAX_FILES);
    g_string_append(text, "- !file @/part\n");
    again = write_file(f, "main", text->str);
    assert_file_refused(f, main, "@/main:65:3: too many files read through !file");
}

/* Aliases within one file and many files of them multiply. */
static void test_file_bomb(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) part = g_string_new("["), text = g_string_new(NULL);
    g_autofree char *path = NULL, *main = NULL;
    int i;

    for (i = 0; i != 9999; ++i)
        g_string_append(part, "1,");
    g_string_append(part, "]\n");
    path = write_file(f, "part", part->str);
    for (i = 0; i != 20; ++i)
        g_string_append(text, "- !file @/part\n");
    main = write_file(f, "main", text->str);
    assert_file_refused(
        f, main, "@/main:1:1: too large: more than 200000 nodes with every alias written out");
}

static void test_file_errors(Fixture *f, gconstpointer data)
{
    g_autofree char *main = write_file(f, "main", "a: !file @/part\n"),
                    *part = write_file(f, "part", "k: [\n"), *missing = NULL, *empty = NULL;

    assert_file_refused(f, main, "@/part:2:1: did not find expected node content");
    empty = write_file(f, "part", "");
    assert_file_refused(f, main, "@/part:1:1: the configuration is empty");
    missing = write_file(f, "main", "a: !file @/missing\n");
    assert_file_refused(f, main, "@/missing:1:1: cannot read the file: No such file or directory");
}

static void test_file_kinds(Fixture *f, gconstpointer data)
{
    g_autofree char *fifo = replace(f, "@/fifo"), *missing = replace(f, "@/missing");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    assert_file_refused(f, fifo, "@/fifo:1:1: cannot read the file: not a regular file");
    assert_file_refused(f, f->directory, "@:1:1: cannot read the file: not a regular file");
    assert_file_refused(f, missing,
                        "@/missing:1:1: cannot read the file: No such file or directory");
    assert_file_refused(f, "/dev/zero", "/dev/zero:1:1: cannot read the file: not a regular file");
}

static void test_file_size(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(YAML_MAX_BYTES + 1, '#'), *path = NULL, *again = NULL;

    memcpy(text, "a: 1\n", 5);
    path = write_file(f, "main", text);
    assert_file_refused(f, path, "@/main:1:1: cannot read the file: too large");
    text[YAML_MAX_BYTES] = '\0';
    again = write_file(f, "main", text);
    assert_file(f, path, "{a: 1}", 1);
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, setup, test, teardown);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/yaml/kinds", test_kinds);
    g_test_add_func("/yaml/duplicates", test_duplicates);
    g_test_add_func("/yaml/get", test_get);
    g_test_add_func("/yaml/alias", test_alias);
    g_test_add_func("/yaml/alias-unknown", test_alias_unknown);
    g_test_add_func("/yaml/alias-self", test_alias_self);
    g_test_add_func("/yaml/alias-bomb", test_alias_bomb);
    g_test_add_func("/yaml/alias-depth", test_alias_depth);
    g_test_add_func("/yaml/aliases", test_aliases);
    g_test_add_func("/yaml/nodes", test_nodes);
    g_test_add_func("/yaml/merge", test_merge);
    g_test_add_func("/yaml/merge-sequence", test_merge_sequence);
    g_test_add_func("/yaml/merge-explicit", test_merge_explicit);
    g_test_add_func("/yaml/merge-shares", test_merge_shares);
    g_test_add_func("/yaml/merge-wrong", test_merge_wrong);
    g_test_add_func("/yaml/merge-bomb", test_merge_bomb);
    g_test_add_func("/yaml/positions", test_positions);
    g_test_add_func("/yaml/block-scalars", test_block_scalars);
    g_test_add_func("/yaml/errors", test_errors);
    g_test_add_func("/yaml/tree-error", test_tree_error);
    g_test_add_func("/yaml/empty", test_empty);
    g_test_add_func("/yaml/nul", test_nul);
    g_test_add_func("/yaml/control-character", test_control_character);
    g_test_add_func("/yaml/depth", test_depth);
    g_test_add_func("/yaml/size", test_size);
    add("/yaml/file/works", test_file);
    add("/yaml/file/positions", test_file_positions);
    add("/yaml/file/nested", test_file_nested);
    add("/yaml/file/in-text", test_file_in_text);
    add("/yaml/file/cycle", test_file_cycle);
    add("/yaml/file/many", test_file_many);
    add("/yaml/file/bomb", test_file_bomb);
    add("/yaml/file/errors", test_file_errors);
    add("/yaml/file/kinds", test_file_kinds);
    add("/yaml/file/size", test_file_size);
    return g_test_run();
}
