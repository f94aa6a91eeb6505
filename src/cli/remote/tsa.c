/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/writer.h"
#include "cli/remote/commands.h"
#include <curl/curl.h>
#include <stdio.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 * 1024, ANSWER_MAX = 1024 * 1024, CONNECT_SECONDS = 10, SECONDS = 30 };

static size_t take_answer(char *data, size_t size, size_t count, void *ctx)
{
    struct writer *w = ctx;
    writer_bytes(w, data, size * count);
    return w->failed ? 0 : size * count;
}

static bool set_options(CURL *h, const char *url, struct reader request, struct writer *answer,
                        struct curl_slist *headers)
{
    return curl_easy_setopt(h, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)SECONDS) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)request.left) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDS, request.at) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEDATA, answer) == CURLE_OK;
}

static bool post(const char *url, struct reader request, struct writer *answer, struct err *e)
{
    CURL *h = curl_easy_init();
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/timestamp-query");
    long status = 0;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (h != NULL && headers != NULL && set_options(h, url, request, answer, headers)) {
        code = curl_easy_perform(h);
        (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(h);
    if (code != CURLE_OK)
        return err_user(e, ERR_IO, "%.200s: %s", url, curl_easy_strerror(code));
    if (status != 200)
        return err_user(e, ERR_IO, "%.200s answered with status %ld", url, status);
    return writer_ok(answer, e);
}

static bool read_stdin(struct writer *w, struct err *e)
{
    uint8_t piece[4096];
    for (size_t got = 1; got > 0;) {
        TRY(file_read_some(STDIN_FILENO, piece, sizeof piece, &got, e));
        writer_bytes(w, piece, got);
    }
    return writer_ok(w, e);
}

static bool tsa(const char *url, struct err *e)
{
    CLEANUP(writer_done) struct writer request = {0};
    CLEANUP(writer_done) struct writer answer = {0};
    writer_init(&request, REQUEST_MAX);
    writer_init(&answer, ANSWER_MAX);
    TRY(read_stdin(&request, e));
    TRY(post(url, writer_view(&request), &answer, e));
    return file_write_fd(STDOUT_FILENO, writer_view(&answer), e);
}

int remote_tsa(struct cli *c, int argc, char **argv)
{
    struct err e = {0};
    (void)c;
    if (argc == 2 && tsa(argv[1], &e))
        return CLI_OK;
    (void)fprintf(stderr, "%s\n", argc == 2 ? e.user : "usage: chancery-remote tsa URL");
    return argc == 2 ? CLI_UNREACHABLE : CLI_UNUSABLE;
}
