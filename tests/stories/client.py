#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A build job has a file signed by the command line: every client command and its exit status."""
import hashlib
import http.server
import json
import os
import shutil
import sys
import tempfile
import threading
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from service import small_zip  # noqa: E402
from story import Story, run  # noqa: E402

SUBMIT = ("submit", "--project", "acme-app", "--policy", "test-signing")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Client(Story):
    def setUp(self):
        self.input = self.write("in.zip", small_zip())

    def out(self):
        return self.path(uuid.uuid4().hex + ".zip")

    def submitted(self):
        return self.chancery(*SUBMIT, "--no-wait", "-q", self.input).stdout.strip()

    def test_submit_leaves_the_signed_file_and_its_receipt(self):
        out, receipt = self.out(), self.path("receipt.json")
        done = self.chancery(*SUBMIT, "--receipt", receipt, "--force", "-o", out, "--json", self.input)
        said = json.loads(done.stdout)
        self.assertEqual(said["status"], "Completed")
        self.assertEqual(said["sha256"], sha256(out))
        with open(receipt, encoding="utf-8") as f:
            proof = json.load(f)
        self.assertEqual(proof["output"]["sha256"], sha256(out))
        self.assertEqual(proof["input"]["sha256"], sha256(self.input))
        self.assertIn("inclusion", proof["logProof"])
        self.assertEqual([n for n in os.listdir(self.s.root) if n.endswith(".tmp")], [])

    def test_the_name_of_the_result_is_made_from_the_name_of_the_file(self):
        folder = self.path("names")
        os.makedirs(folder, exist_ok=True)
        done = self.chancery(*SUBMIT, self.input, cwd=folder)
        self.assertEqual(done.stdout.split()[0], "in.signed.zip")
        self.assertTrue(os.path.exists(os.path.join(folder, "in.signed.zip")))
        done = self.chancery(*SUBMIT, self.input, cwd=folder, expect=2)
        self.assertIn("exists already", done.stderr)

    def test_an_existing_result_is_refused_before_anything_is_submitted(self):
        out = self.write("there.zip", "mine")
        before = len(json.loads(self.chancery("requests", "--json", "--limit", "200").stdout))
        self.chancery(*SUBMIT, "-o", out, self.input, expect=2)
        after = len(json.loads(self.chancery("requests", "--json", "--limit", "200").stdout))
        self.assertEqual(before, after)
        with open(out, encoding="utf-8") as f:
            self.assertEqual(f.read(), "mine")
        self.chancery(*SUBMIT, "-o", out, "--force", self.input)
        self.assertNotEqual(sha256(out), hashlib.sha256(b"mine").hexdigest())

    def test_wait_get_and_status_by_id(self):
        request, out = self.submitted(), self.out()
        self.chancery("wait", request, "-o", out)
        again = self.out()
        self.chancery("get", request, "-o", again)
        self.assertEqual(sha256(out), sha256(again))
        unsigned = self.out()
        self.chancery("get", request, "--unsigned", "-o", unsigned)
        self.assertEqual(sha256(unsigned), sha256(self.input))
        state = json.loads(self.chancery("status", request, "--json").stdout)
        self.assertEqual(state["signedArtifactSha256"], sha256(out))
        self.assertIn("Completed", self.chancery("status", request).stdout)

    def test_a_description_makes_no_lines_of_the_status(self):
        result = self.chancery("submit", "--project", "acme-app", "--policy", "test-signing", "--no-wait", "--json",
                               "--description", "fine\nstatus         Denied", self.input)
        said = self.chancery("status", json.loads(result.stdout)["signingRequestId"]).stdout
        self.assertIn("fine[U+000A]status", said)
        self.assertEqual(len([line for line in said.splitlines() if line.startswith("status")]), 1)

    def test_a_failed_request_is_status_1_and_says_where_and_why(self):
        bad = self.write("bad.zip", "this is no archive")
        done = self.chancery(*SUBMIT, bad, expect=1)
        self.assertIn("bad.zip", done.stderr)
        self.assertIn("zip", done.stderr.lower())
        request = json.loads(self.chancery("requests", "--filter", "fileName=bad.zip", "--json").stdout)[0]["signingRequestId"]
        self.chancery("status", request, expect=1)
        self.chancery("get", request, expect=1)
        self.chancery("wait", request, expect=1)

    def test_time_out_is_status_3_and_names_the_way_on(self):
        # Not finished at once: two thousand signatures.
        big = self.write("big.zip", small_zip(tuple("f%d.txt" % i for i in range(2000))))
        done = self.chancery(*SUBMIT, "--timeout", "0", "-o", self.out(), big, expect=3)
        self.assertIn("chancery wait ", done.stderr)
        request = done.stderr.split("chancery wait ")[1].split()[0]
        self.chancery("wait", request, "-o", self.out())

    def test_cancel_of_a_completed_request_is_status_1(self):
        request = self.submitted()
        self.chancery("wait", request, "-o", self.out())
        self.assertIn("Completed", self.chancery("cancel", request, expect=1).stderr)

    def test_resubmit_makes_a_new_request_of_the_same_file(self):
        request = self.submitted()
        self.chancery("wait", request, "-o", self.out())
        done = json.loads(self.chancery("resubmit", request, "--policy", "test-signing", "--json", "-o", self.out()).stdout)
        self.assertNotEqual(done["signingRequestId"], request)
        first, second = (json.loads(self.chancery("status", r, "--json").stdout) for r in (request, done["signingRequestId"]))
        self.assertEqual(first["artifactSha256"], second["artifactSha256"])
        self.assertEqual(second["originalSigningRequestId"], request)

    def test_requests_are_listed_and_filtered(self):
        request = self.submitted()
        self.chancery("wait", request, "-o", self.out())
        self.assertIn(request, self.chancery("requests", "--filter", "status=completed", "--limit", "200").stdout)
        self.assertNotIn(request, self.chancery("requests", "--filter", "status=Failed", "--limit", "200").stdout)
        self.assertEqual(len(json.loads(self.chancery("requests", "--limit", "1", "--json").stdout)), 1)
        self.chancery("requests", "--filter", "colour=red", expect=2)

    def test_the_same_idempotency_key_joins_and_other_content_is_refused(self):
        key = uuid.uuid4().hex
        first = self.chancery(*SUBMIT, "--no-wait", "-q", "--idempotency-key", key, self.input).stdout
        second = self.chancery(*SUBMIT, "--no-wait", "-q", "--idempotency-key", key, self.input).stdout
        self.assertEqual(first, second)
        other = self.write("other.zip", small_zip(("x.txt",)))
        self.chancery(*SUBMIT, "--no-wait", "--idempotency-key", key, other, expect=1)
        self.assertNotEqual(self.submitted(), self.submitted())

    def test_parameters_must_be_known(self):
        done = self.chancery(*SUBMIT, "--parameter", "version=1", self.input, "-o", self.out(), expect=2)
        self.assertIn("version", done.stderr)
        self.chancery(*SUBMIT, "--parameter", "version", self.input, "-o", self.out(), expect=2)

    def test_who_may_not_is_told_status_4(self):
        wrong = self.write("wrong-token", "chy_" + "A" * 43, 0o600)
        self.chancery("requests", token=wrong, expect=4)
        self.chancery("requests", env={"CHANCERY_ORGANIZATION": str(uuid.uuid4())}, expect=4)
        self.chancery(*SUBMIT, "-o", self.out(), self.input, token=self.root_token, expect=4)

    def test_unknown_things_are_status_2(self):
        self.chancery("status", str(uuid.uuid4()), expect=2)
        self.chancery("status", "not-an-id", expect=2)
        done = self.chancery("submit", "--project", "nowhere", "--policy", "test-signing", "-o", self.out(), self.input, expect=2)
        self.assertIn("ProjectSlug", done.stderr)
        self.chancery(*SUBMIT, self.path("no-such-file"), expect=2)
        self.chancery(*SUBMIT, self.write("empty", ""), expect=2)
        self.chancery(*SUBMIT, "--no-such-option", self.input, expect=2)

    def test_nobody_there_is_status_5(self):
        done = self.chancery("requests", "--retry", "0", url="http://127.0.0.1:1", expect=5)
        self.assertIn("cannot be reached", done.stderr)

    def test_the_address_may_be_written_as_other_clients_do(self):
        for tail in ("", "/", "/API", "/api/v1/", "/Api"):
            self.chancery("requests", url=self.s.url + tail)
        self.chancery("requests", url="ftp://127.0.0.1", expect=2)

    def test_environment_of_signpath_and_client_conf_are_taken(self):
        env = {"SIGNPATH_API_URL": self.s.url + "/API", "SIGNPATH_ORGANIZATION_ID": self.s.organization, "SIGNPATH_API_TOKEN": self.s.token}
        self.assertEqual(run("requests", env=env).returncode, 0)
        home = self.path("home")
        os.makedirs(home + "/.config/chancery", exist_ok=True)
        conf = home + "/.config/chancery/client.conf"
        with open(conf, "w", encoding="utf-8") as f:
            f.write("# mine\nurl = %s\norganization = %s\ntoken_file = %s\n" % (self.s.url, self.s.organization, self.ci))
        self.assertEqual(run("requests", env={"HOME": home}).returncode, 0)
        # An option wins over the environment, the environment over the file.
        self.assertEqual(run("requests", "--retry", "0", env={"HOME": home, "CHANCERY_URL": "http://127.0.0.1:1"}).returncode, 5)
        self.assertEqual(run("requests", "--url", self.s.url, env={"HOME": home, "CHANCERY_URL": "http://127.0.0.1:1"}).returncode, 0)
        with open(conf, "a", encoding="utf-8") as f:
            f.write("token = x\n")
        done = run("requests", env={"HOME": home})
        self.assertEqual(done.returncode, 2)
        self.assertIn("line 5", done.stderr)
        self.assertEqual(run("requests").returncode, 2)

    def test_a_token_is_no_argument(self):
        done = run("requests", "--token", "chy_secret")
        self.assertEqual(done.returncode, 2)


