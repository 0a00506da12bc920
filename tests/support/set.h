/* A data set of small images in a temporary folder, as people bring them: laid out, opened or refused, and what it
 * tells. All functions fail the test where what they claim is not so. */
#ifndef OC_TESTS_SUPPORT_SET_H
#define OC_TESTS_SUPPORT_SET_H

#include "data/dataset.h"

typedef struct test_set {
    char folder[256], root[300], path[700];
    oc_dataset *dataset;
    char log[8192]; /* all lines since the last opening */
} test_set;

/* Makes the folder; `set` is {0}. */
void test_set_begin(test_set *set);
void test_set_end(test_set *set);
/* For cmocka: *state = a test_set whose root does not exist yet. */
int test_set_setup(void **state);
int test_set_teardown(void **state);

/* The path of something in it, until the next call. */
const char *test_set_path(test_set *set, const char *relative);
/* Writes an image. */
void test_set_image(test_set *set, const char *relative);
/* Images, apart by spaces, in an otherwise empty data set. */
void test_set_images(test_set *set, const char *paths);

/* For an oc_log whose user is the set: adds to its log. */
void test_set_on_log(void *user, oc_log_level level, const char *line);

/* Opens `path`. */
void test_set_opens_at(test_set *set, const char *path, const oc_dataset_options *options);
/* Opens it, and lets it tell what it left out of each split. */
void test_set_opens(test_set *set);
/* The samples of a split are "path label, …". */
void test_set_holds(test_set *set, const char *name, const char *samples);
/* Opening `path` fails with a message of one line that has both texts in it, `where` the first. */
void test_set_fails(test_set *set, const char *path, oc_status status, const char *where, const char *message);
/* The same with OC_E_FORMAT. */
void test_set_refuses(test_set *set, const char *path, const char *where, const char *message);
/* The split has so many images, and so many were left out for a reason, `first` first; a warning says so. */
void test_set_left_out(test_set *set, const char *name, int64_t images, oc_unread why, int64_t left_out,
                       const char *first);
/* The warnings have a text in them. */
void test_set_says(test_set *set, const char *text);

#endif
