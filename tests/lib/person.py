# SPDX-License-Identifier: Apache-2.0
"""A person in front of the pages, without JavaScript: cookies, forms, nothing else."""
import http.client
import re
import urllib.parse

PASSWORD = "correct horse battery"


class Person:
    """A browser as far as cookies and forms go."""

    def __init__(self, url):
        self.host = url.split("://")[1]
        self.cookies = {}

    def go(self, method, path, body=None, headers=None):
        named = {"Host": self.host}
        if self.cookies:
            named["Cookie"] = "; ".join("%s=%s" % c for c in self.cookies.items())
        named.update(headers or {})
        c = http.client.HTTPConnection(self.host, timeout=30)
        c.request(method, path, body, named)
        answer = c.getresponse()
        data = answer.read()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        c.close()
        return answer.status, answer.headers, data.decode("utf-8", "replace")

    def post(self, path, fields, headers=None):
        named = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://" + self.host}
        named.update(headers or {})
        return self.go("POST", path, urllib.parse.urlencode(fields), named)

    def set_password(self, setup_url, password=PASSWORD):
        """Through a set-up link; the status of the answer, 303 when it worked."""
        code = setup_url.split("code=")[1]
        return self.post("/setup", {"code": code, "password": password, "again": password})[0]

    def sign_in(self, email, password=PASSWORD):
        status, _, page = self.post("/signin", {"email": email, "password": password})
        if status != 303:
            raise AssertionError("%s is not signed in: %d %s" % (email, status, page[-1500:]))
        return self

    def form_token(self, path="/"):
        return re.search(r'name="csrf" value="([^"]+)"', self.go("GET", path)[2]).group(1)
