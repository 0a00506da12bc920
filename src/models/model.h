/* The registry of model families, a model (graph + tensors + what a weights file says of it), and the weights file.
 * The public half of the interface is include/ocelli/ocelli.h and include/ocelli/models.h. */
#ifndef OC_MODELS_MODEL_H
#define OC_MODELS_MODEL_H

#include "base/image_options.h"
#include "base/text.h"
#include "graph/graph.h"
#include "graph/plan.h"
#include "models/trained.h"
#include "ocelli/ocelli.h"

/* What a model is built to. */
typedef struct oc_model_spec {
    int64_t classes, size;
    oc_model_options options; /* checked for their ranges */
} oc_model_spec;

/* A row of the registry: adding a model is a row. `build` appends the layers for spec->classes scores at input
 * [3, size, size] to the graph, its output marked; errors are latched in the graph. */
typedef struct oc_model_entry oc_model_entry;
struct oc_model_entry {
    const char *name;
    const char *summary; /* one line for `ocelli models` */
    void (*build)(oc_graph *graph, const oc_model_entry *entry, const oc_model_spec *spec);
    const void *row;  /* the family's own words for this model */
    const char *stem; /* its own, one of those of oc_model_options; NULL: the model takes no options at all */
    bool fixed_size;  /* made for one input size: weights of another do not fit */
};
/* The models in the order in which they are listed; NULL beyond the last. */
const oc_model_entry *oc_model_entry_at(size_t index);
/* OC_E_USAGE listing the valid names and the nearest. */
oc_status oc_model_entry_find(const oc_model_entry **out, const char *name, oc_error *err);

/* A network (entry, graph, weights), or an ensemble (models/ensemble.h) of networks, never both. */
struct oc_model {
    const oc_model_entry *entry; /* NULL for an ensemble, as graph and arena are */
    oc_graph *graph;
    oc_weights weights;           /* owned arena */
    oc_model_options options;     /* as built; drop_path and dropout say nothing of the weights. stem: static text, NULL
                                     where it is the entry's own */
    struct oc_ensemble *ensemble; /* owned; NULL for a network */
    char *path;                   /* the weights file that it was opened from, for messages; NULL: none */
    char *note;                   /* as oc_model_note tells it, or NULL */
    oc_names classes;             /* class codes in the order of the scores */
    int64_t size;                 /* input height and width; of an ensemble, its first member's */
    float mean[3], std[3];        /* normalisation at evaluation, on [0, 1] */
    oc_image_options image;       /* how images are read for it */
    bool told;                    /* by its weights file are image, mean and std */
    double holdout;     /* share of each training class that training left out (oc_dataset_options); 0: none */
    oc_trained trained; /* what is behind the weights; of an ensemble: behind its members and what joins them */
    int64_t steps;      /* training steps behind the weights, PyTorch's num_batches_tracked; 0: not known */
};

/* What an image takes: the sums over the model's layers (oc_model_layer). Either may be NULL. */
void oc_model_totals(const oc_model *model, int64_t *parameters, int64_t *macs);

/* The stem of that name as static text, "3x3", "7x7" or "deep"; NULL for another. */
const char *oc_model_stem(const char *name);

/* Whether two normalisations are the same. */
bool oc_normalisation_equal(const float mean[3], const float std[3], const float other_mean[3],
                            const float other_std[3]);

/* Fills every tensor by its oc_init from the stream (seed, OC_RANDOM_INIT, place in the table); adds one to version. */
void oc_model_init(oc_model *model, uint64_t seed);

/* Writes the weights file (safetensors; metadata as models/weights_info.h has it, and the checksum) from `arena` (NULL:
 * the model's own), atomically. */
oc_status oc_model_write(const oc_model *model, const float *arena, const char *path, oc_error *err);

/* Reads a weights file into an existing model, to train on from it: same tensors and shapes (num_batches_tracked is
 * ignored), and, if the file names them, same model, variant, size (where the model is made for one) and classes, in
 * order. Where only the classes are others, the model keeps the last linear layer that it has, and `log` (may be NULL)
 * is told. What the file was trained on adds to the model's own. OC_E_MISMATCH names the first differing tensors or
 * classes (missing, unexpected, misshapen). The model is untouched on an error. */
oc_status oc_model_read(oc_model *model, const char *path, const oc_log *log, oc_error *err);

/* Adds what a weights file was trained on to the model's own, and reads nothing else of it. OC_E_FORMAT. */
oc_status oc_model_read_trained(oc_model *model, const char *path, oc_error *err);

#endif
