#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A person without JavaScript: set-up link, sign-in, request pages, submission, downloads; and what
must not work: wrong passwords, forms of other sites, other people's objects, HTML in names."""
import json
import os
import re
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from person import PASSWORD, Person  # noqa: E402
from service import Service, small_zip  # noqa: E402

PROGRAMS = os.environ["CHANCERY_BIN"]
NASTY = "<script>alert(1)</script>"


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = s = Service(PROGRAMS)
        cls.addClassCleanup(s.__exit__)
        out = subprocess.run([s.program("chancery"), "init", "--json", "--data", s.data, "--admin-email", "ana@example.org"],
                             check=True, capture_output=True)
        made = json.loads(out.stdout)
        s.organization, cls.code = made["organizationId"], made["setupUrl"].split("code=")[1]
        document = s.document()
        document["users"] = [{"email": "ana@example.org", "name": "Ana " + NASTY}]
        document["projects"][0]["signingPolicies"][0]["submitters"].append("user:ana@example.org")
        s.token = s.task({"task": "apply", "dryRun": False, "document": document})["tokens"][0]["value"]
        s.start()
        cls.request = s.submit("app.zip", small_zip(), fields={"Description": NASTY})
        assert s.wait_final(cls.request) == "Completed"
        cls.ana = Person(s.url)
        status, _, _ = cls.ana.post("/setup", {"code": cls.code, "password": PASSWORD, "again": PASSWORD})
        assert status == 303, status
        status, headers, _ = cls.ana.post("/signin", {"email": "ana@example.org", "password": PASSWORD})
        assert status == 303, status
        cls.cookie = headers["Set-Cookie"]

    def test_the_cookie_is_for_us_alone(self):
        for word in ("HttpOnly", "SameSite=Lax", "Path=/"):
            self.assertIn(word, self.cookie)

    def test_every_page_answers_and_escapes(self):
        for path in ("/", "/requests", "/requests/" + self.request, "/requests/new", "/projects", "/certificates",
                     "/users", "/audit", "/me"):
            status, headers, page = self.ana.go("GET", path)
            self.assertEqual(status, 200, path)
            self.assertNotIn(NASTY, page, path)
            self.assertLess(len(page), 60000, path)
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertIn("&lt;script&gt;", self.ana.go("GET", "/requests/" + self.request)[2])

    def test_without_a_session_one_is_sent_to_sign_in(self):
        status, headers, _ = Person(self.s.url).go("GET", "/requests")
        self.assertEqual(status, 303)
        self.assertTrue(headers["Location"].startswith("/signin?return="))

    def test_a_wrong_password_and_an_unknown_address_read_alike(self):
        pages = []
        for mail in ("ana@example.org", "nobody@example.org"):
            status, _, page = Person(self.s.url).post("/signin", {"email": mail, "password": "not the right one"})
            self.assertIn(status, (401, 403))
            pages.append(re.sub(r'value="[^"]*"', "", page))
        self.assertEqual(pages[0], pages[1])

    def test_failed_sign_ins_are_events(self):
        """At once the first of an account and address, later the number of the others; never what was
        typed as the address of nobody."""
        def events():
            db = sqlite3.connect("file:%s/db/chancery.db?mode=ro" % self.s.data, uri=True)
            rows = db.execute("SELECT leaf, object FROM audit_events WHERE kind = 'User.SignInFailed' ORDER BY position").fetchall()
            db.close()
            return [(bytes(leaf), what) for leaf, what in rows]
        for mail in ("ana@example.org", "my-secret-password"):
            for _ in range(3):
                self.assertEqual(Person(self.s.url).post("/signin", {"email": mail, "password": "not the right one"})[0], 403)
        found = events()
        self.assertEqual(sorted(what.split(":")[0] for _, what in found), ["Organization", "User"])
        for leaf, _ in found:
            self.assertIn(b'"address":"127.0.0.1","reason":"wrong e-mail address or password"', leaf)
            self.assertNotIn(b"secret", leaf)
            self.assertNotIn(b"right one", leaf)
        page = self.ana.go("GET", "/audit")[2]
        self.assertIn("User.SignInFailed", page)
        self.assertIn("wrong e-mail address or password", page)

    def test_the_set_up_link_works_once(self):
        status, _, _ = Person(self.s.url).post("/setup", {"code": self.code, "password": PASSWORD, "again": PASSWORD})
        self.assertGreaterEqual(status, 400)

    def test_forms_of_other_sites_and_without_token_are_refused(self):
        path = "/requests/%s/cancel" % self.request
        status, _, _ = self.ana.post(path, {}, {"Origin": "http://evil.example"})
        self.assertEqual(status, 403)
        status, _, _ = self.ana.post(path, {"csrf": "guess"})
        self.assertEqual(status, 403)

    def test_a_session_is_no_credential_for_the_api(self):
        status, _, _ = self.ana.go("GET", self.s.api("SigningRequests"))
        self.assertEqual(status, 401)

    def test_unknown_things_are_not_found(self):
        for path in ("/requests/00000000-0000-4000-8000-000000000000", "/projects/none", "/nothing"):
            self.assertEqual(self.ana.go("GET", path)[0], 404, path)

    def test_a_session_from_the_future_has_ended(self):
        """The clock was ahead when it was made; it would outlive every limit."""
        eve = Person(self.s.url).sign_in("ana@example.org")
        self.assertEqual(eve.go("GET", "/")[0], 200)
        db = sqlite3.connect(self.s.data + "/db/chancery.db", timeout=30)
        with db:
            newest = db.execute("SELECT hash FROM sessions ORDER BY created DESC LIMIT 1").fetchone()[0]
            db.execute("UPDATE sessions SET created = created + 3600000, last_seen = last_seen + 3600000 WHERE hash = ?", (newest,))
        db.close()
        self.assertEqual(eve.go("GET", "/")[0], 303)

    def test_sign_out_ends_the_session(self):
        bob = Person(self.s.url)
        bob.post("/signin", {"email": "ana@example.org", "password": PASSWORD})
        token = re.search(r'name="csrf" value="([^"]+)"', bob.go("GET", "/")[2]).group(1)
        kept = dict(bob.cookies)
        self.assertEqual(bob.post("/signout", {"csrf": token})[0], 303)
        bob.cookies = kept
        self.assertEqual(bob.go("GET", "/")[0], 303)


