/* Replies, and what a body is. */
#include "serve/http.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"

/* ---- Replies ---------------------------------------------------------------------------------------------------- */

const char *oc_http_reason(int status) {
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {303, "See Other"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {421, "Misdirected Request"},
                   {422, "Unprocessable Content"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "";
}

void oc_reply_free(oc_reply *reply) {
    oc_text_free(&reply->text);
    *reply = (oc_reply){0};
}

void oc_reply_json(oc_reply *reply, json_t *json) {
    oc_reply_free(reply);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    reply->status = 200;
    reply->type = "application/json";
    if (!text || oc_text_append(&reply->text, text, strlen(text), NULL) != OC_OK) reply->status = 500;
    free(text);
    json_decref(json);
}

void oc_reply_error(oc_reply *reply, int status, const char *format, ...) {
    char message[OC_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    oc_text_line(message);
    oc_reply_json(reply, json_pack("{s:{s:i, s:o}}", "error", "status", status, "message", oc_json_bytes(message)));
    reply->status = status;
}

void oc_reply_bytes(oc_reply *reply, const char *type, const void *data, size_t size) {
    oc_reply_free(reply);
    reply->status = 200;
    reply->type = type;
    if (oc_text_append(&reply->text, data, size, NULL) != OC_OK) reply->status = 500;
}

/* ---- Content types ---------------------------------------------------------------------------------------------- */

bool oc_http_is_type(const char *content_type, const char *type) {
    const size_t length = strlen(type);
    if (strncasecmp(content_type, type, length) != 0) return false;
    if (length > 0 && type[length - 1] == '/') return true;
    const char after = content_type[length];
    return after == '\0' || after == ';' || after == ' ' || after == '\t';
}

/* The value of a parameter in a header's value, "…; name=value" or "…; name=\"value\"". Backslashes within quotes stay:
 * browsers do not write them. */
static bool find_parameter(const char *header, size_t header_size, const char *name, const char **value, size_t *size) {
    const char *end = header + header_size, *at = memchr(header, ';', header_size);
    const size_t length = strlen(name);
    while (at && at < end) {
        at++;
        while (at < end && (*at == ' ' || *at == '\t')) at++;
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (!equals) return false;
        const bool found = (size_t)(equals - at) == length && strncasecmp(at, name, length) == 0;
        const char *begin = equals + 1, *close;
        if (begin < end && *begin == '"') {
            close = memchr(begin + 1, '"', (size_t)(end - begin - 1));
            if (!close) return false;
            begin++;
            at = memchr(close, ';', (size_t)(end - close));
        } else {
            close = memchr(begin, ';', (size_t)(end - begin));
            at = close;
            if (!close) close = end;
            while (close > begin && (close[-1] == ' ' || close[-1] == '\t')) close--;
        }
        if (found) {
            *value = begin;
            *size = (size_t)(close - begin);
            return true;
        }
    }
    return false;
}

bool oc_multipart_boundary(const char *content_type, const char **boundary, size_t *size) {
    return find_parameter(content_type, strlen(content_type), "boundary", boundary, size) && *size >= 1 && *size <= 70;
}

/* ---- Multipart bodies ------------------------------------------------------------------------------------------- */

/* First place from `at` on where `what` stands; NULL: nowhere. */
static const unsigned char *find(const unsigned char *at, const unsigned char *end, const char *what, size_t size) {
    while ((size_t)(end - at) >= size && size > 0) {
        const unsigned char *next = memchr(at, what[0], (size_t)(end - at) - size + 1);
        if (!next) return NULL;
        if (memcmp(next, what, size) == 0) return next;
        at = next + 1;
    }
    return NULL;
}

/* Notes what the head of a part says, lines up to the empty one. */
static void read_head(oc_part *part, const unsigned char *at, const unsigned char *end) {
    static const char disposition[] = "content-disposition:";
    while (at < end) {
        const unsigned char *line_end = find(at, end, "\r\n", 2);
        if (!line_end) line_end = end;
        const size_t size = (size_t)(line_end - at);
        if (size >= sizeof disposition - 1 && strncasecmp((const char *)at, disposition, sizeof disposition - 1) == 0) {
            find_parameter((const char *)at, size, "name", &part->name, &part->name_size);
            find_parameter((const char *)at, size, "filename", &part->file, &part->file_size);
        }
        at = line_end < end ? line_end + 2 : end;
    }
}

int oc_multipart_next(oc_part *part, const unsigned char *body, size_t size, size_t *at, const char *boundary,
                      size_t boundary_size) {
    char delimiter[4 + 70];
    const unsigned char *end = body + size, *begin = body + *at;
    *part = (oc_part){0};
    memcpy(delimiter, "\r\n--", 4);
    memcpy(delimiter + 4, boundary, boundary_size);
    const size_t length = 4 + boundary_size;
    if (*at == 0) {
        /* The first may stand at the very beginning, without the line's end before it. */
        if (size >= length - 2 && memcmp(body, delimiter + 2, length - 2) == 0)
            begin = body + length - 2;
        else if ((begin = find(body, end, delimiter, length)))
            begin += length;
        else
            return -1;
    }
    if (end - begin >= 2 && memcmp(begin, "--", 2) == 0) return 0;
    while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
    if (end - begin < 2 || memcmp(begin, "\r\n", 2) != 0) return -1;
    /* A head without a line is an empty line at once, which the end of the delimiter's line begins. */
    const unsigned char *head_end = find(begin, end, "\r\n\r\n", 4);
    if (!head_end) return -1;
    if (head_end > begin) read_head(part, begin + 2, head_end);
    part->data = head_end + 4;
    const unsigned char *next = find(head_end + 2, end, delimiter, length);
    if (!next) return -1;
    part->size = next > part->data ? (size_t)(next - part->data) : 0;
    *at = (size_t)(next - body) + length;
    return 1;
}
