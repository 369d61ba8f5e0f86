/* SPDX-License-Identifier: MIT */
/*
 * The commands `sluice.*`: what a server is besides an HTTP server. They are read in two ways, with
 * the rest of the configuration at Start, and by themselves when the manager reads its directories.
 */
#include "config-commands.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "yaml-tree.h"

#define STOP_TIMEOUT_MAX 86400.0 /* seconds; a day is longer than any client waits */

static int read_seconds(yoml_t *node, const char *name, uint64_t *ret_usec, Error *error)
{
    double seconds;
    char *end;

    errno = 0;
    seconds = strtod(node->data.scalar, &end);
    if (errno != 0 || end == node->data.scalar || *end != '\0' || !isfinite(seconds) ||
        seconds < 0 || seconds > STOP_TIMEOUT_MAX)
        return tree_error(error, node, "%s: must be a number of seconds from 0 to %.0f, not `%s`",
                          name, STOP_TIMEOUT_MAX, node->data.scalar);
    *ret_usec = (uint64_t)(seconds * 1000000.0 + 0.5);
    return 0;
}

int config_setting_apply(ConfigSettings *settings, const char *name, yoml_t *node, Error *error)
{
    bool description = strcmp(name, "sluice.description") == 0;
    bool autostart = strcmp(name, "sluice.autostart") == 0;
    bool stop_timeout = strcmp(name, "sluice.stop-timeout") == 0;
    char *copy;

    if (!description && !autostart && !stop_timeout)
        return -ENOENT;
    if (node->type != YOML_TYPE_SCALAR)
        return tree_error(error, node, "%s: must be a single value", name);
    if (stop_timeout)
        return read_seconds(node, name, &settings->stop_timeout_usec, error);
    if (autostart) {
        if (strcasecmp(node->data.scalar, "ON") != 0 && strcasecmp(node->data.scalar, "OFF") != 0)
            return tree_error(error, node, "%s: must be ON or OFF, not `%s`", name,
                              node->data.scalar);
        settings->autostart = strcasecmp(node->data.scalar, "ON") == 0;
        return 0;
    }
    if ((copy = strdup(node->data.scalar)) == NULL)
        return error_set(error, ERROR_FAILED, "out of memory");
    free(settings->description);
    settings->description = copy;
    return 0;
}

static int on_setting(h2o_configurator_command_t *command, h2o_configurator_context_t *context,
                      yoml_t *node)
{
    _cleanup_error_ Error error = ERROR_INIT;
    const char *text;

    if (config_setting_apply(&command_config(command)->settings, command->name, node, &error) >= 0)
        return 0;
    /* The library's reporter adds the position and the name again. */
    text = strstr(error.message, command->name);
    h2o_configurator_errprintf(command, node, "%s",
                               text != NULL ? text + strlen(command->name) + 2 : error.message);
    return -1;
}

void config_register_sluice(Config *config)
{
    static const char *const names[] = {"sluice.description", "sluice.autostart",
                                        "sluice.stop-timeout"};
    Configurator *configurator = configurator_new(config);
    size_t i;

    for (i = 0; i != sizeof(names) / sizeof(names[0]); ++i)
        h2o_configurator_define_command(
            &configurator->super, names[i],
            H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR, on_setting);
}

int config_read_settings(const char *path, ConfigSettings *ret, FileList *files, Error *error)
{
    ConfigSettings settings = {.description = strdup(""),
                               .stop_timeout_usec = CONFIG_STOP_TIMEOUT_DEFAULT};
    _cleanup_tree_ yoml_t *tree = NULL;
    size_t i;
    int r;

    if (settings.description == NULL)
        return error_set(error, ERROR_FAILED, "out of memory");
    r = tree_parse_file(path, files, &tree, error);
    if (r >= 0 && tree->type != YOML_TYPE_MAPPING)
        r = tree_error(error, tree, "a configuration must be a mapping");
    for (i = 0; r >= 0 && i != tree->data.mapping.size; ++i) {
        yoml_mapping_element_t *element = &tree->data.mapping.elements[i];
        if (element->key->type != YOML_TYPE_SCALAR)
            continue;
        r = config_setting_apply(&settings, element->key->data.scalar, element->value, error);
        if (r == -ENOENT)
            r = 0;
    }
    *ret = settings;
    return r;
}

void config_settings_clear(ConfigSettings *settings)
{
    free(settings->description);
    settings->description = NULL;
}
