#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""App packages and bundles signed by the command line, against osslsigncode: appx_interop.py"""
import base64
import hashlib
import io
import os
import shutil
import struct
import subprocess
import sys
import unittest
import zipfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import appmap
import authenticode

TYPES = ('<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
         '<Default Extension="txt" ContentType="text/plain"/><Default Extension="xml" '
         'ContentType="application/vnd.ms-appx.manifest+xml"/></Types>')
METHODS = {"sha256": "http://www.w3.org/2001/04/xmlenc#sha256", "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
           "sha512": "http://www.w3.org/2001/04/xmlenc#sha512"}


CONFIGURATION = '<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">%s</artifact-configuration>'


def block_stream(data):
    """As the tools that make packages compress: every block can be expanded alone."""
    squeeze, pieces = zlib.compressobj(6, zlib.DEFLATED, -15), []
    for at in range(0, len(data), appmap.BLOCK):
        pieces.append(squeeze.compress(data[at:at + appmap.BLOCK]) + squeeze.flush(zlib.Z_FULL_FLUSH))
    return pieces, squeeze.flush()


class Maker:
    """A package, entry by entry. wide: zip64 end records and 64-bit descriptors, as MakeAppx writes them."""

    def __init__(self, hash_name="sha256", wide=False):
        self.out, self.rows, self.records, self.hash_name, self.wide = b"", "", [], hash_name, wide

    def add(self, name, data, listed=True, stored=False):
        pieces, end = ([data], b"") if stored else block_stream(data)
        packed, raw = b"".join(pieces) + end, name.encode()
        at, method = len(self.out), 0 if stored else 8
        head = struct.pack("<HHHHH", 45 if self.wide else 20, 8, method, 0, 0x5821)
        crc, wide = zlib.crc32(data), "<IIQQ" if self.wide else "<IIII"
        self.out += b"PK\3\4" + head + bytes(12) + struct.pack("<HH", len(raw), 0) + raw
        offset = len(self.out)
        self.out += packed + struct.pack(wide, 0x08074B50, crc, len(packed), len(data))
        self.records.append(b"PK\1\2" + struct.pack("<H", 45) + head + struct.pack(
            "<IIIHHHHHII", crc, len(packed), len(data), len(raw), 0, 0, 0, 0, 0, at) + raw)
        if listed:
            hashes = [base64.b64encode(hashlib.new(self.hash_name, data[i:i + appmap.BLOCK]).digest()).decode()
                      for i in range(0, len(data), appmap.BLOCK)]
            whole = base64.b64encode(hashlib.new(self.hash_name, data).digest()).decode()
            self.rows += '<File Name="%s" Size="%d" LfhSize="%d">%s%s</File>' % (
                name.replace("/", "\\").replace("%20", " "), len(data), 30 + len(raw),
                "".join('<Block Hash="%s"%s/>' % (h, "" if stored else ' Size="%d"' % len(pieces[i]))
                        for i, h in enumerate(hashes)),
                '<b4:FileHash Hash="%s"/>' % whole if len(hashes) > 1 else "")
        return offset

    def finish(self, catalog=None):
        self.add("AppxBlockMap.xml", (
            '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\r\n<BlockMap xmlns="http://schemas.microsoft.com/appx/2010/'
            'blockmap" xmlns:b4="http://schemas.microsoft.com/appx/2021/blockmap" IgnorableNamespaces="b4" HashMethod="%s">%s'
            '</BlockMap>' % (METHODS[self.hash_name], self.rows)).encode(), listed=False)
        self.add("[Content_Types].xml", TYPES.encode(), listed=False)
        if catalog:
            self.add("AppxMetadata/CodeIntegrity.cat", catalog, listed=False)
        at, directory = len(self.out), b"".join(self.records)
        self.out += directory
        if self.wide:
            self.out += b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, len(self.records), len(self.records),
                                                len(directory), at)
            self.out += b"PK\6\7" + struct.pack("<IQI", 0, at + len(directory), 1)
            return self.out + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        n = len(self.records)
        return self.out + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, n, n, len(directory), at, 0)


