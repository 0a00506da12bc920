/* Writing a manual page in man(7). */
#include "roff.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "manual.h"

#define LINE_MOST 78
#define EXAMPLE_MOST 64 /* what 80 columns leave, with the margins and what "\\-" takes more in the source */
#define WORD_MOST 512

/* ---- words ---- */

/* Whether it is no word of the language, but a name to be typed, in which a '-' is a minus. */
static bool is_literal(const char *word, size_t length) {
    if (word[0] == '-') return true;
    for (size_t i = 0; i < length; i++)
        if (isdigit((unsigned char)word[i]) || strchr("/_=.", word[i])) return true;
    return false;
}

/* Appends to a word of WORD_MOST bytes. */
static void append(char *to, const char *text, size_t length) {
    const size_t used = strlen(to);
    if (used + length >= WORD_MOST) {
        fprintf(stderr, "ocelli-manual: a word of a page is too long: %.40s...\n", to);
        exit(1);
    }
    memcpy(to + used, text, length);
    to[used + length] = '\0';
}

static void append_roff(char *to, const char *text) {
    append(to, text, strlen(text));
}

/* Appends text with what roff would take for its own. */
static void escape(char *to, const char *text, size_t length, bool literal) {
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        const char *as = c == '\\' ? "\\e" : c == '~' ? "\\(ti" : c == '^' ? "\\(ha" : c == '`' ? "\\(ga" : NULL;
        if (c == '-' && literal) as = "\\-";
        if (c == '\'' && literal) as = "\\(aq";
        append(to, as ? as : text + i, as ? strlen(as) : 1);
    }
}

static void escape_in(char *to, const char *font, const char *text, size_t length) {
    if (length == 0) return;
    append_roff(to, font);
    escape(to, text, length, true);
    append_roff(to, "\\fR");
}

static void end_line(oc_roff *roff) {
    if (roff->column > 0) fputc('\n', roff->out);
    roff->column = 0;
}

/* A word that is roff already, behind a space or on a new line. */
static void put_word(oc_roff *roff, const char *word) {
    if (roff->column > 0 && roff->column + 1 + strlen(word) > LINE_MOST) end_line(roff);
    /* What a line begins with may be taken for a request. */
    const char *guard = roff->column == 0 && (word[0] == '.' || word[0] == '\'') ? "\\&" : "";
    roff->column += (size_t)fprintf(roff->out, "%s%s%s", roff->column > 0 ? " " : "", guard, word);
}

/* A word of a text: "(--resume," has a flag in it. */
static void put_plain(oc_roff *roff, const char *word, size_t length) {
    char made[WORD_MOST] = "";
    const char *end = word + length, *dashes = word;
    while (dashes < end && strchr("(\"", *dashes)) dashes++;
    const char *behind = dashes;
    if (end - dashes > 2 && strncmp(dashes, "--", 2) == 0)
        while (behind < end && (isalnum((unsigned char)*behind) || *behind == '-')) behind++;
    escape(made, word, (size_t)(dashes - word), false);
    escape_in(made, "\\fB", dashes, (size_t)(behind - dashes));
    /* A full stop is not of the name. */
    size_t name = (size_t)(end - behind);
    while (name > 0 && strchr(".,:;)", behind[name - 1])) name--;
    escape(made, behind, (size_t)(end - behind), is_literal(behind, name));
    put_word(roff, made);
}

static void refer(oc_roff *roff, size_t command, const char *behind, size_t length) {
    char name[64], made[WORD_MOST] = "";
    oc_page_name(oc_commands[command], name);
    escape_in(made, "\\fB", name, strlen(name));
    append_roff(made, "(1)");
    escape(made, behind, length, false);
    put_word(roff, made);
    if (command < OC_ROFF_MENTIONS) roff->mention[command] = true;
}

/* What stands in backquotes; `behind` are the signs that follow it without a space. */
static void put_quoted(oc_roff *roff, const char *text, size_t length, const char *behind, size_t behind_length) {
    for (size_t i = 0; oc_commands[i]; i++)
        if (length == 7 + strlen(oc_commands[i]->name) && strncmp(text, "ocelli ", 7) == 0 &&
            strncmp(text + 7, oc_commands[i]->name, length - 7) == 0 && oc_commands[i] != roff->command) {
            refer(roff, i, behind, behind_length);
            return;
        }
    const char *end = text + length;
    while (text < end) {
        char made[WORD_MOST] = "";
        size_t word = 0;
        while (text + word < end && text[word] != ' ') word++;
        escape_in(made, "\\fB", text, word);
        text += word;
        if (text == end) escape(made, behind, behind_length, false);
        put_word(roff, made);
        while (text < end && *text == ' ') text++;
    }
}

