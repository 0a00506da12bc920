/* Random trees of folders, names, splits and links: every file is an image that is read or is counted as left out, and
 * what is read does not depend on the order in which the tree came to be, nor on whether it lies in a folder or in a
 * zip, however that writes its names. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cmocka.h>

#include "base/random.h"
#include "data/dataset.h"
#include "data/source.h"
#include "support/images.h"
#include "support/temporary.h"

#define SEED 20261125U
#define TREES 50
#define ENTRIES_MOST 60

typedef struct entry {
    char path[200];
    const char *content; /* NULL: a link to `target` */
    char target[64];
} entry;

typedef struct tree {
    entry entry[ENTRIES_MOST];
    int count;
} tree;

static const char *pick(oc_random *random, const char *const *list, uint32_t count) {
    return list[oc_random_below(random, count)];
}
#define PICK(random, ...)                                                                                              \
    pick(random, (const char *const[]){__VA_ARGS__}, sizeof(const char *const[]){__VA_ARGS__} / sizeof(const char *))

static void tree_draw(tree *t, oc_random *random) {
    const bool splits = oc_random_below(random, 3) > 0;
    const char *wrap = PICK(random, "", "", "set/", "a/b/"), *inner = PICK(random, "", "", "", "images/");
    const char *val = PICK(random, "val", "Valid", "dev");
    static const char *const classes[] = {"cat/", "dog/", "Zebra/", "caf\xc3\xa9/"};
    int first = 0;
    /* An image that nobody doubts in each class of train: without, most trees would be refused. */
    for (; first < 4; first++) {
        snprintf(t->entry[first].path, sizeof t->entry[first].path, "%s%s%s%s0.jpg", wrap, splits ? "train/" : "",
                 splits ? inner : "", classes[first]);
        t->entry[first].content = "\xff\xd8\xff\xe0";
    }
    t->count = 10 + (int)oc_random_below(random, ENTRIES_MOST - 10);
    for (int i = first; i < t->count; i++) {
        entry *e = &t->entry[i];
        const char *split = splits ? PICK(random, "train/", "train/", val, "test/") : "";
        const char *name =
            PICK(random, "1.jpg", "2.PNG", "3", "4.avif", "5.txt", ".6.jpg", "7.jpg~", "8.heic", "9 .jpg");
        const char *nest = PICK(random, "", "", "", "more/", "images/", ".git/", "more/deeper/", "__MACOSX/");
        const char *class = oc_random_below(random, 6) ? classes[oc_random_below(random, 4)] : "";
        if (oc_random_below(random, 40) == 0) class = "docs/";
        snprintf(e->path, sizeof e->path, "%s%s%s%s%s%s%s", wrap, split,
                 *split && split[strlen(split) - 1] != '/' ? "/" : "", *split ? inner : "", class, nest, name);
        int same = 0;
        while (strcmp(t->entry[same].path, e->path) != 0) same++;
        if (same < i) { /* drawn already */
            t->count--;
            i--;
            continue;
        }
        e->content = PICK(random, "\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n", "text", "", "8BPS");
        if (oc_random_below(random, 12) > 0) continue;
        e->content = NULL;
        snprintf(e->target, sizeof e->target, "%s", PICK(random, "nowhere", "..", "../..", "../cat", "2.PNG"));
    }
}

/* The tree without its links, which a zip cannot have. */
static void links_drop(tree *t) {
    int kept = 0;
    for (int i = 0; i < t->count; i++)
        if (t->entry[i].content) t->entry[kept++] = t->entry[i];
    t->count = kept;
}

/* A name that means `path` in a zip, as one program or another might write it. */
static void name_draw(char *name, size_t size, const char *path, oc_random *random) {
    size_t length = 0;
    const char *part = PICK(random, "", "", "/", "./", "//", "/./");
    for (; length < size && *path; path++) {
        length += (size_t)snprintf(name + length, size - length, "%s%c", part, *path);
        part = *path == '/' ? PICK(random, "", "", "", "/", "./", "././", ".//") : "";
    }
}

static void zip_make(const tree *t, const char *archive, oc_random *random) {
    char name[600];
    int error;
    zip_t *zip = zip_open(archive, ZIP_CREATE | ZIP_EXCL, &error);
    assert_non_null(zip);
    for (int i = 0; i < t->count; i++) {
        name_draw(name, sizeof name, t->entry[i].path, random);
        zip_source_t *source = zip_source_buffer(zip, t->entry[i].content, strlen(t->entry[i].content), 0);
        assert_non_null(source);
        assert_true(zip_file_add(zip, name, source, 0) >= 0);
    }
    assert_int_equal(zip_close(zip), 0);
}

static void tree_make(const tree *t, const char *root, bool backwards) {
    char path[700];
    for (int k = 0; k < t->count; k++) {
        const entry *e = &t->entry[backwards ? t->count - 1 - k : k];
        snprintf(path, sizeof path, "%s/%s", root, e->path);
        test_text_write(path, e->content ? e->content : "");
        if (e->content) continue;
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink(e->target, path), 0);
    }
}

/* Entries of a folder as people count them: files and links; links to folders are entered, unless they lead back up, or
 * what they are in, or themselves, is hidden. `above`: real paths of the folders it lies in. */
