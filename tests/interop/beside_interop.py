#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installers whose cabinets or files lie beside them in a ZIP file, against osslsigncode and msitools: beside_interop.py"""
import hashlib
import os
import shutil
import struct
import subprocess
import unittest
import zipfile

import authenticode
import installer
import needs

TOOLS = ["wixl", "msibuild", "msiinfo", "msiextract", "cabextract", "gcab", "osslsigncode", "x86_64-w64-mingw32-gcc"]
VERIFY = os.path.join(os.environ.get("CHANCERY_BUILD", os.path.join(authenticode.ROOT, "build")), "tests/verify_tool")
NS = "http://signpath.io/artifact-configuration/v1"
DEEP = """<msi-file path="dist/setup.msi"><pe-file-set><include path="**/*.exe" max-matches="unbounded"/>
<include path="My App/lib/*.dll"/><for-each><authenticode-sign/></for-each></pe-file-set><authenticode-sign/></msi-file>"""
APP = '<msi-file path="dist/%s"><pe-file path="My App/app.exe"><authenticode-sign/></pe-file><authenticode-sign/></msi-file>'


class Beside(unittest.TestCase):
    def setUp(self):
        self.b = authenticode.Bench()
        self.b.__enter__()
        self.addCleanup(self.b.__exit__, None, None, None)

    def make(self, cabs=1):
        source = installer.make(self.b.folder, cabs=cabs, embed=False)
        return source, os.path.dirname(source)

    def pack(self, files):
        with zipfile.ZipFile(self.b.path("in.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            for name, path in files.items():
                z.write(path, name)
            z.writestr("readme.txt", "read me")
        return self.b.path("in.zip")

    def deep(self, source, body):
        out = self.b.path("out.zip")
        if os.path.exists(out):
            os.remove(out)
        config = self.b.put("config.xml", ('<artifact-configuration xmlns="%s"><zip-file>%s</zip-file></artifact-configuration>'
                                           % (NS, body)).encode())
        done = self.b.chancery("sign", "--key", self.b.key, "--cert", self.b.certificate, "--config", config, "-o", out, source)
        self.assertNotIn(b"Sanitizer", done.stderr)
        self.assertEqual(done.returncode == 0, os.path.exists(out), done.stderr)
        return done

    def unpacked(self, source):
        """The folder dist of out.zip; all entries that were not to change are as they were."""
        folder = self.b.path("result")
        shutil.rmtree(folder, ignore_errors=True)
        with zipfile.ZipFile(source) as before, zipfile.ZipFile(self.b.path("out.zip")) as after:
            self.assertEqual(before.namelist(), after.namelist())
            self.assertEqual(before.read("readme.txt"), after.read("readme.txt"))
            after.extractall(folder)
        return os.path.join(folder, "dist")

    def refused(self, source, body, *words):
        done = self.deep(source, body)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr.decode())

    def check_database(self, source, out, contents):
        """contents: of every installed file by name."""
        old, new = installer.tables(source), installer.tables(out)
        for table in old:
            if table not in ("File", "MsiFileHash"):
                self.assertEqual(old[table], new[table], table)
        names = {row[0]: row[2].split("|")[-1] for row in new["File"]}
        for row in new["File"]:
            self.assertEqual(int(row[3]), len(contents[names[row[0]]]), row)
        for row in new.get("MsiFileHash", []):
            want = struct.unpack("<4i", hashlib.md5(contents[names[row[0]]]).digest())
            self.assertEqual(tuple(map(int, row[2:6])), want, row)

    def check(self, source, dist, signed):
        out = os.path.join(dist, "setup.msi")
        self.assertTrue(self.b.accepted(out))
        self.assertTrue(self.b.valid(out))
        before, after = installer.files(source), installer.files(out)
        self.assertEqual(before.keys(), after.keys())
        self.assertEqual({os.path.basename(n) for n in before if before[n] != after[n]}, signed)
        self.check_database(source, out, {os.path.basename(n): data for n, data in after.items()})
        for name, data in after.items():
            if os.path.basename(name) in signed:
                self.assertTrue(self.b.accepted(self.b.put("inner.exe", data)), name)
                self.assertFalse(self.b.accepted(self.b.put("inner.exe", data[:900] + bytes([data[900] ^ 1]) + data[901:])))

    def test_cabinets_are_built_again(self):
        for cabs in (1, 2):
            source, folder = self.make(cabs)
            parts = ["part%d.cab" % (i + 1) for i in range(cabs)]
            packed = self.pack({"dist/setup.msi": source, **{"dist/" + n: os.path.join(folder, n) for n in parts}})
            done = self.deep(packed, DEEP)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check(source, self.unpacked(packed), {"app.exe", "a tool.exe", "plug.dll"})

    def test_names_have_no_case_and_other_cabinets_stay(self):
        source, folder = self.make(2)
        first = b"F2" in subprocess.run(["cabextract", "-l", os.path.join(folder, "part1.cab")], capture_output=True).stdout
        inside, other = ("part1.cab", "part2.cab") if first else ("part2.cab", "part1.cab")
        packed = self.pack({"dist/setup.msi": source, "dist/" + other: os.path.join(folder, other),
                            "dist/" + inside.upper(): os.path.join(folder, inside)})
        done = self.deep(packed, APP % "setup.msi")
        self.assertEqual(done.returncode, 0, done.stderr)
        dist = self.unpacked(packed)
        shutil.move(os.path.join(dist, inside.upper()), os.path.join(dist, inside))
        self.check(source, dist, {"app.exe"})
        with open(os.path.join(dist, other), "rb") as x, open(os.path.join(folder, other), "rb") as y:
            self.assertEqual(x.read(), y.read())

    def test_the_cabinet_is_signed_behind_its_files(self):
        source, folder = self.make()
        packed = self.pack({"dist/setup.msi": source, "dist/part1.cab": os.path.join(folder, "part1.cab")})
        for body in (DEEP + '<cab-file path="dist/part1.cab"><authenticode-sign/></cab-file>',
                     '<cab-file path="dist/part1.cab"><authenticode-sign/></cab-file>' + DEEP):
            done = self.deep(packed, body)
            self.assertEqual(done.returncode, 0, done.stderr)
            dist = self.unpacked(packed)
            cab = os.path.join(dist, "part1.cab")
            self.assertTrue(self.b.accepted(cab) and self.b.valid(cab))
            with open(cab, "rb") as f:
                data = f.read()
            self.assertFalse(self.b.accepted(self.b.put("bad.cab", data[:300] + bytes([data[300] ^ 1]) + data[301:])))
            self.check(source, dist, {"app.exe", "a tool.exe", "plug.dll"})

    def test_uncompressed_files(self):
        source, folder = self.make()
        where = "My App/app.exe"
        installer.run("msibuild", source, "-q", "UPDATE `File` SET `Attributes`=8704 WHERE `File`='F2'")
        inside = installer.files(source)
        packed = self.pack({"dist/setup.msi": source, "dist/part1.cab": os.path.join(folder, "part1.cab"),
                            "dist/" + where: os.path.join(folder, "app.exe")})
        done = self.deep(packed, APP % "setup.msi")
        self.assertEqual(done.returncode, 0, done.stderr)
        dist = self.unpacked(packed)
        self.assertTrue(self.b.accepted(os.path.join(dist, "setup.msi")))
        self.assertTrue(self.b.accepted(os.path.join(dist, where)))
        contents = {os.path.basename(n): data for n, data in inside.items()}
        with open(os.path.join(dist, where), "rb") as f:
            contents["app.exe"] = f.read()
        self.check_database(source, os.path.join(dist, "setup.msi"), contents)
        with open(os.path.join(dist, "part1.cab"), "rb") as x, open(os.path.join(folder, "part1.cab"), "rb") as y:
            self.assertEqual(x.read(), y.read())
        self.refused(packed, APP % "setup.msi" + '<pe-file path="dist/My App/app.exe"><authenticode-sign/></pe-file>',
                     "artifact.matched_twice", "also signed by itself")
        self.refused(self.pack({"dist/setup.msi": source}), APP % "setup.msi", "msi.external_file", where, "is missing")
        with open(os.path.join(folder, "app.exe"), "ab") as f:
            f.write(b"more")
        self.refused(self.pack({"dist/setup.msi": source, "dist/" + where: os.path.join(folder, "app.exe")}),
                     APP % "setup.msi", "msi.external_file", "the database of the installer says")

    def test_what_is_missing_or_said_twice_is_refused(self):
        source, folder = self.make()
        cab = os.path.join(folder, "part1.cab")
        self.refused(self.pack({"dist/setup.msi": source, "part1.cab": cab}), DEEP, "msi.external_file", "part1.cab", "medium 1",
                     "setup.msi", "is missing in the folder")
        packed = self.pack({"dist/setup.msi": source, "dist/part1.cab": cab, "dist/again.msi": source})
        self.refused(packed, APP % "setup.msi" + APP % "again.msi", "artifact.matched_twice", "another file of an installer")
        self.refused(packed, APP % "setup.msi" + '<cab-file path="dist/part1.cab"><pe-file path="F2"><authenticode-sign/></pe-file>'
                     '</cab-file>', "artifact.matched_twice", "also signed by another element")
        with open(cab, "rb") as f:
            data = f.read()
        self.refused(self.pack({"dist/setup.msi": source, "dist/part1.cab": self.b.put("cut.cab", data[:-9])}), DEEP,
                     "cab.malformed", "part1.cab")
        installer.run("msibuild", source, "-q", "CREATE TABLE `MsiDigitalSignature` (`Table` CHAR(32) NOT NULL, `SignObject` CHAR(72)"
                      " NOT NULL, `DigitalCertificate_` CHAR(72) NOT NULL PRIMARY KEY `Table`, `SignObject`)")
        installer.run("msibuild", source, "-q", "INSERT INTO `MsiDigitalSignature` (`Table`, `SignObject`, `DigitalCertificate_`) "
                      "VALUES ('Media', '1', 'ours')")
        self.refused(self.pack({"dist/setup.msi": source, "dist/part1.cab": cab}), DEEP, "msi.external_file",
                     "MsiDigitalSignature")

    def verdicts(self, files):
        """What the verify worker says to each of these outputs in place of the one that was signed; none but the first is it."""
        packed = self.pack(files)
        config = self.b.put("config.xml", ('<artifact-configuration xmlns="%s"><zip-file>%s</zip-file></artifact-configuration>'
                                           % (NS, DEEP)).encode())
        tool = subprocess.Popen([VERIFY, config, packed, self.b.path("out.zip")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(tool.wait)
        self.addCleanup(tool.stdout.close)
        self.addCleanup(tool.stdin.close)
        self.assertEqual(tool.stdout.readline(), b"signed\n")

        def ask(change):
            with zipfile.ZipFile(self.b.path("out.zip")) as old, zipfile.ZipFile(self.b.path("other.zip"), "w",
                                                                                zipfile.ZIP_DEFLATED) as new:
                for info in old.infolist():
                    new.writestr(info, change(info.filename, old.read(info)))
            tool.stdin.write(self.b.path("other.zip").encode() + b"\n")
            tool.stdin.flush()
            return tool.stdout.readline().decode().strip()
        return ask

    def test_the_verify_worker_sees_every_change_beside_the_installer(self):
        source, folder = self.make()
        ask = self.verdicts({"dist/setup.msi": source, "dist/part1.cab": os.path.join(folder, "part1.cab")})

        def signed_cab(data):
            self.b.sign(self.b.put("some.cab", data), self.b.path("signed.cab"))
            with open(self.b.path("signed.cab"), "rb") as f:
                return f.read()

        def rebuilt(data):
            """The same programs, but another text file."""
            out, work = self.b.path("cab"), self.b.path("new.cab")
            shutil.rmtree(out, ignore_errors=True)
            self.assertEqual(subprocess.run(["cabextract", "-q", "-d", out, self.b.put("some.cab", data)]).returncode, 0)
            names = [n for n in subprocess.run(["gcab", "-t", self.b.path("some.cab")], capture_output=True).stdout.decode().split()]
            with open(os.path.join(out, "F1"), "r+b") as f:
                f.write(b"other")
            self.assertEqual(subprocess.run(["gcab", "-c", "-z", work, *names], cwd=out, capture_output=True).returncode, 0)
            with open(work, "rb") as f:
                return f.read()

        def original(_):
            with open(os.path.join(folder, "part1.cab"), "rb") as f:
                return f.read()
        self.assertEqual(ask(lambda name, data: data), "good")
        for what in (original, signed_cab, rebuilt, lambda data: data + b"x", lambda data: data[:-1]):
            self.assertNotEqual(ask(lambda name, data: what(data) if name.endswith(".cab") else data), "good")
        with zipfile.ZipFile(self.b.path("out.zip")) as z:
            size = len(z.read("dist/part1.cab"))
        for i in range(24):
            at = i if i < 8 else size * i // 24
            flipped = lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            self.assertNotEqual(ask(lambda name, data: flipped(data) if name.endswith(".cab") else data), "good", at)
        self.assertNotEqual(ask(lambda name, data: data + b"!" if name == "readme.txt" else data), "good")
        self.assertEqual(ask(lambda name, data: data), "good")

    def test_what_is_not_signed_may_be_missing(self):
        source, _ = self.make()
        packed = self.pack({"dist/setup.msi": source})
        done = self.deep(packed, '<msi-file path="dist/setup.msi"><authenticode-sign/></msi-file>')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.b.accepted(os.path.join(self.unpacked(packed), "setup.msi")))


if __name__ == "__main__":
    needs.main(TOOLS)
