#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs (PE and EFI) of CHANCERY_CORPUS: known digests, their own signatures, and ours,
checked by osslsigncode and sbverify; one flipped byte is rejected; replace and append."""
import json
import os
import subprocess
import unittest

import authenticode
import corpus

ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")

# Every exception from "signs, and the foreign tools accept it", with its reason.
REFUSED = {
    "pe/jsign-MORE-dos.exe": "a DOS program, no PE",
    "pe/ServiceModelRegUI_trimmed_sign.dll": "its headers promise a longer certificate table than there are bytes: a cut file",
}
CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">
<pe-file><authenticode-sign hash-algorithm="%s" append="%s"/></pe-file></artifact-configuration>"""


def files():
    return corpus.files("pe/*", "efi/*")


def short(path):
    return os.path.relpath(path, corpus.FOLDER)


def flipped(data):
    """One bit of a byte that the digest covers: the last one of the first section's place."""
    changed = bytearray(data)
    changed[0x200 if len(data) > 0x400 else len(data) // 2] ^= 1
    return bytes(changed)


class RealFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.b = authenticode.Bench()
        cls.b.__enter__()
        cls.addClassCleanup(cls.b.__exit__)
        cls.known = corpus.known()
        cls.certificate = cls.b.path("certificate.pem")

    def sign(self, source, name, algorithm="sha256", append=False, stamp=False):
        configuration = self.b.put("ac.xml", (CONFIGURATION % (algorithm, "true" if append else "false")).encode())
        done = self.b.chancery("sign", "--key", self.b.key, "--cert", self.b.certificate, "--config", configuration, "--force",
                               *(["--tsa", self.b.tsa.url] if stamp else []), "-o", self.b.path(name), source)
        self.assertEqual(done.returncode, 0, (source, done.stderr.decode(errors="replace")))
        return self.b.path(name)

    def report(self, path, roots=None):
        """(valid, signatures) of our own verify."""
        done = self.b.chancery("verify", "--json", "--ca", roots or self.certificate, "--tsa-ca", roots or self.b.tsa_roots, path)
        if done.returncode == 2:
            return False, []
        found = json.loads(done.stdout)
        return done.returncode == 0, found["signatures"]

    def sbverify(self, path):
        return subprocess.run(["sbverify", "--cert", self.certificate, path], capture_output=True).returncode == 0

    def test_what_is_no_program_is_refused(self):
        for name in REFUSED:
            path = corpus.path(name)
            if os.path.exists(path):
                self.assertIsNotNone(self.b.refused(path), name)

    def test_signed_accepted_and_with_the_known_digest(self):
        compared = signed = by_sbverify = 0
        for source in files():
            name = short(source)
            if name in REFUSED:
                continue
            for algorithm in ALGORITHMS:
                with self.subTest(file=name, algorithm=algorithm):
                    out = self.sign(source, "out.exe", algorithm, stamp=algorithm == "sha256")
                    valid, signatures = self.report(out)
                    self.assertTrue(valid, signatures)
                    self.assertEqual(len(signatures), 1)
                    self.assertTrue(self.b.accepted(out))
                    if name.startswith("efi/") and algorithm == "sha256":
                        self.assertTrue(self.sbverify(out))
                        by_sbverify += 1
                    self.assertEqual(subprocess.run(["osslsigncode", "extract-signature", "-in", out, "-out", self.b.path("p7")],
                                                    capture_output=True).returncode, 0)
                    os.unlink(self.b.path("p7"))
                    signed += 1
                    for k in self.known:
                        if k["path"] == name and k["alg"] == algorithm and k["kind"] in ("spc-indirect-digest", "authenticode-padded"):
                            self.assertEqual(signatures[0]["contentDigest"], k["value"], k["tool"])
                            compared += 1
        print("corpus pe: %d signed files accepted, %d of them by sbverify, %d digests equal" % (signed, by_sbverify, compared))
        self.assertGreater(compared, 0)

    def test_one_flipped_byte(self):
        for source in files():
            name = short(source)
            if name in REFUSED:
                continue
            with self.subTest(file=name):
                out = self.sign(source, "out.exe")
                bad = self.b.put("bad.exe", flipped(corpus.read(out)))
                self.assertFalse(self.report(bad)[0])
                self.assertFalse(self.b.accepted(bad))

    def test_signed_again(self):
        """Replaced: one signature again. Appended: one more, nested, and both hold."""
        for source in files():
            name = short(source)
            if name in REFUSED:
                continue
            with self.subTest(file=name):
                one = self.sign(source, "one.exe")
                again = self.sign(one, "again.exe", "sha384")
                valid, signatures = self.report(again)
                self.assertTrue(valid)
                self.assertEqual([s["hash"] for s in signatures], ["sha384"])
                both = self.sign(one, "both.exe", "sha512", append=True)
                valid, signatures = self.report(both)
                self.assertTrue(valid)
                self.assertEqual([s["hash"] for s in signatures], ["sha256", "sha512"])
                self.assertTrue(self.b.accepted(again))
                self.assertTrue(self.b.accepted(both))

    def test_page_hashes(self):
        """Ours accepted by osslsigncode, its by us; programs whose pages are no pages are refused."""
        configuration = self.b.put("ph.xml", (CONFIGURATION % ("sha256", "false")).replace("append=", 'page-hashes="true" append=').encode())
        written = refused = read = 0
        for source in files():
            if short(source) in REFUSED:
                continue
            with self.subTest(file=short(source)):
                out, theirs = self.b.path("out.exe"), self.b.path("theirs.exe")
                done = self.b.chancery("sign", "--key", self.b.key, "--cert", self.b.certificate, "--config", configuration,
                                       "--force", "-o", out, source)
                if done.returncode != 0:
                    self.assertIn(b"aligned to", done.stderr)
                    refused += 1
                    continue
                self.assertTrue(self.report(out)[0])
                shown = subprocess.run(["osslsigncode", "verify", "-ignore-crl", "-CAfile", self.certificate, "-in", out],
                                       capture_output=True).stdout
                self.assertIn(b"Calculated page hash", shown)
                self.assertNotIn(b"MISMATCH", shown)
                written += 1
                if os.path.exists(theirs):
                    os.unlink(theirs)
                done = subprocess.run(["osslsigncode", "sign", "-certs", self.certificate, "-key", self.b.key, "-h", "sha256", "-ph",
                                       "-in", source, "-out", theirs], capture_output=True)
                if done.returncode == 0:
                    self.assertTrue(self.report(theirs)[0])
                    read += 1
        print("corpus pe: page hashes of %d files accepted, %d of osslsigncode's by us, %d refused for their alignment"
              % (written, read, refused))
        self.assertGreater(written, 0)

    def test_their_own_signatures(self):
        """We say what osslsigncode says, and find the digests that the files themselves record."""
        roots = corpus.ROOTS
        judged = 0
        for source in files():
            name = short(source)
            valid, signatures = self.report(source, roots)
            with self.subTest(file=name):
                self.assertEqual(valid, self.b.accepted(source, roots, roots), signatures)
                for k in self.known:
                    if k["path"] == name and k["kind"].startswith("recorded-in-signature") and name not in REFUSED:
                        found = [s for s in signatures if s["hash"] == k["alg"]]
                        self.assertTrue(found, k)
                        # What they signed is what we find in the file, or the file was changed since.
                        self.assertTrue(any((s["contentDigest"] == k["value"]) == s["intact"] for s in found), (k, found))
                        judged += 1
        print("corpus pe: %d digests recorded by their signers looked at" % judged)
        self.assertGreater(judged, 0)


if __name__ == "__main__":
    corpus.main(corpus.old_osslsigncode())
