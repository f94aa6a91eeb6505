#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests under kills at random times, of one process or of all: none lost, none stuck.

usage: random_kills.py [N]     200 requests unless told; programs in $CHANCERY_BIN
"""
import os
import random
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import history  # noqa: E402
from crashing import Kept, submit_stubbornly  # noqa: E402
from service import Service, small_zip  # noqa: E402

PROGRAMS = os.environ["CHANCERY_BIN"]


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
            victim = choice.choice(["tree", "chancery-core", "chancery-key", "chancery-front", "chancery-fetch"])
            if victim == "tree":
                s.kill()
                s.start()
            else:
                s.kill_one(victim)
                time.sleep(0.3)
        for request in accepted:
            s.wait_final(request, 300)
        time.sleep(1.5)
        s.stop()
        counts = history.check(s.data, accepted, kept.paths())
        print("random kills: %(requests)d requests, %(completed)d completed, %(grants)d grants, %(uses)d key uses" % counts)


if __name__ == "__main__":
    at_random(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
