/* The recipe: one const table of every setting, and everything that only needs the table. The defaults are the
 * reference recipe for Tiny ImageNet. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/image_options.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "recipe/recipe_table.h"

#define PLACE(member) offsetof(oc_recipe_values, member)
#define LARGEST_INT 9007199254740992.0 /* 2^53: exact as a double, which the ranges are */

/* In the order of the saved file; keys of one group stand together. */
const oc_recipe_row oc_recipe_rows[OC_RECIPE_KEYS] = {
    {{"model.name", OC_KEY_TEXT, 0, 0, "myresnet-small", NULL, "--model", "which model; `ocelli models` lists them"},
     PLACE(model_name)},
    {{"model.stem", OC_KEY_CHOICE, 0, 0, "own", "own|3x3|7x7|deep", "--stem",
      "the model's first layers: its own, one convolution of stride 1 or 2, or three; not of the own ResNets"},
     PLACE(stem)},
    {{"model.stem_pool", OC_KEY_BOOL, 0, 0, "true", NULL, "--no-stem-pool",
      "max-pool behind the stem; without it, small images are seen more finely at four times the work"},
     PLACE(stem_pool)},
    {{"model.drop_path", OC_KEY_REAL, 0, 0.99, "0", NULL, NULL,
      "stochastic depth: probability of leaving out the last block's branch, rising linearly from 0 at the first"},
     PLACE(drop_path)},
    {{"model.dropout", OC_KEY_REAL, 0, 0.99, "0", NULL, NULL, "dropout before the last linear layer"}, PLACE(dropout)},

    {{"data.size", OC_KEY_INT, 16, 1024, "64", NULL, "--size", "input height and width in pixels"}, PLACE(size)},
    {{"data.augment", OC_KEY_BOOL, 0, 0, "true", NULL, NULL,
      "random resized crop, flip and colour jitter of the training images"},
     PLACE(augment)},
    {{"data.holdout", OC_KEY_REAL, 0, 0.9, "0", NULL, NULL,
      "share of each training class left out of train: it becomes val, or, where there is one, the split holdout"},
     PLACE(holdout)},
    {{"data.val", OC_KEY_CHOICE, 0, 0, "val", "val|test", NULL,
      "the split that validates; test, if its images lie in class folders, of a data set without val"},
     PLACE(validate_on)},
    {{"data.exif", OC_KEY_BOOL, 0, 0, "true", NULL, NULL,
      "turn images as the orientation in their EXIF data says, as every viewer does"},
     PLACE(exif)},
    {{"data.background", OC_KEY_COLOR, 0, 0, "255", NULL, NULL,
      "what transparent pixels are composited on: a grey value 0 to 255, or red, green and blue as 124,116,104"},
     PLACE(background)},
    {{"data.fit", OC_KEY_CHOICE, 0, 0, "crop", "crop|squash|letterbox", NULL,
      "how images become square: the middle alone, the whole pressed together, or the whole on the background"},
     PLACE(fit)},
    {{"data.mean", OC_KEY_STATISTIC, -1, 2, "auto", "auto|reference|imagenet|dataset|R,G,B", NULL,
      "what is subtracted from pixels on [0, 1]; auto: the reference for Tiny ImageNet's classes, else the data set's "
      "own"},
     PLACE(mean)},
    {{"data.std", OC_KEY_STATISTIC, 0.001, 10, "auto", "auto|reference|imagenet|dataset|R,G,B", NULL,
      "what they are then divided by; auto as for the mean"},
     PLACE(std)},

    {{"train.epochs", OC_KEY_INT, 1, 1e6, "40", NULL, "--epochs", "passes over the training images"}, PLACE(epochs)},
    {{"train.batch_size", OC_KEY_INT, 1, 65536, "64", NULL, "--batch-size", "images in a step"}, PLACE(batch_size)},
    {{"train.seed", OC_KEY_INT, 0, LARGEST_INT, "0", NULL, "--seed",
      "governs initial weights, order, augmentation and mixup"},
     PLACE(seed)},
    {{"train.shuffle", OC_KEY_BOOL, 0, 0, "true", NULL, NULL, "a new order of the training images each epoch"},
     PLACE(shuffle)},
    {{"train.precision", OC_KEY_CHOICE, 0, 0, "fp32", "fp32|bf16|auto", "--precision",
      "number format of activations; auto: bf16 where a new run finds it quicker here, and saved as what it became"},
     PLACE(precision)},

    {{"conv.exact", OC_KEY_BOOL, 0, 0, "false", NULL, NULL,
      "no convolution algorithm that is quicker but several times less exact, as Winograd F(4x4)"},
     PLACE(conv_exact)},

    {{"mixup.alpha", OC_KEY_REAL, 0, 100, "0.2", NULL, NULL,
      "images of a batch are mixed by a share from Beta(alpha, alpha); 0: off"},
     PLACE(mixup_alpha)},

    {{"loss.label_smoothing", OC_KEY_REAL, 0, 0.99, "0.01", NULL, NULL,
      "share of each target spread evenly over the classes"},
     PLACE(label_smoothing)},

    {{"optimizer.name", OC_KEY_CHOICE, 0, 0, "adamw", "adamw|sgd", NULL, "the optimizer"}, PLACE(optimizer)},
    {{"optimizer.lr", OC_KEY_REAL, 0, 10, "0.001", NULL, "--lr", "the largest learning rate of the schedule"},
     PLACE(lr)},
    {{"optimizer.weight_decay", OC_KEY_REAL, 0, 10, "0.01", NULL, NULL,
      "on weights of convolutions and linear layers only; adamw: decoupled, sgd: added to the gradient"},
     PLACE(weight_decay)},
    {{"optimizer.beta1", OC_KEY_REAL, 0, 0.999999, "0.9", NULL, NULL, "adamw: decay of the gradient's average"},
     PLACE(beta1)},
    {{"optimizer.beta2", OC_KEY_REAL, 0, 0.999999, "0.999", NULL, NULL,
      "adamw: decay of the squared gradient's average"},
     PLACE(beta2)},
    {{"optimizer.eps", OC_KEY_REAL, 1e-30, 1, "1e-08", NULL, NULL, "adamw: added to the denominator"}, PLACE(eps)},
    {{"optimizer.momentum", OC_KEY_REAL, 0, 0.999999, "0.9", NULL, NULL, "sgd: momentum; 0: none"}, PLACE(momentum)},
    {{"optimizer.nesterov", OC_KEY_BOOL, 0, 0, "true", NULL, NULL, "sgd: Nesterov's form of momentum"},
     PLACE(nesterov)},

    {{"schedule.name", OC_KEY_CHOICE, 0, 0, "cosine", "constant|cosine|one-cycle", NULL,
      "learning rate over the steps of all epochs; one-cycle: from lr/25 up to lr in 30 %, then down to lr/250000"},
     PLACE(schedule)},
    {{"schedule.final_lr", OC_KEY_REAL, 0, 10, "1e-06", NULL, NULL, "cosine: the learning rate at the end"},
     PLACE(final_lr)},
    {{"schedule.warmup_steps", OC_KEY_INT, 0, 1e9, "0", NULL, NULL,
      "constant and cosine: steps in which the learning rate rises from 0 to lr"},
     PLACE(warmup_steps)},

    {{"ema.decay", OC_KEY_REAL, 0, 0.9999999, "0", NULL, NULL,
      "moving average of weights and running statistics, which validation, best and last then take; 0: off"},
     PLACE(ema_decay)},
    {{"clip.norm", OC_KEY_REAL, 0, 1e9, "0", NULL, NULL, "largest L2 norm of all gradients together; 0: off"},
     PLACE(clip_norm)},
};

