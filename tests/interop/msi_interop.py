#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installers made by wixl and msibuild, signed by the command line, against osslsigncode and msitools: msi_interop.py"""
import hashlib
import os
import random
import shutil
import struct
import subprocess
import unittest
import zipfile

import authenticode
import installer
import needs

TOOLS = ["wixl", "msibuild", "msiinfo", "msiextract", "osslsigncode", "x86_64-w64-mingw32-gcc"]
MUTATIONS = int(os.environ.get("CHANCERY_MUTATIONS", "60"))
NS = "http://signpath.io/artifact-configuration/v1"
DEEP = """<msi-file%s%s><pe-file-set><include path="**/*.exe" max-matches="unbounded"/><include path="My App/lib/*.dll"/>
<for-each><authenticode-sign/></for-each></pe-file-set><authenticode-sign/></msi-file>"""


class Installers(unittest.TestCase):
    def setUp(self):
        self.b = authenticode.Bench()
        self.b.__enter__()
        self.addCleanup(self.b.__exit__, None, None, None)

    def make(self, **options):
        return installer.make(self.b.folder, **options)

    def deep(self, source, output, body):
        config = self.b.put("config.xml", ('<artifact-configuration xmlns="%s">%s</artifact-configuration>' % (NS, body)).encode())
        return self.b.chancery("sign", "--key", self.b.key, "--cert", self.b.certificate, "--config", config, "--force", "-o",
                               output, source)

    def good(self, path):
        self.assertTrue(self.b.accepted(path), path)
        self.assertTrue(self.b.valid(path), path)

    def test_signed_and_accepted(self):
        source = self.make(cabs=1)
        for algorithm in ("sha256", "sha384", "sha512"):
            out = self.b.path("out.msi")
            self.b.sign(source, out, algorithm, stamp=True)
            self.good(out)
            self.assertEqual(installer.tables(source), installer.tables(out))
            self.assertEqual(installer.files(source), installer.files(out))

    def test_a_foreign_signature_verifies_and_is_replaced(self):
        source, theirs, ours = self.make(cabs=1), self.b.path("theirs.msi"), self.b.path("ours.msi")
        for extra in ([], ["-add-msi-dse"]):
            with authenticode.Bench() as other:
                done = subprocess.run(["osslsigncode", "sign", "-certs", other.certificate, "-key", other.key, "-h", "sha256",
                                       *extra, "-in", source, "-out", theirs], capture_output=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(self.b.valid(theirs, roots=other.certificate))
            self.b.sign(theirs, ours)
            self.good(ours)
            os.remove(theirs)

    def test_both_compute_the_same_digest(self):
        source, theirs, ours = self.make(cabs=2), self.b.path("theirs.msi"), self.b.path("ours.msi")
        self.b.sign(source, ours)
        done = subprocess.run(["osslsigncode", "sign", "-certs", self.b.certificate, "-key", self.b.key, "-h", "sha256",
                               "-add-msi-dse", "-in", source, "-out", theirs], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(installer.spc_digest(ours), installer.spc_digest(theirs))

    def test_flipped_bytes_of_streams_are_seen(self):
        out = self.b.path("out.msi")
        self.b.sign(self.make(cabs=1), out)
        with open(out, "rb") as f:
            data = f.read()
        places = [data.index(x) + 5 for x in (b"MSCF", b"Acme", b"ProgramFilesFolder")]
        for at in places:
            bad = self.b.put("bad.msi", data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
            self.assertFalse(self.b.valid(bad), at)
            self.assertFalse(self.b.accepted(bad), at)

    def test_something_appended_is_refused(self):
        out = self.b.path("out.msi")
        self.b.sign(self.make(cabs=1), out)
        with open(out, "rb") as f:
            data = f.read()
        for tail in (b"PK\x05\x06" + bytes(18), b"x" * 512, b"x" * 5120):
            bad = self.b.put("bad.msi", data + tail)
            self.assertFalse(self.b.valid(bad))
            self.assertIn("compound file", self.b.refused(bad) or "")

    def test_something_behind_the_last_stream_is_not_valid(self):
        """The last sector of a stream moves to the end of the file, where its rest can hold other bytes."""
        out = self.b.path("out.msi")
        self.b.sign(self.make(cabs=1), out)
        with open(out, "rb") as f:
            data = bytearray(f.read())
        table = (struct.unpack_from("<I", data, 76)[0] + 1) * 512
        new = len(data) // 512 - 1
        fat = struct.unpack_from("<%dI" % new, data, table)  # its sectors follow each other
        self.assertEqual(struct.unpack_from("<I", data, table + 4 * new)[0], 0xFFFFFFFF)
        last = next(i for i in range(1, new) if fat[i] == 0xFFFFFFFE and fat[i - 1] == i
                    and not any(data[(i + 2) * 512 - 22:(i + 2) * 512]))
        for at, value in ((last - 1, new), (last, 0xFFFFFFFF), (new, 0xFFFFFFFE)):
            struct.pack_into("<I", data, table + 4 * at, value)
        sector = data[(last + 1) * 512:(last + 2) * 512]
        data[(last + 1) * 512:(last + 2) * 512] = bytes(512)
        self.assertTrue(self.b.valid(self.b.put("moved.msi", bytes(data + sector))))
        self.assertFalse(self.b.valid(self.b.put("loose.msi", bytes(data + sector[:-22] + b"PK\5\6" + bytes(18)))))

    def test_programs_inside_are_signed_and_the_database_follows(self):
        for cabs in (1, 2, 3):
            source, out = self.make(cabs=cabs), self.b.path("out.msi")
            done = self.deep(source, out, DEEP % ("", ' subject="App" author="Acme"'))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.good(out)
            self.check_inside(source, out)

    def check_inside(self, source, out):
        before, after = installer.files(source), installer.files(out)
        self.assertEqual(before.keys(), after.keys())
        signed = {name for name in before if before[name] != after[name]}
        self.assertEqual(signed, {name for name in before if name.endswith((".exe", ".dll"))})
        for name in signed:
            self.assertTrue(self.b.accepted(self.b.put("inner.exe", after[name])), name)
        old, new = installer.tables(source), installer.tables(out)
        self.assertEqual(old.keys(), new.keys())
        for table in old:
            if table not in ("File", "MsiFileHash"):
                self.assertEqual(old[table], new[table], table)
        by_name = {os.path.basename(name): data for name, data in after.items()}
        names = {}
        for row in new["File"]:
            name = row[2].split("|")[-1]
            names[row[0]] = name
            self.assertEqual(int(row[3]), len(by_name[name]), name)
        for row in new.get("MsiFileHash", []):
            want = struct.unpack("<4i", hashlib.md5(by_name[names[row[0]]]).digest())
            self.assertEqual(tuple(map(int, row[2:6])), want, row[0])
        self.assertEqual([r[:3] + r[4:] for r in old["File"]], [r[:3] + r[4:] for r in new["File"]])
        for stream in installer.streams(source):
            if not stream.endswith(".cab"):
                self.assertEqual(installer.stream(source, stream), installer.stream(out, stream), stream)

    def test_an_installer_in_a_zip(self):
        source = self.make(cabs=2)
        with zipfile.ZipFile(self.b.path("a.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            z.write(source, "dist/setup.msi")
            z.writestr("readme.txt", "read me")
        done = self.deep(self.b.path("a.zip"), self.b.path("out.zip"),
                         "<zip-file>%s</zip-file>" % (DEEP % (' path="dist/*.msi"', "")))
        self.assertEqual(done.returncode, 0, done.stderr)
        with zipfile.ZipFile(self.b.path("out.zip")) as z:
            z.extract("dist/setup.msi", self.b.folder)
        self.good(self.b.path("dist/setup.msi"))
        self.check_inside(source, self.b.path("dist/setup.msi"))

    def test_a_signed_installer_loses_its_signature_when_only_its_files_are_signed(self):
        source, signed, out = self.make(cabs=1), self.b.path("signed.msi"), self.b.path("out.msi")
        self.b.sign(source, signed)
        done = self.deep(signed, out, '<msi-file><pe-file path="My App/app.exe"><authenticode-sign/></pe-file></msi-file>')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(self.b.accepted(out))
        self.assertNotIn("DigitalSignature", "".join(installer.streams(out)))

    def test_a_merge_module(self):
        source, out = self.make(cabs=1, module=True), self.b.path("out.msm")
        done = self.deep(source, out, DEEP % ("", ""))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.good(out)
        cab = self.b.put("module.cab", installer.stream(out, "MergeModule.CABinet"))
        self.assertEqual(subprocess.run(["gcab", "-t", cab], capture_output=True).returncode, 0)

    def test_a_patch(self):
        """The class of the root says what it is; a patch has no table File, so it is signed as a whole."""
        source, out = self.make(cabs=1), self.b.path("out.msp")
        for table in ("File", "Media", "MsiFileHash"):
            installer.run("msibuild", source, "-q", "DROP TABLE `%s`" % table)
        with open(source, "rb") as f:
            data = f.read()
        clsid = bytes.fromhex("84100c0000000000c000000000000046")
        self.assertEqual(data.count(clsid), 1)
        patch = self.b.put("in.msp", data.replace(clsid, b"\x86" + clsid[1:]))
        self.b.sign(patch, out)
        self.good(out)
        done = self.deep(patch, out, DEEP % ("", ""))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"artifact.match_count", done.stderr)

    def test_restrictions_and_external_cabinets_are_told(self):
        source, out = self.make(cabs=1), self.b.path("out.msi")
        done = self.deep(source, out, DEEP % ("", ' subject="Other"'))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b'its value is "App"', done.stderr)
        outside = self.make(cabs=1, embed=False)
        done = self.deep(outside, out, DEEP % ("", ""))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"msi.external_file", done.stderr)
        self.b.sign(outside, out)
        self.good(out)

    def test_odd_databases(self):
        """What msibuild makes of each statement, and what we say to it: None is signed, deep inside."""
        cases = [
            ("UPDATE `File` SET `FileName`='TOOL~1.EXE|Outil \u00e9t\u00e9.exe' WHERE `File`='F4'", None),
            ("UPDATE `Directory` SET `DefaultDir`='TGT|My App:source' WHERE `Directory`='INST'", None),
            ("UPDATE `File` SET `Component_`='nowhere' WHERE `File`='F2'", "belongs to a component that is not there"),
            ("UPDATE `Component` SET `Directory_`='nowhere' WHERE `Component`='C2'", "lies in a folder that is not there"),
            ("UPDATE `Directory` SET `Directory_Parent`='LIB' WHERE `Directory`='INST'", "folders lie in each other"),
            ("UPDATE `Directory` SET `DefaultDir`='..' WHERE `Directory`='INST'", "a folder has the name"),
            ("UPDATE `File` SET `FileName`='..\\\\x.exe' WHERE `File`='F2'", "has the name"),
            ("UPDATE `File` SET `FileName`='A TOOL.EXE' WHERE `File`='F2'", "multiple files with the same name"),
            ("INSERT INTO `File` (`File`, `Component_`, `FileName`, `FileSize`, `Attributes`, `Sequence`) VALUES "
             "('Ghost', 'C2', 'ghost.exe', 10, 512, 1)", "does not hold it"),
            ("UPDATE `Media` SET `LastSequence`=1", "lies on no medium"),
            ("UPDATE `Media` SET `Cabinet`='#other.cab'", "lacks the cabinet"),
            ("UPDATE `Media` SET `Cabinet`='other.cab'", "a file beside the installer"),
            ("DROP TABLE `Media`", "lies on no medium"),
            ("DROP TABLE `MsiFileHash`", None),
            ("DROP TABLE `Component`", "belongs to a component that is not there"),
        ]
        good, odd, out = self.make(cabs=1), self.b.path("odd.msi"), self.b.path("out.msi")
        for statement, want in cases:
            shutil.copy(good, odd)
            made = subprocess.run(["msibuild", odd, "-q", statement], capture_output=True)
            self.assertEqual(made.returncode, 0, (statement, made.stderr))
            if os.path.exists(out):
                os.remove(out)
            done = self.deep(odd, out, DEEP % ("", ""))
            said = done.stderr.decode(errors="replace")
            if want is None:
                self.assertEqual(done.returncode, 0, (statement, said))
                self.good(out)
            else:
                self.assertNotEqual(done.returncode, 0, statement)
                self.assertIn(want, said, statement)

    def test_mutations_are_refused_or_signed_for_everybody(self):
        with open(self.make(cabs=2), "rb") as f:
            data = f.read()
        r, signed = random.Random(int.from_bytes(b"msi", "big")), 0
        for _ in range(MUTATIONS):
            bad = bytearray(data)
            for _ in range(r.choice((1, 1, 2, 8))):
                at = r.choice((r.randrange(512), r.randrange(len(bad)), len(bad) - 1 - r.randrange(4096)))
                bad[at] = r.choice((0, 1, 0xff, 0xfe, bad[at] ^ 1 << r.randrange(8)))
            source, out = self.b.put("bad.msi", bytes(bad)), self.b.path("out.msi")
            for body in ("<msi-file><authenticode-sign/></msi-file>", DEEP % ("", "")):
                done = self.deep(source, out, body)
                self.assertIn(done.returncode, (0, 1, 2), done.stderr[-2000:])
                self.assertNotIn(b"Sanitizer", done.stderr)
                if done.returncode == 0:
                    signed += 1
                    self.assertTrue(self.b.accepted(out))
        self.assertGreater(signed, 0)


if __name__ == "__main__":
    needs.main(TOOLS)
