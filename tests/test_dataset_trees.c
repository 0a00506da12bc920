/* Random trees of folders, names, splits and links: every file is an image that is read or is counted as left out, and
 * what is read does not depend on the order in which the tree came to be. */
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

/* Everything that was read, as text. */
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
    }
    fclose(file);
    return text;
}

static void test_trees(void **state) {
    (void)state;
    static tree t;
    int opened = 0;
    char folder[256], root[2][300];
    for (uint64_t k = 0; k < TREES; k++) {
        oc_dataset *dataset[2] = {NULL};
        oc_error error[2] = {{0}};
        oc_random random;
        oc_random_init(&random, SEED, OC_RANDOM_TEST, 1, k);
        tree_draw(&t, &random);
        test_temporary_create(folder, sizeof folder);
        for (int i = 0; i < 2; i++) {
            snprintf(root[i], sizeof root[i], "%s/%d/in/set", folder, i);
            tree_make(&t, root[i], i == 1);
        }
        for (int i = 0; i < 2; i++) oc_dataset_open(&dataset[i], root[i], NULL, &error[i]);
        assert_int_equal(error[0].status, error[1].status);
        if (dataset[0]) {
            const char *above[40];
            char *first = describe(dataset[0]), *second = describe(dataset[1]);
            int64_t found = 0;
            assert_string_equal(first, second);
            for (int i = 0; i == 0 || oc_split_names[i - 1]; i++) {
                const oc_split *split = split_at(dataset[0], i);
                if (split) found += split->count + oc_split_left_out(split, false);
            }
            if (found != count_entries(root[0], false, above, 0))
                fail_msg("%s: %lld of %lld", root[0], (long long)found,
                         (long long)count_entries(root[0], false, above, 0));
            free(first), free(second);
            opened++;
        }
        for (int i = 0; i < 2; i++) oc_dataset_destroy(&dataset[i]);
        test_temporary_remove(folder);
    }
    printf("%d of %d trees are data sets\n", opened, TREES);
    assert_in_range(opened, TREES / 3, TREES);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
