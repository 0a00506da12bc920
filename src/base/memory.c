/* Memory from aligned_alloc and strdup, so that oc_free is free() and sanitizers see every block. */
#define _GNU_SOURCE 1
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_FROM ((size_t)4 << 20)

bool oc_size_mul(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

oc_status oc_alloc(void *out, size_t count, size_t size, oc_error *err) {
    void *memory = NULL;
    memcpy(out, &memory, sizeof memory);
    size_t bytes;
    if (!oc_size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX - HUGE_PAGE)
        return oc_fail(err, OC_E_MEMORY, NULL, "a size overflows: %zu × %zu bytes", count, size);
    if (bytes == 0) return OC_OK;
    size_t alignment = bytes >= HUGE_FROM ? HUGE_PAGE : OC_ALIGNMENT;
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    memory = aligned_alloc(alignment, rounded);
    if (!memory) return oc_fail(err, OC_E_MEMORY, NULL, "out of memory: %zu bytes more were needed", bytes);
    /* Only advice: where the kernel has no huge pages, ordinary ones do. */
    if (alignment == HUGE_PAGE) (void)madvise(memory, rounded, MADV_HUGEPAGE);
    memset(memory, 0, rounded);
    memcpy(out, &memory, sizeof memory);
    return OC_OK;
}

oc_status oc_grow(void *array, size_t *capacity, size_t count, size_t size, oc_error *err) {
    if (count <= *capacity) return OC_OK;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < count) {
        if (wanted > SIZE_MAX / 2) return oc_fail(err, OC_E_MEMORY, NULL, "a size overflows: %zu elements", count);
        wanted *= 2;
    }
    void *fresh, *old;
    oc_status status = oc_alloc(&fresh, wanted, size, err);
    if (status != OC_OK) return status;
    memcpy(&old, array, sizeof old);
    if (old) memcpy(fresh, old, *capacity * size);
    oc_free(old);
    memcpy(array, &fresh, sizeof fresh);
    *capacity = wanted;
    return OC_OK;
}

oc_status oc_strdup(char **out, const char *text, oc_error *err) {
    *out = strdup(text); /* aligned, 100,000 names would take several times the time and the memory */
    return *out ? OC_OK
                : oc_fail(err, OC_E_MEMORY, NULL, "out of memory: %zu bytes more were needed", strlen(text) + 1);
}

void oc_free(void *memory) {
    free(memory);
}

int64_t oc_memory_peak(void) {
    FILE *file = fopen("/proc/self/status", "re");
    static const char label[] = "VmHWM:"; /* "VmHWM:     612 kB" */
    char line[256];
    int64_t kilobytes = 0;
    while (file && kilobytes == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, label, sizeof label - 1) == 0) kilobytes = strtoll(line + sizeof label - 1, NULL, 10);
    if (file) fclose(file);
    return kilobytes * 1024;
}

void oc_memory_peak_reset(void) {
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (!file) return;
    fputs("5", file); /* proc(5): the peak becomes what is resident now */
    fclose(file);
}
