# SPDX-License-Identifier: Apache-2.0
"""Form bodies as the clients of wire-contract 0.7 frame them, byte for byte, and hostile ones."""
import unittest

from harness import Core, ask, chunked, fnv, request

DATA = b"PK\x03\x04\r\n--\r\n\r\r\n-\x00\xff" + bytes(range(256)) * 3


def part(headers, value):
    return "\r\n".join(headers).encode() + b"\r\n\r\n" + value + b"\r\n"


def body(boundary, parts, end=b"\r\n"):
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + p for p in parts) + mark + b"--" + end


def form_type(boundary, quoted=False):
    return f'Content-Type: multipart/form-data; boundary={boundary}' if not quoted else \
        f'Content-Type: multipart/form-data; boundary="{boundary}"'


def curl():
    b = "------------------------8c84f482f2cb9d1b"
    return form_type(b), body(b, [
        part(['Content-Disposition: form-data; name="projectSlug"'], b"acme"),
        part(['Content-Disposition: form-data; name="description"'], b""),
        part(['Content-Disposition: form-data; name="parameters.build.no-1_x"'], "ü 1".encode()),
        part(['Content-Disposition: form-data; name="artifact"; filename="a b.zip"',
              'Content-Type: application/octet-stream'], DATA)]), "a b.zip"


def undici():
    b = "----formdata-undici-058396741234"
    return form_type(b), body(b, [
        part(['Content-Disposition: form-data; name="projectSlug"'], b"acme"),
        part(['Content-Disposition: form-data; name="description"'], b""),
        part(['Content-Disposition: form-data; name="parameters.build.no-1_x"'], "ü 1".encode()),
        part(['Content-Disposition: form-data; name="artifact"; filename="%22a%22.zip"',
              'Content-Type: application/zip'], DATA)], end=b"\r\n"), "%22a%22.zip"


def okhttp():
    b = "3a1f2c44-9d5e-4b1c-8f57-0d3c2b7e9a10"
    return form_type(b), body(b, [
        part(['Content-Disposition: form-data; name="artifact"; filename="app.jar"',
              'Content-Type: application/octet-stream', f'Content-Length: {len(DATA)}'], DATA),
        part(['Content-Disposition: form-data; name="projectSlug"', 'Content-Length: 4'], b"acme"),
        part(['Content-Disposition: form-data; name="description"', 'Content-Length: 0'], b""),
        part(['Content-Disposition: form-data; name="parameters.build.no-1_x"',
              'Content-Length: 4'], "ü 1".encode())]), "app.jar"


def dotnet():
    b = "0f8fad5b-d9cb-469f-a165-70867728950e"
    return form_type(b, True), body(b, [
        part(['Content-Type: text/plain; charset=utf-8',
              'Content-Disposition: form-data; name=projectSlug'], b"acme"),
        part(['Content-Type: text/plain; charset=utf-8',
              'Content-Disposition: form-data; name=description'], b""),
        part(['Content-Type: text/plain; charset=utf-8',
              'Content-Disposition: form-data; name=parameters.build.no-1_x'], "ü 1".encode()),
        part(['Content-Type: application/octet-stream',
              'Content-Disposition: form-data; name=artifact; '
              'filename="=?utf-8?B?w7xiZXIuZXhl?="; filename*=utf-8\'\'%C3%BCber.exe'],
             DATA)]), "über.exe"


def jsign():
    b = "------------------------0a1b2c3d4e5f6071"
    return form_type(b), body(b, [
        part(['Content-Disposition: form-data; name="projectSlug"'], b"acme"),
        part(['Content-Disposition: form-data; name="description"'], b""),
        part(['Content-Disposition: form-data; name="parameters.build.no-1_x"'], "ü 1".encode()),
        part(['Content-Type: application/octet-stream',
              'Content-Disposition: form-data; name="artifact"; filename="Artifact.data"'],
             DATA)], end=b""), "Artifact.data"


def chromium():
    b = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    return form_type(b), body(b, [
        part(['Content-Disposition: form-data; name="projectSlug"'], b"acme"),
        part(['Content-Disposition: form-data; name="description"'], b""),
        part(['Content-Disposition: form-data; name="parameters.build.no-1_x"'], "ü 1".encode()),
        part(['Content-Disposition: form-data; name="artifact"; filename="ü.zip"',
              'Content-Type: application/x-zip-compressed'], DATA)]), "ü.zip"


def apache():
    b = "_aX9-3dK'()+_,-./:=?"
    return form_type(b, True), body(b, [
        part(['Content-Disposition: form-data; name="projectSlug"',
              'Content-Type: text/plain; charset=UTF-8', 'Content-Transfer-Encoding: 8bit'],
             b"acme"),
        part(['content-disposition:form-data;name="description"'], b""),
        part(['CONTENT-DISPOSITION: FORM-DATA; NAME="parameters.build.no-1_x"'],
             "ü 1".encode()),
        part(['Content-Disposition: form-data; name="artifact"; filename="a\\"b\\\\c.zip"',
              'Content-Type: application/octet-stream',
              'Content-Transfer-Encoding: binary'], DATA)]), 'a"b\\c.zip'


