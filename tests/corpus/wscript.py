#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real Windows scripts of CHANCERY_CORPUS: the digests that other programs recorded, and their signatures read here."""
import json
import os
import unittest

import authenticode
import corpus


def files():
    return corpus.files("wscript/*.*")


class RealFiles(unittest.TestCase):
    def test_signed_with_the_known_digest(self):
        known = {k["path"]: k for k in corpus.known("wscript/")}
        compared = 0
        with authenticode.Bench() as b:
            for source in files():
                name = os.path.basename(source)
                b.sign(source, b.path(name), stamp=True)
                self.assertTrue(b.valid(b.path(name)), name)
                with open(b.path(name), "rb") as f:
                    message = authenticode.script_message(f.read())
                if "wscript/" + name in known:
                    self.assertIn(bytes.fromhex(known["wscript/" + name]["value"]), message, name)
                    compared += 1
        self.assertGreater(compared, 0)

    def test_signatures_by_others_are_intact(self):
        seen = 0
        with authenticode.Bench() as b:
            for source in files():
                if authenticode.script_message(corpus.read(source)) is None:
                    continue
                said = json.loads(b.chancery("verify", "--json", source).stdout)
                self.assertTrue(all(s["intact"] for s in said["signatures"]) and said["signatures"], (source, said))
                seen += 1
        self.assertGreater(seen, 0)


if __name__ == "__main__":
    corpus.main()
