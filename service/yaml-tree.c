/* SPDX-License-Identifier: MIT */
/*
 * See yaml-tree.h. libyaml's document API gives a graph in which an alias is just another edge to
 * the same node; convert() walks it once per node and shares what is shared by reference counts, so
 * a "billion laughs" text costs nothing to hold. What it would cost to walk is counted by
 * measure_expansion() and refused, since h2o's configurators walk the tree.
 */
#include "yaml-tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "file-read.h"

#define MERGE_MAX_COMPARISONS 10000000 /* some 50 ms; a real configuration needs a few hundred */

/* One per file: what is being converted and what it became. */
typedef struct Source {
    const char *filename;
    yaml_document_t document;
    yoml_t **converted; /* by libyaml's node id - 1 */
    bool *in_progress;  /* ditto: on the path from the root, so meeting it again is a cycle */
    FileList *files;    /* read so far, all sources together; NULL: !file is refused */
    size_t n_compared;  /* keys compared for merge keys so far */
    Error *error;
} Source;

static int convert(Source *source, int id, unsigned depth, yoml_t **ret);
static int parse_path(const char *filename, FileList *files, yoml_t **ret, Error *error);

int tree_error(Error *error, const yoml_t *node, const char *format, ...)
{
    char *what = NULL;
    va_list args;
    int r;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    r = error_set(error, ERROR_INVALID_CONFIG, "%s:%zu:%zu: %s",
                  node->filename != NULL ? node->filename : "-", node->line + 1, node->column + 1,
                  what != NULL ? what : strerror(ENOMEM));
    free(what);
    return r;
}

void tree_free(yoml_t *node)
{
    size_t i;

    if (node == NULL || --node->_refcnt != 0)
        return;
    switch (node->type) {
    case YOML_TYPE_SCALAR:
        free(node->data.scalar);
        break;
    case YOML_TYPE_SEQUENCE:
        for (i = 0; i != node->data.sequence.size; ++i)
            tree_free(node->data.sequence.elements[i]);
        break;
    case YOML_TYPE_MAPPING:
        for (i = 0; i != node->data.mapping.size; ++i) {
            tree_free(node->data.mapping.elements[i].key);
            tree_free(node->data.mapping.elements[i].value);
        }
        break;
    default:
        break;
    }
    free(node->filename);
    free(node->anchor);
    free(node->tag);
    free(node);
}

yoml_t *tree_get(yoml_t *node, const char *key)
{
    yoml_t *found = NULL;
    size_t i;

    if (node == NULL || node->type != YOML_TYPE_MAPPING)
        return NULL;
    for (i = 0; i != node->data.mapping.size; ++i) {
        yoml_mapping_element_t *element = &node->data.mapping.elements[i];
        if (element->key->type == YOML_TYPE_SCALAR && strcmp(element->key->data.scalar, key) == 0)
            found = element->value;
    }
    return found;
}

static int out_of_memory(Error *error)
{
    return error_set(error, ERROR_FAILED, "%s", strerror(ENOMEM));
}

static int source_error(const Source *source, yaml_mark_t mark, const char *what)
{
    return error_set(source->error, ERROR_INVALID_CONFIG, "%s:%zu:%zu: %s", source->filename,
                     mark.line + 1, mark.column + 1, what);
}

/*
 * A node with room for `n` children. h2o frees nodes it shares by the same rules as tree_free(), so
 * everything is a malloc() of its own.
 */
static yoml_t *node_new(const Source *source, const yaml_node_t *from, yoml_type_t type, size_t n)
{
    size_t size = sizeof(yoml_t);
    yoml_t *node;

    if (type == YOML_TYPE_SEQUENCE)
        size = offsetof(yoml_t, data.sequence.elements) + n * sizeof(yoml_t *);
    else if (type == YOML_TYPE_MAPPING)
        size = offsetof(yoml_t, data.mapping.elements) + n * sizeof(yoml_mapping_element_t);
    if (size < sizeof(yoml_t))
        size = sizeof(yoml_t);
    if ((node = calloc(1, size)) == NULL)
        return NULL;
    node->type = type;
    node->_refcnt = 1;
    node->line = from->start_mark.line;
    node->column = from->start_mark.column;
    if ((node->filename = strdup(source->filename)) == NULL) {
        free(node);
        return NULL;
    }
    return node;
}

static bool is_merge_key(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           key->data.scalar.length == 2 && memcmp(key->data.scalar.value, "<<", 2) == 0;
}

