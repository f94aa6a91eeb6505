#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The database server dies at chosen moments of a request: before it, in each of its time stamps,
again and again. The request completes when the server is back; nothing else is restarted.
PostgreSQL, because it can go away by itself; what SQLite may refuse is in steps.py."""
import json
import os
import subprocess
import sys
import threading
import unittest

import history
import tsa
from faulty import SLOTS, STAMPS, Faulty
from postgresql import Postgresql, installed


class Database(Faulty):
    def pulling(self, moments, seconds):
        """Serves with a time-stamp server that pulls the database away at these requests of it."""
        self.server = Postgresql()
        self.addCleanup(self.server.__exit__)
        os.environ["CHANCERY_DATABASE"] = self.server.url
        self.addCleanup(os.environ.pop, "CHANCERY_DATABASE", None)
        state, lock = {"count": 0}, threading.Lock()

        def spoil(handler, reply):
            with lock:
                state["count"] += 1
                if state["count"] in moments:
                    self.server.crash()
                    threading.Timer(seconds, self.server.start).start()
            return reply

        self.tsa = tsa.Tsa(spoil=spoil)
        self.addCleanup(self.tsa.close)
        return self.serving()

    def whole(self, completed):
        """The audit log verifies, and so many requests are Completed in it."""
        self.assertEqual(self.s.stop(), 0, self.s.log()[-2000:])
        done = subprocess.run([self.s.program("chancery"), "audit", "verify", "--json", "--data", self.s.data], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(json.loads(done.stdout)["ok"])

    def test_in_each_time_stamp(self):
        for n in range(1, STAMPS + 1):
            with self.subTest(n=n):
                self.pulling([n], 1.5)
                self.completed(seconds=90)
                self.completed(seconds=90)
                self.whole(2)

    def test_again_and_again(self):
        """Three times in one request: each time it goes on with the signatures it has."""
        self.pulling([1, 3, 5], 1)
        self.completed(seconds=120)
        self.kept.keep()
        self.whole(1)
        uses = sum(1 for _ in self.journal_uses())
        self.assertEqual(uses, SLOTS)

    def journal_uses(self):
        return history.Journal(self.kept.paths()).uses

    def test_away_before_a_submission(self):
        self.pulling([], 0)
        self.server.crash()
        status, headers, body = self.once()
        self.assertEqual(status, 503, body)
        self.assertIn(b"store.away", body)
        self.assertIsNotNone(headers["Retry-After"])
        self.server.start()
        self.completed(seconds=90)
        self.whole(1)


if __name__ == "__main__":
    if installed() is None:
        print("SKIPPED PostgreSQL is not installed")
        sys.exit(77)
    unittest.main()
