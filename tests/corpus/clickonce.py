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
import dotnet

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

    @unittest.skipIf(dotnet.missing(), dotnet.missing())
    def test_judged_by_dotnet(self):
        """The corpus has not all files that they name, so only signatures."""
        theirs = [p for p in manifests() if b"StrongNameSignature" in open(p, "rb").read()]
        self.assertGreater(len(theirs), 1)
        with authenticode.Bench(issued=True) as b, dotnet.Program("clickonce_dotnet") as checker:
            status, said = checker.run("--no-files", *theirs)
            self.assertEqual((status, said.count("\n")), (0, len(theirs)), said)
            ours = []
            for path in manifests():
                ours.append(b.path(os.path.basename(path)))
                b.sign(path, ours[-1], stamp=True)
            status, said = checker.run("--root", b.roots, "--stamp-root", b.tsa.ca, "--no-files", *ours)
            self.assertEqual((status, said.count("\n")), (0, len(ours)), said)


if __name__ == "__main__":
    if not CORPUS:
        print("SKIPPED no corpus")
        sys.exit(77)
    unittest.main()
