/* Text buffers, lists of names, and the nearest match. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "base/memory.h"

/* Words longer than this are no typing mistakes of anything. */
#define WORD_LIMIT 128

/* Room for `more` bytes and the NUL. */
static oc_status reserve(oc_text *text, size_t more, oc_error *err) {
    if (more >= SIZE_MAX - text->size) return oc_fail(err, OC_E_MEMORY, NULL, "a text's size overflows");
    return oc_grow(&text->data, &text->capacity, text->size + more + 1, 1, err);
}

oc_status oc_text_append(oc_text *text, const void *data, size_t size, oc_error *err) {
    if (size == 0) return OC_OK;
    oc_status status = reserve(text, size, err);
    if (status != OC_OK) return status;
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
    return OC_OK;
}

static oc_status append_formatted(oc_text *text, oc_error *err, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) return oc_fail(err, OC_E_MEMORY, NULL, "cannot format a text");
    if (length == 0) return OC_OK;
    oc_status status = reserve(text, (size_t)length, err);
    if (status != OC_OK) return status;
    vsnprintf(text->data + text->size, (size_t)length + 1, format, args);
    text->size += (size_t)length;
    return OC_OK;
}

oc_status oc_text_printf(oc_text *text, oc_error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const oc_status status = append_formatted(text, err, format, args);
    va_end(args);
    return status;
}

oc_status oc_text_base64(oc_text *text, const void *data, size_t size, oc_error *err) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = data;
    if (size > SIZE_MAX / 2) return oc_fail(err, OC_E_MEMORY, NULL, "a text's size overflows");
    oc_status status = reserve(text, (size + 2) / 3 * 4, err);
    if (status != OC_OK) return status;
    for (size_t at = 0; at < size; at += 3) {
        const size_t left = size - at;
        const uint32_t group = (uint32_t)bytes[at] << 16 | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0) |
                               (left > 2 ? (uint32_t)bytes[at + 2] : 0);
        char *to = text->data + text->size;
        to[0] = digits[group >> 18];
        to[1] = digits[group >> 12 & 63];
        to[2] = left > 1 ? digits[group >> 6 & 63] : '=';
        to[3] = left > 2 ? digits[group & 63] : '=';
        text->size += 4;
    }
    text->data[text->size] = '\0';
    return OC_OK;
}

void oc_text_free(oc_text *text) {
    oc_free(text->data);
    *text = (oc_text){0};
}

oc_status oc_text_list_add(oc_text_list *list, oc_error *err, const char *format, ...) {
    oc_status status = OC_OK;
    va_list args;
    if (list->count++ >= list->limit) return OC_OK;
    if (list->count > 1) OC_TRY(oc_text_append(&list->text, ", ", 2, err));
    va_start(args, format);
    status = append_formatted(&list->text, err, format, args);
    va_end(args);
cleanup:
    return status;
}

oc_status oc_text_list_close(oc_text_list *list, oc_error *err) {
    if (list->count <= list->limit) return OC_OK;
    return oc_text_printf(&list->text, err, " and %zu more", list->count - list->limit);
}

void oc_text_list_free(oc_text_list *list) {
    oc_text_free(&list->text);
    list->count = 0;
}

oc_status oc_names_add(oc_names *names, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_grow(&names->item, &names->capacity, names->count + 1, sizeof *names->item, err));
    OC_TRY(oc_strdup(&names->item[names->count], name, err));
    names->count++;
cleanup:
    return status;
}

static bool is_ascii(const char *text) {
    while (*text && (unsigned char)*text < 128) text++;
    return !*text;
}

