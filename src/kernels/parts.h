/* How kernels walk over a map (map.h) in vectors, whatever its layout. A part is one image's share of one block of
 * channels: h·w pixels of `block` floats without gaps. For the sources of this folder only. */
#ifndef OC_KERNELS_PARTS_H
#define OC_KERNELS_PARTS_H

#include <stdbool.h>

#include "kernels/map.h"
#include "kernels/stored.h"

/* ---- Vectors of fewer lanes ---- */

#if defined OC_LEVEL_AVX2
/* All ones in the first `count` lanes. */
OC_INLINE __m256i oc_first_lanes(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first `count` (1 … OC_LANES) lanes; those behind them are zero, and their memory is not touched. */
OC_INLINE oc_floats oc_load_some(const float *from, int count) {
    if (count == OC_LANES) return oc_load(from);
#if defined OC_LEVEL_AVX512
    return (oc_floats)_mm512_maskz_loadu_ps((__mmask16)((1U << count) - 1), from);
#elif defined OC_LEVEL_AVX2
    return (oc_floats)_mm256_maskload_ps(from, oc_first_lanes(count));
#else
    oc_floats v = {0};
    for (int l = 0; l < count; l++) v[l] = from[l];
    return v;
#endif
}

OC_INLINE void oc_store_some(float *to, oc_floats v, int count) {
    if (count == OC_LANES) {
        oc_store(to, v);
        return;
    }
#if defined OC_LEVEL_AVX512
    _mm512_mask_storeu_ps(to, (__mmask16)((1U << count) - 1), (__m512)v);
#elif defined OC_LEVEL_AVX2
    _mm256_maskstore_ps(to, oc_first_lanes(count), (__m256)v);
#else
    for (int l = 0; l < count; l++) to[l] = v[l];
#endif
}

/* The same of a map. */
OC_INLINE oc_floats oc_load_stored_some(const oc_stored *from, int count) {
#if defined OC_STORED_BF16
    if (count == OC_LANES) return oc_load_stored(from);
    oc_stored some[OC_LANES] = {0};
    for (int l = 0; l < count; l++) some[l] = from[l];
    return oc_load_stored(some);
#else
    return oc_load_some(from, count);
#endif
}

OC_INLINE void oc_store_stored_some(oc_stored *to, oc_floats v, int count) {
#if defined OC_STORED_BF16
    if (count == OC_LANES) {
        oc_store_stored(to, v);
        return;
    }
    oc_stored some[OC_LANES];
    oc_store_stored(some, v);
    for (int l = 0; l < count; l++) to[l] = some[l];
#else
    oc_store_some(to, v, count);
#endif
}

/* ---- Runs ---- */

/* Vectors of a part (or of some of its pixels) that are treated alike: `count` vectors of `lanes` lanes, the first at
 * float `at`, `stride` floats from one to the next. Lane l of each is of the block's channel (at + l) % block.
 *
 * Where whole pixels fill a vector (plain maps; blocks of 8 in vectors of 16) the part is one row of floats, of which
 * the last may fill no vector; else each run is a column of up to OC_LANES channels over all pixels. */
typedef struct oc_run {
    int64_t at, count, stride;
    int lanes;
    int64_t end; /* where the next run begins */
} oc_run;

OC_INLINE bool oc_runs_packed(int64_t block) {
    return OC_LANES % block == 0;
}

/* From {0} to the first run of `pixels` (>= 1) pixels, and from each to the next; false when there is none. */
OC_INLINE bool oc_run_next(oc_run *run, int64_t pixels, int64_t block) {
    const bool packed = oc_runs_packed(block);
    const int64_t left = (packed ? pixels * block : block) - run->end;
    if (left == 0) return false;
    run->at = run->end;
    run->lanes = left < OC_LANES ? (int)left : OC_LANES;
    run->stride = packed ? OC_LANES : block;
    run->count = !packed ? pixels : left < OC_LANES ? 1 : left / OC_LANES;
    run->end += run->lanes * (packed ? run->count : 1);
    return true;
}

/* ---- Four vectors of a run ---- */

/* Where they lie one behind another, their lanes may be in an order of their own, which is the same for all that these
 * functions give; no arithmetic sees it. `stride` and `lanes` are the run's, and must be constants to be quick. */
typedef struct oc_four {
    oc_floats v[4];
} oc_four;

#if defined OC_PAIRED
OC_INLINE bool oc_is_paired(int64_t stride, int lanes) {
    return stride == OC_LANES && lanes == OC_LANES;
}
#endif

OC_INLINE oc_four oc_load_four(const oc_stored *from, int64_t stride, int lanes) {
    oc_four four;
#if defined OC_PAIRED
    if (oc_is_paired(stride, lanes)) {
        oc_load_pair(from, &four.v[0], &four.v[1]);
        oc_load_pair(from + 2 * stride, &four.v[2], &four.v[3]);
        return four;
    }
#endif
    for (int k = 0; k < 4; k++) four.v[k] = oc_load_stored_some(from + k * stride, lanes);
    return four;
}

OC_INLINE void oc_store_four(oc_stored *to, const oc_four *four, int64_t stride, int lanes) {
#if defined OC_PAIRED
    if (oc_is_paired(stride, lanes)) {
        oc_store_pair(to, four->v[0], four->v[1]);
        oc_store_pair(to + 2 * stride, four->v[2], four->v[3]);
        return;
    }
#endif
    for (int k = 0; k < 4; k++) oc_store_stored_some(to + k * stride, four->v[k], lanes);
}

/* The same vector four times. */
OC_INLINE oc_four oc_four_of(oc_floats v, int64_t stride, int lanes) {
    oc_four four = {{v, v, v, v}};
#if defined OC_PAIRED
    if (oc_is_paired(stride, lanes)) {
        oc_pair_of(v, &four.v[0], &four.v[1]);
        oc_pair_of(v, &four.v[2], &four.v[3]);
    }
#else
    (void)stride, (void)lanes;
#endif
    return four;
}

/* The four one by one, in the run's order. */
OC_INLINE oc_four oc_four_apart(const oc_four *four, int64_t stride, int lanes) {
    oc_four apart = *four;
#if defined OC_PAIRED
    if (oc_is_paired(stride, lanes)) {
        oc_unpair(four->v[0], four->v[1], &apart.v[0], &apart.v[1]);
        oc_unpair(four->v[2], four->v[3], &apart.v[2], &apart.v[3]);
    }
#else
    (void)stride, (void)lanes;
#endif
    return apart;
}

OC_INLINE oc_floats oc_four_sum(const oc_four *four) {
    return (four->v[0] + four->v[1]) + (four->v[2] + four->v[3]);
}

/* As many pixels as give runs of 64 vectors: what may be summed in single precision. */
#define OC_TILE 64
OC_INLINE int64_t oc_tile_pixels(int64_t block) {
    return oc_runs_packed(block) ? OC_TILE * (OC_LANES / block) : OC_TILE;
}

/* A run's vector of what a row[block] holds for each channel of the block. */
OC_INLINE oc_floats oc_row_load(const float *row, const oc_run *run, int64_t block) {
    if (block >= OC_LANES || !oc_runs_packed(block)) return oc_load_some(row + run->at, run->lanes);
    if (block == 1) return oc_broadcast(*row);
    oc_floats v;
    for (int l = 0; l < OC_LANES; l++) v[l] = row[l % block];
    return v;
}

/* The same as doubles: row[channel] += v, lane by lane. */
OC_INLINE void oc_row_add(double *row, const oc_run *run, int64_t block, oc_doubles v) {
    if (run->lanes == OC_LANES && block >= OC_LANES) {
        oc_doubles sum;
        double *to = row + run->at % block;
        memcpy(&sum, to, sizeof sum);
        sum += v;
        memcpy(to, &sum, sizeof sum);
    } else {
        for (int l = 0; l < run->lanes; l++) row[(run->at + l) % block] += v[l];
    }
}

#endif
