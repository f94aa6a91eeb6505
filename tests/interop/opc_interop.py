#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OPC packages signed by the command line, against Apache POI, xmlsec1 and osslsigncode: opc_interop.py"""
import io
import os
import re
import shutil
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import authenticode
import poi

CONFIGURATION = '<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">%s</artifact-configuration>'
TYPES = ('<?xml version="1.0" encoding="utf-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
         '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
         '<Default Extension="vsixmanifest" ContentType="text/xml"/><Default Extension="xml" ContentType="application/xml"/>'
         '<Default Extension="dll" ContentType="application/octet-stream"/>'
         '<Default Extension="exe" ContentType="application/octet-stream"/><Override PartName="/a" ContentType="text/plain"/></Types>')
SPACE = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = ('<?xml version="1.0"?>\n<Relationships xmlns="' + SPACE + '">\n <Relationship Target="a" Id="z" Type="urn:t"/>\n'
             ' <!-- comment --><Relationship Id="B" Type="urn:t" Target="http://example.org/?a&amp;b" TargetMode="External"/>'
             '<Relationship Id="b" Type="urn:u" Target="extension.vsixmanifest"></Relationship></Relationships>')
VSIX = ('<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011"><Metadata>'
        '<Identity Id="Acme.Tool" Version="1.2" Language="en-US" Publisher="Acme"/></Metadata></PackageManifest>')
PSDSXS = "package/services/digital-signature/xml-signature/signature.psdsxs"


