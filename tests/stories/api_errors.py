#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the API says when it says no: each refusal of submit, cancel, resubmit, download and lists
has the status of interface and contract, names the field, and changes nothing."""
import json
import os
import re
import sqlite3
import sys
import unittest
import urllib.parse
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from service import small_zip  # noqa: E402
from story import Story  # noqa: E402

CONFIGURATION = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">
<parameters><parameter name="version" required="true"/><parameter name="channel" default-value="stable"/></parameters>
<zip-file><file path="*.txt" max-matches="unbounded"><create-raw-signature output-file-name="${file.name}.sig"
hash-algorithm="sha256" rsa-padding="pkcs1"/></file></zip-file></artifact-configuration>"""
UNKNOWN = str(uuid.UUID(int=4 << 76 | 2 << 62))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TRACE = r"00-[0-9a-f]{32}-[0-9a-f]{16}-00"


class Refusals(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        s = cls.s
        extra = {"apiVersion": "chancery/v1", "ciUsers": [{"name": "stranger", "role": "RegularUser", "tokens": [{"name": "t"}]}],
                 "projects": [{"slug": "acme-app", "artifactConfigurations": [{"slug": "named", "xml": CONFIGURATION}],
                               "signingPolicies": [{"slug": "second", "purpose": "Test", "certificate": "test", "submitters": ["ci:ci"]},
                                                   {"slug": "closed", "purpose": "Test", "certificate": "test", "submitters": []}]},
                              {"slug": "other", "name": "Other", "artifactConfigurations": [{"slug": "initial", "default": True, "xml": CONFIGURATION}],
                               "signingPolicies": [{"slug": "test-signing", "purpose": "Test", "certificate": "test", "submitters": ["ci:ci"]}]}]}
        status, _, body = s.call("POST", s.api("Configuration/Apply"), json.dumps(extra).encode(), {"Content-Type": "application/json"}, s.admin)
        assert status == 200, body
        cls.stranger = json.loads(body)["tokens"][0]["value"]
        cls.done = s.submit("a.zip", small_zip())
        cls.failed = s.submit("b.zip", b"no archive")
        assert (s.wait_final(cls.done), s.wait_final(cls.failed)) == ("Completed", "Failed")
        cls.foreign_policy = cls.sql("SELECT s.id FROM signing_policies s JOIN projects p ON p.id = s.project WHERE p.slug = 'other'")[0][0]

    @classmethod
    def sql(cls, statement, *values):
        with sqlite3.connect(os.path.join(cls.s.data, "db/chancery.db"), timeout=30) as db:
            found = db.execute(statement, values).fetchall()
        db.close()
        return found

    def refused(self, answer, status, word, field=None):
        code, headers, body = answer
        self.assertEqual(code, status, body)
        self.assertEqual(headers["Content-Type"], "application/json; charset=utf-8")
        said = json.loads(body)
        self.assertEqual(said["status"], status)
        for member in ("type", "title", "detail", "code", "error"):
            self.assertTrue(said[member], member)
        self.assertIn("rfc", said["type"])
        self.assertRegex(said["traceId"], "^%s$" % TRACE)
        self.assertIn(word.lower(), said["detail"].lower())
        if field is not None:
            self.assertEqual(list(said["errors"]), [field])
        return said

    def post(self, path, fields, token=None, headers=None):
        return self.s.call("POST", self.s.api("SigningRequests" + path), urllib.parse.urlencode(fields).encode(), dict(FORM, **(headers or {})), token)

    def count(self):
        return self.sql("SELECT COUNT(*), (SELECT COUNT(*) FROM audit_events WHERE request <> '') FROM requests")

    # --- submit -----------------------------------------------------------------------------------

    def test_submit(self):
        before = self.count()
        zip_file = small_zip()
        rows = [({"ProjectSlug": ""}, 400, "required", "ProjectSlug"), ({"ProjectSlug": "nothing"}, 400, "no project", "ProjectSlug"),
                ({"SigningPolicySlug": ""}, 400, "required", "SigningPolicySlug"), ({"SigningPolicySlug": "none"}, 400, "no signing policy", "SigningPolicySlug"),
                ({"ArtifactConfigurationSlug": "none"}, 400, "no artifact configuration", "ArtifactConfigurationSlug"),
                ({"SigningPolicyId": UNKNOWN}, 400, "no signing policy", "SigningPolicyId"),
                ({"SigningPolicyId": self.foreign_policy}, 400, "not by both", "SigningPolicyId"),
                ({"SigningPolicySlug": "closed"}, 403, "submitter", None),
                ({"ArtifactConfigurationSlug": "named"}, 400, "'version' is required", "Parameters.version"),
                ({"ArtifactConfigurationSlug": "named", "parameters.version": ""}, 400, "'version' is required", "Parameters.version"),
                ({"ArtifactConfigurationSlug": "named", "parameters.verison": "1", "parameters.version": "1"}, 400, "no parameter 'verison'. Did you mean", "Parameters.verison"),
                ({"Parameters[other]": "1"}, 400, "no parameter 'other'", "Parameters.other"),
                ({"Description": "x" * 2001}, 400, "2000", "Description"),
                ({"CancellationTimeoutInSeconds": "soon"}, 400, "whole number", "CancellationTimeoutInSeconds"),
                ({"CancellationTimeoutInSeconds": "99999999999"}, 400, "one year", "CancellationTimeoutInSeconds"),
                ({"Origin.RepositoryData.BranchName": "main"}, 400, "trusted build system", None),
                ({"IsFastSigningRequest": "true"}, 400, "not available", "IsFastSigningRequest")]
        for fields, status, word, field in rows:
            with self.subTest(fields=list(fields)):
                self.refused(self.s.submit_once("a.zip", zip_file, fields=fields), status, word, field)
        said = self.refused(self.s.submit_once("a.zip", zip_file, fields={"ArtifactConfigurationSlug": "named", "parameters.x": "1"}), 400, "no parameter 'x'")
        self.assertIn("'version' is required", said["detail"])  # all of them at once
        for name in ("../a.zip", "..", "a\tb.zip", "x" * 256):
            with self.subTest(name=name[:20]):
                # A control character in the head of a part ends the body itself.
                self.refused(self.s.submit_once(name, zip_file), 400, "" if "\t" in name else "file name", "" if "\t" in name else "Artifact")
        self.refused(self.s.submit_once("a.zip", b""), 400, "empty", "Artifact")
        self.refused(self.post("", {"ProjectSlug": "acme-app", "SigningPolicySlug": "test-signing"}), 400, "required", "Artifact")
        for key in ("a b", "x" * 201):
            self.refused(self.s.submit_once("a.zip", zip_file, key=key), 400, "visible", "Idempotency-Key")
        self.refused(self.s.submit_once("a.zip", zip_file, key="\xe4"), 400, "")
        self.assertEqual(self.count(), before)

    def test_nothing_is_given_twice(self):
        before = self.count()
        self.refused(self.s.submit_once("a.zip", small_zip(), fields={"projectSlug": "acme-app"}), 400, "more than once", "projectSlug")
        self.refused(self.s.submit_once("a.zip", small_zip(), fields={"description": "a", "Description": ""}), 400, "more than once", "description")
        body, kind = self.s.form({"ProjectSlug": "acme-app", "SigningPolicySlug": "test-signing"}, "a.zip", small_zip())
        boundary = body[:body.index(b"\r\n")]
        second = boundary + b'\r\nContent-Disposition: form-data; name="artifact"; filename="b.zip"\r\n\r\nsecond\r\n'
        self.refused(self.s.call("POST", self.s.api("SigningRequests"), second + body, {"Content-Type": kind}), 400, "one artifact", "Artifact")
        self.assertEqual(self.count(), before)

    def test_ids_are_found_in_any_case(self):
        self.assertEqual(self.s.get("SigningRequests/" + self.done.upper())[1]["signingRequestId"], self.done)

    def test_lengths_are_counted_in_characters(self):
        self.refused(self.s.submit_once("a.zip", small_zip(), fields={"Description": "\u00e4" * 2001}), 400, "2000 characters", "Description")
        request = self.s.submit("a.zip", small_zip(), fields={"Description": "\u00e4" * 1998 + "\r\n\u20ac"})
        self.assertEqual(self.s.wait_final(request), "Completed")

    def test_who_is_no_submitter_uploads_nothing_large(self):
        """Whatever was taken in stays on the disk for a day."""
        body, kind = self.s.form({"ProjectSlug": "acme-app", "SigningPolicySlug": "test-signing"}, "large.zip", os.urandom(100000))
        before = sum(len(files) for _, _, files in os.walk(self.s.data + "/blobs"))
        answer = self.s.call("POST", self.s.api("SigningRequests"), body, {"Content-Type": kind}, self.s.admin)
        self.refused(answer, 403, "submitter")
        self.assertEqual(sum(len(files) for _, _, files in os.walk(self.s.data + "/blobs")), before)

    def test_a_form_that_is_too_large(self):
        for body in (b"a=" + b"b" * 2000000, b"a&" * 1000000):
            self.refused(self.s.call("POST", self.s.api("SigningRequests/Resubmit"), body, FORM), 413, "too large")

    def test_a_body_that_is_none(self):
        before = self.count()
        for kind, body in (("multipart/form-data", b"x"), ("multipart/form-data; boundary=b", b"--b\r\nno header"), ("multipart/form-data; boundary=b", b""),
                           ("application/json", b"{}"), ("", b"x"), ("text/plain", b"x"), ("application/x-www-form-urlencoded", b"%zz=1")):
            code, _, answer = self.s.call("POST", self.s.api("SigningRequests"), body, {"Content-Type": kind})
            self.assertIn(code, (400, 415), (kind, body, answer))
            json.loads(answer)
        self.assertEqual(self.count(), before)

    # --- cancel -----------------------------------------------------------------------------------

    def cancel(self, request, body=b"", headers=None, token=None):
        return self.s.call("POST", self.s.api("SigningRequests/%s/Cancel" % request), body, headers, token)

    def test_cancel(self):
        before = self.count()
        for request, state in ((self.done, "Completed"), (self.failed, "Failed")):
            said = self.refused(self.cancel(request), 409, "is %s already" % state)
            self.assertEqual(said["code"], "request.conflict")
        self.refused(self.cancel(UNKNOWN), 404, "no signing request")
        self.refused(self.cancel("no-id"), 404, "no signing request")
        self.refused(self.cancel(self.done, token=self.stranger), 403, "one must be one of")
        self.refused(self.cancel(self.done, b"reason=" + b"x" * 2001, FORM), 400, "2000", "Reason")
        self.assertEqual(self.s.status(self.done)["status"], "Completed")
        self.assertEqual(self.count(), before)

    def test_cancel_takes_every_body_and_keeps_the_reason(self):
        multipart = b"--b\r\nContent-Disposition: form-data; name=Reason\r\n\r\nwrong file\r\n--b--"
        bodies = [(b"", {}), (b"{}", {"Content-Type": "application/json"}), (multipart, {"Content-Type": "multipart/form-data; boundary=b"}),
                  (b"reason=wrong+file", FORM)]
        canceled = 0
        for body, headers in bodies:
            request = self.s.submit("a.zip", small_zip(tuple("%d.txt" % i for i in range(400))))
            code, _, answer = self.cancel(request, body, headers)
            state = self.s.wait_final(request)
            if code == 409:  # it was faster
                self.assertEqual(state, "Completed")
                continue
            self.assertEqual((code, state), (200, "Canceled"), answer)
            canceled += 1
            document = self.s.get("SigningRequests/" + request)[1]
            self.assertEqual(document["cancellationReason"], "wrong file" if b"wrong" in body else "canceled by a user")
            self.refused(self.cancel(request), 409, "Canceled already")
            self.refused(self.s.call("GET", self.s.api("SigningRequests/%s/SignedArtifact" % request)), 400, "no signed artifact")
        self.assertGreater(canceled, 0)

    # --- resubmit ---------------------------------------------------------------------------------

    def resubmit(self, token=None, headers=None, **fields):
        named = {"originalSigningRequestId": self.done, "signingPolicySlug": "second"}
        named.update(fields)
        return self.post("/Resubmit", {k: v for k, v in named.items() if v is not None}, token, headers)

    def test_resubmit(self):
        before = self.count()
        self.refused(self.resubmit(originalSigningRequestId=None), 400, "required", "OriginalSigningRequestId")
        self.refused(self.resubmit(originalSigningRequestId=UNKNOWN), 404, "no signing request")
        self.refused(self.resubmit(originalSigningRequestId="no-id"), 404, "no signing request")
        self.refused(self.resubmit(originalSigningRequestId=self.failed), 400, "Only a completed request")
        self.refused(self.resubmit(signingPolicySlug=None), 400, "required", "SigningPolicySlug")
        self.refused(self.resubmit(signingPolicySlug="nothing"), 400, "no signing policy", "SigningPolicySlug")
        self.refused(self.resubmit(signingPolicySlug="closed"), 403, "submitter")
        self.refused(self.resubmit(signingPolicySlug=None, signingPolicyId=UNKNOWN), 400, "no signing policy", "SigningPolicyId")
        self.refused(self.resubmit(signingPolicySlug=None, signingPolicyId=self.foreign_policy), 400, "artifact configuration")
        self.refused(self.resubmit(signingPolicyId=self.foreign_policy), 400, "not by both", "SigningPolicyId")
        self.refused(self.resubmit(token=self.stranger), 403, "submitter")
        self.refused(self.resubmit(**{"parameters.x": "1"}), 400, "no parameter 'x'", "Parameters.x")
        self.refused(self.resubmit(description="x" * 2001), 400, "2000", "Description")
        self.assertEqual(self.count(), before)

    def test_resubmit_that_works_and_its_key(self):
        key = {"Idempotency-Key": "resubmit-1"}
        code, headers, body = self.resubmit(headers=key)
        self.assertEqual(code, 201, body)
        made = json.loads(body)["signingRequestId"]
        self.assertTrue(headers["Location"].endswith("/SigningRequests/" + made))
        code, headers, again = self.resubmit(headers=key)
        self.assertEqual((code, json.loads(again)["signingRequestId"], headers["Idempotency-Replayed"]), (201, made, "true"))
        self.refused(self.resubmit(headers=key, description="another"), 409, "Idempotency-Key")
        self.assertEqual(self.s.wait_final(made), "Completed")
        document = self.s.get("SigningRequests/" + made)[1]
        self.assertEqual((document["originalSigningRequestId"], document["signingPolicySlug"], document["fileName"]), (self.done, "second", "a.zip"))
        self.refused(self.s.submit_once("a.zip", small_zip(), key="resubmit-1"), 409, "Idempotency-Key")

    # --- reading ----------------------------------------------------------------------------------

    def test_downloads_and_documents(self):
        for what in ("", "/Status", "/SignedArtifact", "/UnsignedArtifact", "/Receipt"):
            for request in (UNKNOWN, "no-id", "%00"):
                code, _, body = self.s.call("GET", self.s.api("SigningRequests/%s%s" % (request, what)))
                self.assertEqual(code, 400 if request == "%00" else 404, body)
        self.refused(self.s.call("GET", self.s.api("SigningRequests/%s/SignedArtifact" % self.failed)), 400, "no signed artifact")
        self.refused(self.s.call("GET", self.s.api("SigningRequests/%s/Receipt" % self.failed)), 400, "no receipt")
        self.refused(self.s.call("GET", self.s.api("SigningRequests/%s/UnsignedArtifact" % self.done), token=self.stranger), 403, "artifacts")
        self.refused(self.s.call("GET", self.s.api("Certificates/none/X509Certificate")), 404, "no certificate")

    def test_lists(self):
        for query, field in (("pageSize=0", "pageSize"), ("pageSize=201", "pageSize"), ("pageSize=many", "pageSize"), ("after=x", "after"),
                             ("after=99999999999999999999", "after"), ("after=9223372036854775808", "after"), ("after=-1", "after")):
            self.refused(self.s.call("GET", self.s.api("SigningRequests?" + query)), 400, "", field)
        self.refused(self.s.call("GET", self.s.api("SigningRequests?projectSlug=none")), 404, "no project")
        status, first = self.s.get("SigningRequests?pageSize=1&status=Completed")
        self.assertEqual((status, len(first["items"]), first["items"][0]["status"]), (200, 1, "Completed"))
        seen, after = set(), ""
        while after is not None:
            part = self.s.get("SigningRequests?pageSize=1" + after)[1]
            seen.update(item["signingRequestId"] for item in part["items"])
            after = "&after=" + part["next"] if part["next"] else None
        self.assertEqual(len(seen), self.count()[0][0])

    def test_one_can_say_which_request_went_wrong(self):
        mine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        _, _, body = self.s.call("GET", self.s.api("SigningRequests/" + UNKNOWN), headers={"traceparent": mine})
        self.assertTrue(json.loads(body)["traceId"].startswith("00-0af7651916cd43dd8448eb211c80319c-"))
        for bad in ("x", "00-" + "z" * 32 + "-b7ad6b7169203331-01", "00-" + "0" * 60):
            _, _, body = self.s.call("GET", self.s.api("SigningRequests/" + UNKNOWN), headers={"traceparent": bad})
            self.assertRegex(json.loads(body)["traceId"], "^%s$" % TRACE)

    def test_refused_submissions_are_events(self):
        """The first of a kind at once; the others within a minute wait, so that nobody fills the log."""
        def events():
            return [bytes(row[0]) for row in self.sql("SELECT leaf FROM audit_events WHERE kind = 'SigningRequest.Refused' AND actor LIKE 'ci:%' ORDER BY position")]
        refused = {"ProjectSlug": "acme-app", "SigningPolicySlug": "test-signing"}
        before = len(events())
        for _ in range(5):
            body, kind = self.s.form(refused, "a.zip", small_zip())
            status, _, answer = self.s.call("POST", self.s.api("SigningRequests"), body, {"Content-Type": kind}, self.stranger)
            self.assertEqual(status, 403, answer)
        new = [leaf for leaf in events()[before:] if b"auth.forbidden" in leaf]
        self.assertEqual(len(new), 1)
        for word in (b'"actorName":"stranger"', b'"project":"acme-app"', b'"signingPolicy":"test-signing"', b'"address":"127.0.0.1"'):
            self.assertIn(word, new[0])
        self.assertEqual(self.s.stop(), 0)  # the minute is not over: what waits is written at the end
        self.assertEqual([b'"more":"4"' in leaf for leaf in events()[before + 1:]], [True])
        self.s.start()

    def test_a_dry_run_is_taken_at_its_word(self):
        document = json.dumps({"apiVersion": "chancery/v1", "projects": [{"slug": "never", "name": "Never"}]}).encode()
        for query in ("dryRun=True", "dryRun=1", "dryRun", "dryRun=", "dryRun=true&dryRun=no", "dryRun=true&x=%zz", "dryRun=true&x=%ff"):
            with self.subTest(query=query):
                answer = self.s.call("POST", self.s.api("Configuration/Apply?" + query), document, {"Content-Type": "application/json"}, self.s.admin)
                self.refused(answer, 400, "%zz" if "zz" in query else "", None if "x=" in query else "dryRun")
        status, _, body = self.s.call("POST", self.s.api("Configuration/Apply?DryRun=true"), document, {"Content-Type": "application/json"}, self.s.admin)
        self.assertEqual(status, 200, body)
        self.assertEqual(self.sql("SELECT COUNT(*) FROM projects WHERE slug = 'never'"), [(0,)])
        twice = {"slug": "twice", "purpose": "Test", "key": "ec-p256", "subject": {"CN": "x"}}
        document = json.dumps({"apiVersion": "chancery/v1", "certificates": [twice, dict(twice, slug="Twice")]}).encode()
        self.refused(self.s.call("POST", self.s.api("Configuration/Apply"), document, {"Content-Type": "application/json"}, self.s.admin), 400, "certificates[1].slug")

    def test_another_method_is_told_which_there_are(self):
        for method, path, allowed in (("PUT", "SigningRequests", "GET, HEAD, POST"), ("DELETE", "SigningRequests/" + UNKNOWN, "GET, HEAD"),
                                      ("GET", "Configuration/Apply", "POST")):
            answer = self.s.call(method, self.s.api(path), b"" if method == "PUT" else None)
            self.refused(answer, 405, "not used here")
            self.assertEqual(answer[1]["Allow"], allowed)

    def test_problem_json_only_when_it_is_asked_for(self):
        path = self.s.api("SigningRequests/" + UNKNOWN)
        for accept, kind in (("application/json", "application/json; charset=utf-8"), ("*/*", "application/json; charset=utf-8"),
                             ("application/problem+json", "application/problem+json")):
            _, headers, _ = self.s.call("GET", path, headers={"Accept": accept})
            self.assertEqual(headers["Content-Type"], kind)

    def test_a_path_that_is_none(self):
        for method in ("GET", "POST"):
            for path in ("/API/v1/%00/x", "/requests/%0a", "/a//b", "/%2e%2e/x", "/requests/%zz", "/" + "x" * 9000):
                code, _, _ = self.s.call(method, path, b"" if method == "POST" else None)
                self.assertIn(code, (303, 400, 404, 414, 431), path[:30])
        for path in ("/API/v1/%zz", "/api//v1/x", "/API/v1/%2e%2e/x"):  # a program has asked
            code, headers, body = self.s.call("GET", path)
            self.assertEqual((code, headers["Content-Type"], json.loads(body)["status"]), (400, "application/json; charset=utf-8", 400))
            self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(re.findall("panic|AddressSanitizer", self.s.log()), [])


if __name__ == "__main__":
    unittest.main()
