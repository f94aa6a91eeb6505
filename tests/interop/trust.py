#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""authenticode-verify judges trust: programs signed by others, over chains of our own authority, and
what osslsigncode -CAfile says of the same files; offline and through the service.
Programs come from CHANCERY_BIN (else build/bin of the checkout)."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import authenticode
from service import Service

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("CHANCERY_BIN", os.path.join(ROOT, "build/bin"))
VERIFY = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><pe-file>
<authenticode-verify/><authenticode-sign append="true"/></pe-file></artifact-configuration>"""
SIGN = VERIFY.replace("<authenticode-verify/>", "")
CONFIG = """[req]
distinguished_name = dn
prompt = no
[dn]
CN = x
[here]
database = index.txt
new_certs_dir = .
policy = any
unique_subject = no
rand_serial = yes
[any]
organizationName = optional
commonName = supplied
"""
CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
CODE = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n"
STAMP = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n"
LONG, OLD = ("20200101000000Z", "20400101000000Z"), ("20200101000000Z", "20210101000000Z")
IN_OLD, TODAY = "1600000000", "1790000000"

# Signer, time of the stamp (None: none), stamper, whether it is trusted, words of the refusal.
CASES = [
    ("good", None, None, True, ""),
    ("good", TODAY, "stamper", True, ""),
    ("foreign", None, None, False, "not trusted"),
    ("expired", None, None, False, "expired"),
    ("expired", IN_OLD, "stamper", True, ""),
    ("expired", TODAY, "stamper", False, "expired"),
    ("expired", IN_OLD, "liar", False, "time stamp is not trusted"),
    ("web", None, None, False, "extended key usage"),
    ("deep", None, None, False, "path length"),
    ("barred", None, None, False, "subtree"),
]


class Authority:
    """Root, issuing and leaf certificates in a folder."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="chancery-trust-")
        self.write("ca.cnf", CONFIG)
        for name, issuer, dates, extensions in (
                ("root", "root", LONG, CA), ("stranger", "stranger", LONG, CA), ("issuing", "root", LONG, CA),
                ("capped", "root", LONG, CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")), ("below", "capped", LONG, CA),
                ("narrow", "root", LONG, CA + "nameConstraints=critical,excluded;dirName:out\n[out]\nO=Tests\n"),
                ("good", "issuing", LONG, CODE), ("expired", "issuing", OLD, CODE), ("foreign", "stranger", LONG, CODE),
                ("web", "issuing", LONG, "extendedKeyUsage=serverAuth\n"), ("deep", "below", LONG, CODE),
                ("barred", "narrow", LONG, CODE), ("stamper", "root", LONG, STAMP), ("liar", "stranger", LONG, STAMP)):
            self.issue(name, issuer, dates, extensions)
        for name, chain in (("good", "issuing"), ("expired", "issuing"), ("web", "issuing"), ("foreign", "stranger"),
                            ("barred", "narrow"), ("deep", "below capped")):
            self.write(name + "-chain.pem", "".join(self.read(n + ".pem") for n in [name, *chain.split()]))

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def issue(self, name, issuer, dates, extensions):
        self.write("index.txt", "")
        self.write(name + ".ext", "[e]\n" + extensions)
        self.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
                     "-subj", "/O=Tests/CN=" + name, "-config", "ca.cnf")
        self.openssl("ca", "-batch", "-config", "ca.cnf", "-name", "here", "-keyfile", issuer + ".key",
                     *(["-selfsign"] if name == issuer else ["-cert", issuer + ".pem"]), "-in", name + ".csr", "-out", name + ".pem",
                     "-startdate", dates[0], "-enddate", dates[1], "-extfile", name + ".ext", "-extensions", "e", "-notext",
                     "-md", "sha256")

    def sign(self, source, output, signer, time, stamper):
        """As a third party does it: by osslsigncode."""
        stamp = [] if time is None else ["-TSA-certs", self.path(stamper + ".pem"), "-TSA-key", self.path(stamper + ".key"),
                                         "-TSA-time", time]
        if os.path.exists(output):
            os.unlink(output)
        done = subprocess.run(["osslsigncode", "sign", "-certs", self.path(signer + "-chain.pem"), "-key", self.path(signer + ".key"),
                               "-h", "sha256", *stamp, "-in", source, "-out", output], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)

    def accepted(self, path):
        done = subprocess.run(["osslsigncode", "verify", "-ignore-crl", "-CAfile", self.path("root.pem"), "-TSA-CAfile",
                               self.path("root.pem"), "-in", path], capture_output=True, text=True)
        return done.returncode == 0 and "MISMATCH" not in done.stdout


def program():
    with zipfile.ZipFile(os.path.join(ROOT, "samples/bundle.zip")) as z:
        return z.read("app/AcmeApp.exe")


