#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ana is auditor. She does not want to believe the service: `chancery audit verify` tells her whether
the log of a data folder, or a file she was sent, is whole, and names the first bad entry."""
import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from service import Service, small_zip  # noqa: E402

PROGRAMS = os.environ.get("CHANCERY_BIN", "build/bin")


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A service that has signed two requests and was stopped; its database after each."""
        cls.service = Service(PROGRAMS).found()
        cls.database = os.path.join(cls.service.data, "db/chancery.db")
        for n, keep in ((1, "one.db"), (2, "two.db")):
            cls.service.start()
            request = cls.service.submit("a%d.zip" % n, small_zip())
            assert cls.service.wait_final(request) == "Completed"
            assert cls.service.stop() == 0
            cls.keep(keep)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.service.root, ignore_errors=True)

    @classmethod
    def keep(cls, name):
        """One file: what lies in the write-ahead log is moved in first."""
        with sqlite3.connect(cls.database) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        shutil.copy(cls.database, os.path.join(cls.service.root, name))

    def put_back(self, name):
        for end in ("", "-wal", "-shm"):
            if os.path.exists(self.database + end):
                os.remove(self.database + end)
        shutil.copy(os.path.join(self.service.root, name), self.database)

    def setUp(self):
        self.put_back("two.db")

    def audit(self, *arguments):
        done = subprocess.run([self.service.program("chancery"), "audit", *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def verify(self, *arguments):
        code, out, err = self.audit("verify", "--json", *arguments)
        self.assertIn(code, (0, 1), err)
        report = json.loads(out)
        self.assertEqual(code, 0 if report["ok"] else 1)
        return report

    def change(self, sql):
        with sqlite3.connect(self.database) as db:
            db.executescript(sql)
        db.close()

    def export(self):
        path = os.path.join(self.service.root, "log.jsonl")
        code, _, err = self.audit("export", "--data", self.service.data, "-o", path, "--force")
        self.assertEqual(code, 0, err)
        return path

    def lines(self, path):
        with open(path) as f:
            return f.readlines()

    def test_whole_log(self):
        report = self.verify("--data", self.service.data)
        self.assertTrue(report["ok"], report)
        self.assertGreater(report["size"], 8)
        self.assertGreater(report["heads"], 2)
        self.assertGreater(report["witnesses"], 2)
        code, out, _ = self.audit("verify", "--data", self.service.data)
        self.assertEqual(code, 0)
        self.assertIn("The log is whole: %d entries" % report["size"], out)

    def test_export_verifies_alone(self):
        inside = self.verify("--data", self.service.data)
        path = self.export()
        outside = self.verify(path)
        self.assertTrue(outside["ok"], outside)
        self.assertEqual((inside["size"], inside["root"]), (outside["size"], outside["root"]))
        lines = self.lines(path)
        kinds = [json.loads(line).get("kind") for line in lines]
        self.assertEqual(kinds.count("INTENT"), 3)  # two requests and the test certificate
        # The right key is named, or another one.
        head = json.loads(lines[1])
        self.assertTrue(self.verify(path, "--log-key", head["key"])["ok"])
        wrong = bytearray(base64.b64decode(head["key"]))
        wrong[-1] ^= 1
        self.assertFalse(self.verify(path, "--log-key", base64.b64encode(wrong).decode())["ok"])

    def test_tampering_is_named(self):
        size = self.verify("--data", self.service.data)["size"]
        for sql, first in (
                ("UPDATE audit_events SET leaf = CAST(replace(leaf, 'a', 'b') AS BLOB) WHERE position = 3", 3),
                ("UPDATE audit_events SET actor = 'somebody else' WHERE position = 5", 5),
                ("DELETE FROM audit_events WHERE position = 4", 4),
                ("DELETE FROM audit_events WHERE position >= %d" % (size - 3), size - 3)):
            self.put_back("two.db")
            self.change(sql)
            report = self.verify("--data", self.service.data)
            self.assertFalse(report["ok"], sql)
            self.assertLessEqual(report["badFirst"], first, sql)
            self.assertGreaterEqual(report["badLast"], first, sql)

    def test_changed_export_is_named(self):
        path = self.export()
        lines = self.lines(path)
        leaves = [n for n, line in enumerate(lines) if line.startswith('{"leaf"')]
        changes = {"left out": lambda l, n: l[:n] + l[n + 1:],
                   "twice": lambda l, n: l[:n] + l[n - 1:],
                   "cut": lambda l, n: l[:n],
                   "edited": lambda l, n: l[:n] + [l[n].replace('"actor":"', '"actor":"x')] + l[n + 1:]}
        for name, change in changes.items():
            n = leaves[6]
            with open(path, "w") as f:
                f.writelines(change(lines, n))
            report = self.verify(path)
            self.assertFalse(report["ok"], name)
            self.assertEqual(report["badFirst"], 6, name)

    def test_rollback_of_the_whole_database(self):
        before = self.verify("--data", self.service.data)
        self.put_back("one.db")
        report = self.verify("--data", self.service.data)
        self.assertFalse(report["ok"])
        self.assertLess(report["badFirst"], before["size"])
        self.assertIn("missing", report["what"])

    def test_unusable(self):
        for arguments in (("verify",), ("verify", "--data", "/nowhere"), ("verify", "/nowhere/log"), ("export",),
                          ("nothing",), ("verify", __file__, "--data", self.service.data)):
            code, out, err = self.audit(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertTrue(err.startswith("chancery: "), err)


if __name__ == "__main__":
    unittest.main()
