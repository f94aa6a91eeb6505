#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PowerShell files signed by the command line with time stamps, against osslsigncode: powershell_interop.py"""
import sys
import unittest

import authenticode

TEXTS = ["Write-Host 1", "Write-Host 1\n", "a\r\nb\r\n\r\n", "a\rb\r", "Gr\u00f6\u00dfe \u20ac \U0001f60e\r\n",
         "x" * 70000 + "\r\n"]
FORMS = {"plain": ("utf-8", b""), "marked": ("utf-8", b"\xef\xbb\xbf"), "little": ("utf-16-le", b"\xff\xfe"),
         "big": ("utf-16-be", b"\xfe\xff")}
NAMES = ["a.ps1", "b.psm1", "c.psd1", "d.PS1XML", "e.psc1", "f.cdxml", "g.mof"]


def encoded(text, form):
    encoding, mark = FORMS[form]
    return mark + text.encode(encoding)


class PowerShell(unittest.TestCase):
    def check(self, b, name, data, form):
        source, output = b.put(name, data), b.path("signed-" + name)
        b.sign(source, output, stamp=True)
        with open(output, "rb") as f:
            signed = f.read()
        self.assertTrue(signed.startswith(data))
        self.assertTrue(b.valid(output))
        if form != "big":  # osslsigncode 2.9 cannot read it
            self.assertTrue(b.accepted(output), (name, form))
        at = len(FORMS[form][1]) + (1 if form == "big" else 0)
        broken = b.put("broken-" + name, signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1:])
        self.assertFalse(b.valid(broken))
        if form != "big":
            self.assertFalse(b.accepted(broken))

    def test_texts_in_every_encoding(self):
        with authenticode.Bench() as b:
            for text in TEXTS:
                for form in FORMS:
                    self.check(b, "a.ps1", encoded(text, form), form)

    def test_every_extension(self):
        with authenticode.Bench("ec", ["-pkeyopt", "ec_paramgen_curve:P-384"]) as b:
            for name in NAMES:
                for form in FORMS:
                    self.check(b, name, encoded(TEXTS[2], form), form)

    def test_a_foreign_signature_is_replaced(self):
        import subprocess
        with authenticode.Bench() as b, authenticode.Bench() as other:
            source = b.put("a.ps1", b"exit\r\n")
            subprocess.run(["osslsigncode", "sign", "-certs", other.certificate, "-key", other.key, "-h", "sha256", "-in",
                            source, "-out", b.path("theirs.ps1")], check=True, capture_output=True)
            self.assertTrue(b.valid(b.path("theirs.ps1"), roots=other.certificate))
            self.assertFalse(b.valid(b.path("theirs.ps1")))
            b.sign(b.path("theirs.ps1"), b.path("ours.ps1"))
            self.assertTrue(b.accepted(b.path("ours.ps1")) and b.valid(b.path("ours.ps1")))
            with open(b.path("ours.ps1"), "rb") as f:
                self.assertEqual(f.read().count(b"Begin signature block"), 1)

    def test_refusals_say_why(self):
        cases = {b"1\r\n# SIG # Begin signature block\r\n# QUJD\r\n# SIG # End signature block\r\nexit\r\n": "after its",
                 b"1\r\n# SIG # Begin signature block\r\n": "no end", b"a\0b": "NUL", b"": "empty",
                 b"\xff\xfea": "middle"}
        with authenticode.Bench() as b:
            for data, says in cases.items():
                self.assertIn(says, b.refused(b.put("a.ps1", data)) or "")


if __name__ == "__main__":
    if not authenticode.new_enough():
        print("SKIPPED osslsigncode 2.6 or newer is not installed")
        sys.exit(77)
    unittest.main()
