/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "cli/remote/doctor.h"
#include "cli/remote/service_state.h"
#include <curl/curl.h>
#include <string.h>

enum { SECONDS = 5, PAUSE_MS = 100 };

static size_t drop(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

/* Status of a GET; 0 when nobody answers, with *ret_why. */
static long get(const char *url, bool here, const char **ret_why)
{
    long status = 0;
    CURL *h = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (h != NULL && curl_easy_setopt(h, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)SECONDS) == CURLE_OK &&
        (!here || (curl_easy_setopt(h, CURLOPT_NOPROXY, "*") == CURLE_OK &&
                   /* our own service by its address: its certificate names it otherwise */
                   curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
                   curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK)) &&
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop) == CURLE_OK)
        code = curl_easy_perform(h);
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    *ret_why = curl_easy_strerror(code);
    curl_easy_cleanup(h);
    return status;
}

static void say_service(struct doctor *d, const struct service_state *state, long status,
                        const char *why)
{
    bool wanted = d->wait_seconds > 0;
    if (!state->running)
        doctor_add(d, wanted ? HEALTH_BROKEN : HEALTH_OK, "service",
                   "not running. Start it: chancery serve --data %s", d->data);
    else if (state->url[0] == '\0')
        doctor_add(d, wanted ? HEALTH_BROKEN : HEALTH_WARNING, "service",
                   "starting, or busy with a task");
    else if (status == 200)
        doctor_add(d, HEALTH_OK, "service", "ready at %s", state->url);
    else if (status != 0)
        doctor_add(d, HEALTH_BROKEN, "service", "%s/readyz answers with status %ld", state->url,
                   status);
    else
        doctor_add(d, HEALTH_BROKEN, "service", "%s does not answer: %s", state->url, why);
}

void doctor_service(struct doctor *d)
{
    int64_t end = clock_boot_ms() + (int64_t)d->wait_seconds * 1000;
    struct service_state state;
    long status = 0;
    const char *why = "";
    for (;;) {
        struct err e = {0};
        if (!service_state_read(d->cli->arena, d->data, &state, &e)) {
            doctor_add(d, HEALTH_BROKEN, "service", "%s", e.user);
            return;
        }
        const char *url =
            state.url[0] == '\0' ? NULL : arena_format(d->cli->arena, "%s/readyz", state.url);
        status = url == NULL ? 0 : get(url, true, &why);
        if (status == 200 || clock_boot_ms() >= end)
            break;
        clock_sleep(PAUSE_MS);
    }
    say_service(d, &state, status, why);
}

/* Any answer will do: a time-stamp server wants a POST. */
void doctor_stamps(struct doctor *d)
{
    if (!d->settings_read)
        return;
    struct reader list = reader_text(settings_text(&d->settings, SET_tsa)), item;
    if (list.left == 0)
        doctor_add(d, HEALTH_OK, "time stamps", "no server is set (setting tsa)");
    while (settings_item(&list, &item)) {
        struct setting_tsa tsa;
        struct err e = {0};
        const char *why;
        if (!settings_tsa(item, &tsa, &e)) {
            doctor_add(d, HEALTH_BROKEN, "time stamps", "%s", e.user);
            continue;
        }
        const char *url = arena_text(d->cli->arena, tsa.url);
        if (url != NULL && get(url, false, &why) != 0)
            doctor_add(d, HEALTH_OK, "time stamps", "%s answers", url);
        else if (url != NULL)
            doctor_add(d, HEALTH_WARNING, "time stamps", "%s does not answer: %s", url, why);
    }
}
