#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ClickOnce manifests of CHANCERY_CORPUS that Visual Studio signed: read here, changed, signed again."""
import base64
import json
import os
import unittest

import authenticode
import corpus
import dotnet


def manifests():
    return corpus.files(*("clickonce/**/*" + e for e in (".application", ".manifest", ".vsto")))


class RealFiles(unittest.TestCase):
    def test_signatures_by_visual_studio(self):
        known = {k["path"]: k["value"] for k in corpus.known("clickonce/")}
        self.assertGreater(len(known), 0)
        with authenticode.Bench() as b:
            for name, digest in known.items():
                path = corpus.path(name)
                said = json.loads(b.chancery("verify", "--json", path).stdout)["signatures"]
                self.assertEqual([s["kind"] for s in said], ["clickonce", "clickonce-publisher"], name)
                self.assertTrue(all(s["intact"] for s in said), (name, said))
                self.assertEqual(said[0]["contentDigest"], base64.b64decode(digest).hex(), name)
                broken = b.put("broken.application", corpus.read(path).replace(b"version=\"1.0.0.0\"", b"version=\"1.0.0.1\"", 1))
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
        theirs = [p for p in manifests() if b"StrongNameSignature" in corpus.read(p)]
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
    corpus.main()
