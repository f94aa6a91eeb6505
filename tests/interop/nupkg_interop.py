#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NuGet packages signed by the command line, against `dotnet nuget verify` and a calculation of the content hash
written apart from ours: nupkg_interop.py

Where a .NET SDK is installed: its verify has to accept without a warning, and with a copy of its list of roots that
holds only ours. It signs too, as author and (through its libraries) as repository; that is for us to judge.
"""
import base64
import hashlib
import io
import os
import random
import struct
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import authenticode
import dotnet
import installer

NUSPEC = """<?xml version="1.0"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd"><metadata><id>Sample</id>
<version>1.2.3</version><authors>A</authors><description>D</description></metadata></package>"""
CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><nupkg-file><pe-file path="lib/net6.0/a.dll">
<authenticode-sign/></pe-file><nuget-sign/></nupkg-file></artifact-configuration>"""
UNSTAMPED = "NU3027"


def package(extra=()):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("Sample.nuspec", NUSPEC)
        z.writestr("lib/net6.0/a.txt", "some text " * 100)
        for name, data in extra:
            z.writestr(name, data)
    return out.getvalue()


def without_signature(data):
    """The package as it was: the entry cut out, places and counts put back."""
    end = data.rindex(b"PK\5\6")
    count, _, directory = struct.unpack_from("<HII", data, end + 10)
    records, at = [], directory
    for _ in range(count):
        lengths = struct.unpack_from("<HHH", data, at + 28)
        size = 46 + sum(lengths)
        records.append(data[at:at + size])
        at += size
    mine = [r for r in records if r[46:46 + 14] == b".signature.p7s"][0]
    start, = struct.unpack_from("<I", mine, 42)
    rest = b"".join(r for r in records if r is not mine)
    tail = bytearray(data[end:])
    struct.pack_into("<HHII", tail, 8, count - 1, count - 1, len(rest), start)
    return data[:start] + rest + bytes(tail)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class Packages(unittest.TestCase):
    def test_signed_package(self):
        data = package()
        with authenticode.Bench() as b:
            source, signed = b.put("a.nupkg", data), b.path("signed.nupkg")
            b.sign(source, signed, stamp=True)
            self.assertTrue(b.valid(signed))
            with open(signed, "rb") as f:
                out = f.read()
            self.assertEqual(without_signature(out), data)
            with zipfile.ZipFile(io.BytesIO(out)) as z:
                info = z.infolist()[-1]
                self.assertEqual((info.filename, info.compress_type, info.external_attr), (".signature.p7s", 0, 0))
                message = z.read(info)
            said = subprocess.run(["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", b.certificate,
                                   "-purpose", "any"], input=message, capture_output=True)
            self.assertEqual(said.returncode, 0, said.stderr)
            want = base64.b64encode(hashlib.sha256(data).digest()).decode()
            self.assertEqual(said.stdout.decode(), "Version:1\n\n2.16.840.1.101.3.4.2.1-Hash:%s\n\n" % want)

    def test_one_flipped_byte(self):
        with authenticode.Bench() as b:
            signed = b.path("signed.nupkg")
            b.sign(b.put("a.nupkg", package()), signed)
            with open(signed, "rb") as f:
                out = f.read()
            stored = out.index(b"PK\1\2") + 12  # the time of the first entry
            broken = b.put("broken.nupkg", out[:stored] + bytes([out[stored] ^ 2]) + out[stored + 1:])
            self.assertFalse(b.valid(broken))
            for at in range(30, out.index(b".signature.p7s"), 97):
                broken = b.put("broken.nupkg", out[:at] + bytes([out[at] ^ 1]) + out[at + 1:])
                self.assertFalse(b.valid(broken), at)
            other = bytearray(out)  # the same change in both headers: a well-formed package, of another content
            for sign, place in ((b"PK\3\4", 10), (b"PK\1\2", 12)):
                other[other.index(sign) + place] ^= 2
            broken = b.put("broken.nupkg", bytes(other))
            self.assertFalse(b.valid(broken))

    def test_refusals_say_why(self):
        with authenticode.Bench() as b, authenticode.Bench("ec", ["-pkeyopt", "ec_paramgen_curve:P-256"]) as ec:
            source, signed = b.put("a.nupkg", package()), b.path("signed.nupkg")
            b.sign(source, signed)
            self.assertIn("author signature already", b.refused(signed) or "")
            self.assertIn("RSA", ec.refused(source) or "")


