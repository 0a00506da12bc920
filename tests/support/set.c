/* Data sets as people bring them. */
#define _GNU_SOURCE 1
#include "support/set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/images.h"
#include "support/temporary.h"

void test_set_begin(test_set *f) {
    test_temporary_create(f->folder, sizeof f->folder);
    snprintf(f->root, sizeof f->root, "%s/set", f->folder);
}

void test_set_end(test_set *f) {
    oc_dataset_destroy(&f->dataset);
    test_temporary_remove(f->folder);
}

int test_set_setup(void **state) {
    test_set *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_set_begin(f);
    *state = f;
    return 0;
}

int test_set_teardown(void **state) {
    test_set_end(*state);
    free(*state);
    return 0;
}

const char *test_set_path(test_set *f, const char *relative) {
    snprintf(f->path, sizeof f->path, "%s/%s", f->root, relative);
    return f->path;
}

void test_set_image(test_set *f, const char *relative) {
    test_jpeg_write(test_set_path(f, relative), 8, 8, 1, TEST_JPEG_RGB);
}

void test_set_on_log(void *user, oc_log_level level, const char *line) {
    test_set *f = user;
    const size_t used = strlen(f->log);
    (void)level;
    snprintf(f->log + used, sizeof f->log - used, "%s\n", line);
}

void test_set_opens_at(test_set *f, const char *path, const oc_dataset_options *options) {
    oc_error error = {0};
    oc_dataset_destroy(&f->dataset);
    f->log[0] = '\0';
    if (oc_dataset_open(&f->dataset, path, options, &error) != OC_OK) fail_msg("%s: %s", error.where, error.message);
}

void test_set_opens(test_set *f) {
    test_set_opens_at(f, f->root, NULL);
    for (size_t i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(f->dataset, oc_split_names[i]);
        if (split) oc_dataset_report(f->dataset, split, &(oc_log){test_set_on_log, f});
    }
}

void test_set_holds(test_set *f, const char *name, const char *samples) {
    const oc_split *split = oc_dataset_split(f->dataset, name);
    char *text = NULL;
    size_t size;
    if (!split) {
        fail_msg("no split %s", name);
        return;
    }
    FILE *file = open_memstream(&text, &size);
    for (int64_t i = 0; i < split->count; i++) {
        const oc_sample *s = &split->sample[i];
        const char *slash = strrchr(s->path, '/');
        assert_string_equal(s->name, slash ? slash + 1 : s->path);
        assert_string_equal(s->in_split, s->path + strlen(s->path) - strlen(s->in_split));
        fprintf(file, "%s%s %d", i ? ", " : "", s->path, s->label);
    }
    fclose(file);
    assert_string_equal(text, samples);
    free(text);
}

void test_set_fails(test_set *f, const char *path, oc_status status, const char *where, const char *message) {
    oc_error error = {0};
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, path, NULL, &error), status);
    assert_null(f->dataset);
    if (!strstr(error.where, where)) fail_msg("where: \"%s\" has no \"%s\" in it", error.where, where);
    if (!strstr(error.message, message)) fail_msg("\"%s\" has no \"%s\" in it", error.message, message);
    assert_null(strchr(error.message, '\n'));
}

void test_set_refuses(test_set *f, const char *path, const char *where, const char *message) {
    test_set_fails(f, path, OC_E_FORMAT, where, message);
}

void test_set_left_out(test_set *f, const char *name, int64_t images, oc_unread why, int64_t left_out,
                       const char *first) {
    const oc_split *split =
        strcmp(name, "elsewhere") == 0 ? oc_dataset_elsewhere(f->dataset) : oc_dataset_split(f->dataset, name);
    const char *said = NULL;
    int64_t count = 0;
    char line[300];
    assert_non_null(split);
    assert_int_equal(split->count, images);
    for (size_t i = 0; i < split->left_outs; i++) {
        if (split->left_out[i].why != why) continue;
        if (!said) said = split->left_out[i].first;
        count += split->left_out[i].count;
    }
    assert_int_equal(count, left_out);
    if (left_out == 0) return;
    assert_string_equal(said, first);
    snprintf(line, sizeof line, "%d (%s), the first is %s", (int)left_out, oc_unread_reasons[why].text, first);
    if (oc_unread_reasons[why].expected != (strstr(f->log, line) != NULL)) fail_msg("\"%s\" and \"%s\"", f->log, line);
}

void test_set_says(test_set *f, const char *text) {
    if (!strstr(f->log, text)) fail_msg("\"%s\" has no \"%s\"", f->log, text);
}

void test_set_images(test_set *f, const char *paths) {
    char path[64];
    int used;
    mkdir(f->root, 0777);
    test_temporary_remove(f->root);
    for (; sscanf(paths, " %63s%n", path, &used) == 1; paths += used) test_set_image(f, path);
}