static bool has_key(const yoml_t *map, size_t n, const yoml_t *key)
{
    size_t i;

    for (i = 0; i != n; ++i) {
        const yoml_t *other = map->data.mapping.elements[i].key;
        if (key->type == YOML_TYPE_SCALAR && other->type == YOML_TYPE_SCALAR &&
            strcmp(key->data.scalar, other->data.scalar) == 0)
            return true;
    }
    return false;
}

/* Appends the elements of `from` whose keys `*map` does not have yet. */
static int merge_mapping(Source *source, yoml_t **map, const yoml_t *from, const yaml_node_t *at)
{
    size_t i, size = (*map)->data.mapping.size;
    yoml_t *grown;

    source->n_compared += (size + 1) * from->data.mapping.size;
    if (source->n_compared > MERGE_MAX_COMPARISONS)
        return source_error(source, at->start_mark, "merge keys make this mapping too large");
    grown =
        realloc(*map, offsetof(yoml_t, data.mapping.elements) +
                          (size + from->data.mapping.size + 1) * sizeof(yoml_mapping_element_t));
    if (grown == NULL)
        return out_of_memory(source->error);
    *map = grown;
    for (i = 0; i != from->data.mapping.size; ++i) {
        yoml_mapping_element_t element = from->data.mapping.elements[i];
        if (has_key(grown, size, element.key))
            continue;
        ++element.key->_refcnt;
        ++element.value->_refcnt;
        grown->data.mapping.elements[grown->data.mapping.size++] = element;
    }
    return 0;
}

static int merge(Source *source, yoml_t **map, const yoml_t *from, const yaml_node_t *at)
{
    size_t i;
    int r;

    if (from->type == YOML_TYPE_MAPPING)
        return merge_mapping(source, map, from, at);
    if (from->type == YOML_TYPE_SEQUENCE) {
        for (i = 0; i != from->data.sequence.size; ++i) {
            const yoml_t *element = from->data.sequence.elements[i];
            if (element->type != YOML_TYPE_MAPPING)
                return source_error(source, at->start_mark,
                                    "merge key `<<` takes a mapping or a sequence of mappings");
            if ((r = merge_mapping(source, map, element, at)) < 0)
                return r;
        }
        return 0;
    }
    return source_error(source, at->start_mark,
                        "merge key `<<` takes a mapping or a sequence of mappings");
}

static int convert_mapping(Source *source, const yaml_node_t *from, unsigned depth, yoml_t **ret)
{
    size_t n = (size_t)(from->data.mapping.pairs.top - from->data.mapping.pairs.start);
    _cleanup_tree_ yoml_t *map = node_new(source, from, YOML_TYPE_MAPPING, n);
    const yaml_node_pair_t *pair;
    int r;

    if (map == NULL)
        return out_of_memory(source->error);
    /* First what the mapping says itself, so that merge keys know what is already there. */
    for (pair = from->data.mapping.pairs.start; pair != from->data.mapping.pairs.top; ++pair) {
        yoml_t *key = NULL, *value = NULL;
        if (is_merge_key(yaml_document_get_node(&source->document, pair->key)))
            continue;
        if ((r = convert(source, pair->key, depth, &key)) < 0)
            return r;
        if ((r = convert(source, pair->value, depth, &value)) < 0) {
            tree_free(key);
            return r;
        }
        map->data.mapping.elements[map->data.mapping.size++] = (yoml_mapping_element_t){key, value};
    }
    for (pair = from->data.mapping.pairs.start; pair != from->data.mapping.pairs.top; ++pair) {
        const yaml_node_t *at = yaml_document_get_node(&source->document, pair->key);
        _cleanup_tree_ yoml_t *value = NULL;
        if (!is_merge_key(at))
            continue;
        if ((r = convert(source, pair->value, depth, &value)) < 0 ||
            (r = merge(source, &map, value, at)) < 0)
            return r;
    }
    *ret = map;
    map = NULL;
    return 0;
}

static int convert_sequence(Source *source, const yaml_node_t *from, unsigned depth, yoml_t **ret)
{
    size_t n = (size_t)(from->data.sequence.items.top - from->data.sequence.items.start);
    _cleanup_tree_ yoml_t *sequence = node_new(source, from, YOML_TYPE_SEQUENCE, n);
    const yaml_node_item_t *item;
    int r;

    if (sequence == NULL)
        return out_of_memory(source->error);
    for (item = from->data.sequence.items.start; item != from->data.sequence.items.top; ++item) {
        yoml_t *element = NULL;
        if ((r = convert(source, *item, depth, &element)) < 0)
            return r;
        sequence->data.sequence.elements[sequence->data.sequence.size++] = element;
    }
    *ret = sequence;
    sequence = NULL;
    return 0;
}

