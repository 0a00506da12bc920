/* Human names of classes: of --words, or of a data set. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ocelli/data.h"

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Compares a code with the first field of a line. */
static int compare_code(const void *code, const void *line) {
    const char *c = code, *l = *(char *const *)line;
    size_t length = strcspn(l, "\t");
    int order = strncmp(c, l, length);
    return order != 0 ? order : c[length] != '\0';
}

oc_status oc_words_read(oc_words *words, const oc_args *args, oc_error *err) {
    const char *path = oc_args_text(args, "--words");
    oc_lines *lines = &words->lines;
    if (!path) return OC_OK;
    oc_status status = oc_lines_read(lines, path, err);
    if (status != OC_OK) return status;
    for (size_t i = 0; i < lines->count; i++)
        if (strchr(lines->item[i], '\t')) {
            qsort(lines->item, lines->count, sizeof *lines->item, compare_lines);
            return OC_OK;
        }
    return oc_cli_fail(err, OC_E_FORMAT, path, "no line of it is a class's code, a tab, and its name");
}

const char *oc_words_name(const oc_words *words, const char *code) {
    const oc_lines *lines = &words->lines;
    char *const *line =
        lines->count == 0 ? NULL : bsearch(code, lines->item, lines->count, sizeof *lines->item, compare_code);
    if (line) return (*line)[strcspn(*line, "\t")] ? *line + strcspn(*line, "\t") + 1 : code;
    return words->dataset ? oc_dataset_class_name(words->dataset, code) : code;
}

void oc_words_free(oc_words *words) {
    oc_lines_free(&words->lines);
}
