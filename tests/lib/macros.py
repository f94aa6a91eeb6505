# SPDX-License-Identifier: Apache-2.0
"""What the Office tests need of signed files: parts, projects, SpcIndirectDataContent."""
import hashlib
import struct
import zipfile

KINDS = {"legacy": "vbaprojectsignature.bin", "agile": "vbaprojectsignatureagile.bin", "v3": "vbaprojectsignaturev3.bin"}


def project(path):
    """Bytes of the compound file with the project."""
    with open(path, "rb") as f:
        if f.read(2) != b"PK":
            f.seek(0)
            return f.read()
    with zipfile.ZipFile(path) as z:
        return z.read([n for n in z.namelist() if n.lower().endswith("vbaproject.bin")][0])


def signatures(path):
    """DigSigInfoSerialized of each kind; of a binary file the one in the document properties."""
    if not zipfile.is_zipfile(path):
        return legacy_property(path)
    with zipfile.ZipFile(path) as z:
        names = {n.lower().split("/")[-1]: n for n in z.namelist()}
        return {k: z.read(names[n]) for k, n in KINDS.items() if n in names}


def legacy_property(path):
    """Property 0x18 of a workbook: found by its form, where the stream lies in one piece."""
    with open(path, "rb") as f:
        data = f.read()
    at = data.find(bytes.fromhex("02d5cdd59c2e1b10939708002b2cf9ae"))
    if at < 0:
        return {}
    section = at - 28 + struct.unpack_from("<I", data, at + 16)[0]
    for i in range(struct.unpack_from("<I", data, section + 4)[0]):
        number, offset = struct.unpack_from("<II", data, section + 8 + 8 * i)
        kind, _, length = struct.unpack_from("<III", data, section + offset)
        if number == 0x18 and kind == 0x41:
            return {"legacy": data[section + offset + 16:section + offset + 16 + length]}
    return {}


def element(data, at=0):
    """(tag, content, whole, next) of a DER element."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        n = length & 0x7f
        length, start = int.from_bytes(data[start:start + n], "big"), start + n
    return data[at], data[start:start + length], data[at:start + length], start + length


def inside(data):
    at, found = 0, []
    while at < len(data):
        tag, content, whole, at = element(data, at)
        found.append((tag, content, whole))
    return found


def indirect_data(info):
    """SpcIndirectDataContent of a DigSigInfoSerialized."""
    size, offset = struct.unpack_from("<II", info)
    message = info[offset - 8:offset - 8 + size]
    signed_data = inside(inside(element(message)[1])[1][1])[0][1]
    content_info = inside(signed_data)[2][1]
    return inside(inside(content_info)[1][1])[0][2]


def digest_algorithm(content):
    """The hash that SpcIndirectDataContent names."""
    oid = inside(inside(inside(element(content)[1])[1][1])[0][1])[0][1]
    return {"2a864886f70d0205": "md5", "2b0e03021a": "sha1", "608648016503040201": "sha256"}[oid.hex()]


def normalised(tool_output):
    """What vba_tool said: sizes and hashes of the data, and SpcIndirectDataContent by kind and hash."""
    data, contents = {}, {}
    for line in tool_output.splitlines():
        words = line.split()
        if words[0] in KINDS:
            contents[words[0], words[1]] = bytes.fromhex(words[2])
        else:
            data[words[0]] = words[1:]
    return data, contents


def sha256(data):
    return hashlib.sha256(data).hexdigest()
