#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real cabinets of CHANCERY_CORPUS: known digests, their own signatures, ours checked by osslsigncode."""
import glob
import json
import os
import sys
import unittest

import authenticode

CORPUS = os.environ.get("CHANCERY_CORPUS", "")
FOREIGN_RESERVE = {"libmspack-reserve_HFD.cab"}  # its header reserve is somebody's own
LARGE_RESERVE = {"jsign-sample4.cab"}            # osslsigncode knows a reserve of 20 bytes only


class RealFiles(unittest.TestCase):
    def test_signed_accepted_and_with_the_known_digest(self):
        with open(os.path.join(CORPUS, "known-digests.json"), encoding="utf-8") as f:
            known = json.load(f)["values"]
        compared = 0
        with authenticode.Bench() as b:
            for source in sorted(glob.glob(os.path.join(CORPUS, "cab", "*.cab"))):
                name = os.path.basename(source)
                if name in FOREIGN_RESERVE:
                    self.assertIn("reserved bytes", b.refused(source) or "")
                    continue
                for algorithm in ("sha256", "sha384", "sha512"):
                    b.sign(source, b.path(name), algorithm, stamp=True)
                    self.assertTrue(b.valid(b.path(name)), name)
                    if name not in LARGE_RESERVE:
                        self.assertTrue(b.accepted(b.path(name)), name)
                    with open(b.path(name), "rb") as f:
                        signed = f.read()
                    for k in known:
                        if k["path"] == "cab/" + name and k["alg"] == algorithm and "digest" in k["kind"]:
                            self.assertIn(bytes.fromhex(k["value"]), signed, (name, algorithm, k["tool"]))
                            compared += 1
        self.assertGreater(compared, 0)

    def test_their_own_signatures_verify_as_osslsigncode_says(self):
        roots = os.path.join(CORPUS, "roots", "all-roots.pem")
        with authenticode.Bench() as b:
            for source in sorted(glob.glob(os.path.join(CORPUS, "cab", "*-signed.cab"))):
                self.assertEqual(b.valid(source, roots, roots), b.accepted(source, roots, roots), source)


if __name__ == "__main__":
    if not CORPUS or not authenticode.new_enough():
        print("SKIPPED " + ("osslsigncode 2.6 or newer is not installed" if CORPUS else "no corpus"))
        sys.exit(77)
    unittest.main()
