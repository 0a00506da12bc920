/* Requests by libcurl. What a server declares is looked at before anything that is there is given up for its answer: a
 * network's log-in page, or another file at the address, costs nothing that has come before. */
#define _POSIX_C_SOURCE 200809L
#include "fetch/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"

#define SLOW_BYTES 1000L /* a second; slower than that counts as standing still */
#define REDIRECTS_MOST 10L
#define BUFFER_SIZE 131072L
#define PROTOCOLS "http,https"

struct oc_transfer {
    CURL *curl;
    struct curl_slist *headers;
    const oc_archive *archive;
    const oc_fetch_options *options;
    oc_part *part;
    bool global; /* libcurl is set up */
    bool heard;  /* some server has answered once */
    /* of the running try */
    bool rest;        /* the rest was asked for, not the whole */
    bool begun;       /* the answer has been looked at */
    bool taken;       /* what comes is appended */
    bool stopped;     /* the caller asked to */
    bool stale;       /* the part is of another file than the answer */
    oc_status status; /* of what the callbacks did */
    oc_error *err;
    char text[CURL_ERROR_SIZE];
};

/* Digits at *text, which goes behind them; false where there are none, or too many. */
static bool number(const char **text, int64_t *out) {
    char *end;
    if (**text < '0' || **text > '9') return false;
    errno = 0;
    *out = strtoll(*text, &end, 10);
    *text = end;
    return errno == 0;
}

bool oc_content_range(const char *text, int64_t *first, int64_t *whole) {
    int64_t last;
    if (strncasecmp(text, "bytes ", 6) != 0) return false;
    text += 6;
    if (!number(&text, first) || *text++ != '-' || !number(&text, &last) || *text++ != '/') return false;
    *whole = -1;
    if (strcmp(text, "*") == 0) return *first <= last;
    return number(&text, whole) && *text == '\0' && *first <= last && last < *whole;
}

/* A header of the last answer, redirects left behind; NULL: it has none. Libcurl's, until the next request. */
static const char *header(const oc_transfer *t, const char *name) {
    struct curl_header *found;
    return curl_easy_header(t->curl, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : NULL;
}

static long answer_status(const oc_transfer *t) {
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    return code;
}

/* What If-Range takes of an answer: an ETag that is not weak, else its date; "": nothing. */
static const char *validator(const oc_transfer *t) {
    const char *tag = header(t, "ETag"), *date = header(t, "Last-Modified");
    const char *found = tag && tag[0] == '"' ? tag : date ? date : "";
    return strlen(found) < OC_VALIDATOR_SIZE ? found : "";
}

static oc_status other_file(const oc_transfer *t, oc_error *err, const char *what) {
    return oc_fail(err, OC_E_MISMATCH, t->options->url,
                   "%s, and is not %s of %" PRId64 " bytes; try again later, or name another address with --url", what,
                   t->archive->file, t->archive->bytes);
}

/* The whole file comes, from its beginning. */
static oc_status begin_whole(oc_transfer *t) {
    const char *type = header(t, "Content-Type");
    curl_off_t length = -1;
    char what[128];
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length >= 0 && length != t->archive->bytes) {
        snprintf(what, sizeof what, "what is there has %" PRId64 " bytes", (int64_t)length);
        return other_file(t, t->err, what);
    }
    if (length < 0 && type && strncasecmp(type, "text/html", 9) == 0)
        return other_file(t, t->err, "what is there is a page");
    if (t->part->size > 0)
        oc_log_line(&t->options->log, OC_LOG_WARN, "%s: %s: from the beginning again", t->archive->file,
                    strcmp(validator(t), t->part->validator) == 0 ? "the server cannot send the rest alone"
                                                                  : "what is there now is not what came before");
    return oc_part_begin(t->part, validator(t), t->err);
}

