#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An operator makes, describes and runs a service, and is told what is wrong in words that help."""
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from service import Service, RAW, small_zip  # noqa: E402
from story import BIN, environment, run  # noqa: E402

YAML = """apiVersion: chancery/v1
certificates:
  - slug: test
    name: Test
    purpose: Test          # never for a release
    key: ec-p256
    subject: { CN: Acme Test, O: "Acme GmbH", C: DE }
ciUsers:
  - { name: ci, role: RegularUser, tokens: [ { name: main, expires: 2037-12-31 } ] }
projects:
  - slug: acme-app
    name: Acme App
    artifactConfigurations:
      - { slug: initial, default: true, file: conf/acme.xml }
    signingPolicies:
      - slug: test-signing
        purpose: Test
        certificate: test
        submitters: [ "ci:ci" ]
"""


class Operator(unittest.TestCase):
    def setUp(self):
        self.s = Service(BIN)
        self.addCleanup(self.s.__exit__)
        self.data = self.s.data

    def write(self, name, content):
        path = os.path.join(self.s.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)
        return path

    def init(self):
        done = run("init", "--data", self.data, "--organization", "Acme", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = json.loads(done.stdout)
        self.s.organization, self.s.admin = made["organizationId"], made["adminToken"]

    def apply(self, *arguments, expect=0, env=None, text=YAML):
        self.write("conf/acme.xml", RAW)
        done = run("apply", "-f", self.write("acme.yaml", text), *arguments, env=env)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def serve_refused(self, *arguments):
        done = subprocess.run([os.path.join(BIN, "chancery"), "serve", "--data", self.data, *arguments], env=environment(),
                              capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_from_an_empty_folder_to_a_signed_file(self):
        self.init()
        tokens = os.path.join(self.s.root, "tokens")
        self.assertIn("would be made", self.apply("--data", self.data, "--dry-run", expect=10).stdout)
        done = self.apply("--data", self.data, "--token-output", tokens)
        self.assertNotIn("chy_", done.stdout + done.stderr)
        self.assertEqual(os.stat(tokens).st_mode & 0o777, 0o600)
        self.assertIn("No changes", self.apply("--data", self.data, "--dry-run").stdout)
        self.s.start()
        artifact = os.path.join(self.s.root, "a.zip")
        with open(artifact, "wb") as f:
            f.write(small_zip())
        done = run("submit", "--project", "acme-app", "--policy", "test-signing", "--token-file", tokens, "--url", self.s.url,
                   "--organization", self.s.organization, "-o", artifact + ".signed", artifact)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.exists(artifact + ".signed"))

    def test_apply_while_the_service_runs(self):
        self.init()
        self.s.start()
        done = self.apply("--data", self.data, expect=2)
        self.assertIn("--url " + self.s.url, done.stderr)
        env = {"CHANCERY_URL": self.s.url, "CHANCERY_ORGANIZATION": self.s.organization, "CHANCERY_TOKEN": self.s.admin}
        self.apply("--dry-run", expect=10, env=env)
        token = next(line.split()[2] for line in self.apply(env=env).stdout.splitlines() if line.startswith("token "))
        self.assertIn("No changes", self.apply(env=env).stdout)
        self.apply(env=dict(env, CHANCERY_TOKEN=token), expect=4)

    def test_warnings_of_a_configuration_are_shown(self):
        self.init()
        sign = "<authenticode-sign/>"
        twice = RAW.replace("</zip-file>", '<pe-file path="a.exe" min-matches="0">%s\n%s</pe-file></zip-file>' % (sign, sign))
        self.write("conf/twice.xml", twice)
        done = self.apply("--data", self.data, text=YAML.replace("conf/acme.xml", "conf/twice.xml"))
        self.assertIn("projects[0].artifactConfigurations[0]: line 4, column 1: warning: ", done.stderr)
        self.assertIn('Write append="true"', done.stderr)

    def test_mistakes_in_the_document_are_named_by_line(self):
        self.init()
        for old, new, line, word in (("submitters:", "submiters:", 19, "submitters"), ("purpose: Test\n", "purpose: Toast\n", 17, "Release"),
                                     ("name: Acme App", "name: &a Acme App", 12, "anchor"), ("slug: test\n", "slug: test\n    slug: x\n", 4, "twice"),
                                     ("conf/acme.xml", "conf/none.xml", 14, "none.xml"), ("key: ec-p256", "key: rsa-512", 3, "rsa-3072")):
            with self.subTest(new=new):
                self.assertIn(old, YAML)
                done = self.apply("--data", self.data, "--dry-run", expect=2, text=YAML.replace(old, new))
                self.assertIn("line %d" % line, done.stderr)
                self.assertIn(word, done.stderr)

    def test_init_checks_the_address_before_it_makes_anything(self):
        for url in ("example.org", "https://", "https:////", "ftp://a.example"):
            done = run("init", "--data", self.data, "--base-url", url)
            self.assertEqual(done.returncode, 2)
            self.assertIn("base_url", done.stderr)
        self.assertFalse(os.path.exists(self.data))
        done = run("init", "--data", self.data, "--base-url", "https://a.example/sign/", "--json")
        self.assertEqual(json.loads(done.stdout)["url"], "https://a.example/sign")

    def test_init_leaves_what_is_there_alone(self):
        os.makedirs(self.data)
        with open(os.path.join(self.data, "mine"), "w", encoding="utf-8") as f:
            f.write("mine")
        self.assertEqual(run("init", "--data", self.data).returncode, 2)
        self.assertEqual(os.listdir(self.data), ["mine"])

    def test_a_second_service_on_the_folder_is_refused(self):
        self.s.found().start()
        said = self.serve_refused("--listen", "127.0.0.1:0")
        self.assertIn(str(self.s.process.pid), said)
        with urllib.request.urlopen(self.s.url + "/readyz", timeout=10) as answer:
            self.assertEqual(answer.status, 200)

    def test_a_port_in_use_is_named(self):
        self.s.found()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.assertIn(str(taken.getsockname()[1]), self.serve_refused("--listen", "127.0.0.1:%d" % taken.getsockname()[1]))

    def test_wrong_folders_are_named_with_the_mend(self):
        self.assertIn("chancery init", self.serve_refused())
        os.makedirs(self.data, mode=0o755)
        os.chmod(self.data, 0o755)
        self.assertIn("chmod 0700", self.serve_refused())

    def test_a_database_of_a_newer_program_is_refused_and_not_touched(self):
        self.s.found()
        path = os.path.join(self.data, "db/chancery.db")
        with sqlite3.connect(path) as db:
            db.execute("INSERT INTO schema_migrations SELECT max(number) + 1, 'later', 0 FROM schema_migrations")
        db.close()
        said = self.serve_refused("--listen", "127.0.0.1:0")
        self.assertIn("newer", said)
        done = run("doctor", "--data", self.data)
        self.assertEqual(done.returncode, 2)
        self.assertIn("newer", done.stdout)

    def test_an_unknown_setting_is_named_with_the_nearest(self):
        self.s.found()
        with open(os.path.join(self.data, "chancery.conf"), "a", encoding="utf-8") as f:
            f.write("worker = 3\n")
        self.assertIn("workers", self.serve_refused())
        done = run("doctor", "--data", self.data)
        self.assertEqual(done.returncode, 2)
        self.assertIn("workers", done.stdout)

    def test_doctor(self):
        self.s.found(settings="max_nesting = 8\n")
        report = json.loads(run("doctor", "--data", self.data, "--json").stdout)
        settings = {s["name"]: s for s in report["settings"]}
        self.assertEqual((settings["max_nesting"]["value"], settings["max_nesting"]["source"], settings["max_nesting"]["default"]), ("8", "file", "16"))
        checks = {c["name"]: c for c in report["checks"]}
        self.assertIn("Landlock", checks["sandbox"]["text"])
        self.assertIn("not running", checks["service"]["text"])
        self.assertIn("version", checks["database"]["text"])
        self.assertEqual(run("doctor", "--data", self.data, "--wait", "1").returncode, 2)
        env = {"CHANCERY_DATABASE": "postgresql://u:geheim@127.0.0.1:1/x"}
        said = run("doctor", "--data", self.data, env=env)
        self.assertNotIn("geheim", said.stdout + said.stderr)
        self.s.start()
        done = run("doctor", "--data", self.data, "--wait", "20", "--json")
        self.assertEqual({c["name"]: c["status"] for c in json.loads(done.stdout)["checks"]}["service"], "ok")
        os.chmod(os.path.join(self.data, "key/kek"), 0o644)
        done = run("doctor", "--data", self.data)
        self.assertEqual(done.returncode, 2)
        self.assertIn("chmod", done.stdout)

    def test_unknown_commands_and_options(self):
        done = run("sumbit")
        self.assertEqual(done.returncode, 2)
        self.assertIn('"submit"', done.stderr)
        for command in ("init", "serve", "apply", "submit", "wait", "get", "status", "cancel", "resubmit", "requests", "sign", "verify", "plan", "doctor"):
            with self.subTest(command=command):
                self.assertEqual(run(command, "--nonsense").returncode, 2)
                shown = run(command, "--help")
                self.assertEqual(shown.returncode, 0)
                self.assertIn("usage", shown.stdout)

    def test_a_task_that_ends_before_anybody_looks_is_done(self):
        """Core is through with it while the supervisor sleeps, at different places of its start."""
        self.init()
        task = json.dumps({"task": "apply", "dryRun": True, "document": {"apiVersion": "chancery/v1"}}).encode()
        for ms in range(30, 150, 8):
            with subprocess.Popen([self.s.program("chanceryd"), "--data", self.data, "--task"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
                p.stdin.write(task)
                p.stdin.close()
                p.stdin = None
                time.sleep(ms / 1000)
                p.send_signal(signal.SIGSTOP)
                time.sleep(0.3)
                p.send_signal(signal.SIGCONT)
                out, log = p.communicate(timeout=60)
            self.assertEqual(p.returncode, 0, log.decode())
            self.assertEqual(json.loads(out)["changes"], [])

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount"), "a small file system needs root")
    def test_a_full_disk_is_an_answer_and_loses_nothing(self):
        small = tempfile.mkdtemp(prefix="chf")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "none", small], capture_output=True).returncode != 0:
            os.rmdir(small)
            self.skipTest("no small file system can be mounted here")
        self.addCleanup(os.rmdir, small)
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        self.s.data = os.path.join(small, "data")
        self.s.found().start()
        first = self.s.submit("a.zip", small_zip())
        self.assertEqual(self.s.wait_final(first), "Completed")
        status, headers, body = self.s.submit_once("big.zip", os.urandom(40 << 20))
        self.assertEqual((status, json.loads(body)["code"]), (503, "storage.full"))
        self.assertTrue(headers["Retry-After"])
        self.assertEqual(self.s.status(first)["status"], "Completed")
        again = self.s.submit("b.zip", small_zip(("z.txt",)))
        self.assertEqual(self.s.wait_final(again), "Completed")
        self.s.kill()


if __name__ == "__main__":
    unittest.main()
