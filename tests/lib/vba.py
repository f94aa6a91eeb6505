# SPDX-License-Identifier: Apache-2.0
"""VBA projects: what their signatures are computed from ([MS-OVBA] 2.4, [MS-OSHARED] 2.3.2), apart from ours, and small projects to sign.

    p = vba.Project(streams of the project storage); p.source("v3", "sha256"), p.compiled("sha256")
    vba.make(modules, ...) -> such streams      vba.recorded(DigSigInfoSerialized) -> hashes of a signature
"""
import hashlib
import re
import struct

import compound
import macros

# Lines that V3 leaves out, compared exactly.
DEFAULTS = [b'Attribute VB_Base = "0{00020820-0000-0000-C000-000000000046}"', b"Attribute VB_GlobalNameSpace = False",
            b"Attribute VB_Creatable = False", b"Attribute VB_PredeclaredId = True", b"Attribute VB_Exposed = True",
            b"Attribute VB_TemplateDerived = False", b"Attribute VB_Customizable = True"]


def u32(n):
    return struct.pack("<I", n)


def sized(data):
    return u32(len(data)) + data


def decompress(data):
    out, at = bytearray(), 1
    while at < len(data):
        head, = struct.unpack_from("<H", data, at)
        end, at, start = at + (head & 0xfff) + 3, at + 2, len(out)
        if not head & 0x8000:
            out += data[at:at + 4096]
            at += 4096
        while at < end and head & 0x8000:
            flags, at = data[at], at + 1
            for bit in range(8):
                if at >= end:
                    break
                if not flags >> bit & 1:
                    out.append(data[at])
                    at += 1
                    continue
                token, = struct.unpack_from("<H", data, at)
                width = max(4, (len(out) - start - 1).bit_length())
                for _ in range((token & (0xffff >> width)) + 3):
                    out.append(out[-1 - (token >> (16 - width))])
                at += 2
    return bytes(out)


def compress(plain):
    """Literals, and one copy token where eight bytes repeat at once."""
    out = b"\1"
    for block in [plain[i:i + 2048] for i in range(0, len(plain), 2048)] or [b""]:
        body, at = b"", 0
        while at < len(block):
            flags, group = 0, b""
            for bit in range(8):
                if at >= len(block):
                    break
                if at > 0 and block[at:at + 4] == block[at - 1:at] * 4:
                    width = max(4, (at - 1).bit_length())
                    run = 4
                    while run < (0xffff >> width) + 3 and block[at + run:at + run + 1] == block[at - 1:at]:
                        run += 1
                    flags |= 1 << bit
                    group += struct.pack("<H", run - 3)
                    at += run
                else:
                    group += block[at:at + 1]
                    at += 1
            body += bytes([flags]) + group
        out += struct.pack("<H", 0xb000 | (len(body) - 1)) + body
    return out


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def peek(self):
        return struct.unpack_from("<H", self.data, self.at)[0]

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self):
        return struct.unpack("<I", self.take(4))[0]

    def block(self):
        return self.take(self.number())

    def record(self, tag):
        if self.peek() != tag:
            raise ValueError("record %x where %x is wanted, at %d" % (self.peek(), tag, self.at))
        self.take(2)
        return self.block()

    def maybe(self, tag):
        return self.record(tag) if self.peek() == tag else None


