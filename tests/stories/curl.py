#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A build script that was written for SignPath, by curl alone: only the address changes."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from service import Service, small_zip  # noqa: E402
from story import BIN, environment  # noqa: E402

CURL = shutil.which("curl")
CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">
<parameters><parameter name="version" default-value="0"/><parameter name="build.id" default-value="0"/></parameters>
<zip-file><file path="*.txt" max-matches="unbounded"><create-raw-signature output-file-name="${file.name}.sig"
hash-algorithm="sha256" rsa-padding="pkcs1"/></file></zip-file></artifact-configuration>"""


@unittest.skipUnless(CURL, "curl is not installed")
class Curl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = Service(BIN).found(configuration=CONFIGURATION, settings="max_upload_bytes = 1MiB\n")
        cls.addClassCleanup(cls.s.__exit__)
        cls.s.start()
        cls.artifact = os.path.join(cls.s.root, "my.zip")
        with open(cls.artifact, "wb") as f:
            f.write(small_zip())

    def curl(self, url, *arguments, token=None, out=None):
        """(status, headers, body)"""
        body = out or os.path.join(self.s.root, "body")
        heads = os.path.join(self.s.root, "heads")
        if os.path.exists(body):
            os.unlink(body)
        credential = () if token == "" else ("-H", "Authorization: Bearer " + (token or self.s.token))
        done = subprocess.run([CURL, "-sS", "-o", body, "-D", heads, "-w", "%{http_code}", *credential, *arguments,
                               url if "://" in url else self.s.url + url], env=environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(heads, encoding="latin-1") as f:
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in f if ":" in line)}
        data = b""
        if os.path.exists(body):
            with open(body, "rb") as f:
                data = f.read()
        return int(done.stdout), headers, data

    def api(self, path=""):
        return "/API/v1/%s/SigningRequests%s" % (self.s.organization, path)

    def submit(self, *form, path="/SubmitWithArtifact"):
        arguments = [a for f in form for a in ("-F", f)]
        return self.curl(self.api(path), *arguments)

    def fields(self, project="projectSlug=acme-app", policy="signingPolicySlug=test-signing", artifact="artifact=@%s"):
        return project, policy, artifact % self.artifact

    def wait(self, location):
        """What the documentation does: GET on Location until isFinalStatus."""
        location = location.replace("localhost", "127.0.0.1")
        for _ in range(600):
            status, _, body = self.curl(location)
            self.assertEqual(status, 200)
            if json.loads(body)["isFinalStatus"]:
                return json.loads(body)
            time.sleep(0.05)
        self.fail("no end")

    def accepted(self, answer):
        status, headers, body = answer
        self.assertEqual(status, 201, body)
        made = json.loads(body)
        self.assertRegex(headers["location"], r"^https?://\S+/SigningRequests/[0-9a-f-]{36}$")
        self.assertTrue(headers["location"].endswith(made["signingRequestId"]))
        self.assertIn(made["signingRequestId"], made["webLink"])
        return headers["location"]

    def test_submit_poll_download(self):
        location = self.accepted(self.submit(*self.fields(), "description=nightly"))
        request = self.wait(location)
        self.assertEqual((request["status"], request["workflowStatus"], request["description"]), ("Completed", "Completed", "nightly"))
        status, headers, body = self.curl(request["signedArtifactLink"].replace("localhost", "127.0.0.1"))
        self.assertEqual((status, headers["content-type"]), (200, "application/octet-stream"))
        self.assertEqual(int(headers["content-length"]), len(body))
        self.assertIn("filename*=UTF-8''my", headers["content-disposition"])
        self.assertEqual(hashlib.sha256(body).hexdigest(), request["signedArtifactSha256"])
        status, _, body = self.curl(request["unsignedArtifactLink"].replace("localhost", "127.0.0.1"))
        self.assertEqual(hashlib.sha256(body).hexdigest(), request["artifactSha256"])

    def test_field_names_of_every_client(self):
        for form, path in ((self.fields(), "/SubmitWithArtifact"), (self.fields(), ""),
                           (self.fields("ProjectSlug=acme-app", "SigningPolicySlug=test-signing", "Artifact=@%s"), "/SubmitWithArtifact"),
                           (self.fields("PROJECTSLUG=acme-app", "signingpolicyslug=test-signing", "Artifact=@%s"), ""),
                           (tuple(reversed(self.fields())), "/SubmitWithArtifact")):
            with self.subTest(form=form, path=path):
                self.accepted(self.submit(*form, "ArtifactConfigurationSlug=initial", "Description=", path=path))

    def test_parameters_by_dot_and_by_brackets(self):
        for version, build in (("parameters.version=1.2", "parameters.build.id=7"), ("Parameters.version=1.2", "Parameters.build.id=7"),
                               ("Parameters[version]=1.2", "Parameters[build.id]=7"), ("parameters[version]=1.2", "parameters[build.id]=7")):
            with self.subTest(version=version):
                location = self.accepted(self.submit(*self.fields(), version, build))
                self.assertEqual(self.wait(location)["parameters"], {"version": "1.2", "build.id": "7"})
        status, _, body = self.submit(*self.fields(), "parameters.colour=red")
        self.assertEqual(status, 400)
        self.assertIn("colour", body.decode())

    def test_paths_in_any_case(self):
        for prefix in ("/API/v1", "/Api/v1", "/api/V1"):
            self.assertEqual(self.curl("%s/%s/signingrequests" % (prefix, self.s.organization))[0], 200)
        for path in ("/API/v1", "/API/v2/%s/SigningRequests" % self.s.organization, self.api("/x/y/z"), "/..%2f..%2fetc/passwd",
                     "/API/v1//SigningRequests", self.api("/%00")):
            with self.subTest(path=path):
                self.assertIn(self.curl(path)[0], (400, 401, 403, 404))
        self.assertEqual(self.curl(self.api(), "-X", "DELETE")[0], 405)

    def test_the_small_status_document(self):
        location = self.accepted(self.submit(*self.fields())).replace("localhost", "127.0.0.1")
        self.wait(location)
        state = json.loads(self.curl(location + "/Status")[2])
        self.assertEqual((state["status"], state["workflowStatus"], state["isFinalStatus"]), ("Completed", "Completed", True))

    def test_idempotency_key(self):
        key = ("-H", "Idempotency-Key: " + uuid.uuid4().hex)
        form = [a for f in self.fields() for a in ("-F", f)]
        first = self.curl(self.api("/SubmitWithArtifact"), *key, *form)
        second = self.curl(self.api("/SubmitWithArtifact"), *key, *form)
        self.assertEqual(self.accepted(first), self.accepted(second))
        self.assertEqual(second[1]["idempotency-replayed"], "true")
        self.assertEqual(self.curl(self.api("/SubmitWithArtifact"), *key, *form, "-F", "description=other")[0], 409)
        self.assertNotEqual(self.accepted(self.submit(*self.fields())), self.accepted(self.submit(*self.fields())))

    def problem(self, answer, status):
        self.assertEqual(answer[0], status, answer[2])
        self.assertEqual(answer[1]["content-type"], "application/json; charset=utf-8")
        body = json.loads(answer[2])
        self.assertEqual(body["status"], status)
        self.assertTrue(body["title"] and body["detail"] and body["errors"])
        return body

    def test_refusals(self):
        self.problem(self.curl(self.api(), token=""), 401)
        self.problem(self.curl(self.api(), token="chy_" + "x" * 43), 401)
        self.problem(self.curl("/API/v1/%s/SigningRequests" % uuid.uuid4()), 403)
        self.problem(self.curl(self.api("/SubmitWithArtifact"), *[a for f in self.fields() for a in ("-F", f)], token=self.s.admin), 403)
        self.problem(self.curl(self.api("/%s" % uuid.uuid4())), 404)
        self.assertIn("SigningPolicySlug", self.problem(self.submit(*self.fields(policy="signingPolicySlug=none")), 400)["errors"])
        self.assertIn("ProjectSlug", self.problem(self.submit(*self.fields(project="x=y")), 400)["errors"])
        self.assertIn("Artifact", self.problem(self.submit(*self.fields()[:2]), 400)["errors"])
        big = os.path.join(self.s.root, "big.zip")
        with open(big, "wb") as f:
            f.write(os.urandom(2 << 20))
        self.problem(self.submit(*self.fields()[:2], "artifact=@" + big), 413)

    def test_download_before_the_end_and_cancel_after_it(self):
        bad = os.path.join(self.s.root, "bad.zip")
        with open(bad, "wb") as f:
            f.write(b"no archive")
        location = self.accepted(self.submit(*self.fields()[:2], "artifact=@" + bad)).replace("localhost", "127.0.0.1")
        self.assertEqual(self.wait(location)["status"], "Failed")
        self.problem(self.curl(location + "/SignedArtifact"), 400)
        self.problem(self.curl(location + "/Cancel", "-X", "POST"), 409)


if __name__ == "__main__":
    unittest.main()
