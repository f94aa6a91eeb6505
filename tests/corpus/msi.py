#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real installers of CHANCERY_CORPUS: known digests, their own signatures, ours checked by osslsigncode."""
import os
import subprocess
import unittest

import authenticode
import corpus


def installers():
    return corpus.files("msi/*.msi", "msi/*.msm", "msi/*.msp")


def foreign(b, source, output, algorithm, *extra):
    if os.path.exists(output):
        os.remove(output)
    return subprocess.run(["osslsigncode", "sign", "-certs", b.certificate, "-key", b.key, "-h", algorithm, *extra,
                           "-in", source, "-out", output], capture_output=True, timeout=60).returncode == 0


class RealFiles(unittest.TestCase):
    def test_signed_accepted_and_opened_by_others(self):
        with authenticode.Bench() as b:
            for source in installers():
                name = os.path.basename(source)
                for algorithm in ("sha256", "sha384", "sha512"):
                    b.sign(source, b.path(name), algorithm, stamp=True)
                    self.assertTrue(b.valid(b.path(name)), name)
                    self.assertTrue(b.accepted(b.path(name)), name)
                    tables = [subprocess.run(["msiinfo", "tables", f], capture_output=True).stdout for f in (source, b.path(name))]
                    self.assertEqual(tables[0], tables[1], name)

    def test_known_digests(self):
        """Ours include names and times, the known ones do not; so a foreign signature with them has to verify."""
        known = [k for k in corpus.known("msi/") if k["kind"] == "spc-indirect-digest"]
        compared = 0
        with authenticode.Bench() as b:
            for k in known:
                out = b.path("theirs.msi")
                if k["alg"] == "sha1" or not foreign(b, corpus.path(k["path"]), out, k["alg"]):
                    continue
                with open(out, "rb") as f:
                    self.assertIn(bytes.fromhex(k["value"]), f.read(), k)
                self.assertTrue(b.valid(out), k)
                compared += 1
        self.assertGreater(compared, 0)

    def test_their_own_signatures_verify_as_osslsigncode_says(self):
        corpus.as_osslsigncode_says(self, installers())


if __name__ == "__main__":
    corpus.main(corpus.old_osslsigncode())