static int convert_scalar(Source *source, const yaml_node_t *from, yoml_t **ret)
{
    const char *value = (const char *)from->data.scalar.value;
    yoml_t *scalar;

    if (strlen(value) != from->data.scalar.length)
        return source_error(source, from->start_mark, "a string cannot contain the character NUL");
    if (from->tag != NULL && strcmp((const char *)from->tag, "!file") == 0) {
        if (source->files == NULL)
            return source_error(source, from->start_mark,
                                "!file cannot be used in a configuration given as text");
        if (source->files->n_entries > YAML_MAX_FILES)
            return source_error(source, from->start_mark, "too many files read through !file");
        return parse_path(value, source->files, ret, source->error);
    }
    if ((scalar = node_new(source, from, YOML_TYPE_SCALAR, 0)) == NULL ||
        (scalar->data.scalar = strdup(value)) == NULL) {
        tree_free(scalar);
        return out_of_memory(source->error);
    }
    /* The text of a block scalar begins on the line after its `|` or `>`. */
    if (from->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
        from->data.scalar.style == YAML_FOLDED_SCALAR_STYLE)
        ++scalar->line;
    *ret = scalar;
    return 0;
}

static int convert(Source *source, int id, unsigned depth, yoml_t **ret)
{
    yaml_node_t *from = yaml_document_get_node(&source->document, id);
    yoml_t **converted = &source->converted[id - 1];
    int r;

    if (*converted == NULL) {
        if (source->in_progress[id - 1])
            return source_error(source, from->start_mark, "an alias refers to itself");
        if (depth == YAML_MAX_DEPTH)
            return source_error(source, from->start_mark, "nested too deeply");
        source->in_progress[id - 1] = true;
        switch (from->type) {
        case YAML_SCALAR_NODE:
            r = convert_scalar(source, from, converted);
            break;
        case YAML_SEQUENCE_NODE:
            r = convert_sequence(source, from, depth + 1, converted);
            break;
        case YAML_MAPPING_NODE:
            r = convert_mapping(source, from, depth + 1, converted);
            break;
        default:
            r = source_error(source, from->start_mark, "empty node");
            break;
        }
        source->in_progress[id - 1] = false;
        if (r < 0)
            return r;
    }
    ++(*converted)->_refcnt;
    *ret = *converted;
    return 0;
}

/* Adds to `*n` the nodes below `node` with every alias written out; stops past the limit. */
static void measure_expansion(const yoml_t *node, size_t *n)
{
    size_t i;

    if (++*n > YAML_MAX_NODES)
        return;
    if (node->type == YOML_TYPE_SEQUENCE) {
        for (i = 0; i != node->data.sequence.size && *n <= YAML_MAX_NODES; ++i)
            measure_expansion(node->data.sequence.elements[i], n);
    } else if (node->type == YOML_TYPE_MAPPING) {
        for (i = 0; i != node->data.mapping.size && *n <= YAML_MAX_NODES; ++i) {
            measure_expansion(node->data.mapping.elements[i].key, n);
            measure_expansion(node->data.mapping.elements[i].value, n);
        }
    }
}

static int convert_document(Source *source, yoml_t **ret)
{
    size_t i, n = (size_t)(source->document.nodes.top - source->document.nodes.start), expanded = 0;
    _cleanup_tree_ yoml_t *root = NULL;
    int r;

    if (n == 0)
        return error_set(source->error, ERROR_INVALID_CONFIG, "%s:1:1: the configuration is empty",
                         source->filename);
    source->converted = calloc(n, sizeof(*source->converted));
    source->in_progress = calloc(n, sizeof(*source->in_progress));
    if (source->converted == NULL || source->in_progress == NULL)
        r = out_of_memory(source->error);
    else
        r = convert(source, 1, 0, &root);
    for (i = 0; source->converted != NULL && i != n; ++i)
        tree_free(source->converted[i]);
    free(source->converted);
    free(source->in_progress);
    if (r < 0)
        return r;
    measure_expansion(root, &expanded);
    if (expanded > YAML_MAX_NODES)
        return error_set(source->error, ERROR_INVALID_CONFIG,
                         "%s:1:1: too large: more than %d nodes with every alias written out",
                         source->filename, YAML_MAX_NODES);
    *ret = root;
    root = NULL;
    return 0;
}

