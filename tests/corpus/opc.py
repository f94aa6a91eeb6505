#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real OPC packages of CHANCERY_CORPUS: their own signatures, ours checked by Apache POI."""
import glob
import os
import random
import sys
import unittest

import authenticode
import poi

CORPUS = os.environ.get("CHANCERY_CORPUS", "")


def files():
    return sorted(glob.glob(os.path.join(CORPUS, "vsix", "*")))


class RealFiles(unittest.TestCase):
    def test_signed_and_accepted(self):
        signed = 0
        with authenticode.Bench() as b:
            for source, readable in zip(files(), poi.judge(b.folder, files())):
                name = os.path.basename(source)
                if "content types" in readable:  # and it has bytes behind its end
                    self.assertIsNotNone(b.refused(source))
                    continue
                b.sign(source, b.path(name), stamp=True)
                self.assertTrue(b.valid(b.path(name)), name)
                self.assertEqual(poi.judge(b.folder, [b.path(name)]), ["valid"], name)
                signed += 1
                with open(b.path(name), "rb") as f:
                    out = f.read()
                for at in random.Random(name).sample(range(60, 200), 5):  # in the first entry
                    broken = b.put("broken.vsix", out[:at] + bytes([out[at] ^ 1]) + out[at + 1:])
                    self.assertFalse(b.valid(broken), (name, at))
        self.assertGreater(signed, 2)

    def test_their_own_signatures_hold_as_apache_poi_says(self):
        with authenticode.Bench() as b:
            for source, said in zip(files(), poi.judge(b.folder, files())):
                if said in ("valid", "invalid"):
                    done = b.chancery("verify", "--json", source)
                    self.assertEqual(b'"intact":true' in done.stdout, said == "valid", (source, done.stdout))


if __name__ == "__main__":
    if not CORPUS or poi.missing():
        print("SKIPPED " + ("not installed: " + poi.missing() if CORPUS else "no corpus"))
        sys.exit(77)
    unittest.main()
