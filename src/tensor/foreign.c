/* Telling files by their beginnings. */
#include "tensor/foreign.h"

#include <stdbool.h>
#include <string.h>

#define HTML_LOOK 512 /* bytes in which a web page shows itself */

#define CONVERT                                                                                                        \
    "convert it once, in Python: import torch, safetensors.torch as s; d = torch.load('IN', map_location='cpu', "      \
    "weights_only=True); s.save_file({k: v.clone() for k, v in d.get('state_dict', d).items() if hasattr(v, "          \
    "'shape')}, 'OUT.safetensors')"

#define PICKLE                                                                                                         \
    "this is a pickle, as PyTorch wrote its checkpoints (.pth, .pt) and .bin files, which can hold any program and "   \
    "are "                                                                                                             \
    "not read: " CONVERT

typedef struct beginning {
    const char *bytes;
    size_t size;
    const char *what;
} beginning;
#define BEGINNING(bytes, what)                                                                                         \
    { bytes, sizeof(bytes) - 1, what }

static const beginning beginnings[] = {
    BEGINNING("PK\3\4",
              "this is a zip, as PyTorch writes its checkpoints (.pth, .pt, .ckpt), which can hold any program "
              "and are not read: " CONVERT),
    BEGINNING("\x80\2", PICKLE),
    BEGINNING("\x80\3", PICKLE),
    BEGINNING("\x80\4", PICKLE),
    BEGINNING("\x80\5", PICKLE),
    BEGINNING("version https://git-lfs",
              "this is the pointer of a git-lfs file, not the file: in its repository, git lfs "
              "pull brings the file"),
    BEGINNING("\x89HDF\r\n\x1a\n", "this is an HDF5 file, as Keras writes (.h5), not one of safetensors"),
    BEGINNING("\x93NUMPY", "this is an array of NumPy (.npy), not a file of safetensors"),
    BEGINNING("GGUF", "this is a GGUF file, of language models, not one of safetensors"),
};

/* A letter of ASCII without its case. */
static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool has_word(const char *text, size_t size, const char *word) {
    const size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++) {
        size_t k = 0;
        while (k < length && lower(text[i + k]) == word[k]) k++;
        if (k == length) return true;
    }
    return false;
}

static bool is_web_page(const char *text, size_t size) {
    size_t begin = 0;
    if (size > HTML_LOOK) size = HTML_LOOK;
    while (begin < size && strchr(" \t\r\n\xef\xbb\xbf", text[begin]) && text[begin]) begin++;
    return begin < size && text[begin] == '<' &&
           (has_word(text, size, "<html") || has_word(text, size, "<!doctype") || has_word(text, size, "<?xml"));
}

/* ONNX is a protocol buffer whose first field is ir_version (1, a varint: 3 to 20 so far), followed by another of
 * ModelProto's: producer_name (2) to graph (7), or opset_import (8). */
static bool is_onnx(const unsigned char *data, size_t size) {
    if (size < 16 || data[0] != 0x08 || data[1] < 3 || data[1] > 20) return false;
    const unsigned field = data[2] >> 3, wire = data[2] & 7;
    return field >= 2 && field <= 8 && wire == (field == 5 ? 0U : 2U);
}

const char *oc_foreign_file(const void *data, size_t size) {
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (size >= beginnings[i].size && memcmp(data, beginnings[i].bytes, beginnings[i].size) == 0)
            return beginnings[i].what;
    if (is_web_page(data, size))
        return "this is a web page, not the file: a page about it, or an error; download the file itself";
    if (is_onnx(data, size))
        return "this is an ONNX model, not a file of safetensors: export the weights by the program that made it";
    return NULL;
}