def package(files=None, relations=RELATIONS, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr("extension.vsixmanifest", VSIX)
        z.writestr("a", b"text")
        z.writestr("b-c.dll", os.urandom(100000))
        for name, data in (files or {}).items():
            z.writestr(name, data)
        if relations:
            z.writestr("_rels/.rels", relations)
            z.writestr("_rels/a.rels", RELATIONS.replace("\n", " "))  # Apache POI leaves line ends out of these
        z.writestr("[Content_Types].xml", TYPES)
    return out.getvalue()


def edited(data, name, change):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for info in old.infolist():
            content = old.read(info.filename)
            z.writestr(info.filename, change(content) if info.filename == name else content)
    return out.getvalue()


class Packages(unittest.TestCase):
    def read(self, path):
        with open(path, "rb") as f:
            return f.read()

    def xmlsec(self, b, data):
        """The signature value and the digest of the object; the parts are in the package, which xmlsec1 does not open."""
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            b.put("signature.xml", z.read(PSDSXS))
        done = subprocess.run(["xmlsec1", "--verify", "--ignore-manifests", "--id-attr:Id", "http://www.w3.org/2000/09/xmldsig#:Object",
                               "--trusted-pem", b.certificate, b.path("signature.xml")], capture_output=True)
        return done.returncode == 0

    def test_signed_and_accepted(self):
        keys = (("rsa:2048", ()), ("rsa:3072", ()), ("ec", ("-pkeyopt", "ec_paramgen_curve:P-256")),
                ("ec", ("-pkeyopt", "ec_paramgen_curve:P-384")))
        for key, options in keys:
            with authenticode.Bench(key, options) as b:
                files = []
                for i, source in enumerate((package(), package(relations=None), package(method=zipfile.ZIP_STORED))):
                    name = "a%d.vsix" % i
                    b.sign(b.put("in.vsix", source), b.path(name), stamp=i != 1)
                    self.assertTrue(b.valid(b.path(name)), (key, i))
                    self.assertTrue(self.xmlsec(b, self.read(b.path(name))), (key, i))
                    b.sign(b.path(name), b.path("again.vsix"), stamp=False)  # replaces
                    with zipfile.ZipFile(b.path("again.vsix")) as z:
                        self.assertEqual(sum(n.endswith(".psdsxs") for n in z.namelist()), 1)
                    shutil.copy(b.path("again.vsix"), b.path("again-" + name))
                    files += [b.path(name), b.path("again-" + name)]
                self.assertEqual(poi.judge(b.folder, files), ["valid"] * 6, key)

    def test_changes_are_seen_as_apache_poi_sees_them(self):
        changes = {"a": lambda c: c + b"!", "_rels/a.rels": lambda c: c.replace(b"urn:u", b"urn:x"),
                   "_rels/.rels": lambda c: c.replace(b'Id="z"', b'Id="y"'), "extension.vsixmanifest": lambda c: c.upper(),
                   "[Content_Types].xml": lambda c: c.replace(b"text/plain", b"text/html"),
                   PSDSXS: lambda c: re.sub(rb"(<DigestValue>)(.)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"), c, count=1)}
        same = {"a": lambda c: c}
        with authenticode.Bench() as b:
            b.sign(b.put("in.vsix", package()), b.path("out.vsix"))
            data, files, wanted = self.read(b.path("out.vsix")), [], []
            for good, rows in ((False, changes), (True, same)):
                for i, (name, change) in enumerate(rows.items()):
                    files.append(b.put("%s%d.vsix" % (good, i), edited(data, name, change)))
                    wanted.append(good)
            self.assertEqual([b.valid(f) for f in files], wanted)
            types = list(changes).index("[Content_Types].xml")  # Apache POI does not compare content types
            said = [word == "valid" for word in poi.judge(b.folder, files)]
            self.assertEqual(said[:types] + said[types + 1:], wanted[:types] + wanted[types + 1:])

    def test_programs_inside(self):
        with authenticode.Bench() as b:
            b.put("a.c", b"int main(void) { return 0; }\n")
            self.assertEqual(subprocess.run(["x86_64-w64-mingw32-gcc", "-o", b.path("a.exe"), b.path("a.c")]).returncode, 0)
            source = io.BytesIO()
            with zipfile.ZipFile(source, "w") as z:
                z.writestr("a.vsix", package({"bin/my%20tool.exe": self.read(b.path("a.exe"))}))
            b.put("c.xml", (CONFIGURATION % '<zip-file><opc-file path="a.vsix" package-id="Acme.Tool" publisher="Acme"><pe-file '
                            'path="bin/my tool.exe"><authenticode-sign/></pe-file><opc-sign/></opc-file></zip-file>').encode())
            for _ in range(2):  # the second time what the first one signed
                done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--config", b.path("c.xml"), "--tsa", b.tsa.url,
                                  "--force", "-o", b.path("out.zip"), b.put("in.zip", source.getvalue()))
                self.assertEqual(done.returncode, 0, done.stderr)
                with zipfile.ZipFile(b.path("out.zip")) as z:
                    inner = b.put("a.vsix", z.read("a.vsix"))
                # Apache POI decodes the URI of a reference and then refuses the blank in the name: not asked here.
                self.assertTrue(b.valid(inner) and self.xmlsec(b, self.read(inner)))
                with zipfile.ZipFile(inner) as z:
                    self.assertTrue(b.accepted(b.put("tool.exe", z.read("bin/my%20tool.exe"))))
                source = io.BytesIO(self.read(b.path("out.zip")))

    def test_office_documents_as_packages(self):
        """What else the file is does not hide the signature from our verify."""
        with authenticode.Bench() as b:
            main = '<Relationship Id="m" Type="%s/officeDocument" Target="word/document.xml"/></Relationships>' % OFFICE
            relations = RELATIONS.replace("</Relationships>", main)
            source = b.put("in.docx", package({"word/document.xml": "<w:document xmlns:w='urn:w'/>"}, relations))
            config = b.put("c.xml", (CONFIGURATION % "<opc-file><opc-sign/></opc-file>").encode())
            b.sign(source, b.path("out.docx"), options=("--config", config))
            self.assertTrue(b.valid(b.path("out.docx")))
            self.assertEqual(poi.judge(b.folder, [b.path("out.docx")]), ["valid"])
            changed = edited(self.read(b.path("out.docx")), "word/document.xml", lambda c: c + b"<!---->")
            self.assertFalse(b.valid(b.put("changed.docx", changed)))

    def test_refusals_say_why(self):
        with authenticode.Bench() as b:
            self.assertIn("no row for \"x.unknown\"", b.refused(b.put("a.vsix", package({"x.unknown": b""}))) or "")
            self.assertIn("no part name", b.refused(b.put("a.vsix", package({"a b.dll": b""}))) or "")
            b.put("c.xml", (CONFIGURATION % '<opc-file package-id="Other"><opc-sign/></opc-file>').encode())
            done = b.chancery("sign", "--key", b.key, "--cert", b.certificate, "--config", b.path("c.xml"), "-o", b.path("o"),
                              b.put("a.vsix", package()))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(b"Acme.Tool", done.stderr)


if __name__ == "__main__":
    tools = " ".join(filter(None, [poi.missing(), *(t for t in ("xmlsec1", "x86_64-w64-mingw32-gcc") if not shutil.which(t))]))
    if tools or not authenticode.new_enough():
        print("SKIPPED not installed: " + (tools or "osslsigncode 2.6"))
        sys.exit(77)
    unittest.main()
