#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An operator runs the service on PostgreSQL: the same service, and when the database server dies
in between, nothing is lost and nobody has to restart anything but the database."""
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from postgresql import Postgresql, installed  # noqa: E402
from service import Service, small_zip  # noqa: E402

PROGRAMS = os.environ.get("CHANCERY_BIN", "build/bin")


@unittest.skipUnless(installed(), "PostgreSQL is not installed")
class OnPostgresql(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Postgresql())
        os.environ["CHANCERY_DATABASE"] = self.server.url
        self.addCleanup(os.environ.pop, "CHANCERY_DATABASE")
        self.service = self.enterContext(Service(PROGRAMS)).found()
        self.service.start()

    def verify(self):
        done = subprocess.run([self.service.program("chancery"), "audit", "verify", "--json", "--data", self.service.data],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_requests_complete_and_the_log_is_whole(self):
        for n in range(3):
            request = self.service.submit("a%d.zip" % n, small_zip())
            self.assertEqual(self.service.wait_final(request), "Completed")
        self.assertEqual(self.service.stop(), 0)
        self.assertGreater(self.verify()["size"], 12)
        self.assertEqual(os.listdir(os.path.join(self.service.data, "db")), [])

    def test_database_server_dies_and_comes_back(self):
        before = self.service.submit("before.zip", small_zip(), key="one")
        self.server.crash()
        status, _, body = self.service.submit_once("during.zip", small_zip(), key="two")
        self.assertEqual(status, 503, body)
        self.assertEqual(json.loads(body)["status"], 503)
        self.server.start()
        self.assertEqual(self.service.wait_final(before, 120), "Completed")
        for _ in range(100):
            status, _, body = self.service.submit_once("during.zip", small_zip(), key="two")
            if status == 201:
                break
            time.sleep(0.2)
        self.assertEqual(status, 201, body)
        self.assertEqual(self.service.wait_final(json.loads(body)["signingRequestId"], 120), "Completed")
        self.assertEqual(self.service.stop(), 0)
        self.assertTrue(self.verify()["ok"])


if __name__ == "__main__":
    unittest.main()
