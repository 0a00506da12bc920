/* The processor's levels and its name. */
#include "base/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined __x86_64__
#include <cpuid.h>
#endif

#include "base/error.h"

static const char *const names[OC_CPU_LEVELS + 1] = {"baseline", "avx2", "avx512", "avx512_bf16", NULL};

const char *oc_cpu_level_name(oc_cpu_level level) {
    return names[level];
}

bool oc_cpu_has_bf16(oc_cpu_level level) {
    return level >= OC_CPU_AVX512_BF16;
}

oc_cpu_level oc_cpu_highest(void) {
#if defined __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return OC_CPU_BASELINE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return OC_CPU_AVX2;
    return __builtin_cpu_supports("avx512bf16") ? OC_CPU_AVX512_BF16 : OC_CPU_AVX512;
#else
    return OC_CPU_BASELINE;
#endif
}

/* The level that OC_CPU names: OC_CPU_LEVELS without one, −1 for a name that does not exist. */
static int asked(const char **text) {
    *text = getenv("OC_CPU");
    if (!*text || !**text) return OC_CPU_LEVELS;
    for (int i = 0; i < OC_CPU_LEVELS; i++)
        if (strcmp(*text, names[i]) == 0) return i;
    return -1;
}

oc_cpu_level oc_cpu_level_now(void) {
    const char *text;
    const oc_cpu_level highest = oc_cpu_highest();
    const int cap = asked(&text);
    return cap >= 0 && cap < (int)highest ? (oc_cpu_level)cap : highest;
}

oc_status oc_cpu_check(oc_error *err) {
    const char *text;
    if (asked(&text) >= 0) return OC_OK;
    const char *nearest = oc_text_nearest(text, names, OC_CPU_LEVELS);
    return oc_fail(err, OC_E_USAGE, "OC_CPU",
                   "there is no instruction set '%s'; there are: baseline, avx2, avx512, avx512_bf16%s%s%s", text,
                   nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
}

const char *oc_cpu_name(char *text, size_t size) {
#if defined __x86_64__
    /* Leaves 0x80000002 … 0x80000004: 48 bytes, blank-padded on either side. */
    unsigned brand[13] = {0}, highest = __get_cpuid_max(0x80000000U, NULL);
    for (unsigned i = 0; i < 3 && highest >= 0x80000004U; i++)
        __get_cpuid(0x80000002U + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2], &brand[4 * i + 3]);
    char name[sizeof brand];
    memcpy(name, brand, sizeof name);
    const char *begin = name + strspn(name, " ");
    size_t length = strlen(begin);
    while (length > 0 && begin[length - 1] == ' ') length--;
    snprintf(text, size, "%.*s", (int)length, length ? begin : "x86-64");
    if (!length) snprintf(text, size, "x86-64");
#elif defined __aarch64__
    snprintf(text, size, "aarch64");
#else
    snprintf(text, size, "an unknown processor");
#endif
    return text;
}
