#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real security catalogs of CHANCERY_CORPUS: their own signatures, ours checked by osslsigncode."""
import glob
import os
import random
import sys
import unittest

import authenticode

CORPUS = os.environ.get("CHANCERY_CORPUS", "")


def files():
    return sorted(glob.glob(os.path.join(CORPUS, "cat", "*.cat")))


class RealFiles(unittest.TestCase):
    def test_signed_and_accepted(self):
        with authenticode.Bench() as b:
            for source in files():
                name = os.path.basename(source)
                for algorithm in ("sha256", "sha384", "sha512"):
                    b.sign(source, b.path(name), algorithm, stamp=True)
                    self.assertTrue(b.accepted(b.path(name)) and b.valid(b.path(name)), name)
                with open(b.path(name), "rb") as f:
                    signed = f.read()
                for at in random.Random(name).sample(range(60, 200), 10):
                    broken = b.put("broken.cat", signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1:])
                    self.assertFalse(b.valid(broken), (name, at))

    def test_their_own_signatures_verify_as_osslsigncode_says(self):
        roots = os.path.join(CORPUS, "roots", "all-roots.pem")
        with authenticode.Bench() as b:
            for source in files():
                self.assertEqual(b.valid(source, roots, roots), b.accepted(source, roots, roots), source)


if __name__ == "__main__":
    if not CORPUS or not authenticode.new_enough():
        print("SKIPPED " + ("osslsigncode 2.6 or newer is not installed" if CORPUS else "no corpus"))
        sys.exit(77)
    unittest.main()
