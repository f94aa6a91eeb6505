#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real Office files of CHANCERY_CORPUS: their signatures' contents rebuilt byte for byte, the normalised data compared with
pinned values, our own signatures written and read. CHANCERY_BUILD/tests/vba_tool computes."""
import json
import os
import subprocess
import unittest
import zipfile

import authenticode
import compound
import corpus
import macros
import vba

TOOL = os.path.join(os.environ.get("CHANCERY_BUILD", os.path.join(authenticode.ROOT, "build")), "tests/vba_tool")
DATA = ("ContentNormalizedData", "FormsNormalizedData", "V3ContentNormalizedData", "ProjectNormalizedData")


def files(*patterns):
    return corpus.files(*(f + x for f in ("office/", "office-extra/") for x in patterns))


def computed(b, path):
    source = b.put("project.bin", macros.project(path))
    done = subprocess.run([TOOL, source], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(path + ": " + done.stderr)
    return macros.normalised(done.stdout)


class RealFiles(unittest.TestCase):
    def test_pinned_values_of_the_normalised_data(self):
        known = json.loads(corpus.read("office-extra/known-vba.json"))["files"]
        with authenticode.Bench() as b:
            for k in known:
                data, contents = computed(b, corpus.path(k["file"]))
                for name in DATA:
                    self.assertEqual(data[name], k["buffers"][name], (k["file"], name))
                for kind, s in k["signatures"].items():
                    content = contents[kind, s["digestAlgorithm"]]
                    self.assertEqual([str(len(content)), macros.sha256(content)], s["spc_sha256"], (k["file"], kind))
        self.assertGreater(len(known), 10)

    def test_contents_of_real_signatures_are_rebuilt(self):
        rebuilt = 0
        with authenticode.Bench() as b:
            for path in files("*.docm", "*.dotm", "*.xlsm"):
                for kind, info in macros.signatures(path).items():
                    content = macros.indirect_data(info)
                    self.assertEqual(computed(b, path)[1][kind, macros.digest_algorithm(content)], content, (path, kind))
                    rebuilt += 1
        self.assertGreater(rebuilt, 10)

    def test_a_second_calculation_gives_the_same(self):
        """The one that tests/interop/office.py judges by, proved on real signatures."""
        seen = 0
        for path in files("*.docm", "*.dotm", "*.xlsm", "*.xls"):
            streams = compound.read(macros.project(path)) if macros.signatures(path) else {}
            for kind, info in macros.signatures(path).items():
                root = [p for p in ("", "_VBA_PROJECT_CUR/") if p + "PROJECT" in streams][0]
                project = vba.Project({k[len(root):]: v for k, v in streams.items() if k.startswith(root)})
                algorithm, compiled, source = vba.recorded(info, kind)
                self.assertEqual(source, project.source(kind, algorithm), (path, kind))
                self.assertIn(compiled, (b"", project.compiled(kind, algorithm)), (path, kind))
                seen += 1
        self.assertGreater(seen, 10)

    def test_real_signatures_are_intact_for_our_own_verify(self):
        seen = 0
        with authenticode.Bench() as b:
            for path in files("*.docm", "*.dotm", "*.xlsm"):
                said = json.loads(b.chancery("verify", "--json", path).stdout or "{}")
                found = said.get("signatures", [])
                self.assertEqual(len(found), len(macros.signatures(path)), (path, said))
                for s in found:  # MD5 in the CMS message itself is never accepted, as for every other format
                    self.assertTrue(s["intact"] or (s["hash"] == "md5" and s["contentDigest"]), (path, s))
                    seen += s["intact"]
        self.assertGreater(seen, 10)

    def test_signed_here(self):
        signed = 0
        with authenticode.Bench() as b:
            for path in files("*.docm", "*.dotm", "*.xlsm", "*.xlam", "*.pptm"):
                name = os.path.basename(path)
                if not zipfile.is_zipfile(path) or not any(n.lower().endswith("vbaproject.bin") for n in zipfile.ZipFile(path).namelist()):
                    self.assertRegex(b.refused(path) or "", "password|no macros|not known")
                    continue
                b.sign(path, b.path(name), stamp=True)
                self.assertTrue(b.valid(b.path(name)), name)
                self.assertEqual(set(macros.signatures(b.path(name))), set(macros.KINDS), name)
                with zipfile.ZipFile(path) as old, zipfile.ZipFile(b.path(name)) as new:
                    self.assertIsNone(new.testzip())
                    for n in old.namelist():
                        if not n.lower().endswith((".rels", "[content_types].xml")) and "vbaprojectsignature" not in n.lower():
                            self.assertEqual(old.read(n), new.read(n), (name, n))
                _, contents = computed(b, path)
                for kind, info in macros.signatures(b.path(name)).items():
                    self.assertEqual(macros.indirect_data(info), contents[kind, "sha256"], (name, kind))
                signed += 1
        self.assertGreater(signed, 5)

    def test_workbooks_of_the_binary_form(self):
        signed = 0
        with authenticode.Bench() as b:
            for path in files("*.xls"):
                before = macros.signatures(path)
                if before:
                    content = macros.indirect_data(before["legacy"])
                    self.assertEqual(computed(b, path)[1]["legacy", macros.digest_algorithm(content)], content, path)
                name = os.path.basename(path)
                b.sign(path, b.path(name), stamp=True)
                self.assertTrue(b.valid(b.path(name)), name)
                _, contents = computed(b, path)
                self.assertEqual(macros.indirect_data(macros.signatures(b.path(name))["legacy"]), contents["legacy", "sha256"], name)
                signed += 1
        self.assertGreater(signed, 1)


if __name__ == "__main__":
    corpus.main("" if os.path.exists(TOOL) else "vba_tool is not built")
