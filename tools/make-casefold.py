#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/base/casefold.h: simple case folding (Unicode CaseFolding.txt, status C and S) as
ranges. Python's own Unicode tables are the source: a simple folding is lower(upper(c)) where both
are single code points. Run by hand when the Unicode version changes; the result is committed."""
import sys, unicodedata

def fold(c):
    ch = chr(c)
    if len(ch.casefold()) == 1:
        return ord(ch.casefold())
    low = ch.lower()
    return ord(low) if len(low) == 1 else c

pairs = [(c, fold(c) - c) for c in range(0x80, 0x110000)
         if not 0xd800 <= c < 0xe000 and fold(c) != c]
rows = []
for c, delta in pairs:
    if rows:
        first, last, step, d = rows[-1]
        gap = c - last
        if d == delta and gap <= 2 and (step == gap or first == last):
            rows[-1] = (first, c, gap, d)
            continue
    rows.append((c, c, 1, delta))
out = ["/* SPDX-License-Identifier: Apache-2.0 */",
       f"/* Made by tools/make-casefold.py from Unicode {unicodedata.unidata_version}. */",
       "#ifndef BASE_CASEFOLD_H", "#define BASE_CASEFOLD_H", "#include <stdint.h>", "",
       "/* first, first+step .. last fold by adding delta. Sorted, disjoint. */",
       "struct casefold_row {", "    uint32_t first, last, step;", "    int32_t delta;", "};", "",
       "/* clang-format off */",
       "static const struct casefold_row casefold_rows[] = {"]
out += [f"    {{0x{f:x}, 0x{l:x}, {s}, {d}}}," for f, l, s, d in rows]
out += ["};", "/* clang-format on */", "#endif", ""]
open(sys.argv[1], "w").write("\n".join(out))
print(len(rows), "rows")
