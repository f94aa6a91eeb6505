/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H
#include "base/arena.h"
#include "base/writer.h"

/* Lower-case hexadecimal. `to` holds 2n+1 characters. */
void text_hex(const void *data, size_t n, char *to);
/* Exactly n bytes from 2n digits of either case. */
MUST_CHECK bool text_unhex(struct reader text, void *to, size_t n);

/* RFC 4648 section 4; line > 0 puts a line end (given as text) after every `line` characters. */
void text_base64(struct writer *w, struct reader bytes, size_t line, const char *line_end);
/* Section 5 without padding, for tokens. */
void text_base64url(struct writer *w, struct reader bytes);
/* Strict: no blanks but CR and LF, right padding, no stray bits. Result in the arena. */
MUST_CHECK bool text_unbase64(struct arena *a, struct reader text, struct reader *ret);

/* Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
MUST_CHECK bool text_is_utf8(struct reader text);
/* Next code point of well-formed UTF-8; false at the end or where the form breaks. */
MUST_CHECK bool text_next(struct reader *text, uint32_t *ret);
void text_put(struct writer *w, uint32_t code_point); /* as UTF-8 */
/* Control characters, and others that have no shape of their own: they hide, break lines or turn
 * the direction of text (CVE-2021-42574), so that something else is read than stands there. */
bool text_is_hidden(uint32_t code_point);
/* For the eyes of people: hidden ones as [U+001B], but for those in `plain` ("\n"); a byte that
 * begins no character becomes U+FFFD. */
void text_put_visible(struct writer *w, struct reader text, const char *plain);
/* UTF-16LE bytes (odd length is an error) to UTF-8; lone surrogates are an error. */
MUST_CHECK bool text_from_utf16le(struct arena *a, struct reader bytes, char **ret);
MUST_CHECK bool text_to_utf16(struct writer *w, struct reader utf8, bool big_endian);
/* Simple case folding, code point by code point: how slugs (ASCII part) and patterns compare. */
uint32_t text_fold(uint32_t code_point);
/* Calls `each` with intervals that together hold the folded form of every code point of
 * first..last, beside that range itself, and perhaps some that nothing folds to. False when
 * `each` is. */
typedef bool (*text_range_fn)(void *ctx, uint32_t first, uint32_t last);
MUST_CHECK bool text_fold_range(uint32_t first, uint32_t last, text_range_fn each, void *ctx);
MUST_CHECK bool text_equal_fold(const char *a, const char *b);       /* UTF-8, simple folding */
MUST_CHECK bool text_equal_ascii_fold(const char *a, const char *b); /* only A-Z folds */
/* No code point below U+0020, no U+007F..U+009F. */
MUST_CHECK bool text_is_printable(struct reader text);

/* Decimal, no sign, no blanks, no leading zero but "0" itself. */
MUST_CHECK bool text_u64(struct reader text, uint64_t *ret);
/* Edit distance with a ceiling, for "did you mean". */
size_t text_distance(const char *a, const char *b);

/* Percent-encoding (RFC 3986 2.1) undone; with `form` a plus is a blank, as in form bodies. False
 * when a % lacks its two digits; what was written before stays in w. */
MUST_CHECK bool text_unpercent(struct writer *w, struct reader text, bool form);

/* 128 random bits as a lower-case UUID version 4; `random` is 16 bytes. */
void text_uuid(const uint8_t random[16], char to[37]);
MUST_CHECK bool text_is_uuid(struct reader text);
#endif
