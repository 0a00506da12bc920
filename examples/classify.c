/* Classifies images with a weights file: classify WEIGHTS IMAGE...
 *
 *     cc classify.c $(pkg-config --cflags --libs ocelli) -o classify
 */
#include <ocelli/ocelli.h>
#include <stdio.h>
#include <stdlib.h>

/* The whole file; *size bytes, to be freed. NULL when it cannot be read. */
static unsigned char *read_file(const char *path, size_t *size) {
    const size_t piece = 1 << 20;
    unsigned char *data = NULL, *grown;
    size_t n = piece;
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    for (*size = 0; n == piece && (grown = realloc(data, *size + piece)); *size += n) {
        data = grown;
        n = fread(data + *size, 1, piece, file);
    }
    if (n == piece || ferror(file)) {
        free(data);
        data = NULL;
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv) {
    oc_error error = {0};
    oc_model *model = NULL;
    oc_classifier *classifier = NULL;
    bool unreadable = false;
    if (argc < 3) {
        fprintf(stderr, "usage: classify WEIGHTS IMAGE...\n");
        return 2;
    }
    oc_status status = oc_model_open(&model, argv[1], NULL, NULL, 0, 0, NULL, &error);
    if (status == OC_OK) status = oc_classifier_create(&classifier, model, NULL, &error);
    for (int i = 2; status == OC_OK && i < argc; i++) {
        size_t size;
        oc_prediction best;
        unsigned char *data = read_file(argv[i], &size);
        if (!data) {
            fprintf(stderr, "classify: %s: cannot be read\n", argv[i]);
            unreadable = true;
            continue;
        }
        status = oc_classifier_encoded(classifier, data, size, argv[i], &best, 1, &error);
        if (status == OC_OK) printf("%s: %s %.1f %%\n", argv[i], best.code, 100 * best.probability);
        free(data);
    }
    if (status != OC_OK) fprintf(stderr, "classify: %s: %s\n", error.where, error.message);
    oc_classifier_destroy(&classifier);
    oc_model_destroy(&model);
    return status == OC_OK && !unreadable ? 0 : 1;
}
