/* Showing a token: as a bearer's (RFC 6750), or as the password of whatever user, which is what a browser can ask a
 * person for (RFC 7617). */
#ifndef OC_SERVE_TOKEN_H
#define OC_SERVE_TOKEN_H

#include <stdbool.h>

/* Longest token that can be shown. */
#define OC_TOKEN_SIZE 512

/* Whether an Authorization header (may be NULL) shows `token`. Takes as long for every wrong one of a length. */
bool oc_token_shown(const char *token, const char *authorization);

#endif
