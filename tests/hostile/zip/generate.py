# SPDX-License-Identifier: Apache-2.0
"""Hostile ZIP files, each with the error code that must come out. CASES is a list of
(name, expected code or "ok", bytes, options of the reader); run as a program it writes them to a folder."""
import struct
import sys
import zlib

LOCAL, CENTRAL, DESCRIPTOR, END, END64, LOCATOR = (
    0x04034B50, 0x02014B50, 0x08074B50, 0x06054B50, 0x06064B50, 0x07064B50)
FULL32 = 0xFFFFFFFF
REGULAR = 0o100644 << 16


def raw_deflate(data, level=6):
    c = zlib.compressobj(level, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


def extra(field_id, payload):
    return struct.pack("<HH", field_id, len(payload)) + payload


def unicode_path(raw, name, version=1, crc=None):
    crc = zlib.crc32(raw) if crc is None else crc
    return extra(0x7075, struct.pack("<BI", version, crc) + name)


class Entry:
    """One entry. `l_*` overrides a field of the local header, `c_*` one of the directory."""

    def __init__(self, name=b"a.txt", content=b"hello", method=8, **over):
        self.name, self.content, self.method = name, content, method
        self.over = over
        self.data = over.get("data", raw_deflate(content) if method == 8 else content)

    def get(self, side, field, default):
        return self.over.get(side + field, self.over.get(field, default))

    def fields(self, side):
        crc = zlib.crc32(self.content)
        flags = self.get(side, "flags", 0)
        late = side == "l_" and flags & 8 and not self.over.get("l_known")
        return (self.get(side, "version", 20), flags, self.get(side, "method", self.method),
                self.get(side, "time", 0), self.get(side, "date", 0x21),
                self.get(side, "crc", 0 if late else crc),
                self.get(side, "compressed", 0 if late else len(self.data)),
                self.get(side, "size", 0 if late else len(self.content)))

    def local(self):
        name, more = self.get("l_", "name", self.name), self.get("l_", "extra", b"")
        head = struct.pack("<IHHHHHIII", self.over.get("l_signature", LOCAL), *self.fields("l_"))
        head += struct.pack("<HH", self.over.get("l_name_len", len(name)),
                            self.over.get("l_extra_len", len(more)))
        return head + name + more + self.data + self.descriptor()

    def descriptor(self):
        if "descriptor" in self.over:
            return self.over["descriptor"]
        if not self.get("c_", "flags", 0) & 8:
            return b""
        return struct.pack("<IIII", DESCRIPTOR, zlib.crc32(self.content), len(self.data),
                           len(self.content))

    def central(self, offset):
        name, more = self.get("c_", "name", self.name), self.get("c_", "extra", b"")
        comment = self.over.get("comment", b"")
        head = struct.pack("<IHHHHHHIII", self.over.get("c_signature", CENTRAL),
                           self.over.get("made_by", 0x314), *self.fields("c_"))
        head += struct.pack("<HHHHHII", self.over.get("c_name_len", len(name)),
                            self.over.get("c_extra_len", len(more)),
                            self.over.get("c_comment_len", len(comment)),
                            self.over.get("disk", 0), 0,
                            self.over.get("external", REGULAR), self.over.get("offset", offset))
        return head + name + more + comment


def end(count, size, offset, comment=b"", disk=0, directory_disk=0, disk_count=None, comment_len=None):
    return struct.pack("<IHHHHIIH", END, disk, directory_disk,
                       count if disk_count is None else disk_count, count, size, offset,
                       len(comment) if comment_len is None else comment_len) + comment


def end64(count, size, offset, length=44, disk=0, disks=1, at=None, signature=END64):
    record = struct.pack("<IQHHIIQQQQ", signature, length, 45, 45, disk, disk, count, count, size, offset)
    where = offset + size if at is None else at
    return record + struct.pack("<IIQI", LOCATOR, 0, where, disks)


def archive(*entries, front=b"", back=b"", gap=b"", middle=b"", order=None, wide=None, **over):
    """front: before all, counted in the offsets; gap: between entries; middle: before the directory."""
    body, offsets = bytearray(front), []
    for i, x in enumerate(entries):
        body += gap if i else b""
        offsets.append(len(body))
        body += x.local()
    body += middle
    listed = order if order is not None else range(len(entries))
    directory = b"".join(entries[i].central(offsets[i]) for i in listed) + over.pop("tail", b"")
    size, offset, count = len(directory), len(body), len(list(listed))
    size, offset = over.pop("size", size), over.pop("offset", offset)
    count = over.pop("count", count)
    if wide is not None:
        directory += end64(count, size, offset, **wide)
        over.setdefault("e_count", 0xFFFF)
        over.setdefault("e_size", FULL32)
        over.setdefault("e_offset", FULL32)
    last = end(over.pop("e_count", count), over.pop("e_size", size), over.pop("e_offset", offset), **over)
    return bytes(body) + directory + last + back


A, B = Entry(), Entry(b"b.txt", b"world", 0)
GOOD = archive(A, B)
CASES = []


def case(name, code, data, *options):
    CASES.append((name, code, data, options))


def one(case_name, code, **over):
    case(case_name, code, archive(Entry(**over)))


# --- what must be accepted, so that the refusals below mean something -----------------------------
case("good", "ok", GOOD)
case("good-empty", "ok", end(0, 0, 0))
case("good-comment", "ok", archive(A, comment=b"hello"))
case("good-wide-end", "ok", archive(A, wide={}))
one("good-descriptor", "ok", flags=8)
one("good-descriptor-known", "ok", flags=8, l_known=True)
one("good-descriptor-bare", "ok", flags=8,
    descriptor=struct.pack("<III", zlib.crc32(b"hello"), len(raw_deflate(b"hello")), 5))
one("good-descriptor-wide", "ok", flags=8,
    descriptor=struct.pack("<IIQQ", DESCRIPTOR, zlib.crc32(b"hello"), len(raw_deflate(b"hello")), 5))
one("good-descriptor-wide-bare", "ok", flags=8,
    descriptor=struct.pack("<IQQ", zlib.crc32(b"hello"), len(raw_deflate(b"hello")), 5))
one("good-cp437", "ok", name=b"gr\x81\xe1e.txt", made_by=20)
one("good-backslash", "ok", name=b"dir\\file.txt")
one("good-dot-slash", "ok", name=b"./dir/file.txt")
case("good-other-order", "ok", archive(A, B, order=[1, 0]))
case("good-case-allowed", "ok", archive(Entry(b"A.class"), Entry(b"a.class")))
case("good-zip64-entry", "ok", archive(Entry(
    size=FULL32, compressed=FULL32, extra=extra(1, struct.pack("<QQ", 5, len(raw_deflate(b"hello")))))))

# --- ends -----------------------------------------------------------------------------------------
case("empty", "zip.not_a_zip", b"")
case("text", "zip.not_a_zip", b"This is not a ZIP file, but long enough to be one.")
case("header-only", "zip.truncated", b"PK\3\4")
case("cut-in-end", "zip.truncated", GOOD[:-1])
case("cut-in-directory", "zip.truncated", GOOD[:-40])
case("cut-in-data", "zip.truncated", GOOD[:36])
case("cut-comment", "zip.truncated", archive(A, comment=b"long comment")[:-3])
case("trailing", "zip.trailing", GOOD + b"x")
case("trailing-zeros", "zip.trailing", GOOD + bytes(7))
case("trailing-zip", "zip.prepended", GOOD + GOOD)
case("trailing-far", "zip.truncated", GOOD + bytes(70000))
case("prepended", "zip.prepended", b"MZ" + bytes(62) + GOOD)
case("prepended-counted", "zip.prepended", archive(A, front=b"#!/bin/sh\n"))
case("prepended-like-zip", "zip.prepended", archive(A, B, front=A.local()))
case("prepended-wide", "zip.prepended", b"PK\3\4" + archive(A, wide={}))
case("prepended-empty", "zip.prepended", b"PK\3\4" + end(0, 0, 0))
case("comment-hides-end", "zip.comment", archive(A, comment=b"x" + end(0, 0, 0) + b"y"))
case("comment-is-end", "zip.prepended", archive(A, comment=end(0, 0, 0)))
case("two-directories", "zip.gap", archive(A, B, middle=archive(A)))

# --- end record -----------------------------------------------------------------------------------
case("disk-number", "zip.several_disks", archive(A, disk=1))
case("disk-of-directory", "zip.several_disks", archive(A, directory_disk=1))
case("disk-count", "zip.several_disks", archive(A, B, disk_count=1))
one("disk-of-entry", "zip.several_disks", disk=3)
case("split-marker", "zip.prepended", archive(A, front=b"PK\x07\x08"))
case("count-small", "zip.bad_directory", archive(A, B, count=1))
case("count-large", "zip.bad_directory", archive(A, B, count=3))
case("count-huge", "zip.bad_directory", archive(A, count=65535))
case("directory-offset-small", "zip.prepended", archive(A, offset=3))
case("directory-offset-large", "zip.bad_directory", archive(A, offset=1 << 30))
case("directory-size-large", "zip.bad_directory", archive(A, size=1 << 30))
case("directory-size-small", "zip.prepended", archive(A, size=10))
case("directory-tail", "zip.bad_directory", archive(A, tail=bytes(10)))
case("directory-signature-record", "zip.bad_directory", archive(A, tail=b"PK\5\5\2\0ab"))
one("central-signature", "zip.bad_directory", c_signature=0x12345678)
one("central-name-too-long", "zip.bad_directory", c_name_len=5000)
one("central-comment-too-long", "zip.bad_directory", c_comment_len=5000)

# --- zip64 ----------------------------------------------------------------------------------------
case("wide-end-elsewhere", "zip.prepended", archive(A, wide={"at": 5}))
case("wide-end-behind", "zip.zip64", archive(A, wide={"at": 1 << 40}))
case("wide-end-signature", "zip.zip64", archive(A, wide={"signature": 0x11223344}))
case("wide-end-longer", "zip.zip64", archive(A, wide={"length": 60}))
case("wide-end-count-lie", "zip.zip64", archive(A, wide={}, e_count=2))
case("wide-end-size-lie", "zip.zip64", archive(A, wide={}, e_size=1))
case("wide-end-offset-lie", "zip.zip64", archive(A, wide={}, e_offset=0))
case("wide-end-disks", "zip.several_disks", archive(A, wide={"disks": 2}))
case("wide-end-disk", "zip.several_disks", archive(A, wide={"disk": 1}, disk=0xFFFF, directory_disk=0xFFFF))
case("wide-huge-count", "zip.bad_directory", archive(A, wide={}, count=1 << 60))
case("wide-huge-offset", "zip.bad_directory", archive(A, wide={"at": len(archive(A)) - 22}, offset=(1 << 64) - 8))
case("locator-in-comment-of-entry", "zip.zip64",
     archive(Entry(comment=struct.pack("<IIQI", LOCATOR, 0, 0, 1))))
one("zip64-missing", "zip.zip64", size=FULL32)
one("zip64-missing-in-directory", "zip.zip64", c_size=FULL32)
one("zip64-missing-in-local", "zip.zip64", l_compressed=FULL32)
one("zip64-short", "zip.zip64", size=FULL32, compressed=FULL32, extra=extra(1, struct.pack("<Q", 5)))
one("zip64-other-size", "zip.zip64", c_extra=extra(1, struct.pack("<Q", 6)))
one("zip64-odd-length", "zip.zip64", c_extra=extra(1, b"abc"))
one("zip64-twice", "zip.extra", size=FULL32, compressed=FULL32,
    extra=extra(1, struct.pack("<QQ", 5, 7)) + extra(1, struct.pack("<QQ", 6, 7)))
one("zip64-huge-size", "zip.overlap", method=0, size=FULL32, compressed=FULL32,
    extra=extra(1, struct.pack("<QQ", (1 << 64) - 1, (1 << 64) - 1)))
one("zip64-huge-offset", "zip.bad_directory", offset=FULL32, c_extra=extra(1, struct.pack("<Q", 1 << 63)))
one("zip64-local-lie", "zip.mismatch", size=FULL32, compressed=FULL32,
    c_extra=extra(1, struct.pack("<QQ", 5, len(raw_deflate(b"hello")))),
    l_extra=extra(1, struct.pack("<QQ", 6, len(raw_deflate(b"hello")))))
one("zip64-local-spare-lie", "zip.zip64", l_extra=extra(1, struct.pack("<QQ", 6, 7)))

# --- directory against local header ---------------------------------------------------------------
one("mismatch-name", "zip.mismatch", l_name=b"b.txt")
one("mismatch-name-length", "zip.mismatch", l_name=b"a.tx", l_extra=b"t" + bytes(0), l_extra_len=0, l_name_len=4,
    data=b"t" + raw_deflate(b"hello"), compressed=len(raw_deflate(b"hello")))
one("mismatch-flags-descriptor", "zip.mismatch", c_flags=8, l_flags=0)
one("mismatch-flags-utf8", "zip.mismatch", l_flags=0x800)
one("mismatch-flags-encrypted", "zip.mismatch", l_flags=1)
one("mismatch-method", "zip.mismatch", l_method=0)
one("mismatch-time", "zip.mismatch", l_time=1)
one("mismatch-date", "zip.mismatch", l_date=0x22)
one("mismatch-crc", "zip.mismatch", l_crc=1)
one("mismatch-compressed", "zip.mismatch", l_compressed=1)
one("mismatch-size", "zip.mismatch", l_size=1)
one("mismatch-late-size", "zip.mismatch", flags=8, l_size=4)
one("mismatch-unicode-name", "zip.mismatch", name=b"\x81.txt", made_by=20,
    c_extra=unicode_path(b"\x81.txt", "ü.txt".encode()))
one("local-signature", "zip.prepended", l_signature=0x11111111)
case("local-signature-second", "zip.bad_directory", archive(A, Entry(b"b", l_signature=0x11111111)))
one("local-extra-negative", "zip.overlap", l_extra_len=0xFFFD)
one("local-name-negative", "zip.overlap", l_name_len=0xFFFF)
one("local-extra-damaged", "zip.extra", l_extra=b"\1\2\xff\0abc")
one("central-extra-damaged", "zip.extra", c_extra=b"\1\2\xff\0abc")
one("central-extra-stray", "zip.extra", c_extra=b"abc")

# --- gaps, overlaps -------------------------------------------------------------------------------
case("gap-between", "zip.gap", archive(A, B, gap=b"hidden"))
case("gap-before-directory", "zip.gap", archive(A, B, middle=b"hidden"))
case("gap-hidden-entry", "zip.gap", archive(A, B, Entry(b"c"), order=[0, 2]))
case("gap-block-not-asked", "zip.gap", archive(A, middle=b"APK Sig Block 42"))
case("block-asked", "ok", archive(A, middle=b"APK Sig Block 42"), "-block")
case("block-asked-descriptor", "ok", archive(Entry(flags=8), middle=b"APK Sig Block 42"), "-block")
case("overlap-same-header", "zip.overlap", archive(A, Entry(b"a2", offset=0)))
one("overlap-directory", "zip.overlap", compressed=60)
case("overlap-inside", "zip.overlap", archive(
    Entry(b"outer", A.local(), 0), Entry(b"a.txt", offset=30 + 5)))
case("offset-in-directory", "zip.bad_directory", archive(A, Entry(b"b", offset=len(A.local()) + 20)))
case("offset-behind", "zip.bad_directory", archive(A, Entry(b"b", offset=1 << 30)))

# --- descriptors ----------------------------------------------------------------------------------
one("descriptor-missing", "zip.descriptor", flags=8, descriptor=b"")
one("descriptor-cut", "zip.descriptor", flags=8, descriptor=bytes(10))
one("descriptor-crc", "zip.descriptor", flags=8,
    descriptor=struct.pack("<IIII", DESCRIPTOR, 1, len(raw_deflate(b"hello")), 5))
one("descriptor-size", "zip.descriptor", flags=8,
    descriptor=struct.pack("<IIII", DESCRIPTOR, zlib.crc32(b"hello"), len(raw_deflate(b"hello")), 6))
one("descriptor-compressed", "zip.descriptor", flags=8,
    descriptor=struct.pack("<IIII", DESCRIPTOR, zlib.crc32(b"hello"), 1, 5))
one("descriptor-signature", "zip.descriptor", flags=8,
    descriptor=struct.pack("<IIII", 7, zlib.crc32(b"hello"), len(raw_deflate(b"hello")), 5))
one("descriptor-and-more", "zip.descriptor", flags=8,
    descriptor=struct.pack("<IIIIQ", DESCRIPTOR, zlib.crc32(b"hello"), len(raw_deflate(b"hello")), 5, 0))
one("descriptor-unannounced", "zip.gap",
    descriptor=struct.pack("<IIII", DESCRIPTOR, zlib.crc32(b"hello"), len(raw_deflate(b"hello")), 5))

# --- names ----------------------------------------------------------------------------------------
for name, code, raw in [
        ("empty", "zip.name", b""), ("slash", "zip.absolute", b"/"), ("nul", "zip.name", b"a\0b"),
        ("nul-tail", "zip.name", b"a.exe\0.txt"), ("newline", "zip.name", b"a\nb"),
        ("escape", "zip.name", b"\x1b[2Ja"), ("delete", "zip.name", b"a\x7f"),
        ("double-slash", "zip.name", b"a//b"), ("dot-inside", "zip.name", b"a/./b"),
        ("two-slashes-at-end", "zip.name", b"a//"),
        ("parent", "zip.traversal", b".."), ("parent-slash", "zip.traversal", b"../a"),
        ("parent-inside", "zip.traversal", b"a/../../b"), ("parent-at-end", "zip.traversal", b"a/.."),
        ("parent-backslash", "zip.traversal", b"..\\..\\windows\\a"),
        ("parent-mixed", "zip.traversal", b"a\\../b"), ("parent-after-dot", "zip.traversal", b"./../a"),
        ("absolute", "zip.absolute", b"/etc/passwd"), ("absolute-backslash", "zip.absolute", b"\\a"),
        ("absolute-unc", "zip.absolute", b"\\\\server\\share\\a"),
        ("absolute-after-dot", "zip.absolute", b".//etc/passwd"),
        ("drive", "zip.absolute", b"C:\\a"), ("drive-relative", "zip.absolute", b"c:a"),
        ("drive-after-dot", "zip.absolute", b"./C:/a")]:
    one("name-" + name, code, name=raw)
one("name-utf8-broken", "zip.name_encoding", name=b"a\xff.txt", flags=0x800)
one("name-utf8-overlong", "zip.name_encoding", name=b"..\xc0\xafa", flags=0x800)
one("name-utf8-surrogate", "zip.name_encoding", name=b"\xed\xa0\x80", flags=0x800)
one("name-c1", "zip.name", name="a\u0085b".encode(), flags=0x800)
one("name-unicode-crc", "zip.name_encoding", name=b"a\x81", made_by=20, extra=unicode_path(b"a\x81", b"x", crc=1))
one("name-unicode-version", "zip.name_encoding", name=b"a\x81", made_by=20,
    extra=unicode_path(b"a\x81", b"x", version=2))
one("name-unicode-other", "zip.name_encoding", extra=unicode_path(b"a.txt", b"evil.exe"))
one("name-unicode-short", "zip.name_encoding", extra=extra(0x7075, b"\1"))
one("name-unicode-broken", "zip.name_encoding", name=b"a\x81", made_by=20, extra=unicode_path(b"a\x81", b"\xff"))
one("name-unicode-traversal", "zip.traversal", name=b"a\x81", made_by=20, extra=unicode_path(b"a\x81", b"../x"))
one("name-unicode-nul", "zip.name", name=b"a\x81", made_by=20, extra=unicode_path(b"a\x81", b"x\0y"))
case("duplicate", "zip.duplicate", archive(A, B, A))
case("duplicate-separator", "zip.duplicate", archive(Entry(b"d/a"), Entry(b"d\\a")))
case("duplicate-dot-slash", "zip.duplicate", archive(Entry(b"a"), Entry(b"./a")))
case("duplicate-folder", "zip.duplicate", archive(Entry(b"a"), Entry(b"a/", b"", 0)))
case("duplicate-encoding", "zip.duplicate", archive(
    Entry(b"\x81", made_by=20), Entry("ü".encode(), flags=0x800)))
case("duplicate-case", "zip.duplicate_case", archive(Entry(b"Dir/a"), Entry(b"dir/A")), "-fold")
case("conflict", "zip.name_conflict", archive(Entry(b"a"), Entry(b"a/b")))
case("conflict-far", "zip.name_conflict", archive(Entry(b"a/b/c"), Entry(b"a!"), Entry(b"a")))

# --- kinds ----------------------------------------------------------------------------------------
one("symlink", "zip.link", external=0o120777 << 16)
one("symlink-dos", "zip.link", external=0o120777 << 16, made_by=20)
for kind, mode in [("fifo", 0o010644), ("character-device", 0o020644), ("block-device", 0o060644), ("socket", 0o140644)]:
    one(kind, "zip.device", external=mode << 16)
one("folder-with-content", "zip.folder_data", name=b"dir/")
one("encrypted", "zip.encrypted", flags=1)
one("encrypted-strong", "zip.encrypted", flags=0x41)
one("encrypted-aes", "zip.encrypted", method=99)
one("encrypted-directory", "zip.encrypted", flags=0x2000)
one("patched", "zip.method", flags=0x20)
for method in (1, 6, 9, 12, 14, 93, 95, 97, 98):
    one("method-%d" % method, "zip.method", method=method)

# --- content --------------------------------------------------------------------------------------
one("stored-size", "zip.size", method=0, size=6)
one("stored-size-small", "zip.size", method=0, size=4)
one("stored-crc", "zip.crc", method=0, crc=1)
one("deflated-crc", "zip.crc", crc=1)
one("deflated-size-small", "zip.data", size=4)
one("deflated-size-large", "zip.data", size=6)
one("deflated-size-zero", "zip.data", size=0)
one("deflated-cut", "zip.data", data=raw_deflate(b"hello" * 100)[:-2], content=b"hello" * 100)
one("deflated-and-more", "zip.data", data=raw_deflate(b"hello") + b"more")
one("deflated-two-streams", "zip.data", data=raw_deflate(b"hello") + raw_deflate(b"again"))
one("deflated-garbage", "zip.data", data=b"\xff" * 20)
one("deflated-empty", "zip.data", data=b"")
one("deflated-large-cut", "zip.data", data=raw_deflate(bytes(range(256)) * 20000)[:-9],
    content=bytes(range(256)) * 20000)
one("deflated-large-and-more", "zip.data", data=raw_deflate(bytes(range(256)) * 20000) + b"m",
    content=bytes(range(256)) * 20000)
one("deflated-large-crc", "zip.crc", content=bytes(range(256)) * 20000, crc=7)

# --- bombs ----------------------------------------------------------------------------------------
ZEROS = raw_deflate(bytes(50 << 20), 9)
one("bomb-ratio", "zip.ratio", data=ZEROS, size=50 << 20, crc=0)
one("bomb-ratio-lie", "zip.data", data=ZEROS, size=5000, crc=0)
one("bomb-ratio-zip64", "zip.ratio", data=ZEROS, size=FULL32, compressed=FULL32, crc=0,
    extra=extra(1, struct.pack("<QQ", 1 << 50, len(ZEROS))))
case("bomb-overlap", "zip.overlap", archive(
    Entry(b"0", data=ZEROS, size=50 << 20), *[Entry(b"%d" % i, data=b"", size=50 << 20, compressed=len(ZEROS), offset=0)
                                               for i in range(1, 200)]))
HALF = raw_deflate(bytes(1 << 20) + bytes(range(256)) * 30, 9)
one("bomb-total", "file.limit_exceeded", method=8, data=bytes(9 << 20), size=FULL32, compressed=FULL32, crc=0,
    extra=extra(1, struct.pack("<QQ", 9_000_000_000, 9 << 20)))
# Nested: this layer expands one layer only, and each is paid for; the inner bomb stays an entry.
case("bomb-nested", "ok", archive(Entry(b"inner.zip", archive(Entry(data=ZEROS, size=50 << 20, crc=0)), 8)))
case("bomb-entries", "file.limit_exceeded", archive(*[Entry(b"%d" % i, b"", 0) for i in range(200001)], wide={}))


def main():
    for name, _, data, _ in CASES:
        with open("%s/%s.zip" % (sys.argv[1], name), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
