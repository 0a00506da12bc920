/* Requests and replies without sockets: what a handler is given and what it makes. The server fills requests from
 * libmicrohttpd and sends replies by it; tests and the fuzz target fill them as they like. */
#ifndef OC_SERVE_HTTP_H
#define OC_SERVE_HTTP_H

#include "base/json.h"
#include "base/text.h"

/* Text in it is borrowed. NULL where a header is absent. */
typedef struct oc_request {
    const char *method, *path; /* the path decoded, without the query */
    const char *host, *authorization, *content_type;
    int64_t length; /* of the body as declared; −1: not declared */
    /* The value of the query's argument of this name, decoded; "" for one without; NULL where there is none. */
    const char *(*argument)(const void *from, const char *name);
    const void *from;
    const unsigned char *body; /* once it is complete */
    size_t size;
} oc_request;

/* Start from {0}. */
typedef struct oc_reply {
    int status;           /* 200 */
    const char *type;     /* of the body; static */
    const char *allow;    /* of 405: the methods that there are; static */
    const char *location; /* of 303; static */
    bool challenge;       /* of 401: says how one shows that one may */
    int retry_after;      /* of 503: seconds; 0: none */
    oc_text text;         /* the body, owned */
} oc_reply;

void oc_reply_free(oc_reply *reply);
/* Makes it {"error": {"status", "message"}}; what it was is gone. Never fails: without memory the body is empty. */
void oc_reply_error(oc_reply *reply, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Makes it 200 with JSON, whose reference is taken (NULL: no memory). */
void oc_reply_json(oc_reply *reply, json_t *json);
/* Makes it a copy of `size` bytes. */
void oc_reply_bytes(oc_reply *reply, const char *type, const void *data, size_t size);
/* What a status is called, "Not Found". */
const char *oc_http_reason(int status);

/* ---- Content ---- */

/* Whether a Content-Type's media type is `type` ("multipart/form-data"), or, of one that ends with a slash, begins so
 * ("image/"). In any case of letters. */
bool oc_http_is_type(const char *content_type, const char *type);

/* A part of a multipart body; all of it lies in the body. */
typedef struct oc_part {
    const char *name, *file; /* as the disposition has them, without quotes; NULL: absent */
    size_t name_size, file_size;
    const unsigned char *data;
    size_t size;
} oc_part;

/* The next part of a multipart/form-data body (RFC 7578, RFC 2046) into *part. `*at` starts at 0 and moves behind it.
 * 1: there it is; 0: the end has come; −1: the body is not what its type says. */
int oc_multipart_next(oc_part *part, const unsigned char *body, size_t size, size_t *at, const char *boundary,
                      size_t boundary_size);
/* Finds the boundary in a Content-Type; false: it states none that is allowed (1 … 70 characters). */
bool oc_multipart_boundary(const char *content_type, const char **boundary, size_t *size);

#endif
