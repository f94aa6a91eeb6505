# SPDX-License-Identifier: Apache-2.0
"""What the template compiler refuses, with file and line. usage: make_templates_test.py COMPILER"""
import importlib.util
import os
import sys
import tempfile
import unittest

spec = importlib.util.spec_from_file_location("compiler", sys.argv.pop(1))
compiler = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compiler)

REFUSED = [
    ("<p>\n{{a", ": {{ without }}"),
    ("<p>\n<b>{{a}}\n{{B}}", "page.html:3: 'B' is not a name"),
    ("{{#if a}}", "{{#if}} has no end"),
    ("{{#if a}}{{/for}}", "{{/for}} without its beginning"),
    ("{{/if}}", "without its beginning"),
    ("{{else}}", "{{else}} without"),
    ("{{#if a}}{{else}}{{else}}{{/if}}", "{{else}} without"),
    ("{{#if a b}}{{/if}}", "{{#if name}}"),
    ("{{#if a == b}}{{/if}}", "{{#if name}}"),
    ("{{#for a in b}}", "{{#for}} has no end"),
    ("{{#for a of b}}{{/for}}", "{{#for name in list}}"),
    ("{{#for a in b}}{{#for a in c}}{{/for}}{{/for}}", "cannot be the name of a loop"),
    ("{{{a}}}", "unknown"),
    ("{{&a}}", "unknown"),
    ("{{A}}", "is not a name"),
    ("{{a..b}}", "is not a name"),
    ("{{a()}}", "is not a name"),
    ("{{> nothing}}", "there is no nothing.html"),
    ("{{> page}}", "takes itself in"),
    ("<{{a}}>", "a bare <"),
    ("<p {{a}}>", "a value may not stand here"),
    ("<p {{a}}=\"\">", "a value may not stand here"),
    ("<p class={{a}}>", "not in double quotes"),
    ("<p class='{{a}}'>", "not in double quotes"),
    ("<p onclick=\"{{a}}\">", "attribute onclick is not allowed"),
    ("<p style=\"color:red\">", "attribute style is not allowed"),
    ("<iframe srcdoc=\"{{a}}\">", "attribute srcdoc is not allowed"),
    ("<script>alert(1)</script>", "inline script"),
    ("<style>p{}</style>", "inline style"),
    ("<script>{{a}}</script>", "a value may not stand here"),
    ("<!-- {{a}} -->", "a value may not stand here"),
    ("<p title=\"a", "the HTML is not complete"),
    ("<p title=\"a\n<b>", "a quote is missing"),
    ("{{#if a}}<p title=\"{{/if}}\">", "another place of the HTML"),
    ("{{#if a}}<p {{else}}<p>{{/if}}", "another place of the HTML"),
    ("<p {{#for a in b}}>{{/for}}", "another place of the HTML"),
    ("a < b", "a bare <"),
]
TAKEN = ["", "a &lt; b", "<p class=\"{{a}} b\">{{a}}</p>", "<input{{#if a}} checked{{/if}}>",
         "<script type=\"module\" src=\"/static/a.js\"></script>",
         "{{#for a in b}}{{a}}{{else}}{{b}}{{/for}}", "<textarea>\n {{a}}</textarea>",
         "<svg viewBox=\"0 0 1 1\"><use href=\"#i\"/></svg>"]


class Compiler(unittest.TestCase):
    def run_on(self, text):
        """What it says when it refuses, "" when it does not."""
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.html")
            with open(page, "w") as f:
                f.write(text)
            try:
                compiler.main("x", os.path.join(folder, "x.c"), os.path.join(folder, "x.h"), page)
            except SystemExit as e:
                return str(e)
            return ""

    def test_refused(self):
        for text, message in REFUSED:
            with self.subTest(text):
                said = self.run_on(text)
                self.assertRegex(said, r"page\.html:\d+: ")
                self.assertIn(message, said)

    def test_taken(self):
        for text in TAKEN:
            with self.subTest(text):
                self.assertEqual(self.run_on(text), "")


if __name__ == "__main__":
    unittest.main()
