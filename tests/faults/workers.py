#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker is killed at each of its steps; its job runs again and every planned file is signed.
Wants programs of a build with -Dfaults=true; programs in $CHANCERY_BIN."""
import unittest

from faulty import SLOTS, STAMPS, Faulty

# Message, when, how many of them one run sends or gets.
INSPECT = [("HELLO", "before", 1), ("JOB", "after", 1), ("JOB_DONE", "before", 1)]
SIGN = [("JOB", "after", 1), ("JOB_BEGIN", "after", 1), ("ASK_SIGN", "before", SLOTS), ("ASK_SIGN", "after", SLOTS),
        ("SIGNATURE", "after", SLOTS), ("ASK_STAMP", "before", STAMPS), ("ASK_STAMP", "after", STAMPS),
        ("STAMP", "after", STAMPS), ("STAMP_GOOD", "after", STAMPS), ("JOB_DONE", "before", 1)]
VERIFY = [("JOB", "after", 1), ("FOUND_SLOT", "before", SLOTS), ("FOUND_SLOT", "after", SLOTS), ("JOB_DONE", "before", 1)]


class Workers(Faulty):
    def killed(self, place, workers, steps):
        """place: the how-many-th worker of a request is killed; workers: so many it takes then."""
        steps = [(m, when, i + 1) for m, when, count in steps for i in range(count)]
        flags = ["--crash=worker.%d:%s:%s:%d" % ((workers * i + place,) + step) for i, step in enumerate(steps)]
        s = self.serving(*flags)
        for i, step in enumerate(steps):
            with self.subTest(step=step):
                self.completed()
                self.assertEqual(s.log().count("killed by signal 9"), i + 1, s.log()[-1500:])
        self.clean(len(steps))

    def test_inspecting(self):
        self.killed(1, 4, INSPECT)

    def test_signing(self):
        self.killed(2, 4, SIGN)

    def test_verifying(self):
        self.killed(3, 5, VERIFY)  # the sign run is repeated with the stored effects

    def test_again_and_again(self):
        """Killed at every try: it ends Failed, as our own trouble, and the next request is fine."""
        s = self.serving(*["--crash=worker.%d:JOB:after" % i for i in range(2, 8)])
        problem = self.failed(self.submit(), "sign.attempt", seconds=90)
        self.assertNotIn("artifact", problem["message"].lower())
        self.completed()
        self.assertEqual(s.log().count("killed by signal 9"), 6)
        self.clean(1)


if __name__ == "__main__":
    unittest.main()