def fetch_iso():
    b = "x"
    return form_type(b), b"\r\n" + body(b, [
        part(['Content-Disposition: form-data; name="projectSlug"'], b"acme"),
        part(['Content-Disposition: form-data; name="description"'], b""),
        part(['Content-Disposition: form-data; name="parameters.build.no-1_x"'],
             "ü 1".encode()),
        part(["Content-Disposition: form-data; name=\"artifact\"; filename*=ISO-8859-1''%FC.zip"],
             DATA)]), "ü.zip"


CLIENTS = [curl, undici, okhttp, dotnet, jsign, chromium, apache, fetch_iso]

B = "bnd"
T = form_type(B)
FIELD = part(['Content-Disposition: form-data; name="a"'], b"1")


def raw(*parts, end=b"--bnd--\r\n"):
    return b"".join(b"--bnd\r\n" + p for p in parts) + end


HOSTILE = [
    # name, content type, body, status
    ("no parts", T, b"--bnd--\r\n", 200),
    ("one field", T, raw(FIELD), 200),
    ("two fields of one name", T, raw(FIELD, FIELD), 200),
    ("blanks behind the boundary", T, b"--bnd \t\r\n" + FIELD + b"--bnd--\r\n", 200),
    ("boundary inside a value", T, raw(part(['Content-Disposition: form-data; name="a"'],
                                            b"x--bnd--\r\n-bnd\r\n--bn")), 200),
    ("no closing boundary", T, b"--bnd\r\n" + FIELD, 400),
    ("half a closing boundary", T, b"--bnd\r\n" + FIELD + b"--bnd-", 400),
    ("closing boundary without dashes", T, b"--bnd\r\n" + FIELD + b"--bnd\r\n", 400),
    ("another boundary", T, raw(FIELD).replace(b"bnd", b"xyz"), 400),
    ("preamble", T, b"hello\r\n" + raw(FIELD), 400),
    ("epilogue", T, raw(FIELD) + b"hello", 400),
    ("bytes behind a boundary", T, b"--bndx\r\n" + FIELD + b"--bnd--", 400),
    ("boundary and bare line feed", T, b"--bnd\n" + FIELD + b"--bnd--", 400),
    ("headers with bare line feeds", T,
     b"--bnd\r\nContent-Disposition: form-data; name=\"a\"\n\n1\r\n--bnd--", 400),
    ("no disposition", T, raw(part(["Content-Type: text/plain"], b"1")), 400),
    ("no headers", T, b"--bnd\r\n\r\nx\r\n--bnd--", 400),
    ("disposition attachment", T, raw(part(['Content-Disposition: attachment; name="a"'], b"1")),
     400),
    ("no name", T, raw(part(["Content-Disposition: form-data"], b"1")), 400),
    ("empty name", T, raw(part(['Content-Disposition: form-data; name=""'], b"1")), 400),
    ("two names", T, raw(part(['Content-Disposition: form-data; name="a"; name="b"'], b"1")), 400),
    ("two dispositions", T, raw(part(['Content-Disposition: form-data; name="a"',
                                      'Content-Disposition: form-data; name="b"'], b"1")), 400),
    ("unclosed quote", T, raw(part(['Content-Disposition: form-data; name="a'], b"1")), 400),
    ("text behind a quote", T, raw(part(['Content-Disposition: form-data; name="a"b'], b"1")), 400),
    ("quote inside a token", T, raw(part(['Content-Disposition: form-data; name=a"b'], b"1")), 400),
    ("parameter without value", T, raw(part(['Content-Disposition: form-data; name'], b"1")), 400),
    ("NUL in a name", T, raw(part(['Content-Disposition: form-data; name="a\0b"'], b"1")), 400),
    ("control character in a file name", T,
     raw(part(['Content-Disposition: form-data; name="a"; filename="a\x1bb"'], b"1")), 400),
    ("name that is not UTF-8", T,
     raw(b'Content-Disposition: form-data; name="\xff"\r\n\r\n1\r\n'), 400),
    ("folded header", T,
     raw(b'Content-Disposition: form-data;\r\n name="a"\r\n\r\n1\r\n'), 400),
    ("blank before the colon", T, raw(b'Content-Disposition : form-data; name="a"\r\n\r\n1\r\n'),
     400),
    ("header without colon", T, raw(b'nonsense\r\n\r\n1\r\n'), 400),
    ("bare CR in a header", T,
     raw(b'X: a\rb\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'), 400),
    ("part header of 9 KiB", T,
     raw(part(['X: ' + "a" * 9216, 'Content-Disposition: form-data; name="a"'], b"1")), 400),
    ("name of 2000 bytes", T, raw(part([f'Content-Disposition: form-data; name="{"n" * 2000}"'],
                                       b"1")), 400),
    ("part shorter than its length", T,
     raw(part(['Content-Disposition: form-data; name="a"', 'Content-Length: 5'], b"1")), 400),
    ("part longer than its length", T,
     raw(part(['Content-Disposition: form-data; name="a"', 'Content-Length: 0'], b"1")), 400),
    ("negative part length", T,
     raw(part(['Content-Disposition: form-data; name="a"', 'Content-Length: -1'], b"1")), 400),
    ("base64 part", T, raw(part(['Content-Disposition: form-data; name="a"',
                                 'Content-Transfer-Encoding: base64'], b"MQ==")), 400),
    ("filename* in an unknown charset", T,
     raw(part(["Content-Disposition: form-data; name=a; filename*=utf-7''x"], b"1")), 400),
    ("filename* with half an escape", T,
     raw(part(["Content-Disposition: form-data; name=a; filename*=utf-8''%4"], b"1")), 400),
    ("filename* with NUL", T,
     raw(part(["Content-Disposition: form-data; name=a; filename*=utf-8''%00"], b"1")), 400),
    ("filename* that is not UTF-8", T,
     raw(part(["Content-Disposition: form-data; name=a; filename*=utf-8''%FF"], b"1")), 400),
    ("no boundary", "Content-Type: multipart/form-data", raw(FIELD), 400),
    ("empty boundary", 'Content-Type: multipart/form-data; boundary=""', raw(FIELD), 400),
    ("boundary of 71 characters", form_type("b" * 71), raw(FIELD), 400),
    ("boundary with a blank at its end", 'Content-Type: multipart/form-data; boundary="b "',
     raw(FIELD), 400),
    ("two boundaries", "Content-Type: multipart/form-data; boundary=bnd; boundary=x", raw(FIELD),
     400),
    ("1000 fields", T, raw(*[FIELD] * 1000), 200),
    ("1001 fields", T, raw(*[FIELD] * 1001), 413),
    ("field of 64 KiB", T, raw(part(['Content-Disposition: form-data; name="a"'],
                                    b"x" * 65536)), 200),
    ("field of 64 KiB and 1", T, raw(part(['Content-Disposition: form-data; name="a"'],
                                          b"x" * 65537)), 413),
    ("fields of 1 MiB and 1", T, raw(*[part(['Content-Disposition: form-data; name="a"'],
                                            b"x" * 61681)] * 17 + [FIELD]), 413),
]


