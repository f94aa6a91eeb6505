#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real cabinets of CHANCERY_CORPUS: known digests, their own signatures, ours checked by osslsigncode."""
import os
import unittest

import authenticode
import corpus

FOREIGN_RESERVE = {"libmspack-reserve_HFD.cab"}  # its header reserve is somebody's own
LARGE_RESERVE = {"jsign-sample4.cab"}            # osslsigncode knows a reserve of 20 bytes only


class RealFiles(unittest.TestCase):
    def test_signed_accepted_and_with_the_known_digest(self):
        known, compared = corpus.known("cab/"), 0
        with authenticode.Bench() as b:
            for source in corpus.files("cab/*.cab"):
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
        corpus.as_osslsigncode_says(self, corpus.files("cab/*-signed.cab"))


if __name__ == "__main__":
    corpus.main(corpus.old_osslsigncode())
