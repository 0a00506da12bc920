/* Ensembles: made of networks, told about, and their scores joined. */
#include "models/ensemble.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/build.h"
#include "models/difference.h"
#include "models/ensemble_parts.h"
#include "tensor/name_index.h"

/* "models.63." and the longest name of a layer or tensor that the graph can hold. */
#define NAME_TEXT 512

/* Classes whose sums run side by side: enough to hide the latency of an addition. */
#define ABREAST 8

/* ---- Names of ways to combine ----------------------------------------------------------------------------------- */

static const char *const combine_names[OC_COMBINES] = {
    [OC_COMBINE_STACK] = "stack",
    [OC_COMBINE_MEAN] = "mean",
    [OC_COMBINE_WEIGHTED] = "weighted",
};

const char *oc_combine_name(oc_combine combine) {
    return combine_names[combine];
}

oc_status oc_combine_find(oc_combine *out, const char *name, const char *where, oc_error *err) {
    for (int i = 0; i < OC_COMBINES; i++) {
        if (strcmp(combine_names[i], name) != 0) continue;
        *out = (oc_combine)i;
        return OC_OK;
    }
    const char *nearest = oc_text_nearest(name, combine_names, OC_COMBINES);
    return oc_fail(err, OC_E_USAGE, where, "\"%.100s\" is not stack, mean or weighted%s%s%s", name,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

/* ---- Making ----------------------------------------------------------------------------------------------------- */

/* The place in member m's scores of each of the ensemble's classes; OC_E_MISMATCH where the sets differ. */
static oc_status map_classes(int32_t *map, const oc_names *classes, const oc_names *theirs, const char *label,
                             const char *their_label, oc_error *err) {
    oc_status status = OC_OK;
    oc_name_index places = {0};
    oc_text sentence = {0}, only_kind = {0}, only_their_kind = {0};
    bool same = classes->count == theirs->count;
    for (size_t c = 0; c < theirs->count; c++) OC_TRY(oc_name_index_add(&places, theirs->item[c], c, err));
    for (size_t c = 0; same && c < classes->count; c++) {
        const size_t place = oc_name_index_find(&places, classes->item[c]);
        same = place != OC_NAME_ABSENT;
        if (same) map[c] = (int32_t)place;
    }
    if (same) goto cleanup;
    OC_TRY(oc_text_printf(&only_kind, err, "only in %.200s: class", label));
    OC_TRY(oc_text_printf(&only_their_kind, err, "only in %.200s: class", their_label));
    oc_difference only = OC_DIFFERENCE(only_kind.data), only_theirs = OC_DIFFERENCE(only_their_kind.data);
    status = oc_difference_strangers(&only, classes, theirs, err);
    if (status == OC_OK) status = oc_difference_strangers(&only_theirs, theirs, classes, err);
    if (status == OC_OK) status = oc_difference_close(&only, &sentence, err);
    if (status == OC_OK) status = oc_difference_close(&only_theirs, &sentence, err);
    oc_difference_free(&only);
    oc_difference_free(&only_theirs);
    if (status == OC_OK)
        status = oc_fail(err, OC_E_MISMATCH, their_label,
                         "an ensemble's members must know the same classes (%zu here, %zu in %.200s): %s",
                         theirs->count, classes->count, label, sentence.data);
cleanup:
    oc_name_index_free(&places);
    oc_text_free(&sentence);
    oc_text_free(&only_kind);
    oc_text_free(&only_their_kind);
    return status;
}

/* The names in a weights file of all that member `m` consists of. */
static oc_status add_member_names(oc_ensemble *e, size_t m, oc_error *err) {
    oc_status status = OC_OK;
    const oc_graph *graph = e->member[m]->graph;
    const oc_table *table = oc_graph_table(graph);
    char name[NAME_TEXT];
    for (size_t i = 0; i < oc_table_count(table); i++) {
        oc_tensor tensor = *oc_table_at(table, i);
        snprintf(name, sizeof name, "models.%zu.%s", m, tensor.name);
        tensor.name = name;
        OC_TRY(oc_table_add(e->table, &tensor, NULL, err));
    }
    for (int i = 0; i < oc_graph_nodes(graph); i++) {
        const char *layer = oc_graph_node_info(graph, i).name;
        snprintf(name, sizeof name, "models.%zu.%s", m, layer);
        OC_TRY(oc_names_add(&e->layer_names, layer[0] ? name : "", err));
    }
cleanup:
    return status;
}

static oc_status add_combiner_names(oc_ensemble *e, int64_t classes, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t members = (int64_t)e->members;
    oc_tensor weight = {.name = "clf.weight", .parameter = true, .decay = true};
    const oc_tensor bias = {.name = "clf.bias", .shape = oc_shape_make(1, classes), .parameter = true};
    weight.shape =
        e->combine == OC_COMBINE_STACK ? oc_shape_make(2, classes, members * classes) : oc_shape_make(1, members);
    if (e->combine != OC_COMBINE_MEAN) OC_TRY(oc_table_add(e->table, &weight, NULL, err));
    if (e->combine == OC_COMBINE_STACK) OC_TRY(oc_table_add(e->table, &bias, NULL, err));
cleanup:
    return status;
}

oc_status oc_ensemble_build(oc_model **out, oc_combine combine, oc_model **member, const char *const *label,
                            size_t count, oc_error *err) {
    oc_status status = OC_OK;
    oc_model *model = NULL;
    *out = NULL;
    if (count < OC_ENSEMBLE_LEAST || count > OC_ENSEMBLE_MOST) {
        status = oc_fail(err, OC_E_USAGE, NULL, "an ensemble has %d to %d members, not %zu", OC_ENSEMBLE_LEAST,
                         OC_ENSEMBLE_MOST, count);
        goto cleanup;
    }
    for (size_t m = 0; m < count; m++)
        if (member[m]->ensemble) {
            status = oc_fail(err, OC_E_USAGE, label[m],
                             "this is an ensemble, which cannot be a member of another; pass its members' own weights");
            goto cleanup;
        }
    OC_TRY(oc_alloc(&model, 1, sizeof *model, err));
    OC_TRY(oc_alloc(&model->ensemble, 1, sizeof *model->ensemble, err));
    oc_ensemble *e = model->ensemble;
    e->combine = combine;
    OC_TRY(oc_alloc(&e->member, count, sizeof *e->member, err));
    OC_TRY(oc_alloc(&e->class_map, count, sizeof *e->class_map, err));
    OC_TRY(oc_table_create(&e->table, err));
    e->members = count;
    for (size_t m = 0; m < count; m++) {
        e->member[m] = member[m];
        member[m] = NULL;
    }
    const oc_model *first = e->member[0];
    model->size = first->size;
    memcpy(model->mean, first->mean, sizeof model->mean);
    memcpy(model->std, first->std, sizeof model->std);
    model->image = first->image;
    for (size_t c = 0; c < first->classes.count; c++)
        OC_TRY(oc_names_add(&model->classes, first->classes.item[c], err));
    for (size_t m = 0; m < count; m++) {
        OC_TRY(oc_alloc(&e->class_map[m], model->classes.count, sizeof **e->class_map, err));
        OC_TRY(map_classes(e->class_map[m], &model->classes, &e->member[m]->classes, label[0], label[m], err));
        OC_TRY(add_member_names(e, m, err));
    }
    OC_TRY(add_combiner_names(e, (int64_t)model->classes.count, err));
    *out = model;
    model = NULL;
cleanup:
    for (size_t m = 0; m < count; m++) oc_model_destroy(&member[m]);
    oc_model_destroy(&model);
    return status;
}

oc_status oc_ensemble_allocate(oc_model *model, oc_error *err) {
    oc_status status = OC_OK;
    oc_ensemble *e = model->ensemble;
    const oc_tensor *weight = oc_table_find(e->table, "clf.weight"), *bias = oc_table_find(e->table, "clf.bias");
    size_t place = 0;
    OC_TRY(oc_alloc(&e->data, oc_table_count(e->table), sizeof *e->data, err));
    if (weight) OC_TRY(oc_alloc(&e->weight, weight->count, sizeof *e->weight, err));
    if (bias) OC_TRY(oc_alloc(&e->bias, bias->count, sizeof *e->bias, err));
    for (size_t m = 0; m < e->members; m++) {
        const oc_table *table = oc_graph_table(e->member[m]->graph);
        if (!e->member[m]->weights.arena) OC_TRY(oc_model_allocate(e->member[m], err));
        for (size_t i = 0; i < oc_table_count(table); i++)
            e->data[place++] = e->member[m]->weights.arena + oc_table_at(table, i)->offset;
    }
    if (weight) e->data[place++] = e->weight;
    if (bias) e->data[place++] = e->bias;
    assert(place == oc_table_count(e->table));
cleanup:
    return status;
}

oc_status oc_ensemble_create(oc_model **out, oc_combine combine, oc_model **member, const char *const *label,
                             size_t count, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_ensemble_build(out, combine, member, label, count, err));
    OC_TRY(oc_ensemble_allocate(*out, err));
    for (size_t m = 0; m < count; m++)
        OC_TRY(oc_trained_join(&(*out)->trained, &(*out)->ensemble->member[m]->trained, err));
cleanup:
    if (status != OC_OK) oc_model_destroy(out);
    return status;
}

void oc_ensemble_destroy(oc_ensemble **ensemble) {
    oc_ensemble *e = *ensemble;
    if (!e) return;
    for (size_t m = 0; m < e->members; m++) {
        oc_model_destroy(&e->member[m]);
        oc_free(e->class_map[m]);
    }
    oc_free(e->member);
    oc_free(e->class_map);
    oc_free(e->weight);
    oc_free(e->bias);
    oc_free(e->data);
    oc_table_destroy(&e->table);
    oc_names_free(&e->layer_names);
    oc_free(e);
    *ensemble = NULL;
}

/* ---- Looking at it ---------------------------------------------------------------------------------------------- */

size_t oc_model_networks(const oc_model *model) {
    return model->ensemble ? model->ensemble->members : 1;
}

oc_model *oc_model_network(oc_model *model, size_t index) {
    return model->ensemble ? model->ensemble->member[index] : model;
}

/* The combiner as a layer: multiplications where it has weights, none where it only averages. */
static oc_layer combiner_layer(const oc_ensemble *e, int64_t classes) {
    oc_layer layer = {.op = "combine", .name = "", .dims = 1, .dst = {classes}};
    const int64_t members = (int64_t)e->members;
    switch (e->combine) {
    case OC_COMBINE_STACK:
        layer.name = "clf";
        layer.macs = members * classes * classes;
        layer.parameters = layer.macs + classes;
        break;
    case OC_COMBINE_WEIGHTED:
        layer.name = "clf";
        layer.macs = members * classes;
        layer.parameters = members;
        break;
    default:
        break;
    }
    return layer;
}

size_t oc_ensemble_layers(const oc_ensemble *e) {
    return e->layer_names.count + 1;
}

oc_layer oc_ensemble_layer(const oc_ensemble *e, size_t index) {
    size_t place = index;
    for (size_t m = 0; m < e->members; m++) {
        const size_t layers = oc_model_layers(e->member[m]);
        if (place < layers) {
            oc_layer layer = oc_model_layer(e->member[m], place);
            layer.name = e->layer_names.item[index];
            return layer;
        }
        place -= layers;
    }
    return combiner_layer(e, (int64_t)e->member[0]->classes.count);
}

/* ---- Scores ----------------------------------------------------------------------------------------------------- */

void oc_ensemble_gather(const oc_model *model, size_t member, const float *src, int64_t rows, float *dst) {
    const size_t classes = model->classes.count;
    if (!model->ensemble) {
        memcpy(dst, src, (size_t)rows * classes * sizeof *dst);
        return;
    }
    const int32_t *map = model->ensemble->class_map[member];
    for (int64_t i = 0; i < rows; i++, src += classes, dst += classes)
        for (size_t c = 0; c < classes; c++) dst[c] = src[map[c]];
}

/* dst[count] = the linear layer's results from class `begin` on, of row `row`; count is at most ABREAST. Each sum runs
 * over the members, and over a member's classes, in order, whatever stands beside it. */
static void stack_classes(const oc_ensemble *e, const float *const *src, int64_t row, int64_t classes, int64_t begin,
                          int64_t count, float *dst) {
    const int64_t columns = (int64_t)e->members * classes;
    double sum[ABREAST] = {0};
    for (int64_t k = 0; k < count; k++) sum[k] = (double)e->bias[begin + k];
    for (size_t m = 0; m < e->members; m++) {
        const float *x = src[m] + row * classes, *weight = e->weight + begin * columns + (int64_t)m * classes;
        if (count == ABREAST) { /* a count that the compiler knows */
            for (int64_t c = 0; c < classes; c++)
                for (int64_t k = 0; k < ABREAST; k++) sum[k] += (double)weight[k * columns + c] * (double)x[c];
        } else {
            for (int64_t c = 0; c < classes; c++)
                for (int64_t k = 0; k < count; k++) sum[k] += (double)weight[k * columns + c] * (double)x[c];
        }
    }
    for (int64_t k = 0; k < count; k++) dst[k] = (float)sum[k];
}

static void combine_stack(const oc_ensemble *e, const float *const *src, int64_t row, int64_t classes, float *dst) {
    for (int64_t begin = 0; begin < classes; begin += ABREAST) {
        const int64_t count = classes - begin < ABREAST ? classes - begin : ABREAST;
        stack_classes(e, src, row, classes, begin, count, dst + begin);
    }
}

double oc_log_sum_exp(const float *row, int64_t classes) {
    double most = (double)row[0], sum = 0;
    for (int64_t c = 1; c < classes; c++) most = (double)row[c] > most ? (double)row[c] : most;
    for (int64_t c = 0; c < classes; c++) sum += exp((double)row[c] - most);
    return most + log(sum);
}

/* log Σ_m w_m·softmax_m, by the logarithms throughout, so that a class to which every member gives next to nothing
 * still has a finite score. Members of no weight are left out; where all are, every class scores 0. */
static void combine_average(const oc_ensemble *e, const float *const *src, int64_t row, int64_t classes, float *dst) {
    const float *x[OC_ENSEMBLE_MOST];
    double shift[OC_ENSEMBLE_MOST]; /* log w_m − log Σ exp */
    size_t used = 0;
    for (size_t m = 0; m < e->members; m++) {
        const double weight = e->weight ? (double)e->weight[m] : 1.0 / (double)e->members;
        if (!(weight > 0)) continue;
        x[used] = src[m] + row * classes;
        shift[used] = log(weight) - oc_log_sum_exp(x[used], classes);
        used++;
    }
    for (int64_t c = 0; c < classes; c++) {
        double most = -INFINITY, sum = 0;
        for (size_t m = 0; m < used; m++) most = fmax(most, (double)x[m][c] + shift[m]);
        for (size_t m = 0; m < used; m++) sum += exp((double)x[m][c] + shift[m] - most);
        dst[c] = used > 0 ? (float)(most + log(sum)) : 0;
    }
}

void oc_ensemble_combine(const oc_model *model, const float *const *src, int64_t rows, float *dst) {
    const oc_ensemble *e = model->ensemble;
    const int64_t classes = (int64_t)model->classes.count;
    if (!e) {
        memcpy(dst, src[0], (size_t)(rows * classes) * sizeof *dst);
        return;
    }
    for (int64_t row = 0; row < rows; row++) {
        if (e->combine == OC_COMBINE_STACK)
            combine_stack(e, src, row, classes, dst + row * classes);
        else
            combine_average(e, src, row, classes, dst + row * classes);
    }
}
