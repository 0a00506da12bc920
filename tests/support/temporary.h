/* A folder of its own for a test, under $TMPDIR or /tmp. */
#ifndef OC_TESTS_SUPPORT_TEMPORARY_H
#define OC_TESTS_SUPPORT_TEMPORARY_H

#include <stddef.h>

/* Creates one; the name goes into folder[size]. Fails the test when it cannot. */
void test_temporary_create(char *folder, size_t size);
/* Removes it with all that is in it. */
void test_temporary_remove(const char *folder);
/* Number of entries in a folder. */
int test_folder_entries(const char *folder);

#endif
