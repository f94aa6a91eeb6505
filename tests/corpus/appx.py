#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real app packages of CHANCERY_CORPUS: known digests, their own signatures, ours checked by osslsigncode."""
import io
import json
import os
import random
import re
import unittest
import zipfile
from xml.etree import ElementTree

import appmap
import authenticode
import corpus

# osslsigncode wants no digest of a catalog where there is none; the signer of this one wrote zeros.
ZERO_CATALOG = {"HelloAppx-signed.appx"}
# Its local headers hold sizes although a descriptor follows; osslsigncode hashes zeros there instead of what there is.
FILLED_HEADERS = {"msix-UnsignedZip64WithCI.appx"}
CONFIGURATION = '<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">%s</artifact-configuration>'


def files():
    return [f for f in corpus.files("appx/*") if not f.endswith(".xap")]


def manifest(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        names = [n for n in z.namelist() if n in ("AppxManifest.xml", "AppxMetadata/AppxBundleManifest.xml")]
        return ElementTree.fromstring(z.read(sorted(names)[-1]))


def subject(data):
    """The publisher in the form and order of openssl -subj."""
    publisher = [e for e in manifest(data).iter() if appmap.local(e.tag) == "Identity"][0].get("Publisher")
    parts = [p.strip() for p in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", publisher)]
    return "".join("/" + re.sub("^S=", "ST=", p).replace('"', "").replace("/", "\\/") for p in reversed(parts))


def hash_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return re.search(rb"#(sha\d+)", z.read("AppxBlockMap.xml"))[1].decode()


class RealFiles(unittest.TestCase):
    def valid_but_for(self, b, name, foreign):
        """What lies inside is signed by somebody else, or not at all."""
        said = json.loads(b.chancery("verify", "--json", "--ca", b.roots, "--tsa-ca", b.tsa_roots, b.path(name)).stdout)
        self.assertTrue(said["signatures"][0]["valid"], said)
        for s in said["signatures"]:
            self.assertTrue(s["intact"], (name, s))
            self.assertTrue(s["valid"] or s["path"].endswith(foreign), (name, s))

    def test_signed_accepted_and_with_the_known_digests(self):
        known, compared = corpus.known("appx/"), 0
        for source in files():
            name, data = os.path.basename(source), corpus.read(source)
            with authenticode.Bench(subject=subject(data)) as b:
                b.sign(source, b.path(name), hash_of(data), stamp=True)
                out = corpus.read(b.path(name))
                self.assertTrue(b.accepted(b.path(name)) or name in FILLED_HEADERS, name)
                self.valid_but_for(b, name, "" if name.endswith(".msixbundle") else "CodeIntegrity.cat")
                self.assertEqual(appmap.problems(out), [], name)
                with zipfile.ZipFile(io.BytesIO(out)) as z:
                    message = z.read("AppxSignature.p7x")
                for k in known:
                    if k["path"] != "appx/" + name or k["alg"] != hash_of(data) or "Tampered" in name:
                        continue
                    if k["kind"] == "appx-AXBM":  # the others change with the row for the signature
                        self.assertTrue(b"AXBM" + bytes.fromhex(k["value"]) in message, (name, k["kind"]))
                        compared += 1
                    if k["kind"] == "recorded-in-signature":
                        recorded = bytes.fromhex(k["value"]).split(b"AXCI" + bytes(32))[0]
                        self.assertTrue(recorded in message, (name, k["kind"]))
                        compared += 1
                for at in random.Random(name).sample(range(100, len(data) // 2), 5):
                    broken = b.put("broken-" + name, out[:at] + bytes([out[at] ^ 1]) + out[at + 1:])
                    self.assertFalse(b.valid(broken), (name, at))
        self.assertGreater(compared, 6)

    def test_their_own_signatures_verify_as_osslsigncode_says(self):
        roots = corpus.ROOTS
        with authenticode.Bench() as b:
            for source in files():
                if "signed" not in source.lower() or "Unsigned" in source:
                    continue
                said = b.chancery("verify", "--json", "--ca", roots, "--tsa-ca", roots, source)
                intact = b"changed after it was signed" not in said.stdout + said.stderr
                self.assertEqual(intact, "Tampered" not in source, (source, said.stdout))
                if os.path.basename(source) not in ZERO_CATALOG:
                    self.assertEqual(b.valid(source, roots, roots), b.accepted(source, roots, roots), source)

    def test_programs_inside(self):
        everything, one = '<pe-file path="**/*.%s" min-matches="0" max-matches="unbounded"><authenticode-sign/></pe-file>', 0
        inside = "".join(everything % e for e in ("exe", "dll"))
        for source in files():
            name, data = os.path.basename(source), corpus.read(source)
            sign = '<authenticode-sign hash-algorithm="%s"/>' % hash_of(data)
            package = '<msix-file path="*.%s" min-matches="0" max-matches="unbounded">' + inside + sign + "</msix-file>"
            nested = package % "appx" + package % "msix" if "bundle" in name else inside
            with authenticode.Bench(subject=subject(data)) as b:
                b.put("c.xml", (CONFIGURATION % ("<msix-file>" + nested + sign + "</msix-file>")).encode())
                done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--config", b.path("c.xml"), "-o", b.path(name), source)
                if b"file.wrong_type" in done.stderr and "jsign" in name:
                    continue  # MORE.EXE there is a DOS program
                self.assertEqual(done.returncode, 0, (name, done.stderr))
                out = corpus.read(b.path(name))
                self.assertEqual(appmap.problems(out), [], name)
                self.valid_but_for(b, name, "CodeIntegrity.cat")
                self.assertTrue(b.accepted(b.path(name)) or name in FILLED_HEADERS, name)
                with zipfile.ZipFile(io.BytesIO(out)) as z:
                    for entry in z.namelist():
                        if entry.lower().endswith((".exe", ".dll", ".appx", ".msix")):
                            self.assertTrue(b.accepted(b.put(os.path.basename(entry), z.read(entry))), entry)
                            one += 1
                        if entry.endswith(".msix"):
                            self.assertEqual(appmap.problems(z.read(entry)), [], entry)
        self.assertGreater(one, 3)


if __name__ == "__main__":
    corpus.main(corpus.old_osslsigncode())
