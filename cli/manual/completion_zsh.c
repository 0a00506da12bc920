/* The parts of the completion for zsh: a function with a call of _arguments for each subcommand. */
#include <string.h>

#include "manual.h"
#include "ocelli/models.h"
#include "value.h"

/* A row of an array for _describe. */
static void write_described(FILE *out, const char *name, const char *text) {
    fprintf(out, "    '%s:", name);
    oc_quote_zsh(out, text, ":\\");
    fputs("'\n", out);
}

static void write_models(FILE *out) {
    for (size_t i = 0; oc_models_name(i); i++) write_described(out, oc_models_name(i), oc_models_summary(i));
}

static void write_keys(FILE *out) {
    const oc_recipe_key *key;
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) write_described(out, key->key, key->help);
}

/* An action for _arguments, within single quotes. */
static void write_action(FILE *out, const oc_value *value) {
    switch (value->kind) {
    case OC_VALUE_FREE:
        fputs(" ", out); /* nothing, but the message */
        break;
    case OC_VALUE_CHOICE:
        fputs("(", out);
        oc_quote_zsh(out, value->choices, ":");
        fputs(")", out);
        break;
    case OC_VALUE_MODEL:
        fputs("_ocelli_models", out);
        break;
    case OC_VALUE_SETTING:
        fputs("_ocelli_settings", out);
        break;
    case OC_VALUE_FOLDER:
        fputs("_files -/", out);
        break;
    case OC_VALUE_FILE:
        if (value->suffix[0])
            fprintf(out, "_files -g \"*%s(-.)\"", value->suffix);
        else
            fputs("_files", out);
        break;
    }
}

static void write_settings(FILE *out) {
    const oc_recipe_key *key;
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) {
        const oc_value value = oc_value_read(oc_key_value(key));
        if (value.kind == OC_VALUE_CHOICE) fprintf(out, "  (%s) compadd -- %s ;;\n", key->key, value.choices);
        if (value.kind == OC_VALUE_MODEL) fprintf(out, "  (%s) _ocelli_models ;;\n", key->key);
    }
}

/* ":message:action" of a value. */
static void write_value(FILE *out, const char *text) {
    const oc_value value = oc_value_read(text);
    fputs(":", out);
    oc_quote_zsh(out, value.kind == OC_VALUE_CHOICE ? "choice" : text, ":");
    fputs(":", out);
    write_action(out, &value);
}

static void write_flag(FILE *out, const oc_flag *flag, const oc_recipe_key *key) {
    const bool alone = oc_flag_may_stand_alone(flag);
    const char *takes = flag->value ? (alone ? "=-" : "=") : "";
    /* The help says which of them count more than once. */
    const char *repeats = strstr(flag->help, "may be repeated") ? "*" : "";
    fprintf(out, " \\\n    '%s%s%s[%s", repeats, flag->name, takes, key && !flag->value ? "no " : "");
    oc_quote_zsh(out, flag->help, "[]:\\");
    fputs("]", out);
    if (flag->value) {
        if (alone) fputs(":", out);
        write_value(out, flag->value);
    }
    fputs("'", out);
}

/* The function of a subcommand, "_ocelli-data-pack": with hyphens, so that none is one of the template's own. */
static void write_name(FILE *out, const oc_command *command) {
    char name[64];
    fprintf(out, "_%s", oc_page_name(command, name));
}

/* The words that are no flags: the last one is for all further ones. */
static void write_words(FILE *out, const oc_command *command) {
    const char *words = oc_command_words(command);
    char word[64];
    for (int i = 1; oc_next_word(&words, word); i++) {
        if (*words || i == command->most)
            fprintf(out, " \\\n    '%d", i);
        else
            fputs(" \\\n    '*", out);
        write_value(out, word);
        fputs("'", out);
    }
}

static void write_functions(FILE *out) {
    const oc_recipe_key *key;
    oc_flag flag;
    for (size_t i = 0; oc_commands[i]; i++) {
        write_name(out, oc_commands[i]);
        fputs("() {\n  _arguments -S", out);
        for (size_t j = 0; oc_command_flag(oc_commands[i], j, &flag, &key); j++) write_flag(out, &flag, key);
        write_words(out, oc_commands[i]);
        fputs("\n}\n\n", out);
    }
}

static void write_subcommands(FILE *out) {
    char group[32], text[64];
    for (size_t i = 0; oc_commands[i]; i++) {
        const char *name = oc_command_in_group(oc_commands[i], "");
        if (name) write_described(out, name, oc_commands[i]->summary);
        if (!oc_group_begins(i, group)) continue;
        snprintf(text, sizeof text, "several, see ocelli %s --help", group);
        write_described(out, group, text);
    }
}

/* Behind a group's name one of its subcommands is chosen; then both are one word to what follows. */
static void write_groups(FILE *out) {
    char group[32];
    for (size_t i = 0; oc_commands[i]; i++) {
        if (!oc_group_begins(i, group)) continue;
        fprintf(out, "  (%s)\n    if (( CURRENT == 2 )); then\n      subcommands=(\n", group);
        for (size_t j = i; oc_commands[j]; j++) {
            const char *name = oc_command_in_group(oc_commands[j], group);
            if (name) write_described(out, name, oc_commands[j]->summary);
        }
        fputs("      )\n      _describe -t subcommands subcommand subcommands\n      return\n    fi\n"
              "    words=(\"$words[1] $words[2]\" \"${(@)words[3,-1]}\")\n    (( CURRENT-- ))\n    ;;\n",
              out);
    }
}

static void write_calls(FILE *out) {
    for (size_t i = 0; oc_commands[i]; i++) {
        fprintf(out, "  ('%s') ", oc_commands[i]->name);
        write_name(out, oc_commands[i]);
        fputs(" ;;\n", out);
    }
}

const oc_part oc_completion_zsh[] = {
    {"models", write_models},           {"keys", write_keys},
    {"settings", write_settings},       {"functions", write_functions},
    {"groups", write_groups},           {"calls", write_calls},
    {"subcommands", write_subcommands}, {NULL, NULL},
};
