/* Whole files as bytes, for tests that damage them. All fail the test where they cannot. */
#ifndef OC_TESTS_SUPPORT_BYTES_H
#define OC_TESTS_SUPPORT_BYTES_H

#include <stddef.h>

/* The content, freed with free; one NUL byte follows it. */
unsigned char *test_bytes_read(const char *path, size_t *size);
void test_bytes_write(const char *path, const void *data, size_t size);
/* Flips the bits of `change` in the byte at `place`. */
void test_bytes_change(const char *path, size_t place, unsigned char change);

#endif
