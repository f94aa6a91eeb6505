#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chromium in front of a real service: with and without scripts, light and dark, wide and narrow.
Pictures of what it saw lie in BUILD/browser. Needs nodejs, npm and chromium; says so when it cannot
have them."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests/lib"))
from person import PASSWORD, Person  # noqa: E402
from service import RAW, Service, small_zip  # noqa: E402

PROGRAMS = os.environ["CHANCERY_BIN"]
OUT = os.path.join(os.environ["CHANCERY_BUILD"], "browser")
LIMIT = 2 << 20

WITH_PARAMETERS = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1">
<parameters><parameter name="version" required="true"/><parameter name="channel" default-value="stable"/></parameters>
<zip-file><directory path="app"><pe-file path="*.exe"><authenticode-sign description="Acme ${version} ${channel}"/></pe-file></directory></zip-file>
</artifact-configuration>"""


def skip(why):
    print("SKIPPED browser: " + why)
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(77)


def prepare():
    """node_modules as the lock file says. Returns node and Chromium."""
    node, npm = shutil.which("node") or shutil.which("nodejs"), shutil.which("npm")
    chromium = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome") if os.path.exists(p)), None)
    for name, found in (("nodejs", node), ("npm", npm), ("chromium", chromium)):
        if found is None:
            skip("%s is not installed" % name)
    stamp = os.path.join(HERE, "node_modules/.chancery-lock")
    with open(os.path.join(HERE, "package-lock.json"), "rb") as f:
        lock = f.read()
    if not (os.path.exists(stamp) and open(stamp, "rb").read() == lock):
        done = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        if done.returncode != 0:
            skip("npm ci failed: " + " ".join(done.stdout.decode("utf-8", "replace").split())[-300:])
        with open(stamp, "wb") as f:
            f.write(lock)
    return node, chromium


class SilentTsa:
    """Takes connections and never answers: whatever needs its time stamp stays in progress."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/" % self.socket.getsockname()[1]
        self.held = []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            try:
                self.held.append(self.socket.accept()[0])
            except OSError:
                return


def acme():
    with open(os.path.join(ROOT, "samples/acme.xml"), encoding="utf-8") as f:
        return f.read()


def acme_document():
    def policy(slug, timestamp="none", certificate="test"):
        return {"slug": slug, "purpose": "Test", "certificate": certificate, "submitters": ["user:ana@example.org", "ci:ci"], "timestamp": timestamp}
    return {"apiVersion": "chancery/v1",
            "certificates": [{"slug": "test", "name": "Acme test", "purpose": "Test", "key": "rsa-3072",
                              "subject": {"CN": "Acme Test", "O": "Acme GmbH", "C": "DE"}},
                             {"slug": "release", "name": "Acme release", "purpose": "Release", "key": "rsa-3072",
                              "subject": {"CN": "Acme Release", "O": "Acme GmbH", "C": "DE"}}],
            "ciUsers": [{"name": "ci", "role": "RegularUser", "tokens": [{"name": "main"}]}],
            "users": [{"email": "ana@example.org", "name": "Ana"}, {"email": "bo@example.org", "name": "Bo", "role": "RegularUser"},
                      {"email": "cy@example.org", "name": "Cy", "role": "GlobalReader"}],
            "projects": [{"slug": "acme-app", "name": "Acme App", "readers": ["user:cy@example.org"],
                          "artifactConfigurations": [{"slug": "initial", "default": True, "xml": acme()},
                                                     {"slug": "with-parameters", "xml": WITH_PARAMETERS}],
                          "signingPolicies": [policy("test-signing"), policy("second"), policy("slow", "required")]},
                         {"slug": "empty", "name": "Empty project"}]}


SCRIPT, IMAGE = "<script>pwned=1</script>", "\"><img src=x onerror=pwned=1>"
PAYLOADS = {
    "organization": "Org " + SCRIPT, "admin": "Ana'\"><svg onload=pwned=1>", "user": "Bo " + IMAGE, "ci": "ci </title>" + SCRIPT,
    "certificate": "Cert ' onmouseover='pwned=1' x='", "subject": "CN <b>bold</b>", "project": "Project " + IMAGE,
    "project description": "javascript:pwned=1//</p>" + SCRIPT, "policy": "policy <b>{{7*7}}${7*7}</b>", "configuration": "x&lt;script&gt;`" + SCRIPT,
    "token": "tok </td>" + SCRIPT, "description": "</textarea></title>" + SCRIPT + IMAGE + "'", "parameter": "<b onclick=pwned=1>p</b>",
    "parameter in a list": "' autofocus onfocus=pwned=1 '", "file name": "<img src=x onerror=pwned=1>.zip", "reason": "because </dd>" + SCRIPT,
    "file in an archive": "<img src=y onerror=pwned=1>.txt",
}
TWO_PARAMETERS = RAW.replace("<zip-file>", '<parameters><parameter name="one"/><parameter name="two"/></parameters><zip-file>')


def hostile_document():
    p = PAYLOADS
    return {"apiVersion": "chancery/v1",
            "certificates": [{"slug": "test", "name": p["certificate"], "purpose": "Test", "key": "ec-p256", "description": p["project description"],
                              "subject": {"CN": p["subject"], "O": "Acme GmbH", "C": "DE"}}],
            "ciUsers": [{"name": p["ci"], "role": "RegularUser", "tokens": [{"name": "main"}]}],
            "users": [{"email": "ana@example.org", "name": p["admin"]}, {"email": "bo@example.org", "name": p["user"]}],
            "projects": [{"slug": "acme", "name": p["project"], "description": p["project description"],
                          "readers": ["user:bo@example.org"], "configurators": ["ci:" + p["ci"]],
                          "artifactConfigurations": [{"slug": "c", "name": p["configuration"], "default": True, "xml": TWO_PARAMETERS}],
                          "signingPolicies": [{"slug": "p", "name": p["policy"], "purpose": "Test", "certificate": "test", "timestamp": "none",
                                               "submitters": ["user:ana@example.org", "ci:" + p["ci"]]}]}]}


