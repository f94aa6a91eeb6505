#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Windows scripts signed by the command line, their digest computed a second time here: wscript_interop.py"""
import hashlib
import struct
import unittest

import authenticode

WSF = "<?xml version=\"1.0\"?>\r\n<job>\r\n<script language=\"VBScript\">\r\nWScript.Echo \"%s\"\r\n</script>\r\n</job>\r\n"
TEXTS = ["x", "x\n", "a\r\nb\r\n\r\n", "Gr\u00f6\u00dfe \u20ac\r\n", "y" * 70000 + "\r\n"]
FORMS = {"marked": ("utf-8", b"\xef\xbb\xbf"), "little": ("utf-16-le", b"\xff\xfe"), "big": ("utf-16-be", b"\xfe\xff"),
         "ansi": ("windows-1252", b"")}
LINES = {"vbs": ("'' SIG '' Begin signature block", "'' SIG '' End signature block"),
         "js": ("// SIG // Begin signature block", "// SIG // End signature block"), "wsf": ("<signature>", "</signature>")}


def digest(text, place):
    return hashlib.sha256(text.encode("utf-16-le") + struct.pack("<I", place)).digest()


class WindowsScripts(unittest.TestCase):
    def check(self, b, extension, text, form):
        encoding, mark = FORMS[form]
        data = mark + text.encode(encoding)
        source, output = b.put("a." + extension, data), b.path("signed." + extension)
        b.sign(source, output, stamp=True)
        with open(output, "rb") as f:
            signed = f.read()
        self.assertTrue(b.valid(output))
        self.assertTrue(signed.startswith(mark))
        said = signed[len(mark):].decode(encoding)
        begin, end = LINES[extension]
        place = said.index("\r\n" + begin + "\r\n")
        behind = said.index(end + "\r\n") + len(end) + 2
        self.assertEqual(said[:place] + said[behind:], text)
        self.assertIn(digest(text, len(text[:place].encode("utf-16-le")) // 2), authenticode.script_message(signed))
        broken = b.put("broken." + extension, signed[:len(mark)] + bytes([signed[len(mark)] ^ 1]) + signed[len(mark) + 1:])
        if form in ("ansi", "marked"):
            self.assertFalse(b.valid(broken))

    def test_every_language_in_every_encoding(self):
        with authenticode.Bench() as b:
            for form in FORMS:
                for text in TEXTS:
                    self.check(b, "vbs", text, form)
                    self.check(b, "js", text, form)
                self.check(b, "wsf", WSF % "Gr\u00f6\u00dfe" if form != "ansi" else WSF % "plain", form)

    def test_characters_beyond_the_first_plane(self):
        with authenticode.Bench("ec", ["-pkeyopt", "ec_paramgen_curve:P-256"]) as b:
            for extension in ("vbs", "js"):
                self.check(b, extension, "' \U0001f60e\r\n", "marked")

    def test_refusals_say_why(self):
        with authenticode.Bench() as b:
            self.assertIn("</job>", b.refused(b.put("a.wsf", b"<component/>")) or "")
            self.assertIn("NUL", b.refused(b.put("a.vbs", b"a\0b")) or "")
            self.assertIn("no end", b.refused(b.put("a.js", b"1\r\n// SIG // Begin signature block\r\n")) or "")


if __name__ == "__main__":
    unittest.main()
