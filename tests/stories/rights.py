#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every route, called as everybody, on own, foreign and unknown objects; then every form as another
site would send it. The routes come from the program's own table (route_list), so a route without a
row here fails, and so does a row without a route."""
import json
import os
import re
import sqlite3
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from person import Person  # noqa: E402
from service import RAW, Service, small_zip  # noqa: E402

PROGRAMS = os.environ["CHANCERY_BIN"]
ROUTES = os.path.join(os.environ["CHANCERY_BUILD"], "tests/http/route_list")

# The columns of product-spec 1.5. Whoever is on a list is a RegularUser beside it; o has submitted
# the own requests and is on no list any more.
ROLES = {"G": "GlobalAdministrator", "C": "CertificateAdministrator", "U": "UserAdministrator", "P": "ProjectAdministrator",
         "R": "GlobalReader", "r": "RegularUser", "D": "DirectorySynchronizer"}
LISTS = {"c": "configurator", "e": "reader", "s": "submitter", "a": "approver", "o": None}
EVERYBODY = "GCUPRrDcesao"
UNKNOWN = str(uuid.UUID(int=4 << 76 | 2 << 62))


class Row:
    """may: who is allowed on their own object; foreign: on one of a project where nobody of us is on
    a list; None where there is no such thing. ok: the status for those. unknown: for all who get so
    far as to look (`may` or everybody). call: (path, kind of body) from the objects."""

    def __init__(self, call, may=EVERYBODY, foreign="same", ok=200, unknown=404, looks=None, body=None):
        self.call, self.may, self.ok, self.unknown, self.body = call, may, ok, unknown, body
        self.foreign = may if foreign == "same" else foreign
        self.looks = may if looks is None else looks

    def expected(self, letter, which):
        if which == "unknown":
            return self.unknown if letter in self.looks else 403
        return self.ok if letter in (self.may if which == "own" else self.foreign) else 403


def api(rest):
    return lambda o: "/API/v1/%s/%s" % (o["org"], rest % o if "%" in rest else rest)


def page(path):
    return lambda o: path % o


def fixed(path, **more):
    return Row(lambda o: path % o if "%" in path else path, foreign=None, unknown=None, **more)


READERS, NO_LIST = "GPRcesa", "GPR"
ROWS = {
    "GET /API/v1/{org}/SigningRequests": Row(api("SigningRequests"), foreign=None, unknown=None),
    "POST /API/v1/{org}/SigningRequests": Row(api("SigningRequests"), "s", "", 201, 400, EVERYBODY, "upload"),
    "POST /API/v1/{org}/SigningRequests/SubmitWithArtifact": Row(api("SigningRequests/SubmitWithArtifact"), "s", "", 201, 400, EVERYBODY, "upload"),
    "POST /API/v1/{org}/SigningRequests/Resubmit": Row(api("SigningRequests/Resubmit"), "s", "", 201, 404, EVERYBODY, "resubmit"),
    "GET /API/v1/{org}/SigningRequests/{}": Row(api("SigningRequests/%(request)s")),
    "GET /API/v1/{org}/SigningRequests/{}/Status": Row(api("SigningRequests/%(request)s/Status")),
    "GET /API/v1/{org}/SigningRequests/{}/SignedArtifact": Row(api("SigningRequests/%(request)s/SignedArtifact"), READERS, NO_LIST, looks=EVERYBODY),
    "GET /API/v1/{org}/SigningRequests/{}/UnsignedArtifact": Row(api("SigningRequests/%(request)s/UnsignedArtifact"), READERS, NO_LIST, looks=EVERYBODY),
    "GET /API/v1/{org}/SigningRequests/{}/Receipt": Row(api("SigningRequests/%(request)s/Receipt"), READERS, NO_LIST, looks=EVERYBODY),
    # The requests are final: who may cancel is told that it is too late.
    "POST /API/v1/{org}/SigningRequests/{}/Cancel": Row(api("SigningRequests/%(request)s/Cancel"), "GPao", "GP", 409, looks=EVERYBODY, body="empty"),
    "GET /API/v1/{org}/Certificates/{}/X509Certificate": Row(api("Certificates/%(certificate)s/X509Certificate"), foreign=None),
    # The person has a password: who may issue links is told that none is needed.
    "POST /API/v1/{org}/InteractiveUsers/{}/Reinvite": Row(api("InteractiveUsers/%(user)s/Reinvite"), "GU", None, 409, body="empty"),
    "POST /API/v1/{org}/Configuration/Apply": Row(api("Configuration/Apply?dryRun=true"), "G", None, unknown=None, body="apply"),

    "GET /": fixed("/"),
    "GET /requests": fixed("/requests"),
    "GET /requests/new": fixed("/requests/new"),
    "POST /requests/new": Row(page("/requests/new"), "s", "", 303, 400, EVERYBODY, "upload"),
    "GET /requests/{}": Row(page("/requests/%(request)s")),
    "GET /requests/{}/status": Row(page("/requests/%(request)s/status")),
    "GET /requests/{}/signed": Row(page("/requests/%(request)s/signed"), READERS, NO_LIST, looks=EVERYBODY),
    "GET /requests/{}/unsigned": Row(page("/requests/%(request)s/unsigned"), READERS, NO_LIST, looks=EVERYBODY),
    "GET /requests/{}/receipt": Row(page("/requests/%(request)s/receipt"), READERS, NO_LIST, looks=EVERYBODY),
    "POST /requests/{}/cancel": Row(page("/requests/%(request)s/cancel"), "GPao", "GP", 409, looks=EVERYBODY, body="empty"),
    "POST /requests/{}/resubmit": Row(page("/requests/%(request)s/resubmit"), "s", "", 303, 404, EVERYBODY, "resubmit"),
    "GET /projects": fixed("/projects"),
    "GET /projects/{}": Row(page("/projects/%(project)s")),
    "GET /projects/{}/configurations/{}": Row(page("/projects/%(project)s/configurations/%(configuration)s")),
    "GET /certificates": fixed("/certificates"),
    "GET /certificates/{}": Row(page("/certificates/%(certificate)s"), foreign=None),
    "GET /certificates/{}/download": Row(page("/certificates/%(certificate)s/download"), foreign=None),
    "GET /users": fixed("/users"),
    "POST /users/{}/setup-link": Row(page("/users/%(user)s/setup-link"), "GU", None, 409, body="empty"),
    "GET /audit": fixed("/audit", may="GR"),
    "GET /me": fixed("/me", may="GCUPRrcesao"),
    "POST /me/tokens": fixed("/me/tokens", may="GCUPRrcesao", body="token"),
    # A token of somebody else is as unknown as one that never was.
    "POST /me/tokens/{}/revoke": Row(page("/me/tokens/%(token)s/revoke"), "GCUPRrcesao", None, 303, body="empty"),
    "POST /signout": fixed("/signout", ok=303, body="empty"),
}
# No credential is asked for: (path, status).
OPEN = {
    "GET /healthz": ("/healthz", 200), "GET /readyz": ("/readyz", 200), "GET /API/healthz": ("/api/HEALTHZ", 200),
    "GET /API/healthzd": ("/API/healthzd", 200), "GET /API/v1/artifact-configuration/v1.xsd": ("/API/v1/artifact-configuration/v1.xsd", 200),
    "GET /static/{}/{}": ("/static/0000000000000000/app.css", 404), "GET /signin": ("/signin", 200), "GET /setup": ("/setup?code=x", 200),
    "POST /signin": ("/signin", 403), "POST /setup": ("/setup", 404),
    "GET /Web/{}/SigningRequests/{}": ("/Web/%s/SigningRequests/%s" % (UNKNOWN, UNKNOWN), 303),
}


class Everybody(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(ROUTES):
            raise AssertionError("%s is missing: meson configure with -Dtests=true" % ROUTES)
        listed = subprocess.run([ROUTES], check=True, capture_output=True, text=True).stdout.split("\n")
        cls.routes = {" ".join(line.split()[:2]): line.split()[2:] for line in listed if line}
        cls.s = s = Service(PROGRAMS).found()
        cls.addClassCleanup(s.__exit__)
        cls.make_world()

    # --- who and what there is --------------------------------------------------------------------

    @classmethod
    def make_world(cls):
        s, ci, people = cls.s, [], []
        for letter in EVERYBODY:
            role = ROLES.get(letter, "RegularUser")
            ci.append({"name": "ci-" + cls.name(letter), "role": role, "tokens": [{"name": "t"}]})
            people.append({"email": cls.mail(letter), "name": "Person " + cls.name(letter), "role": role})
        ci.append({"name": "other", "role": "RegularUser", "tokens": [{"name": "t"}]})
        both = lambda letter: ["ci:ci-" + cls.name(letter), "user:" + cls.mail(letter)]  # noqa: E731
        project = lambda slug, submitters, **more: dict(more, slug=slug, name=slug, artifactConfigurations=[  # noqa: E731
            {"slug": "main", "default": True, "xml": RAW}], signingPolicies=[
            {"slug": "p", "purpose": "Test", "certificate": "test", "submitters": submitters}])
        document = {"apiVersion": "chancery/v1", "ciUsers": ci, "users": people, "projects": [
            project("own", both("s") + both("o"), configurators=both("c"), readers=both("e")), project("foreign", ["ci:other"])]}
        answer = s.task({"task": "apply", "dryRun": False, "document": document})
        cls.tokens = {t["user"]: t["value"] for t in answer["tokens"]}
        cls.sql("INSERT INTO principals (object, list, member) SELECT p.id, 'approver', u.id FROM signing_policies p, users u "
                "WHERE u.name IN ('ci-list-a', 'Person list-a') AND p.project = (SELECT id FROM projects WHERE slug = 'own')")
        s.start()
        cls.sessions = {letter: cls.sign_in(letter, True) for letter in EVERYBODY}
        cls.make_requests()
        # Now o is on no list.
        shrunk = {"apiVersion": "chancery/v1", "projects": [project("own", both("s"))]}
        status, _, body = s.call("POST", s.api("Configuration/Apply"), json.dumps(shrunk).encode(), {"Content-Type": "application/json"}, s.admin)
        assert status == 200, body
        cls.find_objects()

    @staticmethod
    def name(letter):
        return ("list-" if letter in LISTS else "role-") + letter.lower() + ("-upper" if letter in "GCUPRD" else "")

    @classmethod
    def mail(cls, letter):
        return cls.name(letter) + "@example.org"

    @classmethod
    def sql(cls, statement, *values):
        with sqlite3.connect(os.path.join(cls.s.data, "db/chancery.db"), timeout=30) as db:
            found = db.execute(statement, values).fetchall()
        db.close()
        return found

    @classmethod
    def token(cls, letter):
        return cls.tokens["ci-" + cls.name(letter)]

    @classmethod
    def sign_in(cls, letter, first=False):
        if first:
            status, _, body = cls.s.call("POST", cls.s.api("InteractiveUsers/%s/Reinvite" % cls.mail(letter)), b"", token=cls.s.admin)
            assert status == 200, body
            assert Person(cls.s.url).set_password(json.loads(body)["setupUrl"]) == 303
        person = Person(cls.s.url).sign_in(cls.mail(letter))
        person.csrf = person.form_token()
        return person

    @classmethod
    def make_requests(cls):
        s = cls.s
        made = {}
        for place, token in (("own", cls.token("o")), ("foreign", cls.tokens["other"])):
            body, kind = s.form({"ProjectSlug": place, "SigningPolicySlug": "p"}, place + ".zip", small_zip())
            status, _, answer = s.call("POST", s.api("SigningRequests"), body, {"Content-Type": kind}, token)
            assert status == 201, answer
            made["api", place] = made["page", place] = json.loads(answer)["signingRequestId"]
        policy = cls.sql("SELECT id FROM signing_policies WHERE project = (SELECT id FROM projects WHERE slug = 'own')")[0][0]
        who = cls.sessions["o"]
        body, kind = s.form({"csrf": who.csrf, "signingPolicyId": policy}, "page.zip", small_zip())
        status, headers, answer = who.go("POST", "/requests/new", body, {"Content-Type": kind})
        assert status == 303, answer
        made["page", "own"] = re.search(r"/requests/([0-9a-f-]{36})", headers["Location"]).group(1)
        for request in set(made.values()):
            s.token = s.admin
            assert s.wait_final(request) == "Completed"
        cls.requests = made

    @classmethod
    def find_objects(cls):
        cls.objects = {}
        for side in ("api", "page"):
            for which in ("own", "foreign", "unknown"):
                known = which != "unknown"
                policy = cls.sql("SELECT id FROM signing_policies WHERE project = (SELECT id FROM projects WHERE slug = ?)", which)
                cls.objects[side, which] = {
                    "org": cls.s.organization, "request": cls.requests[side, which] if known else UNKNOWN,
                    "project": which if known else "nothing", "configuration": "main" if known else "nothing",
                    "certificate": "test" if known else "nothing", "policy": policy[0][0] if known else UNKNOWN,
                    "user": cls.sql("SELECT id FROM users WHERE email = ?", cls.mail("r"))[0][0] if known else UNKNOWN,
                    "token": UNKNOWN}

    # --- calls ------------------------------------------------------------------------------------

    def body(self, row, objects, csrf=None):
        """(headers, bytes) of a body that is as it should be."""
        secret = {"csrf": csrf} if csrf is not None else {}
        if row.body == "upload":
            named = {"SigningPolicyId": objects["policy"]} if csrf is not None else {"ProjectSlug": objects["project"], "SigningPolicySlug": "p"}
            data, kind = self.s.form(dict(named, **secret), "x.zip", small_zip())
            return {"Content-Type": kind}, data
        if row.body == "apply":
            return {"Content-Type": "application/json"}, b'{"apiVersion":"chancery/v1"}'
        fields = dict(secret)
        if row.body == "resubmit":
            fields.update({"originalSigningRequestId": objects["request"]})
            fields.update({"signingPolicyId": objects["policy"]} if csrf is not None else {"signingPolicySlug": "p"})
        if row.body == "token":
            fields.update({"name": "t" + uuid.uuid4().hex, "days": "1"})
        data = "&".join("%s=%s" % item for item in fields.items()).encode()
        return {"Content-Type": "application/x-www-form-urlencoded"}, data

    def call_api(self, row, key, token, objects):
        method = key.split()[0]
        headers, data = self.body(row, objects) if method == "POST" else ({}, None)
        return self.s.call(method, row.call(objects), data, headers, token)

    def call_page(self, row, key, person, objects, headers=None, csrf=None):
        method = key.split()[0]
        own = {"Origin": "http://" + person.host}
        data = None
        if method == "POST":
            kind, data = self.body(row, objects, person.csrf if csrf is None else csrf)
            own.update(kind)
        own.update(headers or {})
        return person.go(method, row.call(objects), data, {k: v for k, v in own.items() if v is not None})

    def kinds(self, row):
        return ["own"] + (["foreign"] if row.foreign is not None else []) + (["unknown"] if row.unknown is not None else [])

    def of_guard(self, guard):
        return [key for key in self.routes if self.routes[key][1] == guard]

    # --- tests ------------------------------------------------------------------------------------

    def test_0_every_route_has_a_row_and_every_row_a_route(self):
        self.assertEqual(sorted(self.routes), sorted(list(ROWS) + list(OPEN)))
        for key, (permission, guard, _) in self.routes.items():
            self.assertIn(guard, ("token", "session") if key in ROWS else ("open", "form"), key)
            self.assertEqual(permission == "PUBLIC", key in OPEN, key)
            if key.startswith("POST ") and not key.startswith("POST /API/"):
                self.assertIn(guard, ("session", "form"), key)

    def test_1_api(self):
        wrong = []
        for key in self.of_guard("token"):
            row = ROWS[key]
            for which in self.kinds(row):
                for letter in EVERYBODY:
                    status, _, body = self.call_api(row, key, self.token(letter), self.objects["api", which])
                    if status != row.expected(letter, which):
                        wrong.append((key, letter, which, status, row.expected(letter, which), body[:200]))
        self.assertEqual(wrong, [])

    def test_2_pages(self):
        wrong = []
        for key in self.of_guard("session"):
            row = ROWS[key]
            for which in self.kinds(row):
                for letter in EVERYBODY:
                    objects = dict(self.objects["page", which])
                    person = self.sessions[letter]
                    if key == "POST /signout":
                        person = self.sign_in(letter)
                    if key == "POST /me/tokens/{}/revoke" and which == "own" and letter in row.may:
                        objects["token"] = self.own_token(letter)
                    status, _, text = self.call_page(row, key, person, objects)
                    if status != row.expected(letter, which):
                        wrong.append((key, letter, which, status, row.expected(letter, which), text[:200]))
        self.assertEqual(wrong, [])

    def own_token(self, letter):
        self.call_page(ROWS["POST /me/tokens"], "POST /me/tokens", self.sessions[letter], self.objects["page", "own"])
        return self.sql("SELECT t.id FROM tokens t JOIN users u ON u.id = t.owner WHERE u.email = ? AND t.revoked IS NULL", self.mail(letter))[-1][0]

    def test_3_tokens_of_others_look_like_none(self):
        theirs = self.own_token("s")
        row, key = ROWS["POST /me/tokens/{}/revoke"], "POST /me/tokens/{}/revoke"
        answers = []
        for token in (theirs, UNKNOWN):
            status, _, text = self.call_page(row, key, self.sessions["G"], dict(self.objects["page", "own"], token=token))
            answers.append((status, text))
        self.assertEqual(answers[0][0], 404)
        self.assertEqual(*answers)
        self.assertEqual(self.sql("SELECT revoked FROM tokens WHERE id = ?", theirs), [(None,)])

    def test_4_without_a_credential(self):
        for key in self.of_guard("token"):
            for which in ("own", "unknown"):
                for token in ("chy_" + "A" * 43, "", "x:y"):
                    status, headers, body = self.call_api(ROWS[key], key, token or " ", self.objects["api", which])
                    self.assertEqual((key, status), (key, 401))
                    self.assertIn("WWW-Authenticate", headers)
                    self.assertNotIn(b"Completed", body)
        for key in self.of_guard("session"):
            nobody = Person(self.s.url)
            nobody.csrf = "x"
            status, headers, _ = self.call_page(ROWS[key], key, nobody, self.objects["page", "own"])
            self.assertEqual((key, status), (key, 303))
            self.assertTrue(headers["Location"].startswith("/signin"), key)

    def test_5_a_session_is_no_token_and_a_token_no_session(self):
        cookie = {"Cookie": "; ".join("%s=%s" % c for c in self.sessions["G"].cookies.items())}
        for key in self.of_guard("token"):
            nobody = Person(self.s.url)
            kind, data = self.body(ROWS[key], self.objects["api", "own"]) if key.startswith("POST") else ({}, None)
            status, _, _ = nobody.go(key.split()[0], ROWS[key].call(self.objects["api", "own"]), data, dict(kind, **cookie))
            self.assertEqual((key, status), (key, 401))
        for key in self.of_guard("session"):
            nobody = Person(self.s.url)
            nobody.csrf = "x"
            status, headers, _ = self.call_page(ROWS[key], key, nobody, self.objects["page", "own"], {"Authorization": "Bearer " + self.token("G")})
            self.assertEqual((key, status), (key, 303))

    def test_6_other_organizations_answer_alike_whether_they_exist(self):
        for key in self.of_guard("token"):
            answers = set()
            for which in ("own", "unknown"):
                for organization in (UNKNOWN, str(uuid.uuid4()), "nonsense"):
                    objects = dict(self.objects["api", which], org=organization)
                    status, _, body = self.call_api(ROWS[key], key, self.token("G"), objects)
                    answers.add((status, re.sub(rb'"traceId":"[^"]*"', b"", body)))
            self.assertEqual((key, len(answers), list(answers)[0][0]), (key, 1, 403), answers)

    def test_7_open_routes(self):
        self.assertEqual(set(OPEN), set(self.of_guard("open")) | set(self.of_guard("form")))
        for key, (path, status) in OPEN.items():
            who = Person(self.s.url)
            if key.startswith("POST"):
                seen = who.post(path, {"email": "x@example.org", "password": "long enough to be one", "again": "long enough to be one", "code": "x"})
            else:
                seen = who.go("GET", path)
            self.assertEqual((key, seen[0]), (key, status))

    def test_8_forms_of_other_sites_and_forms_without_the_token(self):
        """The whole state of the service must be what it was."""
        before = self.state()
        forged = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "https://%(host)s.evil.example"},
                  {"Origin": None, "Sec-Fetch-Site": "cross-site"}, {"Origin": None, "Sec-Fetch-Site": "same-site"}]
        forms = [key for key in self.of_guard("session") + self.of_guard("form") if key.startswith("POST")]
        self.assertGreater(len(forms), 7)
        for key in forms:
            for letter in "Gs":
                person = self.sessions[letter]
                if key in OPEN:
                    for headers in forged:
                        named = {k: v % {"host": person.host} if v and "%" in v else v for k, v in headers.items()}
                        named = dict({"Content-Type": "application/x-www-form-urlencoded"}, **{k: v for k, v in named.items() if v})
                        status, _, text = Person(self.s.url).go("POST", OPEN[key][0], b"email=a&password=b&code=c", named)
                        self.assertEqual((key, status), (key, 403), headers)
                        self.assertIn("another site", text)
                    continue
                objects = dict(self.objects["page", "own"])
                for headers in forged:
                    named = {k: v % {"host": person.host} if v and "%" in v else v for k, v in headers.items()}
                    status, _, text = self.call_page(ROWS[key], key, person, objects, named)
                    self.assertEqual((key, status), (key, 403), headers)
                    self.assertIn("another site", text)
                other = self.sessions["P" if letter == "G" else "G"].csrf
                for csrf in ("", "guess", other):
                    status, _, text = self.call_page(ROWS[key], key, person, objects, csrf=csrf)
                    self.assertEqual((key, status), (key, 403), csrf)
                    # Who has no right to the form is told that first.
                    self.assertIn("too old" if letter in ROWS[key].looks else "You may not", text)
        self.assertEqual(self.state(), before)

    def state(self):
        counts = {t: self.sql("SELECT COUNT(*) FROM " + t)[0][0] for t in ("requests", "sessions", "setup_codes")}
        # Refusals of earlier tests are counted and written a minute later.
        counts["events"] = self.sql("SELECT COUNT(*) FROM audit_events WHERE kind NOT IN ('User.SignInFailed', 'SigningRequest.Refused', 'Refusals.Counted')")
        counts["tokens"] = self.sql("SELECT id, revoked FROM tokens ORDER BY id")
        return counts

    def test_9_looking_changes_nothing(self):
        before = self.state()
        for key in self.of_guard("session") + self.of_guard("token"):
            if not key.startswith("GET"):
                continue
            for method in ("GET", "HEAD"):
                path = ROWS[key].call(self.objects["page", "own"])
                if "/API/" in path:
                    self.s.call(method, path, token=self.token("G"))
                else:
                    self.assertEqual(self.sessions["G"].go(method, path)[0], 200, key)
        for key, row in ROWS.items():
            path = row.call(self.objects["page", "own"])
            for method in ("PUT", "DELETE", "PATCH"):
                status = self.sessions["G"].go(method, path, b"", {"Origin": "http://" + self.sessions["G"].host})[0]
                self.assertEqual((key, method, status), (key, method, 405))
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