static int64_t count_entries(const char *path, bool hidden, const char *above[], int depth) {
    char inner[1000], *real = realpath(path, NULL);
    int64_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    assert_non_null(real);
    above[depth] = real;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        struct stat info;
        snprintf(inner, sizeof inner, "%s/%s", path, name);
        const bool within = hidden || name[0] == '.' || strcmp(name, "__MACOSX") == 0;
        bool enter = (within ? lstat(inner, &info) : stat(inner, &info)) == 0 && S_ISDIR(info.st_mode);
        char *target = enter ? realpath(inner, NULL) : NULL;
        for (int i = 0; enter && i <= depth; i++) enter = strcmp(above[i], target) != 0;
        free(target);
        count += enter ? count_entries(inner, within, above, depth + 1) : 1;
    }
    closedir(dir);
    free(real);
    return count;
}

static const oc_split *split_at(const oc_dataset *dataset, int i) {
    return oc_split_names[i] ? oc_dataset_split(dataset, oc_split_names[i]) : oc_dataset_elsewhere(dataset);
}

static int64_t found(const oc_dataset *dataset) {
    int64_t count = 0;
    for (int i = 0; i == 0 || oc_split_names[i - 1]; i++) {
        const oc_split *split = split_at(dataset, i);
        if (split) count += split->count + oc_split_left_out(split, false);
    }
    return count;
}

/* Everything that was read, and what was left out, as text. */
static char *describe(const oc_dataset *dataset) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    for (size_t c = 0; c < oc_dataset_classes(dataset)->count; c++)
        fprintf(file, "%s\n", oc_dataset_classes(dataset)->item[c]);
    for (int i = 0; oc_split_names[i]; i++) {
        const oc_split *split = split_at(dataset, i);
        for (int64_t k = 0; split && k < split->count; k++)
            fprintf(file, "%s %s %d\n", split->name, split->sample[k].path, split->sample[k].label);
        for (size_t k = 0; split && k < split->left_outs; k++)
            fprintf(file, "%s %d %d %d %s\n", split->name, (int)split->left_out[k].why, split->left_out[k].label,
                    (int)split->left_out[k].count, split->left_out[k].first);
    }
    fclose(file);
    return text;
}

/* Two data sets, each opened or refused: the same. Returns whether they were opened, and closes them. */
static bool are_same(const char *const path[2], int64_t *files) {
    oc_dataset *dataset[2] = {NULL};
    oc_error error[2] = {{0}};
    for (int i = 0; i < 2; i++) oc_dataset_open(&dataset[i], path[i], NULL, &error[i]);
    assert_int_equal(error[0].status, error[1].status);
    assert_string_equal(error[0].message, error[1].message);
    const bool opened = dataset[0] != NULL;
    if (opened) {
        char *first = describe(dataset[0]), *second = describe(dataset[1]);
        assert_string_equal(first, second);
        *files = found(dataset[0]);
        free(first), free(second);
    }
    for (int i = 0; i < 2; i++) oc_dataset_destroy(&dataset[i]);
    return opened;
}

/* Draws trees and tries each in a folder of its own. `try` returns whether what it made of it is a data set. */
static void trees_try(const char *what, bool (*try)(tree *t, oc_random *random, const char *folder)) {
    static tree t;
    int opened = 0;
    for (uint64_t k = 0; k < TREES; k++) {
        oc_random random;
        char folder[256];
        oc_random_init(&random, SEED, OC_RANDOM_TEST, 1, k);
        tree_draw(&t, &random);
        test_temporary_create(folder, sizeof folder);
        opened += try(&t, &random, folder);
        test_temporary_remove(folder);
    }
    printf("%d of %d %s are data sets\n", opened, TREES, what);
    assert_in_range(opened, TREES / 3, TREES);
}

/* Made in one order of files and in the other. */
static bool try_folders(tree *t, oc_random *random, const char *folder) {
    const char *above[40];
    char root[2][300];
    int64_t files = 0;
    (void)random;
    for (int i = 0; i < 2; i++) {
        snprintf(root[i], sizeof root[i], "%s/%d/in/set", folder, i);
        tree_make(t, root[i], i == 1);
    }
    if (!are_same((const char *const[]){root[0], root[1]}, &files)) return false;
    const int64_t count = count_entries(root[0], false, above, 0);
    if (files != count) fail_msg("%s: %lld of %lld", root[0], (long long)files, (long long)count);
    return true;
}

static void test_trees(void **state) {
    (void)state;
    trees_try("trees", try_folders);
}

/* As a folder and as a zip. */
static bool try_zip(tree *t, oc_random *random, const char *folder) {
    char root[2][300];
    int64_t files = 0;
    links_drop(t);
    snprintf(root[0], sizeof root[0], "%s/set", folder);
    snprintf(root[1], sizeof root[1], "%s/set.zip", folder);
    tree_make(t, root[0], false);
    zip_make(t, root[1], random);
    if (!are_same((const char *const[]){root[0], root[1]}, &files)) return false;
    assert_int_equal(files, t->count);
    return true;
}

static void test_zips(void **state) {
    (void)state;
    trees_try("zips", try_zip);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees), cmocka_unit_test(test_zips)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
