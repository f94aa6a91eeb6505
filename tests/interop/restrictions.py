#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Restrictions on what packages say about themselves, beyond those of SignPath: NuGet id and version, identity of APPX and MSIX packages
and bundles, identity of VSIX packages. On the element, on a set, on an include, with parameters."""
import io
import unittest
import zipfile

import appx_interop
import authenticode
import nupkg_interop
import opc_interop

CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><parameters><parameter name="p"/></parameters>
%s</artifact-configuration>"""
# Element, its file, the directive, and what the file says.
KINDS = [
    ("nupkg-file", "a.nupkg", "nuget-sign", nupkg_interop.package, {"package-id": "Sample", "package-version": "1.2.3"}),
    ("opc-file", "a.vsix", "opc-sign", opc_interop.package,
     {"package-id": "Acme.Tool", "package-version": "1.2", "publisher": "Acme"}),
    ("appx-file", "a.appx", "authenticode-sign", appx_interop.package,
     {"package-name": "A", "package-version": "1.0.0.0", "publisher": "CN=Signer, O=Tests"}),
    ("msix-file", "a.msix", "authenticode-sign", appx_interop.package,
     {"package-name": "A", "package-version": "1.0.0.0", "publisher": "CN=Signer, O=Tests"}),
    ("msix-file", "a.msixbundle", "authenticode-sign", lambda: appx_interop.bundle({"a.msix": appx_interop.package()}),
     {"package-name": "A", "package-version": "1.0.0.0", "publisher": "CN=Signer, O=Tests"}),
]


class Restrictions(unittest.TestCase):
    def setUp(self):
        self.b = authenticode.Bench()
        self.b.__enter__()
        self.addCleanup(self.b.__exit__)

    def sign(self, name, data, configuration, parameter="x"):
        """None when it was signed, else why not."""
        done = self.b.chancery("sign", "--key", self.b.key, "--cert", self.b.certificate, "--force", "--parameter", "p=" + parameter,
                               "--config", self.b.put("c.xml", (CONFIGURATION % configuration).encode()), "-o", self.b.path("out"),
                               self.b.put(name, data))
        return None if done.returncode == 0 else done.stderr.decode()

    def test_each_attribute(self):
        for element, name, directive, make, says in KINDS:
            data = make()
            whole = " ".join('%s="%s"' % pair for pair in says.items())
            self.assertIsNone(self.sign(name, data, "<%s %s><%s/></%s>" % (element, whole, directive, element)), name)
            for attribute, value in says.items():
                text = '<%s %s="${p}"><%s/></%s>' % (element, attribute, directive, element)
                self.assertIsNone(self.sign(name, data, text, value), (name, attribute))
                for wrong in (value.swapcase(), value + "0", ""):
                    if wrong == value:
                        continue
                    why = self.sign(name, data, text, wrong)
                    self.assertIn("%s" % attribute, why or "", (name, wrong))
                    self.assertIn(value, why, (name, wrong))

    def test_sets_and_includes(self):
        for element, name, directive, make, says in KINDS:
            attribute, value = next(iter(says.items()))
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as z:
                z.writestr(name, make())
            for on_set, on_include, good in (("Other", value, True), (value, "Other", False), (value, None, True), ("Other", None, False)):
                include = "" if on_include is None else ' %s="%s"' % (attribute, on_include)
                why = self.sign("in.zip", archive.getvalue(), '<zip-file><%s-set %s="%s"><include path="*"%s/><for-each><%s/></for-each>'
                                '</%s-set></zip-file>' % (element, attribute, on_set, include, directive, element))
                self.assertEqual(why is None, good, (name, on_set, on_include, why))
                if not good:
                    self.assertIn("Other", why)

    def test_only_where_they_belong(self):
        for text in ('<pe-file package-id="x"><authenticode-sign/></pe-file>', '<nupkg-file publisher="x"><nuget-sign/></nupkg-file>',
                     '<msix-file package-id="x"><authenticode-sign/></msix-file>', '<zip-file package-name="x"/>'):
            self.assertRegex(self.sign("a.nupkg", nupkg_interop.package(), text) or "", "attribute", text)


if __name__ == "__main__":
    unittest.main()
