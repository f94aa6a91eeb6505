# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of a script, or says which foreign tools it wants: needs.main(["cabextract", ...])"""
import shutil
import sys
import unittest


def main(tools):
    missing = [t for t in tools if shutil.which(t) is None]
    if missing:
        print("SKIPPED not installed: " + " ".join(missing))
        sys.exit(77)
    unittest.main()
