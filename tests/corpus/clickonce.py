#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ClickOnce manifests of CHANCERY_CORPUS that Visual Studio signed: read here, changed, signed again."""
import base64
import glob
import json
import os
import sys
import unittest

import authenticode

CORPUS = os.environ.get("CHANCERY_CORPUS", "")


def manifests():
    found = glob.glob(os.path.join(CORPUS, "clickonce", "**", "*.*"), recursive=True)
    return sorted(p for p in found if p.endswith((".application", ".manifest", ".vsto")))


class RealFiles(unittest.TestCase):
    def test_signatures_by_visual_studio(self):
        with open(os.path.join(CORPUS, "known-digests.json"), encoding="utf-8") as f:
            known = {k["path"]: k["value"] for k in json.load(f)["values"] if k["path"].startswith("clickonce/")}
        self.assertGreater(len(known), 0)
        with authenticode.Bench() as b:
            for name, digest in known.items():
                path = os.path.join(CORPUS, name)
                said = json.loads(b.chancery("verify", "--json", path).stdout)["signatures"]
                self.assertEqual([s["kind"] for s in said], ["clickonce", "clickonce-publisher"], name)
                self.assertTrue(all(s["intact"] for s in said), (name, said))
                self.assertEqual(said[0]["contentDigest"], base64.b64decode(digest).hex(), name)
                with open(path, "rb") as f:
                    data = f.read()
                broken = b.put("broken.application", data.replace(b"version=\"1.0.0.0\"", b"version=\"1.0.0.1\"", 1))
                said = json.loads(b.chancery("verify", "--json", broken).stdout)["signatures"]
                self.assertFalse(any(s["intact"] for s in said), name)

    def test_signed_again(self):
        signed = 0
        with authenticode.Bench() as b:
            for path in manifests():
                name = os.path.basename(path)
                b.sign(path, b.path(name), stamp=True)
                self.assertTrue(b.valid(b.path(name)), path)
                signed += 1
        self.assertGreater(signed, 1)


if __name__ == "__main__":
    if not CORPUS:
        print("SKIPPED no corpus")
        sys.exit(77)
    unittest.main()
