#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every hostile ZIP of generate.py must be refused with its own code: run.py PATH_OF_zip_tool"""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate


def run(tool, path, options):
    started = time.time()
    done = subprocess.run([tool, "check", *options, path], capture_output=True, text=True, timeout=120)
    code = "ok" if done.returncode == 0 else done.stderr.split(":")[0]
    if done.returncode not in (0, 1):
        code = "crash %d: %s" % (done.returncode, done.stderr[:2000])
    return code, done.stderr, time.time() - started


def main():
    failed = 0
    names = [name for name, *_ in generate.CASES]
    assert len(names) == len(set(names)), "case names are not unique"
    with tempfile.TemporaryDirectory() as folder:
        for name, expected, data, options in generate.CASES:
            path = os.path.join(folder, name + ".zip")
            with open(path, "wb") as f:
                f.write(data)
            code, text, seconds = run(sys.argv[1], path, options)
            os.unlink(path)
            bad = code != expected or seconds > 20
            # A refusal is a sentence for the person who uploaded the file.
            bad = bad or (expected != "ok" and not text.split("|")[0].rstrip().endswith((".", ").")))
            if bad:
                failed += 1
                print("FAIL %s: expected %s, got %s (%.1f s) %s" % (name, expected, code, seconds, text))
    refused = sum(1 for _, expected, *_ in generate.CASES if expected != "ok")
    print("%d files, %d of them to be refused; %d failed" % (len(names), refused, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
