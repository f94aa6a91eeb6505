#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real NuGet packages of CHANCERY_CORPUS: signed here, and what is signed already, against `dotnet nuget verify`."""
import glob
import json
import os
import sys
import unittest
import zipfile

import authenticode
import dotnet

CORPUS = os.environ.get("CHANCERY_CORPUS", "")
ALREADY = "author signature already"
NOT_SIGNED, CHANGED, EXPIRED_STAMP = "NU3004", "NU3008", "NU3036"


def files():
    return sorted(glob.glob(os.path.join(CORPUS, "nupkg", "*.nupkg")))


@unittest.skipIf(dotnet.missing(), dotnet.missing())
class RealFiles(unittest.TestCase):
    def signatures(self, b, path):
        return json.loads(b.chancery("verify", "--json", path).stdout)["signatures"]

    def test_signed_and_accepted(self):
        signed = 0
        with authenticode.Bench(issued=True) as b, dotnet.Sdk(b.roots, b.tsa.ca) as sdk:
            for source in files():
                out = b.path(os.path.basename(source))
                if any(s["kind"] == "nuget-author" for s in self.signatures(b, source)):
                    self.assertIn(ALREADY, b.refused(source) or "", source)
                    continue
                self.assertTrue(NOT_SIGNED in sdk.verify(source)[1] or self.signatures(b, source), source)
                b.sign(source, out, stamp=True)
                good, _, said = sdk.verify(out)
                self.assertTrue(good, said)
                self.assertTrue(b.valid(out), out)
                with open(out, "rb") as f:
                    data = f.read()
                with zipfile.ZipFile(out) as z:
                    at = max(z.infolist()[:-1], key=lambda i: i.compress_size).header_offset + 60
                broken = b.put("broken.nupkg", data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
                self.assertEqual((sdk.verify(broken)[0], b.valid(broken)), (False, False), source)
                signed += 1
        self.assertGreater(signed, 2)

    def test_their_own_signatures(self):
        """Intact for us where dotnet finds no more than untrusted roots; its own roots for the ones it trusts."""
        seen = 0
        with authenticode.Bench() as b:
            sdk = dotnet.newest()
            roots = [os.path.join(sdk, "trustedroots", n) for n in ("codesignctl.pem", "timestampctl.pem")]
            with dotnet.Sdk(*roots) as copy:
                for source in files():
                    mine = self.signatures(b, source)
                    good, codes, said = copy.verify(source)
                    if not mine:
                        self.assertEqual(codes, {NOT_SIGNED}, said)
                        continue
                    seen += 1
                    self.assertTrue(mine[0]["intact"], source)
                    self.assertNotIn(CHANGED, codes, said)
                    self.assertFalse(good and mine[0]["timestamp"] is None, source)
                    if EXPIRED_STAMP in codes:
                        self.assertIn("not valid at the time", mine[0]["details"]["stamp-problem"])
                    if good:
                        self.assertTrue(b.valid(source, *roots), source)
        self.assertGreater(seen, 1)


if __name__ == "__main__":
    if not CORPUS:
        print("SKIPPED no corpus")
        sys.exit(77)
    unittest.main()
