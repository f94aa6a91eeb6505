#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles HTML templates into C tables: make-templates.py NAME OUT.c OUT.h FILE...

{{a.b}} a value, escaped for the place where it stands; {{#if a}} {{#if not a}} {{else}} {{/if}};
{{#for x in a.list}} {{else}} (the list is empty) {{/for}}; {{> _file}} takes in another file; {{! remark }}.
Files whose name begins with _ exist only to be taken in. There is no way to put in text unescaped.

HTML is followed while it is read, so that the place of every value is known: element text, a quoted
attribute, an address (href, src, action: at its start, or a part of it). Elsewhere (names, unquoted
values, script, style, comments, on... attributes) values are errors, and so are inline scripts and
styles, which the content security policy would stop anyway."""
import os
import re
import sys

URL = {"href", "src", "action", "formaction", "poster", "cite", "data", "xlink:href"}
NO_VALUE = {"style", "srcdoc", "srcset"}
RAW = {"script", "style"}
KEEPS_BLANKS = {"pre", "textarea"}
NAME = re.compile(r"[a-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*)*$")
TOKEN = re.compile(r"\{\{(.*?)\}\}", re.S)


class Error(Exception):
    pass


class Html:
    """Where in HTML the text read so far ends."""

    def __init__(self):
        self.at, self.name, self.attribute, self.url_begun = "text", "", "", False
        self.open_raw, self.keeps = None, 0

    def state(self):
        inside = self.at in ("tag", "value")
        return (self.at, self.name if inside else "", self.attribute if self.at == "value" else "",
                self.open_raw, self.keeps)

    def copy_from(self, other):
        self.__dict__.update(other.__dict__)

    def copy(self):
        new = Html()
        new.copy_from(self)
        return new

    def feed(self, text):
        """Returns the text as it goes out: blanks at the start of lines are dropped."""
        out, i = [], 0
        while i < len(text):
            step = getattr(self, "in_" + self.at)(text, i, out)
            i += step
        return "".join(out)

    def in_text(self, text, i, out):
        c = text[i]
        if c == "<":
            if text.startswith("<!--", i):
                self.at = "comment"
                return 4
            m = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)").match(text, i)
            if m is None and not text.startswith("<!DOCTYPE", i) and not text.startswith("<!doctype", i):
                raise Error("a bare < (write &lt;)")
            if m is None:
                self.name, self.at = "!doctype", "tag"
                out.append(text[i:i + 9])
                return 9
            self.name = m.group(1) + m.group(2).lower()
            self.at = "tag"
            out.append(m.group(0))
            return len(m.group(0))
        if c == "\n" and self.keeps == 0:
            m = re.compile(r"\s+").match(text, i)
            if out and out[-1] != "\n" or not out:
                out.append("\n")
            return len(m.group(0))
        out.append(c)
        return 1

    def in_comment(self, text, i, out):
        if text.startswith("-->", i):
            self.at = "text"
            return 3
        return 1  # comments do not go out

    def in_tag(self, text, i, out):
        c = text[i]
        if c == ">":
            self.end_tag()
            out.append(c)
            return 1
        if c.isspace():
            m = re.compile(r"\s+").match(text, i)
            out.append(" ")
            return len(m.group(0))
        if c == "/":
            out.append(c)
            return 1
        m = re.compile(r"[A-Za-z][A-Za-z0-9_:.-]*").match(text, i)
        if m is None:
            raise Error(f"{c!r} inside a tag")
        self.attribute = m.group(0).lower()
        if self.attribute.startswith("on") or self.attribute in NO_VALUE:
            raise Error(f"attribute {self.attribute} is not allowed")
        out.append(m.group(0))
        n = len(m.group(0))
        if text.startswith("=", i + n):
            if not text.startswith('="', i + n):
                raise Error(f"the value of {self.attribute} is not in double quotes")
            out.append('="')
            self.at, self.url_begun = "value", False
            n += 2
        return n

    def in_value(self, text, i, out):
        c = text[i]
        if c == '"':
            self.at = "tag"
        elif c == "<":
            raise Error("< in an attribute: a quote is missing")
        else:
            self.url_begun = True
        out.append(c)
        return 1

    def in_raw(self, text, i, out):
        if text[i:].lower().startswith("</" + self.open_raw):
            self.at, self.open_raw = "text", None
            return 0
        if not text[i].isspace():
            raise Error(f"inline {self.open_raw}")
        return 1

    def end_tag(self):
        self.at = "text"
        if self.name in RAW:
            self.at, self.open_raw = "raw", self.name
        if self.name in KEEPS_BLANKS:
            self.keeps += 1
        if self.name[1:] in KEEPS_BLANKS and self.name[0] == "/":
            self.keeps -= 1

    def context(self):
        if self.at == "text":
            return "TEMPLATE_IN_TEXT"
        if self.at != "value":
            raise Error("a value may not stand here")
        if self.attribute not in URL:
            return "TEMPLATE_IN_ATTRIBUTE"
        begun, self.url_begun = self.url_begun, True
        return "TEMPLATE_IN_URL_PART" if begun else "TEMPLATE_IN_URL"


class Compiler:
    def __init__(self, folder):
        self.folder, self.ops, self.html, self.stack, self.loops = folder, [], Html(), [], []
        self.line, self.file, self.including = 1, "", []

    def op(self, kind, context="0", text="", jump=0):
        self.ops.append([kind, context, self.line, text, jump])
        return len(self.ops) - 1

    def literal(self, text):
        out = self.html.feed(text)
        if out and self.ops and self.ops[-1][0] == "LITERAL" and not self.fresh:
            self.ops[-1][3] += out
        elif out:
            self.op("LITERAL", text=out)
            self.fresh = False

    def name(self, text):
        if NAME.match(text) is None:
            raise Error(f"{text!r} is not a name")
        return text

    def same(self, a, b, what):
        if a.state() != b.state():
            raise Error(f"{what} ends in another place of the HTML than it begins")

    def tag(self, text):
        # A jump may lead behind this tag: no literal grows over it.
        self.fresh = True
        words = text.split()
        if text.startswith("!"):
            return
        if text.startswith(">"):
            if self.html.at not in ("text", "tag"):
                raise Error("a file may not be taken in here")
            self.file_in(text[1:].strip() + ".html")
        elif words[:1] == ["#if"]:
            negate = len(words) == 3 and words[1] == "not"
            if len(words) != (3 if negate else 2):
                raise Error("{{#if name}} or {{#if not name}}")
            at = self.op("UNLESS" if negate else "IF", text=self.name(words[-1]))
            self.stack.append(["if", at, self.html.copy(), None, self.file])
        elif words[:1] == ["#for"]:
            if len(words) != 4 or words[2] != "in":
                raise Error("{{#for name in list}}")
            if words[1] in self.loops or "." in words[1]:
                raise Error(f"{words[1]} cannot be the name of a loop here")
            at = self.op("FOR", context=cstring(self.name(words[1])), text=self.name(words[3]))
            self.loops.append(words[1])
            self.stack.append(["for", at, self.html.copy(), None, self.file])
        elif text == "else":
            self.otherwise()
        elif text in ("/if", "/for"):
            self.end(text[1:])
        elif text.startswith(("#", "/", "{", "&")):
            raise Error(f"{{{{{text}}}}} is unknown")
        else:
            self.op("VALUE", context=self.html.context(), text=self.name(text))

    def otherwise(self):
        if not self.stack or self.stack[-1][3] is not None or self.stack[-1][4] != self.file:
            raise Error("{{else}} without {{#if}} or {{#for}}")
        kind, at, html, _, _ = self.stack[-1]
        if kind == "for":
            self.same(html, self.html, "the loop")
            self.op("NEXT", jump=at)
            self.loops.pop()
        end = self.html.copy()
        jump = self.op("JUMP")
        self.ops[at][4] = len(self.ops)
        self.stack[-1][3] = (jump, end)
        self.html.copy_from(html)

    def end(self, kind):
        if not self.stack or self.stack[-1][0] != kind or self.stack[-1][4] != self.file:
            raise Error("{{/%s}} without its beginning" % kind)
        _, at, html, other, _ = self.stack.pop()
        if other is not None:
            self.same(other[1], self.html, "{{else}}")
            self.ops[other[0]][4] = len(self.ops)
            return
        self.same(html, self.html, "{{#%s}}" % kind)
        if kind == "for":
            self.op("NEXT", jump=at)
            self.loops.pop()
        self.ops[at][4] = len(self.ops)

    def file_in(self, name):
        if name in self.including:
            raise Error(f"{name} takes itself in")
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            raise Error(f"there is no {name}")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        outer = self.file, self.line
        self.file, depth = name, len(self.stack)
        self.including.append(name)
        self.fresh = True
        at = 0
        for m in TOKEN.finditer(text):
            self.line = text.count("\n", 0, at) + 1
            self.literal(text[at:m.start()])
            self.line = text.count("\n", 0, m.start()) + 1
            self.tag(m.group(1).strip())
            at = m.end()
        self.line = text.count("\n", 0, at) + 1
        if "{{" in text[at:] or "}}" in text[at:]:
            raise Error("{{ without }}")
        self.literal(text[at:])
        if len(self.stack) != depth:
            raise Error(f"{{{{#{self.stack[-1][0]}}}}} has no end")
        self.including.pop()
        self.file, self.line = outer
        self.fresh = True

    def compile(self, name):
        try:
            self.file_in(name)
            if self.html.at != "text":
                raise Error("the HTML is not complete")
        except Error as e:
            sys.exit(f"{os.path.join(self.folder, self.file or name)}:{self.line}: {e}")
        return self.ops


def cstring(text):
    out = []
    for b in text.encode():
        if b == 10:
            out.append("\\n")
        elif b in (34, 92) or b < 32 or b > 126:
            out.append("\\%03o" % b)
        else:
            out.append(chr(b))
    return '"' + "".join(out) + '"'


def main(name, c_path, h_path, *files):
    files = sorted(files)
    upper = name.upper()
    rows, enums, tables = [], [], []
    for path in files:
        stem = os.path.basename(path)[:-len(".html")]
        if stem.startswith("_"):
            continue
        ops = Compiler(os.path.dirname(path)).compile(stem + ".html")
        symbol = stem.replace("-", "_")
        enums.append(f"    {upper}_{symbol.upper()},")
        body = []
        for kind, context, line, text, jump in ops:
            variable = context if kind == "FOR" else "NULL"
            where = context if kind == "VALUE" else "TEMPLATE_IN_TEXT"
            body.append(f"    {{TEMPLATE_{kind}, {where}, {line}, {jump}, {len(text.encode())}, "
                        f"{cstring(text)}, {variable}}},")
        tables.append(f"static const struct template_op {symbol}_ops[] = {{\n" + "\n".join(body) + "\n};\n")
        rows.append(f"    {{\"{stem}\", {symbol}_ops, sizeof {symbol}_ops / sizeof {symbol}_ops[0]}},")
    head = "/* Made by tools/make-templates.py from the templates; do not edit. */\n"
    with open(h_path, "w", encoding="utf-8") as f:
        f.write(head + f"#ifndef {upper}_TEMPLATES_H\n#define {upper}_TEMPLATES_H\n"
                f"#include \"web/templates/template.h\"\n\nenum {name} {{\n" + "\n".join(enums) +
                f"\n    {upper}__COUNT\n}};\nextern const struct template {name}_table[{upper}__COUNT];\n"
                f"/* Appends the page; see template_run. */\nMUST_CHECK bool {name}_render(enum {name} which, "
                f"const struct view *data, struct writer *out,\n    struct err *e);\n#endif\n")
    with open(c_path, "w", encoding="utf-8") as f:
        f.write(head + f"#include \"{os.path.basename(h_path)}\"\n\n" + "\n".join(tables) +
                f"\nconst struct template {name}_table[{upper}__COUNT] = {{\n" + "\n".join(rows) +
                f"\n}};\n\nbool {name}_render(enum {name} which, const struct view *data, struct writer *out, "
                f"struct err *e)\n{{\n    return template_run(&{name}_table[which], data, out, e);\n}}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
