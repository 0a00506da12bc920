/* Readers of the data set's text files. */
#include "data/annotations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sort.h"

/* Where the lines of a text begin: behind the mark that some editors put before UTF-8. */
static char *lines_begin(char *text, size_t size) {
    return size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

/* Cuts the next line off *cursor (NUL in place of its end, a carriage return gone); NULL at `end`. *size: its length,
 * which is more than strlen when the line holds a NUL byte. */
static char *line_next(char **cursor, char *end, size_t *size) {
    char *line = *cursor;
    if (line >= end) return NULL;
    char *newline = memchr(line, '\n', (size_t)(end - line));
    char *stop = newline ? newline : end;
    *cursor = newline ? newline + 1 : end;
    *stop = '\0';
    if (stop > line && stop[-1] == '\r') *--stop = '\0';
    *size = (size_t)(stop - line);
    return line;
}

static oc_status line_fail(const char *where, int64_t line, oc_error *err, const char *what, const char *text) {
    char place[OC_ERROR_WHERE_SIZE + 32];
    snprintf(place, sizeof place, "%s:%lld", where, (long long)line);
    return oc_fail(err, OC_E_FORMAT, place, "%s: \"%.60s\"", what, text);
}

/* A whole number without sign, as boxes have them. */
static bool is_number(const char *text) {
    size_t length = strspn(text, "0123456789");
    return length > 0 && length < 10 && text[length] == '\0';
}

/* Splits a line at its tabs; the number of fields, or `most` + 1 when there are more. */
static int fields_split(char *line, char **field, int most) {
    int count = 0;
    for (char *next = line; next; count++) {
        if (count == most) return most + 1;
        field[count] = next;
        next = strchr(next, '\t');
        if (next) *next++ = '\0';
    }
    return count;
}

static int annotation_compare(const void *a, const void *b) {
    const oc_annotation *first = a, *second = b;
    const int order = strcmp(first->image, second->image);
    return order ? order : (first->line > second->line) - (first->line < second->line);
}

oc_status oc_annotations_parse(oc_annotations *out, char *text, size_t size, const char *where, oc_error *err) {
    static const char *const shape = "expected image, class and optionally four numbers, apart by tabs";
    oc_status status = OC_OK;
    char *cursor = lines_begin(text, size), *end = text + size, *line;
    size_t length;
    for (int64_t number = 1; (line = line_next(&cursor, end, &length)); number++) {
        char *field[6], copy[64];
        if (length == 0) continue;
        if (strlen(line) != length) return line_fail(where, number, err, "a NUL byte in the line", line);
        snprintf(copy, sizeof copy, "%.63s", line); /* as it was before it is split, for the message */
        const int count = fields_split(line, field, 6);
        bool good = (count == 2 || count == 6) && *field[0] && *field[1] && !strchr(field[0], '/');
        for (int i = 2; good && i < count; i++) good = is_number(field[i]);
        if (!good) return line_fail(where, number, err, shape, copy);
        OC_TRY(oc_grow(&out->item, &out->capacity, out->count + 1, sizeof(*out->item), err));
        out->item[out->count++] = (oc_annotation){field[0], field[1], number};
    }
    oc_sort(out->item, out->count, sizeof(*out->item), annotation_compare);
    for (size_t i = 1; i < out->count; i++)
        if (strcmp(out->item[i - 1].image, out->item[i].image) == 0)
            return line_fail(where, out->item[i].line, err, "an image that an earlier line names too",
                             out->item[i].image);
cleanup:
    return status;
}

void oc_annotations_free(oc_annotations *annotations) {
    oc_free(annotations->item);
    *annotations = (oc_annotations){0};
}

oc_status oc_lines_parse(oc_names *out, char *text, size_t size, const char *where, oc_error *err) {
    oc_status status = OC_OK;
    char *cursor = lines_begin(text, size), *end = text + size, *line;
    size_t length;
    for (int64_t number = 1; (line = line_next(&cursor, end, &length)); number++) {
        if (strlen(line) != length) return line_fail(where, number, err, "a NUL byte in the line", line);
        while (*line == ' ' || *line == '\t') line++;
        for (length = strlen(line); length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'); length--)
            line[length - 1] = '\0';
        if (length > 0) OC_TRY(oc_names_add(out, line, err));
    }
cleanup:
    return status;
}

oc_status oc_words_parse(char **human, const oc_names *classes, char *text, size_t size, oc_error *err) {
    oc_status status = OC_OK;
    char *cursor = lines_begin(text, size), *end = text + size, *line;
    size_t length;
    while ((line = line_next(&cursor, end, &length))) {
        char *tab = strchr(line, '\t');
        if (!tab) continue;
        *tab = '\0';
        const int64_t place = oc_names_find(classes, line);
        if (place >= 0 && !human[place] && tab[1]) OC_TRY(oc_strdup(&human[place], tab + 1, err));
    }
cleanup:
    return status;
}