def package(hash_name="sha256", publisher="CN=Signer, O=Tests", wide=False, catalog=None, files=None):
    m = Maker(hash_name, wide)
    for name, data in (files or {"a.txt": b"some text " * 50}).items():
        m.add(name, data, stored=name.endswith(".png"))
    m.add("AppxManifest.xml", ('<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10"><Identity '
                               'Name="A" Publisher="%s" Version="1.0.0.0"/></Package>' % publisher).encode())
    return m.finish(catalog)


def bundle(packages, publisher="CN=Signer, O=Tests", wide=False, shift=0):
    m, rows = Maker(wide=wide), ""
    for name, data in packages.items():
        at = m.add(name, data, listed=False, stored=True)
        rows += '<Package Type="application" Version="1.0.0.0" FileName="%s" Offset="%d" Size="%d"/>' % (name, at + shift, len(data))
    m.add("AppxMetadata/AppxBundleManifest.xml", (
        '<Bundle xmlns="http://schemas.microsoft.com/appx/2013/bundle"><Identity Name="A" Publisher="%s" Version="1.0.0.0"/>'
        '<Packages>%s</Packages></Bundle>' % (publisher, rows)).encode())
    return m.finish()


def program(b):
    b.put("a.c", b"static const char big[200000] = {1}; int main(void) { return big[100]; }\n")
    if subprocess.run(["x86_64-w64-mingw32-gcc", "-o", b.path("a.exe"), b.path("a.c")]).returncode != 0:
        raise AssertionError("mingw")
    with open(b.path("a.exe"), "rb") as f:
        return f.read()


