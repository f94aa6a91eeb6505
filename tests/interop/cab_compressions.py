#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LZX and Quantum cabinets of our own encoders: others read them, and what we sign in them: cab_compressions.py"""
import os
import random
import shutil
import subprocess
import unittest

import authenticode
import installer
import lzx
import needs
import quantum

TOOLS = ["cabextract", "7z", "gcab", "osslsigncode", "x86_64-w64-mingw32-gcc"]
READERS = (["cabextract", "-q", "-p"], ["7z", "x", "-so"])
MSZIP, QUANTUM, LZX = 1, 2, 3
DEEP = b"""<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><cab-file>
<pe-file path="app.exe"><authenticode-sign/></pe-file><authenticode-sign/></cab-file></artifact-configuration>"""


def prose(seed, size):
    """Words, calls and runs, as programs have them."""
    r, out = random.Random(seed), bytearray()
    words = [r.randbytes(r.randrange(2, 12)) for _ in range(200)]
    while len(out) < size:
        out += r.choice(words)
        if r.random() < 0.1:
            out += b"\xe8" + r.randrange(-60000, 60000).to_bytes(4, "little", signed=True)
        if r.random() < 0.05:
            out += bytes([r.randrange(256)]) * r.randrange(300)
    return bytes(out[:size])


def expanded(reader, path):
    """What another program reads, all files after each other; None when it complains."""
    done = subprocess.run([*reader, path], capture_output=True, timeout=300)
    return done.stdout if done.returncode == 0 else None


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.b = authenticode.Bench()
        cls.b.__enter__()
        cls.addClassCleanup(cls.b.__exit__, None, None, None)
        cls.b.put("config.xml", DEEP)
        installer.program(cls.b.folder, "app.exe", 1)
        with open(cls.b.path("app.exe"), "rb") as f:
            cls.exe = f.read()

    def deep(self, source):
        b, out = self.b, self.b.path("out.cab")
        if os.path.exists(out):
            os.remove(out)
        done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--config", b.path("config.xml"), "-o", out, source)
        self.assertNotIn(b"Sanitizer", done.stderr)
        self.assertEqual(os.path.exists(out), done.returncode == 0)
        return done, out

    def extracted(self, *command):
        """The files that a program leaves in a folder."""
        shutil.rmtree(self.b.path("files"), ignore_errors=True)
        os.mkdir(self.b.path("files"))
        self.assertEqual(subprocess.run(command, cwd=self.b.path("files"), capture_output=True).returncode, 0, command)
        found = {}
        for name in os.listdir(self.b.path("files")):
            with open(os.path.join(self.b.path("files"), name), "rb") as f:
                found[name] = f.read()
        return found

    def good(self, folders, cab, readers=READERS, kind=LZX):
        """Everybody reads the same, before and after the program in it is signed."""
        source, files = self.b.put("in.cab", cab), [f for folder in folders for f in folder]
        for reader in readers:
            self.assertEqual(expanded(reader, source), b"".join(data for _, data in files), reader)
        if kind == LZX:  # gcab knows no Quantum
            self.assertEqual(self.extracted("gcab", "-x", source), dict(files))
        done, out = self.deep(source)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.b.accepted(out))
        with open(out, "rb") as f:
            head = f.read(100)
        kinds = [head[60 + 8 * i + 6] & 15 for i in range(len(folders))]  # behind a reserve of 20 bytes and its sizes
        self.assertEqual(kinds, [MSZIP if any(name == "app.exe" for name, _ in folder) else kind for folder in folders])
        for name, data in self.extracted("cabextract", "-q", out).items():
            if name == "app.exe":
                self.assertNotEqual(data, self.exe)
                self.assertTrue(self.b.accepted(os.path.join(self.b.path("files"), name)))
            else:
                self.assertEqual(data, dict(files)[name], name)

    def refused(self, what, folder, code=b"cab.malformed", readers=READERS):
        source = self.b.put("bad.cab", lzx.cabinet([folder]))
        done = self.deep(source)[0]
        self.assertNotEqual(done.returncode, 0, what)
        self.assertIn(code, done.stderr, what)
        for reader in readers:
            self.assertIsNone(expanded(reader, source), (what, reader))


