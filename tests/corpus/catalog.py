#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real security catalogs of CHANCERY_CORPUS: their own signatures, ours checked by osslsigncode."""
import os
import random
import unittest

import authenticode
import corpus


def files():
    return corpus.files("cat/*.cat")


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
        corpus.as_osslsigncode_says(self, files())


if __name__ == "__main__":
    corpus.main(corpus.old_osslsigncode())
