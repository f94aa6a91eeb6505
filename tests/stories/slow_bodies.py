#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that send their bodies as slowly as they may, many at a time: nobody else waits for them."""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from service import Service, small_zip  # noqa: E402

PROGRAMS = os.environ["CHANCERY_BIN"]
MANY = 90  # more than core has threads
PATIENCE = 10


class SlowBodies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = Service(PROGRAMS).found().start()
        cls.addClassCleanup(cls.s.__exit__)

    def setUp(self):
        self.open = []

    def tearDown(self):
        for connection in self.open:
            connection.close()

    def begin(self, path, kind, length, start, token=None):
        """A request whose body has begun and goes no further."""
        host, port = self.s.url.split("//")[1].split(":")
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
        head = "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (path, host, port, kind, length)
        if token:
            head += "Authorization: Bearer %s\r\n" % token
        connection.sendall(head.encode() + b"\r\n" + start)
        self.open.append(connection)
        return connection

    def begin_sign_ins(self, count):
        for _ in range(count):
            self.begin("/signin", "application/x-www-form-urlencoded", 4000, b"email=a")

    def begin_uploads(self, count):
        body, kind = self.s.form({"ProjectSlug": "acme-app", "SigningPolicySlug": "test-signing"}, "slow.zip", small_zip())
        for _ in range(count):
            self.begin(self.s.api("SigningRequests"), kind, 1 << 20, body[:len(body) // 2], self.s.token)

    def quick(self, method, path, status, body=None, headers=None):
        began = time.monotonic()
        self.assertEqual(self.s.call(method, path, body, headers, timeout=PATIENCE)[0], status)
        self.assertLess(time.monotonic() - began, PATIENCE)

    def test_strangers_hold_up_nobody(self):
        self.begin_sign_ins(MANY)
        self.quick("GET", "/healthz", 200)
        self.quick("POST", "/signin", 403, b"email=a%40b.c&password=x", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(self.s.wait_final(self.s.submit("a.zip", small_zip())), "Completed")

    def test_uploads_hold_up_nothing_but_uploads(self):
        request = self.s.submit("b.zip", small_zip())
        self.assertEqual(self.s.wait_final(request), "Completed")
        self.begin_uploads(MANY)
        self.quick("GET", self.s.api("SigningRequests/%s/Status" % request), 200)
        self.quick("POST", self.s.api("SigningRequests/%s/Cancel" % request), 409, b"{}", {"Content-Type": "application/json"})
        self.assertEqual(self.s.wait_final(self.s.submit("c.zip", small_zip())), "Completed")  # it is short
        # One that is long waits for its turn, which comes when others end.
        long = self.s.form({"ProjectSlug": "acme-app", "SigningPolicySlug": "test-signing"}, "d.zip",
                           small_zip(["%d.txt" % i for i in range(200)]))
        waiting = self.begin(self.s.api("SigningRequests"), long[1], len(long[0]), long[0], self.s.token)
        waiting.settimeout(1)
        with self.assertRaises(TimeoutError):
            waiting.recv(1)
        for connection in self.open[:MANY]:
            connection.close()
        waiting.settimeout(PATIENCE)
        self.assertTrue(waiting.recv(100).startswith(b"HTTP/1.1 201"))

    def test_a_client_that_leaves_is_forgotten(self):
        for _ in range(7):  # more in all than may be on their way at once
            self.begin_sign_ins(MANY)
            self.tearDown()
            self.open.clear()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.s.call("POST", "/signin", b"email=a", {"Content-Type": "application/x-www-form-urlencoded"})[0] != 503:
                return
        self.fail("places are not given back")

    def test_strangers_send_little(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.quick("POST", "/signin", 413, b"email=" + b"a" * 9000, form)
        self.quick("POST", "/setup", 413, b"code=" + b"a" * 9000, form)

    def test_many_small_files_are_refused(self):
        part = b"--b\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nx\r\n"
        self.quick("POST", "/signin", 400, part * 100 + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"})
        self.quick("GET", "/healthz", 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
