# SPDX-License-Identifier: Apache-2.0
"""The folder of real files (CHANCERY_CORPUS): what its tests share.

    corpus.files("cab/*.cab"); corpus.known("cab/"); corpus.main(corpus.old_osslsigncode())
"""
import glob
import json
import os
import sys
import unittest

import authenticode

FOLDER = os.environ.get("CHANCERY_CORPUS", "")
ROOTS = os.path.join(FOLDER, "roots", "all-roots.pem")


def path(name):
    return os.path.join(FOLDER, name)


def files(*patterns):
    """Paths by patterns below the folder, sorted within each; "**" is any depth."""
    return [f for p in patterns for f in sorted(glob.glob(path(p), recursive=True)) if os.path.isfile(f)]


def read(name):
    with open(path(name), "rb") as f:
        return f.read()


def known(start=""):
    """Rows of known-digests.json about files whose names start so: path, kind, alg, value, tool."""
    return [k for k in json.loads(read("known-digests.json"))["values"] if k["path"].startswith(start)]


def as_osslsigncode_says(case, sources):
    """Their own signatures: our verdict is that of osslsigncode, under the roots of the corpus."""
    with authenticode.Bench() as b:
        for source in sources:
            case.assertEqual(b.valid(source, ROOTS, ROOTS), b.accepted(source, ROOTS, ROOTS), source)


def old_osslsigncode():
    return "" if authenticode.new_enough() else "osslsigncode 2.6 or newer is not installed"


def main(missing=""):
    """unittest.main, or the reason to skip."""
    if not FOLDER or missing:
        print("SKIPPED " + (missing if FOLDER else "no corpus"))
        sys.exit(77)
    unittest.main()
