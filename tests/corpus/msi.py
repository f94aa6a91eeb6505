#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real installers of CHANCERY_CORPUS: known digests, their own signatures, ours checked by osslsigncode."""
import glob
import json
import os
import subprocess
import sys
import unittest

import authenticode

CORPUS = os.environ.get("CHANCERY_CORPUS", "")


def installers():
    return sorted(f for kind in ("msi", "msm", "msp") for f in glob.glob(os.path.join(CORPUS, "msi", "*." + kind)))


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
        with open(os.path.join(CORPUS, "known-digests.json"), encoding="utf-8") as f:
            known = [k for k in json.load(f)["values"] if k["kind"] == "spc-indirect-digest" and k["path"].startswith("msi/")]
        compared = 0
        with authenticode.Bench() as b:
            for k in known:
                out = b.path("theirs.msi")
                if k["alg"] == "sha1" or not foreign(b, os.path.join(CORPUS, k["path"]), out, k["alg"]):
                    continue
                with open(out, "rb") as f:
                    self.assertIn(bytes.fromhex(k["value"]), f.read(), k)
                self.assertTrue(b.valid(out), k)
                compared += 1
        self.assertGreater(compared, 0)

    def test_their_own_signatures_verify_as_osslsigncode_says(self):
        roots = os.path.join(CORPUS, "roots", "all-roots.pem")
        with authenticode.Bench() as b:
            for source in installers():
                self.assertEqual(b.valid(source, roots, roots), b.accepted(source, roots, roots), source)


if __name__ == "__main__":
    if not CORPUS or not authenticode.new_enough():
        print("SKIPPED " + ("osslsigncode 2.6 or newer is not installed" if CORPUS else "no corpus"))
        sys.exit(77)
    unittest.main()