class Forms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.core = Core()

    @classmethod
    def tearDownClass(cls):
        assert cls.core.alive()
        cls.core.stop()

    def check(self, reply, filename):
        self.assertEqual(reply.status, 200, reply.body)
        got = reply.json()
        self.assertEqual(sorted(map(tuple, got["fields"])), [
            ("description", ""), ("parameters.build.no-1_x", "ü 1"), ("projectSlug", "acme")])
        self.assertEqual(len(got["files"]), 1)
        f = got["files"][0]
        self.assertEqual((f["name"], f["filename"], f["size"], f["hash"]),
                         ("artifact", filename, len(DATA), fnv(DATA)))

    def test_every_client_framing(self):
        for client in CLIENTS:
            kind, data, filename = client()
            with self.subTest(client.__name__, sent="whole"):
                self.check(ask(self.core, request("POST", "/body", data, [kind])), filename)
            with self.subTest(client.__name__, sent="byte by byte"):
                self.check(ask(self.core, request("POST", "/body", data, [kind]), 0), filename)
            for size in (1, 2, 3, 7, 64, 1000):
                pieces = [data[i:i + size] for i in range(0, len(data), size)]
                with self.subTest(client.__name__, chunks=size):
                    self.check(ask(self.core, chunked("POST", "/body", pieces, [kind])), filename)

    def test_every_cut(self):
        kind, data, _ = jsign()
        for n in range(0, len(data), 7):
            with self.subTest(cut=n):
                r = ask(self.core, chunked("POST", "/body", [data[:n]], [kind]))
                self.assertEqual(r.status, 400, r.body)

    def test_hostile(self):
        for name, kind, data, status in HOSTILE:
            with self.subTest(name):
                r = ask(self.core, request("POST", "/body", data, [kind]))
                self.assertIsNotNone(r)
                self.assertEqual(r.status, status, r.body)
                if status != 200:
                    self.assertIn(r.json()["code"], ("http.multipart", "http.too_large",
                                                     "http.malformed"))

    def test_other_bodies_come_as_one_file(self):
        for kind in ("application/json", "application/x-www-form-urlencoded",
                     "application/octet-stream"):
            r = ask(self.core, request("POST", "/body", b'{"a":1}', [f"Content-Type: {kind}"]))
            f = r.json()["files"][0]
            self.assertEqual((f["name"], f["filename"], f["type"], f["size"]), ("", "", kind, 7))
        r = ask(self.core, request("PUT", "/body", b"x"))
        self.assertEqual(r.json()["files"][0]["type"], "")


if __name__ == "__main__":
    unittest.main()
