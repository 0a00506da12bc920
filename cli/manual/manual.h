/* The parts of the program that writes the manual pages and the shells' completions, when ocelli is built. */
#ifndef OC_CLI_MANUAL_MANUAL_H
#define OC_CLI_MANUAL_MANUAL_H

#include "options.h"

/* ocelli(1), and the page of a subcommand; `date`: YYYY-MM-DD. */
void oc_manual_overview(FILE *out, const char *date);
void oc_manual_command(FILE *out, const oc_command *command, const char *date);

/* The name of a page: "ocelli-data-pack", into name of at least 64 bytes, which is returned; NULL: "ocelli". */
const char *oc_page_name(const oc_command *command, char *name);

/* A line "{{name}}" of a template, and what writes the lines that come in its place. */
typedef struct oc_part {
    const char *name; /* NULL ends a list */
    void (*write)(FILE *out);
} oc_part;

extern const oc_part oc_completion_bash[], oc_completion_zsh[], oc_completion_fish[];

/* Copies a template with its parts. Returns 0, or 1 with a line on standard error where it names an unknown part. */
int oc_completion_fill(FILE *out, FILE *template, const oc_part *parts);

/* The group's name ("data") of a subcommand that is the first of its group, into `group` of at least 32 bytes, which is
 * returned; NULL for all others. */
const char *oc_group_begins(size_t index, char *group);

/* Takes the next of `words` (a subcommand's, from oc_command_words) into `word` of at least 64 bytes; false at their
 * end. */
bool oc_next_word(const char **words, char *word);
/* What a subcommand's words are; "" where it takes none. */
const char *oc_command_words(const oc_command *command);

/* Writes the inside of single quotes, of zsh with a backslash before each of `special`. */
void oc_quote_zsh(FILE *out, const char *text, const char *special);
void oc_quote_fish(FILE *out, const char *text);

#endif