/* Of a character that YAML does not allow, libyaml tells the offset only. */
static int reader_error(const Source *source, const char *text, size_t length,
                        const yaml_parser_t *parser)
{
    size_t i, end = parser->problem_offset < length ? parser->problem_offset : length;
    yaml_mark_t mark = {0};

    for (i = 0; i != end; ++i) {
        /* Columns count characters, as libyaml's do: not the bytes that continue one in UTF-8. */
        mark.column += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (text[i] == '\n') {
            ++mark.line;
            mark.column = 0;
        }
    }
    return error_set(source->error, ERROR_INVALID_CONFIG, "%s:%zu:%zu: not a YAML text: %s",
                     source->filename, mark.line + 1, mark.column + 1, parser->problem);
}

/* What the events of a text add up to. */
typedef struct Census {
    unsigned depth, n_anchors, n_aliases;
} Census;

static int take_event(Source *source, const yaml_event_t *event, Census *census)
{
    const unsigned char *anchor = NULL;

    switch (event->type) {
    case YAML_ALIAS_EVENT:
        ++census->n_aliases;
        break;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        anchor = event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                          : event->data.mapping_start.anchor;
        ++census->depth;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        --census->depth;
        break;
    default:
        break;
    }
    census->n_anchors += anchor != NULL;
    if (census->depth > YAML_MAX_DEPTH)
        return source_error(source, event->start_mark, "nested too deeply");
    if (census->n_anchors > YAML_MAX_ANCHORS || census->n_aliases > YAML_MAX_ALIASES)
        return source_error(source, event->start_mark, "too many anchors or aliases");
    return 0;
}

/*
 * Some texts take libyaml a time that grows with the square of their length, so that a megabyte
 * would take minutes. Its events come one by one: look at these first.
 */
static int check_complexity(Source *source, const char *text, size_t length)
{
    bool end = false;
    Census census = {0};
    yaml_parser_t parser;
    yaml_event_t event;
    int r = 0;

    if (!yaml_parser_initialize(&parser))
        return out_of_memory(source->error);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    /* What is wrong with the text is told when it is loaded. */
    while (r >= 0 && !end && yaml_parser_parse(&parser, &event)) {
        end = event.type == YAML_STREAM_END_EVENT || event.type == YAML_DOCUMENT_END_EVENT;
        r = take_event(source, &event, &census);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return r;
}

static int parse(const char *filename, const char *text, size_t length, FileList *files,
                 yoml_t **ret, Error *error)
{
    Source source = {.filename = filename, .files = files, .error = error};
    yaml_parser_t parser;
    int r;

    if (length > YAML_MAX_BYTES)
        return error_set(error, ERROR_INVALID_CONFIG, "%s:1:1: too large: more than %d bytes",
                         filename, YAML_MAX_BYTES);
    if ((r = check_complexity(&source, text, length)) < 0)
        return r;
    if (!yaml_parser_initialize(&parser))
        return out_of_memory(error);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (!yaml_parser_load(&parser, &source.document)) {
        yaml_mark_t mark = parser.problem_mark;
        if (parser.error == YAML_MEMORY_ERROR)
            r = out_of_memory(error);
        else if (parser.error == YAML_READER_ERROR)
            r = reader_error(&source, text, length, &parser);
        else
            r = source_error(&source, mark,
                             parser.problem != NULL ? parser.problem : "not a YAML text");
    } else {
        r = convert_document(&source, ret);
        yaml_document_delete(&source.document);
    }
    yaml_parser_delete(&parser);
    return r;
}

static int parse_path(const char *filename, FileList *files, yoml_t **ret, Error *error)
{
    const char *why;
    char *text = NULL;
    size_t length;
    int r;

    r = file_read(filename, YAML_MAX_BYTES, files, &text, &length, &why);
    if (r < 0)
        return error_set(error,
                         r == -EMFILE || r == -ENFILE ? ERROR_LIMIT_REACHED : ERROR_INVALID_CONFIG,
                         "%s:1:1: cannot read the file: %s", filename, why);
    r = parse(filename, text, length, files, ret, error);
    free(text);
    return r;
}

int tree_parse(const char *filename, const char *text, size_t length, yoml_t **ret, Error *error)
{
    return parse(filename, text, length, NULL, ret, error);
}

int tree_parse_file(const char *filename, FileList *files, yoml_t **ret, Error *error)
{
    return parse_path(filename, files, ret, error);
}
