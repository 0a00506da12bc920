/* The readers of val_annotations.txt, wnids.txt and words.txt on arbitrary bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/annotations.h"

/* A copy that ends in NUL, as oc_file_read gives it, and not a byte later. */
static char *copy(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

static void read_annotations(const uint8_t *data, size_t size) {
    oc_annotations annotations = {0};
    char *text = copy(data, size);
    if (oc_annotations_parse(&annotations, text, size, "fuzz", NULL) == OC_OK)
        for (size_t i = 0; i < annotations.count; i++)
            if (!*annotations.item[i].image || !*annotations.item[i].code ||
                (i > 0 && strcmp(annotations.item[i - 1].image, annotations.item[i].image) >= 0))
                abort();
    oc_annotations_free(&annotations);
    free(text);
}

static void read_lists(const uint8_t *data, size_t size) {
    oc_names names = {0};
    oc_error error;
    char *text = copy(data, size), *words = copy(data, size), **human = NULL;
    if (oc_lines_parse(&names, text, size, "fuzz", &error) == OC_OK) {
        oc_names_sort(&names);
        if (oc_alloc(&human, names.count, sizeof(*human), NULL) != OC_OK) abort();
        if (oc_words_parse(human, &names, words, size, &error) != OC_OK) abort();
        for (size_t i = 0; i < names.count; i++) oc_free(human[i]);
        oc_free(human);
    }
    oc_names_free(&names);
    free(text);
    free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_annotations(data, size);
    read_lists(data, size);
    return 0;
}
