/* Any bytes as a zip that is opened as a data set: refused, or walked and read, every member of it accounted for. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zip.h>

#include "support/dataset.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* ---- inputs ---- */

static void put(uint8_t *at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get16(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint8_t *find(uint8_t *from, uint8_t *end, const char *mark) {
    return from ? memmem(from, (size_t)(end - from), mark, 4) : NULL;
}

/* Makes the directory agree with where things lie: each entry is as long as up to the next one, by its name if it can
 * be, and belongs to the next local header; the end record counts them. */
static void directory_mend(uint8_t *data, size_t size) {
    uint8_t *const end = data + size, *first = find(data, end, "PK\1\2"), *last = find(first, end, "PK\5\6");
    uint8_t *local = data;
    uint32_t count = 0;
    if (!last || end - last < 22) return;
    for (uint8_t *entry = first, *next; entry && last - entry >= 46; entry = next < last ? next : NULL, count++) {
        next = find(entry + 46, last, "PK\1\2");
        if (!next) next = last;
        const uint32_t room = (uint32_t)(next - entry) - 46, beside = get16(entry + 30) + get16(entry + 32);
        if (beside > room) put(entry + 30, 0, 4);
        put(entry + 28, beside > room ? room : room - beside, 2);
        if ((local = find(local, first, "PK\3\4"))) put(entry + 42, (uint32_t)(local++ - data), 4);
    }
    put(last + 8, count, 2), put(last + 10, count, 2);
    put(last + 12, (uint32_t)(last - first), 4), put(last + 16, (uint32_t)(first - data), 4);
}

/* Of bytes inserted anywhere hardly an archive is left: most are mended. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    size = LLVMFuzzerMutate(data, size, most);
    if (seed % 4) directory_mend(data, size);
    return size;
}

/* ---- the check ---- */

#define FOLDERS_MOST 64 /* in each other; of what is hidden the rest counts as one */

/* Members that are files, those of one name each for itself; −1: one lies deeper than is looked. */
static int64_t members_count(const char *path) {
    zip_t *archive = zip_open(path, ZIP_RDONLY, NULL);
    int64_t count = 0;
    if (!archive) abort();
    for (zip_int64_t i = 0; count >= 0 && i < zip_get_num_entries(archive, 0); i++) {
        const char *name = zip_get_name(archive, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        int slashes = 0;
        for (const char *c = name; c && *c; c++) slashes += *c == '/';
        if (slashes > FOLDERS_MOST)
            count = -1;
        else
            count += name && *name && name[strlen(name) - 1] != '/';
    }
    zip_discard(archive);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz.zip", MFD_CLOEXEC);
        if (fd < 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    oc_dataset *dataset = fuzz_dataset_open(path, NULL);
    const int64_t members = dataset ? members_count(path) : -1;
    if (dataset && fuzz_dataset_walk(dataset) != members && members >= 0) abort();
    oc_dataset_destroy(&dataset);
    return 0;
}
