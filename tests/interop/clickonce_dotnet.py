#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ClickOnce and VSTO releases signed by the command line, with programs inside, judged by the XML signatures of .NET
(tests/interop/clickonce_dotnet) as Windows does it, the programs by osslsigncode."""
import os
import re
import shutil
import sys
import unittest
import zipfile

import authenticode
import clickonce_interop as samples
import dotnet
import installer

HEAD = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><zip-file><directory path="release">"""
TAIL = """</directory></zip-file></artifact-configuration>"""
PROGRAMS = """<pe-file-set><include path="Application Files/App_1/App.exe%s"/><include path="Application Files/App_1/App.dll%s"/><for-each>
<authenticode-sign/></for-each></pe-file-set>"""
SUBJECTS = ["/C=DE/ST=Bavaria/L=M, x/O=Acme \"q\" GmbH/CN=A;B/emailAddress=a@b.example",
            "/serialNumber=12/C=DE/street=S 1/postalCode=1/O=J\u00f6rg & <S\u00f6hne>/CN= x",
            "/CN=one"]
NO_AUTHORITY = ["-addext", "basicConstraints=critical,CA:FALSE"]  # Windows looks for the signer among those that are none
STAMP = b"<as:Timestamp>"
PARTS = [b' manifestVersion="', b' version="', b' install="', b' size="', b' issuerKeyHash="', b' name="', b"<SignatureValue>", b"<DigestValue>",
         b' Hash="', b"<Modulus>", b"X509SubjectName>(?=C)", b' publicKeyToken="', b"<X509Certificate>", STAMP]
LIBRARY = samples.ASSEMBLY.replace("App.exe", "App")


def manifest(head, *parts):
    return (head + "".join(parts) + samples.TAIL).encode()


def as_visual_studio(data):
    """Its deployments declare the namespace of the identity on the element itself."""
    return data.replace(b"<asmv1:assemblyIdentity ", b"<assemblyIdentity xmlns='urn:schemas-microsoft-com:asm.v1' ", 1)


def release(folder, suffix, vsto=False):
    """Files of a release: manifests, a program and a library, mapped names or not."""
    programs = []
    for name, shared in (("App.exe", False), ("App.dll", True)):
        installer.program(folder, name, len(suffix), shared)
        with open(os.path.join(folder, name), "rb") as f:
            programs.append(f.read())
    inner, outer = ("App.dll.manifest", "App.vsto") if vsto else ("App.exe.manifest", "App.application")
    application = manifest(samples.HEAD % inner[:-9], "  <application />\r\n", LIBRARY % "App.exe", LIBRARY % "App.dll",
                           '  <file name="data\\a.txt" size="0">' + samples.HASH + "</file>\r\n")
    deployment = manifest(samples.HEAD % outer, '  <deployment install="true" mapFileExtensions="%s" />\r\n' % str(suffix != "").lower(),
                          LIBRARY % ("Application Files\\App_1\\" + inner))
    deployment = deployment.replace(b'<assemblyIdentity name="App" version="1.0.0.0" publicKeyToken="0000000000000000" />',
                                    b'<assemblyIdentity name="%s" version="1.0.0.0" publicKeyToken="0000000000000000" language="neutral" '
                                    b'processorArchitecture="msil" type="win32" />' % inner[:-9].encode())
    return {outer: as_visual_studio(deployment), samples.FOLDER + inner: application, samples.FOLDER + "App.exe" + suffix: programs[0],
            samples.FOLDER + "App.dll" + suffix: programs[1], samples.FOLDER + "data/a.txt" + suffix: b"data"}


