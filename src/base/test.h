/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka wants these included before it. */
#ifndef BASE_TEST_H
#define BASE_TEST_H
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#endif
