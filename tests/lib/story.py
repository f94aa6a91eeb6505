# SPDX-License-Identifier: Apache-2.0
"""What stories have in common: a service of their own and the programs that people use with it."""
import os
import subprocess
import unittest

from service import Service

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("CHANCERY_BIN") or os.path.join(os.environ.get("CHANCERY_BUILD") or os.path.join(ROOT, "build"), "bin"))


def environment(more=None):
    """No settings, proxies or client.conf of whoever runs the tests."""
    env = {k: v for k, v in os.environ.items()
           if not k.upper().startswith(("CHANCERY_", "SIGNPATH_")) and not k.lower().endswith("_proxy")}
    env["HOME"] = "/nonexistent"
    env.update(more or {})
    return env


def run(*arguments, env=None, cwd=None, data=None, timeout=120):
    return subprocess.run([os.path.join(BIN, "chancery"), *map(str, arguments)], env=environment(env), cwd=cwd,
                          input=data, capture_output=True, text=data is None or isinstance(data, str), timeout=timeout)


class Story(unittest.TestCase):
    """One service for all tests of a class; `self.s` is it."""
    settings = ""

    @classmethod
    def setUpClass(cls):
        cls.s = Service(BIN).found(settings=cls.settings)
        cls.addClassCleanup(cls.s.__exit__)
        cls.s.start()
        cls.ci = cls.write("ci-token", cls.s.token + "\n", 0o600)
        cls.root_token = cls.write("admin-token", cls.s.admin + "\n", 0o600)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.s.root, name)

    @classmethod
    def write(cls, name, content, mode=0o644):
        path = cls.path(name)
        if os.path.exists(path):
            os.unlink(path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(fd, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def chancery(self, *arguments, token=None, expect=0, env=None, cwd=None, url=None):
        """A client command against the service of this class."""
        more = {"CHANCERY_URL": url or self.s.url, "CHANCERY_ORGANIZATION": self.s.organization}
        more.update(env or {})
        done = run(*arguments, "--token-file", token or self.ci, env=more, cwd=cwd or self.s.root)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        self.assertNotIn("chy_", done.stderr)
        return done
