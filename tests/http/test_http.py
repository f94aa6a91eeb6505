# SPDX-License-Identifier: Apache-2.0
"""The HTTP side by raw sockets: heads that could be read in two ways, refusals before the body,
keep-alive, time-outs, cut bodies, replies of every kind, a core that dies."""
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BUILD, Core, Reader, ask, chunked, fnv, request

OK = b"GET /echo HTTP/1.1\r\nHost: t\r\n\r\n"

HEADS = [
    # name, bytes, status (None: the connection is closed without a reply)
    ("plain", OK, 200),
    ("empty line first", b"\r\n" + OK, 200),
    ("HTTP/1.0 without Host", b"GET /echo HTTP/1.0\r\n\r\n", 200),
    ("no blank after the colon", b"GET /echo HTTP/1.1\r\nHost:t\r\n\r\n", 200),
    ("blanks around a value", b"GET /echo HTTP/1.1\r\nHost: \t t \t\r\n\r\n", 200),
    ("empty value", b"GET /echo HTTP/1.1\r\nHost: t\r\nX:\r\n\r\n", 200),
    ("UTF-8 value", "GET /echo HTTP/1.1\r\nHost: t\r\nX: ü\r\n\r\n".encode(), 200),
    ("query", b"GET /echo?a=%20&b=c&d HTTP/1.1\r\nHost: t\r\n\r\n", 200),
    ("no Host", b"GET /echo HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET /echo HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n", 400),
    ("Host with a path", b"GET /echo HTTP/1.1\r\nHost: t/x\r\n\r\n", 400),
    ("Content-Length and Transfer-Encoding",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"0\r\n\r\n", 400),
    ("two equal Content-Lengths",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    ("list of Content-Lengths",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1, 1\r\n\r\nx", 400),
    ("negative Content-Length", b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", 400),
    ("Content-Length with a plus",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: +1\r\n\r\nx", 400),
    ("hexadecimal Content-Length",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 0x1\r\n\r\nx", 400),
    ("Content-Length with a leading zero",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 01\r\n\r\nx", 400),
    ("empty Content-Length", b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length:\r\n\r\n", 400),
    ("Content-Length over 64 bits",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551617\r\n\r\n", 413),
    ("Content-Length of 2^63",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 9223372036854775808\r\n\r\n", 413),
    ("Transfer-Encoding xchunked",
     b"POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding list",
     b"POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding with a tab inside",
     b"POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chun\tked\r\n\r\n0\r\n\r\n", 400),
    ("two Transfer-Encodings",
     b"POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
     b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding in HTTP/1.0",
     b"POST /body HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("folded value", b"GET /echo HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n", 400),
    ("folded Content-Length",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n 0\r\n\r\nx", 400),
    ("fold of blanks behind Transfer-Encoding",
     b"POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n \r\n\r\n0\r\n\r\n", 400),
    ("folded first line", b"GET /echo HTTP/1.1\r\n Host: t\r\nHost: t\r\n\r\n", 400),
    ("bare line feeds", b"GET /echo HTTP/1.1\nHost: t\n\n", 400),
    ("bare line feed behind the request line", b"GET /echo HTTP/1.1\nHost: t\r\n\r\n", 400),
    ("bare line feed behind a field",
     b"GET /echo HTTP/1.1\r\nHost: t\r\nX: a\nContent-Length: 1\r\n\r\nx", 400),
    ("bare line feed at the end", b"GET /echo HTTP/1.1\r\nHost: t\r\n\n", 400),
    ("bare CR in a value", b"GET /echo HTTP/1.1\r\nHost: t\r\nX: a\rb\r\n\r\n", 400),
    ("NUL in a value", b"GET /echo HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n", 400),
    ("two NULs that hide a field",
     b"POST /body HTTP/1.1\r\nHost: t\r\nX: a\0\0Content-Length\0 1\r\n\r\nx", 400),
    ("NUL in a name", b"GET /echo HTTP/1.1\r\nHost: t\r\nX\0Y: a\r\n\r\n", 400),
    ("blank before a colon",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length : 1\r\n\r\nx", 400),
    ("field without colon", b"GET /echo HTTP/1.1\r\nHost: t\r\nnonsense\r\n\r\n", 400),
    ("empty name", b"GET /echo HTTP/1.1\r\nHost: t\r\n: a\r\n\r\n", 400),
    ("value that is not UTF-8", b"GET /echo HTTP/1.1\r\nHost: t\r\nX: \xff\r\n\r\n", 400),
    ("escape character in a value", b"GET /echo HTTP/1.1\r\nHost: t\r\nX: \x1b[1m\r\n\r\n", 400),
    ("absolute form", b"GET http://t/echo HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("authority form", b"CONNECT t:80 HTTP/1.1\r\nHost: t\r\n\r\n", 405),
    ("asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("TRACE", b"TRACE /echo HTTP/1.1\r\nHost: t\r\n\r\n", 405),
    ("unknown method", b"BREW /echo HTTP/1.1\r\nHost: t\r\n\r\n", 405),
    ("method in lower case", b"get /echo HTTP/1.1\r\nHost: t\r\n\r\n", 405),
    ("method that is no token", b"G(T /echo HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("two blanks in the request line", b"GET  /echo HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("blank in the target", b"GET /ec ho HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("fragment", b"GET /echo#x HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("byte over 0x7f in the target", b"GET /\xc3\xbc HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("backslash in the target", b"GET /\\echo HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("no version", b"GET /echo\r\nHost: t\r\n\r\n", 400),
    ("HTTP/2.0", b"GET /echo HTTP/2.0\r\nHost: t\r\n\r\n", 505),
    ("HTTP/1.10", b"GET /echo HTTP/1.10\r\nHost: t\r\n\r\n", 400),
    ("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", None),
    ("another expectation",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nExpect: miracle\r\n\r\nx", 417),
    ("target of 8 KiB", b"GET /echo?" + b"a" * 8186 + b" HTTP/1.1\r\nHost: t\r\n\r\n", 200),
    ("target over 8 KiB", b"GET /echo?" + b"a" * 8187 + b" HTTP/1.1\r\nHost: t\r\n\r\n", 414),
    ("99 fields more", OK[:-2] + b"X: a\r\n" * 99 + b"\r\n", 200),
    ("100 fields more", OK[:-2] + b"X: a\r\n" * 100 + b"\r\n", 431),
    ("head of 31 KiB", OK[:-2] + b"X: " + b"a" * 31000 + b"\r\n\r\n", 200),
    ("head over 32 KiB", OK[:-2] + b"X: " + b"a" * 32768 + b"\r\n\r\n", 431),
    ("head of 1 MiB", OK[:-2] + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n", 431),
    ("Content-Type of 256 bytes",
     b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Type: a/" + b"b" * 254 +
     b"\r\n\r\nx", 400),
]

CHUNKS = [
    ("one", b"1\r\nx\r\n0\r\n\r\n", 200),
    ("upper case and zeros", b"00A\r\n0123456789\r\n000\r\n\r\n", 200),
    ("extension", b"1;a=b\r\nx\r\n0;c\r\n\r\n", 200),
    ("lines ended by LF", b"1\nx\n0\n\n", 200),
    ("extension ended by LF", b"1;a\nx\r\n0\r\n\r\n", 200),
    ("trailer", b"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n", 200),
    ("not hexadecimal", b"g\r\nx\r\n0\r\n\r\n", 400),
    ("0x", b"0x1\r\nx\r\n0\r\n\r\n", 400),
    ("negative", b"-1\r\nx\r\n0\r\n\r\n", 400),
    ("blank before the size", b" 1\r\nx\r\n0\r\n\r\n", 400),
    ("empty size", b"\r\nx\r\n0\r\n\r\n", 400),
    ("longer than its size", b"1\r\nxy\r\n0\r\n\r\n", 400),
    ("over 64 bits", b"10000000000000000\r\nx\r\n0\r\n\r\n", 413),
]


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.core = Core()

    @classmethod
    def tearDownClass(cls):
        assert cls.core.alive()
        cls.core.stop()

    def counts(self):
        return ask(self.core, request("GET", "/counts")).json()

    def eventually(self, what, seconds=15):
        end = time.monotonic() + seconds
        while not what() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertTrue(what())

    def test_heads(self):
        for name, data, status in HEADS:
            with self.subTest(name):
                r = ask(self.core, data)
                self.assertEqual(None if r is None else r.status, status,
                                 None if r is None else r.body)
                if status == 400 and r.body.startswith(b"{"):
                    self.assertEqual(r.json()["status"], 400)

    def test_nothing_is_smuggled(self):
        evil = b"GET /echo?smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
        for name, data, status in HEADS:
            if status in (200, None) or b"a" * 1000 in data:
                continue
            with self.subTest(name), self.core.connect() as s:
                s.sendall(data + evil)
                try:
                    everything = Reader(s).rest()
                except ConnectionResetError:
                    everything = b""
                self.assertNotIn(b"smuggled", everything)

    def test_chunks(self):
        for name, data, status in CHUNKS:
            with self.subTest(name):
                r = ask(self.core, b"POST /body HTTP/1.1\r\nHost: t\r\n"
                                   b"Transfer-Encoding: chunked\r\n\r\n" + data)
                self.assertEqual(r.status, status, r.body)

    def test_nothing_follows_chunks(self):
        evil = b"GET /echo?smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
        for name, data, _ in CHUNKS:
            with self.subTest(name), self.core.connect() as s:
                s.sendall(b"POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + data + evil)
                try:
                    everything = Reader(s).rest()
                except ConnectionResetError:
                    everything = b""
                self.assertNotIn(b"smuggled", everything)

    def test_what_core_hears(self):
        r = ask(self.core, b"GET /echo?a=%2F HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer a:b\r\n"
                           b"Cookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n"
                           b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n").json()
        self.assertEqual(r["target"], "/echo?a=%2F")
        self.assertEqual((r["peer"], r["tls"]), ("127.0.0.1", False))
        self.assertEqual(r["headers"], [["Host", "t"], ["Authorization", "Bearer a:b"],
                                        ["Cookie", "a=1"], ["Cookie", "b=2"]])

    # --- order: decision before body ---

    def test_refusal_comes_before_the_body_and_instead_of_100(self):
        for expect in ([], ["Expect: 100-continue"]):
            with self.subTest(expect), self.core.connect(15) as s:
                s.sendall(b"POST /refuse HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n" +
                          b"".join(e.encode() + b"\r\n" for e in expect) + b"\r\n")
                r = Reader(s).reply()  # no byte of the body was sent
                self.assertEqual(r.status, 401)
                self.assertEqual(r.headers["connection"], "close")

    def test_100_comes_only_after_core_admits(self):
        with self.core.connect(15) as s:
            s.sendall(b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n"
                      b"Expect: 100-continue\r\n\r\n")
            reader = Reader(s)
            self.assertEqual(reader.reply().status, 100)
            s.sendall(b"abc")
            self.assertEqual(reader.reply().json()["files"][0]["hash"], fnv(b"abc"))
        with self.core.connect(1) as s:
            s.sendall(b"POST /never HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n"
                      b"Expect: 100-continue\r\n\r\n")
            with self.assertRaises(TimeoutError):
                Reader(s).reply()

    def test_refusal_survives_a_client_that_sends_anyway(self):
        data = request("POST", "/refuse", b"x" * 3_000_000)
        for _ in range(10):
            self.assertEqual(ask(self.core, data).status, 401)

    def test_too_large_by_its_length(self):
        with self.core.connect(15) as s:
            s.sendall(b"POST /body?limit=10 HTTP/1.1\r\nHost: t\r\nContent-Length: 11\r\n\r\n")
            r = Reader(s).reply()
            self.assertEqual((r.status, r.json()["code"]), (413, "http.too_large"))
        self.assertEqual(ask(self.core, request("POST", "/body?limit=11", b"x" * 11)).status, 200)

    def test_too_large_in_chunks(self):
        r = ask(self.core, chunked("POST", "/body?limit=10", [b"12345", b"678901"]))
        self.assertEqual((r.status, r.json()["code"]), (413, "http.too_large"))
        r = ask(self.core, chunked("POST", "/body?limit=10", [b"x" * 1000] * 3000))
        self.assertEqual((r.status, r.json()["code"]), (413, "http.too_large"))

    def test_core_refuses_in_the_middle(self):
        form = ["Content-Type: multipart/form-data; boundary=b"]
        field = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        for size in (10, 100_000, 3_000_000):
            data = field + b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + \
                b"x" * size + b"\r\n--b--"
            for raw in (request("POST", "/midreply", data, form),
                        chunked("POST", "/midreply", [data], form),
                        request("POST", "/closepipe", data, form)):
                with self.subTest(size=size, raw=raw[:30]):
                    r = ask(self.core, raw)
                    self.assertEqual(r.status, 422, r.body)

    # --- connections ---

    def test_keep_alive_and_pipelining(self):
        with self.core.connect() as s:
            reader = Reader(s)
            for i in range(5):
                s.sendall(request("GET", f"/echo?{i}"))
                self.assertEqual(reader.reply().json()["target"], f"/echo?{i}")
            s.sendall(b"".join(request("POST", f"/body?{i}", b"x" * i) if i else
                               request("GET", "/echo") for i in range(20)))
            for i in range(20):
                r = reader.reply()
                self.assertEqual(r.status, 200)
                if i:
                    self.assertEqual(r.json()["files"][0]["size"], i)

    def test_post_without_a_body(self):
        with self.core.connect() as s:
            reader = Reader(s)
            for _ in range(3):
                s.sendall(b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
                self.assertEqual(reader.reply().json(), {"fields": [], "files": []})
            s.sendall(b"POST /body HTTP/1.1\r\nHost: t\r\n\r\n")
            self.assertEqual(reader.reply().json(), {"fields": [], "files": []})

    def test_connection_close_and_http_1_0(self):
        for raw in (b"GET /echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
                    b"GET /echo HTTP/1.0\r\n\r\n"):
            with self.core.connect(15) as s:
                s.sendall(raw)
                reader = Reader(s)
                self.assertEqual(reader.reply().status, 200)
                self.assertEqual(reader.rest(), b"")

    def test_cut_bodies(self):
        form = ["Content-Type: multipart/form-data; boundary=b"]
        data = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' \
               b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nxxxx\r\n--b--'
        whole = request("POST", "/body", data, form)
        head = whole.index(b"\r\n\r\n") + 4
        for reset in (False, True):
            before = self.counts()
            for n in range(head, len(whole), 5):
                s = self.core.connect()
                s.sendall(whole[:n])
                time.sleep(0.005)
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.close()
            for n in range(1, head, 11):
                s = self.core.connect()
                s.sendall(whole[:n])
                s.close()
            # A reset takes bytes back that front has not read yet: then it never hears of the call.
            expected = 1 if reset else len(range(head, len(whole), 5))
            self.eventually(lambda: self.counts()["gone"] - before["gone"] >= expected)
            after = self.counts()
            self.assertEqual(after["ends"] - before["ends"], after["cut"] - before["cut"])

    def test_core_hears_that_a_client_has_left(self):
        before = self.counts()
        sockets = [self.core.connect() for _ in range(20)]
        for s in sockets:
            s.sendall(request("GET", "/never"))
        time.sleep(0.2)
        for s in sockets:
            s.close()
        self.eventually(lambda: self.counts()["gone"] - before["gone"] == 20)

    # --- replies ---

    def test_replies_from_a_descriptor(self):
        pattern = bytes(ord("a") + i % 4096 % 23 for i in range(1 << 17))
        for size, offset in ((0, 0), (1, 0), (1000, 4095), (100_000, 17)):
            r = ask(self.core, request("GET", f"/file?size={size}&offset={offset}"))
            self.assertEqual(r.status, 200)
            self.assertEqual(r.headers["content-length"], str(size))
            self.assertEqual(r.body, pattern[offset:offset + size])
        r = ask(self.core, request("GET", "/file?size=50000000"))
        self.assertEqual(len(r.body), 50_000_000)
        r = ask(self.core, request("GET", "/file?size=10&length=99999"))
        self.assertEqual((r.status, r.json()["code"]), (500, "server.internal"))

    def test_head(self):
        for target in ("/echo", "/file?size=1000", "/stream", "/status?code=404"):
            with self.core.connect(15) as s:
                s.sendall(request("HEAD", target) + request("GET", "/echo?next"))
                reader = Reader(s)
                r = reader.reply(head_only=True)
                self.assertIn(r.status, (200, 404))
                if "file" in target:
                    self.assertEqual(r.headers["content-length"], "1000")
                self.assertEqual(reader.reply().json()["target"], "/echo?next")

    def test_statuses(self):
        for code in (201, 202, 204, 303, 304, 404, 409, 429, 503):
            self.assertEqual(ask(self.core, request("GET", f"/status?code={code}")).status, code)
        for code in (0, 100, 101, 600, 4_000_000):
            r = ask(self.core, request("GET", f"/status?code={code}"))
            self.assertEqual(r.status, 500)

    def test_stream(self):
        begin = time.monotonic()
        with self.core.connect() as s:
            s.sendall(request("GET", "/stream?n=5&ms=100"))
            reader = Reader(s)
            reader.until(b"data: 0\n\n")
            first = time.monotonic() - begin
            reader.until(b"data: 4\n\n")
            last = time.monotonic() - begin
        self.assertGreater(last - first, 0.35)  # each piece came when it was written
        r = ask(self.core, b"GET /stream?n=2&ms=1 HTTP/1.0\r\n\r\n")
        self.assertEqual(r.body, b"data: 0\n\ndata: 1\n\n")
        self.assertEqual(ask(self.core, request("GET", "/stream?n=2&ms=1")).body, r.body)

    def test_reply_headers_cannot_be_split(self):
        r = ask(self.core, request("GET", "/badheader"))
        self.assertEqual(r.status, 500)
        self.assertNotIn(b"evil", r.raw + r.body)

    def test_problem_document(self):
        r = ask(self.core, b"GET /echo HTTP/1.1\r\n\r\n")
        self.assertEqual(r.headers["content-type"], "application/json; charset=utf-8")
        problem = r.json()
        self.assertEqual(sorted(problem), ["code", "detail", "error", "errors", "status", "title",
                                           "traceId", "type"])
        self.assertRegex(problem["traceId"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-00$")
        self.assertEqual(problem["errors"], {"": [problem["detail"]]})

    # --- core away ---

    def test_core_dies_and_comes_back(self):
        waiting = [self.core.connect() for _ in range(5)]
        for s in waiting:
            s.sendall(request("GET", "/never"))
        upload = self.core.connect()
        upload.sendall(b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nhalf")
        time.sleep(0.2)
        ask_die = self.core.connect()
        ask_die.sendall(request("GET", "/die?ms=3000"))
        time.sleep(0.2)
        for s in waiting + [ask_die]:
            r = Reader(s).reply()
            self.assertEqual((r.status, r.json()["code"]), (503, "ipc.closed"))
            self.assertEqual(r.headers["retry-after"], "2")
        upload.sendall(b"x" * 96)
        self.assertEqual(Reader(upload).reply().status, 503)
        with self.core.connect() as s:
            reader = Reader(s)
            s.sendall(request("GET", "/echo"))
            self.assertEqual(reader.reply().status, 503)
        self.eventually(lambda: ask(self.core, request("GET", "/echo")).status == 200)
        for s in waiting + [ask_die, upload]:
            s.close()

    # --- curl ---

    def test_curl(self):
        url = f"http://127.0.0.1:{self.core.port}"
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"z" * 2_000_000)
            f.flush()
            for extra in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]):
                out = subprocess.run(
                    ["curl", "-sS", "-m20", *extra, "-F", "projectSlug=a", "-F",
                     f"artifact=@{f.name};filename=x.bin", url + "/body"],
                    check=True, capture_output=True).stdout
                self.assertIn(b'"size":2000000', out)
            out = subprocess.run(["curl", "-sS", "-m20", "-w", "%{http_code}", "-F",
                                  f"artifact=@{f.name}", url + "/refuse"],
                                 check=True, capture_output=True).stdout
            self.assertTrue(out.endswith(b"401"), out)

    def test_200_at_once(self):
        results = []

        def one(i):
            try:
                with self.core.connect(30) as s:
                    reader = Reader(s)
                    s.sendall(request("POST", f"/body?{i}", b"x" * (1000 + i)))
                    a = reader.reply().json()["files"][0]["size"] == 1000 + i
                    s.sendall(request("GET", "/late?ms=50"))
                    results.append(a and reader.reply().status == 200)
            except Exception as e:
                results.append(e)
        threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(results, [True] * 200)

    def test_a_stalled_core_blocks_nobody_else(self):
        slow = self.core.connect(20)
        slow.settimeout(0.5)
        slow.sendall(b"POST /body?stall=4000 HTTP/1.1\r\nHost: t\r\nContent-Length: 30000000\r\n\r\n")
        sent = 0
        block = b"y" * 100_000
        try:
            while sent < 30_000_000:
                sent += slow.send(block[:30_000_000 - sent])
        except TimeoutError:
            pass
        self.assertLess(sent, 30_000_000)  # pipe and socket are full, front holds nothing more
        begin = time.monotonic()
        self.assertEqual(ask(self.core, request("GET", "/echo")).status, 200)
        self.assertLess(time.monotonic() - begin, 2)
        slow.settimeout(20)
        while sent < 30_000_000:
            sent += slow.send(block[:30_000_000 - sent])
        self.assertEqual(Reader(slow).reply().json()["files"][0]["size"], 30_000_000)
        slow.close()


class Limits(unittest.TestCase):
    def setUp(self):
        self.core = None

    def tearDown(self):
        if self.core is not None:
            self.core.stop()

    def closed_after(self, data, pause=None, drip=b""):
        with self.core.connect(20) as s:
            begin = time.monotonic()
            s.sendall(data)
            while drip:
                time.sleep(pause)
                try:
                    s.sendall(drip)
                except OSError:
                    return time.monotonic() - begin
                if time.monotonic() - begin > 15:
                    return 99
            try:
                while s.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            return time.monotonic() - begin

    def test_slow_heads(self):
        self.core = Core("head_ms=1500", "idle_ms=3000")
        self.assertLess(self.closed_after(b""), 4)
        self.assertLess(self.closed_after(b"GET /echo HTTP/1.1\r\nHo"), 4)
        self.assertLess(self.closed_after(b"GET /echo HTTP/1.1\r\n", 0.2, b"X: a\r\n"), 4)
        # the second head on a connection has no more time than the first
        self.assertLess(self.closed_after(OK + b"G"), 5)
        with self.core.connect() as s:
            s.sendall(OK)
            Reader(s).reply()
            time.sleep(0.3)
            begin = time.monotonic()
            s.sendall(b"G")
            try:
                while s.recv(100):
                    pass
            except ConnectionResetError:
                pass
            self.assertLess(time.monotonic() - begin, 3.5)
        idle = self.closed_after(OK)
        self.assertTrue(2.5 < idle < 6, idle)

    def test_slow_bodies(self):
        self.core = Core("rate=1000")
        begin = time.monotonic()
        with self.core.connect(30) as s:
            s.sendall(b"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\nx")
            r = Reader(s).reply()
            self.assertEqual((r.status, r.json()["code"]), (408, "http.too_slow"))
        self.assertTrue(9 < time.monotonic() - begin < 14)

    def test_connections_per_address(self):
        self.core = Core("per_loopback=5")
        held = [self.core.connect() for _ in range(5)]
        for s in held:
            s.sendall(request("GET", "/echo"))
            self.assertEqual(Reader(s).reply().status, 200)
        self.assertIsNone(ask(self.core, OK))
        held.pop().close()
        time.sleep(0.2)
        self.assertEqual(ask(self.core, OK).status, 200)
        for s in held:
            s.close()

    def test_connections_in_all(self):
        self.core = Core("connections=5")
        held = [self.core.connect() for _ in range(5)]
        for s in held:
            s.sendall(OK)
            self.assertEqual(Reader(s).reply().status, 200)
        late = self.core.connect(5)
        late.sendall(OK)
        time.sleep(0.3)
        held.pop().close()
        self.assertEqual(Reader(late).reply().status, 200)
        for s in held + [late]:
            s.close()

    def test_trusted_proxies(self):
        self.core = Core("trusted=127.0.0.0/8", "trusted=10.0.0.0/8")

        def peer(*headers):
            r = ask(self.core, request("GET", "/echo", headers=headers)).json()
            return r["peer"], r["tls"]
        self.assertEqual(peer(), ("127.0.0.1", False))
        self.assertEqual(peer("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https"),
                         ("1.2.3.4", True))
        self.assertEqual(peer("X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1"), ("1.2.3.4", False))
        self.assertEqual(peer("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.2.3.4"),
                         ("1.2.3.4", False))
        self.assertEqual(peer("X-Forwarded-For: [2001:db8::1]:443"), ("2001:db8::1", False))
        self.assertEqual(peer("X-Forwarded-For: 1.2.3.4, unknown"), ("127.0.0.1", False))

    def test_drain(self):
        self.core = Core()
        idle = self.core.connect()
        idle.sendall(OK)
        Reader(idle).reply()
        busy = self.core.connect()
        busy.sendall(request("GET", "/late?ms=800"))
        time.sleep(0.1)
        self.assertEqual(ask(self.core, request("GET", "/drain")).status, 200)
        time.sleep(0.2)
        self.assertEqual(idle.recv(10), b"")
        late = self.core.connect()  # the listening socket is the supervisor's: the next front serves
        late.sendall(OK)
        r = Reader(busy).reply()
        self.assertEqual((r.status, r.headers["connection"]), (200, "close"))
        time.sleep(1.5)
        self.assertFalse(self.core.alive())
        with self.assertRaises(ConnectionResetError):
            late.recv(10)
        for s in (idle, busy, late):
            s.close()


class Tls(unittest.TestCase):
    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, cert = os.path.join(folder, "k"), os.path.join(folder, "c")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                            "-days", "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                           check=True, capture_output=True)
            core = Core(f"cert={cert}", f"key={key}")
            url = f"https://127.0.0.1:{core.port}"

            def curl(*arguments):
                return subprocess.run(["curl", "-sS", "-m20", "--cacert", cert, *arguments],
                                      capture_output=True)
            for version in ("--tlsv1.2 --tls-max 1.2", "--tlsv1.3"):
                out = curl(*version.split(), url + "/echo")
                self.assertIn(b'"tls":true', out.stdout, out.stderr)
            self.assertNotEqual(curl("--tls-max", "1.1", url + "/echo").returncode, 0)
            with tempfile.NamedTemporaryFile() as f:
                f.write(b"z" * 5_000_000)
                f.flush()
                out = curl("-F", f"artifact=@{f.name}", url + "/body")
                self.assertIn(b'"size":5000000', out.stdout)
                out = curl("-w", "%{http_code}", "-F", f"artifact=@{f.name}", url + "/refuse")
                self.assertTrue(out.stdout.endswith(b"401"), out)
                out = curl("-w", "%{http_code}", "-H", "Transfer-Encoding: chunked", "-F",
                           f"artifact=@{f.name}", url + "/body?limit=100000")
                self.assertTrue(out.stdout.endswith(b"413"), out)
            out = curl(url + "/file?size=3000000")
            self.assertEqual(len(out.stdout), 3_000_000)
            out = curl(url + "/stream?n=3&ms=10")
            self.assertEqual(out.stdout.count(b"data:"), 3)
            with core.connect() as s:  # plain HTTP on the TLS port
                s.sendall(OK)
                try:
                    self.assertFalse(re.match(rb"HTTP/1.1 200", Reader(s).rest()))
                except ConnectionResetError:
                    pass
            self.assertTrue(core.alive())
            core.stop()

    def test_what_was_recorded_stays_secret(self):
        """No key exchange without an ephemeral key, CBC and TLS 1.2 notwithstanding."""
        with tempfile.TemporaryDirectory() as folder:
            key, cert = os.path.join(folder, "k"), os.path.join(folder, "c")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                            "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
            core = Core(f"cert={cert}", f"key={key}")

            def negotiated(ciphers):
                out = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % core.port, "-tls1_2", "-cipher", ciphers],
                                     stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
                return b"Cipher is (NONE)" not in out.stdout
            self.assertTrue(negotiated("ECDHE-RSA-AES128-GCM-SHA256"))
            self.assertTrue(negotiated("ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-SHA"))  # older Windows
            self.assertFalse(negotiated("kRSA"))
            core.stop()

    def test_wrong_key_is_refused_at_the_start(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"nonsense")
            f.flush()
            p = subprocess.run([os.path.join(BUILD, "tests/http/http_test_core"),
                                f"cert={f.name}", f"key={f.name}"], capture_output=True, timeout=20)
            self.assertIn(b"tls_certificate", p.stderr)


if __name__ == "__main__":
    unittest.main()
