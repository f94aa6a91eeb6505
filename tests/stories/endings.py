#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a grant when a request ends, or its policy changes, while files are being signed:
nothing more is signed under it, and the log says how much was signed in vain."""
import json
import os
import re
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import tsa  # noqa: E402
from faulty import SLOTS, Faulty  # noqa: E402
from service import small_zip  # noqa: E402


class Endings(Faulty):
    def stamps_by(self, spoil, budget=60, settings=""):
        server = tsa.Tsa(spoil=spoil)
        self.addCleanup(server.close)
        self.serving(settings="tsa = %s ca=%s\ntsa_timeout = 2s\ntsa_budget = %ds\nworkers = 1\n%s" % (server.url, server.ca, budget, settings))
        return server

    def rows(self, sql, *values):
        db = sqlite3.connect("file:%s?mode=ro" % os.path.join(self.s.data, "db/chancery.db"), uri=True)
        found = db.execute(sql, values).fetchall()
        db.close()
        return found

    def details(self, kind):
        """The details of the events of a kind, in order."""
        leaves = [bytes(row[0]) for row in self.rows("SELECT leaf FROM audit_events WHERE kind = ? ORDER BY position", kind)]
        return [json.loads(leaf[leaf.index(b"{\""):leaf.rindex(b"}") + 1]) for leaf in leaves]

    def test_refused_while_signing(self):
        self.stamps_by(lambda handler, reply: b"no time stamp at all", 4)
        self.failed(self.submit(), "timestamp.failed")
        self.clean(0)
        self.assertIn(int(self.details("SigningRequest.Ended")[0]["slotsUsedButNotReleased"]), range(1, SLOTS + 1))
        self.assertEqual(self.rows("SELECT COUNT(*) FROM effects"), [(0,)])

    def test_canceled_while_signing(self):
        silent = self.stamps_by(lambda handler, reply: handler.connection.close())
        request = self.submit()
        self.s.wait(lambda: silent.requests, "a stamp that is asked for")
        status, _, body = self.s.call("POST", self.s.api("SigningRequests/%s/Cancel" % request), b"{}")
        self.assertEqual(status, 200, body)
        self.assertEqual(self.s.wait_final(request), "Canceled")
        self.clean(0)
        self.assertIn(int(self.details("SigningRequest.Ended")[0]["slotsUsedButNotReleased"]), range(1, SLOTS + 1))

    def test_canceled_while_waiting_for_a_worker(self):
        """By its submitter and by its time-out; the only worker goes on with something else."""
        silent = self.stamps_by(lambda handler, reply: handler.connection.close())
        busy = self.submit()
        self.s.wait(lambda: silent.requests, "a stamp that is asked for")
        waits = self.submit()
        late = self.s.submit("b.zip", small_zip(), fields={"CancellationTimeoutInSeconds": "2"})
        status, _, body = self.s.call("POST", self.s.api("SigningRequests/%s/Cancel" % waits), b"{}")
        self.assertEqual(status, 200, body)
        for request in (waits, late):
            self.assertEqual(self.s.wait_final(request, 20), "Canceled")
        self.assertEqual(self.s.status(busy)["status"], "InProgress")

    def interrupted(self, settings="", between=lambda: None):
        """A run that waits for a time stamp is killed; `between` happens; then the server answers."""
        state = {"silent": True}

        def spoil(handler, reply):
            return handler.connection.close() if state["silent"] else reply

        silent = self.stamps_by(spoil, settings=settings)
        request = self.submit()
        self.s.wait(lambda: silent.requests, "a stamp that is asked for")
        self.kept.keep()
        self.s.kill()
        between()
        state["silent"] = False
        self.s.start()
        self.assertEqual(self.s.wait_final(request), "Completed", self.problem(request))
        return request

    def given_up(self, request, reason):
        self.assertEqual(self.rows("SELECT attempt, state FROM grants WHERE request = ? ORDER BY attempt", request),
                         [(1, "closed"), (2, "closed")])
        events = self.details("SigningRequest.AttemptGivenUp")
        self.assertEqual([d["reason"] for d in events], [reason])
        self.assertIn(int(events[0]["slotsUsedButNotReleased"]), range(1, SLOTS + 1))

    def test_policy_changed_before_the_run_is_repeated(self):
        """The open grant was for the old decision: the run that follows gets one of its own."""
        def rename():
            self.s.task({"task": "apply", "dryRun": False, "document": {"apiVersion": "chancery/v1", "projects": [
                {"slug": "acme-app", "signingPolicies": [{"slug": "test-signing", "name": "Another name"}]}]}})

        request = self.interrupted(between=rename)
        status, _, body = self.s.call("GET", self.s.api("SigningRequests/%s/Receipt" % request))
        self.assertEqual(status, 200, body)
        self.clean(1)
        self.given_up(request, "what was decided on has changed")
        # What was released is what the last grant was given for.
        intent = bytes(self.rows("SELECT e.leaf FROM grants g JOIN audit_events e ON e.position = g.intent "
                                 "WHERE g.request = ? AND g.attempt = 2", request)[0][0])
        self.assertIn(re.search(rb'"subject":"([0-9a-f]{64})"', body).group(1), intent)

    def test_time_of_the_grant_is_over_before_the_run_is_repeated(self):
        """A grant lives for twice the longest run."""
        request = self.interrupted("job_timeout = 6s\n", lambda: time.sleep(12.5))
        self.clean(1)
        self.given_up(request, "its time is over")


if __name__ == "__main__":
    unittest.main()
