#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Detached signatures over real files of CHANCERY_CORPUS, judged by openssl cms and openssl dgst:
every hash, both encodings, RSA PKCS #1 and PSS, ECDSA; one flipped byte is rejected."""
import os
import subprocess
import unittest
import zipfile

import authenticode
import corpus

FOLDERS = ("raw", "pe", "xml", "zip", "deb", "nupkg")
MOST = 4 << 20  # bytes of a file: the point is variety
HASHES = ("sha256", "sha384", "sha512")
CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><zip-file><file-set>
<include path="*" max-matches="unbounded"/><for-each>%s</for-each></file-set></zip-file></artifact-configuration>"""
CMS = '<create-cms-signature output-file-name="${file.name}.p7s" output-encoding="%s" hash-algorithm="%s" rsa-padding="%s"/>'
RAW = '<create-raw-signature output-file-name="${file.name}.sig" hash-algorithm="%s" rsa-padding="%s"/>'


def files():
    found = {}
    for folder in FOLDERS:
        for path in corpus.files(folder + "/*"):
            if 0 < os.path.getsize(path) <= MOST:
                found.setdefault(folder + "-" + os.path.basename(path), path)
    return found


class Detached(unittest.TestCase):
    def run_over(self, bench, directive):
        """Signs one archive of all the files; a folder with them and their signatures."""
        archive, output = bench.path("in.zip"), bench.path("out.zip")
        folder = bench.path("files")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
            for name, path in files().items():
                z.write(path, name)
        configuration = bench.put("ac.xml", (CONFIGURATION % directive).encode())
        done = bench.chancery("sign", "--key", bench.key, "--cert", bench.certificate, "--config", configuration, "--force", "-o", output, archive)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        with zipfile.ZipFile(output) as z:
            z.extractall(folder)
        return folder

    def ask(self, *arguments):
        return subprocess.run(["openssl", *arguments], capture_output=True).returncode == 0

    def judge(self, folder, ending, good):
        """good(content, signature): accepted as it is, rejected with one bit flipped."""
        count = 0
        for name in files():
            content, signature = os.path.join(folder, name), os.path.join(folder, name + ending)
            self.assertTrue(good(content, signature), name)
            with open(content, "r+b") as f:
                byte = f.read(1)[0]
                f.seek(0)
                f.write(bytes([byte ^ 1]))
            self.assertFalse(good(content, signature), name)
            count += 1
        return count

    def test_cms(self):
        count = 0
        for key, options, paddings in (("rsa:2048", (), ("pkcs1", "pss")), ("ec", ("-pkeyopt", "ec_paramgen_curve:P-256"), ("pkcs1",))):
            with authenticode.Bench(key, options) as b:
                for hash_name in HASHES:
                    for encoding, padding in zip(("der", "pem"), (paddings * 2)[:2]):
                        folder = self.run_over(b, CMS % (encoding, hash_name, padding))
                        count += self.judge(folder, ".p7s", lambda content, signature: self.ask(
                            "cms", "-verify", "-binary", "-inform", encoding.upper(), "-in", signature, "-content", content,
                            "-CAfile", b.certificate, "-purpose", "any", "-out", os.devnull))
        print("corpus detached: %d CMS signatures accepted by openssl cms" % count)

    def test_raw(self):
        count = 0
        for key, options, paddings in (("rsa:2048", (), ("pkcs1", "pss")), ("ec", ("-pkeyopt", "ec_paramgen_curve:P-384"), ("pkcs1",))):
            with authenticode.Bench(key, options) as b:
                public = b.path("public.pem")
                with open(public, "wb") as f:
                    f.write(subprocess.run(["openssl", "x509", "-pubkey", "-noout", "-in", b.certificate], check=True, capture_output=True).stdout)
                for hash_name in HASHES:
                    for padding in paddings:
                        folder = self.run_over(b, RAW % (hash_name, padding))
                        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if padding == "pss" else []
                        count += self.judge(folder, ".sig", lambda content, signature: self.ask(
                            "dgst", "-" + hash_name, *pss, "-verify", public, "-signature", signature, content))
        print("corpus detached: %d raw signatures accepted by openssl dgst" % count)


if __name__ == "__main__":
    corpus.main()
