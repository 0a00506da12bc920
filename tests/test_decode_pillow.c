/* The decoder against Pillow (python3-pil), which writes image files of many kinds and says what it sees in them; and
 * so for the seeds of the fuzz target. Without it nothing can be tried here. OC_PYTHON names another python. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support/bytes.h"
#include "support/file.h"
#include "support/temporary.h"

static const char folder_name[] = "images";

/* The pixels of `path`, an image of width × height, are those of `path`.ppm within 1. */
static void compare(const char *path) {
    char twin[600];
    oc_pixels image;
    test_file f;
    size_t size;
    int width, height, start = 0, worst = 0;
    f.data = test_bytes_read(path, &f.size);
    uint8_t *pixels = test_file_pixels(&f, NULL, &image);
    snprintf(twin, sizeof twin, "%s.ppm", path);
    unsigned char *seen = test_bytes_read(twin, &size);
    assert_int_equal(sscanf((char *)seen, "P6 %d %d 255%*c%n", &width, &height, &start), 2);
    if (image.width != width || image.height != height)
        fail_msg("%s: %dx%d, to Pillow %dx%d", path, (int)image.width, (int)image.height, width, height);
    assert_int_equal(size - (size_t)start, (size_t)width * (size_t)height * 3);
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++) {
        const int difference = abs(pixels[i] - seen[(size_t)start + i]);
        if (difference > worst) worst = difference;
    }
    if (worst > 1) fail_msg("%s: a value differs by %d", path, worst);
    free(seen);
    free(pixels);
    free(f.data);
}

static char folder[256];

static void test_pillow(void **state) {
    char path[540];
    int compared = 0;
    (void)state;
    snprintf(path, sizeof path, "%s/%s", folder, folder_name);
    DIR *entries = opendir(path);
    assert_non_null(entries);
    for (const struct dirent *entry; (entry = readdir(entries));) {
        const size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || (length > 4 && strcmp(entry->d_name + length - 4, ".ppm") == 0)) continue;
        snprintf(path, sizeof path, "%s/%s/%.250s", folder, folder_name, entry->d_name);
        compare(path);
        compared++;
    }
    closedir(entries);
    assert_true(compared > 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pillow)};
    const char *python = getenv("OC_PYTHON");
    char command[600];
    test_temporary_create(folder, sizeof folder);
    snprintf(command, sizeof command, "'%s' tests/support/judge_pillow.py '%s/%s' fuzz/seeds/fuzz_decode/*",
             python ? python : "/usr/bin/python3", folder, folder_name);
    const int judged = system(command);
    const bool absent = WIFEXITED(judged) && (WEXITSTATUS(judged) == 77 || WEXITSTATUS(judged) == 127);
    int failed = 1;
    if (judged == 0) failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_temporary_remove(folder);
    return absent ? 77 : failed;
}
