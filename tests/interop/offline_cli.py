#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chancery sign, verify and plan without a server, against openssl, Info-ZIP and Python:
offline_cli.py FOLDER_OF_PROGRAMS [TEST...]"""
import hashlib
import http.server
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

PROGRAMS = ""
NS = "http://signpath.io/artifact-configuration/v1"
RAW = ('<create-raw-signature hash-algorithm="sha256" rsa-padding="pkcs1" '
       'output-file-name="${file.name}.sig"/>')
CMS = ('<create-cms-signature output-encoding="pem" rsa-padding="pkcs1" '
       'output-file-name="${file.name}.pem"/>')


def openssl(*args, cwd=None, data=None):
    done = subprocess.run(["openssl", *args], capture_output=True, cwd=cwd, input=data)
    if done.returncode != 0:
        raise AssertionError("openssl %s: %s" % (" ".join(args), done.stderr.decode()))
    return done.stdout


def config(body, parameters=""):
    return ('<artifact-configuration xmlns="%s">%s%s</artifact-configuration>'
            % (NS, parameters, body))


def make_zip(entries, method=zipfile.ZIP_DEFLATED):
    """entries: [(name, bytes)]"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in entries:
            info = zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10))
            info.compress_type = method
            info.external_attr = 0o644 << 16
            z.writestr(info, data)
    return out.getvalue()


def raw_entries(data):
    """name -> local header, name, extra and compressed bytes, as they stand in the file"""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        for x in z.infolist():
            name, extra = struct.unpack_from("<HH", data, x.header_offset + 26)
            found[x.filename] = data[x.header_offset:
                                     x.header_offset + 30 + name + extra + x.compress_size]
    return found


def entry(data, *path):
    for name in path:
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            data = z.read(name)
    return data


