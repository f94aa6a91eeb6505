#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A data folder on a file system that is really full, to a different byte each time: what was
accepted is completed when there is room again, what was not says so; nothing is half-way.
Needs the right to mount a tmpfs; programs in $CHANCERY_BIN."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import service
from faulty import Faulty, sample

MIB = 1 << 20
SIZE = 24 * MIB
# Free bytes at the moment of the submission: from nothing to nearly enough for all steps.
FREE = [0, 4096, 8192, 16384, 32768, 65536, 98304, 131072, 196608, 262144, 393216, 524288]


class Small(service.Service):
    def __init__(self, programs):
        super().__init__(programs)
        self.disk = os.path.join(self.root, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=0700" % SIZE, "tmpfs", self.disk], check=True)
        self.data = os.path.join(self.disk, "data")
        self.ballast = os.path.join(self.disk, "ballast")

    def __exit__(self, *_):
        self.kill()
        subprocess.run(["umount", "-l", self.disk], check=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def leave(self, free):
        """So many bytes are left, as the kernel counts them."""
        self.relieve()
        at = os.statvfs(self.disk)
        size = at.f_bavail * at.f_frsize - free
        with open(self.ballast, "wb") as f:
            while size > 0:
                try:
                    return os.posix_fallocate(f.fileno(), 0, size)
                except OSError:  # the service has written in between
                    size -= at.f_frsize

    def relieve(self):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)


class FullDisk(Faulty):
    def serving(self, *flags, **more):
        import faulty
        kept, faulty.Service = faulty.Service, Small
        try:
            return super().serving(*flags, **more)
        finally:
            faulty.Service = kept

    def test_each_amount_of_room(self):
        s = self.serving()
        self.completed()
        accepted = refused = 0
        for free in FREE:
            with self.subTest(free=free):
                s.leave(free)
                answer = self.once()
                if answer is not None and answer[0] == 201:
                    accepted += 1
                    self.accepted.append(answer[1]["Location"].rsplit("/", 1)[1])
                elif answer is not None:
                    refused += 1
                    self.assertEqual(answer[0], 503, answer[2])
                    self.assertIsNotNone(answer[1]["Retry-After"], answer[2])
                s.relieve()
                for request in self.accepted:  # within what is tried again by itself
                    self.assertEqual(s.wait_final(request, 60), "Completed", self.problem(request))
                self.completed(seconds=60)
                self.assertIsNone(s.process.poll())
        for request in self.accepted:
            self.signed(request)
        print("full disk: %d submissions refused with 503, %d accepted and completed" % (refused, accepted))
        self.assertGreater(refused, 0)
        self.clean(len(self.accepted))

    def test_full_for_good(self):
        """Accepted, then no room for longer than we try: Failed, or waiting; never half released."""
        s = self.serving()
        s.leave(131072)
        answer = self.once()
        s.leave(0)
        if answer is not None and answer[0] == 201:
            self.accepted.append(answer[1]["Location"].rsplit("/", 1)[1])
        again = self.once()
        if again is not None and again[0] == 201:
            self.accepted.append(again[1]["Location"].rsplit("/", 1)[1])
        s.relieve()
        for request in self.accepted:
            self.assertIn(s.wait_final(request, 120), ("Completed", "Failed"))
            if s.status(request)["status"] == "Completed":
                self.signed(request)
        self.completed()
        self.clean()


def can_mount():
    folder = tempfile.mkdtemp()
    try:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
        return True
    except OSError:
        return False
    finally:
        os.rmdir(folder)


if __name__ == "__main__":
    if not can_mount():
        print("SKIPPED this user may not mount a tmpfs")
        sys.exit(77)
    sample("acme.xml")
    unittest.main()
