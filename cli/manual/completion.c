/* What the completions of several shells do alike. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "manual.h"

int oc_completion_fill(FILE *out, FILE *template, const oc_part *parts) {
    char *line = NULL;
    size_t room = 0;
    int status = 0;
    while (status == 0 && getline(&line, &room, template) >= 0) {
        const oc_part *part = parts;
        if (strncmp(line, "{{", 2) != 0) {
            fputs(line, out);
            continue;
        }
        line[strcspn(line, "}")] = '\0';
        while (part->name && strcmp(part->name, line + 2) != 0) part++;
        if (part->name) {
            part->write(out);
        } else {
            fprintf(stderr, "ocelli-manual: a template has a part \"%s\", which is not known\n", line + 2);
            status = 1;
        }
    }
    free(line);
    return status;
}

const char *oc_group_begins(size_t index, char *group) {
    const size_t length = oc_command_group(oc_commands[index]);
    snprintf(group, 32, "%.*s", (int)length, oc_commands[index]->name);
    for (size_t i = 0; i < index; i++)
        if (oc_command_in_group(oc_commands[i], group)) return NULL;
    return length ? group : NULL;
}

const char *oc_command_words(const oc_command *command) {
    return command->most == 0 ? "" : command->words ? command->words : "FILE";
}

bool oc_next_word(const char **words, char *word) {
    const size_t length = strcspn(*words, " ");
    snprintf(word, 64, "%.*s", (int)length, *words);
    *words += length + strspn(*words + length, " ");
    return length > 0;
}

void oc_quote_zsh(FILE *out, const char *text, const char *special) {
    for (; *text; text++) {
        if (strchr(special, *text)) fputc('\\', out);
        fputs(*text == '\'' ? "'\\" : "", out);
        fputc(*text, out);
        if (*text == '\'') fputc('\'', out);
    }
}

void oc_quote_fish(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
}
