# SPDX-License-Identifier: Apache-2.0
"""A time-stamp server around `openssl ts`, on 127.0.0.1 and a free port.

    with tsa.Tsa() as t: ... t.url ... t.ca (PEM of the root) ... t.requests (bytes of each)
    Tsa(tls=True): https with a certificate of the same root.   Tsa(spoil=f): f(handler, reply) may
    answer in another way: return other bytes, or None when it has answered itself.
Run alone, it serves until it is interrupted: python3 tsa.py [PORT]
"""
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Test TSA
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[web]
subjectAltName = IP:127.0.0.1
extendedKeyUsage = serverAuth
[tsa]
default_tsa = one
[one]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Tsa:
    def __init__(self, tls=False, spoil=None, port=0):
        self.folder = tempfile.mkdtemp(prefix="tsa")
        self.requests, self.spoil, self.lock = [], spoil, threading.Lock()
        self._write("openssl.cnf", CONFIG)
        self._write("serial", "01\n")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem",
                      "-config", "openssl.cnf", "-extensions", "root", "-days", "3650", "-subj", "/CN=Test TSA root")
        self._issue("tsa", "leaf", "/CN=Test TSA")
        self.ca = os.path.join(self.folder, "root.pem")
        self.certificate = os.path.join(self.folder, "tsa.pem")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        if tls:
            self._issue("web", "web", "/CN=127.0.0.1")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(self.folder, "web.pem"), os.path.join(self.folder, "web.key"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_address[1]}/tsa"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def _openssl(self, *arguments, **more):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, **more)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode())
        return done.stdout

    def _issue(self, name, extensions, subject):
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
                      "-config", "openssl.cnf", "-subj", subject)
        self._openssl("x509", "-req", "-in", name + ".csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
                      "-out", name + ".pem", "-days", "3650", "-extfile", "openssl.cnf", "-extensions", extensions)

    def reply(self, request):
        """The time-stamp response for a request, both DER."""
        with self.lock, tempfile.NamedTemporaryFile() as query:  # the serial number is a file
            query.write(request)
            query.flush()
            return self._openssl("ts", "-reply", "-queryfile", query.name, "-config", "openssl.cnf", "-section", "one",
                                 "-signer", "tsa.pem", "-inkey", "tsa.key", "-chain", "root.pem")

    def _handler(tsa):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                request = self.rfile.read(int(self.headers["Content-Length"]))
                tsa.requests.append(request)
                right = self.headers["Content-Type"] == "application/timestamp-query"
                reply = tsa.reply(request) if right else b""
                if tsa.spoil:
                    reply = tsa.spoil(self, reply)
                if reply is not None:
                    self.answer(200 if right else 415, "application/timestamp-reply", reply)

            def answer(self, status, content_type, body, **headers):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    with Tsa(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as t:
        print(t.url, t.ca, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
