#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A build has its installer signed, programs inside included: ZIP, MSI, cabinet, program; each level asked for by others."""
import os
import shutil
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import authenticode  # noqa: E402
import installer  # noqa: E402
from service import Service  # noqa: E402
from story import BIN, Story  # noqa: E402

TOOLS = ["wixl", "msiinfo", "msiextract", "osslsigncode", "x86_64-w64-mingw32-gcc"]
CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><zip-file>
<msi-file path="dist/*.msi" subject="App" author="Acme"><pe-file-set><include path="My App/*.exe" max-matches="unbounded"/>
<include path="My App/lib/*.dll"/><for-each><authenticode-sign/></for-each></pe-file-set><authenticode-sign/></msi-file>
</zip-file></artifact-configuration>"""


class Installer(Story):
    @classmethod
    def setUpClass(cls):
        cls.s = Service(BIN).found(CONFIGURATION)
        cls.addClassCleanup(cls.s.__exit__)
        cls.s.start()
        cls.ci = cls.write("ci-token", cls.s.token + "\n", 0o600)

    def signer(self, path):
        """The self-signed certificate of the policy, out of a signature."""
        if os.path.exists(self.path("p7")):
            os.remove(self.path("p7"))
        for args in (["osslsigncode", "extract-signature", "-pem", "-in", path, "-out", self.path("p7")],
                     ["openssl", "pkcs7", "-print_certs", "-in", self.path("p7"), "-out", self.path("signer.pem")]):
            self.assertEqual(subprocess.run(args, capture_output=True).returncode, 0, args)
        return self.path("signer.pem")

    def accepted(self, path, certificate):
        done = subprocess.run(["osslsigncode", "verify", "-ignore-crl", "-CAfile", certificate, "-in", path], capture_output=True)
        return done.returncode == 0 and b"MISMATCH" not in done.stdout and b"verification: failed" not in done.stdout

    def every_level(self, embed):
        """Cabinets in the installer, or beside it."""
        folder = self.path("embedded" if embed else "beside")
        os.mkdir(folder)
        source = installer.make(folder, cabs=2, embed=embed)
        beside = [] if embed else ["part1.cab", "part2.cab"]
        with zipfile.ZipFile(self.path("in.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            z.write(source, "dist/setup.msi")
            for name in beside:
                z.write(os.path.join(os.path.dirname(source), name), "dist/" + name)
            z.writestr("readme.txt", "read me")
        self.chancery("submit", "--project", "acme-app", "--policy", "test-signing", "--force", "-o", self.path("out.zip"),
                      self.path("in.zip"))
        with zipfile.ZipFile(self.path("out.zip")) as z:
            self.assertEqual(z.namelist(), ["dist/setup.msi"] + ["dist/" + n for n in beside] + ["readme.txt"])
            self.assertEqual(z.read("readme.txt"), b"read me")
            z.extractall(os.path.join(folder, "out"))
        signed = os.path.join(folder, "out/dist/setup.msi")
        certificate = self.signer(signed)
        self.assertTrue(self.accepted(signed, certificate))
        before, after = installer.files(source), installer.files(signed)
        for name, data in after.items():
            program = name.endswith((".exe", ".dll"))
            self.assertEqual(data != before[name], program, name)
            if program:
                self.assertTrue(self.accepted(self.write("inner.exe", data), certificate), name)
        sizes = {row[2].split("|")[-1]: int(row[3]) for row in installer.tables(signed)["File"]}
        self.assertEqual(sizes, {os.path.basename(name): len(data) for name, data in after.items()})

    def test_every_level_is_accepted(self):
        self.every_level(embed=True)

    def test_cabinets_beside_the_installer(self):
        self.every_level(embed=False)


if __name__ == "__main__":
    missing = [t for t in TOOLS if shutil.which(t) is None]
    if missing or not authenticode.new_enough():
        print("SKIPPED not installed: " + " ".join(missing or ["osslsigncode 2.6 or newer"]))
        sys.exit(77)
    unittest.main()
