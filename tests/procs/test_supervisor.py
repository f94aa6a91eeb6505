#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chanceryd with a stand-in for every program behind it.

usage: test_supervisor.py CHANCERYD PROBE
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

CHANCERYD, PROBE = None, None
PROGRAMS = ["front", "core", "key", "fetch", "worker"]


class Service:
    """One installation and one data folder below a temporary folder."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="chd")
        os.chmod(self.root, 0o755)
        self.data = os.path.join(self.root, "data")
        os.mkdir(self.data, 0o700)
        self.bin = os.path.join(self.root, "bin")
        os.mkdir(self.bin)
        shutil.copy(CHANCERYD, os.path.join(self.bin, "chanceryd"))
        for name in PROGRAMS:
            shutil.copy(PROBE, os.path.join(self.bin, "chancery-" + name))
        self.process = None
        self.log_path = os.path.join(self.root, "log")

    def start(self, *flags, environment=None, settings=None, listen="127.0.0.1:0", wait=True):
        if settings is not None:
            with open(os.path.join(self.data, "chancery.conf"), "w") as f:
                f.write(settings)
        if os.path.exists(os.path.join(self.data, "run/url")):  # a service was killed
            os.remove(os.path.join(self.data, "run/url"))
        command = [os.path.join(self.bin, "chanceryd"), "--data", self.data]
        command += ["--listen", listen] if listen else []
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command + list(flags), stderr=log, stdin=subprocess.DEVNULL,
                                            env=dict(os.environ, **(environment or {})))
        if wait:
            self.wait(lambda: os.path.exists(os.path.join(self.data, "run/url")), "run/url")
            with open(os.path.join(self.data, "run/url")) as f:
                self.url = f.read().strip()
            self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def wait(self, what, name, seconds=30):
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end or (self.process.poll() is not None and name == "run/url"):
                raise AssertionError(f"{name} did not come:\n{self.log()}")
            time.sleep(0.02)

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def ask(self, path, timeout=20):
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            s.sendall(f"GET {path}\n".encode())
            return s.recv(4096).decode()

    def pid(self, program):
        return int(re.findall(rf'chancery-{program}".*?process (\d+)', self.log())[-1])

    def count(self, text):
        return self.log().count(text)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def done(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


class Supervisor(unittest.TestCase):
    def setUp(self):
        self.s = Service()
        self.addCleanup(self.s.done)

    def refused(self, status, *words, **how):
        self.s.start(wait=False, **how)
        self.assertEqual(self.s.process.wait(timeout=30), status, self.s.log())
        for word in words:
            self.assertIn(word, self.s.log())

    def test_every_channel_works_and_term_ends_with_0(self):
        s = self.s.start()
        self.assertEqual(s.ask("/ping"), "core here")
        self.assertEqual(s.ask("/key"), "key answered KEY_DROPPED")
        self.assertEqual(s.ask("/fetch"), "fetch answered 299")
        self.assertRegex(s.ask("/level"), r"^self, .*Landlock \d+, \d+ system calls, (\d+) of \1 ")
        self.assertIn(f"base_url=http://localhost:{s.port} data={s.data}", s.ask("/settings"))
        self.assertEqual(s.stop(), 0)
        self.assertFalse(os.path.exists(os.path.join(s.data, "run/url")))

    def test_workers_report_how_they_ended(self):
        s = self.s.start()
        self.assertEqual(s.ask("/worker/0"), "worker 0 status 0")
        self.assertEqual(s.ask("/worker/1"), "worker 1 signal 6")
        self.assertEqual(s.ask("/worker/0"), "worker 0 status 0")

    def test_a_worker_that_hangs_is_killed_after_job_timeout(self):
        s = self.s.start(settings="job_timeout = 1s\n")
        self.assertEqual(s.ask("/worker/2"), "worker 2 signal 9")

    def test_workers_die_with_core(self):
        s = self.s.start()
        core = s.pid("core")
        with socket.create_connection(("127.0.0.1", s.port)) as c:
            c.sendall(b"GET /worker/2\n")
            s.wait(lambda: self.workers(s), "a worker")
            workers = self.workers(s)
            self.assertEqual(len(workers), 1)
            os.kill(core, signal.SIGKILL)
            s.wait(lambda: not alive(workers[0]), "end of the worker")

    @staticmethod
    def workers(s):
        """By command line: the link to its program is not readable for the user whose process has no dumps."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if f.read().startswith(os.path.join(s.bin, "chancery-worker").encode() + b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def test_each_program_is_restarted_and_linked_again(self):
        s = self.s.start()
        for program in ("key", "fetch", "core", "front"):
            before = s.pid(program)
            os.kill(before, signal.SIGKILL)
            s.wait(lambda: s.pid(program) != before, f"restart of {program}")
            self.assertEqual(s.ask("/ping"), "core here")
            self.assertEqual(s.ask("/key"), "key answered KEY_DROPPED")
            self.assertEqual(s.ask("/fetch"), "fetch answered 299")
        self.assertEqual(s.stop(), 0)

    def test_everything_dies_with_the_supervisor(self):
        s = self.s.start()
        pids = [s.pid(p) for p in ("key", "fetch", "core", "front")]
        s.process.kill()
        s.process.wait()
        s.wait(lambda: not any(alive(p) for p in pids), "end of all")
        s.start()  # the lock died with its holder
        self.assertEqual(s.ask("/ping"), "core here")

    def test_second_serve_names_the_first(self):
        s = self.s.start()
        first = s.process
        self.refused(2, f"process {first.pid}", "serves the data folder")
        s.process = first
        self.assertEqual(s.ask("/ping"), "core here")

    def test_port_in_use_is_said(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            where = "127.0.0.1:%d" % other.getsockname()[1]
            self.refused(2, where, "is in use by another program", listen=where)

    def test_plain_http_stays_on_loopback(self):
        self.refused(2, "reachable from outside", listen="0.0.0.0:0")
        self.s.start(listen="0.0.0.0:0", settings="insecure_http = yes\n")
        self.assertEqual(self.s.ask("/ping"), "core here")

    def test_ipv6_and_several_addresses(self):
        self.s.start(listen="127.0.0.1:0, [::1]:0")
        self.assertEqual(self.s.ask("/ping"), "core here")

    def test_settings_errors_name_the_line(self):
        self.refused(2, "line 2", "Did you mean workers?", settings="# x\nworker = 2\n")

    def test_environment_wins_over_the_file(self):
        s = self.s.start(settings="workers = 3\n", environment={"CHANCERY_WORKERS": "7"})
        self.assertIn("workers=7 ", s.ask("/settings"))

    def test_missing_and_open_data_folders_are_refused(self):
        os.chmod(self.s.data, 0o755)
        self.refused(2, "chmod 0700")
        os.rename(self.s.data, self.s.data + ".away")
        self.refused(2, "chancery init --data")

    def test_a_refusal_of_the_key_process_ends_the_service(self):
        os.mkdir(os.path.join(self.s.data, "key"))
        with open(os.path.join(self.s.data, "key/refuse"), "w"):
            pass
        self.refused(1, "The key folder says no.")

    def test_a_program_of_the_installation_is_missing(self):
        os.remove(os.path.join(self.s.bin, "chancery-fetch"))
        self.refused(2, "The program chancery-fetch is neither in")

    def secret_file(self, content, mode=0o600):
        path = os.path.join(self.s.root, "token")
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, mode)
        return path

    def test_secrets_come_by_descriptor(self):
        token = self.secret_file("chy_secret\n")
        s = self.s.start(settings=f"metrics_token = file:{token}\n")
        self.assertEqual(s.ask("/secret"), "[chy_secret]")
        self.assertNotIn("chy_secret", s.log())
        self.assertIn("the setting metrics_token is not used by this version", s.log())
        for program in ("key", "fetch", "core", "front"):
            with open(f"/proc/{s.pid(program)}/cmdline", "rb") as f:
                self.assertEqual(f.read().count(b"\0"), 1)

    def test_a_secret_of_31_letters_and_a_line_end(self):
        """32 bytes are taken as they are for key_seal only."""
        token = self.secret_file("0123456789abcdefghijklmnopqrstu\n")
        s = self.s.start(settings=f"metrics_token = file:{token}\n")
        self.assertEqual(s.ask("/secret"), "[0123456789abcdefghijklmnopqrstu]")

    def test_secret_files_that_all_can_read_are_refused(self):
        token = self.secret_file("x", 0o644)
        self.refused(2, "every user of this machine can read", settings=f"metrics_token = {'file:' + token}\n")

    def test_systemd_is_told(self):
        path = os.path.join(self.s.root, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(20)
            self.s.start(environment={"NOTIFY_SOCKET": path})
            self.assertIn(b"READY=1", notify.recv(200))
            self.assertEqual(self.s.stop(), 0)
            self.assertIn(b"STOPPING=1", notify.recv(200))

    def test_children_get_no_environment_and_no_foreign_descriptors(self):
        s = self.s.start(environment={"SECRET_OF_THE_SHELL": "1"})
        for program in ("key", "fetch", "core", "front"):
            if os.geteuid() != 0:
                self.skipTest("only root may look into programs that cannot be dumped")
            with open(f"/proc/{s.pid(program)}/environ", "rb") as f:
                self.assertEqual(f.read(), b"")
            links = os.listdir(f"/proc/{s.pid(program)}/fd")
            self.assertLessEqual(len(links), 9, links)

    def test_level_full_gives_each_program_a_user(self):
        if os.geteuid() != 0:
            self.skipTest("level full needs root")
        s = self.s.start(settings="users = 70000\n")
        self.assertTrue(s.ask("/level").startswith("full, "))
        owners = {os.stat(f"/proc/{s.pid(p)}/task").st_uid for p in ("key", "fetch", "core", "front")}
        with open(f"/proc/{s.pid('key')}/status") as f:
            self.assertRegex(f.read(), r"Uid:\t70005\t70005\t70005\t70005")
        self.assertEqual(s.ask("/worker/0"), "worker 0 status 0")
        self.assertEqual(os.stat(os.path.join(s.data, "key")).st_uid, 70005)
        self.assertEqual(s.stop(), 0)
        s.start(settings="users = no\n")  # and back
        self.assertTrue(s.ask("/level").startswith("self, "))
        self.assertEqual(os.stat(os.path.join(s.data, "key")).st_uid, 0)
        self.assertTrue(owners)

    def test_weak_only_when_it_is_written(self):
        s = self.s.start(settings="sandbox = weak\n")
        self.assertRegex(s.ask("/level"), r"^weak, \d+ system calls")
        self.assertNotIn("Landlock", s.ask("/level"))
        self.assertEqual(s.ask("/worker/0"), "worker 0 status 0")

    def test_full_without_users_is_refused(self):
        self.refused(2, "Sandbox level full needs users", settings="sandbox = full\n")

    def test_programs_refuse_to_be_started_by_hand(self):
        for program in PROGRAMS:
            done = subprocess.run([os.path.join(self.s.bin, "chancery-" + program)], stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=30, text=True, close_fds=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("started by chanceryd", done.stderr)


if __name__ == "__main__":
    CHANCERYD, PROBE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