/* ---- lines ---- */

void oc_roff_line(oc_roff *roff, const char *line) {
    end_line(roff);
    fprintf(roff->out, "%s\n", line);
}

void oc_roff_section(oc_roff *roff, const char *title) {
    end_line(roff);
    fprintf(roff->out, ".SH %s\n.nh\n", title);
}

void oc_roff_text(oc_roff *roff, const char *text) {
    while (*text) {
        const char *word = text, *quote = *text == '`' ? strchr(text + 1, '`') : NULL;
        if (quote) {
            const size_t behind = strcspn(quote + 1, " \n");
            put_quoted(roff, text + 1, (size_t)(quote - text - 1), quote + 1, behind);
            text = quote + 1 + behind;
        } else {
            const size_t length = strcspn(text, " \n");
            put_plain(roff, text, length);
            text += length;
        }
        /* A sentence ends its line, so that every one of them is followed by the same space. */
        if (text > word && strchr(".?!", text[-1])) end_line(roff);
        if (*text == '\n') oc_roff_line(roff, ".PP");
        text += strspn(text, " \n");
    }
}

void oc_roff_sentence(oc_roff *roff, const char *text) {
    const size_t length = strlen(text), word = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    char *sentence = malloc(length + 2);
    if (!sentence) abort(); /* a build's own program */
    memcpy(sentence, text, length + 1);
    /* "sgd: momentum" begins with a name. */
    if (word > 0 && strchr(" ,;-", text[word])) sentence[0] = (char)toupper((unsigned char)sentence[0]);
    if (length > 0 && !strchr(".!?", text[length - 1])) strcat(sentence, ".");
    oc_roff_text(roff, sentence);
    free(sentence);
}

/* Appends what stands for a value: capitals are what the user fills in. */
static void escape_value(char *to, const char *value) {
    while (*value) {
        const size_t sign = strspn(value, "|[]=.,:"), length = strcspn(value + sign, "|[]=,: ");
        escape(to, value, sign, true);
        escape_in(to, isupper((unsigned char)value[sign]) ? "\\fI" : "\\fB", value + sign, length);
        value += sign + length;
        if (sign + length == 0) value++;
    }
}

void oc_roff_item(oc_roff *roff, const char *name, const char *separator, const char *value) {
    char made[WORD_MOST] = "";
    escape_in(made, "\\fB", name, strlen(name));
    if (value) {
        append_roff(made, separator);
        escape_value(made, value);
    }
    oc_roff_line(roff, ".TP");
    oc_roff_line(roff, made);
}

/* Appends a word of a usage, "[--model" or "DIR...": flags and choices are bold, capitals italic. */
static void escape_usage(char *to, const char *word, size_t length) {
    const char *end = word + length;
    while (word < end) {
        const bool fill_in = isupper((unsigned char)*word);
        size_t run = 0;
        while (word + run < end && !strchr("[]|", word[run]) && strncmp(word + run, "...", 3) != 0 &&
               (fill_in || !isupper((unsigned char)word[run])))
            run++;
        escape_in(to, fill_in ? "\\fI" : "\\fB", word, run);
        word += run;
        for (run = 0; word + run < end && strchr("[]|.", word[run]);) run++;
        escape(to, word, run, true);
        word += run;
    }
}

/* How much of a usage is not to be broken: what stands in brackets, or a flag with its value. */
static size_t usage_unit(const char *usage, const char *end) {
    const bool flag = usage[0] == '-';
    size_t length = 0;
    int depth = 0, spaces = 0;
    for (; usage + length < end; length++) {
        depth += (usage[length] == '[') - (usage[length] == ']');
        if (usage[length] != ' ' || depth > 0) continue;
        if (!flag || spaces++ > 0 || strchr("-[", usage[length + 1])) break;
    }
    return length;
}

static void put_usage_unit(oc_roff *roff, const char *unit, size_t length) {
    char made[WORD_MOST] = "";
    for (const char *end = unit + length; unit < end;) {
        size_t word = 0;
        while (unit + word < end && unit[word] != ' ') word++;
        escape_usage(made, unit, word);
        unit += word;
        if (unit < end) append_roff(made, "\\ ");
        if (unit < end) unit++;
    }
    put_word(roff, made);
}

