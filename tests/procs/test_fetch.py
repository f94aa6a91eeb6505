#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chancery-fetch, within its walls, against time-stamp servers of every character.

usage: test_fetch.py CHANCERYD PROBE FETCH
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_supervisor  # noqa: E402
import tsa  # noqa: E402

FETCH = None


class Fetch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="fetch")
        with open(os.path.join(cls.folder, "file"), "w") as f:
            f.write("stamp me")
        subprocess.run(["openssl", "ts", "-query", "-data", "file", "-sha256", "-cert", "-out", "query"],
                       cwd=cls.folder, check=True, capture_output=True)
        with open(os.path.join(cls.folder, "query"), "rb") as f:
            cls.query = f.read()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def serve(self, *servers, **settings):
        s = test_supervisor.Service()
        self.addCleanup(s.done)
        shutil.copy(FETCH, os.path.join(s.bin, "chancery-fetch"))
        lines = [f"tsa = {server}" for server in servers] + [f"{k} = {v}" for k, v in settings.items()]
        self.s = s.start(settings="\n".join(lines) + "\n", environment=getattr(self, "environment", None))
        return self.s

    def ask(self, server=0, count=1):
        with socket.create_connection(("127.0.0.1", self.s.port), timeout=60) as c:
            c.sendall(f"GET /stamp/{count}/{server}/{self.query.hex()}\n".encode())
            data = b""
            while piece := c.recv(65536):
                data += piece
        return data.decode().splitlines()

    def tsa(self, **how):
        t = tsa.Tsa(**how)
        self.addCleanup(t.close)
        return t

    def verifies(self, answer, t):
        reply = os.path.join(self.folder, "reply")
        with open(reply, "wb") as f:
            f.write(bytes.fromhex(answer))
        done = subprocess.run(["openssl", "ts", "-verify", "-data", os.path.join(self.folder, "file"), "-in", reply,
                               "-CAfile", t.ca], capture_output=True, text=True)
        self.assertIn("Verification: OK", done.stdout, done.stderr)

    def test_a_stamp_is_fetched_and_openssl_accepts_it(self):
        t = self.tsa()
        self.serve(t.url)
        self.verifies(self.ask()[0], t)
        self.assertEqual(t.requests, [self.query])

    def test_https_with_own_roots_and_never_without(self):
        t = self.tsa(tls=True)
        self.serve(f"{t.url} hash=sha256 ca={t.ca}", t.url)
        self.verifies(self.ask(0)[0], t)
        self.assertRegex(self.ask(1)[0], "^fetch.failed .*certificate")
        self.assertEqual(len(t.requests), 1)

    def test_many_at_a_time(self):
        def slow(handler, reply):
            time.sleep(1)
            return reply
        t = self.tsa(spoil=slow)
        self.serve(t.url)
        began = time.monotonic()
        answers = self.ask(count=12)
        self.assertLess(time.monotonic() - began, 6)
        self.assertEqual(len(answers), 12)
        for answer in answers:
            self.verifies(answer, t)

    def test_a_silent_server_costs_tsa_timeout(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.serve("http://127.0.0.1:%d/" % silent.getsockname()[1], tsa_timeout="1s")
            began = time.monotonic()
            self.assertRegex(self.ask()[0], "^fetch.failed .*timed out")
            self.assertLess(time.monotonic() - began, 4)

    def test_nobody_there(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.serve(f"http://127.0.0.1:{port}/")
        self.assertRegex(self.ask()[0], "^fetch.failed ")

    def test_bad_answers_are_errors(self):
        def redirect(handler, reply):
            handler.answer(302, "text/html", b"", Location="http://127.0.0.1:1/")

        def page(handler, reply):
            handler.answer(200, "text/html", b"<html>")

        def error(handler, reply):
            handler.answer(503, "application/timestamp-reply", b"x")

        def huge(handler, reply):
            handler.answer(200, "application/timestamp-reply", b"x" * 2000000)

        def endless(handler, reply):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/timestamp-reply")
            handler.end_headers()
            try:
                for _ in range(1000):
                    handler.wfile.write(b"x" * 65536)
            except OSError:
                pass

        cases = [(redirect, "status 302"), (page, "no time-stamp reply"), (error, "status 503"),
                 (huge, ""), (endless, "too long")]
        servers = [self.tsa(spoil=spoil) for spoil, _ in cases]
        self.serve(*[t.url for t in servers])
        for i, (_, said) in enumerate(cases):
            self.assertRegex(self.ask(i)[0], "^fetch.failed .*" + said)
        self.assertRegex(self.ask(len(cases))[0], "^usage ")

    def test_proxies_of_the_environment_do_not_count(self):
        t = self.tsa()
        self.environment = {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
        self.serve(t.url)
        self.verifies(self.ask()[0], t)

    def test_names_are_looked_up_within_the_walls(self):
        t = self.tsa()
        self.serve(t.url.replace("127.0.0.1", "localhost"), "http://name.invalid/")
        if self.ask()[0].startswith("fetch.failed Could not resolve"):
            self.skipTest("this machine does not know localhost")
        self.assertRegex(self.ask(1)[0], "^fetch.failed ")

    def test_level_full(self):
        if os.geteuid() != 0:
            self.skipTest("level full needs root")
        t = self.tsa()
        self.serve(t.url, users="70000")
        self.verifies(self.ask()[0], t)

    def test_core_is_restarted_and_asks_again(self):
        t = self.tsa()
        s = self.serve(t.url)
        before = s.pid("core")
        os.kill(before, 9)
        s.wait(lambda: s.pid("core") != before, "restart of core")
        self.verifies(self.ask()[0], t)


if __name__ == "__main__":
    test_supervisor.CHANCERYD, test_supervisor.PROBE = map(os.path.abspath, sys.argv[1:3])
    FETCH = os.path.abspath(sys.argv[3])
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
