/* The inside of a recipe, shared by the table (recipe.c) and the YAML reader (recipe_yaml.c). */
#ifndef OC_RECIPE_RECIPE_TABLE_H
#define OC_RECIPE_RECIPE_TABLE_H

#include "recipe/recipe.h"

#define OC_RECIPE_KEYS 35
#define OC_RECIPE_TEXT_MAX 255 /* bytes of one value */

/* A row of the table. */
typedef struct oc_recipe_row {
    oc_recipe_key key;
    size_t place; /* offset of the typed value in oc_recipe_values */
} oc_recipe_row;
extern const oc_recipe_row oc_recipe_rows[OC_RECIPE_KEYS];

struct oc_recipe {
    oc_recipe_values values;     /* its texts point into `text` */
    char *text[OC_RECIPE_KEYS];  /* canonical text of each value, in the table's order; owned */
    char *where[OC_RECIPE_KEYS]; /* where each value was set, "file:line" or a flag; the key itself for a default */
};

/* The row of `key`, or −1 with OC_E_USAGE's text in *err: the nearest valid key, or all. `key` NULL-free. */
int oc_recipe_row_find(const char *key, const char *where, oc_error *err);

/* Sets the key of row `index` from text; OC_E_USAGE: wrong type or out of range. */
oc_status oc_recipe_row_set(oc_recipe *recipe, int index, const char *value, const char *where, oc_error *err);

#endif
