/* The words that stand for values: a flag that is described by one of these is completed by it. */
#include "value.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    oc_value_kind kind;
    const char *suffix;
} vocabulary[] = {
    {"FILE", OC_VALUE_FILE, ""},
    {"IMAGE", OC_VALUE_FILE, ""},    /* what a file is, its content says */
    {"PATH", OC_VALUE_FILE, ".zip"}, /* a data set */
    {"WEIGHTS", OC_VALUE_FILE, ".safetensors"},
    {"DIR", OC_VALUE_FOLDER, ""},
    {"RUN", OC_VALUE_FOLDER, ""},
    {"MODEL", OC_VALUE_MODEL, ""},
    {"KEY=VALUE", OC_VALUE_SETTING, ""},
};

/* Takes what one alternative says into *value. */
static void read_alternative(oc_value *value, const char *text, size_t length) {
    char word[64];
    oc_value_kind kind = OC_VALUE_FREE;
    const char *suffix = "";
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), text);
    if (!isupper((unsigned char)word[0])) {
        /* "holdout:F": what follows the colon is the user's. */
        char *colon = strchr(word, ':');
        const size_t used = strlen(value->choices);
        if (colon) colon[1] = '\0';
        snprintf(value->choices + used, sizeof value->choices - used, "%s%s", used ? " " : "", word);
        kind = OC_VALUE_CHOICE;
    } else if (strncmp(word, "FILE.", 5) == 0) {
        suffix = word + 4;
        kind = OC_VALUE_FILE;
    }
    for (size_t i = 0; i < sizeof vocabulary / sizeof vocabulary[0]; i++)
        if (strcmp(word, vocabulary[i].word) == 0) {
            kind = vocabulary[i].kind;
            suffix = vocabulary[i].suffix;
        }
    if (kind < value->kind) return;
    value->kind = kind;
    snprintf(value->suffix, sizeof value->suffix, "%.*s", (int)sizeof value->suffix - 1, suffix);
}

oc_value oc_value_read(const char *text) {
    oc_value value = {0};
    while (text && *text) {
        text += strspn(text, "[=");
        const size_t length = strcspn(text, "|]");
        if (length > 0) read_alternative(&value, text, length);
        text += length;
        text += strspn(text, "|]");
    }
    return value;
}