class Lzx(Case):
    def test_every_form_of_block(self):
        some, more = prose(1, 50000), prose(2, 40001)
        folders = [[("a.dat", some), ("app.exe", self.exe), ("b.dat", b"tail")], [("c.dat", more), ("empty", b"")]]
        cases = [
            dict(kinds=(lzx.VERBATIM,), sizes=(32768,)),
            dict(kinds=(lzx.VERBATIM,), sizes=(1, 50000)),
            dict(kinds=(lzx.ALIGNED,), sizes=(70001,), calls=12000000),
            dict(kinds=(lzx.PLAIN,), sizes=(65536,), calls=12000000),
            dict(kinds=(lzx.VERBATIM, lzx.ALIGNED, lzx.PLAIN), sizes=(20000, 30001, 4096, 1, 3), calls=100000),
        ]
        for i, case in enumerate(cases):
            window = (15, 16, 18, 21, 15)[i]
            seen = {}
            cab = lzx.cabinet([lzx.folder(window, f, seen=seen, **case) for f in folders])
            for form in ("literal", "match", "r0", "r1", "r2", "long") if case["kinds"] != (lzx.PLAIN,) else ("plain",):
                self.assertGreater(seen[form], 0, (form, case))
            self.assertEqual(seen["aligned"] > 0, lzx.ALIGNED in case["kinds"])
            self.assertEqual(seen["call"] > 0, "calls" in case)
            self.good(folders, cab)

    def test_matches_across_the_largest_window(self):
        start, kinds = prose(3, 20000), (lzx.VERBATIM, lzx.PLAIN, lzx.ALIGNED)
        for window in (15, 18, 21):
            between = random.Random(window).randbytes((1 << window) - len(start) - 3)
            files, far = [("a.dat", start), ("b.dat", between), ("c.dat", start), ("app.exe", self.exe)], []
            folder = lzx.folder(window, files, kinds, (len(start), len(between), 1 << 20), lie=lambda t: far.append(t) or t)
            self.assertEqual(max(lzx.BASE[slot] + extra - 2 for slot, extra, _ in far if slot > 2), (1 << window) - 3)
            self.good([files], lzx.cabinet([folder]), READERS[:1])  # p7zip 16.02 reads this one distance wrong

    def test_what_grows_much_has_room(self):
        """MSZIP sees 32 KiB back, LZX 2 MiB: the folder becomes eight times as long."""
        noise = random.Random(7).randbytes(600000)
        files = [("a.dat", noise), ("b.dat", noise * 7), ("app.exe", self.exe)]
        folder = lzx.folder(21, files, (lzx.PLAIN, lzx.VERBATIM), (len(noise), 1 << 23))
        cab = lzx.cabinet([folder])
        self.assertLess(len(cab), 1200000)
        self.good([files], cab)

    def test_what_no_compressor_writes_is_refused(self):
        files = [("a.dat", prose(4, 40000)), ("app.exe", self.exe)]
        size = sum(len(data) for _, data in files)

        def bent(tree, change):
            done = []

            def bend(name, lengths):
                if name == tree and not done:
                    done.append(change(lengths))
                return lengths
            return dict(bend=bend, kinds=(lzx.ALIGNED,))

        def longer(lengths):
            lengths[lengths.index(max(lengths))] = 1

        def fewer(lengths):
            lengths[lengths.index(max(lengths))] = 0

        def none(lengths):
            lengths[:] = [0] * len(lengths)

        once = []
        first = lambda token: token if once or once.append(1) else (30, 0, token[2])
        cases = {
            "pre tree with too many codes": bent("pre", longer),
            "pre tree with too few codes": bent("pre", fewer),
            "pre tree without codes": bent("pre", none),
            "main tree with too many codes": bent("main", longer),
            "main tree with too few codes": bent("main", fewer),
            "length tree with too many codes": bent("length", longer),
            "length tree with too few codes": bent("length", fewer),
            "length tree without the codes in use": bent("length", none),
            "aligned tree with too many codes": bent("aligned", longer),
            "aligned tree with too few codes": bent("aligned", fewer),
            "aligned tree without codes": bent("aligned", none),
            "block of kind 0": dict(kinds=(0,)),
            "block of kind 4": dict(kinds=(4,)),
            "block of kind 7": dict(kinds=(lzx.VERBATIM, 7)),
            "blocks shorter than what is in them": dict(stated=1),
            "match from before the beginning": dict(lie=first),
            "stored block with huge distances": dict(kinds=(lzx.PLAIN, lzx.VERBATIM), sizes=(64, 1 << 20),
                                                     distances=(1 << 31, 1 << 31, 1 << 31)),
        }
        for what, how in cases.items():
            self.refused(what, lzx.folder(16, files, **how))
        kind, frames, table = lzx.folder(16, files)
        for window in (0, 14, 15, 17, 21, 22, 31):
            self.refused("window of %d bits" % window, (LZX | window << 8, frames, table))
        for cut in (2, len(frames[1][0]) // 2):
            short = [frames[0], (frames[1][0][:-cut], frames[1][1])] + frames[2:]
            self.refused("a block cut by %d" % cut, (kind, short, table))


class Quantum(Case):
    def test_every_form_of_symbol_and_every_window(self):
        some, more = prose(5, 70000) + bytes(600), prose(6, 30001)
        folders = [[("a.dat", some), ("app.exe", self.exe), ("b.dat", b"tail")], [("c.dat", more), ("empty", b"")]]
        for window in (10, 15, 21):
            seen = {}
            cab = lzx.cabinet([quantum.folder(window, f, seen) for f in folders])
            for form, count in seen.items():
                self.assertGreater(count, 0, (form, window))
            self.good(folders, cab, kind=QUANTUM)
        self.good(folders, lzx.cabinet([quantum.folder(16, f, matches=False) for f in folders]), kind=QUANTUM)

    def test_what_no_compressor_writes_is_refused(self):
        files = [("a.dat", prose(7, 40000)), ("app.exe", self.exe)]
        kind, frames, table = quantum.folder(16, files)
        for window in (0, 9, 22, 31):
            self.refused("window of %d bits" % window, (QUANTUM | 1 << 4 | window << 8, frames, table))
        self.refused("a match from before the beginning", quantum.folder(16, files, lie=lambda slot: 23))
        half = frames[1][0][:len(frames[1][0]) // 2]
        self.refused("a block cut in half", (kind, [frames[0], (half, frames[1][1])] + frames[2:], table))


if __name__ == "__main__":
    needs.main(TOOLS)
