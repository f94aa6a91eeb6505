#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Second half of ./run: makes the demo organisation at the first start, serves, signs the sample over the
REST API, verifies it with the command line, says where everything is. demo.py --once=yes|no"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHANCERY = os.path.join(ROOT, "build/bin/chancery")
DATA = os.path.abspath(os.environ.get("CHANCERY_DATA") or os.path.join(ROOT, "data"))
DEMO = DATA + ".demo"  # beside the data folder, which belongs to the service alone
ADMIN, SAMPLE = "admin@example.org", os.path.join(ROOT, "samples/bundle.zip")


def fail(status, text):
    print("./run: " + text, file=sys.stderr)
    sys.exit(status)


def keep(name, text):
    fd = os.open(os.path.join(DEMO, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return os.path.join(DEMO, name)


def kept(name):
    with open(os.path.join(DEMO, name), encoding="utf-8") as f:
        return f.read()


def free_port():
    """The first of 8080 to 8099 that nobody listens on."""
    for port in range(8080, 8100):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    fail(5, "ports 8080 to 8099 are all in use. Stop one of those programs, then try again.")


def make_data():
    """`chancery init` at the first start. What it answers stays in the demo folder, mode 0600."""
    if os.path.exists(os.path.join(DATA, "chancery.conf")):
        return False
    done = subprocess.run([CHANCERY, "init", "--data", DATA, "--organization", "Demo", "--admin-email", ADMIN, "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        fail(done.returncode, "chancery init failed: " + done.stderr.decode("utf-8", "replace").strip())
    os.makedirs(DEMO, mode=0o700, exist_ok=True)
    keep("init.json", done.stdout)
    return True


class Service:
    def __init__(self, port):
        self.url = "http://localhost:%d" % port
        self.log = os.path.join(DEMO, "service.log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([CHANCERY, "serve", "--data", DATA, "--listen", "127.0.0.1:%d" % port],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.port = port

    def call(self, method, path, token=None, body=None, kind=None):
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), data=body, method=method)
        if token:
            request.add_header("Authorization", "Bearer " + token)
        if kind:
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=90) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def wait_ready(self, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            if self.process.poll() is not None:
                break
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.stop()
        with open(self.log, encoding="utf-8", errors="replace") as f:
            last = "".join(f.readlines()[-5:])
        fail(5, "the service did not become ready. Its last words (all of them: %s):\n%s" % (self.log, last))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def must(self, what, method, path, wanted, **more):
        status, headers, body = self.call(method, path, **more)
        if status not in wanted:
            self.stop()
            fail(6, "%s: the service answered %d: %s" % (what, status, body.decode("utf-8", "replace")[:2000]))
        return headers, body


def document():
    """What `chancery apply` would post: one certificate, one project, one CI user."""
    with open(os.path.join(ROOT, "samples/acme.xml"), encoding="utf-8") as f:
        xml = f.read()
    return {
        "apiVersion": "chancery/v1",
        "certificates": [{"slug": "demo", "name": "Demo certificate", "purpose": "Test", "type": "X509",
                          "creationMethod": "SelfSigned", "keyStore": "software", "key": "rsa-3072",
                          "subject": {"CN": "Acme Demo", "O": "Acme", "C": "DE"}, "validDays": 365}],
        "ciUsers": [{"name": "ci-demo", "role": "RegularUser", "tokens": [{"name": "demo"}]}],
        "projects": [{"slug": "acme-app", "name": "Acme App",
                      "artifactConfigurations": [{"slug": "initial", "default": True, "xml": xml}],
                      "signingPolicies": [{"slug": "test-signing", "purpose": "Test", "certificate": "demo",
                                           "submitters": ["ci:ci-demo"], "timestamp": "ifConfigured", "malwareScan": "ifConfigured",
                                           "allowHashSigning": False}]}],
    }


def multipart(fields, name, data):
    boundary = uuid.uuid4().hex
    parts = ["--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n" % (boundary, k, v) for k, v in fields]
    head = "--%s\r\nContent-Disposition: form-data; name=\"Artifact\"; filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    return ("".join(parts) + head % (boundary, name)).encode() + data + ("\r\n--%s--\r\n" % boundary).encode(), \
        "multipart/form-data; boundary=" + boundary


def sign_sample(service, organization, token):
    with open(SAMPLE, "rb") as f:
        body, kind = multipart([("ProjectSlug", "acme-app"), ("SigningPolicySlug", "test-signing"),
                                ("Description", "Sample of ./run")], "bundle.zip", f.read())
    base = "/API/v1/%s/SigningRequests" % organization
    started = time.time()
    headers, _ = service.must("submit", "POST", base + "/SubmitWithArtifact", (201,), token=token, body=body, kind=kind)
    request = headers["Location"].rstrip("/").split("/")[-1]
    while True:
        _, body = service.must("status", "GET", "%s/%s/Status" % (base, request), (200,), token=token)
        state = json.loads(body)
        if state.get("isFinalStatus"):
            break
        time.sleep(0.1)
    took = time.time() - started
    if state.get("status") != "Completed":
        _, body = service.must("request", "GET", "%s/%s" % (base, request), (200,), token=token)
        service.stop()
        fail(1, "the sample was not signed: " + body.decode("utf-8", "replace")[:2000])
    _, signed = service.must("download", "GET", "%s/%s/SignedArtifact" % (base, request), (200,), token=token)
    status, _, receipt = service.call("GET", "%s/%s/Receipt" % (base, request), token=token)
    if status == 200:
        keep("bundle.receipt.json", receipt)
    return request, keep("bundle.signed.zip", signed), took


def certificate(service, organization, token):
    _, body = service.must("certificate", "GET", "/API/v1/%s/Certificates/demo/X509Certificate" % organization, (200,), token=token)
    return keep("demo.cer", body)


def demo(service):
    first = json.loads(kept("init.json"))
    organization, admin = first["organizationId"], first["adminToken"]
    _, body = service.must("apply", "POST", "/API/v1/%s/Configuration/Apply?dryRun=false" % organization, (200,), token=admin,
                           body=json.dumps(document()).encode(), kind="application/json")
    made = [t["value"] for t in json.loads(body)["tokens"]]
    if made:  # else an earlier start made it and was interrupted later
        keep("ci-token", made[0] + "\n")
    token = kept("ci-token").strip()
    request, signed, took = sign_sample(service, organization, token)
    print("Signed the sample in %.1f s. Not time-stamped: no server set (setting tsa)." % took)
    done = subprocess.run([CHANCERY, "verify", "--ca", certificate(service, organization, admin), signed],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print("chancery verify says:")
    print("".join("    " + line + "\n" for line in done.stdout.decode("utf-8", "replace").splitlines()), end="")
    if done.returncode != 0:
        service.stop()
        fail(1, "the signed sample does not verify")
    keep("done", "%s\n%s\n" % (request, signed))


def say_where(service):
    request, signed = kept("done").split("\n")[:2]
    first = json.loads(kept("init.json"))
    print("Signed sample:   %s" % signed)
    print("Web app:         %s/requests/%s" % (service.url, request))
    if first.get("setupUrl"):
        print("First sign-in:   %s" % re.sub(r"http://[^/]*", service.url, first["setupUrl"], count=1))
        print("                 (%s; the link works once and for 24 hours)" % ADMIN)
    print("CI token:        in %s" % os.path.join(DEMO, "ci-token"))
    print("Organisation:    %s" % first["organizationId"], flush=True)


def main():
    once = "--once=yes" in sys.argv
    fresh = make_data()
    if not fresh and not os.path.exists(os.path.join(DEMO, "init.json")):
        os.makedirs(DEMO, mode=0o700, exist_ok=True)
        print("%s was not made by ./run: it is served as it is, without a demo." % DATA)
    started = time.time()
    service = Service(free_port())
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        service.wait_ready()
        print("Chancery runs at %s (started in %.1f s; data in %s)" % (service.url, time.time() - started, DATA), flush=True)
        if os.path.exists(os.path.join(DEMO, "init.json")):
            if not os.path.exists(os.path.join(DEMO, "done")):
                demo(service)
            say_where(service)
        if not once:
            print("Ctrl-C ends it.", flush=True)
            while service.process.poll() is None:
                time.sleep(0.5)
            fail(6, "the service ended by itself; see " + service.log)
    except KeyboardInterrupt:
        print("\nStopping")
    return 0 if service.stop() == 0 else 6


if __name__ == "__main__":
    sys.exit(main())
