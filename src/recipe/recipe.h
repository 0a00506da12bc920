/* The recipe as typed values, resolved once from the table in recipe.c. */
#ifndef OC_RECIPE_RECIPE_H
#define OC_RECIPE_RECIPE_H

#include "ocelli/recipe.h"
#include "recipe/yaml.h"

/* A number a channel, or where it comes from. */
#define OC_STATISTIC_NUMBERS "numbers"
typedef struct oc_statistic {
    const char *source; /* a word of the key's choices, or OC_STATISTIC_NUMBERS: value */
    double value[3];
} oc_statistic;

/* What code reads: filled by oc_recipe_values from a recipe; text is owned by the recipe. */
typedef struct oc_recipe_values {
    const char *model_name;
    const char *stem;
    bool stem_pool;
    double drop_path, dropout;
    int64_t size;
    bool augment;
    bool exif;
    uint8_t background[3];
    const char *fit;
    oc_statistic mean, std; /* of pixels on [0, 1] */
    double holdout;
    const char *validate_on;
    int64_t epochs, batch_size;
    uint64_t seed;
    bool shuffle;
    const char *precision;
    bool conv_exact;
    double mixup_alpha;
    double label_smoothing;
    const char *optimizer;
    double lr, momentum, weight_decay, beta1, beta2, eps;
    bool nesterov;
    const char *schedule;
    double final_lr;
    int64_t warmup_steps;
    double ema_decay; /* 0: off */
    double clip_norm; /* 0: off */
} oc_recipe_values;
oc_recipe_values oc_recipe_resolve(const oc_recipe *recipe);

/* Whether a flag or a file has set the key; else it has its default. */
bool oc_recipe_states(const oc_recipe *recipe, const char *key);

/* What the recipe says of the model's variant; text is owned by the recipe. */
oc_model_options oc_recipe_model_options(const oc_recipe_values *values);

/* How the recipe has images read. */
oc_image_options oc_recipe_values_image(const oc_recipe_values *values);

/* How the recipe wants its data set opened; text is owned by the recipe. */
oc_dataset_options oc_recipe_dataset_options(const oc_recipe_values *values);

/* Where an error names a key of the recipe as its place, puts the place where that key was set there: "file:line", a
 * flag. `err` may be NULL. */
void oc_recipe_locate(const oc_recipe *recipe, oc_error *err);

/* *out = a copy. */
oc_status oc_recipe_copy(oc_recipe **out, const oc_recipe *recipe, oc_error *err);

/* OC_OK when equal, else OC_E_MISMATCH naming the first key that differs and both values. `where`: the saved recipe's
 * path. */
oc_status oc_recipe_compare(const oc_recipe *saved, const oc_recipe *given, const char *where, oc_error *err);

/* As oc_recipe_load, from `size` bytes of YAML. `where` names them in errors ("file" of "file:line"). */
oc_status oc_recipe_load_memory(oc_recipe *recipe, const char *yaml, size_t size, const char *where, oc_error *err);

/* Receives one setting: its key (static text), its value as written, and "file:line". What it returns other than OC_OK
 * ends the reading and is returned. */
typedef oc_status (*oc_on_setting)(void *user, const char *key, const char *value, const char *where, oc_error *err);

/* Passes on every setting that the mapping `map` of the file `where` states, nested or dotted, in the order of the
 * file. OC_E_USAGE with "file:line": an unknown key or group (with the nearest), a list for a value, a key set twice.
 * Values are not looked at. */
oc_status oc_recipe_settings(const oc_yaml_node *map, const char *where, oc_on_setting on_setting, void *user,
                             oc_error *err);

/* *out = the whole recipe as YAML, as oc_recipe_save writes it; freed with oc_free. */
oc_status oc_recipe_text(const oc_recipe *recipe, char **out, oc_error *err);

#endif
