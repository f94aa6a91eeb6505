# SPDX-License-Identifier: Apache-2.0
"""What the stories of failure share: the sample bundle (five planned signatures, four of them
time-stamped, three nested), and one look at everything that must hold however its request went."""
import io
import json
import os
import subprocess
import time
import unittest
import urllib.error
import uuid
import zipfile

import history
import tsa
from crashing import Kept, submit_stubbornly
from service import Service

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.environ["CHANCERY_BIN"]
SLOTS, STAMPS = 5, 4
PLANNED = ["app/AcmeApp.exe", "scripts/install.ps1", "tools.zip » AcmeTool.exe", "tools.zip » AcmeTool.psm1"]


def sample(name):
    with open(os.path.join(ROOT, "samples", name), "rb") as f:
        return f.read()


class Faulty(unittest.TestCase):
    """One time-stamp server for all tests of a class, one service for each test."""

    @classmethod
    def setUpClass(cls):
        cls.tsa = tsa.Tsa()
        cls.addClassCleanup(cls.tsa.close)

    def settings(self):
        return "tsa = %s ca=%s\ntsa_timeout = 5s\ntsa_budget = 60s\nworkers = 1\n" % (self.tsa.url, self.tsa.ca)

    def serving(self, *flags, settings=None, wait=True):
        """A service that knows the sample, started with these flags (--crash=...)."""
        self.s = Service(PROGRAMS)
        self.addCleanup(self.s.__exit__)
        self.s.found(sample("acme.xml").decode(), "rsa-2048", self.settings() if settings is None else settings)
        self.kept, self.accepted = Kept(self.s), []
        self.s.start(*flags, wait=wait)
        return self.s

    def submit(self, seconds=60):
        """As a build does it: again and again with one key, until it is accepted."""
        request = submit_stubbornly(self.s, sample("bundle.zip"), uuid.uuid4().hex, seconds)
        self.accepted.append(request)
        return request

    def once(self):
        """(status, headers, body) of one try; a broken connection is None."""
        try:
            return self.s.submit_once("bundle.zip", sample("bundle.zip"))
        except (urllib.error.URLError, ConnectionError, TimeoutError, OSError):
            return None

    def completed(self, request=None, seconds=60):
        """The request (a new one) ends as it should: every planned file signed and stamped."""
        request = request or self.submit(seconds)
        self.assertEqual(self.s.wait_final(request, seconds), "Completed", self.problem(request))
        self.signed(request)
        return request

    def failed(self, request, code, words="", seconds=60):
        """It ended Failed for this reason, said so that somebody can act, and nothing came out."""
        self.assertEqual(self.s.wait_final(request, seconds), "Failed", self.s.log()[-3000:])
        problem = self.problem(request)
        self.assertEqual(problem.get("code"), code, problem)
        self.assertIn(words, problem.get("message", ""))
        status, _, body = self.s.call("GET", self.s.api("SigningRequests/%s/SignedArtifact" % request))
        self.assertGreaterEqual(status, 400, body[:200])
        return problem

    def problem(self, request):
        return self.s.get("SigningRequests/" + request)[1].get("error") or {}

    def signed(self, request):
        """Every planned file of the released artifact carries its signature and its time stamp."""
        status, _, body = self.s.call("GET", self.s.api("SigningRequests/%s/SignedArtifact" % request))
        self.assertEqual(status, 200, body[:300])
        out = os.path.join(self.s.root, request + ".zip")
        with open(out, "wb") as f:
            f.write(body)
        certificate = os.path.join(self.s.root, "certificate.der")
        if not os.path.exists(certificate):
            with open(certificate, "wb") as f:
                f.write(self.s.call("GET", self.s.api("Certificates/test/X509Certificate"), token=self.s.admin)[2])
        done = subprocess.run([self.s.program("chancery"), "verify", "--json", "--ca", certificate, "--tsa-ca", self.tsa.ca, out],
                              capture_output=True)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0, found)
        have = [s["path"].split(" » ", 1)[1] for s in found["signatures"]
                if s["valid"] and s["timestamp"] and s["timestampJudged"] and s["chainJudged"]]
        self.assertEqual(sorted(have), sorted(PLANNED))
        with zipfile.ZipFile(io.BytesIO(body)) as z:
            for name in ("README.txt", "README.txt.p7s"):
                with open(os.path.join(self.s.root, name), "wb") as f:
                    f.write(z.read(name))
        pem = certificate + ".pem"
        subprocess.run(["openssl", "x509", "-inform", "DER", "-in", certificate, "-out", pem], check=True)
        subprocess.run(["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", os.path.join(self.s.root, "README.txt.p7s"),
                        "-content", os.path.join(self.s.root, "README.txt"), "-CAfile", pem, "-purpose", "any", "-out", os.devnull],
                       check=True, capture_output=True)

    def again(self, *flags):
        """Everything dies and is started anew."""
        self.kept.keep()
        self.s.kill()
        self.s.start(*flags)

    def clean(self, completed=None):
        """The end of a story: the service stops, and database and journal agree with I1 to I5."""
        self.kept.keep()
        time.sleep(1.2)  # the log head follows within a second
        self.assertEqual(self.s.stop(), 0, self.s.log()[-2000:])
        counts = history.check(self.s.data, self.accepted, self.kept.paths())
        if completed is not None:
            self.assertEqual(counts["completed"], completed)
        return counts
