/* Writing a manual page in man(7), as Debian's own commands have it: what mdoc(7) would add, groff heads with "BSD" and
 * foots with whatever system it is on. */
#ifndef OC_CLI_MANUAL_ROFF_H
#define OC_CLI_MANUAL_ROFF_H

#include "options.h"

#define OC_ROFF_MENTIONS 64

typedef struct oc_roff {
    FILE *out;
    size_t column;                  /* of the source's line, which is kept below 80 */
    bool mention[OC_ROFF_MENTIONS]; /* by place in oc_commands: what SEE ALSO is to list */
    const oc_command *command;      /* whose page it is; NULL: the whole command's */
} oc_roff;

/* Head and NAME. `date`: YYYY-MM-DD. */
void oc_roff_begin(oc_roff *roff, const char *summary, const char *date);
/* A line that is roff already: a request, or text with its escapes. */
void oc_roff_line(oc_roff *roff, const char *line);
void oc_roff_section(oc_roff *roff, const char *title);
/* Text to be filled, an empty line between paragraphs. Flags and what stands in backquotes become bold, and a
 * subcommand in backquotes the name of its page. */
void oc_roff_text(oc_roff *roff, const char *text);
/* The same of a help line, which becomes a sentence. */
void oc_roff_sentence(oc_roff *roff, const char *text);
/* An item of a list, whose text follows: NAME, SEPARATOR and VALUE (NULL: none), as --help has it. */
void oc_roff_item(oc_roff *roff, const char *name, const char *separator, const char *value);
/* An item that is the page of a subcommand, by its place in oc_commands. */
void oc_roff_item_page(oc_roff *roff, size_t command);
/* What follows "ocelli NAME". */
void oc_roff_usage(oc_roff *roff, const char *name, const char *usage);
/* A command line as it is typed, broken where it is too long. */
void oc_roff_example(oc_roff *roff, const char *line);
/* EXIT STATUS, which is the same for all. */
void oc_roff_statuses(oc_roff *roff);
/* SEE ALSO, of what was mentioned; `docs` (NULL: none) tells more. */
void oc_roff_end(oc_roff *roff, const char *docs);

#endif
