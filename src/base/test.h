/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka.h wants the others included before it. */
#ifndef BASE_TEST_H
#define BASE_TEST_H
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#endif