class Offline(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.mkdtemp(prefix="chancery-keys-")
        for name, algorithm in (("rsa", ["rsa:2048"]), ("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
            openssl("req", "-x509", "-newkey", *algorithm, "-nodes", "-keyout", name + ".key", "-out",
                    name + ".pem", "-days", "3650", "-subj", "/CN=Test " + name, "-addext",
                    "extendedKeyUsage=codeSigning", "-addext", "keyUsage=digitalSignature",
                    cwd=cls.keys)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.keys)

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="chancery-cli-")

    def tearDown(self):
        shutil.rmtree(self.dir)

    # --- helpers

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def run_cli(self, *args, expect=0, env=None):
        done = subprocess.run([os.path.join(PROGRAMS, "chancery"), *args], capture_output=True,
                              text=True, cwd=self.dir, timeout=300, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, expect, "%s\n%s%s" % (args, done.stdout, done.stderr))
        return done

    def sign(self, *args, key="rsa", expect=0, env=None):
        return self.run_cli("sign", "--key", os.path.join(self.keys, key + ".key"), "--cert",
                            os.path.join(self.keys, key + ".pem"), *args, expect=expect, env=env)

    def sign_zip(self, entries, body, *args, parameters="", expect=0, **more):
        data = entries if isinstance(entries, bytes) else make_zip(entries)
        self.write("in.zip", data)
        self.write("ac.xml", config(body, parameters))
        done = self.sign("--config", "ac.xml", "--force", *args, "in.zip", "out.zip", expect=expect,
                         **more)
        if expect != 0:
            self.assertFalse(os.path.exists(self.path("out.zip")))
            self.assertEqual([n for n in os.listdir(self.dir) if n.endswith(".tmp")], [])
        return done

    def check_raw(self, content, signature, key="rsa"):
        self.write("content", content)
        self.write("signature", signature)
        self.write("pub", openssl("x509", "-in", os.path.join(self.keys, key + ".pem"), "-pubkey", "-noout"))
        openssl("dgst", "-sha256", "-verify", "pub", "-signature", "signature", "content", cwd=self.dir)

    # --- deep signing

    def test_nested_zips_and_foreign_verifiers(self):
        inner = make_zip([("bin/a.txt", b"alpha" * 100), ("bin/b.txt", b"beta"), ("c.dat", b"c")])
        outer = make_zip([("Inner-2.1.zip", inner), ("sha256sums", b"sums"), ("readme.txt", b"hi" * 500)])
        body = ('<zip-file><zip-file path="inner-${version}.zip"><directory path="bin"><file-set>'
                '<include path="*.txt" max-matches="unbounded"/><for-each>%s</for-each></file-set>'
                '</directory></zip-file><file path="SHA256SUMS">%s</file></zip-file>' % (RAW, CMS))
        for key in ("rsa", "ec"):
            self.sign_zip(outer, body, "--parameter", "version=2.1", "--receipt", "r.json", key=key,
                          parameters='<parameters><parameter name="version" required="true"/></parameters>')
            out = self.read("out.zip")
            subprocess.run(["unzip", "-tqq", self.path("out.zip")], check=True, stdout=subprocess.DEVNULL)
            for name in ("a.txt", "b.txt"):
                self.check_raw(entry(inner, "bin/" + name),
                               entry(out, "Inner-2.1.zip", "bin/%s.sig" % name), key)
            self.write("sums", b"sums")
            self.write("sums.pem", entry(out, "sha256sums.pem"))
            openssl("cms", "-verify", "-binary", "-purpose", "any", "-content", "sums", "-inform", "PEM",
                    "-in", "sums.pem", "-CAfile", os.path.join(self.keys, key + ".pem"), cwd=self.dir)
            names = zipfile.ZipFile(io.BytesIO(out)).namelist()
            self.assertEqual(names, ["Inner-2.1.zip", "sha256sums", "readme.txt", "sha256sums.pem"])
            before, after = raw_entries(outer), raw_entries(out)
            self.assertEqual(before["readme.txt"], after["readme.txt"])
            self.assertEqual(before["sha256sums"], after["sha256sums"])
            receipt = json.loads(self.read("r.json"))
            self.assertEqual(receipt["input"]["sha256"], hashlib.sha256(outer).hexdigest())
            self.assertEqual(receipt["output"]["sha256"], hashlib.sha256(out).hexdigest())
            self.assertEqual(receipt["signatures"], 3)
            self.assertTrue(receipt["verified"])
            for f in receipt["files"]:
                self.assertEqual(len(f["signatures"]), 1)
            last = [f for f in receipt["files"] if f["output"] == "sha256sums.pem"][0]
            self.assertEqual(last["signatures"][0]["sha256"],
                             hashlib.sha256(self.read("sums.pem")).hexdigest())

    def test_same_inputs_same_bytes(self):
        entries = [("d%d/f%d.txt" % (i % 7, i), os.urandom(300) * 9) for i in range(60)]
        body = ('<zip-file><file-set><include path="**/*.txt" max-matches="unbounded"/><for-each>%s%s'
                '</for-each></file-set></zip-file>' % (RAW, CMS))
        env = {"SOURCE_DATE_EPOCH": "1790000000"}
        self.sign_zip(entries, body, env=env)
        first = self.read("out.zip")
        self.sign_zip(make_zip(entries), body, env=env)
        self.assertEqual(self.read("out.zip"), first)
        self.assertEqual(len(zipfile.ZipFile(io.BytesIO(first)).namelist()), 180)

    def test_counts_are_per_enclosing_match(self):
        entries = [("%s/tool.txt" % d, d.encode()) for d in ("one", "two", "three")]
        entries.append(("three/extra.txt", b"x"))
        body = ('<zip-file><directory-set><include path="*" max-matches="unbounded"/><for-each>'
                '<file path="%s" %s>%s</file></for-each></directory-set></zip-file>')
        self.sign_zip(entries, body % ("tool.txt", "", RAW))
        self.assertEqual(len(zipfile.ZipFile(self.path("out.zip")).namelist()), 7)
        os.unlink(self.path("out.zip"))
        done = self.sign_zip(entries, body % ("*.txt", "", RAW), expect=2)
        self.assertIn("exactly 1 item, but found 2", done.stderr)
        self.assertIn("three", done.stderr)
        self.sign_zip(entries, body % ("extra.txt", 'min-matches="0"', RAW))
        self.assertEqual(len(zipfile.ZipFile(self.path("out.zip")).namelist()), 5)

    def test_parameter_values_are_literal(self):
        entries = [("v1*", b"star"), ("v12", b"twelve")]
        parameters = '<parameters><parameter name="v" required="true"/></parameters>'
        self.sign_zip(entries, '<zip-file><file path="v${v}">%s</file></zip-file>' % RAW, "--parameter",
                      "v=1*", parameters=parameters)
        self.assertEqual(zipfile.ZipFile(self.path("out.zip")).namelist(), ["v1*", "v12", "v1*.sig"])

    def test_names_are_matched_by_folding(self):
        entries = [("LIB/Ünïcode.TXT", b"1"), ("lib/other.txt", b"2")]
        body = ('<zip-file><directory path="lib"><file path="ünÏcode.txt">%s</file></directory></zip-file>' % RAW)
        self.sign_zip(entries, body)
        self.assertIn("LIB/Ünïcode.TXT.sig", zipfile.ZipFile(self.path("out.zip")).namelist())

    def test_depth_limit(self):
        for depth, expect in ((16, 0), (17, 2)):
            data, body = make_zip([("x.txt", b"deep")]), '<file path="x.txt">%s</file>' % RAW
            for _ in range(depth - 1):
                data, body = make_zip([("n.zip", data)]), '<zip-file path="n.zip">%s</zip-file>' % body
            if os.path.exists(self.path("out.zip")):
                os.unlink(self.path("out.zip"))
            self.sign_zip(data, '<zip-file>%s</zip-file>' % body, expect=expect)

    def test_stored_entries_stay_stored(self):
        data = make_zip([("n.zip", make_zip([("a", b"1")]))], zipfile.ZIP_STORED)
        self.sign_zip(data, '<zip-file><zip-file path="n.zip"><file path="a">%s</file></zip-file></zip-file>' % RAW)
        with zipfile.ZipFile(self.path("out.zip")) as z:
            self.assertEqual(z.infolist()[0].compress_type, zipfile.ZIP_STORED)

    def test_large_entry_goes_through_scratch(self):
        big = os.urandom(1 << 20) * 9
        inner = make_zip([("big.bin", big), ("small", b"s")])
        self.sign_zip(make_zip([("n.zip", inner)]),
                      '<zip-file><zip-file path="n.zip"><file path="big.bin">%s</file></zip-file></zip-file>' % RAW)
        out = self.read("out.zip")
        self.check_raw(big, entry(out, "n.zip", "big.bin.sig"))
        self.assertEqual(raw_entries(entry(out, "n.zip"))["big.bin"], raw_entries(inner)["big.bin"])

    # --- refusals

    def test_refusals_name_place_and_line(self):
        body = '<zip-file>\n\n<file path="bin/app.txt">%s</file></zip-file>' % RAW
        cases = [([("dist/bin/app.txt", b"x")], "dist/bin/app.txt"),
                 ([("wrapped.zip", make_zip([("bin/app.txt", b"x")]))], "wrapped.zip"),
                 ([("bin/ap.txt", b"x")], "bin/ap.txt")]
        for entries, near in cases:
            done = self.sign_zip(entries, body, expect=2)
            self.assertIn("ac.xml:3:", done.stderr)
            self.assertIn("artifact.match_count", done.stderr)
            self.assertIn(near, done.stderr)

    def test_wrong_type_hints_at_the_right_element(self):
        self.write("in.zip", make_zip([("a", b"1")]))
        self.write("ac.xml", config('<powershell-file><authenticode-sign/></powershell-file>'))
        done = self.sign("--config", "ac.xml", "in.zip", "out.zip", expect=2)
        self.assertIn("zip-file", done.stderr)

    def test_overlapping_elements(self):
        body = ('<zip-file>\n<zip-file path="*.zip"><file path="a">%s</file></zip-file>\n'
                '<powershell-file path="n.*"><authenticode-sign/></powershell-file></zip-file>' % RAW)
        done = self.sign_zip([("n.zip", make_zip([("a", b"1")]))], body, expect=2)
        self.assertIn("artifact.matched_twice", done.stderr)
        self.assertIn("lines 2 and 3", done.stderr)

    def test_typed_element_then_file_works_on_the_result(self):
        body = ('<zip-file><zip-file path="n.zip"><file path="a">%s</file></zip-file>'
                '<file path="n.zip">%s</file></zip-file>' % (RAW, RAW))
        self.sign_zip([("n.zip", make_zip([("a", b"1")]))], body)
        out = self.read("out.zip")
        self.check_raw(entry(out, "n.zip"), entry(out, "n.zip.sig"))
        self.assertEqual(zipfile.ZipFile(io.BytesIO(entry(out, "n.zip"))).namelist(), ["a", "a.sig"])

    def test_output_names_may_not_clash(self):
        done = self.sign_zip([("a", b"1"), ("A.SIG", b"2")], '<zip-file><file path="a">%s</file></zip-file>' % RAW,
                             expect=2)
        self.assertIn("artifact.output_clash", done.stderr)

    def test_hostile_archives(self):
        def patched(data, old, new):
            self.assertIn(old, data)
            return data.replace(old, new)
        body = '<zip-file><zip-file path="n.zip" min-matches="0"><file path="*" max-matches="unbounded">%s</file></zip-file>' \
               '<file path="a" min-matches="0">%s</file></zip-file>' % (RAW, RAW)
        good = make_zip([("a", b"1"), ("bb", b"2")])
        bomb = make_zip([("a", bytes(40 << 20))])
        cases = [(patched(good, b"bb", b"a\0"), "zip."), (b"X" + good, "file.wrong_type"),
                 (good + b"X", "zip.trailing"), (good[:-30], "zip."), (bomb, "zip.ratio"),
                 (make_zip([("n.zip", bomb)]), "zip.ratio"),
                 (make_zip([("n.zip", patched(good, b"bb", b"..")), ("a", b"")]), "zip."),
                 (b"PK\x05\x06", "zip."), (b"", "file.wrong_type")]
        for i, (data, code) in enumerate(cases):
            done = self.sign_zip(data, body, expect=2)
            self.assertIn("[" + code, done.stderr, "case %d" % i)
            self.assertNotIn("AddressSanitizer", done.stderr)

    def test_cut_and_flipped_input_never_crashes(self):
        inner = make_zip([("a", b"alpha" * 20)])
        data = make_zip([("n.zip", inner)])
        self.write("ac.xml", config('<zip-file><zip-file path="n.zip"><file path="a">%s</file></zip-file></zip-file>' % RAW))
        for at in list(range(0, len(data), 7)):
            for broken in (data[:at], data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]):
                self.write("x.zip", broken)
                done = subprocess.run([os.path.join(PROGRAMS, "chancery"), "plan", "--config", "ac.xml", "x.zip"],
                                      cwd=self.dir, capture_output=True, text=True)
                self.assertIn(done.returncode, (0, 2), done.stderr)

    # --- the command line

    def test_usage_and_exit_codes(self):
        self.write("in.zip", make_zip([("a", b"1")]))
        self.write("ac.xml", config('<zip-file><file path="a">%s</file></zip-file>' % RAW))
        self.run_cli(expect=2)
        self.run_cli("--help")
        self.run_cli("sign", "--help")
        self.run_cli("sing", expect=2)
        self.assertIn("--config", self.sign("--confg", "ac.xml", "in.zip", "o", expect=2).stderr)
        self.sign("in.zip", expect=2)
        self.sign("--config", "missing.xml", "in.zip", "o", expect=2)
        self.sign("--config", "ac.xml", "missing.zip", "o", expect=2)
        self.sign("--config", "ac.xml", "in.zip", "no/such/folder/o", expect=2)
        self.write("bad.xml", config('<zip-file><nonsense/></zip-file>'))
        self.assertIn("bad.xml:1:", self.sign("--config", "bad.xml", "in.zip", "o", expect=2).stderr)
        self.sign("in.zip", "o", expect=2)  # a ZIP takes no signature of its own
        self.run_cli("sign", "--key", os.path.join(self.keys, "ec.key"), "--cert",
                     os.path.join(self.keys, "rsa.pem"), "--config", "ac.xml", "in.zip", "o", expect=2)
        self.assertEqual(sorted(os.listdir(self.dir)), ["ac.xml", "bad.xml", "in.zip"])

    def test_pipes_and_folders_are_refused_at_once(self):
        self.write("ac.xml", config('<zip-file><file path="a">%s</file></zip-file>' % RAW))
        os.mkfifo(self.path("pipe"))
        for name in ("pipe", "."):
            for args in (("verify", name), ("verify", "--content", name, "ac.xml"), ("plan", "--config", "ac.xml", name)):
                self.assertIn('"%s" is not a regular file' % name, self.run_cli(*args, expect=2).stderr)
            self.assertIn("not a regular file", self.sign("--config", "ac.xml", name, "o", expect=2).stderr)

    def test_output_is_not_overwritten(self):
        self.write("in.zip", make_zip([("a", b"1")]))
        self.write("ac.xml", config('<zip-file><file path="a">%s</file></zip-file>' % RAW))
        self.write("out.zip", b"precious")
        self.sign("--config", "ac.xml", "-o", "out.zip", "in.zip", expect=2)
        self.assertEqual(self.read("out.zip"), b"precious")
        self.sign("--config", "ac.xml", "--force", "-o", "out.zip", "in.zip")
        self.assertNotEqual(self.read("out.zip"), b"precious")
        self.sign("--config", "ac.xml", "--force", "in.zip", "in.zip")
        self.assertEqual(zipfile.ZipFile(self.path("in.zip")).namelist(), ["a", "a.sig"])

    def test_encrypted_key(self):
        self.write("pw", "secret\n")
        openssl("pkcs8", "-topk8", "-v2", "aes256", "-passout", "file:pw", "-in",
                os.path.join(self.keys, "rsa.key"), "-out", "enc.key", cwd=self.dir)
        self.write("in.zip", make_zip([("a", b"1")]))
        self.write("ac.xml", config('<zip-file><file path="a">%s</file></zip-file>' % RAW))
        base = ["sign", "--key", "enc.key", "--cert", os.path.join(self.keys, "rsa.pem"), "--config", "ac.xml"]
        self.run_cli(*base, "in.zip", "o", expect=2)
        self.run_cli(*base, "--key-password-file", "pw", "in.zip", "o")

    def test_plan_is_a_dry_run(self):
        data = make_zip([("a", b"1"), ("b", b"2")])
        self.write("in.zip", data)
        self.write("ac.xml", config('<zip-file><file path="a">%s</file></zip-file>' % RAW))
        plan = json.loads(self.run_cli("plan", "--config", "ac.xml", "in.zip").stdout)
        self.assertEqual(plan["sha256"], hashlib.sha256(data).hexdigest())
        self.assertEqual(plan["signatures"], 1)
        self.assertEqual(plan["files"][0]["path"], "in.zip » a")
        self.assertEqual(plan["files"][0]["sha256"], hashlib.sha256(b"1").hexdigest())
        self.assertEqual(plan["files"][0]["output"], "a.sig")

    # --- verify

    def sign_script(self, *args, name="x.ps1", expect=0):
        self.write(name, "Write-Host 'hello'\r\n")
        return self.sign("--force", *args, name, "signed-" + name, expect=expect)

    def test_verify_says_every_signature(self):
        self.sign_script()
        ca = os.path.join(self.keys, "rsa.pem")
        self.assertIn("valid", self.run_cli("verify", "signed-x.ps1").stdout)
        report = json.loads(self.run_cli("verify", "--json", "--ca", ca, "signed-x.ps1").stdout)
        self.assertTrue(report["valid"])
        self.assertTrue(report["signatures"][0]["chainJudged"])
        self.run_cli("verify", "--ca", os.path.join(self.keys, "ec.pem"), "signed-x.ps1", expect=1)
        self.run_cli("verify", "--ca", ca, "--at", "2020-01-01T00:00:00Z", "signed-x.ps1", expect=1)
        self.run_cli("verify", "x.ps1", expect=1)
        self.run_cli("verify", "missing", expect=2)
        flipped = self.read("signed-x.ps1").replace(b"hello", b"jello")
        self.write("flipped.ps1", flipped)
        self.assertIn("INVALID", self.run_cli("verify", "flipped.ps1", expect=1).stdout)
        nested = make_zip([("n.zip", make_zip([("d/s.ps1", self.read("signed-x.ps1"))])), ("t.txt", b"")])
        self.write("nested.zip", nested)
        report = json.loads(self.run_cli("verify", "--json", "nested.zip").stdout)
        self.assertEqual([s["path"] for s in report["signatures"]], ["nested.zip » n.zip » d/s.ps1"])
        self.write("nested.zip", make_zip([("n.zip", make_zip([("a.ps1", flipped)])),
                                           ("ok.ps1", self.read("signed-x.ps1"))]))
        self.run_cli("verify", "nested.zip", expect=1)

    def test_names_that_hide_something(self):
        """Names in hostile files neither command the terminal nor turn the direction of its text."""
        hidden = ("\x1b", "\x9b", "\u202e", "\U000e0041")
        subject = "\x1b[2Jok\u202efdp\x9b0m\U000e0041"
        self.write("o.cnf", "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=v3\nutf8=yes\nstring_mask=utf8only\n"
                            "[dn]\nCN=%s\n[v3]\nextendedKeyUsage=codeSigning\nkeyUsage=digitalSignature\n" % subject)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-utf8", "-config", "o.cnf", "-keyout", "k.pem", "-out", "c.pem", cwd=self.dir)
        name = "invoice\u202efdp.ps1"
        self.write("in.zip", make_zip([(name, b"Write-Host 1\r\n")]))
        self.write("ac.xml", config('<zip-file><powershell-file path="*.ps1"><authenticode-sign/></powershell-file></zip-file>'))
        plan = self.run_cli("plan", "--config", "ac.xml", "in.zip")
        self.assertEqual(json.loads(plan.stdout)["files"][0]["path"], "in.zip » " + name)
        self.run_cli("sign", "--key", "k.pem", "--cert", "c.pem", "--config", "ac.xml", "in.zip", "out.zip")
        text, document = self.run_cli("verify", "out.zip"), self.run_cli("verify", "--json", "out.zip")
        self.assertIn("invoice[U+202E]fdp.ps1", text.stdout)
        self.assertIn("[U+009B]", text.stdout)
        self.assertIn("\u202e", json.loads(document.stdout)["signatures"][0]["signer"])
        missing = self.run_cli("verify", "no\x1b[31m", expect=2)
        for done in (plan, text, document, missing):
            for c in hidden:
                self.assertNotIn(c, done.stdout + done.stderr)

    def test_verify_detached(self):
        self.sign_zip([("a", b"content")], '<zip-file><file path="a">%s%s</file></zip-file>' % (RAW, CMS))
        out = self.read("out.zip")
        self.write("a", b"content")
        self.write("a.sig", entry(out, "a.sig"))
        self.write("a.pem", entry(out, "a.pem"))
        cert = os.path.join(self.keys, "rsa.pem")
        self.run_cli("verify", "--content", "a", "--ca", cert, "a.pem")
        self.run_cli("verify", "--content", "a", "--cert", cert, "a.sig")
        self.write("a", b"other")
        self.run_cli("verify", "--content", "a", "a.pem", expect=1)
        self.run_cli("verify", "--content", "a", "--cert", cert, "a.sig", expect=1)

    # --- Windows executables

    def pe(self, name, product="App"):
        """A DLL with a version resource, by mingw; None when that is not installed."""
        if shutil.which("x86_64-w64-mingw32-gcc") is None:
            self.skipTest("mingw is not installed")
        self.write("v.rc", '1 VERSIONINFO\nFILEVERSION 1,0,0,0\nBEGIN\nBLOCK "StringFileInfo"\nBEGIN\n'
                   'BLOCK "040904b0"\nBEGIN\nVALUE "ProductName", "%s"\nVALUE "CompanyName", "Acme"\nEND\nEND\n'
                   'BLOCK "VarFileInfo"\nBEGIN\nVALUE "Translation", 0x0409, 1200\nEND\nEND\n' % product)
        self.write("d.c", "int DllMain(void *a, unsigned b, void *c) { return 1; }\n")
        subprocess.run(["x86_64-w64-mingw32-windres", "v.rc", "v.o"], cwd=self.dir, check=True)
        subprocess.run(["x86_64-w64-mingw32-gcc", "-shared", "-nostdlib", "-Wl,-e,DllMain,--no-insert-timestamp",
                        "-o", name, "d.c", "v.o"], cwd=self.dir, check=True)
        return self.read(name)

    def osslsigncode(self, name):
        if shutil.which("osslsigncode") is None:
            return
        done = subprocess.run(["osslsigncode", "verify", "-ignore-crl", "-CAfile", os.path.join(self.keys, "rsa.pem"),
                               "-in", name], cwd=self.dir, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("MISMATCH", done.stdout)

    def test_worked_example(self):
        """Nested executables with restrictions, inherited and overridden."""
        main, lib = self.pe("main.exe", "App"), self.pe("lib.dll", "AppLib")
        inner = make_zip([("main.exe", main), ("lib/A.DLL", lib), ("lib/b.dll", lib), ("readme.txt", b"text")])
        body = ('<zip-file><zip-file path="app-${v}.zip"><pe-file-set product-name="App" company-name="Acme">'
                '<include path="main.exe"/><include path="lib/*.dll" max-matches="unbounded" product-name="%s"/>'
                '<for-each><authenticode-sign description="${file.name}"/></for-each></pe-file-set></zip-file></zip-file>')
        more = {"parameters": '<parameters><parameter name="v" required="true"/></parameters>'}
        self.sign_zip([("APP-2.1.zip", inner), ("x", b"y")], body % "AppLib", "--parameter", "v=2.1", **more)
        out = entry(self.read("out.zip"), "APP-2.1.zip")
        self.assertEqual(zipfile.ZipFile(io.BytesIO(out)).namelist(), ["main.exe", "lib/A.DLL", "lib/b.dll", "readme.txt"])
        for name in ("main.exe", "lib/A.DLL", "lib/b.dll"):
            self.write("signed.exe", entry(out, name))
            self.osslsigncode("signed.exe")
        report = json.loads(self.run_cli("verify", "--json", "out.zip").stdout)
        self.assertEqual(len(report["signatures"]), 3)
        os.unlink(self.path("out.zip"))
        done = self.sign_zip([("APP-2.1.zip", inner)], body % "Other", "--parameter", "v=2.1", expect=2, **more)
        self.assertIn('product-name="Other"', done.stderr)
        self.assertIn("lib/A.DLL", done.stderr)
        self.assertIn("AppLib", done.stderr)

    def test_append_keeps_and_replace_removes_signatures(self):
        self.pe("a.exe")
        self.sign("a.exe", "one.exe")
        for append, count in (("true", 2), ("false", 1)):
            self.write("ac.xml", config('<pe-file><authenticode-sign append="%s"/></pe-file>' % append))
            self.sign("--force", "--config", "ac.xml", "one.exe", "two.exe")
            report = json.loads(self.run_cli("verify", "--json", "two.exe").stdout)
            self.assertEqual(len(report["signatures"]), count)
            self.osslsigncode("two.exe")
        self.write("ac.xml", config('<pe-file><authenticode-sign hash-algorithm="sha1"/>'
                                    '<authenticode-sign hash-algorithm="sha256" append="true"/></pe-file>'))
        self.sign("--force", "--config", "ac.xml", "a.exe", "two.exe")
        self.assertEqual(len(json.loads(self.run_cli("verify", "--json", "two.exe").stdout)["signatures"]), 2)
        self.write("ac.xml", config('<pe-file><authenticode-verify/><authenticode-sign/></pe-file>'))
        self.sign("--force", "--config", "ac.xml", "--ca", os.path.join(self.keys, "rsa.pem"), "one.exe", "two.exe")
        self.sign("--force", "--config", "ac.xml", "one.exe", "two.exe", expect=1)  # whom to trust was not said
        self.sign("--force", "--config", "ac.xml", "a.exe", "two.exe", expect=1)

    def test_signed_again_in_the_same_way(self):
        """The new signature equals the old one to the byte: it is none the less the planned one."""
        self.pe("a.exe")
        for folder in ("once", "again"):
            os.makedirs(self.path(folder), exist_ok=True)
        self.sign("a.exe", "once/a.exe")
        for append, count in (("false", 1), ("true", 2)):
            self.write("ac.xml", config('<pe-file><authenticode-sign append="%s"/></pe-file>' % append))
            self.sign("--force", "--config", "ac.xml", "once/a.exe", "again/a.exe")
            report = json.loads(self.run_cli("verify", "--json", "again/a.exe").stdout)
            self.assertEqual(len(report["signatures"]), count)
            self.osslsigncode("again/a.exe")

    # --- time stamps

    def test_time_stamps(self):
        authority = TimeStampAuthority(self.path("tsa"))
        dead = "http://127.0.0.1:9/"
        try:
            self.sign_script("--tsa", dead, "--tsa", authority.url + "junk", "--tsa", authority.url)
            report = json.loads(self.run_cli("verify", "--json", "--tsa-ca", authority.certificate,
                                             "signed-x.ps1").stdout)
            self.assertTrue(report["signatures"][0]["timestampJudged"])
            self.assertIsNotNone(report["signatures"][0]["timestamp"])
            self.run_cli("verify", "--tsa-ca", os.path.join(self.keys, "ec.pem"), "signed-x.ps1", expect=1)
            os.unlink(self.path("signed-x.ps1"))
            for servers in ((dead,), (authority.url + "junk",), (authority.url + "old",)):
                done = self.sign_script(*[x for s in servers for x in ("--tsa", s)], expect=5)
                self.assertIn("timestamp.failed", done.stderr)
                self.assertFalse(os.path.exists(self.path("signed-x.ps1")))
        finally:
            authority.close()


class TimeStampAuthority:
    """openssl ts behind 127.0.0.1. /junk answers nonsense, /old an answer to another request."""

    def __init__(self, folder):
        os.mkdir(folder)
        self.certificate = os.path.join(folder, "tsa.pem")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.pem", "-days",
                "3650", "-subj", "/CN=Test TSA", "-addext", "extendedKeyUsage=critical,timeStamping",
                "-addext", "keyUsage=critical,digitalSignature", cwd=folder)
        with open(os.path.join(folder, "ts.cnf"), "w") as f:
            f.write("[tsa]\ndefault_tsa=t\n[t]\nserial=%s/serial\nsigner_cert=%s\nsigner_key=%s/tsa.key\n"
                    "signer_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256,sha384,sha512\n"
                    "ess_cert_id_alg=sha256\n" % (folder, self.certificate, folder))
        old = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                request = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/junk":
                    answer = b"junk"
                else:
                    with open(os.path.join(folder, "q"), "wb") as f:
                        f.write(request)
                    answer = openssl("ts", "-reply", "-config", "ts.cnf", "-queryfile", "q", cwd=folder)
                if self.path == "/old":
                    old.append(answer)
                    answer = old[0] if len(old) > 1 else b"junk"
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    PROGRAMS = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
