#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Raises the walls of every program at level weak and self, and full when run as root.

usage: test_walls.py WALLS [--sanitized]   (the program built from walls.c)
Prints, for each program and level, how many system calls stay allowed and how many forbidden
actions were tried and refused.
"""
import json
import os
import subprocess
import sys
import tempfile

PROGRAMS = ["worker", "key", "core", "core-postgresql", "front", "fetch"]
WORKER_CALLS = 30  # settled in the design; a sanitizer needs more


def run(walls, program, level, data, uid):
    command = [walls, program, level, data] + ([str(uid)] if uid else [])
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return None, done.stderr.strip() or f"status {done.returncode}"
    return json.loads(done.stdout), None


def main():
    walls, sanitized = sys.argv[1], "--sanitized" in sys.argv[2:]
    passed = failed = skipped = 0
    actions = 0
    with tempfile.TemporaryDirectory(prefix="walls") as data:
        for name in ("db", "blobs", "audit", "key"):
            os.mkdir(os.path.join(data, name))
        for level in ("weak", "self", "full"):
            if level == "full" and os.geteuid() != 0:
                print("skipped: level full needs root")
                skipped += len(PROGRAMS)
                continue
            if level == "full":
                os.chmod(data, 0o711)
                for name in ("", "db", "blobs", "audit", "key"):
                    os.chown(os.path.join(data, name), 70000, 70000)
            for program in PROGRAMS:
                got, why = run(walls, program, level, data, 70000 if level == "full" else 0)
                problem = why
                if got:
                    if got["tested"] != got["refused"] or got["tested"] < 40:
                        problem = "too few forbidden actions refused"
                    elif level != "weak" and got["landlock"] == 0:
                        problem = "no Landlock"
                    elif program == "worker" and not sanitized and got["calls"] > WORKER_CALLS:
                        problem = f"{got['calls']} system calls for a worker, at most {WORKER_CALLS}"
                if problem:
                    failed += 1
                    print(f"FAIL {program:16} {level}: {problem}")
                else:
                    passed += 1
                    actions += got["tested"]
                    print(f"ok   {program:16} {level}: {got['calls']:3} system calls, "
                          f"{got['refused']} of {got['tested']} refused ({got['note']})")
    print(f"{actions} forbidden actions refused")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
