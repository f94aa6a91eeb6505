#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real OPC packages of CHANCERY_CORPUS: their own signatures, ours checked by Apache POI."""
import io
import os
import random
import struct
import unittest
import zipfile

import authenticode
import corpus
import poi

# Seven bytes behind the end record; our ZIP reader wants every byte accounted for.
TRAILING = {"OpenVsixSignToolTest-Overrides.vsix", "OpenVsixSignToolTest-InvalidOverrides.vsix"}


CONFIGURATION = b"""<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><opc-file><opc-sign/></opc-file>
</artifact-configuration>"""


def files():
    return corpus.files("vsix/*")


def content(data, part):
    """Where the bytes of an entry begin; ZIP headers are not what the signature covers."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        at = z.getinfo(part).header_offset
    name, extra = struct.unpack_from("<HH", data, at + 26)
    return at + 30 + name + extra


def lines_in_relations(data):
    """Apache POI leaves line ends out of relationship parts before it hashes them."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return any(b"\n" in z.read(n) for n in z.namelist() if n.endswith(".rels") and "digital-signature" not in n and n != "_rels/.rels")


class RealFiles(unittest.TestCase):
    def test_signed_and_accepted(self):
        signed = 0
        with authenticode.Bench() as b:
            for source, readable in zip(files(), poi.judge(b.folder, files())):
                name = os.path.basename(source)
                if name in TRAILING:
                    self.assertIsNotNone(b.refused(source), readable)
                    continue
                # said by hand: an Office file has macros signed otherwise
                b.sign(source, b.path(name), stamp=True, options=("--config", b.put("c.xml", CONFIGURATION)))
                self.assertTrue(b.valid(b.path(name)), name)
                signed += 1
                with open(b.path(name), "rb") as f:
                    out = f.read()
                if not lines_in_relations(out):
                    self.assertEqual(poi.judge(b.folder, [b.path(name)]), ["valid"], name)
                with zipfile.ZipFile(io.BytesIO(out)) as z:
                    parts = [i for i in z.namelist() if i != "[Content_Types].xml" and z.getinfo(i).compress_size > 50]
                    parts = [i for i in parts if not i.endswith(".psdsxs")]
                for part in random.Random(name).sample(parts, min(4, len(parts))):
                    at = content(out, part) + 20
                    broken = b.put("broken.vsix", out[:at] + bytes([out[at] ^ 1]) + out[at + 1:])
                    self.assertFalse(b.valid(broken), (name, part))
        self.assertGreater(signed, 2)

    def test_their_own_signatures_hold_as_apache_poi_says(self):
        with authenticode.Bench() as b:
            for source, said in zip(files(), poi.judge(b.folder, files())):
                if said in ("valid", "invalid"):
                    done = b.chancery("verify", "--json", source)
                    self.assertEqual(b'"intact":true' in done.stdout, said == "valid", (source, done.stdout))


if __name__ == "__main__":
    corpus.main("not installed: " + poi.missing() if poi.missing() else "")
