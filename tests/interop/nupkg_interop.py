#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NuGet packages signed by the command line, against `dotnet nuget verify` and a calculation of the content hash
written apart from ours: nupkg_interop.py

dotnet trusts only roots of its own list, so for it a certificate made here ends in NU3012 or NU3018 (chains) and a
time stamp in NU3028; everything else it complains about is our fault.
"""
import base64
import hashlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import authenticode

NUSPEC = """<?xml version="1.0"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd"><metadata><id>Sample</id>
<version>1.2.3</version><authors>A</authors><description>D</description></metadata></package>"""
TRUST_ONLY = {"NU3012", "NU3018", "NU3028", "NU3027", "NU3042", "NU3043"}


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


def dotnet(path):
    """The codes that dotnet gives, or None when there is no SDK."""
    if shutil.which("dotnet") is None:
        return None
    env = dict(os.environ, DOTNET_NOLOGO="1", DOTNET_CLI_TELEMETRY_OPTOUT="1", HOME=os.path.dirname(path),
               DOTNET_CLI_HOME=os.path.dirname(path), DOTNET_GENERATE_ASPNET_CERTIFICATE="false")
    done = subprocess.run(["dotnet", "nuget", "verify", "--all", "-v", "d", path], env=env, capture_output=True, text=True)
    said = done.stdout + done.stderr
    return (set(re.findall(r"\bNU3\d\d\d\b", said)), said)


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
            found = dotnet(signed)
            if found is not None:
                self.assertIn("Signature type: Author", found[1])
                self.assertEqual(found[0] - TRUST_ONLY, set(), found[1])

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
            found = dotnet(broken)
            if found is not None:
                self.assertIn("NU3008", found[0], found[1])

    def test_refusals_say_why(self):
        with authenticode.Bench() as b, authenticode.Bench("ec", ["-pkeyopt", "ec_paramgen_curve:P-256"]) as ec:
            source, signed = b.put("a.nupkg", package()), b.path("signed.nupkg")
            b.sign(source, signed)
            self.assertIn("author signature already", b.refused(signed) or "")
            self.assertIn("RSA", ec.refused(source) or "")


if __name__ == "__main__":
    unittest.main()