class Flaky(http.server.BaseHTTPRequestHandler):
    """A server that is away at first, and one that sends something else than it promised."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, *headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen = self.server.seen
        seen.append((self.headers["Idempotency-Key"], self.server.whole in body, len(body)))
        if len(seen) <= len(self.server.first):
            status = self.server.first[len(seen) - 1]
            if status == 0:  # the answer is lost
                self.close_connection = True
                self.connection.close()
            elif status == 302:
                self.answer(302, {}, ("Location", "http://127.0.0.1:1/"))
            else:
                self.answer(status, {"title": "busy"})
            return
        self.answer(201, {"signingRequestId": self.server.request, "webLink": "http://x/"})

    def do_GET(self):
        content = b"signed"
        document = {"signingRequestId": self.server.request, "status": "Completed", "isFinalStatus": True, "fileName": "in.zip",
                    "artifactSha256": self.server.sha256, "signedArtifactSha256": hashlib.sha256(b"signed").hexdigest()}
        if self.path.endswith("/SignedArtifact"):
            self.answer(200, self.server.content or content)
        else:
            self.answer(200, document)


class Retries(unittest.TestCase):
    def start(self, first=(), content=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.server.first, self.server.seen, self.server.content = list(first), [], content
        self.server.request = str(uuid.uuid4())
        self.folder = tempfile.mkdtemp(prefix="chr")
        self.addCleanup(shutil.rmtree, self.folder)
        self.input, self.server.whole = os.path.join(self.folder, "in.zip"), os.urandom(3 << 20)
        with open(self.input, "wb") as f:
            f.write(self.server.whole)
        self.server.sha256 = sha256(self.input)

    def submit(self, *more):
        return run(*SUBMIT, *more, self.input, "-o", os.path.join(self.folder, "out"),
                   env={"CHANCERY_URL": "http://127.0.0.1:%d" % self.server.server_port, "CHANCERY_TOKEN": "chy_test",
                        "CHANCERY_ORGANIZATION": str(uuid.uuid4())})

    def test_a_submission_is_repeated_with_the_same_key_until_it_is_answered(self):
        for first in ([503], [429, 502], [504], [0], [0, 503]):
            with self.subTest(first=first):
                self.start(first)
                done = self.submit()
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(len(self.server.seen), len(first) + 1)
                self.assertEqual(len(set(self.server.seen)), 1)
                self.assertTrue(self.server.seen[0][0] and self.server.seen[0][1])

    def test_patience_ends(self):
        self.start([503] * 50)
        done = self.submit("--retry", "1")
        self.assertEqual(done.returncode, 5)
        self.assertLess(len(self.server.seen), 8)

    def test_final_answers_are_not_repeated(self):
        for status, code in ((400, 2), (401, 4), (403, 4), (404, 2), (409, 1), (413, 2), (500, 6), (302, 2)):
            with self.subTest(status=status):
                self.start([status])
                done = self.submit()
                self.assertEqual((done.returncode, len(self.server.seen)), (code, 1), done.stderr)
                self.assertNotIn("chy_test", done.stdout + done.stderr)

    def test_another_file_than_promised_is_not_kept(self):
        self.start(content=b"forged")
        done = self.submit()
        self.assertEqual(done.returncode, 1)
        self.assertIn("SHA-256", done.stderr)
        self.assertEqual(os.listdir(self.folder), ["in.zip"])

    def test_a_server_that_stored_something_else_is_noticed(self):
        self.start()
        self.server.sha256 = "0" * 64
        self.assertEqual(self.submit().returncode, 1)


if __name__ == "__main__":
    unittest.main()
