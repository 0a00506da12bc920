/* The manual page of a subcommand. */
#include <string.h>

#include "manual.h"
#include "roff.h"

static bool has_flag(const oc_command *command, const char *name) {
    for (const oc_flag *flag = command->flags; flag->name; flag++)
        if (strcmp(flag->name, name) == 0) return true;
    return false;
}

/* What a key may be, and what it is unless given. */
static void put_range(oc_roff *roff, const oc_recipe_key *key) {
    char text[256] = "";
    size_t used = 0;
    if (key->type == OC_KEY_INT)
        used = (size_t)snprintf(text, sizeof text, "From %.0f to %.0f; ", key->min, key->max);
    else if (key->type == OC_KEY_REAL)
        used = (size_t)snprintf(text, sizeof text, "From %.12g to %.12g; ", key->min, key->max);
    else if (key->type == OC_KEY_STATISTIC)
        used = (size_t)snprintf(text, sizeof text, "Numbers are from %.12g to %.12g; ", key->min, key->max);
    used += (size_t)snprintf(text + used, sizeof text - used, "`%s` unless given", key->default_value);
    if (key->flag && strncmp(key->flag, "--no-", 5) == 0)
        snprintf(text + used, sizeof text - used, "; %s says false.", key->flag);
    else if (key->flag)
        snprintf(text + used, sizeof text - used, "; also as %s.", key->flag);
    else
        snprintf(text + used, sizeof text - used, ".");
    oc_roff_text(roff, text);
}

/* Of a flag of a key, which is described in its place among the settings. */
static void put_short_form(oc_roff *roff, const oc_recipe_key *key, const oc_flag *flag) {
    char text[128];
    snprintf(text, sizeof text, "Sets `%s`%s; see below.", key->key, flag->value ? "" : " to `false`");
    oc_roff_text(roff, text);
}

static void put_settings(oc_roff *roff) {
    const oc_recipe_key *key;
    oc_roff_section(roff, "SETTINGS");
    oc_roff_text(roff, "The settings of the recipe. In its YAML file the key's parts may be nested or written with the "
                       "dot; on the command line they are set by --set, some by a flag of their own.");
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++) {
        oc_roff_item(roff, key->key, "=", oc_key_value(key));
        oc_roff_sentence(roff, key->help);
        put_range(roff, key);
    }
}

void oc_manual_command(FILE *out, const oc_command *command, const char *date) {
    oc_roff roff = {.out = out, .command = command};
    const oc_recipe_key *key;
    oc_flag flag;
    oc_roff_begin(&roff, command->summary, date);
    oc_roff_section(&roff, "SYNOPSIS");
    oc_roff_usage(&roff, command->name, command->usage);
    oc_roff_section(&roff, "DESCRIPTION");
    if (command->description)
        oc_roff_text(&roff, command->description);
    else
        oc_roff_sentence(&roff, command->summary);
    oc_roff_section(&roff, "OPTIONS");
    for (size_t i = 0; oc_command_flag(command, i, &flag, &key); i++) {
        oc_roff_item(&roff, flag.name, oc_flag_may_stand_alone(&flag) ? "" : " ", flag.value);
        if (key)
            put_short_form(&roff, key, &flag);
        else
            oc_roff_sentence(&roff, flag.help);
    }
    if (command->recipe) {
        put_settings(&roff);
    } else if (has_flag(command, "--set")) {
        oc_roff_line(&roff, ".PP");
        oc_roff_text(&roff, "The recipe's settings, with their defaults, are listed in `ocelli train`.");
    }
    oc_roff_statuses(&roff);
    oc_roff_section(&roff, "EXAMPLES");
    oc_roff_example(&roff, command->example);
    oc_roff_end(&roff, command->docs);
}
