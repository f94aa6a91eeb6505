/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the server share: server.c (connections, time-outs), exchange.c (one request),
 * body.c (its body to core), reply.c (its answer). */
#ifndef WEB_HTTP_PRIVATE_H
#define WEB_HTTP_PRIVATE_H
#include "web/http/head.h"
#include "web/http/link.h"
#include "web/http/multipart.h"
#include "web/http/server.h"
#include <microhttpd.h>

enum { ADDRESS_BUCKETS = 1024, SLOT_BITS = 20 };

enum stage {
    HEAD,     /* its head is not complete or not checked */
    BODILESS, /* has no body; core is asked; the connection sleeps from the next step on */
    ASKED,    /* core decides on the head; the connection sleeps */
    ADMITTED, /* core has admitted the body */
    BODY,     /* the body goes to core */
    DRAIN,    /* the rest of the body goes nowhere: core has refused it, or it is broken */
    WAITING,  /* core has everything; the connection sleeps */
    REPLIED,  /* the reply is ready to be queued */
    SENDING,  /* libmicrohttpd sends it */
    DEAD,     /* to be closed at the next call of the handler */
};

struct connection {
    struct server *server;
    struct MHD_Connection *mhd;
    struct exchange *exchange;
    struct connection *next, **back; /* of the same bucket of sites */
    struct address address, site;
    struct watch watch;
    uint32_t slot;
    bool idle;     /* between requests */
    bool hung_up;  /* the peer has closed its side */
    int64_t since; /* boot time: of the head's first byte, or of going idle */
    uint64_t mark; /* bytes done when the rate was looked at */
    int64_t marked;
};

struct exchange {
    struct server *server;
    struct connection *connection;
    enum stage stage;
    uint64_t call; /* 0: core does not know it, or not any more */
    bool suspended;
    int64_t began;
    char *method, *target; /* target until the head is checked, then only its path */
    struct address client;
    bool tls, problem_json, minor_0, head_only;
    uint64_t length, limit, received;
    /* body */
    char content_type[256];
    struct multipart *form;
    int pipe; /* writing end; -1: none */
    struct watch pipe_watch;
    bool pipe_broken; /* core has closed its end: it wants no more of this file */
    bool wait_pipe, wait_link;
    struct writer field, field_name;
    bool in_file;
    unsigned fields;
    size_t field_bytes;
    /* reply */
    unsigned status;
    bool answered; /* it is on its way */
    struct MHD_Response *response;
    struct writer early; /* the same as text, should the body not be worth draining */
    bool endless;
    int stream; /* reading end of a reply without known length */
    struct watch stream_watch;
};

struct server {
    struct server_options options;
    struct loop loop;
    struct MHD_Daemon *mhd;
    struct watch mhd_watch, listeners[8], extra;
    bool listening;
    struct link link;
    struct connection *buckets[ADDRESS_BUCKETS];
    struct connection **slots; /* options.connections of them */
    uint32_t *free_slots;
    uint32_t free_count, in_use;
    struct connection *arriving;
    uint64_t calls;
    int64_t swept;
    struct leaving *lingering;
    uint32_t linger_count;
    bool draining;
    int64_t drain_until;
    uint8_t trace[16]; /* random; makes trace ids with the call number */
};

/* linger.c */
/* TAKES fd: what the client still sends is read and dropped for a moment, so that no reset
 * overtakes the reply (RFC 9112 9.6). */
void linger_add(struct server *s, int fd);
void linger_sweep(struct server *s, int64_t now);
void linger_done(struct server *s);

/* connection.c */
bool connections_init(struct server *s, struct err *e);
void connections_done(struct server *s);
void connection_accept(struct server *s, int listener);
/* Time-outs and rates, about once a second. */
void connections_sweep(struct server *s, int64_t now);
/* libmicrohttpd tells of connections that begin and end. */
void connection_notify(void *server, struct MHD_Connection *mhd, void **context,
                       enum MHD_ConnectionNotificationCode code);
void connection_idle(struct connection *c);

/* exchange.c */
struct exchange *exchange_new(struct connection *c, const char *target);
void exchange_free(struct exchange *x, bool complete);
enum MHD_Result exchange_step(struct exchange *x, const char *method, const char *version,
                              const char *data, size_t *size);
bool exchange_message(void *server, struct message *m, struct err *e);
void exchange_core_lost(void *server, const struct err *why);
void exchange_link_room(void *server);
void exchange_hung_up(struct exchange *x, bool reset);
void exchange_suspend(struct exchange *x);
void exchange_resume(struct exchange *x);
/* The body failed: core hears why and answers. */
void exchange_body_failed(struct exchange *x, const struct err *why);
void exchange_gone(struct exchange *x);

/* body.c */
MUST_CHECK bool body_begin(struct exchange *x, struct err *e);
/* Takes *ret_used bytes; fewer: the exchange has to wait (wait_pipe or wait_link is set). */
MUST_CHECK bool body_feed(struct exchange *x, struct reader bytes, size_t *ret_used, struct err *e);
MUST_CHECK bool body_finish(struct exchange *x, struct err *e);
void body_done(struct exchange *x);

/* reply.c */
/* The reply that front makes itself, as problem document (RFC 9457). */
void reply_problem(struct exchange *x, const struct err *why);
/* The reply of core; whatever is wrong with it becomes a problem. */
void reply_from_core(struct exchange *x, const struct msg_CALL_REPLY *m, struct message *carrier);
MUST_CHECK bool reply_queue(struct exchange *x);
/* Sends the reply past libmicrohttpd, which could not before the end of the body. */
bool reply_early(struct exchange *x);
void reply_done(struct exchange *x);
#endif
