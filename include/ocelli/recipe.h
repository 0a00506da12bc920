/* The recipe table: every setting, its type, range, default and meaning. It alone serves the YAML reader, --set,
 * the command's flags, --help and the saved recipe. */
#ifndef OCELLI_RECIPE_H
#define OCELLI_RECIPE_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* COLOR: a grey value, "255", or red, green and blue, "124,116,104"; whole numbers 0 … 255. STATISTIC: a word of the
 * choices, or numbers for red, green and blue, "0.485,0.456,0.406". */
typedef enum oc_key_type {
    OC_KEY_BOOL,
    OC_KEY_INT,
    OC_KEY_REAL,
    OC_KEY_TEXT,
    OC_KEY_CHOICE,
    OC_KEY_COLOR,
    OC_KEY_STATISTIC
} oc_key_type;

/* A row of the table. */
typedef struct oc_recipe_key {
    const char *key;           /* "optimizer.lr" */
    oc_key_type type;          /* what values it takes */
    double min, max;           /* of numbers, inclusive */
    const char *default_value; /* as text */
    const char *choices;       /* of CHOICE: "adamw|sgd" */
    const char *flag; /* the command's short form, "--lr", or NULL; "--no-…" takes no value and means false */
    const char *help; /* one line */
} oc_recipe_key;

/* How many keys there are. */
OC_API size_t oc_recipe_key_count(void);
/* The key at `index`; NULL beyond the count; static. */
OC_API const oc_recipe_key *oc_recipe_key_at(size_t index);
/* The value of a key as text, as the saved recipe has it; owned by the recipe until it changes; NULL for an unknown
 * key. */
OC_API const char *oc_recipe_get(const oc_recipe *recipe, const char *key);
/* What the recipe says of reading images. */
OC_API oc_image_options oc_recipe_image_options(const oc_recipe *recipe);
/* How images are read and normalised for a model: by its weights file, where that says so, or else (a file of another
 * program) as the recipe has it. `log` (NULL: nobody) is told of what a recipe states and the file says otherwise.
 * OC_E_USAGE for data.mean or data.std `dataset` that would count: they are those of the images of training. */
OC_API oc_status oc_recipe_set_preprocessing(const oc_recipe *recipe, oc_model *model, const oc_log *log,
                                             oc_error *err);
/* The whole recipe as YAML, atomically. */
OC_API oc_status oc_recipe_save(const oc_recipe *recipe, const char *path, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
