#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real PowerShell files of CHANCERY_CORPUS: known digests, their own signatures, ours checked by osslsigncode."""
import os
import unittest

import authenticode
import corpus


def files():
    return corpus.files("powershell/*.*")


class RealFiles(unittest.TestCase):
    def test_signed_accepted_and_with_the_known_digest(self):
        known, compared = corpus.known("powershell/"), 0
        with authenticode.Bench() as b:
            for source in files():
                name = os.path.basename(source)
                for algorithm in ("sha256", "sha384", "sha512"):
                    b.sign(source, b.path(name), algorithm)
                    with open(b.path(name), "rb") as f:
                        message = authenticode.script_message(f.read())
                    for k in known:
                        if k["path"] == "powershell/" + name and k["alg"] == algorithm and "digest" in k["kind"]:
                            self.assertIn(bytes.fromhex(k["value"]), message, (name, algorithm, k["tool"]))
                            compared += 1
                b.sign(source, b.path(name), stamp=True)
                self.assertTrue(b.valid(b.path(name)), name)
                with open(source, "rb") as f:
                    if f.read(2) != b"\xfe\xff":
                        self.assertTrue(b.accepted(b.path(name)), name)
        self.assertGreater(compared, 0)

    def test_their_own_signatures_verify_as_osslsigncode_says(self):
        corpus.as_osslsigncode_says(self, [f for f in files() if authenticode.script_message(corpus.read(f)) is not None])


if __name__ == "__main__":
    corpus.main(corpus.old_osslsigncode())