@unittest.skipIf(dotnet.missing(), dotnet.missing())
class DotNet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.b = authenticode.Bench(issued=True)
        cls.b.__enter__()
        cls.addClassCleanup(cls.b.__exit__)
        cls.sdk = dotnet.Sdk(cls.b.roots, cls.b.tsa.ca)
        cls.addClassCleanup(cls.sdk.__exit__)
        cls.source = cls.b.put("source.nupkg", package())

    def repository(self):
        """A program of the SDK's libraries that signs as repositories do."""
        program = dotnet.Program("nuget_repository")
        self.addCleanup(program.__exit__)
        program.trust(self.b.roots, self.b.tsa.ca)
        return program

    def accepted_by_all(self, path, kind):
        good, _, said = self.sdk.verify(path)
        self.assertTrue(good, said)
        self.assertIn("Signature type: " + kind, said)
        self.assertTrue(self.b.valid(path), path)

    def test_accepts_ours(self):
        signed = self.b.path("signed.nupkg")
        for hash_name in ("sha256", "sha512"):  # of the time stamp; the package's is SHA-256 always
            self.b.sign(self.source, signed, stamp=True, hash_name=hash_name)
            self.accepted_by_all(signed, "Author")
        self.b.sign(self.source, signed)
        good, codes, said = self.sdk.verify(signed)
        self.assertEqual((good, codes), (False, {UNSTAMPED}), said)
        self.assertIn("Successfully verified", said)

    def test_refuses_what_we_refuse(self):
        signed = self.b.path("whole.nupkg")
        self.b.sign(self.source, signed, stamp=True)
        with open(signed, "rb") as f:
            data = f.read()
        end = data.index(b".signature.p7s") + 14
        message = data.index(b"PK\1\2") - end
        places = random.Random(1).sample(range(end - 44), 4) + random.Random(2).sample(range(end, end + message // 4), 2)
        places.append(data.index(b"PK\1\2") + 12)
        for at in places:
            broken = self.b.put("broken.nupkg", flipped(data, at))
            good, _, said = self.sdk.verify(broken)
            self.assertEqual((good, self.b.valid(broken)), (False, False), (at, said))
        other = bytearray(data)  # the same change in both headers: a well-formed package, of another content
        for sign, place in ((b"PK\3\4", 10), (b"PK\1\2", 12)):
            other[other.index(sign) + place] ^= 2
        broken = self.b.put("broken.nupkg", bytes(other))
        self.assertIn("NU3008", self.sdk.verify(broken)[1])
        self.assertFalse(self.b.valid(broken))

    def test_programs_inside(self):
        with zipfile.ZipFile(self.source) as z:
            entries = [(n, z.read(n)) for n in z.namelist()]
        installer.program(self.b.folder, "library.dll", 1, shared=True)
        with open(self.b.path("library.dll"), "rb") as f:
            library = f.read()
        source, signed = self.b.path("deep.nupkg"), self.b.path("deep-signed.nupkg")
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as z:
            for name, content in entries + [("lib/net6.0/a.dll", library)]:
                z.writestr(name, content)
        self.b.sign(source, signed, stamp=True, options=["--config", self.b.put("c.xml", CONFIGURATION.encode())])
        self.accepted_by_all(signed, "Author")
        with zipfile.ZipFile(signed) as z:
            self.assertTrue(self.b.accepted(self.b.put("a.dll", z.read("lib/net6.0/a.dll"))))

    def test_repositories(self):
        signed, counter, first, again = (self.b.path(n + ".nupkg") for n in ("author", "counter", "repository", "again"))
        program, pfx = self.repository(), self.b.pfx("secret")
        self.b.sign(self.source, signed, stamp=True)
        self.assertEqual(program.run(signed, counter, pfx, "secret", self.b.tsa.url), (0, "signed\n"))
        self.accepted_by_all(counter, "Author")
        self.assertIn("author signature already", self.b.refused(counter) or "")
        said = self.b.chancery("verify", "--json", counter).stdout.decode()
        self.assertIn('"nuget-author"', said)
        self.assertIn('"nuget-repository"', said)
        with open(counter, "rb") as f:
            data = f.read()
        at = data.index(b"https://packages.example")  # inside of what the repository signed
        broken = self.b.put("broken.nupkg", flipped(data, at + 10))
        self.assertEqual((self.sdk.verify(broken)[0], self.b.valid(broken)), (False, False))
        self.assertEqual(program.run(self.source, first, pfx, "secret", self.b.tsa.url), (0, "signed\n"))
        self.accepted_by_all(first, "Repository")
        self.b.sign(first, again, stamp=True)  # the author's comes before it: the repository's is dropped
        self.accepted_by_all(again, "Author")
        self.assertNotIn("nuget-repository", self.b.chancery("verify", "--json", again).stdout.decode())

    def test_its_own_signature(self):
        os.mkdir(self.b.path("theirs"))
        status, said = self.sdk.nuget("sign", self.source, "--certificate-path", self.b.pfx("secret"), "--certificate-password", "secret",
                                      "--timestamper", self.b.tsa.url, "--output", self.b.path("theirs"))
        self.assertEqual(status, 0, said)
        path = self.b.path("theirs/source.nupkg")
        self.accepted_by_all(path, "Author")
        with open(path, "rb") as f:
            data = f.read()
        with open(self.source, "rb") as f:
            self.assertEqual(without_signature(data), f.read())
        self.assertFalse(self.b.valid(self.b.put("broken.nupkg", flipped(data, 60))))


if __name__ == "__main__":
    unittest.main()
