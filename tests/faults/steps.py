#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each durable step fails (a full disk, a database that refuses, a journal that cannot be written)
and the key process refuses at each of its steps: once, then for good. A build with -Dfaults=true.

usage: steps.py [TEST...]      such as Fails.test_core_D13_3
"""
import os
import sys
import time
import unittest

from faulty import SLOTS, STAMPS, Faulty

# Rows of base/crashpoints.h, and how often one request of the sample passes each.
CORE = [("D04", 1), ("D05", 1), ("D06", 1), ("D09", 1), ("D10", 1), ("D13", SLOTS), ("D14", STAMPS), ("D15", 1), ("D17", 1), ("D19", 1)]
UPLOAD = ["D01", "D02", "D03"]
KEY = [("D11", 1), ("D12", SLOTS), ("D16", 1), ("D18", 1)]
REFUSALS = [("KEY_GRANT", 1), ("KEY_SIGN", SLOTS)]
FOR_GOOD = 1000000
EACH = os.environ.get("CHANCERY_TIER") != "default"  # else the first and the last of several


class Fails(Faulty):
    """Trouble of our own: tried again, completed. Lasting trouble: Failed, nothing came out."""

    def once_then_right(self, process, row, nth):
        self.serving("--crash=%s:%s:fail:%d" % (process, row, nth))
        self.completed()
        if row in ("D18", "D19"):
            time.sleep(1.5)  # the log head follows within a second
        self.completed()
        self.clean(2)

    def refused_upload(self, row):
        """No 201, no request; the answer says that it is our disk and when to come again."""
        self.serving("--crash=core:%s:fail" % row)
        status, headers, body = self.once()
        self.assertEqual(status, 503, body)
        self.assertIn(b"storage.full", body)
        self.assertIsNotNone(headers["Retry-After"])
        self.completed()
        self.clean(1)

    def lasting(self, process, row, nth, code):
        s = self.serving("--crash=%s:%s:fail:%d:%d" % (process, row, nth, FOR_GOOD))
        request = self.submit()
        self.failed(request, code, seconds=90)
        self.again()
        self.assertEqual(s.status(request)["status"], "Failed")
        self.completed()
        self.clean(1)


class Refuses(Faulty):
    """The key process says no (frozen, pinned): an answer, not a mishap; it is said to people."""

    def refused(self, message, nth):
        self.serving("--crash=key:%s:fail:%d" % (message, nth))
        problem = self.failed(self.submit(), "key.frozen", "frozen")
        self.assertIn("administrator", problem["message"])
        self.completed()
        self.clean(1)


def which(count):
    return range(1, count + 1) if EACH else sorted({1, count})


def add(kind, name, call):
    setattr(kind, "test_" + name, lambda self: call(self))


for ROW in UPLOAD:
    add(Fails, "upload_" + ROW, lambda t, r=ROW: t.refused_upload(r))
for PROCESS, rows in (("core", CORE), ("key", KEY)):
    for ROW, count in rows:
        for N in which(count):
            add(Fails, "%s_%s_%d" % (PROCESS, ROW, N), lambda t, p=PROCESS, r=ROW, n=N: t.once_then_right(p, r, n))
add(Fails, "key_close", lambda t: t.once_then_right("key", "KEY_CLOSE", 1))
for ROW in ("D05", "D13", "D14", "D15"):
    add(Fails, "lasting_" + ROW, lambda t, r=ROW: t.lasting("core", r, 1, "storage.full"))
for MESSAGE, count in REFUSALS:
    for N in which(count):
        add(Refuses, "%s_%d" % (MESSAGE, N), lambda t, m=MESSAGE, n=N: t.refused(m, n))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[1:])
