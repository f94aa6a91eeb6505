#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of the blob store that changed on the disk after they were stored: nothing is signed of them, nobody
is given them, and the submitter is not told that the mistake is theirs. Whole again, the work goes on."""
import base64
import hashlib
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from service import small_zip  # noqa: E402
from story import Story  # noqa: E402

class Stored:
    """One file of the store, changed while the block runs."""

    def __init__(self, service, sha256, change):
        self.path = os.path.join(service.data, "blobs", sha256[:2], sha256[2:4], sha256)
        self.change = change

    def write(self, content):
        os.chmod(self.path, 0o600)
        with open(self.path, "wb") as f:
            f.write(content)
        os.chmod(self.path, 0o400)

    def __enter__(self):
        with open(self.path, "rb") as f:
            self.content = f.read()
        self.write(self.change(bytearray(self.content)))

    def __exit__(self, *_):
        self.write(self.content)


def flipped(at):
    def change(content):
        content[at] ^= 1
        return content
    return change


CHANGES = {"a bit of the content": flipped(40), "a bit of the directory": flipped(-30), "cut": lambda content: content[:-1],
           "longer": lambda content: content + b"x"}


class StoredBytes(Story):
    settings = "workers = 1\n"

    def setUp(self):
        self.data = small_zip(("a.txt", self.id()))
        self.request = self.s.submit("a.zip", self.data)
        self.assertEqual(self.s.wait_final(self.request), "Completed")
        self.document = self.s.get("SigningRequests/" + self.request)[1]

    def again(self):
        body, kind = self.s.form({"OriginalSigningRequestId": self.request, "SigningPolicySlug": "test-signing"}, "", b"")
        status, _, answer = self.s.call("POST", self.s.api("SigningRequests/Resubmit"), body, {"Content-Type": kind})
        self.assertEqual(status, 201, answer)
        return json.loads(answer)["signingRequestId"]

    def download(self, which):
        return self.s.call("GET", self.s.api("SigningRequests/%s/%s" % (self.request, which)))

    def reported(self, request):
        return any(request in line and "store.blob_damaged" in line for line in self.s.log().splitlines())

    def test_artifact_that_changed_is_not_judged(self):
        for name, change in CHANGES.items():
            with self.subTest(name):
                with Stored(self.s, hashlib.sha256(self.data).hexdigest(), change):
                    request = self.again()
                    self.s.wait(lambda: self.reported(request), "a word in the log")
                    self.assertFalse(self.s.status(request)["isFinalStatus"])
                self.assertEqual(self.s.wait_final(request), "Completed")

    def test_artifact_that_stays_damaged_fails_as_ours(self):
        with Stored(self.s, hashlib.sha256(self.data).hexdigest(), flipped(-30)):
            request = self.again()
            self.assertEqual(self.s.wait_final(request), "Failed")
        problem = self.s.get("SigningRequests/" + request)[1]["error"]
        self.assertEqual(problem["code"], "store.blob_damaged")
        self.assertIn("operator", problem["message"])

    def test_what_was_whole_before_is_looked_at_again(self):
        """Reading is saved only for files that nobody has touched since."""
        time.sleep(3)
        for _ in range(2):
            self.assertEqual(self.download("SignedArtifact")[0], 200)
        with Stored(self.s, self.document["signedArtifactSha256"], flipped(40)):
            self.assertEqual(self.download("SignedArtifact")[0], 500)
            time.sleep(3)
            self.assertEqual(self.download("SignedArtifact")[0], 500)
        self.assertEqual(self.download("SignedArtifact")[0], 200)

    def test_download_that_changed_is_refused(self):
        for which, sha256 in (("SignedArtifact", self.document["signedArtifactSha256"]), ("UnsignedArtifact", self.document["artifactSha256"])):
            for name, change in CHANGES.items():
                with self.subTest(which + ", " + name):
                    with Stored(self.s, sha256, change):
                        status, _, body = self.download(which)
                        self.assertEqual(status, 500, body[:200])
                        self.assertEqual(json.loads(body)["code"], "store.blob_damaged")
                    status, headers, body = self.download(which)
                    self.assertEqual((status, hashlib.sha256(body).hexdigest()), (200, sha256))
                    self.assertEqual(headers["Repr-Digest"], "sha-256=:%s:" % base64.b64encode(bytes.fromhex(sha256)).decode())


if __name__ == "__main__":
    unittest.main()
