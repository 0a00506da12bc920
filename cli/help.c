/* What --help prints of a subcommand. */
#include <string.h>

#include "options.h"

#define WIDTH 100 /* of paragraphs: a list's lines are as long as they are */
#define COLUMN 23 /* of what flags mean, without the two spaces before them */
#define INDENT "                         "

/* Prints paragraphs, an empty line after each. */
static void print_paragraphs(FILE *out, const char *text) {
    size_t column = 0;
    while (*text) {
        const size_t length = strcspn(text, " \n");
        if (column > 0 && column + 1 + length > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, "%s%.*s", column > 0 ? " " : "", (int)length, text);
        text += length;
        if (*text == '\n') {
            fputs("\n\n", out);
            column = 0;
        }
        text += strspn(text, " \n");
    }
    fputs("\n\n", out);
}

static void print_flag(const oc_flag *flag, const oc_recipe_key *key, FILE *out) {
    char left[96];
    snprintf(left, sizeof left, "%s%s%s", flag->name, oc_flag_may_stand_alone(flag) ? "" : " ",
             flag->value ? flag->value : "");
    /* What is too long for the column has a line of its own. */
    fprintf(out, "  %-*s%s", COLUMN, left, strlen(left) < COLUMN ? "" : "\n" INDENT);
    fprintf(out, "%s%s", key && !flag->value ? "no " : "", flag->help);
    if (key && flag->value) fprintf(out, " (%s)", key->default_value);
    fputc('\n', out);
}

void oc_command_help(const oc_command *command, FILE *out) {
    const oc_recipe_key *key;
    oc_flag flag;
    fprintf(out, "ocelli %s: %s\n\nusage: ocelli %s %s\n\n", command->name, command->summary, command->name,
            command->usage);
    if (command->description) print_paragraphs(out, command->description);
    for (size_t i = 0; oc_command_flag(command, i, &flag, &key); i++) print_flag(&flag, key, out);
    if (command->recipe) {
        fprintf(out, "\nsettings of the recipe, in its file or by --set key=value:\n");
        for (size_t i = 0; (key = oc_recipe_key_at(i)); i++)
            fprintf(out, "  %-24s %-12s %s%s%s\n", key->key, key->default_value, key->help, key->choices ? ": " : "",
                    key->choices ? key->choices : "");
    }
    fprintf(out, "\nexample: %s\n", command->example);
}
