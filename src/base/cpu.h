/* What the processor can do: the one place that asks it. Everything that has a version for each instruction set chooses
 * by the level told here, so that no two parts disagree. */
#ifndef OC_BASE_CPU_H
#define OC_BASE_CPU_H

#include "ocelli/base.h"

/* Each level includes those before it. */
typedef enum oc_cpu_level {
    OC_CPU_BASELINE,    /* any processor; on x86-64 SSE2 */
    OC_CPU_AVX2,        /* AVX2 and FMA */
    OC_CPU_AVX512,      /* AVX-512 F, BW, DQ and VL */
    OC_CPU_AVX512_BF16, /* and its products of bfloat16 */
    OC_CPU_LEVELS
} oc_cpu_level;

/* The level's name as OC_CPU takes it, "avx512_bf16"; static. */
const char *oc_cpu_level_name(oc_cpu_level level);

/* Whether the level multiplies bfloat16 faster than float: without it bf16 saves memory at most. */
bool oc_cpu_has_bf16(oc_cpu_level level);

/* The highest level of this processor (and of the operating system, which must save the registers). */
oc_cpu_level oc_cpu_highest(void);

/* The level to compute with: the processor's highest, or the one that the environment variable OC_CPU names if that is
 * lower. A name that does not exist counts as none here: oc_cpu_check refuses it. */
oc_cpu_level oc_cpu_level_now(void);

/* OC_E_USAGE when OC_CPU holds no level's name; the message lists them. */
oc_status oc_cpu_check(oc_error *err);

/* The processor's name as it gives it ("AMD EPYC 9454P"), or its architecture, into text[size]; returns text. */
const char *oc_cpu_name(char *text, size_t size);

#endif
