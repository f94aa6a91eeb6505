# SPDX-License-Identifier: Apache-2.0
"""chancery-front itself, started by chanceryd within its walls; core is a stand-in.

usage: test_front.py CHANCERYD PROBE FRONT
"""
import os
import shutil
import ssl
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "procs"))
import test_supervisor  # noqa: E402

FRONT = None


class Front(unittest.TestCase):
    def serve(self, settings="", certificate=False):
        s = test_supervisor.Service()
        self.addCleanup(s.done)
        shutil.copy(FRONT, os.path.join(s.bin, "chancery-front"))
        if certificate:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "tls.key", "-out",
                            "tls.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost"], cwd=s.data, check=True,
                           capture_output=True)
            os.chmod(os.path.join(s.data, "tls.key"), 0o600)
            settings += "tls_certificate = tls.pem\ntls_key = tls.key\n"
            self.context = ssl.create_default_context(cafile=os.path.join(s.data, "tls.pem"))
        self.s = s.start(settings=settings)
        return s

    def get(self, path, scheme="http", **headers):
        request = urllib.request.Request(f"{scheme}://localhost:{self.s.port}{path}",
                                         headers=headers)
        context = self.context if scheme == "https" else None
        try:
            with urllib.request.urlopen(request, timeout=20, context=context) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read().decode()

    def test_serves_within_its_walls(self):
        s = self.serve()
        for _ in range(20):
            self.assertEqual(self.get("/ping?token=secret"), (200, "core here"))
        s.wait(lambda: "GET /ping 200" in s.log(), "the access log")
        self.assertNotIn("secret", s.log())
        self.assertEqual(s.stop(), 0)

    def test_core_is_started_again_behind_it(self):
        s = self.serve()
        front = s.pid("front")
        self.assertEqual(self.get("/crash")[0], 503)
        s.wait(lambda: self.get("/ping")[0] == 200, "core")
        self.assertEqual(s.pid("front"), front)
        self.assertTrue(test_supervisor.alive(front))

    def test_tls(self):
        self.serve(certificate=True)
        self.assertEqual(self.get("/ping", "https"), (200, "core here"))

    def test_wrong_settings_are_said(self):
        s = test_supervisor.Service()
        self.addCleanup(s.done)
        shutil.copy(FRONT, os.path.join(s.bin, "chancery-front"))
        s.start(settings="trusted_proxies = 10.0.0.0/8, nonsense\n", wait=False)
        s.wait(lambda: "nonsense is no address" in s.log(), "the reason")
        s.process.wait(timeout=60)
        self.assertNotEqual(s.process.returncode, 0)


if __name__ == "__main__":
    test_supervisor.CHANCERYD, test_supervisor.PROBE, FRONT = sys.argv[1:4]
    unittest.main(argv=sys.argv[:1])
