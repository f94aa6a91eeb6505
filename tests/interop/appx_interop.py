#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""App packages and bundles signed by the command line, against osslsigncode: appx_interop.py"""
import base64
import hashlib
import io
import os
import sys
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import authenticode

TYPES = ('<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
         '<Default Extension="txt" ContentType="text/plain"/><Default Extension="xml" '
         'ContentType="application/vnd.ms-appx.manifest+xml"/></Types>')
METHODS = {"sha256": "http://www.w3.org/2001/04/xmlenc#sha256", "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
           "sha512": "http://www.w3.org/2001/04/xmlenc#sha512"}


def package(bundle=False, hash_name="sha256", publisher="CN=Signer, O=Tests", wide=False, catalog=None):
    manifest_name = "AppxMetadata/AppxBundleManifest.xml" if bundle else "AppxManifest.xml"
    manifest = '<Package><Identity Name="A" Publisher="%s" Version="1.0.0.0"/></Package>' % publisher
    data = "some text " * 50
    block = base64.b64encode(hashlib.new(hash_name, data.encode()).digest()).decode()
    blocks = ('<BlockMap xmlns="http://schemas.microsoft.com/appx/2010/blockmap" HashMethod="%s"><File Name="a.txt" Size="%d" '
              'LfhSize="35"><Block Hash="%s"/></File></BlockMap>' % (METHODS[hash_name], len(data), block))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        with z.open("a.txt", "w", force_zip64=wide) as f:
            f.write(data.encode())
        z.writestr(manifest_name, manifest)
        z.writestr("AppxBlockMap.xml", blocks)
        z.writestr("[Content_Types].xml", TYPES)
        if catalog:
            z.writestr("AppxMetadata/CodeIntegrity.cat", catalog)
    return out.getvalue()


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
        at = 50
        broken = b.put("broken-" + name, out[:at] + bytes([out[at] ^ 1]) + out[at + 1:])
        self.assertFalse(b.valid(broken))
        self.assertFalse(b.accepted(broken))

    def test_kinds_and_hashes(self):
        with authenticode.Bench() as b:
            self.check(b, "a.appx", package())
            self.check(b, "a.msixbundle", package(bundle=True))
            self.check(b, "b.msix", package(catalog=b"a catalog"))
            self.check(b, "c.msix", package(hash_name="sha384"), "sha384")
            self.check(b, "d.msix", package(hash_name="sha512"), "sha512")
            self.check(b, "e.msix", package(wide=True))

    def test_refusals_say_why(self):
        with authenticode.Bench() as b:
            said = b.refused(b.put("a.msix", package(publisher="CN=Other"))) or ""
            self.assertIn("CN=Other", said)
            self.assertIn("CN=Signer", said)


if __name__ == "__main__":
    if not authenticode.new_enough():
        print("SKIPPED osslsigncode 2.6 or newer is not installed")
        sys.exit(77)
    unittest.main()
