#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Embeds the files that pages refer to: make-assets.py OUT.c OUT.h FILE...

Each gets an address that holds a hash of its content, so browsers may keep it for ever."""
import hashlib
import os
import sys

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def main(c_path, h_path, *files):
    tables, rows, names = [], [], []
    for path in sorted(files):
        name = os.path.basename(path)
        symbol = name.replace(".", "_").replace("-", "_")
        with open(path, "rb") as f:
            data = f.read()
        mark = hashlib.sha256(data).hexdigest()[:16]
        lines = [", ".join("%d" % b for b in data[i:i + 24]) for i in range(0, len(data), 24)]
        tables.append("static const uint8_t %s[] = {\n%s};\n" % (symbol, ",\n".join(lines)))
        rows.append('    {"/static/%s/%s", "%s", %s, sizeof %s},' % (mark, name, TYPES[os.path.splitext(name)[1]], symbol, symbol))
        names.append("    ASSET_%s," % symbol.upper())
    head = "/* Made by tools/make-assets.py; do not edit. */\n"
    with open(h_path, "w", encoding="utf-8") as f:
        f.write(head + "#ifndef WEB_ASSETS_H\n#define WEB_ASSETS_H\n#include <stddef.h>\n#include <stdint.h>\n\nenum asset {\n" +
                "\n".join(names) + "\n    ASSET__COUNT\n};\n\nstruct asset_file {\n    const char *url, *type;\n    const uint8_t *bytes;\n"
                "    size_t size;\n};\nextern const struct asset_file assets[ASSET__COUNT];\n#endif\n")
    with open(c_path, "w", encoding="utf-8") as f:
        f.write(head + '#include "%s"\n\n' % os.path.basename(h_path) + "\n".join(tables) +
                "\nconst struct asset_file assets[ASSET__COUNT] = {\n" + "\n".join(rows) + "\n};\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
