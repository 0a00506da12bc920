/* The connections of a server: how long each may do nothing, and which of them goes when there are too many. Belongs to
 * the thread that serves. */
#ifndef OC_SERVE_LINKS_H
#define OC_SERVE_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a connection does. */
typedef enum oc_link_phase {
    OC_LINK_FRESH,   /* its first request has not come yet */
    OC_LINK_IDLE,    /* its next request has not come yet */
    OC_LINK_SENDING, /* it is sending the body of one */
    OC_LINK_BUSY,    /* it waits for an answer */
    OC_LINK_ANSWER,  /* it is sent one */
    OC_LINK_STREAM   /* it is told events */
} oc_link_phase;

typedef struct oc_link oc_link;
struct oc_link {
    int fd;
    oc_link_phase phase;
    double since;  /* it has been in this phase */
    uint64_t size; /* bytes that came, or that are to go, in it */
    bool closed;   /* its end is near: the other side is told already */
    oc_link *next, *previous;
};

typedef struct oc_links {
    oc_link *first, *last; /* in the order of their opening */
    int count, most;       /* of those that are not closed */
    double seconds;        /* that a phase may take besides what 64 kB/s take */
    int64_t shed, timeouts;
} oc_links;

/* A connection has come; where there are too many now, one goes: the one that has been without a whole request for the
 * longest time, or, where all of them are answered right now, this one. NULL: out of memory. */
oc_link *oc_links_add(oc_links *links, int fd);
/* It is gone. NULL is allowed. */
void oc_links_remove(oc_links *links, oc_link *link);
void oc_link_enter(oc_link *link, oc_link_phase phase, uint64_t size);
/* Closes those whose time is over; one that sends too slowly is told by 408. */
void oc_links_expire(oc_links *links);
/* Closes those that have no request on its way and have had `grace` seconds for one. */
void oc_links_hang_up(oc_links *links, double grace);

#endif
