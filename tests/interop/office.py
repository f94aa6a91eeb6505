#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Office files with macros made from nothing, signed by the command line. A second calculation (tests/lib/vba.py) gives the hashes that each
signature has to state, openssl verifies the messages, Apache POI opens the packages and LibreOffice the documents, where they are installed."""
import hashlib
import io
import shutil
import struct
import subprocess
import unittest
import zipfile
import zlib

import authenticode
import compound
import macros
import poi
import vba

TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
PROJECT = "http://schemas.microsoft.com/office/2006/relationships/vbaProject"
WORD = ('<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>Hello</w:t></w:r></w:p>'
        '</w:body></w:document>')
# Extension: folder, main part, its content type, its bytes.
PACKAGES = {
    "docm": ("word", "document.xml", "application/vnd.ms-word.document.macroEnabled.main+xml", WORD.encode()),
    "xlsm": ("xl", "workbook.xml", "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
             b'<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheets/></workbook>'),
    "pptm": ("ppt", "presentation.xml", "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
             b'<p:presentation xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"/>'),
    "xlsb": ("xl", "workbook.bin", "application/vnd.ms-excel.sheet.binary.macroEnabled.main", b"\x83\x01\0\x84\x01\0"),
}
MACRO = 'Attribute VB_Name = "Module1"\r\nSub Hello()\r\n    MsgBox "Hello"%s\r\nEnd Sub\r\n'
FORM = {"f": b"form" * 300, "o": b"", "i01/f": b"frame", "\x03VBFrame": b"VERSION 5.00"}
PROJECTS = {
    "one module": dict(modules={"Module1": MACRO % ""}),
    "a form": dict(modules={"Module1": MACRO % ""}, form=FORM),
    "long and many": dict(modules={"Module%d" % i: 'Attribute VB_Name = "Module%d"\r\n' % i + "' %s\r\nPublic x%d As Long\r\n" % ("-" * (900 * i), i)
                                   for i in range(1, 6)}, project_reference=False),
    "no code": dict(modules={}),
}


def package(extension, streams):
    folder, main, kind, content = PACKAGES[extension]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("[Content_Types].xml", '<?xml version="1.0" encoding="UTF-8"?>\n<Types xmlns="%s"><Default Extension="rels" ContentType='
                   '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="bin" ContentType="application/vnd.ms-office.'
                   'vbaProject"/><Override PartName="/%s/%s" ContentType="%s"/></Types>' % (TYPES, folder, main, kind))
        for name, link, target in (("_rels/.rels", OFFICE, folder + "/" + main), ("%s/_rels/%s.rels" % (folder, main), PROJECT, "vbaProject.bin")):
            z.writestr(name, '<Relationships xmlns="%s"><Relationship Id="rId1" Type="%s" Target="%s"/></Relationships>' % (LINKS, link, target))
        z.writestr(folder + "/" + main, content)
        z.writestr(folder + "/vbaProject.bin", compound.write(streams))
    return out.getvalue()


def workbook(streams):
    start = struct.pack("<HHHHHH", 0x809, 8, 0x600, 5, 0, 0) + struct.pack("<HH", 10, 0)
    return compound.write({"Workbook": start, **{"_VBA_PROJECT_CUR/" + k: v for k, v in streams.items()}}, created=0x1c4a53d6b8a8000)


def document(streams):
    """A file information block of Word 97 and an empty table of variables."""
    block = struct.pack("<HHHHHH", 0xa5ec, 0xc1, 0, 0x409, 0, 0x200) + bytes(20) + struct.pack("<H", 14) + bytes(28)
    block += struct.pack("<H", 22) + bytes(88) + struct.pack("<H", 93) + bytes(93 * 8)
    return compound.write({"WordDocument": block, "1Table": bytes(64), **{"Macros/" + k: v for k, v in streams.items()}})


def record(version, kind, body, instance=0):
    return struct.pack("<HHI", version | instance << 4, kind, len(body)) + body


def presentation(streams):
    """[MS-PPT]: the document, its macros as a packed compound file, where both are, and the edit that says so."""
    project = compound.write(streams)
    info = record(15, 0x3ff, record(2, 0x400, struct.pack("<III", 2, 1, 2)), instance=1)
    document = record(15, 0x3e8, record(15, 0x7d0, info))
    storage = record(0, 0x1011, struct.pack("<I", len(project)) + zlib.compress(project), instance=1)
    places = record(0, 0x1772, struct.pack("<III", 2 << 20 | 1, 0, len(document)))
    edit = record(0, 0xff5, struct.pack("<7I", 0, 0, 0, len(document) + len(storage), 1, 3, 0))
    user = record(0, 0xff6, struct.pack("<III", 20, 0xe391c05f, len(document) + len(storage) + len(places)))
    return compound.write({"PowerPoint Document": document + storage + places + edit, "Current User": user})


def word_signatures(data):
    """The values of the variables Sign, SigAgile and SigV3 ([MS-DOC] 2.9.298)."""
    streams = compound.read(data)
    at, size = struct.unpack_from("<II", streams["WordDocument"], 0x27a)
    r = vba.Reader(streams["1Table"][at:at + size])
    _, count, _ = struct.unpack("<HHH", r.take(6))
    def text():
        return r.take(2 * struct.unpack("<H", r.take(2))[0])
    names = [(text().decode("utf-16-le"), r.take(4))[0] for _ in range(count)]
    kinds = {"Sign": "legacy", "SigAgile": "agile", "SigV3": "v3"}
    # WordSigBlob ([MS-OSHARED] 2.3.2.3): its length is that of the string; then cb, 8 and the signature
    values = [text() for _ in range(count)]
    return {kinds[n]: v[8:8 + struct.unpack_from("<I", v)[0]] for n, v in zip(names, values) if n in kinds}


class Office(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.b = authenticode.Bench()
        cls.b.__enter__()
        cls.addClassCleanup(cls.b.__exit__)

    def signed(self, name, data):
        self.b.sign(self.b.put(name, data), self.b.path("signed-" + name), stamp=True)
        self.assertTrue(self.b.valid(self.b.path("signed-" + name)), name)
        with open(self.b.path("signed-" + name), "rb") as f:
            return f.read()

    def check_message(self, info):
        """The CMS message by openssl: its content's digest, and the signature over the attributes."""
        size, = struct.unpack_from("<I", info)
        message, content = info[36:36 + size], macros.indirect_data(info)
        signed_data = macros.inside(macros.inside(macros.element(message)[1])[1][1])[0][1]
        signer = macros.inside(macros.inside(signed_data)[-1][1])[0][1]
        fields = macros.inside(signer)
        attributes = [f for f in fields if f[0] == 0xa0][0]
        value = [f for f in fields if f[0] == 4][0][1]
        self.assertIn(b"\4\x20" + hashlib.sha256(macros.element(content)[1]).digest(), attributes[1])
        key = self.b.put("key.pub", subprocess.run(["openssl", "x509", "-in", self.b.certificate, "-noout", "-pubkey"], check=True,
                                                   capture_output=True).stdout)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", key, "-signature", self.b.put("value", value),
                               self.b.put("attributes", b"\x31" + attributes[2][1:])], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(bytes.fromhex("2b060104018237030301"), message)  # time stamp

    def check_hashes(self, streams, infos, kinds, name):
        self.assertEqual(set(infos), set(kinds), name)
        project = vba.Project(streams)
        for kind, info in infos.items():
            algorithm, compiled, source = vba.recorded(info, kind)
            self.assertEqual((algorithm, source.hex()), ("sha256", project.source(kind, algorithm).hex()), (name, kind))
            self.assertEqual(compiled, project.compiled(kind, algorithm), (name, kind))
            self.check_message(info)

    def test_packages(self):
        for title, project in PROJECTS.items():
            streams = vba.make(**project)
            for extension in PACKAGES:
                name = "%s.%s" % (title.replace(" ", "-"), extension)
                data = package(extension, streams)
                out = self.signed(name, data)
                self.check_hashes(streams, macros.signatures(self.b.path("signed-" + name)), macros.KINDS, name)
                with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(io.BytesIO(out)) as new:
                    for n in old.namelist():
                        if not n.endswith(".rels") and n != "[Content_Types].xml":
                            self.assertEqual(old.read(n), new.read(n), (name, n))

    def test_binary_files(self):
        for title, project in PROJECTS.items():
            streams = vba.make(**project)
            out = self.signed("a.xls", workbook(streams))
            self.check_hashes(streams, self.property(out), ["legacy"], title)
            out = self.signed("a.ppt", presentation(streams))
            self.check_hashes(streams, self.property(out), ["legacy"], title)
            for name, content in compound.read(presentation(streams)).items():
                self.assertEqual(compound.read(out)[name], content, name)
            out = self.signed("a.doc", document(streams))
            self.check_hashes(streams, word_signatures(out), macros.KINDS, title)
            for name in compound.read(document(streams)):
                if name not in ("WordDocument", "1Table"):
                    self.assertEqual(compound.read(out)[name], compound.read(document(streams))[name], name)

    def property(self, data):
        stream = compound.read(data)["\5DocumentSummaryInformation"]
        return macros.legacy_property(self.b.put("stream", stream))

    def test_changed_macros(self):
        """The signatures of one project beside another: one letter of code, of the form, of the references."""
        good = dict(modules={"Module1": MACRO % ""}, form=FORM)
        changes = {"code": dict(good, modules={"Module1": MACRO % " & 1"}), "reference": dict(good, project_reference=False),
                   "form": dict(good, form={**FORM, "f": b"Form" * 300})}
        for extension in PACKAGES:
            name = "a." + extension
            out = self.signed(name, package(extension, vba.make(**good)))
            for what, change in changes.items():
                with zipfile.ZipFile(io.BytesIO(out)) as old, zipfile.ZipFile(self.b.path("changed-" + name), "w") as new:
                    for n in old.namelist():
                        new.writestr(n, compound.write(vba.make(**change)) if n.endswith("vbaProject.bin") else old.read(n))
                self.assertFalse(self.b.valid(self.b.path("changed-" + name)), (name, what))
                project = vba.Project(vba.make(**change))
                stated = {k: vba.recorded(i, k) for k, i in macros.signatures(self.b.path("changed-" + name)).items()}
                wrong = {k for k, (a, _, source) in stated.items() if source != project.source(k, a)}
                self.assertEqual(wrong, {"code": {"legacy", "agile", "v3"}, "reference": {"legacy", "agile", "v3"}, "form": {"agile", "v3"}}[what])

    def test_changed_binary_files(self):
        for make, name in ((workbook, "a.xls"), (document, "a.doc")):
            out = self.signed(name, make(vba.make({"Module1": MACRO % ""})))
            streams = compound.read(out)
            for path in [p for p in streams if "Module1" in p or p.endswith("/dir")]:
                content = streams[path]
                at = content.index(b"H") if "Module1" in path else len(content) - 40
                broken = compound.write({**streams, path: content[:at] + bytes([content[at] ^ 2]) + content[at + 1:]})
                self.assertFalse(self.b.valid(self.b.put("broken-" + name, broken)), path)

    def test_changed_presentation(self):
        good, other = (presentation(vba.make({"Module1": MACRO % more})) for more in ("", " & 1"))
        streams = compound.read(self.signed("a.ppt", good))
        for name in ("PowerPoint Document", "Current User"):
            streams[name] = compound.read(other)[name]
        self.assertFalse(self.b.valid(self.b.put("changed.ppt", compound.write(streams))))

    @unittest.skipIf(poi.missing(), "not installed: " + poi.missing())
    def test_apache_poi_opens_the_packages(self):
        names = []
        for extension in ("docm", "xlsm", "pptm", "xlsb"):
            self.signed("poi." + extension, package(extension, vba.make({"Module1": MACRO % ""})))
            names.append(self.b.path("signed-poi." + extension))
        self.assertEqual(poi.judge(self.b.folder, names), ["unsigned"] * 4)  # of signatures over the package there are none

    @unittest.skipUnless(shutil.which("soffice"), "not installed: LibreOffice")
    def test_libreoffice_opens_a_document(self):
        self.signed("lo.docm", package("docm", vba.make({"Module1": MACRO % ""})))
        done = subprocess.run(["soffice", "-env:UserInstallation=file://" + self.b.path("profile"), "--headless", "--convert-to", "txt:Text",
                               "--outdir", self.b.folder, self.b.path("signed-lo.docm")], capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL)
        with open(self.b.path("signed-lo.txt"), encoding="utf-8-sig") as f:
            self.assertEqual(f.read().strip(), "Hello", done.stdout + done.stderr)

    def test_kinds_that_cannot_be_signed(self):
        drawing = compound.write({"VisioDocument": bytes(64)})
        self.assertRegex(self.b.refused(self.b.put("a.vsd", drawing)) or "", "Visio")


if __name__ == "__main__":
    unittest.main()
