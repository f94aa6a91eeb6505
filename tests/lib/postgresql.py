# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of its own for a test, on a unix socket in a short folder."""
import glob
import os
import shutil
import subprocess
import tempfile


def installed():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return os.path.dirname(found[-1]) if found else None


class Postgresql:
    def __init__(self):
        self.programs = installed()
        self.root = tempfile.mkdtemp(prefix="chypg", dir="/tmp")
        if os.geteuid() == 0:  # PostgreSQL refuses to be root
            shutil.chown(self.root, "postgres")
        os.chmod(self.root, 0o755)  # core has no right to pass other users' closed folders
        self.run("initdb", "-A", "trust", "-U", "chancery", "-E", "UTF8", "--no-locale")
        self.start()

    def run(self, program, *arguments):
        user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run([*user, os.path.join(self.programs, program), "-D", self.root + "/d", *arguments],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self):
        self.run("pg_ctl", "-w", "-l", self.root + "/log", "-o", "-k %s -c listen_addresses=''" % self.root, "start")

    def crash(self):
        """Ends at once, without a checkpoint."""
        self.run("pg_ctl", "-w", "-m", "immediate", "stop")

    @property
    def url(self):
        return "postgresql://chancery@/postgres?host=" + self.root

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.crash()
        except subprocess.CalledProcessError:
            pass
        shutil.rmtree(self.root, ignore_errors=True)
