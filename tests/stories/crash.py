#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill -9 before and after every durable step, then the whole tree; nothing may be lost, stuck,
released twice or signed without a logged intent.

usage: crash.py PROGRAMS [ROW...]     programs of a build with -Dfaults=true
       crash.py PROGRAMS --random N   N requests under kills at random times
"""
import os
import random
import shutil
import sys
import time
import unittest
import urllib.error
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import history  # noqa: E402
from service import Service, small_zip  # noqa: E402

PROGRAMS = None
# Rows of base/crashpoints.h that an artifact request passes, and their process. D07 and D08 come
# with scanner and approvals, D14 with time stamps, D20 with deliveries.
ROWS = [("core", r) for r in ("D01", "D02", "D03", "D04", "D05", "D06", "D09", "D10", "D13", "D15", "D17", "D19")] + \
       [("key", r) for r in ("D11", "D12", "D16", "D18")]
GONE = (urllib.error.URLError, ConnectionError, TimeoutError, OSError)


def submit_stubbornly(service, data, key, seconds=60):
    """As a build job does: the same Idempotency-Key until a 201 comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            status, _, body = service.submit_once("a.zip", data, key)
            if status == 201:
                return __import__("json").loads(body)["signingRequestId"]
            if status not in (429, 502, 503, 504):
                raise AssertionError("%d %s" % (status, body))
        except GONE:
            pass
        time.sleep(0.1)
    raise AssertionError("no 201:\n" + service.log()[-3000:])


class Kept:
    """All journal files that ever were: the key process begins a new one at every start."""

    def __init__(self, service):
        self.service, self.folder = service, os.path.join(service.root, "journals")
        os.mkdir(self.folder)

    def keep(self):
        for path in self.service.journals():
            shutil.copy(path, self.folder)

    def paths(self):
        self.keep()
        return sorted(os.path.join(self.folder, n) for n in os.listdir(self.folder))


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
            self.assertIn("signal 9", s.log(), "the crash point was never met")
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


def at_random(count):
    """Kills of single processes and of the whole tree while `count` requests go through."""
    choice = random.Random(1)
    with Service(PROGRAMS) as s:
        s.found()
        kept, accepted = Kept(s), []
        s.start()
        while len(accepted) < count:
            keys = [uuid.uuid4().hex for _ in range(10)]
            for key in keys:
                accepted.append(submit_stubbornly(s, small_zip(), key))
            time.sleep(choice.random())
            kept.keep()
            victim = choice.choice(["tree", "chancery-core", "chancery-key", "chancery-front", "chancery-worker"])
            if victim == "tree":
                s.kill()
                s.start()
            else:
                os.system("pkill -9 -s %d -x %s" % (s.process.pid, victim[:15]))
                time.sleep(0.3)
        for request in accepted:
            s.wait_final(request, 300)
        time.sleep(1.5)
        s.stop()
        counts = history.check(s.data, accepted, kept.paths())
        print("random kills: %(requests)d requests, %(completed)d completed, %(grants)d grants, %(uses)d key uses" % counts)


if __name__ == "__main__":
    PROGRAMS = sys.argv.pop(1)
    if len(sys.argv) == 3 and sys.argv[1] == "--random":
        at_random(int(sys.argv[2]))
    else:
        sys.argv[1:] = ["Crash.test_" + name for name in sys.argv[1:]]
        unittest.main()
