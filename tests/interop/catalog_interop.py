#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Security catalogs signed by the command line, against osslsigncode: catalog_interop.py"""
import hashlib
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import authenticode


def der(tag, *parts):
    content = b"".join(parts)
    n = len(content)
    length = bytes([n]) if n < 128 else bytes([0x80 | (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + content


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = bytes([first * 40 + second])
    for n in rest:
        out += bytes([0x80 | (n >> s) & 0x7F for s in range(28, 6, -7) if n >> s]) + bytes([n & 0x7F])
    return der(6, out)


def catalog(files):
    """CTL_INFO without signers, one member for each file, as makers of catalogs write it."""
    members = b""
    for data in files:
        digest = hashlib.sha1(data).digest()
        tag = "".join("%02X" % c for c in digest).encode("utf-16-le")
        indirect = der(0x30, der(0x30, oid("1.3.6.1.4.1.311.2.1.25"), der(0xA2, der(0x80, "<<<Obsolete>>>".encode("utf-16-be")))),
                       der(0x30, der(0x30, oid("1.3.14.3.2.26"), der(5)), der(4, digest)))
        members += der(0x30, der(4, tag), der(0x31, der(0x30, oid("1.3.6.1.4.1.311.2.1.4"), der(0x31, indirect))))
    listed = der(0x30, der(0x30, oid("1.3.6.1.4.1.311.12.1.1")), der(4, bytes(range(16))), der(0x17, b"261122000000Z"),
                 der(0x30, oid("1.3.6.1.4.1.311.12.1.2"), der(5)), der(0x30, members))
    signed = der(0x30, der(2, b"\1"), der(0x31), der(0x30, oid("1.3.6.1.4.1.311.10.1"), der(0xA0, listed)), der(0x31))
    return der(0x30, oid("1.2.840.113549.1.7.2"), der(0xA0, signed))


class Catalogs(unittest.TestCase):
    def test_signed_and_accepted(self):
        for key in ("rsa:3072", "ec"):
            options = ("-pkeyopt", "ec_paramgen_curve:P-256") if key == "ec" else ()
            with authenticode.Bench(key, options) as b:
                source = b.put("a.cat", catalog([b"one", b"two" * 1000]))
                for hash_name in ("sha1", "sha256", "sha384", "sha512"):
                    b.sign(source, b.path("out.cat"), hash_name, stamp=True)
                    self.assertTrue(b.accepted(b.path("out.cat")) and b.valid(b.path("out.cat")), (key, hash_name))

    def test_appended_and_replaced(self):
        with authenticode.Bench() as b, authenticode.Bench() as other:
            source = b.put("a.cat", catalog([b"one"]))
            self.assertEqual(subprocess.run(["osslsigncode", "sign", "-certs", other.certificate, "-key", other.key, "-in", source,
                                             "-out", b.path("theirs.cat")], capture_output=True).returncode, 0)
            self.assertTrue(b.valid(b.path("theirs.cat"), roots=other.certificate))
            b.sign(b.path("theirs.cat"), b.path("ours.cat"))
            self.assertTrue(b.accepted(b.path("ours.cat")) and b.valid(b.path("ours.cat")))
            b.put("c.xml", b'<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><catalog-file>'
                           b'<authenticode-sign append="true"/></catalog-file></artifact-configuration>')
            done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--config", b.path("c.xml"), "-o",
                              b.path("both.cat"), b.path("theirs.cat"))
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(b.certificate) as one, open(other.certificate) as two:
                both = b.put("both.pem", (one.read() + two.read()).encode())
            self.assertTrue(b.accepted(b.path("both.cat"), both) and b.valid(b.path("both.cat"), both))
            self.assertFalse(b.valid(b.path("both.cat")))

    def test_flipped_bytes_are_seen(self):
        with authenticode.Bench() as b:
            data = catalog([b"one", b"two"])
            b.sign(b.put("a.cat", data), b.path("out.cat"))
            with open(b.path("out.cat"), "rb") as f:
                out = f.read()
            start = out.index(data[60:100]) - 20
            for at in range(start, start + 200, 7):
                bad = b.put("bad.cat", out[:at] + bytes([out[at] ^ 1]) + out[at + 1:])
                self.assertFalse(b.valid(bad), at)

    def test_what_is_no_catalog_is_refused(self):
        with authenticode.Bench() as b:
            data = catalog([b"one"])
            for bad in (data[:-1], data + b"\0", data.replace(oid("1.3.6.1.4.1.311.10.1"), oid("1.3.6.1.4.1.311.10.2"))):
                self.assertIsNotNone(b.refused(b.put("a.cat", bad)))


if __name__ == "__main__":
    if not authenticode.new_enough():
        print("SKIPPED osslsigncode 2.6 or newer is not installed")
        sys.exit(77)
    unittest.main()
