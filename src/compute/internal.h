/* What the files of this room share: what an engine and a primitive are made of. */
#ifndef OC_COMPUTE_INTERNAL_H
#define OC_COMPUTE_INTERNAL_H

#include "compute/primitive.h"

typedef struct oc_dnnl oc_dnnl;

struct oc_engine {
    oc_team *team; /* borrowed */
    const oc_kernels *kernels[OC_STORAGES];
    oc_dnnl *dnnl; /* owned */
};

/* The engine's kernels for maps of `dtype`: for all but OC_BF16 those of float. */
const oc_kernels *oc_engine_kernels(const oc_engine *engine, oc_dtype dtype);

/* What primitives of one kind have in common. */
typedef struct oc_primitive_type {
    size_t size; /* of the struct whose first member is the oc_primitive */
    oc_status (*execute)(const oc_primitive *primitive, oc_error *err);
    /* NULL: nothing but remembering where the slot's memory lies. */
    oc_status (*bind)(oc_primitive *primitive, oc_slot slot, void *data, oc_error *err);
    /* Frees what it owns besides itself; NULL: nothing. */
    void (*destroy)(oc_primitive *primitive);
} oc_primitive_type;

/* The first member of every primitive's own struct. */
struct oc_primitive {
    const oc_primitive_type *type;
    const char *what;           /* static */
    const char *algorithm;      /* that was chosen among several, static; NULL where there is but one */
    const char *implementation; /* "own", or oneDNN's name; lives as long as the primitive */
    bool slow;                  /* see oc_primitive_is_slow */
    const char *layer;          /* borrowed */
    oc_engine *engine;          /* borrowed */
    const oc_kernels *kernels;  /* of the engine's, for the maps' data type */
    oc_layout layout[OC_SLOTS];
    void *data[OC_SLOTS];
};

/* *out (a pointer to the struct of `type`) = a zeroed one with its oc_primitive filled in, for maps of `dtype`; the
 * implementation is "own" until the caller says otherwise. OC_E_MEMORY. */
oc_status oc_primitive_create(void *out, const oc_primitive_type *type, oc_engine *engine, oc_dtype dtype,
                              const char *layer, const char *what, oc_error *err);

/* oc_layout_map, or OC_E_COMPUTE: unsupported layout. */
oc_status oc_primitive_map(oc_map *out, const oc_layout *layout, const char *layer, const char *what, oc_error *err);

/* Where element `at` of a slot's memory lies; NULL where nothing is bound to it. */
void *oc_primitive_at(const oc_primitive *primitive, oc_slot slot, int64_t at);

/* One task for each of `count` items, on the primitive's team. */
void oc_primitive_for(const oc_primitive *primitive, int64_t count, int64_t grain, oc_task_fn task);

/* oneDNN's side of an engine, capped to `level`. OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_dnnl_create(oc_dnnl **out, oc_cpu_level level, oc_error *err);
void oc_dnnl_destroy(oc_dnnl **dnnl);

#endif
