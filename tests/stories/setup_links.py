#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How people whom `apply` has named get in: an administrator issues a link that sets the first
password, once; and everything about it that must be refused."""
import json
import os
import re
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from person import PASSWORD, Person  # noqa: E402
from story import Story  # noqa: E402

PEOPLE = [("ua@example.org", "UserAdministrator"), ("bob@example.org", "RegularUser"), ("eve@example.org", "RegularUser"),
          ("ga@example.org", "GlobalAdministrator"), ("pa@example.org", "ProjectAdministrator"),
          ("late@example.org", "RegularUser"), ("twice@example.org", "RegularUser"), ("page@example.org", "RegularUser")]


class SetupLinks(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        body = json.dumps({"apiVersion": "chancery/v1",
                           "users": [{"email": mail, "name": mail.split("@")[0], "role": role} for mail, role in PEOPLE],
                           "ciUsers": [{"name": "clerk", "role": "UserAdministrator", "tokens": [{"name": "t"}]}]}).encode()
        status, _, answer = cls.s.call("POST", cls.s.api("Configuration/Apply"), body, {"Content-Type": "application/json"}, cls.s.admin)
        assert status == 200, answer
        cls.clerk = json.loads(answer)["tokens"][0]["value"]

    def issue(self, who, token=None):
        status, headers, body = self.s.call("POST", self.s.api("InteractiveUsers/%s/Reinvite" % who), b"", token=token or self.s.admin)
        if status == 200:
            self.assertEqual(headers["Cache-Control"], "no-store")
        return status, json.loads(body)

    def issued(self, who, token=None):
        status, link = self.issue(who, token)
        self.assertEqual(status, 200, link)
        return link

    def database(self, statement, *values):
        with sqlite3.connect(os.path.join(self.s.data, "db/chancery.db"), timeout=20) as db:
            found = db.execute(statement, values).fetchall()
        db.close()
        return found

    def test_a_link_works_once_and_then_one_can_sign_in(self):
        link = self.issued("bob@example.org")
        self.assertEqual(link["email"], "bob@example.org")
        self.assertRegex(link["setupUrl"], r"^http://[^/]+/setup\?code=chc_[A-Za-z0-9_-]{43}$")
        self.assertEqual(Person(self.s.url).set_password(link["setupUrl"]), 303)
        self.assertEqual(Person(self.s.url).set_password(link["setupUrl"]), 404)
        Person(self.s.url).sign_in("bob@example.org")
        status, answer = self.issue("bob@example.org")
        self.assertEqual(status, 409)
        self.assertIn("Active", answer["detail"])

    def test_a_newer_link_replaces_the_older(self):
        first, second = self.issued("twice@example.org"), self.issued(self.issued("TWICE@example.org")["userId"])
        self.assertEqual(Person(self.s.url).set_password(first["setupUrl"]), 404)
        self.assertEqual(Person(self.s.url).set_password(second["setupUrl"]), 303)

    def test_its_time_ends(self):
        link = self.issued("late@example.org")
        self.database("UPDATE setup_codes SET expires = 1 WHERE owner = ?", link["userId"])
        self.assertEqual(Person(self.s.url).set_password(link["setupUrl"]), 404)

    def test_who_was_deactivated_does_not_come_back_by_a_link(self):
        link = self.issued("eve@example.org")
        self.database("UPDATE users SET status = 'Inactive' WHERE id = ?", link["userId"])
        self.assertEqual(Person(self.s.url).set_password(link["setupUrl"]), 404)
        self.assertEqual(self.issue("eve@example.org")[0], 409)

    def test_a_bad_password_does_not_use_it_up(self):
        link = self.issued("pa@example.org")
        self.assertEqual(Person(self.s.url).set_password(link["setupUrl"], "short"), 400)
        self.assertEqual(Person(self.s.url).set_password(link["setupUrl"]), 303)

    def test_nobody_hands_out_more_than_they_have(self):
        self.assertEqual(self.issue("bob@example.org", self.s.token)[0], 403)
        status, answer = self.issue("ga@example.org", self.clerk)
        self.assertEqual(status, 403)
        self.assertIn("Global Administrator", answer["detail"])
        self.assertIn(self.issue("ua@example.org", self.clerk)[0], (200, 409))

    def test_unknown_people_and_ci_users_get_none(self):
        self.assertEqual(self.issue("nobody@example.org")[0], 404)
        self.assertEqual(self.issue("00000000-0000-4000-8000-000000000000")[0], 404)
        ci = self.database("SELECT id FROM users WHERE kind = 'CI' AND name = 'clerk'")[0][0]
        status, answer = self.issue(ci)
        self.assertEqual(status, 409)
        self.assertIn("CI users", answer["detail"])

    def test_it_is_in_the_audit_log_but_its_code_is_nowhere(self):
        link = self.issued("ga@example.org")
        code = link["setupUrl"].split("code=")[1]
        leaves = [bytes(row[0]) for row in self.database("SELECT leaf FROM audit_events")]
        self.assertTrue(any(b"User.SetupLinkIssued" in leaf and link["userId"].encode() in leaf for leaf in leaves))
        for folder, _, names in os.walk(self.s.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    self.assertNotIn(code.encode(), f.read(), name)
        self.assertNotIn(code, self.s.log())

    def test_the_command_and_the_page(self):
        done = self.chancery("invite", "ua@example.org", token=self.root_token)
        self.assertEqual(Person(self.s.url).set_password(done.stdout.strip()), 303)
        self.chancery("invite", "ua@example.org", token=self.ci, expect=4)
        self.chancery("invite", "nobody@example.org", token=self.root_token, expect=2)
        self.chancery("invite", token=self.root_token, expect=2)
        clerk = Person(self.s.url).sign_in("ua@example.org")
        _, _, page = clerk.go("GET", "/users")
        forms = dict(re.findall(r'action="(/users/[^"]+/setup-link)".*?aria-label="Issue a set-up link for ([^"]+)"', page))
        by_name = {name: action for action, name in forms.items()}
        self.assertIn("page", by_name)
        self.assertNotIn("ga", by_name)
        status, headers, shown = clerk.post(by_name["page"], {"csrf": clerk.form_token()})
        self.assertEqual(status, 200)
        self.assertIn("no-store", headers["Cache-Control"])
        link = re.search(r"http://\S+/setup\?code=[A-Za-z0-9_-]+", shown).group(0)
        self.assertEqual(Person(self.s.url).set_password(link), 303)
        Person(self.s.url).sign_in("page@example.org", PASSWORD)
        self.assertEqual(clerk.post(by_name["page"], {"csrf": clerk.form_token()})[0], 409)
        self.assertEqual(clerk.post(by_name["page"], {"csrf": "guess"})[0], 403)


if __name__ == "__main__":
    unittest.main()
