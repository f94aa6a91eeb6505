#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time-stamp servers that are gone, slow, or lie, at each of their answers: the next server stands
in; with none left the request fails, says so, and nothing is released. Recovery afterwards.
Wants programs of a build with -Dfaults=true (only because its neighbours do)."""
import subprocess
import threading
import time
import unittest

import tsa
from faulty import STAMPS, Faulty


def gone(handler, reply):
    handler.connection.close()


def silent(handler, reply):
    time.sleep(3)
    return reply


def garbage(handler, reply):
    return b"<html>we have moved</html>"


def broken(handler, reply):
    handler.answer(500, "text/plain", b"out of order")


def cut(handler, reply):
    return reply[:len(reply) // 2]


def refused(handler, reply):
    """TimeStampResp with status rejection and no token (RFC 3161 2.4.2)."""
    return bytes.fromhex("3005300302010230"[:14])


class Spoiler:
    """Spoils the answers that `when` names (counted from 1), passes the others on."""

    def __init__(self, how, when=lambda n: True):
        self.how, self.when, self.count, self.lock = how, when, 0, threading.Lock()
        self.earlier = None

    def __call__(self, handler, reply):
        with self.lock:
            self.count += 1
            n = self.count
        earlier, self.earlier = self.earlier, reply
        if not self.when(n):
            return reply
        if self.how == "older":  # of another request: wrong imprint and nonce
            return earlier if earlier is not None else garbage(handler, reply)
        return self.how(handler, reply)


LIES = {"gone": gone, "slow": silent, "garbage": garbage, "broken": broken, "cut": cut, "refused": refused, "older": "older"}


class Stamps(Faulty):
    def pool(self, *spoilers, timeout=1, budget=4):
        servers = []
        for spoiler in spoilers:
            server = tsa.Tsa(spoil=spoiler) if spoiler is not None else self.tsa
            if spoiler is not None:
                self.addCleanup(server.close)
            servers.append(server)
        return "".join("tsa = %s ca=%s\n" % (t.url, t.ca) for t in servers) + \
            "tsa_timeout = %ds\ntsa_budget = %ds\nworkers = 1\n" % (timeout, budget)

    def signed(self, request):
        """Stamps of the spoiled server count as well: its root is trusted beside the good one's."""
        super().signed(request)

    def test_the_next_server_stands_in_for_all(self):
        for name, how in LIES.items():
            with self.subTest(name=name):
                before = len(self.tsa.requests)
                self.serving(settings=self.pool(Spoiler(how), None, timeout=2, budget=60))
                self.completed()
                self.assertEqual(len(self.tsa.requests) - before, STAMPS)
                self.clean(1)

    def test_the_next_server_stands_in_for_one(self):
        """Only the n-th file meets the trouble; each n once."""
        for n in range(1, STAMPS + 1):
            with self.subTest(n=n):
                spoiled = tsa.Tsa(spoil=Spoiler(garbage, lambda k, n=n: k == n))
                self.addCleanup(spoiled.close)
                self.serving(settings="tsa = %s ca=%s\ntsa = %s ca=%s\ntsa_timeout = 5s\nworkers = 1\n"
                             % (spoiled.url, spoiled.ca, self.tsa.url, self.tsa.ca))
                request = self.submit()
                self.assertEqual(self.s.wait_final(request), "Completed", self.problem(request))
                self.clean(1)

    def test_all_of_the_pool(self):
        """Nobody gives a usable stamp: Failed, with the reason; the next request after they are back."""
        for name, how in LIES.items():
            with self.subTest(name=name):
                state = {"bad": True}
                spoiled = tsa.Tsa(spoil=Spoiler(how, lambda n: state["bad"]))
                self.addCleanup(spoiled.close)
                self.serving(settings="tsa = %s ca=%s\ntsa_timeout = 1s\ntsa_budget = 3s\nworkers = 1\n" % (spoiled.url, spoiled.ca))
                problem = self.failed(self.submit(), "timestamp.failed", "time-stamp")
                self.assertTrue(problem["detail"] or "tried): " in problem["message"], problem)
                state["bad"] = False
                request = self.submit()
                self.assertEqual(self.s.wait_final(request), "Completed", self.problem(request))
                self.clean(1)

    def test_gone_for_a_while(self):
        """Silence is waited for within the budget: no failure, no second signature."""
        state = {"bad": True}
        spoiled = tsa.Tsa(spoil=Spoiler(gone, lambda n: state["bad"]))
        self.addCleanup(spoiled.close)
        self.serving(settings="tsa = %s ca=%s\ntsa_timeout = 2s\ntsa_budget = 60s\nworkers = 1\n" % (spoiled.url, spoiled.ca))
        request = self.submit()
        self.s.wait(lambda: len(spoiled.requests) > STAMPS, "asking again")
        self.assertFalse(self.s.status(request)["isFinalStatus"])
        state["bad"] = False
        self.assertEqual(self.s.wait_final(request), "Completed", self.problem(request))
        counts = self.clean(1)
        self.assertEqual(counts["uses"], 5)

    def test_an_expired_server(self):
        """Its certificate has ended: its stamps would not outlive the signature."""
        old = tsa.Tsa()
        self.addCleanup(old.close)
        old._openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-config",
                     "openssl.cnf", "-subj", "/CN=Old TSA")
        with open(old.folder + "/index.txt", "w"):
            pass
        with open(old.folder + "/openssl.cnf", "a") as f:
            f.write("[ca]\ndefault_ca = here\n[here]\ndatabase = index.txt\nnew_certs_dir = .\nserial = caserial\n"
                    "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n")
        old._openssl("ca", "-batch", "-config", "openssl.cnf", "-in", "tsa.csr", "-cert", "root.pem", "-keyfile", "root.key",
                     "-create_serial", "-out", "tsa.pem", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z",
                     "-extensions", "leaf", "-notext")
        self.serving(settings="tsa = %s ca=%s\ntsa = %s ca=%s\ntsa_timeout = 5s\nworkers = 1\n"
                     % (old.url, old.ca, self.tsa.url, self.tsa.ca))
        self.completed()
        self.assertGreaterEqual(len(old.requests), STAMPS)
        self.clean(1)

    def test_a_server_nobody_trusts(self):
        """It answers well, but its root is not the one that the operator named."""
        other = tsa.Tsa()
        self.addCleanup(other.close)
        self.serving(settings="tsa = %s ca=%s\ntsa_timeout = 5s\nworkers = 1\n" % (other.url, self.tsa.ca))
        self.failed(self.submit(), "timestamp.failed", "time-stamp")
        self.clean(0)


if __name__ == "__main__":
    subprocess.run(["openssl", "version"], check=True, stdout=subprocess.DEVNULL)
    unittest.main()
