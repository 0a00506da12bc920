/* What the words that stand for a value in --help ("DIR", "FILE.yaml", "fp32|bf16") say of it. */
#ifndef OC_CLI_MANUAL_VALUE_H
#define OC_CLI_MANUAL_VALUE_H

typedef enum oc_value_kind {
    OC_VALUE_FREE,    /* a number, a text: nothing can be offered */
    OC_VALUE_CHOICE,  /* one of `choices` */
    OC_VALUE_MODEL,   /* a model's name */
    OC_VALUE_SETTING, /* a recipe's key=value */
    OC_VALUE_FOLDER,
    OC_VALUE_FILE, /* whose name ends with `suffix`, or a folder on the way to it */
} oc_value_kind;

typedef struct oc_value {
    oc_value_kind kind;
    char choices[256]; /* of CHOICE: with a space between them */
    char suffix[32];   /* of FILE: ".yaml"; "": any */
} oc_value;

/* Reads such a text: alternatives with '|' between them, capitals for what the user fills in and anything else as it is
 * to be written, "[=…]" around what may be left out. Words that are not known are free. Where several alternatives
 * can be offered, the kind is the last of the list above. NULL is free. */
oc_value oc_value_read(const char *text);

#endif
