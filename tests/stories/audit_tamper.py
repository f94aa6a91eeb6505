#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whoever owns the database changes the audit log; `chancery audit verify` names the first wrong entry."""
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from service import Service, small_zip  # noqa: E402
from story import BIN, run  # noqa: E402


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = Service(BIN).found()
        cls.addClassCleanup(cls.s.__exit__)
        cls.s.start()
        for name in ("a.zip", "b.zip"):
            cls.s.wait_final(cls.s.submit(name, small_zip()))
        cls.s.stop()
        cls.whole = os.path.join(cls.s.root, "whole")
        shutil.copytree(cls.s.data, cls.whole)

    def setUp(self):
        """A copy of the data folder for each test."""
        self.data = os.path.join(self.s.root, "copy")
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.whole, self.data)
        self.db = sqlite3.connect(os.path.join(self.data, "db/chancery.db"))
        self.addCleanup(self.db.close)
        self.count = self.db.execute("SELECT count(*) FROM audit_events").fetchone()[0]
        self.assertGreater(self.count, 10)

    def change(self, *statements):
        for statement in statements:
            self.assertNotEqual(self.db.execute(statement).rowcount, 0, statement)
        self.db.commit()
        self.db.close()

    def verify(self):
        done = run("audit", "verify", "--data", self.data, "--json")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["ok"], done.returncode == 0)
        return report

    def found(self, first, last=None):
        report = self.verify()
        self.assertFalse(report["ok"], report)
        self.assertLessEqual(report["badFirst"], first, report)
        self.assertGreaterEqual(report["badLast"], first if last is None else last, report)
        self.assertTrue(report["what"])
        text = run("audit", "verify", "--data", self.data)
        self.assertEqual(text.returncode, 1)
        self.assertIn("BAD from entry %d" % report["badFirst"], text.stdout)
        return report

    def test_the_log_as_it_is_verifies(self):
        report = self.verify()
        self.assertTrue(report["ok"], report)
        self.assertEqual(report["size"], self.count)
        self.assertGreater(report["heads"], 0)
        self.assertGreater(report["covered"], 0)

    def flip(self, position, with_hash):
        leaf = bytearray(self.db.execute("SELECT leaf FROM audit_events WHERE position = ?", (position,)).fetchone()[0])
        leaf[-1] ^= 1
        self.db.execute("UPDATE audit_events SET leaf = ? WHERE position = ?", (bytes(leaf), position))
        if with_hash:
            digest = hashlib.sha256(b"\0" + leaf).digest()
            self.db.execute("UPDATE audit_events SET hash = ? WHERE position = ?", (digest, position))
        self.change()

    def test_an_edited_leaf(self):
        self.flip(5, with_hash=False)
        self.assertEqual(self.found(5)["badFirst"], 5)

    def test_an_edited_leaf_with_its_hash(self):
        self.flip(6, with_hash=True)
        self.found(6)

    def test_an_edited_column_for_searching(self):
        for column in ("kind", "actor", "object", "request", "happened"):
            with self.subTest(column=column):
                self.setUp()
                self.change("UPDATE audit_events SET %s = %s WHERE position = 4" % (column, "1" if column == "happened" else "'x'"))
                self.assertEqual(self.found(4)["badFirst"], 4)

    def test_a_deleted_row(self):
        self.change("DELETE FROM audit_events WHERE position = 3")
        self.found(3)

    def test_a_deleted_row_with_the_gap_closed(self):
        self.change("DELETE FROM audit_events WHERE position = 3",
                    "UPDATE audit_events SET position = -position WHERE position > 3",
                    "UPDATE audit_events SET position = -position - 1 WHERE position < 0")
        self.found(3)

    def test_an_inserted_row(self):
        self.change("UPDATE audit_events SET position = -position WHERE position > 3",
                    "UPDATE audit_events SET position = -position + 1 WHERE position < 0",
                    "INSERT INTO audit_events SELECT 4, leaf, hash, happened, kind, actor, object, request FROM audit_events WHERE position = 2")
        self.found(4)

    def test_an_appended_copy(self):
        self.change("INSERT INTO audit_events SELECT %d, leaf, hash, happened, kind, actor, object, request FROM audit_events "
                    "WHERE position = 2" % (self.count + 1))
        self.found(self.count)

    def test_swapped_rows(self):
        self.change("UPDATE audit_events SET position = -1 WHERE position = 3", "UPDATE audit_events SET position = 3 WHERE position = 7",
                    "UPDATE audit_events SET position = 7 WHERE position = -1")
        self.found(3)

    def test_a_log_that_was_cut(self):
        self.change("DELETE FROM audit_events WHERE position >= %d" % (self.count - 5))
        self.found(self.count - 5)

    def test_a_log_that_was_cut_with_its_heads_is_seen_by_the_kept_ones(self):
        heads = os.path.join(self.data, "audit/heads.jsonl")
        self.assertGreater(os.path.getsize(heads), 0)
        at = self.count - 5
        self.change("DELETE FROM audit_events WHERE position >= %d" % at, "DELETE FROM audit_heads WHERE size > %d" % at)
        self.found(at)

    def test_a_forged_head(self):
        self.change("UPDATE audit_heads SET root = zeroblob(32)")
        self.assertFalse(self.verify()["ok"])

    def test_a_forged_signature(self):
        self.change("UPDATE audit_heads SET signature = zeroblob(64)")
        self.assertFalse(self.verify()["ok"])


if __name__ == "__main__":
    unittest.main()