class Packages(unittest.TestCase):
    def check(self, b, name, data, hash_name="sha256"):
        source, signed = b.put(name, data), b.path("signed-" + name)
        b.sign(source, signed, hash_name=hash_name, stamp=True)
        self.assertTrue(b.valid(signed), name)
        self.assertTrue(b.accepted(signed), name)
        with open(signed, "rb") as f:
            out = f.read()
        with zipfile.ZipFile(io.BytesIO(out)) as z:
            self.assertEqual(z.namelist()[-1], "AppxSignature.p7x")
            self.assertIn(b'PartName="/AppxSignature.p7x"', z.read("[Content_Types].xml"))
        self.assertEqual(appmap.problems(out), [])
        at = 50
        broken = b.put("broken-" + name, out[:at] + bytes([out[at] ^ 1]) + out[at + 1:])
        self.assertFalse(b.valid(broken))
        self.assertFalse(b.accepted(broken))

    def test_kinds_and_hashes(self):
        with authenticode.Bench() as b:
            self.check(b, "a.appx", package())
            self.check(b, "a.msixbundle", bundle({"in.msix": package()}))
            self.check(b, "b.msix", package(catalog=b"a catalog"))
            self.check(b, "c.msix", package(hash_name="sha384"), "sha384")
            self.check(b, "d.msix", package(hash_name="sha512"), "sha512")
            self.check(b, "e.msix", package(wide=True))

    def configured(self, b, text, name, data):
        """Signs by an artifact configuration; the error text, or None and the new file."""
        b.put("c.xml", (CONFIGURATION % text).encode())
        done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--config", b.path("c.xml"), "--tsa", b.tsa.url,
                          "--force", "-o", b.path("out-" + name), b.put(name, data))
        if done.returncode != 0:
            return done.stderr.decode(errors="replace"), None
        with open(b.path("out-" + name), "rb") as f:
            return None, f.read()

    def signed_entry(self, b, data, entry, name):
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            inner = z.read(entry)
        self.assertTrue(b.accepted(b.put(name, inner)), entry)
        self.assertTrue(b.valid(b.path(name)), entry)
        return inner

    DEEP = '<pe-file path="bin/a b.exe"><authenticode-sign/></pe-file><pe-file path="logo.png"><authenticode-sign/></pe-file>'

    def test_programs_inside_of_packages(self):
        with authenticode.Bench() as b:
            exe = program(b)
            files = {"bin/a%20b.exe": exe, "logo.png": exe, "big.txt": os.urandom(150000)}
            for hash_name in METHODS:
                for wide in (False, True):
                    source = package(hash_name, wide=wide, files=files)
                    self.assertEqual(appmap.problems(source), [])
                    attribute = ' hash-algorithm="%s"' % hash_name
                    wrong, out = self.configured(b, "<msix-file>%s<authenticode-sign%s/></msix-file>" % (self.DEEP, attribute),
                                                 "a.msix", source)
                    self.assertIsNone(wrong)
                    self.assertEqual(appmap.problems(out), [])
                    self.assertTrue(b.accepted(b.path("out-a.msix")) and b.valid(b.path("out-a.msix")))
                    self.signed_entry(b, out, "bin/a%20b.exe", "in.exe")
                    self.signed_entry(b, out, "logo.png", "logo.exe")
                    with zipfile.ZipFile(io.BytesIO(out)) as z, zipfile.ZipFile(io.BytesIO(source)) as old:
                        self.assertEqual(z.read("big.txt"), old.read("big.txt"))

    def test_programs_inside_of_packages_inside_of_bundles(self):
        with authenticode.Bench() as b:
            files = {"bin/a%20b.exe": program(b), "logo.png": program(b)}
            inner = "<authenticode-sign/>"
            text = ('<zip-file><msix-file path="a.msixbundle"><appx-file path="x64.msix">%s%s</appx-file><msix-file path='
                    '"x86.msix">%s%s</msix-file><authenticode-sign/></msix-file></zip-file>' % (self.DEEP, inner, self.DEEP, inner))
            for wide in (False, True):
                both = {"x64.msix": package(files=files, wide=wide), "other.msix": package(), "x86.msix": package(files=files)}
                source = io.BytesIO()
                with zipfile.ZipFile(source, "w") as z:
                    z.writestr("a.msixbundle", bundle(both, wide=wide))
                wrong, out = self.configured(b, text, "a.zip", source.getvalue())
                self.assertIsNone(wrong)
                made = self.signed_entry(b, out, "a.msixbundle", "a.msixbundle")
                self.assertEqual(appmap.problems(made), [])
                for name in ("x64.msix", "x86.msix"):
                    nested = self.signed_entry(b, made, name, name)
                    self.assertEqual(appmap.problems(nested), [])
                    self.signed_entry(b, nested, "bin/a%20b.exe", "in.exe")

    def test_a_catalog_of_digests_must_still_hold(self):
        with authenticode.Bench() as b:
            exe = program(b) + b"x"  # not a multiple of 8: what signtool hashes is the padded file
            text = '<msix-file><pe-file path="a.exe"><authenticode-sign/></pe-file><authenticode-sign/></msix-file>'
            flat = b"a catalog" + hashlib.sha256(exe).digest()
            wrong, _ = self.configured(b, text, "a.msix", package(files={"a.exe": exe}, catalog=flat))
            self.assertIn("CodeIntegrity.cat", wrong or "")
            wrong, out = self.configured(b, text, "a.msix", package(files={"a.exe": exe}, catalog=b"of other files"))
            self.assertIsNone(wrong)
            self.assertEqual(appmap.problems(out), [])

    def test_refusals_say_why(self):
        with authenticode.Bench() as b:
            said = b.refused(b.put("a.msix", package(publisher="CN=Other"))) or ""
            self.assertIn("CN=Other", said)
            self.assertIn("CN=Signer", said)
            said = b.refused(b.put("a.msixbundle", bundle({"in.msix": package()}, shift=1))) or ""
            self.assertIn("AppxBundleManifest.xml states other places", said)
            for path in ("AppxManifest.xml", "AppxBlockMap.xml"):
                wrong, _ = self.configured(b, '<msix-file><pe-file path="%s"><authenticode-sign/></pe-file><authenticode-sign/>'
                                           '</msix-file>' % path, "a.msix", package())
                self.assertIn("does not correspond", wrong or "")


if __name__ == "__main__":
    if not shutil.which("x86_64-w64-mingw32-gcc"):
        print("SKIPPED the mingw compiler is not installed")
        sys.exit(77)
    if not authenticode.new_enough():
        print("SKIPPED osslsigncode 2.6 or newer is not installed")
        sys.exit(77)
    unittest.main()
