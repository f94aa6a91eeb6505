#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ZIP files of other programs through our reader and repacker, and ours through theirs:
zip_interop.py PATH_OF_zip_tool. A program that is not installed is said, and its part skipped."""
import io
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

TOOL = ""


def have(program):
    return shutil.which(program) is not None


def ours(*args, fails=False):
    done = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, timeout=300)
    if (done.returncode != 0) != fails or done.returncode not in (0, 1):
        raise AssertionError("%s: exit %d\n%s%s" % (args, done.returncode, done.stdout, done.stderr))
    return done.stdout if not fails else done.stderr


def theirs(*args, cwd=None, env=None):
    done = subprocess.run(args, capture_output=True, cwd=cwd, timeout=300,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    if done.returncode != 0:
        raise AssertionError("%s: exit %d\n%r%r" % (args, done.returncode, done.stdout[-2000:], done.stderr[-2000:]))
    return done.stdout


def listed(path):
    rows = [line.split(" ", 3) for line in ours("list", path).splitlines()]
    return [row[3] for row in rows]


class NotSeekable(io.RawIOBase):
    """Makes zipfile write data descriptors."""

    def __init__(self, f):
        self.f = f

    def writable(self):
        return True

    def write(self, data):
        return self.f.write(data)


class Zip(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.tree = self.path("tree")
        os.makedirs(self.path("tree/sub/deep"))
        make = random.Random(5)
        self.files = {
            "a.txt": b"hello " * 1000, "empty": b"", "random.bin": make.randbytes(100000),
            "sub/b.dll": make.randbytes(2000) * 50, "sub/deep/gr\u00fc\u00dfe.txt": b"umlaut",
            "sub/\u65e5\u672c.exe": b"MZ" + make.randbytes(5000),
            "large.bin": (make.randbytes(70000) + bytes(30000)) * 50}
        for name, data in self.files.items():
            with open(os.path.join(self.tree, name), "wb") as f:
                f.write(data)

    def path(self, name):
        return os.path.join(self.folder, name)

    # ours reads and repacks what others made
    def accept(self, path):
        ours("check", path)
        names = listed(path)
        index = {n: i for i, n in enumerate(names)}
        for name, data in self.files.items():
            self.assertIn(name, index)
            ours("cat", path, index[name], self.path("cat"))
            with open(self.path("cat"), "rb") as f:
                self.assertEqual(f.read(), data, name)
        same, new = self.path("same.zip"), self.path("new.zip")
        ours("repack", path, same, self.path("scratch"))
        with open(path, "rb") as a, open(same, "rb") as b:
            self.assertEqual(a.read(), b.read(), "nothing changed, so no byte may change")
        with open(self.path("content"), "wb") as f:
            f.write(b"signed " * 3000)
        changes = ["replace", index["sub/b.dll"], self.path("content"),
                   "replace", index["a.txt"], self.path("content"),
                   "add", "sub/b.dll.sig", self.path("content"), index["sub/b.dll"],
                   "add", "\u00fc.sig", self.path("content"), "-"]
        ours("repack", path, new, self.path("scratch"), *changes)
        ours("repack", path, self.path("again.zip"), self.path("scratch"), *changes)
        with open(new, "rb") as a, open(self.path("again.zip"), "rb") as b:
            self.assertEqual(a.read(), b.read(), "byte-stable")
        ours("check", new)
        ours("compare", path, new, index["sub/b.dll"], index["a.txt"])
        self.assertIn("zip.changed", ours("compare", path, new, index["a.txt"], fails=True))
        self.verify(new, {**self.files, "sub/b.dll": b"signed " * 3000, "a.txt": b"signed " * 3000,
                          "sub/b.dll.sig": b"signed " * 3000, "\u00fc.sig": b"signed " * 3000}, path)
        ours("repack", path, self.path("less.zip"), self.path("scratch"), "remove", index["large.bin"])
        ours("check", self.path("less.zip"))
        theirs("unzip", "-tqq", self.path("less.zip"))

    # others read what ours made
    def verify(self, path, files, before=None):
        with zipfile.ZipFile(path) as z:
            self.assertIsNone(z.testzip())
            if before:
                with zipfile.ZipFile(before) as old:
                    for a, b in zip(old.infolist(), z.infolist()):
                        for field in ("orig_filename", "date_time", "external_attr", "internal_attr", "compress_type",
                                      "create_system", "comment", "flag_bits"):
                            self.assertEqual(getattr(a, field), getattr(b, field), (a, field))
                    self.assertEqual(old.comment, z.comment)
        theirs("unzip", "-tqq", path)
        theirs("zip", "-T", path)
        if have("bsdtar"):
            out = self.path("bsdtar-out")
            os.makedirs(out, exist_ok=True)
            theirs("bsdtar", "-xf", path, "-C", out)
            self.same_tree(out, files)
        if have("7z"):
            theirs("7z", "t", path)
        if have("jar"):
            out = self.path("jar-out")
            os.makedirs(out, exist_ok=True)
            theirs("jar", "xf", path, cwd=out)
            self.same_tree(out, files, ascii_only=True)

    def same_tree(self, folder, files, ascii_only=False):
        for name, data in files.items():
            if ascii_only and not name.isascii():
                continue  # names without flag 11 are read in other character sets there
            place = os.path.join(folder, name)
            if not name.isascii() and not os.path.exists(place):
                continue
            with open(place, "rb") as f:
                self.assertEqual(f.read(), data, name)
        shutil.rmtree(folder)

    def test_info_zip(self):
        theirs("zip", "-qr", self.path("x.zip"), ".", cwd=self.tree)
        self.accept(self.path("x.zip"))

    def test_edited_streams(self):
        """Content that was signed: its stream is edited, not compressed again."""
        for level in "169":
            path, out = self.path(level + ".zip"), self.path(level + "-signed.zip")
            theirs("zip", "-qr", "-" + level, path, ".", cwd=self.tree)
            index = {n: i for i, n in enumerate(listed(path))}
            signed, changes = dict(self.files), []
            for name in ("sub/b.dll", "random.bin", "a.txt"):
                data = bytearray(self.files[name])
                data[100:108] = b"checksum"
                signed[name] = bytes(data) + random.Random(7).randbytes(3000)
                content = self.path("content-%d" % index[name])
                with open(content, "wb") as f:
                    f.write(signed[name])
                changes.append(("replace", index[name], content))
            changes.sort(key=lambda c: c[1])
            ours("repack", path, out, self.path("scratch"), *[x for c in changes for x in c])
            ours("compare", path, out, *[c[1] for c in changes])
            self.verify(out, signed, path)

    def test_info_zip_stored_without_folders(self):
        theirs("zip", "-qr0D", self.path("x.zip"), ".", cwd=self.tree)
        self.accept(self.path("x.zip"))

    def test_info_zip_streamed(self):
        data = theirs("sh", "-c", "zip -qr - . | cat", cwd=self.tree)
        with open(self.path("x.zip"), "wb") as f:
            f.write(data)
        self.accept(self.path("x.zip"))

    def test_info_zip_forced_zip64(self):
        theirs("zip", "-qr", "-fz", self.path("x.zip"), ".", cwd=self.tree)
        self.accept(self.path("x.zip"))

    def test_info_zip_of_a_pipe_is_a_device(self):
        data = theirs("sh", "-c", "cat a.txt | zip -q - - | cat", cwd=self.tree)
        with open(self.path("x.zip"), "wb") as f:
            f.write(data)
        self.assertIn("zip.device", ours("check", self.path("x.zip"), fails=True))

    def test_info_zip_escaped_names(self):
        theirs("zip", "-qr", self.path("x.zip"), ".", cwd=self.tree, env={"LC_ALL": "C"})
        ours("check", self.path("x.zip"))

    def test_info_zip_comments(self):
        theirs("sh", "-c", "echo archive comment | zip -qrz ../x.zip .", cwd=self.tree)
        self.accept(self.path("x.zip"))

    def python(self, method, streamed=False, force=False):
        with open(self.path("x.zip"), "wb") as f:
            with zipfile.ZipFile(NotSeekable(f) if streamed else f, "w", method) as z:
                for name, data in self.files.items():
                    info = zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6))
                    info.compress_type, info.external_attr = method, 0o100644 << 16
                    with z.open(info, "w", force_zip64=force) as entry:
                        entry.write(data)
        self.accept(self.path("x.zip"))

    def test_python(self):
        self.python(zipfile.ZIP_DEFLATED)

    def test_python_stored(self):
        self.python(zipfile.ZIP_STORED)

    def test_python_zip64(self):
        self.python(zipfile.ZIP_DEFLATED, force=True)

    def test_python_streamed(self):
        self.python(zipfile.ZIP_DEFLATED, streamed=True)

    def test_python_streamed_zip64(self):
        self.python(zipfile.ZIP_DEFLATED, streamed=True, force=True)

    @unittest.skipUnless(have("bsdtar"), "bsdtar is not installed")
    def test_bsdtar(self):
        theirs("bsdtar", "--format", "zip", "-cf", self.path("x.zip"), ".", cwd=self.tree)
        self.accept(self.path("x.zip"))

    @unittest.skipUnless(have("bsdtar"), "bsdtar is not installed")
    def test_bsdtar_names(self):
        theirs("bsdtar", "--format", "zip", "-cf", self.path("x.zip"), *os.listdir(self.tree), cwd=self.tree)
        self.accept(self.path("x.zip"))

    @unittest.skipUnless(have("7z"), "7z is not installed")
    def test_7z(self):
        theirs("7z", "a", "-tzip", self.path("x.zip"), ".", cwd=self.tree)
        self.accept(self.path("x.zip"))

    @unittest.skipUnless(have("jar"), "jar is not installed")
    def test_jar(self):
        theirs("jar", "cf", self.path("x.zip"), "-C", self.tree, ".")
        self.accept(self.path("x.zip"))

    @unittest.skipUnless(have("jar"), "jar is not installed")
    def test_jar_stored(self):
        theirs("jar", "cf0", self.path("x.zip"), "-C", self.tree, ".")
        self.accept(self.path("x.zip"))

    def test_ours_from_nothing(self):
        pairs = [x for name in self.files for x in (name, os.path.join(self.tree, name))]
        ours("create", self.path("x.zip"), self.path("scratch"), *pairs)
        self.verify(self.path("x.zip"), self.files)
        self.accept(self.path("x.zip"))

    def test_ours_empty(self):
        ours("create", self.path("x.zip"), self.path("scratch"))
        ours("check", self.path("x.zip"))
        with zipfile.ZipFile(self.path("x.zip")) as z:
            self.assertEqual(z.namelist(), [])

    def test_more_than_65535_entries(self):
        with zipfile.ZipFile(self.path("x.zip"), "w") as z:
            for i in range(65540):
                z.writestr("%d" % i, b"")
        self.assertEqual(len(listed(self.path("x.zip"))), 65540)
        with open(self.path("content"), "wb") as f:
            f.write(b"new")
        ours("repack", self.path("x.zip"), self.path("y.zip"), self.path("s"), "replace", 65539, self.path("content"))
        ours("check", self.path("y.zip"))
        with zipfile.ZipFile(self.path("y.zip")) as z:
            self.assertEqual(len(z.namelist()), 65540)
            self.assertEqual(z.read("65539"), b"new")

    def sparse(self, path, size):
        """A stored entry of `size` zeros as a hole, one entry behind it, offsets in zip64."""
        crc = 0
        import zlib
        block = bytes(1 << 24)
        for done in range(0, size, len(block)):
            crc = zlib.crc32(block[:min(len(block), size - done)], crc)
        extra = struct.pack("<HHQQ", 1, 16, size, size)
        local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 0x21, crc, 0xFFFFFFFF, 0xFFFFFFFF, 4, 20)
        small = struct.pack("<IHHHHHIIIHH", 0x04034B50, 10, 0, 0, 0, 0x21, 0x3610A686, 5, 5, 1, 0) + b"bhello"
        with open(path, "wb") as f:
            f.write(local + b"zero" + extra)
            f.seek(size, 1)
            second = f.tell()
            f.write(small)
            directory = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x314, 45, 0, 0, 0, 0x21, crc, 0xFFFFFFFF,
                                    0xFFFFFFFF, 4, 20, 0, 0, 0, 0, 0) + b"zero" + extra
            directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x314, 45, 0, 0, 0, 0x21, 0x3610A686, 5, 5,
                                     1, 12, 0, 0, 0, 0, 0xFFFFFFFF) + b"b" + struct.pack("<HHQ", 1, 8, second)
            at = f.tell()
            f.write(directory)
            f.write(struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 2, 2, len(directory), at))
            f.write(struct.pack("<IIQI", 0x07064B50, 0, at + len(directory), 1))
            f.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 2, 2, len(directory), 0xFFFFFFFF, 0))

    @unittest.skipUnless(os.environ.get("CHANCERY_LARGE"), "4 GiB of disk: set CHANCERY_LARGE=1")
    def test_more_than_4_gib(self):
        self.sparse(self.path("x.zip"), (1 << 32) + 1000)
        ours("check", self.path("x.zip"))
        with open(self.path("content"), "wb") as f:
            f.write(b"new")
        ours("repack", self.path("x.zip"), self.path("y.zip"), self.path("s"), "replace", 1, self.path("content"))
        ours("compare", self.path("x.zip"), self.path("y.zip"), 1)
        with zipfile.ZipFile(self.path("y.zip")) as z:
            self.assertEqual(z.read("b"), b"new")
        ours("repack", self.path("x.zip"), self.path("y.zip"), self.path("s"), "replace", 0, self.path("content"))
        with zipfile.ZipFile(self.path("y.zip")) as z:
            self.assertEqual([z.read("zero"), z.read("b")], [b"new", b"hello"])
        theirs("unzip", "-tqq", self.path("y.zip"))
        os.truncate(self.path("content"), (1 << 32) + 5)
        with zipfile.ZipFile(self.path("small.zip"), "w", zipfile.ZIP_STORED) as z:
            z.writestr("a", b"1")
            z.writestr("b", b"2")
        ours("repack", self.path("small.zip"), self.path("y.zip"), self.path("s"), "replace", 0, self.path("content"))
        ours("check", self.path("y.zip"))
        with zipfile.ZipFile(self.path("y.zip")) as z:
            self.assertEqual(z.getinfo("a").file_size, (1 << 32) + 5)
            self.assertEqual(z.read("b"), b"2")


if __name__ == "__main__":
    TOOL = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