class BehindProxy(unittest.TestCase):
    def test_forms_of_the_public_address_are_ours_whatever_host_the_proxy_names(self):
        with Service(PROGRAMS).found(settings="base_url = https://Sign.example.org/signing/\n") as s:
            s.start()
            fields = {"email": "nobody@example.org", "password": "not the right one"}
            for origin, page in (("https://sign.example.org", "Sign in"), ("http://sign.example.org", "Not allowed"),
                                 ("https://sign.example.org.evil.example", "Not allowed"), ("null", "Not allowed"),
                                 ("http://" + s.url.split("//")[1], "Sign in")):
                said = Person(s.url).post("/signin", fields, {"Origin": origin})[2]
                self.assertIn("<h1>%s</h1>" % page, said, origin)


class ManyAddresses(unittest.TestCase):
    def test_one_ipv6_network_is_one_guesser(self):
        with Service(PROGRAMS).found(settings="trusted_proxies = 127.0.0.1\n") as s:
            s.start()
            def guess(n, address):
                fields = {"email": "somebody%d@example.org" % n, "password": "not the right one"}
                return Person(s.url).post("/signin", fields, {"X-Forwarded-For": address})[0]
            self.assertEqual({guess(n, "2001:db8:1:2::%x" % (n + 1)) for n in range(20)}, {403})
            self.assertEqual(guess(20, "2001:db8:1:2:ffff::1"), 429)
            self.assertEqual(guess(20, "2001:db8:1:3::1"), 403)


if __name__ == "__main__":
    unittest.main()
