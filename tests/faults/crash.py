#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill -9 before and after every durable step, then the whole tree; nothing may be lost, stuck,
released twice or signed without a logged intent. Wants programs of a build with -Dfaults=true.

usage: crash.py [ROW_WHEN...]      such as D12_after; programs in $CHANCERY_BIN
"""
import os
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import history  # noqa: E402
from crashing import Kept, submit_stubbornly  # noqa: E402
from service import Service, small_zip  # noqa: E402

PROGRAMS = os.environ["CHANCERY_BIN"]
# Rows of base/crashpoints.h that an artifact request passes, and their process. D07 and D08 come
# with scanner and approvals, D14 with time stamps, D20 with deliveries.
ROWS = [("core", r) for r in ("D01", "D02", "D03", "D04", "D05", "D06", "D09", "D10", "D13", "D15", "D17", "D19")] + \
       [("key", r) for r in ("D11", "D12", "D16", "D18")]


class Crash(unittest.TestCase):
    def one(self, process, row, when):
        with Service(PROGRAMS) as s:
            s.found()
            kept = Kept(s)
            s.start("--crash=%s:%s:%s" % (process, row, when), wait=False)
            address = os.path.join(s.data, "run/url")
            s.wait(lambda: os.path.exists(address) and os.path.getsize(address) > 0, "run/url")
            s.read_url()
            request = submit_stubbornly(s, small_zip(), uuid.uuid4().hex)
            self.assertEqual(s.wait_final(request), "Completed")
            s.wait(lambda: "signal 9" in s.log(), "the crash", 10)
            kept.keep()
            s.kill()
            s.start()
            self.assertEqual(s.wait_final(request), "Completed")
            again = submit_stubbornly(s, small_zip(), uuid.uuid4().hex)
            self.assertEqual(s.wait_final(again), "Completed")
            time.sleep(1.5)  # the log head follows within a second
            s.stop()
            counts = history.check(s.data, [request, again], kept.paths())
            self.assertEqual(counts["completed"], counts["requests"])


for process, row in ROWS:
    for when in ("before", "after"):
        setattr(Crash, "test_%s_%s" % (row, when),
                lambda self, p=process, r=row, w=when: self.one(p, r, w))


if __name__ == "__main__":
    sys.argv[1:] = ["Crash.test_" + name for name in sys.argv[1:]]
    unittest.main()
