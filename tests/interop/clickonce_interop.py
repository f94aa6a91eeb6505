#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A ClickOnce deployment signed by the command line; canonical forms by Python, signatures by openssl: clickonce_interop.py"""
import base64
import hashlib
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as ET
import zipfile

import authenticode

D = "{http://www.w3.org/2000/09/xmldsig#}"
HEAD = ('\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<asmv1:assembly manifestVersion="1.0" '
        'xmlns:asmv1="urn:schemas-microsoft-com:asm.v1" xmlns="urn:schemas-microsoft-com:asm.v2" '
        'xmlns:dsig="http://www.w3.org/2000/09/xmldsig#">\r\n  <asmv1:assemblyIdentity name="%s" version="1.0.0.0" '
        'publicKeyToken="0000000000000000" language="neutral" processorArchitecture="msil" type="win32" />\r\n')
HASH = ('<hash><dsig:Transforms><dsig:Transform Algorithm="urn:schemas-microsoft-com:HashTransforms.Identity" /></dsig:Transforms>'
        '<dsig:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha256" /><dsig:DigestValue>AAAA</dsig:DigestValue></hash>')
ASSEMBLY = ('  <dependency><dependentAssembly dependencyType="install" codebase="%s" size="1"><assemblyIdentity name="App.exe" '
            'version="1.0.0.0" publicKeyToken="0000000000000000" />' + HASH + '</dependentAssembly></dependency>\r\n')
TAIL = "</asmv1:assembly>\r\n"
APPLICATION = HEAD % "App.exe" + "  <!-- kept -->\r\n  <application />\r\n" + ASSEMBLY % "App.dll" + \
    '  <file name="data\\a.txt" size="0">' + HASH + "</file>\r\n" + TAIL
DEPLOYMENT = HEAD % "App.application" + '  <deployment install="true" mapFileExtensions="true" />\r\n' + \
    ASSEMBLY % "Application Files\\App_1\\App.exe.manifest" + TAIL
FOLDER = "Application Files/App_1/"
FILES = {"setup.txt": b"not named", "App.application": DEPLOYMENT.encode(), FOLDER + "App.exe.manifest": APPLICATION.encode(),
         FOLDER + "data/a.txt.deploy": b"data", FOLDER + "side.manifest": b'<assembly xmlns="urn:schemas-microsoft-com:asm.v1"/>',
         FOLDER + "App.dll.deploy": b"a library"}
CONFIGURATION = ('<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><zip-file><directory path="release">'
                 '<clickonce-sign/></directory></zip-file></artifact-configuration>')


def canonical(text):
    return ET.canonicalize(text, with_comments=False).encode()


class ClickOnce(unittest.TestCase):
    def check_signature(self, b, text, alone, key):
        """One XML signature: `text` holds its element, `alone` is the document without it."""
        info = re.search(r"<SignedInfo>.*?</SignedInfo>", text, re.S)[0]
        value = re.search(r"<SignatureValue>(.*?)</SignatureValue>", text, re.S)[1]
        digest = re.search(r"<DigestValue>(.*?)</DigestValue>", info, re.S)[1]
        self.assertEqual(base64.b64encode(hashlib.sha256(canonical(alone)).digest()).decode(), digest)
        signed = canonical(info.replace("<SignedInfo>", '<SignedInfo xmlns="%s">' % D[1:-1], 1))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", key, "-signature", b.put("value", base64.b64decode(value)),
                               b.put("info", signed)], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return digest

    def check_manifest(self, b, data, key):
        text = data.decode("utf-8-sig")
        outer = re.search(r'<Signature Id="StrongNameSignature".*</Signature>(?=</asmv1:assembly>)', text, re.S)
        alone = text[:outer.start()] + text[outer.end():]
        digest = self.check_signature(b, outer[0], alone, key)
        license_text = re.search(r"<r:license.*</r:license>", outer[0], re.S)[0]
        inner = re.search(r"(?<=<r:issuer>)<Signature.*</Signature>(?=</r:issuer>)", license_text, re.S)
        self.check_signature(b, inner[0], license_text[:inner.start()] + license_text[inner.end():], key)
        named = re.search(r'ManifestInformation Hash="([0-9a-f]+)"', license_text)[1]
        self.assertEqual(bytes.fromhex(named)[::-1], base64.b64decode(digest))
        self.assertIn("<as:Timestamp>", inner[0])
        return alone

    def check_files(self, files, folder, text):
        seen = 0
        for x in ET.fromstring(text).iter():
            name = x.get("codebase") or (x.get("name") if x.tag.endswith("}file") else None)
            value = x.find(".//" + D + "DigestValue")
            if name is None or value is None:
                continue
            path = folder + name.replace("\\", "/")
            content = files.get(path) or files[path + ".deploy"]
            self.assertEqual(x.get("size"), str(len(content)), name)
            self.assertEqual(value.text, base64.b64encode(hashlib.sha256(content).digest()).decode(), name)
            seen += 1
        return seen

    def build(self, b, files=None):
        with zipfile.ZipFile(b.path("in.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            for name, data in (files or FILES).items():
                z.writestr("release/" + name, data)
        return b.path("in.zip")

    def test_a_deployment(self):
        with authenticode.Bench() as b:
            config, key = b.put("c.xml", CONFIGURATION.encode()), b.path("public.pem")
            with open(key, "wb") as f:
                f.write(subprocess.run(["openssl", "x509", "-in", b.certificate, "-noout", "-pubkey"], check=True,
                                       capture_output=True).stdout)
            done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--tsa", b.tsa.url, "--force", "--config", config, "-o",
                              b.path("out.zip"), self.build(b))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(b.valid(b.path("out.zip")))
            with zipfile.ZipFile(b.path("out.zip")) as z:
                files = {n[len("release/"):]: z.read(n) for n in z.namelist()}
            self.assertEqual(set(files), set(FILES))
            for name in FILES:
                if name not in ("App.application", FOLDER + "App.exe.manifest"):
                    self.assertEqual(files[name], FILES[name], name)
            inner = self.check_manifest(b, files[FOLDER + "App.exe.manifest"], key)
            outer = self.check_manifest(b, files["App.application"], key)
            self.assertEqual(self.check_files(files, FOLDER, inner), 2)
            self.assertEqual(self.check_files(files, "", outer), 1)
            self.assertIn("<!-- kept -->", inner)
            tokens = set(re.findall(r'publicKeyToken="([0-9a-f]+)"', outer))
            self.assertEqual(len(tokens), 1, "the deployment names the application by its new token")
            self.assertNotIn("0" * 16, tokens)

    def test_what_is_missing_is_said(self):
        with authenticode.Bench() as b:
            config = b.put("c.xml", CONFIGURATION.encode())
            for left_out, says in ((FOLDER + "App.dll.deploy", "App.dll"), ("App.application", "no deployment manifest")):
                files = {n: d for n, d in FILES.items() if n != left_out}
                done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--force", "--config", config, "-o",
                                  b.path("x.zip"), self.build(b, files))
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(says, done.stderr.decode())

    def test_keys_other_than_rsa_are_refused(self):
        with authenticode.Bench("ec", ["-pkeyopt", "ec_paramgen_curve:P-256"]) as b:
            done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--force", "--config",
                              b.put("c.xml", CONFIGURATION.encode()), "-o", b.path("x.zip"), self.build(b))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("RSA", done.stderr.decode())
            self.assertFalse(os.path.exists(b.path("x.zip")))


if __name__ == "__main__":
    unittest.main()
