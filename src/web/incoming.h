/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_INCOMING_H
#define WEB_INCOMING_H
#include "ipc/channel.h"
#include "service/service.h"

/* The channel to front: takes its calls, gives each to a thread, sends the answers. Bodies are
 * read only for calls that were admitted. One receiver thread; at most `threads` calls at work.
 * Clients that send slowly hold up nobody: a short body has no thread before all of it is there,
 * and long ones have three threads of four at most; more of them wait for their turn. */
struct incoming;

MUST_CHECK bool incoming_new(struct service *s, unsigned threads, struct incoming **ret,
                             struct err *e);
/* Receives until the channel ends (front died or was restarted); always false. Takes the channel.
 * Calls of it that are at work finish, and their answers are dropped. */
MUST_CHECK bool incoming_receive(struct incoming *in, struct channel front, struct err *e);
/* No new calls: 503. */
void incoming_drain(struct incoming *in);
bool incoming_is_idle(struct incoming *in); /* no call is at work */
#endif