@unittest.skipIf(dotnet.missing(), dotnet.missing())
class DotNet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.checker = dotnet.Program("clickonce_dotnet")
        cls.addClassCleanup(cls.checker.__exit__)

    def judge(self, b, *paths, options=()):
        """The verdict on each manifest, and all that was said."""
        _, said = self.checker.run("--root", b.roots, "--stamp-root", b.tsa.ca, *options, *paths)
        lines = [line for line in said.splitlines() if line.startswith(("valid ", "INVALID "))]
        self.assertEqual(len(lines), len(paths), said)
        return [line.startswith("valid ") for line in lines], said

    def sign(self, b, files, configuration, folder):
        """The folder with the signed release."""
        shutil.rmtree(b.path(folder), ignore_errors=True)
        with zipfile.ZipFile(b.path("in.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            for name, data in files.items():
                z.writestr("release/" + name, data)
        b.sign(b.path("in.zip"), b.path("out.zip"), stamp=True,
               options=["--config", b.put("c.xml", (HEAD + configuration + TAIL).encode())])
        self.assertTrue(b.valid(b.path("out.zip")))
        with zipfile.ZipFile(b.path("out.zip")) as z:
            z.extractall(b.path(folder))
        return os.path.join(b.path(folder), "release")

    def manifests(self, folder):
        return [os.path.join(at, n) for at, _, names in os.walk(folder) for n in sorted(names)
                if n.endswith((".manifest", ".application", ".vsto"))]

    def test_releases_with_programs(self):
        with authenticode.Bench(issued=True) as b:
            for suffix, vsto in (("", False), (".deploy", False), (".deploy", True)):
                files = release(b.folder, suffix, vsto)
                # written behind clickonce-sign or before it: the programs come first
                for order in ("<clickonce-sign/>" + PROGRAMS, PROGRAMS + "<clickonce-sign/>"):
                    folder = self.sign(b, files, order.replace("%s", suffix), "out")
                    verdicts, said = self.judge(b, *self.manifests(folder))
                    self.assertEqual(verdicts, [True, True], said)
                    self.assertEqual(sorted(re.findall(r": (\d+) files, ", said)), ["1", "3"], said)
                    for name, data in files.items():
                        path = os.path.join(folder, name)
                        with open(path, "rb") as f:
                            same = f.read() == data
                        if name.endswith((".exe" + suffix, ".dll" + suffix)):
                            self.assertTrue(b.accepted(path) and b.valid(path) and not same, name)
                        else:
                            self.assertEqual(same, name.endswith(".txt" + suffix), name)

    def test_programs_changed_afterwards(self):
        with authenticode.Bench(issued=True) as b:
            folder = self.sign(b, release(b.folder, ".deploy"), "<clickonce-sign/>" + PROGRAMS.replace("%s", ".deploy"), "out")
            path = os.path.join(folder, samples.FOLDER, "App.dll.deploy")
            with open(path, "r+b") as f:
                f.seek(200)
                f.write(b"?")
            verdicts, said = self.judge(b, *self.manifests(folder))
            self.assertEqual(sorted(verdicts), [False, True], said)
            self.assertIn("hash of App.dll", said)

    def test_names_as_windows_writes_them(self):
        for subject in SUBJECTS:
            for issued in (True, False):
                with authenticode.Bench(subject=subject, options=["-utf8", *([] if issued else NO_AUTHORITY)], issued=issued) as b:
                    source = b.put("App.application", as_visual_studio(samples.DEPLOYMENT.encode()))
                    b.sign(source, b.path("signed.application"), stamp=issued)
                    verdicts, said = self.judge(b, b.path("signed.application"), options=["--no-files"])
                    self.assertEqual(verdicts, [True], said)
                    self.assertTrue(b.valid(b.path("signed.application")))

    def test_names_without_a_short_form(self):
        """Windows writes their identifiers; .NET on Linux asks OpenSSL for a name, so it is no judge here."""
        subject = "/1.3.6.1.4.1.311.60.2.1.3=DE/2.5.4.15=Private Organization/CN=a"
        with authenticode.Bench(subject=subject, issued=True) as b:
            b.sign(b.put("App.application", samples.DEPLOYMENT.encode()), b.path("signed.application"))
            with open(b.path("signed.application"), "rb") as f:
                self.assertIn(b' name="CN=a, OID.2.5.4.15=Private Organization, OID.1.3.6.1.4.1.311.60.2.1.3=DE"', f.read())

    def test_every_part_counts(self):
        with authenticode.Bench(issued=True) as b:
            source = b.put("App.application", as_visual_studio(samples.DEPLOYMENT.encode()))
            b.sign(source, b.path("signed.application"), stamp=True)
            with open(b.path("signed.application"), "rb") as f:
                data = f.read()
            broken, stamps = [], []
            for part in PARTS:
                places = [m.end() for m in re.finditer(part, data)]
                self.assertGreater(len(places), 0, part)
                for at in places:
                    other = b"c" if data[at:at + 1] == b"b" else b"b"
                    broken.append(b.put("broken-%d.application" % at, data[:at] + other + data[at + 1:]))
                    stamps.append(part == STAMP)
            verdicts, said = self.judge(b, *broken, options=["--no-files"])
            self.assertEqual(set(verdicts), {False}, said)
            for path, stamp in zip(broken, stamps):  # for us what has a broken time stamp is like what has none
                self.assertEqual(b.valid(path), stamp, path)


if __name__ == "__main__":
    if dotnet.missing():
        print("SKIPPED " + dotnet.missing())
        sys.exit(77)
    unittest.main()