/* The rest comes, unless the server means another file, or another rest. */
static oc_status begin_rest(oc_transfer *t) {
    const char *range = header(t, "Content-Range"), *now = validator(t), *before = t->part->validator;
    int64_t first = -1, whole = -1;
    char what[128];
    if (!t->rest || !range || !oc_content_range(range, &first, &whole) || first != t->part->size) {
        t->stale = true;
    } else if (now[0] && (now[0] == '"') == (before[0] == '"') && strcmp(now, before) != 0) {
        t->stale = true;
    } else if (whole >= 0 && whole != t->archive->bytes) {
        snprintf(what, sizeof what, "what is there has %" PRId64 " bytes", whole);
        return other_file(t, t->err, what);
    }
    t->taken = !t->stale;
    return OC_OK;
}

/* Decides, when the head of the last answer is complete, what its body is. */
static void begin(oc_transfer *t) {
    const long code = answer_status(t);
    t->begun = true;
    if (code == 200) {
        t->status = begin_whole(t);
        t->taken = t->status == OC_OK;
    } else if (code == 206) {
        t->status = begin_rest(t);
    }
}

static size_t on_body(char *data, size_t one, size_t size, void *user) {
    oc_transfer *t = user;
    (void)one; /* always 1 */
    if (!t->begun) begin(t);
    if (!t->taken || t->status != OC_OK) return CURL_WRITEFUNC_ERROR;
    if ((int64_t)size > t->archive->bytes - t->part->size) {
        oc_part_remove(t->part);
        t->status = other_file(t, t->err, "what is there is longer");
        return CURL_WRITEFUNC_ERROR;
    }
    t->status = oc_part_append(t->part, data, size, t->err);
    return t->status == OC_OK ? size : CURL_WRITEFUNC_ERROR;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now) {
    oc_transfer *t = user;
    (void)total, (void)now, (void)up_total, (void)up_now;
    if (!oc_progress_report(&t->options->progress, "fetch", t->part->size, t->archive->bytes)) t->stopped = true;
    return t->stopped;
}

/* Settings that all tries share. */
static bool set_up(oc_transfer *t) {
    char agent[64];
    CURL *c = t->curl;
    snprintf(agent, sizeof agent, "ocelli/%s", oc_version());
    return curl_easy_setopt(c, CURLOPT_URL, t->options->url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, PROTOCOLS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, PROTOCOLS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MOST) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, agent) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_BUFFERSIZE, BUFFER_SIZE) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)t->options->stall_seconds) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)t->options->stall_seconds) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->text) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFODATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

/* Whether libcurl can make something of it; that it is http or https is for our own words, and for PROTOCOLS. */
static bool is_address(const char *url) {
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) return false;
    CURLU *parts = curl_url();
    const bool good = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK;
    curl_url_cleanup(parts);
    return good;
}

oc_status oc_transfer_create(oc_transfer **out, const oc_archive *archive, oc_part *part,
                             const oc_fetch_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_transfer *t = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&t, 1, sizeof *t, err));
    t->archive = archive;
    t->part = part;
    t->options = options;
    t->global = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!is_address(options->url)) {
        status = oc_fail(err, OC_E_USAGE, options->url, "this is no address that begins with http:// or https://");
        goto cleanup;
    }
    t->curl = t->global ? curl_easy_init() : NULL;
    if (!t->curl || !set_up(t)) {
        status = oc_fail(err, OC_E_MEMORY, NULL, "libcurl cannot be set up: out of memory, or too old");
        goto cleanup;
    }
    *out = t;
    t = NULL;
cleanup:
    oc_transfer_destroy(&t);
    return status;
}

/* Asks for the rest where it is known of which file; else for all. */
static oc_status ask(oc_transfer *t, oc_error *err) {
    char range[32], condition[OC_VALIDATOR_SIZE + 16];
    const bool rest = t->rest = t->part->size > 0 && t->part->validator[0];
    snprintf(range, sizeof range, "%" PRId64 "-", t->part->size);
    snprintf(condition, sizeof condition, "If-Range: %s", t->part->validator);
    curl_slist_free_all(t->headers);
    t->headers = rest ? curl_slist_append(NULL, condition) : NULL;
    if ((rest && !t->headers) || curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers) != CURLE_OK ||
        curl_easy_setopt(t->curl, CURLOPT_RANGE, rest ? range : NULL) != CURLE_OK)
        return oc_fail(err, OC_E_MEMORY, NULL, "out of memory");
    t->begun = t->taken = t->stopped = t->stale = false;
    t->status = OC_OK;
    t->err = err;
    t->text[0] = '\0';
    return OC_OK;
}

