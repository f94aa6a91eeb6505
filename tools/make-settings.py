#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/settings.md and man/chancery.conf.5 from the table in src/base/settings.h.

usage: make-settings.py [--check]     --check: exit 1 when a page is not what the table says
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r'^\s*S\((\w+),\s*([A-Z]+),\s*"((?:[^"\\]|\\.)*)",\s*([^,]+),\s*([^,]+),\s*"([^"]*)",\s*"(\w*)",\s*'
                 r'"((?:[^"\\]|\\.)*)"\)', re.M)
KINDS = {"TEXT": "text", "BOOL": "yes or no", "NUMBER": "number", "SIZE": "size", "SECONDS": "duration",
         "LIST": "list", "FILE": "file", "SECRET": "secret"}

INTRO = """The settings are read from `DATA/chancery.conf`, or the file of `--settings`: lines `name = value`, in UTF-8. A `#` at
the start of a line or after a blank begins a comment. A name that does not exist is an error, and so is a name that is set
twice, unless it is a list. The environment variable `CHANCERY_<NAME>` (upper case) wins over the file, and the flags of
`chancery serve` win over both. Changes count from the next start. `chancery doctor` prints every value and where it came from."""

KIND_TEXT = [
    ("size", "Bytes, or with a unit: `KiB`, `MiB`, `GiB`, `TiB`."),
    ("duration", "Seconds, or with a unit: `s`, `min`, `h`, `d`."),
    ("list", "Items with commas between them; a second line with the same name adds items."),
    ("file", "A path, `file:PATH` or `credential:NAME` (systemd). Relative paths begin at the data folder."),
    ("secret", "`file:PATH` or `credential:NAME`, never the secret itself. The file must not be readable by everybody."),
]


def rows():
    text = (ROOT / "src/base/settings.h").read_text()
    found = ROW.findall(text)
    expected = text.count("    S(")
    if len(found) != expected:
        sys.exit(f"make-settings: {expected} rows, {len(found)} understood")
    for name, kind, default, least, most, choices, to, text in found:
        yield name, kind, default, choices, text.replace('\\"', '"')


def kind_of(kind, choices):
    return choices.replace("|", ", ") if kind == "CHOICE" else KINDS[kind]


def markdown():
    out = ["# Settings", "", "Generated from `src/base/settings.h` by `tools/make-settings.py`.", "", INTRO, "",
           "| name | kind | default | meaning |", "|---|---|---|---|"]
    for name, kind, default, choices, text in rows():
        cell = text.replace("|", "\\|")
        out.append(f"| `{name}` | {kind_of(kind, choices)} | {'`' + default + '`' if default else '-'} | {cell} |")
    out += ["", "| kind | how it is written |", "|---|---|"]
    out += [f"| {name} | {text} |" for name, text in KIND_TEXT]
    return "\n".join(out) + "\n"


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", text)
    return "\n".join(("\\&" + line) if line.startswith((".", "'")) else line for line in text.split("\n"))


def page():
    out = ['.\\" SPDX-License-Identifier: Apache-2.0', '.\\" Generated from src/base/settings.h by tools/make-settings.py',
           '.TH CHANCERY.CONF 5 "" Chancery "File formats"', ".SH NAME", "chancery.conf \\- settings of the signing service",
           ".SH DESCRIPTION", roff(INTRO), ".SH KINDS"]
    for name, text in KIND_TEXT:
        out += [".TP", f".I {name}", roff(text)]
    out.append(".SH SETTINGS")
    for name, kind, default, choices, text in rows():
        out += [".TP", f".BR {name} \" ({roff(kind_of(kind, choices))}; "
                + (f"default {roff(default)}" if default else "not set") + ")\"", roff(text)]
    out += [".SH EXAMPLE", ".nf", "listen = 0.0.0.0:443", "base_url = https://sign.example.org",
            "tls_certificate = /etc/chancery/tls.pem", "tls_key = credential:tls_key",
            "tsa = http://ts.example.net/tsa hash=sha256", "tsa = https://backup.example.org ca=/etc/chancery/tsa.pem",
            "users = yes", ".fi", ".SH SEE ALSO", ".BR chanceryd (8),", ".BR chancery (1)"]
    return "\n".join(out) + "\n"


def main():
    stale = []
    for path, content in (("docs/settings.md", markdown()), ("man/chancery.conf.5", page())):
        target = ROOT / path
        if not target.exists() or target.read_text() != content:
            stale.append(path)
            if "--check" not in sys.argv:
                target.parent.mkdir(exist_ok=True)
                target.write_text(content)
    if "--check" in sys.argv and stale:
        sys.exit(f"not fresh: {', '.join(stale)}; run tools/make-settings.py")


if __name__ == "__main__":
    main()