/* ---- Text and numbers ------------------------------------------------------------------------------------------- */

static bool read_real(const char *text, double *out) {
    /* Digits only: strtod would also take "inf", "nan" and hexadecimal. */
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') return false;
    char *end = NULL;
    *out = oc_number_read(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool read_int(const char *text, double *out) {
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    size_t count = strlen(digits);
    if (count == 0 || digits[strspn(digits, "0123456789")] != '\0') return false;
    /* More digits than any range allows: out of range, whatever they are. */
    *out = count > 18 ? (text[0] == '-' ? -HUGE_VAL : HUGE_VAL) : (double)strtoll(text, NULL, 10);
    return true;
}

/* "255" or "124,116,104", with blanks behind the commas or without. */
static bool read_color(const char *text, uint8_t out[3]) {
    int count = 0;
    do {
        char digits[4] = "";
        const size_t length = strspn(text, "0123456789");
        if (count == 3 || length < 1 || length > 3) return false;
        memcpy(digits, text, length);
        const long value = strtol(digits, NULL, 10);
        if (value > 255) return false;
        out[count++] = (uint8_t)value;
        text += length;
        if (*text == '\0') break;
        if (*text++ != ',') return false;
        text += strspn(text, " ");
    } while (true);
    if (count == 1) out[1] = out[2] = out[0];
    return count != 2;
}

/* "0.485,0.456,0.406", with blanks behind the commas or without; each within the key's range. */
static bool read_numbers(const char *text, const oc_recipe_key *key, double out[3]) {
    for (int c = 0; c < 3; c++) {
        char number[32] = "";
        const size_t length = strcspn(text, ",");
        if (length < 1 || length >= sizeof number || (text[length] == ',') != (c < 2)) return false;
        memcpy(number, text, length);
        if (!read_real(number, &out[c]) || !(out[c] >= key->min && out[c] <= key->max)) return false;
        text += length;
        if (c < 2) text++;
        text += strspn(text, " ");
    }
    return true;
}

static const char *type_text(oc_key_type type) {
    switch (type) {
    case OC_KEY_BOOL:
        return "true or false";
    case OC_KEY_INT:
        return "a whole number";
    case OC_KEY_REAL:
        return "a number";
    case OC_KEY_COLOR:
        return "a grey value 0 to 255, or three such as 124,116,104 for red, green and blue";
    default:
        return "a text";
    }
}

/* ---- Keys ------------------------------------------------------------------------------------------------------- */

size_t oc_recipe_key_count(void) {
    return OC_RECIPE_KEYS;
}

const oc_recipe_key *oc_recipe_key_at(size_t index) {
    return index < OC_RECIPE_KEYS ? &oc_recipe_rows[index].key : NULL;
}

static int find_key(const char *key) {
    for (int i = 0; i < OC_RECIPE_KEYS; i++)
        if (strcmp(oc_recipe_rows[i].key.key, key) == 0) return i;
    return -1;
}

int oc_recipe_row_find(const char *key, const char *where, oc_error *err) {
    int index = find_key(key);
    if (index >= 0) return index;
    const char *names[OC_RECIPE_KEYS];
    for (int i = 0; i < OC_RECIPE_KEYS; i++) names[i] = oc_recipe_rows[i].key.key;
    const char *nearest = oc_text_nearest(key, names, OC_RECIPE_KEYS);
    if (nearest) {
        oc_fail(err, OC_E_USAGE, where, "unknown key \"%.100s\": did you mean %s?", key, nearest);
        return -1;
    }
    char list[OC_ERROR_MESSAGE_SIZE / 2] = "";
    size_t used = 0;
    for (int i = 0; i < OC_RECIPE_KEYS && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", names[i]);
    oc_fail(err, OC_E_USAGE, where, "unknown key \"%.100s\": the keys are %s", key, list);
    return -1;
}

/* Refuses a value that is none of the key's choices. *chosen = the choice's place. */
static oc_status check_choice(const oc_recipe_key *key, const char *value, const char *where, oc_error *err) {
    const char *names[8];
    char copy[128];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", key->choices);
    for (char *rest = NULL, *name = strtok_r(copy, "|", &rest); name && count < 8; name = strtok_r(NULL, "|", &rest)) {
        if (strcmp(name, value) == 0) return OC_OK;
        names[count++] = name;
    }
    const char *nearest = oc_text_nearest(value, names, count);
    return oc_fail(err, OC_E_USAGE, where, "%s is one of %s, not \"%.100s\"%s%s%s", key->key, key->choices, value,
                   nearest ? ": did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static oc_status check_text(const oc_recipe_key *key, const char *value, const char *where, oc_error *err) {
    size_t size = strlen(value);
    if (size == 0)
        return oc_fail(err, OC_E_USAGE, where, "%s has no value: it takes %s", key->key, type_text(key->type));
    if (size > OC_RECIPE_TEXT_MAX)
        return oc_fail(err, OC_E_USAGE, where, "the value of %s is longer than %d bytes", key->key, OC_RECIPE_TEXT_MAX);
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return oc_fail(err, OC_E_USAGE, where, "the value of %s holds control characters", key->key);
    return OC_OK;
}

oc_status oc_recipe_row_set(oc_recipe *recipe, int index, const char *value, const char *where, oc_error *err) {
    const oc_recipe_key *key = &oc_recipe_rows[index].key;
    void *place = (char *)&recipe->values + oc_recipe_rows[index].place;
    oc_status status = check_text(key, value, where, err);
    if (status != OC_OK) return status;

    double number = 0;
    uint8_t color[3] = {0};
    double numbers[3] = {0};
    const bool listed = key->type == OC_KEY_STATISTIC && strchr(value, ',');
    bool is_true = strcmp(value, "true") == 0, fits = true;
    if (key->type == OC_KEY_BOOL) fits = is_true || strcmp(value, "false") == 0;
    if (key->type == OC_KEY_INT) fits = read_int(value, &number);
    if (key->type == OC_KEY_REAL) fits = read_real(value, &number);
    if (key->type == OC_KEY_COLOR) fits = read_color(value, color);
    if (listed && !read_numbers(value, key, numbers)) {
        char low[32], high[32];
        oc_number_write(key->min, low);
        oc_number_write(key->max, high);
        return oc_fail(err, OC_E_USAGE, where, "%s takes one of %s, the numbers from %s to %s, not \"%.100s\"",
                       key->key, key->choices, low, high, value);
    }
    if (!fits)
        return oc_fail(err, OC_E_USAGE, where, "%s takes %s, not \"%.100s\"", key->key, type_text(key->type), value);

    bool numeric = key->type == OC_KEY_INT || key->type == OC_KEY_REAL;
    if (numeric && !(number >= key->min && number <= key->max)) {
        char low[32], high[32];
        oc_number_write(key->min, low);
        oc_number_write(key->max, high);
        return oc_fail(err, OC_E_USAGE, where, "%s = %.100s is out of range: it goes from %s to %s", key->key, value,
                       low, high);
    }
    if (key->type == OC_KEY_CHOICE || (key->type == OC_KEY_STATISTIC && !listed)) {
        status = check_choice(key, value, where, err);
        if (status != OC_OK) return status;
    }

    char canonical[3 * 40];
    const char *text = value;
    if (key->type == OC_KEY_INT) snprintf(canonical, sizeof canonical, "%" PRId64, (int64_t)number);
    if (key->type == OC_KEY_REAL) oc_number_write(number == 0 ? 0 : number, canonical); /* no "-0" */
    if (key->type == OC_KEY_COLOR && color[0] == color[1] && color[0] == color[2])
        snprintf(canonical, sizeof canonical, "%d", color[0]);
    else if (key->type == OC_KEY_COLOR)
        snprintf(canonical, sizeof canonical, "%d,%d,%d", color[0], color[1], color[2]);
    if (listed) {
        char number[3][32];
        for (int c = 0; c < 3; c++) oc_number_write(numbers[c] == 0 ? 0 : numbers[c], number[c]);
        snprintf(canonical, sizeof canonical, "%s,%s,%s", number[0], number[1], number[2]);
    }
    if (numeric || listed || key->type == OC_KEY_COLOR) text = canonical;
    char *copy = NULL, *set_where = NULL;
    status = oc_strdup(&copy, text, err);
    if (status == OC_OK) status = oc_strdup(&set_where, where, err);
    if (status != OC_OK) {
        oc_free(copy);
        return status;
    }
    oc_free(recipe->text[index]);
    oc_free(recipe->where[index]);
    recipe->text[index] = copy;
    recipe->where[index] = set_where;

    switch (key->type) {
    case OC_KEY_BOOL:
        *(bool *)place = is_true;
        break;
    case OC_KEY_INT:
        *(int64_t *)place = (int64_t)number;
        break;
    case OC_KEY_REAL:
        *(double *)place = number;
        break;
    case OC_KEY_COLOR:
        memcpy(place, color, sizeof color);
        break;
    case OC_KEY_STATISTIC:
        *(oc_statistic *)place = (oc_statistic){.source = listed ? OC_STATISTIC_NUMBERS : copy,
                                                .value = {numbers[0], numbers[1], numbers[2]}};
        break;
    case OC_KEY_TEXT:
    case OC_KEY_CHOICE:
        *(const char **)place = copy;
        break;
    }
    return OC_OK;
}

oc_status oc_recipe_set(oc_recipe *recipe, const char *key, const char *value, const char *where, oc_error *err) {
    int index = oc_recipe_row_find(key, where, err);
    return index < 0 ? OC_E_USAGE : oc_recipe_row_set(recipe, index, value, where, err);
}

const char *oc_recipe_get(const oc_recipe *recipe, const char *key) {
    int index = find_key(key);
    return index < 0 ? NULL : recipe->text[index];
}

void oc_recipe_locate(const oc_recipe *recipe, oc_error *err) {
    int index = err ? find_key(err->where) : -1;
    if (index >= 0) snprintf(err->where, sizeof err->where, "%s", recipe->where[index]);
}

/* ---- Whole recipes ---------------------------------------------------------------------------------------------- */

oc_status oc_recipe_create(oc_recipe **out, oc_error *err) {
    oc_status status = OC_OK;
    oc_recipe *recipe = NULL;
    OC_TRY(oc_alloc(&recipe, 1, sizeof *recipe, err));
    for (int i = 0; i < OC_RECIPE_KEYS; i++) {
        const oc_recipe_key *key = &oc_recipe_rows[i].key;
        OC_TRY(oc_recipe_row_set(recipe, i, key->default_value, key->key, err));
    }
    *out = recipe;
    recipe = NULL;
cleanup:
    oc_recipe_destroy(&recipe);
    return status;
}

void oc_recipe_destroy(oc_recipe **recipe) {
    if (!recipe || !*recipe) return;
    for (int i = 0; i < OC_RECIPE_KEYS; i++) {
        oc_free((*recipe)->text[i]);
        oc_free((*recipe)->where[i]);
    }
    oc_free(*recipe);
    *recipe = NULL;
}

oc_status oc_recipe_copy(oc_recipe **out, const oc_recipe *recipe, oc_error *err) {
    oc_status status = OC_OK;
    oc_recipe *copy = NULL;
    OC_TRY(oc_alloc(&copy, 1, sizeof *copy, err));
    for (int i = 0; i < OC_RECIPE_KEYS; i++) OC_TRY(oc_recipe_row_set(copy, i, recipe->text[i], recipe->where[i], err));
    *out = copy;
    copy = NULL;
cleanup:
    oc_recipe_destroy(&copy);
    return status;
}

bool oc_recipe_states(const oc_recipe *recipe, const char *key) {
    const int index = find_key(key);
    return index >= 0 && strcmp(recipe->where[index], key) != 0;
}

oc_recipe_values oc_recipe_resolve(const oc_recipe *recipe) {
    return recipe->values;
}

oc_image_options oc_recipe_values_image(const oc_recipe_values *values) {
    oc_image_options image = {.exif = values->exif};
    memcpy(image.background, values->background, sizeof image.background);
    oc_fit_find(&image.fit, values->fit); /* which is one of the row's choices */
    return image;
}

oc_image_options oc_recipe_image_options(const oc_recipe *recipe) {
    return oc_recipe_values_image(&recipe->values);
}

oc_model_options oc_recipe_model_options(const oc_recipe_values *values) {
    return (oc_model_options){.stem = values->stem,
                              .no_stem_pool = !values->stem_pool,
                              .drop_path = values->drop_path,
                              .dropout = values->dropout};
}

oc_dataset_options oc_recipe_dataset_options(const oc_recipe_values *values) {
    return (oc_dataset_options){.holdout = values->holdout, .val = values->validate_on};
}

oc_status oc_recipe_compare(const oc_recipe *saved, const oc_recipe *given, const char *where, oc_error *err) {
    for (int i = 0; i < OC_RECIPE_KEYS; i++) {
        if (strcmp(saved->text[i], given->text[i]) == 0) continue;
        const oc_recipe_key *key = &oc_recipe_rows[i].key;
        return oc_fail(err, OC_E_MISMATCH, where,
                       "%s was %s in the run, now %s: resume with %s, or start another run with another --out",
                       key->key, saved->text[i], given->text[i], saved->text[i]);
    }
    return OC_OK;
}

/* Appends `value`, in double quotes unless it is plain beyond doubt. */
static oc_status append_value(oc_text *text, const char *value, oc_error *err) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
    if (value[strspn(value, plain)] == '\0' && value[0] != '-') return oc_text_printf(text, err, "%s\n", value);
    oc_status status = oc_text_append(text, "\"", 1, err);
    for (const char *c = value; *c && status == OC_OK; c++) {
        if (*c == '"' || *c == '\\') status = oc_text_append(text, "\\", 1, err);
        if (status == OC_OK) status = oc_text_append(text, c, 1, err);
    }
    return status == OC_OK ? oc_text_append(text, "\"\n", 2, err) : status;
}

oc_status oc_recipe_text(const oc_recipe *recipe, char **out, oc_error *err) {
    oc_status status = OC_OK;
    oc_text text = {0};
    const char *group = "";
    size_t group_size = 0;
    OC_TRY(oc_text_printf(&text, err, "# Every setting of a run; this file alone repeats it.\n"));
    for (int i = 0; i < OC_RECIPE_KEYS; i++) {
        const oc_recipe_key *key = &oc_recipe_rows[i].key;
        const char *name = strchr(key->key, '.') + 1;
        size_t size = (size_t)(name - 1 - key->key);
        if (size != group_size || strncmp(group, key->key, size) != 0) {
            group = key->key;
            group_size = size;
            OC_TRY(oc_text_printf(&text, err, "\n%.*s:\n", (int)size, group));
        }
        OC_TRY(oc_text_printf(&text, err, "  # %s", key->help));
        if (key->choices) OC_TRY(oc_text_printf(&text, err, " (%s)", key->choices));
        OC_TRY(oc_text_printf(&text, err, "\n  %s: ", name));
        OC_TRY(append_value(&text, recipe->text[i], err));
    }
    *out = text.data;
    text = (oc_text){0};
cleanup:
    oc_text_free(&text);
    return status;
}

oc_status oc_recipe_save(const oc_recipe *recipe, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    OC_TRY(oc_recipe_text(recipe, &text, err));
    OC_TRY(oc_file_write_atomic(path, text, strlen(text), err));
cleanup:
    oc_free(text);
    return status;
}
