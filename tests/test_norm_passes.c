/* A batch norm takes large maps through its passes some blocks at a time, and small ones each block on its own: every
 * block's numbers are the same bits whatever lies beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/norm.h"
#include "support/engine.h"

#define SEED 20261130U
#define BLOCKS 5 /* of which a team of two takes two or three at a time */
#define IMAGES 4
#define SIDE 128

/* Memory for every slot of a primitive that has none yet; f32 is random, as much of it as fills a block of every image,
 * and the same in every other block. */
static void give(const oc_primitive *primitive, void *memory[OC_SLOTS], int64_t period, int64_t blocks) {
    for (int slot = 0; slot < OC_SLOTS; slot++) {
        const oc_layout *layout = oc_primitive_layout(primitive, (oc_slot)slot);
        if (memory[slot] || oc_layout_absent(layout)) continue;
        assert_int_equal(oc_alloc(&memory[slot], oc_layout_bytes(layout), 1, NULL), OC_OK);
        if (layout->dtype != OC_F32 || slot == OC_SLOT_SCRATCHPAD) continue;
        float *data = memory[slot];
        const bool map = layout->shape.ndim == 4;
        const int64_t part = map ? layout->shape.dim[2] * layout->shape.dim[3] * period : period;
        oc_random random;
        oc_random_init(&random, SEED, OC_RANDOM_TEST, 6, (uint64_t)slot);
        for (int64_t n = 0; n < (map ? IMAGES : 1); n++)
            for (int64_t b = 0; b < blocks; b++, data += part) {
                for (int64_t i = 0; b == 0 && i < part; i++) data[i] = (float)(0.5 + oc_random_uniform(&random));
                if (b > 0) memcpy(data, data - part, (size_t)part * sizeof *data);
            }
    }
}

static void run(oc_primitive **primitive, void *const memory[OC_SLOTS]) {
    for (int slot = 0; slot < OC_SLOTS; slot++)
        if (!oc_layout_absent(oc_primitive_layout(*primitive, (oc_slot)slot)))
            assert_int_equal(oc_primitive_bind(*primitive, (oc_slot)slot, memory[slot], NULL), OC_OK);
    assert_int_equal(oc_primitive_execute(*primitive, NULL), OC_OK);
    oc_primitive_destroy(primitive);
}

/* Forward, then backward from what it made, over `blocks` blocks of equal contents. */
static void passes(const test_engine *f, bool pooled, int64_t blocks, void *memory[OC_SLOTS]) {
    const int64_t block = oc_engine_block(f->engine);
    const oc_shape shape = oc_shape_make(4, (int64_t)IMAGES, blocks * block, (int64_t)SIDE, (int64_t)SIDE);
    const oc_layout layout = oc_layout_blocked(OC_F32, &shape, block);
    const oc_norm_spec spec = {
        .epsilon = 1e-5F,
        .training = true,
        .relu = true,
        .pooled = pooled,
        .pool = {2, 2, 0, true},
        .dst = oc_shape_make(4, (int64_t)IMAGES, blocks * block, (int64_t)SIDE / 2, (int64_t)SIDE / 2)};
    oc_primitive *forward = NULL, *backward = NULL;
    assert_int_equal(oc_norm_forward_create(&forward, f->engine, "test", &spec, &layout, NULL), OC_OK);
    assert_int_equal(oc_norm_backward_create(&backward, f->engine, "test", &spec, &layout, NULL), OC_OK);
    give(forward, memory, block, blocks);
    give(backward, memory, block, blocks);
    run(&forward, memory);
    run(&backward, memory);
}

/* Every block of a result against the one of a map that has no other. */
static void assert_blocks(const void *many, const void *one, int64_t images, size_t part) {
    for (int64_t n = 0; n < images; n++)
        for (int64_t b = 0; b < BLOCKS; b++)
            assert_memory_equal((const char *)many + (size_t)(n * BLOCKS + b) * part,
                                (const char *)one + (size_t)n * part, part);
}

static void test_blocks(void **state) {
    const test_engine *f = *state;
    static const oc_slot channels[] = {OC_SLOT_MEAN, OC_SLOT_VARIANCE, OC_SLOT_DIFF_SCALE, OC_SLOT_DIFF_SHIFT};
    const size_t row = (size_t)oc_engine_block(f->engine) * sizeof(float), part = row * SIDE * SIDE;
    for (int pooled = 0; pooled < 2; pooled++) {
        void *many[OC_SLOTS] = {NULL}, *one[OC_SLOTS] = {NULL};
        passes(f, pooled, BLOCKS, many);
        passes(f, pooled, 1, one);
        assert_blocks(many[OC_SLOT_DST], one[OC_SLOT_DST], IMAGES, pooled ? part / 4 : part);
        assert_blocks(many[OC_SLOT_DIFF_SRC], one[OC_SLOT_DIFF_SRC], IMAGES, part);
        for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
            assert_blocks(many[channels[i]], one[channels[i]], 1, row);
        for (int slot = 0; slot < OC_SLOTS; slot++) oc_free(many[slot]), oc_free(one[slot]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks)};
    return cmocka_run_group_tests(tests, test_engine_setup, test_engine_teardown);
}
