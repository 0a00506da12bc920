/* The parts of the completion for bash. Nothing in them needs a quote: names, keys and choices are plain words. */
#include <string.h>

#include "manual.h"
#include "ocelli/models.h"
#include "value.h"

static void write_models(FILE *out) {
    const char *name;
    fputs("    _ocelli_among '", out);
    for (size_t i = 0; (name = oc_models_name(i)); i++) fprintf(out, "%s%s", i ? " " : "", name);
    fputs("'\n", out);
}

static void write_keys(FILE *out) {
    const oc_recipe_key *key;
    fputs("        _ocelli_among '", out);
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) fprintf(out, "%s%s=", i ? " " : "", key->key);
    fputs("'\n", out);
}

/* What completes such a value: a call, or ":". */
static void write_action(FILE *out, const char *value) {
    const oc_value read = oc_value_read(value);
    switch (read.kind) {
    case OC_VALUE_FREE:
        fputs(":", out);
        break;
    case OC_VALUE_CHOICE:
        fprintf(out, "_ocelli_among '%s'", read.choices);
        break;
    case OC_VALUE_MODEL:
        fputs("_ocelli_models", out);
        break;
    case OC_VALUE_SETTING:
        fputs("_ocelli_settings", out);
        break;
    case OC_VALUE_FOLDER:
        fputs("_ocelli_folders", out);
        break;
    case OC_VALUE_FILE:
        fprintf(out, "_ocelli_files%s%s", read.suffix[0] ? " " : "", read.suffix);
        break;
    }
    fputs(" ;;\n", out);
}

static void write_settings(FILE *out) {
    const oc_recipe_key *key;
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) {
        if (oc_value_read(oc_key_value(key)).kind == OC_VALUE_FREE) continue;
        fprintf(out, "    %s) ", key->key);
        write_action(out, oc_key_value(key));
    }
}

static void write_subcommands(FILE *out) {
    char group[32];
    fputs("    '') _ocelli_among '", out);
    for (size_t i = 0; oc_commands[i]; i++) {
        const char *name = oc_group_begins(i, group) ? group : oc_command_in_group(oc_commands[i], "");
        if (name) fprintf(out, "%s ", name);
    }
    fputs("--help --version' ;;\n", out);
    for (size_t i = 0; oc_commands[i]; i++) {
        if (!oc_group_begins(i, group)) continue;
        fprintf(out, "    %s) _ocelli_among '", group);
        for (size_t j = i; oc_commands[j]; j++) {
            const char *name = oc_command_in_group(oc_commands[j], group);
            if (name) fprintf(out, "%s ", name);
        }
        fputs("--help' ;;\n", out);
    }
}

static void write_flags(FILE *out) {
    const oc_recipe_key *key;
    oc_flag flag;
    for (size_t i = 0; oc_commands[i]; i++) {
        fprintf(out, "    '%s')\n        flags='", oc_commands[i]->name);
        for (size_t j = 0; oc_command_flag(oc_commands[i], j, &flag, &key); j++)
            fprintf(out, "%s%s", j ? " " : "", flag.name);
        fputs("'\n        valued='", out);
        for (size_t j = 0; oc_command_flag(oc_commands[i], j, &flag, &key); j++)
            if (!oc_flag_may_stand_alone(&flag)) fprintf(out, "%s ", flag.name);
        fputs("' ;;\n", out);
    }
}

/* The words that are no flags: the last row is for all further ones. */
static void write_words(FILE *out, const oc_command *command) {
    const char *words = oc_command_words(command);
    char word[64];
    for (int i = 0; oc_next_word(&words, word); i++) {
        fprintf(out, "    '%s'/", command->name);
        if (*words || i + 1 == command->most)
            fprintf(out, "%d) ", i);
        else
            fputs("[0-9]*) ", out);
        write_action(out, word);
    }
}

static void write_values(FILE *out) {
    const oc_recipe_key *key;
    oc_flag flag;
    for (size_t i = 0; oc_commands[i]; i++) {
        for (size_t j = 0; oc_command_flag(oc_commands[i], j, &flag, &key); j++) {
            if (!flag.value) continue;
            fprintf(out, "    '%s'/%s) ", oc_commands[i]->name, flag.name);
            write_action(out, flag.value);
        }
        write_words(out, oc_commands[i]);
    }
}

const oc_part oc_completion_bash[] = {
    {"models", write_models},
    {"keys", write_keys},
    {"settings", write_settings},
    {"subcommands", write_subcommands},
    {"flags", write_flags},
    {"values", write_values},
    {NULL, NULL},
};
