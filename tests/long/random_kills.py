#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests under kills at random times, of a worker, of one process or of all: none lost, none
stuck, every one completed and its planned files signed and time-stamped.

usage: random_kills.py [N]     300 requests unless told; programs in $CHANCERY_BIN
"""
import os
import random
import signal
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from crashing import submit_stubbornly  # noqa: E402
from faulty import Faulty, sample  # noqa: E402

COUNT = int(sys.argv.pop()) if len(sys.argv) > 1 and sys.argv[-1].isdigit() else 300
VICTIMS = ["tree", "chancery-core", "chancery-key", "chancery-front", "chancery-fetch", "worker", "worker"]


def workers(supervisor):
    """Process ids of the workers that it has started and not yet buried."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % entry) as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open("/proc/%s/cmdline" % entry) as f:
                arguments = f.read()
        except OSError:
            continue
        if parent == supervisor and "--memory=" in arguments:
            found.append(int(entry))
    return found


class Kills(Faulty):
    def settings(self):
        return super().settings().replace("workers = 1", "workers = 4")

    def test_at_random(self):
        choice, killed = random.Random(1), dict.fromkeys(VICTIMS, 0)
        s = self.serving()
        data = sample("bundle.zip")
        while len(self.accepted) < COUNT:
            for key in [uuid.uuid4().hex for _ in range(5)]:
                self.accepted.append(submit_stubbornly(s, data, key))
            if choice.random() < 0.5:
                time.sleep(choice.random())
            self.kept.keep()
            victim = choice.choice(VICTIMS)
            if victim == "tree":
                s.kill()
                s.start()
            elif victim == "worker":
                running = workers(s.process.pid)
                if not running:
                    continue
                try:
                    os.kill(choice.choice(running), signal.SIGKILL)
                except ProcessLookupError:
                    continue
            else:
                s.kill_one(victim)
                time.sleep(0.3)
            killed[victim] += 1
        for request in self.accepted:
            self.assertEqual(s.wait_final(request, 300), "Completed", self.problem(request))
        for request in choice.sample(self.accepted, min(40, COUNT)):
            self.signed(request)
        counts = self.clean(len(self.accepted))
        print("random kills: %d requests, %d completed, %d grants, %d key uses; killed: %s"
              % (counts["requests"], counts["completed"], counts["grants"], counts["uses"],
                 ", ".join("%s %d" % (k.replace("chancery-", ""), n) for k, n in killed.items())))


if __name__ == "__main__":
    unittest.main()
