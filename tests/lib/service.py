# SPDX-License-Identifier: Apache-2.0
"""A Chancery of its own for a test: data folder, processes, an organisation with one project.

    with Service(programs) as s:
        s.found()
        s.start()
        request = s.submit("a.zip", data)
        s.wait_final(request)
"""
import fcntl
import glob
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import zipfile

RAW = """<artifact-configuration xmlns="http://signpath.io/artifact-configuration/v1"><zip-file>
<file path="*.txt" max-matches="unbounded"><create-raw-signature output-file-name="${file.name}.sig"
hash-algorithm="sha256" rsa-padding="pkcs1"/></file></zip-file></artifact-configuration>"""


def small_zip(names=("a.txt", "b.txt", "c.bin")):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name in names:
            z.writestr(zipfile.ZipInfo(name), name.encode() * 50)
    return out.getvalue()


class Service:
    def __init__(self, programs):
        self.programs = os.path.abspath(programs)
        self.root = tempfile.mkdtemp(prefix="chs")
        self.data = os.path.join(self.root, "data")
        self.log_path = os.path.join(self.root, "log")
        self.process = self.url = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def program(self, name):
        return os.path.join(self.programs, name)

    # --- making it ---------------------------------------------------------------------------

    def found(self, configuration=RAW, key="ec-p256", settings="", policy=None):
        """chancery init and one project acme-app, policy test-signing, CI user ci."""
        out = subprocess.run([self.program("chancery"), "init", "--json", "--data", self.data],
                             check=True, capture_output=True)
        made = json.loads(out.stdout)
        self.organization, self.admin = made["organizationId"], made["adminToken"]
        with open(os.path.join(self.data, "chancery.conf"), "a") as f:
            f.write(settings)
        answer = self.task({"task": "apply", "dryRun": False, "document": self.document(configuration, key, policy)})
        self.token = answer["tokens"][0]["value"]
        return self

    def document(self, configuration=RAW, key="ec-p256", policy=None):
        signing = {"slug": "test-signing", "purpose": "Test", "certificate": "test", "submitters": ["ci:ci"]}
        signing.update(policy or {})
        return {"apiVersion": "chancery/v1",
                "certificates": [{"slug": "test", "name": "Test", "purpose": "Test", "key": key,
                                  "subject": {"CN": "Acme Test", "O": "Acme GmbH", "C": "DE"}}],
                "ciUsers": [{"name": "ci", "role": "RegularUser", "tokens": [{"name": "main"}]}],
                "projects": [{"slug": "acme-app", "name": "Acme App",
                              "artifactConfigurations": [{"slug": "initial", "default": True, "xml": configuration}],
                              "signingPolicies": [signing]}]}

    def task(self, task):
        out = subprocess.run([self.program("chanceryd"), "--data", self.data, "--task"],
                             input=json.dumps(task).encode(), capture_output=True)
        if out.returncode != 0:
            raise AssertionError(out.stdout.decode() + out.stderr.decode()[-2000:])
        return json.loads(out.stdout)

    # --- running it ----------------------------------------------------------------------------

    def start(self, *flags, wait=True):
        address = os.path.join(self.data, "run/url")
        if os.path.exists(address):
            os.remove(address)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program("chanceryd"), "--data", self.data, "--listen", "127.0.0.1:0", *flags],
                                            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        if wait:
            self.wait(lambda: os.path.exists(address) and os.path.getsize(address) > 0, "run/url")
            self.read_url()
        return self

    def read_url(self):
        with open(os.path.join(self.data, "run/url")) as f:
            self.url = f.read().strip()

    def wait(self, what, name, seconds=60):
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError("%s did not come:\n%s" % (name, self.log()[-3000:]))
            time.sleep(0.02)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def kill(self):
        """The whole tree at once, as when the power goes."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None
        self.await_lock()

    def await_lock(self):
        """Until nobody holds the data folder any more."""
        path = os.path.join(self.data, "run/pid")
        if not os.path.exists(path):
            return
        end = time.monotonic() + 10
        with open(path) as f:
            while time.monotonic() < end:
                try:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    time.sleep(0.01)
        raise AssertionError("something still runs on " + self.data)

    def pid(self, program):
        """The process that was last ready under this name, from the log."""
        found = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        ready = [re.match(r"ready, process (\d+)", r["message"]) for r in found if r.get("subject") == program]
        numbers = [int(m.group(1)) for m in ready if m]
        return numbers[-1] if numbers else None

    def kill_one(self, program):
        try:
            os.kill(self.pid(program), signal.SIGKILL)
        except ProcessLookupError:
            pass

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    # --- using it -------------------------------------------------------------------------------

    def call(self, method, path, body=None, headers=None, token=None, timeout=30):
        """(status, headers, bytes); errors of the connection are raised."""
        request = urllib.request.Request(self.url + path, data=body, method=method)
        request.add_header("Authorization", "Bearer " + (token or self.token))
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def api(self, path):
        return "/API/v1/%s/%s" % (self.organization, path)

    def get(self, path):
        status, _, body = self.call("GET", self.api(path))
        return status, json.loads(body)

    def form(self, fields, file_name, data):
        boundary = "b" + uuid.uuid4().hex
        out = io.BytesIO()
        for name, value in fields.items():
            out.write(('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, name, value)).encode())
        out.write(('--%s\r\nContent-Disposition: form-data; name="Artifact"; filename="%s"\r\n'
                   "Content-Type: application/octet-stream\r\n\r\n" % (boundary, file_name)).encode())
        out.write(data)
        out.write(("\r\n--%s--\r\n" % boundary).encode())
        return out.getvalue(), "multipart/form-data; boundary=" + boundary

    def submit_once(self, file_name, data, key=None, fields=None):
        named = {"ProjectSlug": "acme-app", "SigningPolicySlug": "test-signing"}
        named.update(fields or {})
        body, content_type = self.form(named, file_name, data)
        headers = {"Content-Type": content_type}
        if key:
            headers["Idempotency-Key"] = key
        return self.call("POST", self.api("SigningRequests/SubmitWithArtifact"), body, headers)

    def submit(self, file_name, data, key=None, fields=None):
        status, headers, body = self.submit_once(file_name, data, key, fields)
        if status != 201:
            raise AssertionError("%d %s" % (status, body.decode()))
        return json.loads(body)["signingRequestId"]

    def status(self, request):
        return self.get("SigningRequests/%s/Status" % request)[1]

    def wait_final(self, request, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                state = self.status(request)
                if state.get("isFinalStatus"):
                    return state["status"]
            except (urllib.error.URLError, ConnectionError, TimeoutError, OSError):
                pass
            time.sleep(0.05)
        raise AssertionError("request %s did not end: %s\n%s" % (request, self.status(request), self.log()[-4000:]))

    def journals(self):
        return sorted(glob.glob(os.path.join(self.data, "key/journal-*")))
