# SPDX-License-Identifier: Apache-2.0
"""Signing with the offline command line and looking at the result with osslsigncode.

    with authenticode.Bench() as b: b.sign(IN, OUT, tsa=True); b.accepted(OUT); b.valid(OUT)
Programs come from CHANCERY_BIN (else build/bin of the checkout).
"""
import base64
import os
import re
import shutil
import subprocess
import tempfile
import time

import tsa

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.environ.get("CHANCERY_BIN", os.path.join(ROOT, "build/bin"))


def new_enough():
    """osslsigncode 2.5, which Debian 12 has itself, knows no scripts and no packages."""
    try:
        said = subprocess.run(["osslsigncode", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return False
    version = re.search(r"osslsigncode (\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= (2, 6)


class Bench:
    """certificate: the signer's; roots: what verifiers trust. They are the same but for issued=True."""

    def __init__(self, key="rsa:2048", options=(), subject="/O=Tests/CN=Signer", issued=False):
        self.folder = tempfile.mkdtemp(prefix="chancery-authenticode-")
        self.key, self.certificate = self.path("key.pem"), self.path("certificate.pem")
        self.roots, issuer = self.certificate, []
        if issued:
            self.roots = self.path("root.pem")
            self._certificate("-newkey", "rsa:2048", "-keyout", self.path("root.key"), "-out", self.roots, "-subj", "/O=Tests/CN=Root",
                              "-addext", "keyUsage=critical,keyCertSign,cRLSign")
            issuer = ["-CA", self.roots, "-CAkey", self.path("root.key"), "-addext", "basicConstraints=critical,CA:FALSE"]
        self._certificate("-newkey", key, *options, *issuer, "-keyout", self.key, "-out", self.certificate, "-subj", subject, "-addext",
                          "extendedKeyUsage=critical,codeSigning", "-addext", "keyUsage=critical,digitalSignature")
        self.tsa = tsa.Tsa()

    def _certificate(self, *arguments):
        done = subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "3650", *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def pfx(self, password):
        """Key and certificates in one file, as tools of Windows want them."""
        done = subprocess.run(["openssl", "pkcs12", "-export", "-inkey", self.key, "-in", self.certificate, "-certfile", self.roots,
                               "-passout", "pass:" + password, "-out", self.path("signer.pfx")], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return self.path("signer.pfx")

    def __enter__(self):
        self.tsa.__enter__()
        self.tsa_roots = self.tsa.ca
        if self.roots != self.certificate:
            time.sleep(2)  # a stamp says "give or take a second", and .NET wants all of that after the certificates began
        return self

    def __exit__(self, *what):
        self.tsa.__exit__(*what)
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def chancery(self, *args):
        return subprocess.run([os.path.join(PROGRAMS, "chancery"), *map(str, args)], capture_output=True, timeout=600)

    def sign(self, source, output, hash_name="sha256", stamp=False, options=()):
        done = self.chancery("sign", "--key", self.key, "--cert", self.certificate, "--force",
                             *([] if "--config" in options else ["--hash", hash_name]),
                             *(["--chain", self.roots] if self.roots != self.certificate else []),
                             *(["--tsa", self.tsa.url] if stamp else []), *options, "-o", output, source)
        if done.returncode != 0:
            raise AssertionError("%s: exit %d: %s" % (source, done.returncode, done.stderr.decode(errors="replace")))

    def refused(self, source):
        """The sentence, or None when it was signed."""
        done = self.chancery("sign", "--key", self.key, "--cert", self.certificate, "--force", "-o",
                             self.path("refused"), source)
        return None if done.returncode == 0 else done.stderr.decode(errors="replace")

    def valid(self, path, roots=None, stamp_roots=None):
        """What our own verify says."""
        done = self.chancery("verify", "--ca", roots or self.roots, "--tsa-ca", stamp_roots or self.tsa_roots, path)
        if done.returncode not in (0, 1, 2):
            raise AssertionError("%s: exit %d: %s" % (path, done.returncode, done.stderr.decode(errors="replace")))
        return done.returncode == 0

    def accepted(self, path, roots=None, stamp_roots=None):
        """What osslsigncode says. Its exit status is not enough: one good nested signature hides a bad one."""
        done = subprocess.run(["osslsigncode", "verify", "-ignore-crl", "-CAfile", roots or self.roots,
                               "-TSA-CAfile", stamp_roots or self.tsa_roots, "-in", path], capture_output=True, timeout=300)
        output = (done.stdout + done.stderr).decode(errors="replace")
        return done.returncode == 0 and "MISMATCH" not in output and "verification: failed" not in output


def script_message(data):
    """The PKCS#7 message in the block of a signed script, or None."""
    encoding = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}.get(data[:2], "latin-1")
    lines = data.decode(encoding).replace("\r", "").split("\n")
    begins = [i for i, line in enumerate(lines) if "Begin signature block" in line or line == "<signature>"]
    if not begins:
        return None
    block = lines[begins[0] + 1:]
    block = block[:[i for i, line in enumerate(block) if "End signature block" in line or line == "</signature>"][0]]
    wrapping = r"^(# |<!-- |/\* |'' SIG '' |// SIG // |\*\* SIG \*\* )|( -->| \*/)$"
    return base64.b64decode("".join(re.sub(wrapping, "", line) for line in block))
