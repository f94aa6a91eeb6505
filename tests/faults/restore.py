#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Key folder and database that do not belong together: refused however often the service is
started, until the operator begins a new epoch; a request that was under way then gets a new
attempt. Wants programs of a build with -Dfaults=true (only because its neighbours do)."""
import json
import os
import shutil
import subprocess
import unittest

from faulty import Faulty
from stamps import Spoiler, gone


class Restore(Faulty):
    def key_folder(self):
        return os.path.join(self.s.data, "key")

    def restore(self):
        """What the operator does by hand."""
        verified = subprocess.run([self.s.program("chancery"), "audit", "verify", "--data", self.s.data, "--json"],
                                  capture_output=True, check=False)
        log = json.loads(verified.stdout)
        done = subprocess.run([self.s.program("chancery-key"), "restore", self.key_folder(), "operator", str(log["size"]), log["root"]],
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_key_folder_put_back_is_refused_at_every_start(self):
        s = self.serving()
        self.completed()
        s.stop()
        older = os.path.join(s.root, "older")
        shutil.copytree(self.key_folder(), older)
        s.start()
        self.completed()
        self.kept.keep()
        s.stop()
        shutil.rmtree(self.key_folder())
        shutil.copytree(older, self.key_folder())
        for _ in range(40):  # more than the records that are missing
            s.start(wait=False)
            self.assertNotEqual(s.process.wait(60), 0)
            self.assertIn("key.rolled_back", s.log()[-2000:])
            s.process = None
        self.restore()
        s.start()
        self.completed()

    def test_a_request_under_way_survives_a_restore(self):
        s = self.serving()
        self.tsa.spoil = Spoiler(gone)
        self.addCleanup(setattr, self.tsa, "spoil", None)
        before = len(self.tsa.requests)
        request = self.submit()
        s.wait(lambda: len(self.tsa.requests) > before, "a time-stamp request: slots are used")
        self.kept.keep()
        s.kill()
        self.restore()
        self.tsa.spoil = None
        s.start()
        self.completed(request)
        self.completed()


if __name__ == "__main__":
    unittest.main()
