#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cabinets made by gcab, signed by the command line, against osslsigncode, gcab and cabextract: cab_interop.py"""
import os
import subprocess
import unittest
import zipfile

import authenticode
import needs

TOOLS = ["gcab", "cabextract", "osslsigncode", "x86_64-w64-mingw32-gcc"]


def run(*args, cwd=None):
    return subprocess.run(list(map(str, args)), cwd=cwd, capture_output=True, timeout=300)


def make(b, name, compressed, files):
    for path, data in files.items():
        b.put(path, data)
    done = run("gcab", "-c", *(["-z"] if compressed else []), name, *files, cwd=b.folder)
    assert done.returncode == 0, done.stderr
    return b.path(name)


def contents(path):
    """What cabextract reads, all files after each other."""
    done = run("cabextract", "-q", "-p", path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program(b):
    b.put("a.c", b"int main(void) { return 0; }\n")
    assert run("x86_64-w64-mingw32-gcc", "-o", b.path("app.exe"), b.path("a.c")).returncode == 0
    with open(b.path("app.exe"), "rb") as f:
        return f.read()


class Cabinets(unittest.TestCase):
    def whole(self, path):
        self.assertEqual(run("gcab", "-t", path).returncode, 0)
        self.assertEqual(run("cabextract", "-t", path).returncode, 0)

    def test_signed_and_accepted(self):
        with authenticode.Bench() as b:
            for compressed in (False, True):
                source = make(b, "a.cab", compressed, {"one.txt": b"one" * 30000, "two.bin": os.urandom(100000), "e": b""})
                for algorithm in ("sha256", "sha384", "sha512"):
                    b.sign(source, b.path("signed.cab"), algorithm, stamp=True)
                    self.assertTrue(b.accepted(b.path("signed.cab")) and b.valid(b.path("signed.cab")))
                    self.assertEqual(contents(source), contents(b.path("signed.cab")))
                    self.whole(b.path("signed.cab"))

    def test_a_flipped_byte_is_seen(self):
        with authenticode.Bench() as b:
            source = make(b, "a.cab", True, {"one.txt": b"one" * 300})
            b.sign(source, b.path("signed.cab"))
            with open(b.path("signed.cab"), "rb") as f:
                data = f.read()
            for at in list(range(60, 68)) + [90, os.path.getsize(source) + 20]:
                bad = b.put("bad.cab", data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
                self.assertFalse(b.valid(bad), at)

    def test_a_foreign_signature_is_replaced_and_extended(self):
        with authenticode.Bench() as b, authenticode.Bench() as other:
            source = make(b, "a.cab", True, {"one.txt": b"one"})
            self.assertEqual(run("osslsigncode", "sign", "-certs", other.certificate, "-key", other.key, "-h", "sha256",
                                 "-in", source, "-out", b.path("theirs.cab")).returncode, 0)
            self.assertTrue(b.valid(b.path("theirs.cab"), roots=other.certificate))
            b.sign(b.path("theirs.cab"), b.path("ours.cab"))
            self.assertTrue(b.accepted(b.path("ours.cab")) and b.valid(b.path("ours.cab")))

    def test_programs_inside_of_a_cabinet_inside_of_a_zip(self):
        with authenticode.Bench() as b:
            exe, other = program(b), os.urandom(70000)
            for compressed in (False, True):
                cab = make(b, "a.cab", compressed, {"x.dat": other, "app.exe": exe, "y.dat": other[:5000]})
                with zipfile.ZipFile(b.path("a.zip"), "w") as z:
                    z.write(cab, "a.cab")
                b.put("a.xml", b"""<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><zip-file>
<cab-file path="a.cab"><pe-file path="app.exe"><authenticode-sign/></pe-file><authenticode-sign/></cab-file></zip-file>
</artifact-configuration>""")
                done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--config", b.path("a.xml"), "--force", "-o",
                                  b.path("out.zip"), b.path("a.zip"))
                self.assertEqual(done.returncode, 0, done.stderr)
                with zipfile.ZipFile(b.path("out.zip")) as z:
                    z.extract("a.cab", b.path("out"))
                inner = os.path.join(b.path("out"), "a.cab")
                self.assertTrue(b.accepted(inner))
                self.whole(inner)
                self.assertEqual(run("cabextract", "-q", "-d", b.path("files"), inner).returncode, 0)
                self.assertTrue(b.accepted(os.path.join(b.path("files"), "app.exe")))
                with open(os.path.join(b.path("files"), "x.dat"), "rb") as f:
                    self.assertEqual(f.read(), other)


if __name__ == "__main__":
    needs.main(TOOLS)
