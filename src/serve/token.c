/* Tokens in headers. */
#include "serve/token.h"

#include <string.h>
#include <strings.h>

/* The length is no secret, what is in it is. */
static bool same(const char *a, size_t a_size, const char *b, size_t b_size) {
    volatile unsigned char differ = 0;
    if (a_size != b_size) return false;
    for (size_t i = 0; i < a_size; i++) differ = (unsigned char)(differ | (a[i] ^ b[i]));
    return differ == 0;
}

static int digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Base64 (RFC 4648) into out[size]; how many bytes, 0 where it is none or too long. */
static size_t decode(const char *text, char *out, size_t size) {
    unsigned bits = 0, have = 0;
    size_t count = 0;
    for (; *text && *text != '='; text++) {
        const int value = digit(*text);
        if (value < 0 || count == size) return 0;
        bits = bits << 6 | (unsigned)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[count++] = (char)(bits >> have & 0xff);
        }
    }
    return count;
}

bool oc_token_shown(const char *token, const char *authorization) {
    char pair[OC_TOKEN_SIZE + 256];
    if (!authorization) return false;
    if (strncasecmp(authorization, "Bearer ", 7) == 0) {
        authorization += 7;
        authorization += strspn(authorization, " ");
        return same(token, strlen(token), authorization, strlen(authorization));
    }
    if (strncasecmp(authorization, "Basic ", 6) != 0) return false;
    authorization += 6;
    const size_t size = decode(authorization + strspn(authorization, " "), pair, sizeof pair);
    const char *colon = memchr(pair, ':', size);
    return colon && same(token, strlen(token), colon + 1, size - (size_t)(colon + 1 - pair));
}