class Project:
    def __init__(self, streams):
        self.streams = {k.lower(): v for k, v in streams.items()}
        self.lines = self.streams["project"].split(b"\r\n")
        self.content, self.v3 = b"", b"\1\0" + u32(4)
        self.modules = {}
        self._dir(Reader(decompress(self.streams["vba/dir"])))

    # --- the dir stream ---------------------------------------------------------------------------

    def _dir(self, r):
        tag = struct.Struct("<H").pack
        r.record(1), r.maybe(0x4a)
        for number in (2, 0x14):
            self.v3 += tag(number) + sized(r.record(number))
        self.v3 += tag(3) + u32(len(r.record(3)))
        name = r.record(4)
        self.v3 += tag(4) + sized(name)
        for first, second in ((5, 0x40), (6, 0x3d)):
            self.v3 += tag(first) + u32(len(r.record(first))) + tag(second) + u32(len(r.record(second)))
        self.v3 += tag(7) + u32(len(r.record(7))) + tag(8) + sized(r.record(8)) + r.take(12)  # VERSION has no length of its own
        constants, wide = r.record(0x0c), r.record(0x3c)
        self.v3 += tag(0x0c) + sized(constants) + tag(0x3c) + sized(wide)
        self.content += name + constants
        while r.peek() != 0x0f:
            self._reference(r, tag)
        r.record(0x0f), r.record(0x13)
        self.v3 += tag(0x0f) + u32(2) + tag(0x13) + u32(2)
        while r.peek() != 0x10:
            self._module(r, tag)
        self.v3 += tag(0x10) + u32(0)

    def _name(self, r, tag):
        return tag(0x16) + sized(r.record(0x16)) + tag(0x3e) + sized(r.record(0x3e)) if r.peek() == 0x16 else b""

    def _reference(self, r, tag):
        self.v3 += self._name(r, tag)
        kind = r.peek()
        r.take(2)
        if kind == 0x33:
            self.v3 += tag(kind) + sized(r.block())
            return
        r.take(4)  # the size of the record is left out
        if kind == 0x0d:
            library = r.block()
            self.content += b"\x7b"
            self.v3 += tag(kind) + u32(len(library)) + library.decode("cp1252").encode("utf-16-le") + r.take(6)
        elif kind == 0x0e:
            whole = sized(r.block()) + sized(r.block()) + r.take(6)
            self.content += whole.split(b"\0")[0]
            self.v3 += tag(kind) + whole
        else:
            self.v3 += tag(kind) + sized(r.block()) + r.take(6) + self._name(r, tag)
            r.take(2 + 4)
            self.v3 += tag(0x30) + sized(r.block()) + r.take(6 + 16 + 4)

    def _module(self, r, tag):
        name, wide = r.record(0x19), r.record(0x47)
        r.record(0x1a)
        stream = r.record(0x32).decode("utf-16-le")
        r.record(0x1c), r.record(0x48)
        offset, = struct.unpack("<I", r.record(0x31))
        r.record(0x1e), r.record(0x2c)
        if r.maybe(0x21) is not None:
            self.v3 += tag(0x21) + u32(0)
        else:
            r.record(0x22)
        for flag in (0x25, 0x28):
            if r.maybe(flag) is not None:
                self.v3 += tag(flag) + u32(0)
        r.record(0x2b)
        self.modules[name] = stream
        text = decompress(self.streams["vba/" + stream.lower()][offset:])
        lines = re.split(rb"\r\n|\r|\n", text)
        lines = lines[:-1] if lines[-1] == b"" else lines
        self.content += b"".join(line for line in lines if not line.lower().startswith(b"attribute"))
        kept = [line + b"\n" for line in lines if not line.lower().startswith(b"attribute vb_name = ") and line not in DEFAULTS]
        self.v3 += b"".join(kept) + (wide + b"\n" if kept else b"")

    # --- hashes -----------------------------------------------------------------------------------

    def _walk(self, prefix):
        """The streams of a storage, in the order of its tree."""
        here = {k[len(prefix):].split("/")[0] for k in self.streams if k.startswith(prefix)}
        for name in sorted(here, key=compound.order):
            if prefix + name in self.streams:
                yield self.streams[prefix + name]
            else:
                yield from self._walk(prefix + name + "/")

    def _form(self, name):
        out = b""
        for stream in self._walk(self.modules[name].lower() + "/"):
            out += stream.ljust((len(stream) + 1022) // 1023 * 1023, b"\0")
        return out

    def _properties(self):
        for line in self.lines[:next((i for i, x in enumerate(self.lines) if x.startswith(b"[")), len(self.lines))]:
            if b"=" in line:
                yield line.split(b"=", 1)

    def _forms(self):
        return b"".join(self._form(v) for k, v in self._properties() if k == b"BaseClass")

    def _project(self):
        out = b""
        for key, value in self._properties():
            if key == b"BaseClass":
                out += self._form(value)
            if key not in (b"ID", b"Document", b"CMG", b"DPB", b"GC"):
                out += key + (value[1:-1] if value[:1] == value[-1:] == b'"' else value)
        if b"[Host Extender Info]" in self.lines:
            out += b"Host Extender Info"
            for line in self.lines[self.lines.index(b"[Host Extender Info]") + 1:]:
                if line.startswith(b"["):
                    break
                out += line
        return out

    def source(self, kind, algorithm):
        if kind == "legacy":
            return hashlib.md5(self.content).digest()
        data = self.content + self._forms() if kind == "agile" else self.v3 + self._project()
        return hashlib.new(algorithm, data).digest()

    def compiled(self, kind, algorithm):
        return hashlib.new("md5" if kind == "legacy" else algorithm, b"".join(self._walk("vba/"))).digest()


def recorded(info, kind):
    """(algorithm, compiled hash, source hash) that a signature states."""
    content = macros.indirect_data(info)
    data, digest = macros.inside(macros.element(content)[1])
    value = macros.inside(digest[1])[1][1]
    if kind == "legacy":
        return macros.digest_algorithm(content), macros.inside(data[1])[1][1], value
    _, compiled, source, _, at, behind = struct.unpack_from("<6I", value)
    return macros.digest_algorithm(content), value[at:at + compiled], value[behind:behind + source]


# --- projects to sign -----------------------------------------------------------------------------

def record(tag, data):
    return struct.pack("<H", tag) + sized(data)


def both(tag, second, text):
    return record(tag, text.encode("cp1252")) + record(second, text.encode("utf-16-le"))


def make(modules, document="ThisDocument", form=None, project_reference=True):
    """Streams of a project: standard modules by name and source, one document module, one form."""
    names = [(document, 0x22, 'Attribute VB_Name = "%s"\r\nAttribute VB_Exposed = True\r\n' % document)]
    names += [(n, 0x21, s) for n, s in modules.items()] + ([("UserForm1", 0x22, 'Attribute VB_Name = "UserForm1"\r\n')] if form else [])
    d = record(1, u32(3)) + record(2, u32(0x409)) + record(0x14, u32(0x409)) + record(3, b"\xe4\4") + record(4, b"Project")
    d += both(5, 0x40, "") + record(6, b"") + record(0x3d, b"") + record(7, u32(0)) + record(8, u32(0)) + b"\x09\0" + u32(4) + u32(1) + b"\2\0"
    d += both(0x0c, 0x3c, "") + both(0x16, 0x3e, "stdole")
    library = b"*\\G{00020430-0000-0000-C000-000000000046}#2.0#0#stdole2.tlb#OLE Automation"
    d += record(0x0d, sized(library) + bytes(6))
    if project_reference:
        d += both(0x16, 0x3e, "Other") + record(0x0e, sized(b"*\\CC:\\other.dotm") + sized(b"*\\Cother.dotm") + u32(5) + b"\1\0")
    d += record(0x0f, struct.pack("<H", len(names))) + record(0x13, b"\xff\xff")
    streams, lines = {}, ["ID=\"{00000000-0000-0000-0000-000000000000}\"", "Document=%s/&H00000000" % document]
    for name, kind, source in names:
        d += both(0x19, 0x47, name) + both(0x1a, 0x32, name) + both(0x1c, 0x48, "") + record(0x31, u32(7)) + record(0x1e, u32(0))
        d += record(0x2c, b"\xff\xff") + record(kind, b"") + record(0x2b, b"")
        streams["VBA/" + name] = b"p-code:" + compress(source.encode("cp1252"))
        lines += ["Module=" + name] if kind == 0x21 else ["BaseClass=" + name] if name == "UserForm1" else []
    streams["VBA/dir"] = compress(d + record(0x10, b""))
    streams["VBA/_VBA_PROJECT"] = b"\xcc\x61\xff\xff\0\0\0"
    lines += ['Name="Project"', 'HelpContextID="0"', 'CMG="00"', 'DPB="00"', 'GC="00"', "", "[Host Extender Info]",
              "&H00000001={3832D640-CF90-11CF-8E43-00A0C911005A};VBE;&H00000000", "", "[Workspace]"]
    lines += ["%s=0, 0, 0, 0, C" % n for n, _, _ in names]
    streams["PROJECT"] = ("\r\n".join(lines) + "\r\n").encode("cp1252")
    for name, content in (form or {}).items():
        streams["UserForm1/" + name] = content
    return streams
