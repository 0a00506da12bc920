/* The parts of the completion for fish: one "complete" for each flag of each subcommand. */
#include <string.h>

#include "manual.h"
#include "ocelli/models.h"
#include "value.h"

/* A line that prints a candidate with its description. */
static void write_candidate(FILE *out, const char *prefix, const char *name, const char *suffix, const char *text) {
    fprintf(out, "    printf '%%s\\t%%s\\n' '%s%s%s' '", prefix, name, suffix);
    oc_quote_fish(out, text);
    fputs("'\n", out);
}

static void write_models(FILE *out) {
    for (size_t i = 0; oc_models_name(i); i++) write_candidate(out, "", oc_models_name(i), "", oc_models_summary(i));
}

static void write_keys(FILE *out) {
    const oc_recipe_key *key;
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) write_candidate(out, "", key->key, "=", key->help);
}

/* fish replaces the whole word, so that what is offered begins with the key. */
static void write_settings(FILE *out) {
    const oc_recipe_key *key;
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) {
        const oc_value value = oc_value_read(oc_key_value(key));
        if (value.kind == OC_VALUE_CHOICE) {
            fprintf(out, "    case %s\n    printf '%%s\\n' %s=", key->key, key->key);
            for (const char *c = value.choices; *c; c++)
                if (*c == ' ')
                    fprintf(out, " %s=", key->key);
                else
                    fputc(*c, out);
            fputc('\n', out);
        } else if (value.kind == OC_VALUE_MODEL) {
            fprintf(out, "    case %s\n    printf '%s=%%s\\n' (__ocelli_models)\n", key->key, key->key);
        }
    }
}

/* What offers a value, as the argument of -a; nothing where nothing can be. */
static void write_action(FILE *out, const char *text) {
    const oc_value value = oc_value_read(text);
    switch (value.kind) {
    case OC_VALUE_FREE:
        break;
    case OC_VALUE_CHOICE:
        fprintf(out, " -a '%s'", value.choices);
        break;
    case OC_VALUE_MODEL:
        fputs(" -a '(__ocelli_models)'", out);
        break;
    case OC_VALUE_SETTING:
        fputs(" -a '(__ocelli_settings)'", out);
        break;
    case OC_VALUE_FOLDER:
        fputs(" -a '(__ocelli_folders)'", out);
        break;
    case OC_VALUE_FILE:
        fprintf(out, " -a '(__ocelli_files%s%s)'", value.suffix[0] ? " " : "", value.suffix);
        break;
    }
}

static void write_flag(FILE *out, const oc_command *command, const oc_flag *flag, const oc_recipe_key *key) {
    fprintf(out, "complete -c ocelli -n '__ocelli_in %s' -l %s -d '%s", command->name, flag->name + 2,
            key && !flag->value ? "no " : "");
    oc_quote_fish(out, flag->help);
    fputs("'", out);
    if (flag->value && !oc_flag_may_stand_alone(flag)) {
        fputs(" -x", out);
        write_action(out, flag->value);
    }
    fputs("\n", out);
    /* fish has no flag that may have a value. */
    if (flag->value && oc_flag_may_stand_alone(flag)) {
        const oc_value value = oc_value_read(flag->value);
        for (const char *c = value.choices; *c; c += strspn(c, " ")) {
            const size_t length = strcspn(c, " ");
            fprintf(out, "complete -c ocelli -n '__ocelli_in %s' -a '%s=%.*s' -d '", command->name, flag->name,
                    (int)length, c);
            oc_quote_fish(out, flag->help);
            fputs("'\n", out);
            c += length;
        }
    }
}

static void write_flags(FILE *out) {
    const oc_recipe_key *key;
    oc_flag flag;
    for (size_t i = 0; oc_commands[i]; i++) {
        const oc_command *command = oc_commands[i];
        const char *words = oc_command_words(command);
        char word[64];
        for (size_t j = 0; oc_command_flag(command, j, &flag, &key); j++) write_flag(out, command, &flag, key);
        /* Words of any place, since flags and their values are not told from them here. */
        while (oc_next_word(&words, word)) {
            fprintf(out, "complete -c ocelli -n '__ocelli_in %s'", command->name);
            write_action(out, word);
            fputs("\n", out);
        }
    }
}

static void write_row(FILE *out, const char *group, const char *name, const char *text) {
    fprintf(out, "complete -c ocelli -n '__ocelli_at%s%s' -a %s -d '", group[0] ? " " : "", group, name);
    oc_quote_fish(out, text);
    fputs("'\n", out);
}

static void write_subcommands(FILE *out) {
    char group[32], text[64];
    for (size_t i = 0; oc_commands[i]; i++) {
        if (oc_group_begins(i, group)) {
            snprintf(text, sizeof text, "several, see ocelli %s --help", group);
            write_row(out, "", group, text);
        }
        snprintf(group, sizeof group, "%.*s", (int)oc_command_group(oc_commands[i]), oc_commands[i]->name);
        write_row(out, group, oc_command_in_group(oc_commands[i], group), oc_commands[i]->summary);
    }
}

const oc_part oc_completion_fish[] = {
    {"models", write_models},           {"keys", write_keys},   {"settings", write_settings},
    {"subcommands", write_subcommands}, {"flags", write_flags}, {NULL, NULL},
};
