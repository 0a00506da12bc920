/* The recipe reader over arbitrary bytes: refused or accepted, never a crash; what is accepted survives a round trip
 * through the saved text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "recipe/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    oc_recipe *recipe = NULL, *again = NULL;
    char *text = NULL;
    if (oc_recipe_create(&recipe, NULL) != OC_OK || oc_recipe_create(&again, NULL) != OC_OK) abort();
    if (oc_recipe_load_memory(recipe, (const char *)data, size, "fuzz", NULL) == OC_OK) {
        if (oc_recipe_text(recipe, &text, NULL) != OC_OK) abort();
        if (oc_recipe_load_memory(again, text, strlen(text), "saved", NULL) != OC_OK) abort();
        if (oc_recipe_compare(recipe, again, "saved", NULL) != OC_OK) abort();
    }
    oc_free(text);
    oc_recipe_destroy(&recipe);
    oc_recipe_destroy(&again);
    return 0;
}