void oc_roff_item_page(oc_roff *roff, size_t command) {
    oc_roff_line(roff, ".TP");
    refer(roff, command, "", 0);
    end_line(roff);
}

void oc_roff_usage(oc_roff *roff, const char *name, const char *usage) {
    char hanging[32], head[WORD_MOST] = "";
    snprintf(hanging, sizeof hanging, ".HP %zu", sizeof "ocelli " + strlen(name));
    while (usage) {
        /* "… or …": another form. */
        const char *other = strstr(usage, " or "), *end = other ? other : usage + strlen(usage);
        oc_roff_line(roff, hanging);
        head[0] = '\0';
        escape_in(head, "\\fB", "ocelli", 6);
        if (name[0]) append_roff(head, " ");
        escape_in(head, "\\fB", name, strlen(name));
        put_word(roff, head);
        while (usage < end) {
            const size_t length = usage_unit(usage, end);
            put_usage_unit(roff, usage, length);
            usage += length;
            while (usage < end && *usage == ' ') usage++;
        }
        end_line(roff);
        usage = other ? other + 4 : NULL;
    }
}

void oc_roff_example(oc_roff *roff, const char *line) {
    size_t column = 0;
    oc_roff_line(roff, ".EX");
    while (*line) {
        const size_t length = strcspn(line, " ");
        /* A flag stays with its value. */
        const char *value = line[0] == '-' && line[length] ? line + length + 1 : "";
        const size_t both = length + (*value && *value != '-' ? 1 + strcspn(value, " ") : 0);
        char made[WORD_MOST] = "";
        if (column > 0 && column + 1 + both > EXAMPLE_MOST) {
            fputs(" \\e\n    ", roff->out);
            column = 4;
        } else if (column > 0) {
            fputc(' ', roff->out);
            column++;
        }
        escape(made, line, length, true);
        fputs(made, roff->out);
        column += length;
        line += length;
        line += strspn(line, " ");
    }
    fputc('\n', roff->out);
    oc_roff_line(roff, ".EE");
}

/* ---- head and foot ---- */

void oc_roff_begin(oc_roff *roff, const char *summary, const char *date) {
    char name[64], made[WORD_MOST] = "", upper[64];
    oc_page_name(roff->command, name);
    snprintf(upper, sizeof upper, "%s", name);
    for (char *c = upper; *c; c++) *c = (char)toupper((unsigned char)*c);
    fprintf(roff->out, ".\\\" Generated from the tables of the command.\n.TH %s 1 %s \"ocelli %s\" \"Ocelli\"\n.ad l\n",
            upper, date, oc_version());
    oc_roff_section(roff, "NAME");
    escape(made, name, strlen(name), true);
    put_word(roff, made);
    put_word(roff, "\\-");
    oc_roff_text(roff, summary);
}

void oc_roff_statuses(oc_roff *roff) {
    static const char *const statuses[][2] = {
        {"0", "Done."},
        {"1", "Failed: a line on standard error says what, which file or flag, and what to do. What was there before "
              "is there still."},
        {"2", "The command line, the recipe or another file of settings is wrong."},
        {"130", "Stopped by Ctrl-C or SIGTERM, with everything saved. A server that is stopped is done."},
    };
    oc_roff_section(roff, "EXIT STATUS");
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        oc_roff_item(roff, statuses[i][0], "", NULL);
        oc_roff_text(roff, statuses[i][1]);
    }
}

static int compare_names(const void *a, const void *b) {
    return strcmp(a, b);
}

void oc_roff_end(oc_roff *roff, const char *docs) {
    char names[OC_ROFF_MENTIONS + 1][64];
    size_t count = 0;
    oc_roff_section(roff, "SEE ALSO");
    if (roff->command) oc_page_name(NULL, names[count++]);
    for (size_t i = 0; i < OC_ROFF_MENTIONS && oc_commands[i]; i++)
        if (roff->mention[i]) oc_page_name(oc_commands[i], names[count++]);
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; i < count; i++) {
        char made[WORD_MOST] = "";
        escape_in(made, "\\fB", names[i], strlen(names[i]));
        append_roff(made, i + 1 < count ? "(1)," : "(1)");
        put_word(roff, made);
    }
    if (docs) {
        oc_roff_line(roff, ".PP");
        oc_roff_text(roff, docs);
        oc_roff_text(roff, "in Ocelli's sources tells more.");
    }
    end_line(roff);
}
