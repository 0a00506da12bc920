#include "timed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

#define SECONDS 0.1 /* of each measurement; the quickest execution counts */
#define LEAST 5

void oc_bench_refuse(oc_status status, const oc_error *err) {
    if (status == OC_OK) return;
    fprintf(stderr, "bench: %s\n", err->message);
    exit(EXIT_FAILURE);
}

/* Memory of every slot's size, of small numbers; bytes, which are places in windows and masks, are ones. */
static void bind(oc_primitive *primitive, void *memory[OC_SLOTS]) {
    oc_error err = {0};
    for (int slot = 0; slot < OC_SLOTS; slot++) {
        const oc_layout *layout = oc_primitive_layout(primitive, (oc_slot)slot);
        memory[slot] = NULL;
        if (oc_layout_absent(layout)) continue;
        const size_t bytes = oc_layout_bytes(layout);
        oc_bench_refuse(oc_alloc(&memory[slot], bytes, 1, &err), &err);
        for (size_t i = 0; i < bytes / oc_dtype_size(layout->dtype); i++) {
            const float number = (float)(i % 17) * 0.01F - 0.08F;
            uint32_t bits;
            memcpy(&bits, &number, sizeof bits);
            if (layout->dtype == OC_U8) ((uint8_t *)memory[slot])[i] = 1;
            if (layout->dtype == OC_F32) ((float *)memory[slot])[i] = number;
            if (layout->dtype == OC_BF16) ((uint16_t *)memory[slot])[i] = (uint16_t)(bits >> 16);
        }
        oc_bench_refuse(oc_primitive_bind(primitive, (oc_slot)slot, memory[slot], &err), &err);
    }
}

double oc_bench_timed(oc_primitive **primitive) {
    oc_error err = {0};
    void *memory[OC_SLOTS];
    double quickest = 1e9;
    if (!*primitive) return 0;
    bind(*primitive, memory);
    oc_bench_refuse(oc_primitive_execute(*primitive, &err), &err);
    const double begin = oc_clock_seconds();
    for (int i = 0; i < LEAST || oc_clock_seconds() < begin + SECONDS; i++) {
        const double before = oc_clock_seconds();
        oc_bench_refuse(oc_primitive_execute(*primitive, &err), &err);
        const double seconds = oc_clock_seconds() - before;
        if (seconds < quickest) quickest = seconds;
    }
    for (int slot = 0; slot < OC_SLOTS; slot++) oc_free(memory[slot]);
    oc_primitive_destroy(primitive);
    return quickest;
}

bool oc_bench_precision(oc_dtype *out, const char *name) {
    *out = strcmp(name, "bf16") == 0 ? OC_BF16 : OC_F32;
    return *out == OC_BF16 || strcmp(name, "fp32") == 0;
}