oc_status oc_text_composed(char **out, const char *text, oc_error *err) {
    utf8proc_uint8_t *composed = NULL;
    oc_status status = OC_OK;
    *out = NULL;
    if (is_ascii(text)) return OC_OK;
    const utf8proc_ssize_t size =
        utf8proc_map((const utf8proc_uint8_t *)text, 0, &composed,
                     (utf8proc_option_t)(UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (size == UTF8PROC_ERROR_NOMEM) return oc_fail(err, OC_E_MEMORY, NULL, "no memory for a text");
    if (size >= 0) status = oc_strdup(out, (const char *)composed, err);
    free(composed);
    return status;
}

bool oc_text_is_utf8(const char *text, size_t size) {
    utf8proc_int32_t character;
    for (utf8proc_ssize_t length; size > 0; text += length, size -= (size_t)length) {
        length = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &character);
        if (length <= 0 || character < ' ') return false;
    }
    return true;
}

bool oc_text_alike(const char *a, const char *b) {
    char *first = NULL, *second = NULL;
    if (strcmp(a, b) == 0) return true;
    if (is_ascii(a) || is_ascii(b)) return false;
    oc_text_composed(&first, a, NULL);
    oc_text_composed(&second, b, NULL);
    const bool same = first && second && strcmp(first, second) == 0;
    oc_free(first);
    oc_free(second);
    return same;
}

static int compare_items(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void oc_names_sort(oc_names *names) {
    if (names->count > 1) qsort(names->item, names->count, sizeof *names->item, compare_items);
}

oc_status oc_names_sorted(oc_names *out, const oc_names *names, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < names->count; i++) OC_TRY(oc_names_add(out, names->item[i], err));
    oc_names_sort(out);
cleanup:
    return status;
}

int64_t oc_names_find(const oc_names *names, const char *name) {
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, names->item[middle]);
        if (order == 0) return (int64_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

int64_t oc_names_find_alike(const oc_names *names, const char *name) {
    const int64_t place = oc_names_find(names, name);
    if (place >= 0 || is_ascii(name)) return place;
    for (size_t i = 0; i < names->count; i++)
        if (oc_text_alike(names->item[i], name)) return (int64_t)i;
    return -1;
}

void oc_names_free(oc_names *names) {
    for (size_t i = 0; i < names->count; i++) oc_free(names->item[i]);
    oc_free(names->item);
    *names = (oc_names){0};
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* A letter of ASCII without its case. */
static char caseless(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_same(char a, char b) {
    return caseless(a) == caseless(b);
}

/* Edits (insertion, deletion, substitution, exchange of two neighbours) that lead from a to b, both at most
 * WORD_LIMIT long: the restricted Damerau–Levenshtein distance. */
static int edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    int rows[3][WORD_LIMIT + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_length; j++) last[j] = (int)j;
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            int best = smaller(last[j], now[j - 1]) + 1;
            best = smaller(best, last[j - 1] + !is_same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) && is_same(a[i - 2], b[j - 1]))
                best = smaller(best, before[j - 2] + 1);
            now[j] = best;
        }
        int *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_length];
}

/* Puts a byte at the end of what is in out[size], if there is room for it and the NUL. */
static void put(char *out, size_t size, size_t *length, char byte) {
    if (*length + 1 < size) out[*length] = byte;
    ++*length;
}

size_t oc_csv_field(char *out, size_t size, const char *text) {
    const bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    size_t length = 0;
    if (quoted) put(out, size, &length, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"') put(out, size, &length, '"');
        put(out, size, &length, *c);
    }
    if (quoted) put(out, size, &length, '"');
    if (size > 0) out[length < size ? length : size - 1] = '\0';
    return length;
}

const char *oc_text_nearest(const char *word, const char *const *candidates, size_t count) {
    size_t length = strlen(word);
    if (length > WORD_LIMIT) return NULL;
    int best = length / 3 > 2 ? (int)(length / 3) : 2;
    const char *nearest = NULL;
    for (size_t i = 0; i < count && candidates[i]; i++) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > WORD_LIMIT) continue;
        int distance = edit_distance(word, length, candidates[i], candidate_length);
        /* The first of equally near ones wins. */
        if (distance < best || (distance == best && !nearest)) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