class Trust(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.a = Authority()
        cls.addClassCleanup(shutil.rmtree, cls.a.folder)
        with open(cls.a.path("plain.exe"), "wb") as f:
            f.write(program())
        cls.a.write("verify.xml", VERIFY)

    def signed(self, case):
        out = self.a.path("in.exe")
        self.a.sign(self.a.path("plain.exe"), out, case[0], case[1], case[2])
        return out

    def plan(self, path, *roots):
        return subprocess.run([os.path.join(BIN, "chancery"), "plan", "--config", self.a.path("verify.xml"), *roots, path],
                              capture_output=True, text=True)

    def test_offline_and_osslsigncode_agree(self):
        for case in CASES:
            with self.subTest(case=case):
                path = self.signed(case)
                done = self.plan(path, "--ca", self.a.path("root.pem"))
                self.assertEqual(done.returncode, 0 if case[3] else 1, done.stderr)
                self.assertEqual(self.a.accepted(path), case[3])
                if case[3]:
                    self.assertIn("CN=%s,O=Tests" % case[0], done.stdout)
                    self.assertIn("not checked", done.stdout)  # revocation
                else:
                    self.assertIn("signature.untrusted", done.stderr)
                    self.assertIn(case[4], done.stderr)

    def test_nobody_said_whom_to_trust(self):
        done = self.plan(self.signed(CASES[0]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("trusted_roots", done.stderr)

    def test_none_and_damaged(self):
        done = self.plan(self.a.path("plain.exe"), "--ca", self.a.path("root.pem"))
        self.assertIn("no embedded signature", done.stderr)
        path = self.signed(CASES[0])
        with open(path, "r+b") as f:
            f.seek(0x210)
            byte = f.read(1)
            f.seek(0x210)
            f.write(bytes([byte[0] ^ 1]))
        self.assertIn("changed after it was signed", self.plan(path, "--ca", self.a.path("root.pem")).stderr)

    def serve(self, settings, policy=None):
        s = Service(BIN)
        self.addCleanup(s.__exit__)
        s.found(VERIFY, "rsa-3072", settings, policy)
        s.start()
        return s

    def ended(self, s, path):
        with open(path, "rb") as f:
            request = s.submit("in.exe", f.read())
        return request, s.wait_final(request), s.get("SigningRequests/" + request)[1].get("error") or {}

    def test_through_the_service(self):
        s = self.serve("trusted_roots = %s\n" % self.a.path("root.pem"))
        for case in (CASES[0], CASES[2], CASES[4]):
            with self.subTest(case=case):
                request, status, error = self.ended(s, self.signed(case))
                self.assertEqual(status, "Completed" if case[3] else "Failed", error)
                self.assertEqual(error.get("code"), None if case[3] else "signature.untrusted")
                if not case[3]:
                    continue
                body = s.call("GET", s.api("SigningRequests/%s/SignedArtifact" % request))[2]
                with open(self.a.path("out.exe"), "wb") as f:
                    f.write(body)
                shown = subprocess.run(["osslsigncode", "verify", "-ignore-crl", "-in", self.a.path("out.exe")], capture_output=True, text=True)
                self.assertNotIn("MISMATCH", shown.stdout)
                self.assertIn("CN=" + case[0], shown.stdout.replace(" ", "").replace("/", ","))
                receipt = s.call("GET", s.api("SigningRequests/%s/Receipt" % request))[2].decode()
                self.assertIn("CN=%s,O=Tests" % case[0], receipt)

    def test_own_test_certificates_count_for_test_policies(self):
        s = self.serve("")
        self.assertEqual(self.ended(s, self.signed(CASES[0]))[2].get("code"), "signature.untrusted")
        first = s.document(SIGN, "rsa-3072")
        self.assertEqual(s.call("POST", s.api("Configuration/Apply"), json.dumps(first).encode(),
                                {"Content-Type": "application/json"}, token=s.admin)[0], 200)
        request, status, error = self.ended(s, self.a.path("plain.exe"))
        self.assertEqual(status, "Completed", error)
        with open(self.a.path("own.exe"), "wb") as f:
            f.write(s.call("GET", s.api("SigningRequests/%s/SignedArtifact" % request))[2])
        s.call("POST", s.api("Configuration/Apply"), json.dumps(s.document(VERIFY, "rsa-3072")).encode(),
               {"Content-Type": "application/json"}, token=s.admin)
        _, status, error = self.ended(s, self.a.path("own.exe"))
        self.assertEqual(status, "Completed", error)


if __name__ == "__main__":
    if not authenticode.new_enough():
        print("SKIPPED osslsigncode 2.6 or newer is not installed")
        sys.exit(77)
    unittest.main()