/* What libcurl says of what a further try cannot mend; false: it may. */
static bool is_final(const oc_transfer *t, CURLcode result) {
    curl_off_t connected = 0;
    switch (result) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OUT_OF_MEMORY:
        return true;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        /* Where there was an answer before, the network is gone for a while. */
        return !t->heard;
    case CURLE_OPERATION_TIMEDOUT:
        curl_easy_getinfo(t->curl, CURLINFO_CONNECT_TIME_T, &connected);
        return !t->heard && connected == 0;
    default:
        return false;
    }
}

/* An answer that is not the file. */
static oc_status judge_status(oc_transfer *t, long code, oc_transfer_end *end, oc_error *err) {
    curl_off_t wait = 0;
    if (code == 416) {
        /* The server's file is shorter than what has come: it is another one. */
        snprintf(end->reason, sizeof end->reason, "the server has nothing behind byte %" PRId64, t->part->size);
        return oc_part_begin(t->part, "", err);
    }
    if (code == 408 || code == 429 || code >= 500) {
        curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &wait);
        end->wait = (double)wait;
        snprintf(end->reason, sizeof end->reason, "the server answers with status %ld", code);
        return OC_OK;
    }
    return oc_fail(err, code == 404 || code == 410 ? OC_E_NOT_FOUND : OC_E_IO, t->options->url,
                   "the server answers with status %ld%s; name another address with --url", code,
                   code == 404 || code == 410   ? ": it does not have the file"
                   : code == 401 || code == 403 ? ": it does not give it to everybody"
                   : code == 407                ? ": the proxy wants a name and a password"
                                                : "");
}

oc_status oc_transfer_try(oc_transfer *t, oc_transfer_end *end, oc_error *err) {
    oc_status status = OC_OK;
    *end = (oc_transfer_end){0};
    OC_TRY(ask(t, err));
    const CURLcode result = curl_easy_perform(t->curl);
    const long code = answer_status(t);
    t->heard = t->heard || code != 0;
    /* An answer without a body. */
    if (result == CURLE_OK && !t->begun) begin(t);
    OC_TRY(t->status);
    end->whole = t->taken && t->part->size == t->archive->bytes;
    if (end->whole) goto cleanup;
    if (t->stopped) {
        status = oc_fail(err, OC_E_STOPPED, t->part->path, "stopped");
    } else if (t->stale) {
        snprintf(end->reason, sizeof end->reason, "the server sends the rest of another file");
        status = oc_part_begin(t->part, "", err);
    } else if (result != CURLE_OK && result != CURLE_WRITE_ERROR) {
        const char *text = t->text[0] ? t->text : curl_easy_strerror(result);
        snprintf(end->reason, sizeof end->reason, "%s", text);
        if (is_final(t, result))
            status = oc_fail(err, OC_E_IO, t->options->url,
                             "%s; check the network (proxies: http_proxy, https_proxy), or name another address with "
                             "--url",
                             text);
    } else if (t->taken) {
        snprintf(end->reason, sizeof end->reason, "the connection ended early");
    } else {
        status = judge_status(t, code, end, err);
    }
cleanup:
    return status;
}

void oc_transfer_destroy(oc_transfer **transfer) {
    if (!transfer || !*transfer) return;
    oc_transfer *t = *transfer;
    curl_easy_cleanup(t->curl);
    curl_slist_free_all(t->headers);
    if (t->global) curl_global_cleanup();
    oc_free(t);
    *transfer = NULL;
}