def hostile_facts(place):
    """Requests of all kinds with hostile texts in them, and the pages that show them."""
    s, p = place.s, PAYLOADS
    Person(s.url).set_password(place.setup)
    pages = ["/", "/requests", "/projects", "/projects/acme", "/projects/acme/configurations/c", "/certificates", "/certificates/test", "/users",
             "/audit", "/me", "/requests/new"]
    named = {"ProjectSlug": "acme", "SigningPolicySlug": "p", "Description": p["description"], "parameters.one": p["parameter"],
             "parameters.two": p["parameter in a list"]}
    good = s.submit(p["file name"], small_zip((p["file in an archive"], "b.txt")), fields=named)
    assert s.wait_final(good) == "Completed", s.status(good)
    gone = s.submit("reason.zip", small_zip(), fields=named)
    s.call("POST", s.api("SigningRequests/%s/Cancel" % gone), b"reason=" + urllib.parse.quote(p["reason"]).encode(),
           {"Content-Type": "application/x-www-form-urlencoded"})
    s.wait_final(gone)
    pages += ["/requests/" + good, "/requests/" + gone]
    return {"payloads": p, "pages": pages, "nasty": place.file(p["file name"], b"no archive")}


class Place:
    """A service and the files that a person at a browser has at hand."""

    def __init__(self, name, document, organization="Acme GmbH"):
        self.name, self.tsa = name, SilentTsa()
        self.s = s = Service(PROGRAMS)
        out = subprocess.run([s.program("chancery"), "init", "--json", "--data", s.data, "--organization", organization,
                              "--admin-email", "ana@example.org"], check=True, capture_output=True)
        made = json.loads(out.stdout)
        s.organization, s.admin = made["organizationId"], made["adminToken"]
        self.setup = "/setup?code=" + made["setupUrl"].split("code=")[1]
        with open(os.path.join(s.data, "chancery.conf"), "a") as f:
            f.write("max_upload_bytes = 2MiB\ntsa = %s\ntsa_timeout = 3s\n" % self.tsa.url)
        s.token = s.task({"task": "apply", "dryRun": False, "document": document})["tokens"][0]["value"]
        s.start()

    def file(self, name, data):
        path = os.path.join(self.s.root, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def run(self, node, chromium, script, more=None):
        """(passed, failed) of one script."""
        out = os.path.join(OUT, self.name)
        shutil.rmtree(os.path.join(out, script[:-4]), ignore_errors=True)
        facts = {"url": self.s.url, "organization": self.s.organization, "setup": self.setup, "email": "ana@example.org",
                 "password": PASSWORD, "chromium": chromium, "out": out, "js": True,
                 "sample": os.path.join(ROOT, "samples/bundle.zip"), "empty": self.file("empty.zip", b""),
                 "big": self.file("big.zip", bytes(LIMIT + 1)), "wrong": self.file("notes.txt", b"no archive at all\n"),
                 "signed": os.path.join(self.s.root, "signed.zip")}
        facts.update(more or {})
        path = self.file("facts.json", json.dumps(facts).encode())
        try:
            done = subprocess.run([node, os.path.join(HERE, script), path], cwd=HERE, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=420)
            said = done.stdout.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as e:
            said = (e.stdout or b"").decode("utf-8", "replace") + "\nFAILED  %s did not end" % script
        counted = re.findall(r"^(\d+) passed, (\d+) failed, 0 skipped$", said, re.M)
        print("== %s, %s\n%s" % (self.name, script, re.sub(r"^\d+ passed, .*\n?", "", said, flags=re.M).rstrip()), flush=True)
        return tuple(map(int, counted[-1])) if counted else (0, 1)

    def check_signed(self):
        """What the browser saved is what the API gives out."""
        with open(os.path.join(self.s.root, "signed.zip"), "rb") as f:
            saved = f.read()
        _, listed = self.s.get("SigningRequests")
        for item in listed["items"]:
            status, _, body = self.s.call("GET", self.s.api("SigningRequests/%s/SignedArtifact" % item["signingRequestId"]), token=self.s.admin)
            if status == 200 and body == saved:
                return (1, 0)
        print("FAILED  the saved file is no signed artifact of the service")
        return (0, 1)


def main():
    only = sys.argv[1:]  # names of places, for whoever works on one
    node, chromium = prepare()
    counts = []
    for name, js in (("script", True), ("plain", False)):
        if only and name not in only:
            continue
        place = Place(name, acme_document())
        with place.s:
            counts.append(place.run(node, chromium, "walk.mjs", {"js": js}))
            if counts[-1][1] == 0:
                counts.append(place.check_signed())
            if counts[-1][1] == 0 and js:
                counts.append(place.run(node, chromium, "looks.mjs"))
            elif counts[-1][1]:
                print(place.s.log()[-3000:])
    if not only or "hostile" in only:
        place = Place("hostile", hostile_document(), PAYLOADS["organization"])
        with place.s:
            counts.append(place.run(node, chromium, "inert.mjs", hostile_facts(place)))
    passed, failed = sum(c[0] for c in counts), sum(c[1] for c in counts)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
